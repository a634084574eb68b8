//! Any user's start takes its bundle from a shared cache, and writes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use nix::sys::signal::Signal::SIGTERM;
use tempfile::TempDir;
use tests::{Bundle, Change, Closure, Directory, Ended, Host, Nix, Store, User, packer, until};

/// The shared cache: so short that relocated references fit.
pub(crate) const SHARED: &str = "/srv/shared";

/// A machine with a shared cache that root fills.
pub(crate) struct Admin {
    pub(crate) host: Host,
    packer: PathBuf,
}

impl Admin {
    pub(crate) fn new() -> Admin {
        let host = Host::new(User::root(), Nix::Absent);
        let packer = host.install(packer());
        Admin { host, packer }
    }

    /// Runs `packer cache` with a umask that lets nobody read what is made.
    pub(crate) fn cache(&self, arguments: &[&str]) -> Ended {
        self.host.start(&self.packer).arg("cache").args(arguments).umask(0o077).run()
    }

    /// Adds a bundle to the shared cache.
    pub(crate) fn add(&self, bundle: &Path, more: &[&str]) -> String {
        let program = self.host.install(bundle);
        let program = program.to_str().expect("its path is text");
        self.cache(&[&["add", program, "--to", SHARED], more].concat()).stdout()
    }

    /// The shared cache, outside of the host.
    pub(crate) fn shared(&self) -> PathBuf {
        self.host.outside(SHARED)
    }

    /// Another machine, of an ordinary user, that has the shared cache.
    pub(crate) fn user(&self, changes: &[Change]) -> Host {
        let changes = [&[self.bind(SHARED)], changes].concat();
        let host = Host::changed(User::ordinary(), Nix::Absent, &changes);
        host.directory(SHARED, 0o755);
        host
    }

    /// Mounts the shared cache at a place of another host.
    pub(crate) fn bind(&self, at: &str) -> Change {
        Change::Bind { source: self.shared(), at: at.into() }
    }
}

/// The probe, in all modes.
pub(crate) fn probe() -> Bundle {
    Bundle::of(&Closure::probe()).entry("/bin/probe").pack()
}

/// A directory to be mounted at /etc that names shared caches.
pub(crate) fn etc(list: &str) -> TempDir {
    let etc = tempfile::tempdir().expect("make a directory");
    fs::set_permissions(etc.path(), fs::Permissions::from_mode(0o755)).expect("set its mode");
    fs::create_dir(etc.path().join("packed")).expect("make a directory");
    fs::write(etc.path().join("packed/shared"), list).expect("write the list");
    etc
}

/// A host with the shared cache, on which nothing at all may be written.
fn read_only(user: User, nix: Nix, mount: Change, etc: &Path) -> Host {
    let flags = |at: &str| Change::Flags(at.into(), MsFlags::MS_RDONLY);
    let home = user.home().to_str().expect("text").to_owned();
    let mut changes = vec![mount];
    changes.push(Change::Bind { source: etc.into(), at: "/etc".into() });
    changes.extend([&home, "/tmp", "/var/tmp"].map(flags));
    changes.push(Change::Mount {
        kind: "tmpfs",
        at: "/dev/shm".into(),
        options: "size=4k,mode=1777".to_owned(),
    });
    let host = Host::changed(user, nix, &changes);
    host.directory(&home, 0o700);
    fs::create_dir(host.outside(SHARED)).expect("make a place for the cache");
    host
}

#[test]
fn a_start_takes_its_bundle_from_there_and_writes_nothing() {
    let (admin, bundle, etc) = (Admin::new(), probe(), etc(&format!("/srv/none:{SHARED}\n")));
    let said = admin.add(&bundle.path, &[]);
    let expected = format!(
        "{SHARED}\n  probe, relocate: 2 store paths, 2 of them new\n  probe, namespace: 2 store paths, 2 of them new\n"
    );
    assert_eq!(said, expected);
    let upper = tempfile::tempdir().expect("make a directory");
    let shared = admin.shared();
    let overlay = format!("lowerdir={}:{}", shared.display(), upper.path().display());
    // A disk of the cluster, and the layers of an image.
    let bind = || vec![admin.bind(SHARED), Change::Flags(SHARED.into(), MsFlags::MS_RDONLY)];
    let overlay =
        || vec![Change::Mount { kind: "overlay", at: SHARED.into(), options: overlay.clone() }];
    for mount in [bind(), overlay()] {
        for nix in [Nix::Absent, Nix::Empty, Nix::OtherPaths] {
            for user in [User::ordinary(), User::root()] {
                let host = read_only(user, nix, mount[0].clone(), etc.path());
                let program = host.install(&bundle.path);
                for mode in ["relocate", "namespace"] {
                    for variable in ["PACKED_SHARED", "PACKED_NOTHING"] {
                        let point = format!("{mode} on {host}, {variable}, {mount:?}");
                        let start =
                            || host.start(&program).env("PACKED_MODE", mode).env(variable, SHARED);
                        let report = start().run().report();
                        assert!(report.get("descriptor 100").is_some(), "no lease: {point}");
                        let said = start().env("PACKED_LOG", "debug").run().stderr();
                        assert!(
                            said.contains(&format!("in the shared cache {SHARED}")),
                            "{point}: {said}"
                        );
                        assert!(!said.contains("unpacking"), "{point}: {said}");
                        assert!(said.contains(&format!("mode {mode}")), "{point}: {said}");
                    }
                }
                assert_eq!(
                    fs::read_dir(host.outside(host.user.home())).expect("list it").count(),
                    0
                );
            }
        }
    }
    assert!(!admin.shared().join("roots").exists(), "a new root is in the shared cache");
}

/// Nobody but its owner may write there, and all may read, whatever the umask.
#[test]
fn everybody_may_read_it_and_nobody_write() {
    let admin = Admin::new();
    admin.add(&probe().path, &[]);
    let script = format!(
        "cd {SHARED} && find . ! -type l -perm /022; find . -type d ! -perm -005 ! -name '*.contents'; \
         find . -type f ! -perm -004 ! -name lock; head -n 2 bundles/* | grep '^boot' | sort -u"
    );
    let listed = admin.host.start("/bin/sh").args(["-c", &script]).run().stdout();
    assert_eq!(listed, "boot ------------------------------------\n");
}

#[test]
fn what_is_there_is_not_unpacked_again() {
    let admin = Admin::new();
    let bundle = probe();
    admin.add(&bundle.path, &["--mode", "relocate"]);
    let times = |list: &str| {
        let script = format!("cd {SHARED} && find . -printf '%p %i %C@\\n' | grep {list} | sort");
        admin.host.start("/bin/sh").args(["-c", &script]).run().stdout()
    };
    let before = times("-e relocated -e -probe");
    let again = admin.add(&bundle.path, &["--mode", "relocate"]);
    assert_eq!(again, format!("{SHARED}\n  probe, relocate: 2 store paths, 0 of them new\n"));
    let both = admin.add(&bundle.path, &[]);
    assert!(
        both.contains("relocate: 2 store paths, 0 of")
            && both.contains("namespace: 2 store paths, 2 of"),
        "{both}"
    );
    let list = admin.cache(&["list", "--at", SHARED]).stdout();
    assert_eq!(list.matches("  probe (2 store paths, 0 days ago)").count(), 2, "{list}");
    // Who may use it may list it, and change nothing.
    let user = User::ordinary();
    let other = |command: &str| {
        let start =
            admin.host.start("/srv/packer").user(&user).directory(Directory::At("/".into()));
        start.args(["cache", command, "--at", SHARED]).run()
    };
    assert_eq!(other("list").stdout(), list);
    let (said, _) = other("clear").expect_refusal(1);
    assert!(said.contains("Permission denied"), "{said}");
    // A record is changed in place, if at all.
    let after = times("-e relocated -e -probe");
    for line in before.lines().filter(|line| !line.contains("bundles/")) {
        assert!(after.contains(line), "{line}\n{after}");
    }
}

/// Two versions that share a store path.
fn versions(store: &Store) -> [Bundle; 2] {
    store.file(format!("{}/share/data", Store::OTHER), &[b'x'; 100_000]);
    let pack = |path: &str, version: &str| {
        store.program(format!("{path}/bin/probe"), &tests::probe());
        store.file(format!("{path}/share/version"), version.as_bytes());
        store
            .link(format!("{path}/share/other"), format!("/nix/store/{}", Store::OTHER).as_bytes());
        let directory = store.root().join(version);
        fs::create_dir(&directory).expect("make a directory");
        Bundle::of_store(store, path)
            .entry("/bin/probe")
            .option("--level", "1")
            .pack_into(&directory)
    };
    [pack(Store::PATH, "1"), pack("2c0b8vw40dy178xlpddw65q9gf1h2186-odd", "2")]
}

/// Relocated files name the cache that they are in, so a bundle is in one cache as a whole.
#[test]
fn a_version_that_is_missing_is_unpacked_to_the_users_cache() {
    let (admin, store) = (Admin::new(), Store::new());
    let [first, second] = versions(&store);
    admin.add(&first.path, &[]);
    let host = admin.user(&[]);
    let start = |bundle: &Bundle, mode: &str| {
        let program = host.install_as(&bundle.path, "/srv/program");
        let start = host.start(program).env("PACKED_SHARED", SHARED).env("PACKED_LOG", "debug");
        let ended = start.env("PACKED_MODE", mode).args(["exit", "7"]).run();
        ended.expect_code(7);
        ended.stderr()
    };
    for mode in ["relocate", "namespace"] {
        assert!(!start(&first, mode).contains("unpacking"), "{mode}");
        let said = start(&second, mode);
        assert!(said.contains(&format!("not in the shared cache {SHARED}\n")), "{mode}: {said}");
        assert!(said.contains("unpacking 2 store paths"), "{mode}: {said}");
    }
    let added = admin.add(&second.path, &[]);
    assert_eq!(added.matches("2 store paths, 1 of them new").count(), 2, "{added}");
    for mode in ["relocate", "namespace"] {
        assert!(start(&second, mode).contains("in the shared cache"), "{mode}");
    }
}

/// Mounted at another place, the references of relocated files lead nowhere: no start may use them.
#[test]
fn relocated_files_are_used_under_their_path_only() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    let host = Host::changed(User::ordinary(), Nix::Absent, &[admin.bind("/srv/other")]);
    host.directory("/srv/other", 0o755);
    let program = host.install(&bundle.path);
    let start = |mode| {
        let start =
            host.start(&program).env("PACKED_SHARED", "/srv/other").env("PACKED_MODE", mode);
        start.env("PACKED_LOG", "debug").run().stderr()
    };
    let said = start("relocate");
    assert!(
        said.contains("not in the shared cache /srv/other, but for another path of it"),
        "{said}"
    );
    assert!(said.contains("unpacking 2 store paths"), "{said}");
    assert!(start("namespace").contains("in the shared cache /srv/other"));
}

#[test]
fn what_cannot_be_added_is_said_in_two_lines() {
    let admin = Admin::new();
    let program = admin.host.install(probe().path);
    let ram = admin.host.install_as(Bundle::probe_in("ram").path, "/srv/ram");
    let program = program.to_str().expect("text");
    let long = format!("/srv/{}", "long".repeat(10));
    fs::create_dir_all(admin.host.outside("/srv/full/of/things")).expect("make a directory");
    fs::create_dir(admin.host.outside("/srv/open")).expect("make a directory");
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(admin.host.outside("/srv/open"), everybody).expect("set its mode");
    let cases: [(&[&str], &str, &str); 7] = [
        (&[program, "--to", &long, "--mode", "relocate"], "cannot share", "short path"),
        (&[program, "--to", "/srv/full"], "do not belong to a cache", "nothing but a shared cache"),
        (&[program, "--to", "/srv/open"], "others may write to it", "nobody else may write"),
        (&[program, "--to", "/srv/open/c"], "others may replace it", "nobody else may write"),
        (
            &[program, "--to", SHARED, "--mode", "ram"],
            "'ram' is not a mode",
            "relocate and namespace",
        ),
        (&[ram.to_str().expect("text"), "--to", SHARED], "no cache", "--mode relocate,namespace"),
        (&["/srv/nothing", "--to", SHARED], "cannot open /srv/nothing", "check the path"),
    ];
    for (arguments, what, hint) in cases {
        let ended = admin.cache(&[&["add"], arguments].concat());
        let (said, advice) = ended.expect_refusal(1);
        assert!(said.contains(what) && advice.contains(hint), "{arguments:?}: {said}\n{advice}");
    }
    // Where it cannot be relocated to, the other mode works.
    let said = admin.cache(&["add", program, "--to", &long]).stdout();
    assert!(
        said.contains("probe, relocate: not added")
            && said.contains("namespace: 2 store paths, 2 of them new"),
        "{said}"
    );
    let (said, _) = admin.cache(&["list", "--at", "/srv/nothing"]).expect_refusal(1);
    assert!(said.contains("cannot use /srv/nothing"), "{said}");
}

/// No lock and no /proc says what runs on other machines.
#[test]
fn bundles_are_removed_only_on_demand_and_not_while_they_run_here() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    let said = admin.cache(&["gc", "--days", "0", "--at", SHARED]).stdout();
    assert!(said.contains("removed 0 bundles"), "{said}");
    let said = admin.cache(&["clear", "--at", SHARED]).stdout();
    assert!(
        said.contains("kept probe: perhaps in use on another machine")
            && said.contains("hint: --force"),
        "{said}"
    );
    let host = admin.user(&[]);
    let program = host.install(&bundle.path);
    let start = host.start(&program).env("PACKED_SHARED", SHARED).env("PACKED_MODE", "relocate");
    let running = start.arg("sleep").spawn();
    until("the program is listed as running", || {
        admin.cache(&["list", "--at", SHARED]).stdout().contains("running").then_some(())
    });
    // Root sees the programs of tests beside this one, which are of store paths with the same names.
    let cleared = || {
        until("no other program could use the cache", || {
            let said = admin.cache(&["clear", "--force", "--at", SHARED]).stdout();
            said.contains("removed 1 bundles").then_some(said)
        })
    };
    // The other form is not in use.
    let said = cleared();
    assert!(said.contains("kept probe: in use\n"), "{said}");
    running.signal(SIGTERM);
    running.wait().expect_signal(15);
    let said = admin.cache(&["gc", "--force", "--at", SHARED]).stdout();
    assert!(said.contains("removed 0 bundles"), "it was added today: {said}");
    cleared();
}

/// A start finds the bundle whole, or unpacks it to its own cache.
#[test]
fn starts_work_while_bundles_are_added_and_removed() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do \
        $0 cache clear --force --at /srv/shared && $0 cache add /srv/probe --to /srv/shared || exit 1; done";
    let host = admin.user(&[]);
    let program = host.install(&bundle.path);
    let mut changes = admin.host.start("/bin/sh").args(["-c", script]).arg("/srv/packer").spawn();
    let mut starts = 0;
    while !changes.has_ended() {
        for mode in ["relocate", "namespace"] {
            let start = host.start(&program).env("PACKED_SHARED", SHARED).env("PACKED_MODE", mode);
            start.args(["exit", "7"]).run().expect_code(7);
            starts += 1;
        }
    }
    let ended = changes.wait();
    let said = String::from_utf8_lossy(&ended.stdout);
    ended.expect_code(0);
    assert!(starts > 20 && said.contains("of them new"), "{starts} starts, {said}");
}

/// Who may not be root fills a cache for their own jobs: others do not use it.
#[test]
fn a_users_shared_cache_is_for_that_user() {
    let (host, bundle) = (Host::ordinary(), probe());
    let (program, packer) = (host.install(&bundle.path), host.install(packer()));
    host.directory("/home/alice", 0o755);
    let start =
        host.start(packer).args(["cache", "add", "/srv/probe", "--to", "/home/alice/shared"]);
    let said = start.run().stdout();
    assert!(
        said.ends_with(
            "hint: it belongs to you: for the starts of other users, root must own it\n"
        ),
        "{said}"
    );
    let others = User::ordinary();
    for (user, line) in [
        (&host.user, "in the shared cache /home/alice/shared".to_owned()),
        (
            &others,
            format!("no shared cache: /home/alice/shared: belongs to user {}", host.user.uid),
        ),
    ] {
        let start = host.start(&program).user(user).env("PACKED_SHARED", "/home/alice/shared");
        let start = start.directory(Directory::At("/".into())).env("PACKED_LOG", "debug");
        let ended = start.args(["exit", "7"]).run();
        ended.expect_code(7);
        assert!(ended.stderr().contains(&line), "{line}: {}", ended.stderr());
    }
}

#[test]
fn a_damaged_cache_can_be_left_out_and_is_repaired() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    let script = "rm -r /srv/shared/*-probe/bin; for f in /srv/shared/stores/0/*-greeting; do echo x >>$f; done";
    admin.host.start("/bin/sh").args(["-c", script]).run().expect_code(0);
    let etc = etc(SHARED);
    let bind = Change::Bind { source: etc.path().into(), at: "/etc".into() };
    let host = admin.user(&[bind]);
    let program = host.install(&bundle.path);
    let start = || host.start(&program).env("PACKED_MODE", "relocate").args(["exit", "7"]);
    let (what, hint) = start().run().expect_refusal(127);
    assert!(what.contains("cannot execute /srv/shared/"), "{what}");
    assert!(hint.contains("PACKED_SHARED=none"), "{hint}");
    start().env("PACKED_SHARED", "none").run().expect_code(7);
    // Not found in the user's own cache, which is there by now.
    fs::remove_dir_all(host.outside(host.cache())).expect("remove a cache");
    let said = admin.add(&bundle.path, &[]);
    assert_eq!(said.matches("2 store paths, 1 of them new").count(), 2, "{said}");
    let said = start().env("PACKED_LOG", "debug").run();
    said.expect_code(7);
    assert!(said.stderr().contains("in the shared cache"), "{}", said.stderr());
}

#[test]
fn the_path_is_the_one_that_users_name() {
    let (admin, bundle) = (Admin::new(), probe());
    let program = admin.host.install(&bundle.path);
    let program = program.to_str().expect("its path is text");
    let said = admin.cache(&["add", program, "--to", "/srv/other/../shared"]).stdout();
    assert!(said.starts_with("/srv/shared\n"), "{said}");
    for wrong in ["/srv/a:b", "/srv/a\nb"] {
        let ended = admin.cache(&["add", program, "--to", wrong]);
        ended.expect_code(1);
        assert!(ended.stderr().contains("has a colon or a line feed"), "{}", ended.stderr());
        assert!(!admin.host.outside(wrong).exists());
    }
    admin.host.directory("/srv/closed", 0o700);
    let said = admin.cache(&["add", program, "--to", "/srv/closed/shared"]).stdout();
    assert!(said.contains("hint: other users cannot reach it: /srv/closed is closed"), "{said}");
}
