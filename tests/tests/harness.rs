//! The hosts are what they say they are: without this, no other test proves anything.

use tests::{Host, Nix, Root, User, probe};

fn shell(host: &Host, script: &str) -> String {
    host.start("/bin/sh").args(["-c", script]).run().stdout()
}

#[test]
fn the_host_has_the_nix_that_it_says() {
    for (nix, listing) in [
        (Nix::Absent, "none\n"),
        (Nix::Empty, "store\n"),
        (Nix::OtherPaths, "store\n00000000000000000000000000000000-other\n"),
    ] {
        let host = Host::new(User::ordinary(), nix);
        let script = "ls /nix 2>/dev/null || echo none; ls /nix/store 2>/dev/null || :";
        assert_eq!(shell(&host, script), listing, "{host}");
    }
    let host = Host::new(User::ordinary(), Nix::OtherPaths);
    assert_eq!(shell(&host, &format!("test -f {} && echo yes", Root::OTHER_FILE)), "yes\n");
}

#[test]
fn an_ordinary_user_is_one() {
    let host = Host::ordinary();
    let uid = host.user.uid;
    let ids = format!("{uid} {} {} 100 {}\n", uid + 1, uid + 1, uid + 2);
    assert_eq!(shell(&host, "echo $(id -u) $(id -g) $(id -G)"), ids);
    assert_eq!(shell(&host, "grep ^CapEff /proc/self/status"), "CapEff:\t0000000000000000\n");
    assert_eq!(
        shell(&host, "touch ~/file; ls -A ~ /tmp /var/tmp"),
        "/home/alice:\nfile\n\n/tmp:\n\n/var/tmp:\n"
    );
    host.start("/bin/sh").args(["-c", "ls /root 2>/dev/null"]).run().expect_code(2);
}

#[test]
fn root_keeps_its_powers() {
    let host = Host::new(User::root(), Nix::Absent);
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with("CapEff")).unwrap();
    assert_eq!(shell(&host, "grep ^CapEff /proc/self/status"), format!("{own}\n"));
    assert_eq!(shell(&host, "echo $HOME $(id -u); ls -A ~"), "/root 0\n");
}

#[test]
fn an_ordinary_user_can_make_namespaces() {
    // What a chroot would forbid.
    for nix in [Nix::Absent, Nix::OtherPaths] {
        let host = Host::new(User::ordinary(), nix);
        let script =
            "unshare --user --mount --map-root-user sh -c 'mount --bind /srv /mnt && id -u'";
        assert_eq!(shell(&host, script), "0\n", "{host}");
    }
}

#[test]
fn mounts_spread_as_under_systemd() {
    let host = Host::new(User::root(), Nix::Absent);
    let script =
        "mkdir /tmp/a; mount --bind /srv /tmp/a; grep -c ' /tmp/a .* shared:' /proc/self/mountinfo";
    assert_eq!(shell(&host, script), "1\n");
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains("packer-host-"));
}

#[test]
fn what_runs_on_a_host_is_found_and_ends_with_it() {
    let host = Host::ordinary();
    let program = host.install(probe());
    let running = host.start(&program).arg("sleep").spawn();
    let pid = i32::try_from(running.pid()).unwrap();
    assert_eq!(host.processes().running.keys().collect::<Vec<_>>(), [&pid]);
    assert!(Host::ordinary().processes().running.is_empty(), "another host's is none of ours");
    drop(host);
    running.wait().expect_signal(9);
}

#[test]
fn the_probe_tells_what_it_was_given() {
    let host = Host::ordinary();
    let program = host.install(probe());
    let start = || {
        host.start(&program).argv(&[b"zero", b"", b"\xff"]).environment(&[b"odd", b"A=1", b"A=2"])
    };
    let running = start().umask(0o027).close(0).spawn();
    let pid = running.pid().to_string();
    let report = running.wait().report();
    assert_eq!(report.get("pid"), Some(pid.as_str()));
    assert_eq!(report.all("argument").collect::<Vec<_>>(), ["zero", "", "\\xff"]);
    assert_eq!(report.all("variable").collect::<Vec<_>>(), ["odd", "A=1", "A=2"]);
    assert_eq!(report.get("status Umask"), Some("0027"));
    assert_eq!(report.get("descriptor 0"), None);
    assert!(report.get("descriptor 1").is_some());
    assert_eq!(report.get("directory"), Some("/home/alice"));
    start().argv(&[b"probe", b"exit", b"7"]).run().expect_code(7);
    start().argv(&[b"probe", b"signal", b"6"]).run().expect_signal(6);
}
