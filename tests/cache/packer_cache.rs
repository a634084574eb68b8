//! `packer cache`: what is unpacked is listed and removed, but not from under a running program.

use std::fs::{self, File};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::MsFlags;
use nix::sys::signal::Signal::SIGTERM;
use tests::{Bundle, Change, Closure, Host, Nix, User, packer, tree, until};

fn in_mode(mode: &str) -> Bundle {
    Bundle::of(&Closure::probe()).entry("/bin/probe").option("--mode", mode).pack()
}

#[test]
fn a_bundle_is_listed_kept_while_it_runs_and_removed_after() {
    for host in Host::every() {
        let packer = host.install(packer());
        let cache = |command: &[&str]| {
            let ended = host.start(&packer).arg("cache").args(command).run();
            ended.expect_code(0);
            ended.stdout()
        };
        for mode in ["namespace", "relocate"] {
            let program = host.install(in_mode(mode).path);
            assert!(!cache(&["list"]).contains("probe"), "{mode} on {host}");
            let running = host.start(&program).arg("sleep").spawn();
            tests::until("the program is listed as running", || {
                cache(&["list"]).contains("  probe (2 store paths, running)").then_some(())
            });
            assert!(cache(&["clear"]).contains("removed 0 bundles"), "{mode} on {host}");
            running.signal(SIGTERM);
            running.wait().expect_signal(15);
            assert!(cache(&["list"]).contains("  probe (2 store paths, 0 days ago)"));
            assert!(cache(&["gc"]).contains("removed 0 bundles"), "used today, {mode} on {host}");
            assert!(cache(&["clear"]).contains("removed 1 bundles"), "{mode} on {host}");
            let directory = host.outside(host.cache());
            let left = fs::read_dir(&directory).expect("list the cache").count();
            let stores = fs::read_dir(directory.join("stores/0")).map_or(0, Iterator::count);
            assert!(left <= 6 && stores == 0, "{mode} on {host}: {left} {stores}");
        }
    }
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    for name in ["work/project", "bundles", "version", "1b9p07z77phvv2hf6gm9f28syp39f1ag-app"] {
        let host = Host::ordinary();
        let program = host.install(Bundle::probe().path);
        let place = host.directory("/home/alice/place", 0o700);
        fs::create_dir_all(host.outside(place.join(name))).unwrap();
        let before = tree::list(&host.outside(&place)).unwrap();
        for variable in ["PACKED", "XDG_CACHE_HOME"] {
            let start = host.start(&program).args(["exit", "0"]).env("PACKED_CACHE", &place);
            let (what, hint) = start.env(variable, "").run().expect_refusal(125);
            assert!(what.contains("/home/alice/place"), "{what}");
            assert!(hint.contains("PACKED_CACHE"), "{hint}");
        }
        let clear = host.start(&program).env("PACKED", "clear").env("PACKED_CACHE", &place);
        let _ = clear.run().expect_refusal(125);
        assert_eq!(tree::list(&host.outside(&place)).unwrap(), before);
    }
}

#[test]
fn a_place_of_no_use_is_left_as_it_was() {
    let noexec = |at: &str| Change::Flags(at.into(), MsFlags::MS_NOEXEC);
    let changes = ["/home", "/tmp", "/var/tmp"].map(noexec);
    let host = Host::changed(User::ordinary(), Nix::Absent, &changes);
    let program = host.install(Bundle::probe().path);
    for _ in 0..3 {
        let _ = host.start(&program).args(["exit", "0"]).run().expect_refusal(125);
    }
    for place in ["/tmp", "/var/tmp"] {
        assert_eq!(fs::read_dir(host.outside(place)).unwrap().count(), 0, "{place}");
    }
}

/// Who removes things needs no room for it.
#[test]
fn a_full_cache_can_be_cleared() {
    let host = Host::changed(
        User::ordinary(),
        Nix::Absent,
        &[Change::Mount {
            kind: "tmpfs",
            at: "/home/alice".into(),
            options: "nr_inodes=400,mode=777".to_owned(),
        }],
    );
    let (program, packer) = (host.install(in_mode("relocate").path), host.install(packer()));
    host.start(&program).args(["exit", "0"]).run().expect_code(0);
    let fill = "i=0; while mkdir ~/fill$i; do i=$((i + 1)); done 2> /dev/null";
    host.start("/bin/sh").args(["-c", fill]).run().expect_code(0);
    let cleared = host.start(&packer).args(["cache", "clear"]).run();
    assert!(cleared.stdout().contains("removed 1 bundles"), "{cleared:?}");
}

/// Creates the user's cache and takes its lock, as a first start does while it unpacks.
pub(crate) fn hold_lock(host: &Host) -> Flock<File> {
    let cache = host.cache();
    host.directory(cache.parent().expect("the cache has a directory"), 0o700);
    let lock = host.outside(host.directory(&cache, 0o700).join("lock"));
    let file = File::create(&lock).expect("make a lock");
    host.user.own(&lock).expect("give it to the user");
    Flock::lock(file, FlockArg::LockExclusive).expect("take the lock")
}

/// A first start that was stopped holds the lock; who waits for it says so.
#[test]
fn waiting_for_long_is_said() {
    let host = Host::ordinary();
    let program = host.install(Bundle::probe().path);
    let lock = hold_lock(&host);
    let said = host.outside("/tmp/said");
    let script = "exec \"$0\" exit 0 2>/tmp/said";
    let waiting = host.start("/bin/sh").args(["-c", script]).arg(&program).spawn();
    let text = "packed: waiting for another start that is unpacking to /home/alice/.cache/packed\n";
    until("a line on stderr", || {
        fs::read_to_string(&said).is_ok_and(|said| said == text).then_some(())
    });
    drop(lock);
    waiting.wait().expect_code(0);
    assert_eq!(fs::read_to_string(&said).unwrap(), text);
}

/// systemd-tmpfiles(8) removes old files below /var/tmp, but not from a directory that is locked.
#[test]
fn a_cache_in_a_temporary_directory_is_locked_as_a_whole() {
    let host = Host::ordinary();
    let program = host.install(Bundle::of(&Closure::probe()).entry("/bin/probe").pack().path);
    let report = host.start(&program).without_env("HOME").run().report();
    let lock = report.get("descriptor 100").expect("a lock is held");
    let (place, _) = lock.split_once(' ').expect("a path and its flags");
    // In a mount namespace of the program's own, only the end of its path is to be seen.
    assert!(place.rsplit('/').next().is_some_and(|name| name.starts_with("packed-")), "{lock}");
    assert!(lock.contains("FLOCK") && lock.contains("READ"), "{lock}");
}
