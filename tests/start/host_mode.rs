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
fn an_entry_needs_its_own_store_paths_only() {
    let [hello, coreutils] = ["hello", "coreutils"].map(Closure::example);
    let bundle = Bundle::of(&hello).option("--closure", &coreutils.path).entry("/bin/hello");
    let env = coreutils.path.join("bin/env");
    let bundle = bundle.entry(env.to_str().expect("a path is text")).option("--level", "3").pack();
    let host = Host::new(User::root(), Nix::SamePaths);
    let program = host.install(&bundle.path);
    let paths = Vec::from_iter(hello.requisites()).join(" ");
    let script = format!(
        "{NO_DATABASE} mkdir /tmp/part; cp -a {paths} /tmp/part/; mount --bind /tmp/part /nix/store; \
         $HELLO; ln -s $HELLO /tmp/env; exec /tmp/env"
    );
    let start = host.start("/bin/sh").args(["-ec", &script]).env("HELLO", program);
    let ended = start.env("PACKED_LOG", "debug").run();
    ended.expect_code(0);
    let stderr = ended.stderr();
    assert!(
        stderr.starts_with("packed: mode host\n") && stderr.contains("\npacked: not mode host: "),
        "{stderr}"
    );
}

#[test]
fn a_database_of_somebody_else_says_nothing() {
    let script = "mount -t tmpfs none /nix/var; mkdir -p /nix/var/nix/db; chown 12345 /nix/var/nix/db; \
        mkdir /tmp/part; cp -a $ROOT /tmp/part/; mount --bind /tmp/part /nix/store; exec $HELLO";
    let ended = run(script);
    ended.expect_code(0);
    assert!(ended.stderr().contains("packed: not mode host"), "{}", ended.stderr());
}
