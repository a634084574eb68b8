//! Installations that are killed, or that fail, at any system call: nothing is left that starts anything, and the next
//! one works.

use std::fs;
use std::path::Path;

use tests::{Ended, Host};

use crate::fixture::{desktop, files, pack, store};

/// The system calls that change files.
const CALLS: [&str; 9] = [
    "mkdirat",
    "openat",
    "pwrite64",
    "symlinkat",
    "renameat2",
    "renameat",
    "unlinkat",
    "flock",
    "getdents64",
];

/// Runs a command with a fault at one system call.
fn run(host: &Host, program: &Path, action: &str, fault: &str) -> Ended {
    let start = host.start("/usr/bin/strace").args(["-o", "/dev/null", "-e", fault]);
    let start = start.arg(program).env("PATH", "/nowhere");
    start.env("PACKED", format!("desktop={action}")).run()
}

/// Does `each` for every fault at which the command does not end as without it.
fn faults(kind: &str, mut each: impl FnMut(&str) -> bool) -> usize {
    let mut count = 0;
    for call in CALLS {
        for number in 1..200 {
            if !each(&format!("inject={call}:{kind}:when={number}")) {
                break;
            }
            count += 1;
        }
    }
    count
}

fn entries(host: &Host) -> Vec<String> {
    files(host).into_iter().filter(|path| path.ends_with(".desktop")).collect()
}

#[test]
fn failed_installation_leaves_nothing() {
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    let program = host.install(bundle);
    let count = faults("error=ENOSPC", |fault| {
        let ended = run(&host, &program, "install", fault);
        if ended.status.success() {
            let _ = desktop(&host, &program, "remove").stdout();
            return false;
        }
        let (what, _) = ended.refusal();
        assert!(what.contains("No space left on device"), "{fault}: {what}");
        assert_eq!(files(&host), [""; 0], "{fault}: {what}");
        true
    });
    assert!(count > 40, "{count} faults");
}

#[test]
fn killed_installation_is_undone_by_the_next() {
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    let program = host.install(bundle);
    let _ = desktop(&host, &program, "install").stdout();
    let whole = files(&host);
    let _ = desktop(&host, &program, "remove").stdout();
    let count = faults("signal=KILL", |fault| {
        let ended = run(&host, &program, "install", fault);
        let is_killed = !ended.status.success();
        // What stands between entries that are there and those that are not is one rename.
        let left = entries(&host);
        let list = desktop(&host, &program, "list").stdout();
        if is_killed && !left.is_empty() {
            assert!(list.contains("unfinished: ") || list.contains(": ok\n"), "{fault}: {list}");
        }
        let _ = desktop(&host, &program, "install").stdout();
        assert_eq!(files(&host), whole, "{fault}");
        let _ = desktop(&host, &program, "remove").stdout();
        assert_eq!(files(&host), [""; 0], "{fault}");
        is_killed
    });
    assert!(count > 40, "{count} faults");
}

#[test]
fn failed_replacement_leaves_what_was_there() {
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    let program = host.install(bundle);
    let _ = desktop(&host, &program, "install").stdout();
    let whole = files(&host);
    let entry = host.outside(host.home(".local/share/applications/bar.packed_foo.desktop"));
    let before = fs::read(&entry).expect("it is installed");
    let count = faults("error=EIO", |fault| {
        let ended = run(&host, &program, "install", fault);
        assert_eq!(files(&host), whole, "{fault}");
        assert_eq!(fs::read(&entry).expect("it is there"), before, "{fault}");
        !ended.status.success()
    });
    assert!(count > 20, "{count} faults");
}

#[test]
fn killed_removal_is_finished_by_the_next() {
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    let program = host.install(bundle);
    let count = faults("signal=KILL", |fault| {
        let _ = desktop(&host, &program, "install").stdout();
        let is_killed = !run(&host, &program, "remove", fault).status.success();
        if is_killed && !files(&host).is_empty() {
            let _ = desktop(&host, &program, "remove").stdout();
        }
        assert_eq!(files(&host), [""; 0], "{fault}");
        is_killed
    });
    assert!(count > 10, "{count} faults");
}
