//! `PACKED=…` talks to the launcher, by environment variables alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tests::{Bundle, Change, Closure, Host, Nix, User, tree};

#[test]
fn info_says_what_the_bundle_is() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        let text = host.start(program).args(["exit", "7"]).env("PACKED", "info").run().stdout();
        assert!(text.contains("/bin/probe"), "on {host}: {text}");
        for path in Closure::probe().requisites() {
            assert!(text.contains(&path), "{path} on {host}: {text}");
        }
        assert!(!host.outside(host.cache()).exists(), "nothing is unpacked for it");
    }
}

#[test]
fn extract_writes_the_closure() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        let target = host.home("out");
        let setting = format!("extract={}", target.display());
        host.start(&program).env("PACKED", &setting).run().expect_code(0);
        for path in Closure::probe().requisites() {
            let copy = host.outside(target.join(path.trim_start_matches('/')));
            let expected = tree::list(path.as_ref()).unwrap();
            assert_eq!(tree::list(&copy).unwrap(), expected, "{path} on {host}");
        }
        // A second time nothing is written over.
        let (what, _) = host.start(&program).env("PACKED", &setting).run().refusal();
        assert!(what.contains("exists"), "{what}");
    }
}

#[test]
fn clear_removes_what_was_unpacked() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        host.start(&program).args(["exit", "0"]).run().expect_code(0);
        let probes = || {
            let files = tree::list(&host.outside(host.cache())).unwrap();
            files.keys().filter(|path| path.ends_with("/bin/probe")).count()
        };
        assert_eq!(probes(), 1);
        let clear = || host.start(&program).env("PACKED", "clear").run().stdout();
        // Root sees the programs of tests beside this one. An overlay names its store directory below the cache, so
        // that they could be this cache's.
        let mut said = Vec::new();
        tests::until("no other program could use the cache", || {
            said.push(clear());
            (probes() == 0).then_some(())
        });
        assert!(said.contains(&format!("cleared {}\n", host.cache().display())), "{said:?}");
        assert_eq!(clear(), "", "there is nothing left");
        host.start(&program).args(["exit", "4"]).run().expect_code(4);
        assert_eq!(probes(), 1);
    }
}

#[test]
fn clear_leaves_a_running_program_alone() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        let running = host.start(&program).arg("echo").stdin(b"hello").spawn();
        host.start(&program).args(["exit", "0"]).run().expect_code(0);
        let sleeping = host.start(&program).arg("sleep").spawn();
        tests::until("the program runs", || {
            let comm = fs::read_to_string(format!("/proc/{}/cmdline", sleeping.pid())).ok()?;
            let locks = fs::read_to_string("/proc/locks").ok()?;
            (comm.contains("sleep") && locks.contains(&format!(" {} ", sleeping.pid())))
                .then_some(())
        });
        let ended = host.start(&program).env("PACKED", "clear").run();
        ended.expect_code(0);
        let files = tree::list(&host.outside(host.cache())).unwrap();
        assert!(files.keys().any(|path| path.ends_with("/bin/probe")), "on {host}: {files:?}");
        sleeping.signal(nix::sys::signal::Signal::SIGTERM);
        sleeping.wait().expect_signal(15);
        // It may have waited for the other one to unpack.
        assert_eq!(running.wait().stdout_of_several(), "hello");
    }
}

#[test]
fn the_log_says_which_mode_and_why() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        for _ in 0..2 {
            let ended = host.start(&program).args(["exit", "5"]).env("PACKED_LOG", "debug").run();
            ended.expect_code(5);
            assert_eq!(ended.stdout, b"");
            let log = ended.stderr();
            assert!(log.contains("namespace"), "on {host}: {log}");
            assert!(log.lines().all(|line| line.starts_with("packed: ")), "on {host}: {log}");
        }
    }
}

#[test]
fn the_cache_can_be_elsewhere() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        let places = [
            ("PACKED_CACHE", host.home("one/two"), host.home("one/two")),
            (
                "XDG_CACHE_HOME",
                host.directory(host.home("three"), 0o755),
                host.home("three/packed"),
            ),
            // As systemd sets it, where a unit has two.
            (
                "CACHE_DIRECTORY",
                format!("{}:/srv", host.directory(host.home("four"), 0o755).display()).into(),
                host.home("four/packed"),
            ),
        ];
        for (name, value, cache) in places {
            host.start(&program).args(["exit", "0"]).env(name, &value).run().expect_code(0);
            let files = tree::list(&host.outside(&cache)).unwrap();
            assert!(
                files.keys().any(|path| path.ends_with("/bin/probe")),
                "{name} on {host}: {files:?}"
            );
        }
        assert!(!host.outside(host.home(".cache")).exists(), "on {host}");
    }
}

#[test]
fn users_that_nobody_looks_up_are_named() {
    let text = "/etc/nsswitch.conf has users of sss, and neither /run/nscd/socket nor \
                /var/lib/sss/pipes/nss answers for them\n\
                hint: start nscd or nsncd on the host, or set LD_PRELOAD to its libnss_sss.so.2\n";
    for (users, is_said) in [("files sss", true), ("files systemd", false)] {
        let etc = tempfile::tempdir().unwrap();
        fs::write(etc.path().join("nsswitch.conf"), format!("passwd: {users}\n")).unwrap();
        fs::set_permissions(etc.path(), Permissions::from_mode(0o755)).unwrap();
        let change = Change::Bind { source: etc.path().into(), at: "/etc".into() };
        let host = Host::changed(User::ordinary(), Nix::Absent, &[change]);
        let program = host.install(Bundle::probe().path);
        let start = |name, value| host.start(&program).args(["exit", "0"]).env(name, value).run();
        assert_eq!(start("PACKED", "info").stdout().contains(text), is_said, "{users}");
        assert_eq!(start("PACKED_LOG", "debug").stderr().contains(text), is_said, "{users}");
        assert_eq!(start("PACKED_MODE", "namespace").stderr(), "");
    }
}

#[test]
fn without_a_home_a_private_directory_is_made() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        for _ in 0..2 {
            host.start(&program).args(["exit", "0"]).without_env("HOME").run().expect_code(0);
        }
        let mut files = tree::list(&host.outside("/var/tmp")).unwrap();
        files.retain(|path, _| path.ends_with("/bin/probe"));
        assert_eq!(files.len(), 1, "on {host}: {files:?}");
    }
}

#[test]
fn the_one_mode_can_be_named() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        let start = host.start(program).args(["exit", "6"]);
        start.env("PACKED_MODE", "namespace").run().expect_code(6);
    }
}
