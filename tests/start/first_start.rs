//! The first start unpacks, once; later ones use what is there.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::sys::signal::Signal::SIGKILL;
use tests::{Bundle, Change, Closure, Host, Nix, User, until};

/// The python example: many files, so that its first start takes a while.
fn python() -> Bundle {
    let builder = Bundle::of(&Closure::example("python-example")).entry("/bin/python-example");
    builder.option("--level", "3").option("--mode", "namespace").pack()
}

/// Every file with its number, which a file that is written again would not keep.
fn numbers(directory: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("list the cache") {
        let path = entry.expect("list the cache").path();
        let meta = path.symlink_metadata().expect("look at a file");
        if meta.is_dir() {
            found.extend(numbers(&path));
        }
        found.insert(path.display().to_string(), meta.ino());
    }
    found
}

/// How many files there are, while some come and go.
fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| 1 + count(&entry.path())).sum()
}

#[test]
fn a_second_start_unpacks_nothing() {
    for host in Host::every() {
        let program = host.install(python().path);
        let first = host.start(&program).arg("x").run().stdout();
        let files = numbers(&host.outside(host.cache()));
        assert!(files.len() > 100, "on {host}: {files:?}");
        assert_eq!(host.start(&program).arg("x").run().stdout(), first, "on {host}");
        assert_eq!(numbers(&host.outside(host.cache())), files, "on {host}");
    }
}

#[test]
fn a_second_start_does_not_read_the_payload() {
    let bundle = Bundle::probe();
    let mut bytes = fs::read(&bundle.path).unwrap();
    bytes[bundle.payload()..].fill(0);
    let directory = tempfile::tempdir().unwrap();
    let hollow = directory.path().join("hollow");
    fs::write(&hollow, bytes).unwrap();
    for host in Host::every() {
        let hollow = host.install(&hollow);
        let (what, _) = host.start(&hollow).args(["exit", "3"]).run().refusal();
        assert!(what.contains("damaged"), "{what}");
        host.start(host.install(&bundle.path)).args(["exit", "3"]).run().expect_code(3);
        host.start(&hollow).args(["exit", "3"]).run().expect_code(3);
    }
}

#[test]
fn a_bundle_that_may_only_be_executed_says_so() {
    let host = Host::ordinary();
    let program = host.install(Bundle::probe().path);
    let start = |mode| {
        // Nobody but its owner, root, can open it then.
        fs::set_permissions(host.outside(&program), Permissions::from_mode(mode)).unwrap();
        host.start(&program).args(["exit", "3"]).run()
    };
    let (what, hint) = start(0o711).refusal();
    assert!(what.contains("read") && hint.contains("chmod +r"), "{what}\n{hint}");
    start(0o755).expect_code(3);
    // The kernel protects such a process from its own user, and /proc/self/uid_map with it: whoever can't
    // do without must say the same.
    let again = start(0o711);
    if again.status.code() != Some(3) {
        let (what, hint) = again.refusal();
        assert!(hint.contains("chmod +r"), "{what}\n{hint}");
    }
}

#[test]
fn an_emulator_at_the_place_of_the_bundle_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("self")).unwrap();
    fs::write(directory.path().join("self/exe"), "an emulator of another processor type").unwrap();
    let bind = Change::Bind { source: directory.path().into(), at: "/proc".into() };
    let host = Host::changed(User::ordinary(), Nix::Absent, &[bind]);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let closure = Closure::example("coreutils");
    let bundle = Bundle::of(&closure).entry("/bin/env").option("--env", "SELF=%BUNDLE%");
    let program = host.install(bundle.option("--level", "3").pack().path);
    let said = host.start(&program).run().stdout();
    assert!(said.contains(&format!("SELF={}\n", program.display())), "{said}");
    // By a path that only another user may open.
    let other = host.install_as(host.outside(&program), "/srv/other");
    fs::set_permissions(host.outside(&other), Permissions::from_mode(0o711)).unwrap();
    let (what, hint) = host.start(&other).env("PACKED", "verify").run().refusal();
    assert_eq!(what, "packed: cannot read this bundle's own file: Permission denied");
    assert_eq!(hint, "hint: it must be readable, not just executable: chmod +r");
}

#[test]
fn twenty_first_starts_at_once_all_run() {
    for host in Host::every() {
        let program = host.install(python().path);
        let running: Vec<_> =
            (0..20).map(|n| host.start(&program).arg(n.to_string()).spawn()).collect();
        let expected = host.start(&program).arg("0").run().stdout_of_several();
        for (number, running) in running.into_iter().enumerate() {
            let own = expected.replacen("\"0\"", &format!("\"{number}\""), 1);
            assert_eq!(running.wait().stdout_of_several(), own, "start {number} on {host}");
        }
        let alone = Host::new(host.user.clone(), host.nix);
        let program = alone.install(python().path);
        assert_eq!(alone.start(program).arg("0").run().stdout(), expected);
        let names = |host: &Host| -> Vec<String> {
            let cache = host.outside(host.cache());
            let prefix = cache.display().to_string();
            numbers(&cache).into_keys().map(|path| path.replacen(&prefix, "", 1)).collect()
        };
        let (names, expected) = (names(&host), names(&alone));
        let other: Vec<_> = names.iter().filter(|name| !expected.contains(name)).collect();
        assert!(other.is_empty(), "each path is unpacked once, on {host}: {other:?}");
        assert_eq!(names.len(), expected.len());
    }
}

#[test]
fn after_a_killed_first_start_the_next_one_works() {
    let expected = {
        let host = Host::ordinary();
        let program = host.install(python().path);
        host.start(program).run().stdout()
    };
    for user in [User::ordinary(), User::root()] {
        let host = Host::new(user, Nix::Absent);
        let program = host.install(python().path);
        let clear = || fs::remove_dir_all(host.outside(host.cache())).unwrap();
        let count = || count(&host.outside(host.home("")));
        host.start(&program).run().expect_code(0);
        let (all, steps) = (count(), 24);
        clear();
        let mut killed = 0;
        for step in 0..steps {
            let mut running = host.start(&program).spawn();
            // By how far it has come, not by time: the machine may be busy.
            until("a share of the files", || {
                (count() >= all * step / steps || running.has_ended()).then_some(())
            });
            running.signal(SIGKILL);
            killed += u32::from(!running.wait().status.success());
            // The next one goes on where this one stopped; now and then one is looked at.
            if step % 4 == 3 {
                assert_eq!(host.start(&program).run().stdout(), expected, "step {step} on {host}");
                clear();
            }
        }
        assert!(killed > 0, "no start was killed on {host}");
        assert_eq!(host.start(&program).run().stdout(), expected, "on {host}");
    }
}

#[test]
fn two_bundles_share_what_they_have_in_common() {
    let host = Host::ordinary();
    let probe = |level: &str| {
        let builder = Bundle::of(&Closure::probe()).entry("/bin/probe");
        builder.option("--level", level).option("--mode", "namespace").pack()
    };
    let first = host.install_as(probe("1").path, "/srv/first");
    let second = host.install_as(probe("2").path, "/srv/second");
    assert_ne!(fs::read(host.outside(&first)).unwrap(), fs::read(host.outside(&second)).unwrap());
    host.start(first).args(["exit", "0"]).run().expect_code(0);
    let before = numbers(&host.outside(host.cache()));
    host.start(second).args(["exit", "0"]).run().expect_code(0);
    let mut after = numbers(&host.outside(host.cache()));
    after.retain(|path, _| path.ends_with("/bin/probe"));
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(after.iter().all(|(path, number)| before.get(path) == Some(number)));
}
