//! Ten machines with one home: each has mounts, processes and temporary directories of its own, and its own mount of
//! the home by FUSE, so that no lock of one is seen by another.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, umount2};
use tempfile::TempDir;
use tests::{Bundle, Change, Host, Nix, Running, Store, User, run, say};

use crate::of_files;
use crate::shared::{Admin, SHARED};

const NODES: usize = 10;

/// First starts at once on each.
const STARTS: usize = 10;

/// A directory that every machine mounts by itself, as it would a file server's.
struct Home {
    base: TempDir,
}

impl Home {
    fn new(user: &User) -> Home {
        let base = tempfile::tempdir().expect("make a directory");
        let home = base.path().join("served/alice");
        fs::create_dir_all(&home).expect("make a home");
        user.own(&home).expect("give it to the user");
        Home { base }
    }

    /// Mounts it for one machine.
    fn mount(&self, number: usize) -> std::path::PathBuf {
        let at = self.base.path().join(number.to_string());
        fs::create_dir(&at).expect("make a directory");
        let mut bindfs = Command::new("bindfs");
        bindfs.args(["-o", "allow_other,attr_timeout=1,entry_timeout=1"]);
        run(bindfs.arg(self.base.path().join("served")).arg(&at)).expect_code(0);
        at
    }

    fn files(&self) -> usize {
        let mut find = Command::new("find");
        run(find.arg(self.base.path().join("served/alice"))).stdout().lines().count()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for number in 0..NODES {
            let at = self.base.path().join(number.to_string());
            // It may not be mounted: the test has failed before.
            let _ = umount2(&at, MntFlags::MNT_DETACH);
        }
    }
}

/// Starts the program some times at once, among processes of its own.
fn starts(host: &Host, mode: &str, environment: &[(&str, &str)]) -> Running {
    let script = "for i in $(seq STARTS); do (\"$0\" exit 7; echo $?) & done; wait"
        .replace("STARTS", &STARTS.to_string());
    let (uid, gid) = (host.user.uid.to_string(), host.user.gid.to_string());
    let mut start = host.start("/usr/bin/unshare").user(&User::root());
    start = start.args([
        "--pid",
        "--fork",
        "--mount-proc",
        "setpriv",
        "--reuid",
        &uid,
        "--regid",
        &gid,
    ]);
    start = start
        .args(["--clear-groups", "sh", "-c", &script, "/srv/probe"])
        .env("PACKED_LOG", "debug");
    for (name, value) in environment {
        start = start.env(name, value);
    }
    start.env("PACKED_MODE", mode).env("HOME", "/home/alice").spawn()
}

/// Starts a hundred on ten machines and returns how many unpacked on each.
fn round(nodes: &[Host], mode: &str, environment: &[(&str, &str)]) -> Vec<usize> {
    let running: Vec<_> = nodes.iter().map(|host| starts(host, mode, environment)).collect();
    let unpacked = |running: Running| {
        let ended = running.wait();
        let said = ended.stderr();
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "7\n".repeat(STARTS), "{mode}: {said}");
        said.matches("unpacking ").count()
    };
    running.into_iter().map(unpacked).collect()
}

fn node(user: &User, home: &Path, bundle: &Bundle, more: &[Change]) -> Host {
    let home = Change::Bind { source: home.into(), at: "/home".into() };
    let memory =
        Change::Mount { kind: "tmpfs", at: "/dev/shm".into(), options: "size=4k".to_owned() };
    let host = Host::changed(user.clone(), Nix::Absent, &[&[home, memory], more].concat());
    let _ = host.install(&bundle.path);
    host
}

#[test]
fn a_hundred_first_starts_unpack_once_on_each_machine() {
    let (store, user) = (Store::new(), User::ordinary());
    let (bundle, home) = (of_files(&store, 100), Home::new(&user));
    let homes: Vec<_> = (0..NODES).map(|number| home.mount(number)).collect();
    let nodes: Vec<_> = homes.iter().map(|home| node(&user, home, &bundle, &[])).collect();
    for mode in ["relocate", "namespace"] {
        assert_eq!(round(&nodes, mode, &[]), [1; NODES], "{mode}");
        assert_eq!(round(&nodes, mode, &[]), [0; NODES], "{mode}");
    }
    assert_eq!(home.files(), 1, "nothing is written to the home");
}

#[test]
fn with_a_shared_cache_they_unpack_nothing() {
    let (store, user, admin) = (Store::new(), User::ordinary(), Admin::new());
    let (bundle, home) = (of_files(&store, 100), Home::new(&user));
    admin.add(&bundle.path, &[]);
    let homes: Vec<_> = (0..NODES).map(|number| home.mount(number)).collect();
    let changes = [admin.bind(SHARED), Change::Flags(SHARED.into(), MsFlags::MS_RDONLY)];
    let nodes: Vec<_> = homes.iter().map(|home| node(&user, home, &bundle, &changes)).collect();
    nodes.iter().for_each(|host| drop(host.directory(SHARED, 0o755)));
    for mode in ["relocate", "namespace"] {
        let environment = [("PACKED_SHARED", SHARED)];
        assert_eq!(round(&nodes, mode, &environment), [0; NODES], "{mode}");
    }
    assert_eq!(home.files(), 1, "nothing is written to the home");
}

/// No lock of one machine is seen by another there, and each sees files of the others late.
#[test]
fn where_the_home_is_all_there_is_none_fails() {
    let (store, user) = (Store::new(), User::ordinary());
    let (bundle, home) = (of_files(&store, 100), Home::new(&user));
    let homes: Vec<_> = (0..NODES).map(|number| home.mount(number)).collect();
    let changes = ["/tmp", "/var/tmp"].map(|at| Change::Flags(at.into(), MsFlags::MS_RDONLY));
    let nodes: Vec<_> = homes.iter().map(|home| node(&user, home, &bundle, &changes)).collect();
    for mode in ["relocate", "namespace"] {
        let unpacked = round(&nodes, mode, &[]);
        let sum: usize = unpacked.iter().sum();
        assert!((1..=NODES).contains(&sum), "{mode}: {unpacked:?}");
        say(&format!(
            "{} first starts on {NODES} machines with one home, {mode}: {sum} unpacked",
            NODES * STARTS
        ));
        assert_eq!(round(&nodes, mode, &[]), [0; NODES], "{mode}");
    }
}
