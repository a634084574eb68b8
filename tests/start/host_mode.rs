//! A host's own store that may have the closure.

use tests::{Bundle, Closure, Ended, Host, Nix, User};

/// Runs a script as root of a host with the machine's store, where $HELLO is a bundle and $ROOT the store
/// path of its entry.
fn run(script: &str) -> Ended {
    let closure = Closure::example("hello");
    let bundle = Bundle::of(&closure).entry("/bin/hello").pack();
    let host = Host::new(User::root(), Nix::SamePaths);
    let program = host.install(&bundle.path);
    let start = host.start("/bin/sh").args(["-ec", script]).env("HELLO", program);
    start.env("ROOT", &closure.path).env("PACKED_LOG", "debug").run()
}

const NO_DATABASE: &str = "mount -t tmpfs none /nix/var; ";

#[test]
fn each_path_counts_where_nix_does_not_keep_the_store() {
    let whole = run(&format!("{NO_DATABASE} exec $HELLO"));
    assert!(whole.stderr().starts_with("packed: mode host\n"), "{}", whole.stderr());

    let part = "cp -a $ROOT /tmp/part/; mount --bind /tmp/part /nix/store; exec $HELLO";
    let part = run(&format!("{NO_DATABASE} mkdir /tmp/part; {part}"));
    part.expect_code(0);
    let stderr = part.stderr();
    let first = stderr.lines().next().unwrap_or_default();
    let missing = "packed: not mode host: the host has no /nix/store/";
    assert!(first.starts_with(missing) && first.ends_with("-greeting"), "{stderr}");
}

#[test]
fn a_database_of_somebody_else_says_nothing() {
    let script = "mount -t tmpfs none /nix/var; mkdir -p /nix/var/nix/db; chown 12345 /nix/var/nix/db; \
        mkdir /tmp/part; cp -a $ROOT /tmp/part/; mount --bind /tmp/part /nix/store; exec $HELLO";
    let ended = run(script);
    ended.expect_code(0);
    assert!(ended.stderr().contains("packed: not mode host"), "{}", ended.stderr());
}
