//! Containers of real engines with their real filters of system calls, without an image but the bundle.

use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::Trial;
use tests::{Host, Nix, User, need, once, probe, run};

use crate::refusals::{DOCKER_READ_ONLY, DOCKER_READ_ONLY_FIXED, UNSHARE_EPERM};
use crate::row::Expected::{Installs, Runs};
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let (relocate, namespace, ram) = (Runs("relocate"), Runs("namespace"), Runs("ram"));
    let row = |name, relocatable, fixed, arguments: Vec<&'static str>| {
        Row::new(name, relocatable, fixed, move || container(&arguments)).needing(NEEDED)
    };
    vec![
        row("podman as root", relocate, namespace, podman("root", &[])),
        row("podman rootless", relocate, namespace, podman("rootless", &[])),
        row("podman, no capabilities", relocate, Installs, podman("root", &["--cap-drop=all"])),
        row("podman, read-only", ram, ram, podman("root", READ_ONLY)),
        row("crun as root", relocate, Installs, crun("root")),
        row("crun rootless", relocate, Installs, crun("rootless")),
        row("docker's filter, root", relocate, Installs, docker(&[])),
        row("docker's filter, user", relocate, UNSHARE_EPERM, docker(USER)),
        row(
            "docker's filter, read-only",
            DOCKER_READ_ONLY,
            DOCKER_READ_ONLY_FIXED,
            docker(READ_ONLY),
        ),
    ]
}

/// Whether the containers are what they say: without it, the table proves nothing.
pub(crate) fn proofs() -> Vec<Trial> {
    let proof = |name: &str, arguments: Vec<&'static str>| {
        let run = move || {
            need(NEEDED);
            let machine = container(&arguments);
            let report = machine.start(&machine.host.install(probe())).run().report();
            assert_eq!(report.get("status Seccomp"), Some("2"));
            let powers =
                report.get("status CapEff").and_then(|set| u64::from_str_radix(set, 16).ok());
            assert!(powers.is_some_and(|powers| powers & 1 << CAP_SYS_ADMIN == 0), "{powers:?}");
            Ok(())
        };
        Trial::test(format!("{name} has a filter"), run).with_ignored_flag(true)
    };
    vec![
        proof("podman as root", podman("root", &[])),
        proof("podman rootless", podman("rootless", &[])),
        proof("crun as root", crun("root")),
        proof("crun rootless", crun("rootless")),
    ]
}

/// The engines, and what podman maps users with.
pub(crate) const NEEDED: &[&str] = &["podman", "crun", "newuidmap"];

/// Its number. capabilities(7)
const CAP_SYS_ADMIN: u32 = 21;

fn podman(user: &'static str, options: &[&'static str]) -> Vec<&'static str> {
    [&[user], PODMAN, options, &[IMAGE]].concat()
}

fn docker(options: &[&'static str]) -> Vec<&'static str> {
    podman("root", &[&["--security-opt=seccomp=/srv/docker.json"], options].concat())
}

fn crun(user: &'static str) -> Vec<&'static str> {
    vec![user, "python3", "-c", include_str!("crun.py")]
}

/// What an engine leaves running, to see the end of a container or to be faster the next time, ends with it.
const OWN_PROCESSES: &[&str] = &[
    "/usr/bin/unshare",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation=shared",
];

/// podman's options; those that are no defaults are for machines like this one.
const PODMAN: &[&str] = &[
    "podman",
    "--root=/tmp/store",
    "--runroot=/tmp/run",
    "--tmpdir=/tmp/libpod",
    "--storage-driver=vfs",
    "--runtime=crun",
    "--cgroup-manager=cgroupfs",
    "--events-backend=none",
    "run",
    "--rm",
    // The program gets the streams themselves: what a container wrote that ended at once was lost now and then.
    "--log-driver=passthrough",
    // Without systemd, nobody hands a control group over.
    "--cgroups=disabled",
    // Not more than what the machine itself has.
    "--ulimit=nofile=1024:4096",
    "--ulimit=nproc=1000:1000",
    // To talk to the program from outside.
    "--network=host",
    "--volume=/srv:/srv",
    "--workdir=/srv/data",
    "--env=PACKED_LOG",
    "--env=MARKOV_LISTEN_ADDR",
    "--rootfs",
];

/// An empty directory that `container.sh` makes, as an image `FROM scratch` is.
const IMAGE: &str = "/home/alice/image";

const READ_ONLY: &[&str] = &["--read-only", "--read-only-tmpfs=false"];

/// As in images for services: a user without a home, and a place for temporary files.
const USER: &[&str] = &["--user=4711:4711", "--volume=/srv/data:/tmp"];

/// A machine that starts programs by an engine: `container.sh` with these arguments.
pub(crate) fn container(arguments: &[&'static str]) -> Machine {
    let host = Host::new(User::root(), Nix::Absent);
    let _ = host.install(docker_filter());
    let script = ["/bin/sh", "-c", include_str!("container.sh"), "container.sh"];
    Machine::new(host).under(&[OWN_PROCESSES, &script, arguments].concat())
}

/// Docker's filter, from the package of its source; fetched once.
fn docker_filter() -> PathBuf {
    const PACKAGE: &str = "golang-github-docker-docker-dev";
    const FILE: &str =
        "./usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json";
    once("docker.json", PACKAGE, |output| {
        let directory = tempfile::tempdir().expect("make a directory");
        let script =
            "{ apt-get -q download $1 || { apt-get -q update && apt-get -q download $1; }; } &&
            dpkg-deb --fsys-tarfile *.deb | tar -xO $2 >$3";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", PACKAGE, FILE]).arg(output);
        run(command.current_dir(directory.path())).expect_code(0);
    })
}
