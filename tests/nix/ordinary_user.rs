//! An ordinary user packs: whether Nix lets them look into its database or not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tests::{Bundle, Closure, Host, Nix, Project, Start, User, packer, until};

/// A host with Nix's store, and `packer` in /srv.
fn host() -> (Host, PathBuf) {
    let host = Host::new(User::ordinary(), Nix::SamePaths);
    let packer = host.install(packer());
    (host, packer)
}

fn build(host: &Host, packer: &Path, closure: &str) -> Start {
    host.start(packer).args(["build", "--closure", closure, "--entry", "/bin/hello"])
}

/// A daemon of Nix, as installations for several users have it.
struct Daemon {
    child: Child,
    /// Where it listens on the host.
    socket: PathBuf,
}

impl Daemon {
    fn start(host: &Host) -> Daemon {
        let socket = PathBuf::from("/srv/socket");
        let outside = host.outside(&socket);
        let mut command = Command::new("nix-daemon");
        command.env("NIX_DAEMON_SOCKET_PATH", &outside).env("NIX_CONFIG", Project::SETTINGS);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("start it");
        let daemon = Daemon { child, socket };
        until("the daemon listens", || outside.exists().then_some(()));
        daemon
    }

    fn ask(&self, start: Start) -> Start {
        start.env("NIX_REMOTE", "daemon").env("NIX_DAEMON_SOCKET_PATH", &self.socket)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // If it has ended by itself, what was asked of it has failed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hello() -> (String, Vec<u8>) {
    let closure = Closure::example("hello");
    let expected = Bundle::of(&closure).entry("/bin/hello").pack();
    (closure.path.display().to_string(), fs::read(expected.path).expect("read it"))
}

/// The bundle of hello with what is in the files alone.
fn hello_by_scan() -> Vec<u8> {
    let builder = Bundle::of(&Closure::example("hello")).entry("/bin/hello").without_path_info();
    fs::read(builder.pack().path).expect("read it")
}

/// A store that may be listed, but not entered.
#[test]
fn what_may_not_be_looked_at_is_not_said_to_be_missing() {
    let (host, packer) = host();
    let (closure, _) = hello();
    let store = host.directory("/srv/closed/nix/store", 0o600);
    fs::create_dir(host.outside(store).join(closure.rsplit('/').next().unwrap())).unwrap();
    let start = build(&host, &packer, &closure).args(["--store-root", "/srv/closed"]);
    let (what, hint) = start.run().expect_refusal(1);
    assert!(what.contains("Permission denied"), "{what}");
    assert!(hint.contains("ls -ld"), "{hint}");
}

#[test]
fn without_nixs_database_the_files_are_scanned() {
    let (host, packer) = host();
    let (closure, _) = hello();
    let ended = build(&host, &packer, &closure).env("NIX_REMOTE", "local").run();
    ended.expect_code(0);
    let stderr = ended.stderr();
    assert!(stderr.starts_with("packer: nix-store: "), "{stderr}");
    assert!(stderr.ends_with(": scanning the files instead\n"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(fs::read(host.outside("/home/alice/hello")).unwrap() == hello_by_scan());
}

#[test]
fn nixs_daemon_is_asked_where_there_is_one() {
    let (host, packer) = host();
    let (closure, expected) = hello();
    let daemon = Daemon::start(&host);
    let _ = daemon.ask(build(&host, &packer, &closure)).run().stdout();
    assert!(fs::read(host.outside("/home/alice/hello")).unwrap() == expected);
}

#[test]
fn nixs_daemon_builds_for_an_ordinary_user() {
    let (host, packer) = host();
    let project = Project::new();
    let flake = host.directory("/home/alice/project", 0o755);
    for name in ["default.nix", "flake.nix", "stamp"] {
        let copy = host.outside(flake.join(name));
        fs::copy(project.path().join(name), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let daemon = Daemon::start(&host);
    let ended = daemon.ask(build(&host, &packer, "./project#hello")).run();
    ended.expect_code(0);
    assert!(ended.stderr().contains("building '/nix/store/"), "{}", ended.stderr());
    let text = host.start("/home/alice/hello").arg("again").run().stdout();
    assert!(text.starts_with("hello ") && text.ends_with(" again\n"), "{text}");
}
