//! Many first starts at once, of bundles that share store paths, while others are killed and what is not used is
//! removed: each that is left alone runs, and each store path is unpacked once.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal::SIGKILL;
use tests::{Bundle, Host, Nix, Store, User, packer, say, until};

use crate::packer_cache::hold_lock;

/// How many are started at once.
const STARTS: usize = 100;

/// The store path of the second version.
const SECOND: &str = "2c0b8vw40dy178xlpddw65q9gf1h2186-odd";

/// Installs two versions of a program that share a store path with most of the files.
fn install(host: &Host) -> [PathBuf; 2] {
    let store = Store::new();
    for number in 0..300 {
        let content = format!("{number}\n").repeat(2000);
        store.file(format!("{}/share/{number}", Store::OTHER), content.as_bytes());
    }
    [Store::PATH, SECOND].map(|path| {
        store.program(format!("{path}/bin/probe"), &tests::probe());
        store.file(format!("{path}/share/version"), &path.as_bytes()[..1]);
        store
            .link(format!("{path}/share/other"), format!("/nix/store/{}", Store::OTHER).as_bytes());
        let bundle = Bundle::of_store(&store, path).entry("/bin/probe").option("--level", "1");
        host.install_as(bundle.pack_into(store.root()).path, Path::new("/srv").join(path))
    })
}

/// What a version prints, on a host of its own.
fn printed(program: &Path, host: &Host) -> String {
    let alone = Host::new(host.user.clone(), host.nix);
    let program = alone.install(host.outside(program));
    alone.start(program).args(["files", "0"]).run().stdout()
}

/// The number of store paths that a start says it has unpacked.
fn unpacked(said: &str) -> usize {
    let counts = said.lines().filter_map(|line| {
        let (_, rest) = line.split_once("unpacking ")?;
        rest.split_once(" store paths")?.0.parse::<usize>().ok()
    });
    counts.sum()
}

#[test]
fn a_hundred_first_starts_unpack_each_path_once() {
    for mode in ["relocate", "namespace"] {
        for versions in [1, 2] {
            for kill in [false, true] {
                let host = Host::new(User::ordinary(), Nix::Absent);
                let programs = &install(&host)[..versions];
                let printed: Vec<String> =
                    programs.iter().map(|program| printed(program, &host)).collect();
                // With the lock held, the first start cannot end before it is killed.
                let mut held = kill.then(|| hold_lock(&host));
                // At first all that unpack, then some of those that wait for them.
                let is_victim = |number| kill && (number < 20 || number % 7 == 0);
                let running: Vec<_> = (0..STARTS)
                    .map(|number| {
                        let program = &programs[number % versions];
                        let start = host.start(program).args(["files", "0"]);
                        let start = start.env("PACKED_MODE", mode).env("PACKED_LOG", "debug");
                        let running = start.spawn();
                        if is_victim(number) {
                            thread::sleep(Duration::from_millis(number as u64 % 8));
                            running.signal(SIGKILL);
                            drop(held.take());
                        }
                        running
                    })
                    .collect();
                let mut killed = 0;
                let mut paths = 0;
                for (number, running) in running.into_iter().enumerate() {
                    let ended = running.wait();
                    if is_victim(number) && !ended.status.success() {
                        ended.expect_signal(9);
                        killed += 1;
                        continue;
                    }
                    ended.expect_code(0);
                    let stdout = String::from_utf8_lossy(&ended.stdout);
                    assert_eq!(stdout, printed[number % versions], "{mode} {number}");
                    paths += unpacked(&ended.stderr());
                }
                assert!(kill == (killed > 0), "{killed} were killed");
                // Who is killed may have published some of them.
                let all = versions + 1;
                assert!(paths == all || killed > 0 && paths <= all, "{paths} of {all}, {mode}");
                say(&format!(
                    "{STARTS} first starts at once of {versions} versions, {killed} killed, \
                     {paths} of {all} store paths unpacked by the others: {mode}"
                ));
            }
        }
    }
}

/// A start finds no cache, and another one makes it before the first lists what the directory has.
#[test]
fn a_cache_that_another_start_just_made_is_no_foreign_directory() {
    let host = Host::new(User::ordinary(), Nix::Absent);
    let programs = install(&host);
    let printed = programs.each_ref().map(|program| printed(program, &host));
    let start = |program: &Path| {
        host.start(program).env("PACKED_MODE", "relocate").env("PACKED_CACHE", host.cache())
    };
    // The first directory that it lists is the cache, and it does so late.
    let options = ["-o", "/dev/null", "-e", "inject=getdents64:delay_enter=3000000:when=1"];
    let slow = start(Path::new("/usr/bin/strace")).args(options).arg(&programs[0]);
    let slow = slow.args(["files", "0"]).spawn();
    until("the directory is there", || host.outside(host.cache()).exists().then_some(()));
    assert_eq!(start(&programs[1]).args(["files", "0"]).run().stdout(), printed[1]);
    assert_eq!(slow.wait().stdout_of_several(), printed[0]);
}

/// How many bundles are in the host's caches, wherever they are.
fn records(host: &Host) -> usize {
    let temporary = list(&host.outside("/var/tmp"));
    let caches = temporary.into_iter().chain([host.outside(host.cache())]);
    caches.map(|cache| list(&cache.join("bundles")).len()).sum()
}

/// What is in a directory; nothing if it is not there.
fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn nothing_is_removed_from_under_a_running_program() {
    for (mode, home) in [("relocate", true), ("namespace", true), ("relocate", false)] {
        let host = Host::new(User::ordinary(), Nix::Absent);
        let programs = install(&host);
        let packer = host.install(packer());
        let start = |program: &Path, arguments: &[&str]| {
            let start = host.start(program).args(arguments).env("PACKED_MODE", mode);
            // Else the cache is below /var/tmp, where it is locked as a whole.
            if home { start } else { start.without_env("HOME") }
        };
        let printed = programs.each_ref().map(|program| printed(program, &host));
        let mut removed = 0;
        let collectors: Vec<_> = (0..2)
            .map(|_| {
                let script = "while [ ! -e /tmp/end ]; do \"$0\" cache clear || exit 1; done";
                let start = host.start("/bin/sh").args(["-c", script]).arg(&packer);
                if home { start } else { start.without_env("HOME") }.spawn()
            })
            .collect();
        let mut starts = 0;
        for round in 0..10 {
            let running: Vec<_> = (0..4)
                .map(|number| {
                    let milliseconds = (10 * round * number).to_string();
                    start(&programs[number % 2], &["files", &milliseconds]).spawn()
                })
                .collect();
            for (number, running) in running.into_iter().enumerate() {
                let stdout = running.wait().stdout_of_several();
                assert_eq!(stdout, printed[number % 2], "{mode}, round {round}");
                starts += 1;
            }
            if round == 4 {
                // Nothing runs now, so the collectors remove both. The next round unpacks again.
                until("both bundles are removed", || (records(&host) == 0).then_some(()));
            }
        }
        fs::write(host.outside("/tmp/end"), "").expect("write a file");
        for collector in collectors {
            let text = collector.wait().stdout_of_several();
            let counts = text.lines().filter_map(|line| {
                line.strip_prefix("  removed ")?.split(' ').next()?.parse::<u32>().ok()
            });
            removed += counts.sum::<u32>();
        }
        assert!(removed > 0, "{mode}: nothing was removed");
        say(&format!("{starts} starts while {removed} bundles were removed: {mode}"));
    }
}

/// A cache in a temporary directory is locked as a whole; each of its locks is taken slowly here, so that a start
/// comes in between.
#[test]
fn nothing_is_removed_from_under_a_program_that_starts_meanwhile() {
    let host = Host::new(User::ordinary(), Nix::Absent);
    let [program, _] = install(&host);
    let packer = host.install(packer());
    let start =
        |program: &Path| host.start(program).without_env("HOME").env("PACKED_MODE", "relocate");
    let printed = printed(&program, &host);
    for delay in [1, 2, 3, 4, 5] {
        assert_eq!(start(&program).args(["files", "0"]).run().stdout(), printed);
        let options = ["-o", "/dev/null", "-e", "inject=flock:delay_exit=200000"];
        let collector = start(Path::new("/usr/bin/strace")).args(options);
        let collector = collector.arg(&packer).args(["cache", "clear"]).spawn();
        thread::sleep(Duration::from_millis(100 * delay));
        let ended = start(&program).args(["files", "1000"]).run();
        assert_eq!(ended.stdout_of_several(), printed, "after {delay}");
        collector.wait().expect_code(0);
    }
}
