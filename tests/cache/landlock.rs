//! Landlock without the right to refer: renaming and linking from one directory to another fails, whatever else is
//! allowed.

use tests::{Bundle, Forge, Host, Start, tree};

/// The names below the home directory that belong to no finished file.
fn unfinished(host: &Host) -> Vec<String> {
    let files = tree::list(&host.outside(host.user.home())).expect("list the home directory");
    files.into_keys().filter(|path| path.contains("/.packed-")).collect()
}

#[test]
fn the_sandbox_is_what_it_says() {
    let host = Host::ordinary();
    let script =
        "mkdir a b && touch a/f && mv -T a/f a/g && ln a/g a/h && ln a/g b/g 2>&1; echo $?";
    let said = host.start("/bin/sh").args(["-c", script]).without_refer().run().stdout();
    assert!(said.ends_with("Invalid cross-device link\n1\n"), "{said}");
}

#[test]
fn a_bundle_is_unpacked_repaired_and_removed() {
    let directory = tempfile::tempdir().expect("make a directory");
    let bundle = Forge::small().write(&directory.path().join("probe"));
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = || host.start(&program).without_refer();
    let run = || start().env("PACKED_LOG", "debug").args(["exit", "9"]).run();
    let first = run();
    first.expect_code(9);
    assert!(first.stderr().contains("unpacking 2 store paths"), "{}", first.stderr());
    assert_eq!(unfinished(&host), [""; 0]);
    let next = run();
    next.expect_code(9);
    assert!(!next.stderr().contains("unpacking"), "{}", next.stderr());

    let cache = host.outside(host.cache());
    let whole = tree::list(&cache).expect("list the cache");
    let text = whole.keys().find(|path| path.ends_with("/share/text")).expect("it is unpacked");
    std::fs::write(cache.join(text.trim_start_matches('/')), "altered").expect("alter a file");
    let said = start().env("PACKED", "verify").run().stdout();
    assert!(said.contains("was altered, and is unpacked again"), "{said}");
    let repaired = tree::list(&cache).expect("list the cache");
    // The record then says that all is on the disk.
    let is_file = |path: &&String| !path.starts_with("/bundles/");
    let files = |lines: &tree::Lines| {
        lines
            .iter()
            .filter(|(path, _)| is_file(path))
            .map(|(path, line)| format!("{path} {line}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&repaired), files(&whole));
    run().expect_code(9);

    let said = start().env("PACKED", "clear").run().stdout();
    assert_eq!(said, format!("cleared {}\n", host.cache().display()));
    let left = tree::list(&cache).expect("list the cache");
    assert!(!left.keys().any(|path| path.ends_with("/bin/probe")), "{left:#?}");
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let host = Host::ordinary();
    let program = host.install(Bundle::probe_in("namespace").path);
    // Landlock forbids every mount, too.
    let start = |start: Start| start.without_refer().run();
    let (what, _) = start(host.start(&program)).refusal();
    assert!(what.contains("mount a new root: Operation not permitted"), "{what}");
    assert_eq!(unfinished(&host), [""; 0]);
    let extracted = start(host.start(&program).env("PACKED", "extract=out"));
    extracted.expect_code(0);
    assert_eq!(unfinished(&host), [""; 0]);
    assert!(host.outside(host.home("out/nix/store")).is_dir());
}
