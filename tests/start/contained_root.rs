//! Root that may not mount, as in a default container, and a bundle that cannot be relocated.

use nix::errno::Errno;
use nix::libc::SYS_unshare;
use seccompiler::SeccompAction;
use tests::{Bundle, Closure, Ended, Host, Nix, User};

/// Runs a script as such a root, where $HELLO is a bundle.
fn contained(nix: Nix, script: &str) -> Ended {
    let bundle = Bundle::of(&Closure::example("hello"))
        .entry("/bin/hello")
        .option("--mode", "host,namespace,ram")
        .pack();
    let host = Host::new(User::root(), nix);
    let program = host.install(&bundle.path);
    host.start("/bin/sh")
        .args(["-c", script])
        .env("HELLO", program)
        .without_sys_admin()
        .filter(&[SYS_unshare], SeccompAction::Errno(Errno::EPERM as u32))
        .run()
}

const HELLO: &str = "Hello from a closure of two paths.\n";

#[test]
fn the_second_start_finds_the_store_that_the_first_made() {
    let script =
        "umask 077; $HELLO && PACKED_LOG=debug $HELLO && ls -A /nix && stat -c %a /nix/store";
    let ended = contained(Nix::Absent, script);
    ended.expect_code(0);
    let text = format!("{HELLO}{HELLO}.packed\nstore\n755\n");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), text);
    let stderr = ended.stderr();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines[0], "packed: unpacking to /nix/store, since nothing can be mounted there");
    assert_eq!(lines[1], "packed: mode host");
    assert!(lines[2].starts_with("packed: exec /nix/store/"), "{stderr}");
}

#[test]
fn what_a_killed_start_left_is_cleared_away() {
    // As if it had been ended between unpacking and renaming.
    let script = "half=/nix/store/.packed-01234567-half; mkdir -p $half/bin && touch /nix/.packed $half/bin/hello && \
        chmod 0555 $half && $HELLO && ls -A /nix /nix/store | grep packed";
    let ended = contained(Nix::Absent, script);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("{HELLO}.packed\n"));
}

#[test]
fn a_store_that_somebody_else_made_is_left_alone() {
    let (what, hint) = contained(Nix::OtherPaths, "exec $HELLO").refusal();
    assert!(what.contains("namespace, ram: unshare: Operation not permitted"), "{what}");
    assert!(hint.starts_with("hint: this root may not mount"), "{hint}");
}

#[test]
fn a_forced_mode_makes_no_store() {
    let ended = contained(Nix::Absent, "PACKED_MODE=namespace $HELLO; echo $?; ls -A / | grep nix");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "125\n");
}
