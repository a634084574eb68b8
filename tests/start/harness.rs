//! The hosts are what they say they are: without this, no other test proves anything.

use nix::mount::MsFlags;
use tests::{Change, Host, Nix, Root, User, probe};

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
fn a_host_can_be_changed() {
    let mount = |kind, at: &str, options: &str| Change::Mount {
        kind,
        at: at.into(),
        options: options.to_owned(),
    };
    for (change, script, expected) in [
        (mount("proc", "/proc", "hidepid=2"), "ls -d /proc/1 || echo hidden", "hidden\n"),
        (mount("tmpfs", "/proc", ""), "ls -A /proc", ""),
        (
            mount("tmpfs", "/tmp", "size=4k"),
            "head -c 9999 /dev/zero > /tmp/a || echo full",
            "full\n",
        ),
        (
            Change::Flags("/home".into(), MsFlags::MS_NOEXEC),
            "cp /bin/ls ~; ~/ls || echo $?",
            "126\n",
        ),
        (Change::Flags("/home".into(), MsFlags::MS_RDONLY), "touch ~/file || echo $?", "1\n"),
        (Change::Chroot, "unshare --user true || echo $?", "1\n"),
    ] {
        let host = Host::changed(User::ordinary(), Nix::Absent, std::slice::from_ref(&change));
        assert_eq!(shell(&host, &format!("exec 2>/dev/null; {script}")), expected, "{change:?}");
    }
}

#[test]
fn root_can_be_without_cap_sys_admin() {
    let host = Host::new(User::root(), Nix::Absent);
    let script = "for set in $(sed -n 's/^Cap...:\t/0x/p' /proc/self/status); do \
                  echo $((set >> 21 & 1)); done; id -u; unshare --mount true 2>/dev/null || echo $?";
    let start = host.start("/bin/sh").args(["-c", script]).without_sys_admin();
    assert_eq!(start.run().stdout(), "0\n0\n0\n0\n0\n0\n1\n");
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
    assert_eq!(report.all("argument").collect::<Vec<_>>(), ["", "\\xff"]);
    assert_eq!(report.all("variable").collect::<Vec<_>>(), ["odd", "A=1", "A=2"]);
    assert_eq!(report.get("status Umask"), Some("0027"));
    assert_eq!(report.get("descriptor 0"), None);
    assert!(report.get("descriptor 1").is_some());
    assert_eq!(report.get("directory"), Some("/home/alice"));
    start().argv(&[b"probe", b"exit", b"7"]).run().expect_code(7);
    start().argv(&[b"probe", b"signal", b"6"]).run().expect_signal(6);
}
