//! Programs of the host that a bundle's program starts get the caller's environment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tests::{Bundle, Closure, Host};

/// What the host has in place of xdg-open: it prints what it gets.
const XDG_OPEN: &str = "#!/bin/sh\n[ $# -gt 0 ] && printf '<%s>' \"$@\"\nenv\n";

fn executable(path: &Path, content: &str) {
    fs::write(path, content).expect("write a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set its mode");
}

/// A bundle whose program runs `command` in bash, with a rule for a variable.
fn opener(command: &str) -> Bundle {
    let bash = Closure::example("pkgs.bash");
    let directory = tempfile::tempdir().expect("make a directory");
    let tree = directory.path().join("opener");
    fs::create_dir_all(tree.join("bin")).expect("make a directory");
    executable(
        &tree.join("bin/opener"),
        &format!("#!{}/bin/bash\n{command}\n", bash.path.display()),
    );
    let closure = Closure::added(&tree);
    Bundle::of(&closure)
        .entry("/bin/opener")
        .option("--closure", &bash.path)
        .option("--env", "RULE=of the bundle")
        .option("--env", "OTHER=of the bundle")
        .option("--level", "1")
        .pack()
}

/// Puts xdg-open on a host; returns the value of PATH.
fn with_xdg_open(host: &Host) -> String {
    let directory = host.directory("/srv/bin", 0o755);
    executable(&host.outside(directory.join("xdg-open")), XDG_OPEN);
    format!("{}:/usr/bin:/bin", directory.display())
}

/// The lines that set a variable.
fn variable<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    text.lines().filter(is_it).collect()
}

#[test]
fn they_get_the_callers_environment() {
    let bundle = opener("echo $RULE; MINE=1 xdg-open 'a b' \"c\"; exec xdg-open");
    for host in Host::every() {
        let program = host.install_as(&bundle.path, "/srv/it's a bundle");
        let path = with_xdg_open(&host);
        for mode in bundle.modes() {
            let start = host.start(&program).env("PACKED_MODE", &mode).env("PATH", &path);
            let text = start.env("RULE", "of\nthe\\n caller").without_env("OTHER").run().stdout();
            let shown = format!("{mode} on {host}: {text}");
            assert!(text.starts_with("of the bundle\n<a b><c>"), "{shown}");
            assert_eq!(text.matches("RULE=of\nthe\\n caller\n").count(), 2, "{shown}");
            assert_eq!(variable(&text, "PATH"), [&*format!("PATH={path}"); 2], "{shown}");
            // What the program itself sets stays.
            assert_eq!(variable(&text, "MINE"), ["MINE=1"], "{shown}");
            for name in ["OTHER", "PACKED_CALLER"] {
                assert_eq!(variable(&text, name), [""; 0], "{shown}");
            }
        }
    }
}

/// Programs look for it before they do something else.
#[test]
fn what_the_host_lacks_is_not_found() {
    let bundle = opener("hash xdg-open || exit 3; /bin/rm /srv/bin/xdg-open; exec xdg-open x");
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    host.start(&program).env("PATH", "/nowhere").run().expect_code(3);
    let _ = with_xdg_open(&host);
    host.directory("/srv/bin", 0o777);
    let (what, hint) = host.start(&program).env("PATH", "/srv/bin").run().expect_refusal(127);
    assert!(what.ends_with("packed: the host has no xdg-open in PATH"), "{what}");
    assert_eq!(hint, "hint: xdg-utils has it; install that on the host");
}

/// A program may change its environment, and a newer bundle may be in the place of this one.
#[test]
fn a_link_never_starts_the_bundle() {
    let plain = opener("echo another bundle");
    for command in [
        "env -u PACKED_CALLER xdg-open x",
        "exec env -i PATH=\"$PATH\" xdg-open x",
        "cp /srv/plain /srv/own/new; mv /srv/own/new /srv/own/bundle; xdg-open x",
    ] {
        let bundle = opener(&format!("[ $# = 0 ] || exit 3; {command}"));
        let host = Host::ordinary();
        host.directory("/srv/own", 0o777);
        let program = host.install_as(&bundle.path, "/srv/own/bundle");
        let _ = host.install_as(&plain.path, "/srv/plain");
        let text = host.start(&program).env("PATH", with_xdg_open(&host)).run().stdout();
        assert!(text.starts_with("<x>"), "{command}: {text}");
    }
}

/// In a list, a path with a colon would be two, of which one begins in the working directory.
#[test]
fn no_variable_names_a_relative_directory() {
    let bundle = opener("echo $PATH; exec xdg-open");
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let path = with_xdg_open(&host);
    let cache = host.directory(host.home("a:b"), 0o700);
    let start = host.start(&program).env("PATH", &path).env("XDG_CACHE_HOME", &cache);
    let text = start.run().stdout();
    let first = text.lines().next().expect("it says something");
    assert!(first.ends_with(&path) && !first.contains("a:b"), "{text}");
    assert!(first.split(':').all(|directory| directory.starts_with('/')), "{text}");
}

#[test]
fn what_is_too_long_to_be_kept_is_no_obstacle() {
    let bundle = opener("exec xdg-open | wc -l");
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = host.start(&program).env("PATH", with_xdg_open(&host));
    start.env("LD_LIBRARY_PATH", format!("/{}", "\\".repeat(70_000))).run().expect_code(0);
}

/// The names mean something only where the launcher put them.
#[test]
fn a_bundle_that_is_called_by_such_a_name_runs() {
    let bundle =
        opener("[ $# = 0 ] || exit 3; ([ $USED ] || USED=1 exec /srv/host/0/xdg-open); echo own");
    let host = Host::ordinary();
    host.directory("/srv/host/0", 0o755);
    let program = host.install_as(&bundle.path, "/srv/host/0/xdg-open");
    let text = host.start(&program).env("PATH", with_xdg_open(&host)).run().stdout();
    assert_eq!(text, "own\nown\n");
}

#[test]
fn a_bundle_that_was_moved_gives_way_to_the_hosts() {
    let bundle = opener("rm /srv/own/bundle; xdg-open | grep ^PACKED_CALLER");
    let host = Host::ordinary();
    host.directory("/srv/own", 0o777);
    let program = host.install_as(&bundle.path, "/srv/own/bundle");
    let text = host.start(&program).env("PATH", with_xdg_open(&host)).run().stdout();
    assert!(text.starts_with("PACKED_CALLER="), "{text}");
}

#[test]
fn bundles_in_bundles_keep_what_the_first_caller_had() {
    let (outer, inner) =
        (opener("exec /srv/inner # which starts xdg-open"), opener("exec xdg-open"));
    let host = Host::ordinary();
    let program = host.install_as(&outer.path, "/srv/outer");
    let _ = host.install_as(&inner.path, "/srv/inner");
    let path = with_xdg_open(&host);
    let start = host.start(&program).env("PATH", &path).env("RULE", "of the caller");
    let text = start.run().stdout();
    assert_eq!(variable(&text, "RULE"), ["RULE=of the caller"], "{text}");
    assert_eq!(variable(&text, "PATH"), [format!("PATH={path}")], "{text}");
}
