//! Files of `nix-store --export`, and lists of store paths to find what to pack.

use std::fs;
use std::process::Command;

use tests::{Ended, Served, nix_command, run};

use crate::machine::{Machine, inspect, packed_from_store};
use crate::made::{Cache, made};

/// What Nix exports of the closure.
fn export() -> Vec<u8> {
    let mut query = nix_command("nix-store");
    let closure = run(query.args(["--query", "--requisites", &made().root])).text();
    let mut export = nix_command("nix-store");
    let Ended { stdout, status, .. } = run(export.arg("--export").args(closure.lines()));
    assert!(status.success());
    stdout
}

#[test]
fn export_is_packed_if_nobody_has_to_sign() {
    let machine = Machine::new();
    let file = machine.file("closure.nar", export());
    let file = file.to_str().expect("a path is text");
    let refused = machine.build(&["--from", file]).run();
    refused.expect_code(1);
    assert!(refused.stderr().contains("is not signed by a trusted key, but by nobody"));
    assert!(!machine.has_bundle());

    let insecure = ["--insecure-no-signatures", "--no-path-info"];
    let packed = machine.build(&["--from", file]).args(insecure).run();
    packed.expect_code(0);
    assert!(packed.stderr().contains("nobody that is trusted signed"), "{}", packed.stderr());
    // Only the manifest differs, which says so.
    let theirs = packed_from_store(&["--no-path-info"]);
    let [mut ours, mut theirs] = [&machine.bundle(), &theirs].map(|bundle| inspect(bundle));
    for (of, is_unchecked) in [(&mut ours, true), (&mut theirs, false)] {
        let fields = of.as_object_mut().expect("a report has fields");
        assert_eq!(fields.remove("packed_unchecked"), Some(is_unchecked.into()));
        // The manifest is compressed.
        fields.remove("file_bytes");
    }
    assert_eq!(ours, theirs);
}

#[test]
fn export_that_is_cut_or_altered_is_refused() {
    let machine = Machine::new();
    let whole = export();
    let altered = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    let magic = whole
        .windows(4)
        .position(|bytes| bytes == b"EXIN")
        .or_else(|| whole.windows(4).position(|bytes| bytes == b"NIXE"));
    for (bytes, expected) in [
        (whole[..whole.len() - 1].to_vec(), "it ends too early"),
        (whole[..whole.len() / 2].to_vec(), "it ends too early"),
        (Vec::new(), "it ends too early"),
        (b"something else".to_vec(), "something else where a NAR should be"),
        (altered(16), "a word in a wrong place"),
        (altered(magic.expect("a NAR ends")), "a NAR without its description"),
    ] {
        let file = machine.file("closure.nar", bytes);
        let file = file.to_str().expect("a path is text");
        let ended = machine.build(&["--from", file, "--insecure-no-signatures"]).run();
        ended.expect_code(1);
        let stderr = ended.stderr();
        assert!(stderr.contains(expected), "{expected}: {stderr}");
        assert!(stderr.contains("is not a file of nix-store --export"), "{stderr}");
        assert!(!machine.has_bundle());
    }
}

#[test]
fn names_are_found_in_lists() {
    let cache = Cache::new("none");
    let list: String = ["hello-2.12", "hello-2.12-man", "hello-world-1.0", "python3.11-hello-1"]
        .iter()
        .enumerate()
        .map(|(digit, name)| format!("/nix/store/{digit}b9p07z77phvv2hf6gm9f28syp39f1ag-{name}\n"))
        .collect();
    fs::write(cache.path().join("store-paths"), &list).expect("write a list");
    for compress in ["xz", "gzip", "bzip2", "zstd -q"] {
        let mut shell = Command::new("sh");
        shell.current_dir(cache.path()).args(["-euc", &format!("{compress} -k store-paths")]);
        run(&mut shell).expect_code(0);
    }
    let served = Served::nginx(cache.path(), "");
    let find = |list: &str, name: &str| {
        run(Command::new(tests::packer()).args(["find", "--timeout", "2", "--paths", list, name]))
    };
    let places = ["", ".xz", ".gz", ".bz2", ".zst"].map(|ending| format!("store-paths{ending}"));
    let files = places.each_ref().map(|name| cache.path().join(name).display().to_string());
    let urls = places.each_ref().map(|name| format!("{}/{name}", served.url()));
    for place in files.iter().chain(&urls) {
        let found = find(place, "hello");
        found.expect_code(0);
        let expected: Vec<&str> = list.lines().take(2).collect();
        assert_eq!(found.text().lines().collect::<Vec<_>>(), expected, "{place}");
        assert_eq!(find(place, "hello-world-1.0").text().lines().count(), 1, "{place}");
    }
    for (place, name, expected) in [
        (&urls[1], "helo", "has no helo\nhint: similar names: hello"),
        (&urls[1], "zzz", "has no zzz\nhint: a name is as in the store path"),
        (&format!("{}/none", served.url()), "hello", "cannot be searched: it does not exist"),
        (&format!("{}/nix-cache-info", served.url()), "hello", "lines that are no store paths"),
    ] {
        let ended = find(place, name);
        ended.expect_code(1);
        assert!(ended.stderr().contains(expected), "{}", ended.stderr());
    }
}
