//! A bundle leaves its cache behind, and nothing else.

use std::os::unix::fs::MetadataExt;

use tests::{Bundle, Host, Nix, tree};

#[test]
fn nothing_is_left_but_the_cache() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        for _ in 0..3 {
            host.start(&program).args(["exit", "0"]).run().expect_code(0);
        }
        let list = |path: &str| tree::list(&host.outside(path)).unwrap();
        for empty in ["/tmp", "/var/tmp"] {
            assert!(list(empty).is_empty(), "{empty} on {host}: {:?}", list(empty));
        }
        assert_eq!(list("/srv").len(), 1, "on {host}");
        let home = list(host.user.home().to_str().unwrap());
        let other: Vec<_> =
            home.keys().filter(|path| !path.starts_with("/.cache/packed/")).collect();
        assert_eq!(other, ["/.cache", "/.cache/packed"], "on {host}");
    }
}

#[test]
fn the_cache_is_its_owners_alone() {
    for umask in [0, 0o022] {
        for host in Host::every() {
            let program = host.install(&Bundle::probe().path);
            host.start(&program).umask(umask).args(["exit", "0"]).run().expect_code(0);
            let meta = host.outside(host.cache()).metadata().unwrap();
            assert_eq!(meta.mode() & 0o7777, 0o700, "on {host}");
            assert_eq!(meta.uid(), host.user.uid, "on {host}");
        }
    }
}

#[test]
fn the_hosts_mounts_stay_as_they_are() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        let script = r#"before=$(cat /proc/self/mountinfo); "$0" exit 0; "$0" exit 0
            [ "$before" = "$(cat /proc/self/mountinfo)" ] && echo same; ls -d /nix 2>/dev/null"#;
        let ended = host.start("/bin/sh").args(["-c", script]).arg(&program).run();
        let nix = if host.nix == Nix::Absent { "" } else { "/nix\n" };
        assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("same\n{nix}"), "on {host}");
        assert_eq!(ended.stderr(), "");
    }
}

#[test]
fn nothing_keeps_running() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        host.start(&program).args(["exit", "0"]).run().expect_code(0);
        let processes = host.processes();
        assert!(processes.running.is_empty(), "on {host}: {processes:?}");
    }
}
