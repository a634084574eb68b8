//! A machine with programs that run images.

use std::path::{Path, PathBuf};

use tests::{Host, Nix, User, need};

use crate::image::Packing;

/// What the scripts here use, beside the engines of each.
const NEEDED: [&str; 4] = ["crun", "ip", "newuidmap", "podman"];

/// What an engine leaves running ends with it.
const OWN_PROCESSES: [&str; 7] =
    ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=shared"];

/// Where the images are, on the machine.
const IMAGES: &str = "/srv/data";

/// A machine with engines, for root or for a user without root's powers.
pub(crate) struct Engine {
    user: &'static str,
    host: Host,
}

impl Engine {
    /// Those of root, and those of an ordinary user: each has containers of its own.
    pub(crate) fn both(programs: &[&str]) -> [Engine; 2] {
        ["root", "rootless"].map(|user| Engine::of(user, programs))
    }

    /// The engines of `root`, or `rootless` ones.
    pub(crate) fn of(user: &'static str, programs: &[&str]) -> Engine {
        need(&NEEDED);
        need(programs);
        let host = Host::new(User::root(), Nix::Absent);
        let _ = host.directory(IMAGES, 0o755);
        Engine { user, host }
    }

    /// Whether they are root's.
    pub(crate) fn is_root(&self) -> bool {
        self.user == "root"
    }

    /// Packs an image into the directory of the images.
    pub(crate) fn pack(&self, packing: Packing, name: &str) {
        packing.write(&self.at(name));
    }

    /// Where a file of that directory is.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.outside(IMAGES).join(name)
    }

    /// Where a directory of the machine's own is.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.host.outside(path)
    }

    /// Runs a command as root outside of containers.
    pub(crate) fn as_root(&self, program: &Path, arguments: &[&str]) {
        let program = self.host.install(program);
        self.host.start(program).args(arguments).run().expect_code(0);
    }

    /// Runs a script in that directory, with these arguments; each of its commands must end well. Returns what it
    /// prints.
    #[track_caller]
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> String {
        let script = format!("cd {IMAGES}\n{script}");
        let start = self.host.start("/usr/bin/env").args(OWN_PROCESSES);
        let start = start.args(["/bin/sh", "-c", include_str!("engine.sh"), "engine.sh"]);
        let start = start.args([include_str!("../hosts/container.sh"), self.user]);
        let start = start.args(["/bin/bash", "-euxc", &script, "bash"]).args(arguments);
        let ended = start.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").run();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success(), "{}: {said}\n{}", self.user, ended.stderr());
        said
    }
}
