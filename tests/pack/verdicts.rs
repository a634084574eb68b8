//! The verdict on relocation for files that real tools make: proven, likely or refused, and why.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::libc;
use seccompiler::SeccompAction;
use serde_json::Value;
use tests::{Bundle, Host, Store, packer, probe, run};

/// A store with the probe as the program.
fn store() -> Store {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    // So that the other store path belongs to the closure, wherever else it is named.
    store.file(format!("{}/etc/uses", Store::PATH), other().as_bytes());
    store.file(format!("{}/etc/text", Store::OTHER), b"the text\n");
    store.file(format!("{}/etc/more", Store::OTHER), b"more text\n");
    store
}

/// Where the other store path is.
fn other() -> String {
    format!("/nix/store/{}", Store::OTHER)
}

/// Packs the store, and returns the bundle with what `packer inspect` says of relocation.
fn pack(store: &Store, entry: &str, options: &[&str]) -> (Bundle, Value) {
    let builder = Bundle::of_store(store, Store::PATH).entry(entry).option("--level", "1");
    let path = store.root().join("packed");
    let mut command = builder.command();
    run(command.args(options).arg("-o").arg(&path)).expect_code(0);
    let bundle = Bundle { path };
    let relocation = bundle.inspect()["relocation"].clone();
    (bundle, relocation)
}

/// The verdict, and the first reason without the file's name.
fn verdict(relocation: &Value) -> (String, String) {
    let verdict = relocation["verdict"].as_str().expect("a word").to_owned();
    let list = if verdict == "refused" { "obstacles" } else { "doubts" };
    let reason = relocation[list][0].as_str().unwrap_or_default();
    (verdict, reason.split_once(": ").map_or(String::new(), |(_, reason)| reason.to_owned()))
}

/// Makes files that hold a reference, by the tools that people use.
const FILES: &str = include_str!("kinds.py");

/// The verdict on each of them, alone in a closure, and a part of the reason.
const VERDICTS: [(&str, &str, &str); 27] = [
    ("text.conf", "proven", ""),
    ("few.list", "proven", ""),
    ("source.txt", "proven", ""),
    ("Main.class", "proven", ""),
    ("messages.mo", "proven", ""),
    ("a.o", "proven", ""),
    ("liba.a", "proven", ""),
    ("plain.tar", "proven", ""),
    ("pax.tar", "proven", ""),
    ("odd.tar", "proven", ""),
    ("damaged.tar", "proven", ""),
    ("sorted.list", "likely", "sorted list"),
    ("bwrap.sh", "likely", "names /nix without a hash, at byte 31"),
    ("unknown.bin", "likely", "no known kind"),
    ("plain.sqlite", "likely", "database"),
    ("wal.sqlite", "likely", "database"),
    ("log.sqlite-wal", "refused", "checksum"),
    ("plain.png", "refused", "checksum"),
    ("animated.png", "refused", "checksum"),
    ("ztxt.png", "refused", "inside a PNG file"),
    ("itxt.png", "refused", "inside a PNG file"),
    ("cut.txt", "refused", "in pieces"),
    ("x.deb", "refused", "inside a ar file"),
    ("stored.zip", "refused", "inside a zip file"),
    ("names.tar", "refused", "without its path"),
    ("outer.tar", "refused", "without its path"),
    ("a.c", "proven", ""),
];

fn make(directory: &Path) {
    let mut python = Command::new("python3");
    python.args(["-B", "-c", FILES, &format!("{}/etc/text", other())]).current_dir(directory);
    run(&mut python).expect_code(0);
}

#[test]
fn each_kind_of_file_has_its_verdict() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    for (name, expected, why) in VERDICTS {
        let store = store();
        let content = fs::read(directory.path().join(name)).unwrap();
        let path = format!("{}/lib/{name}", Store::PATH);
        if name == "bwrap.sh" {
            store.executable(path, &content);
        } else {
            store.file(path, &content);
        }
        let (bundle, relocation) = pack(&store, "/bin/probe", &[]);
        let (found, reason) = verdict(&relocation);
        assert_eq!(found, expected, "{name}: {relocation}");
        assert!(reason.contains(why), "{name}: {reason}");
        let modes: &[&str] = match expected {
            "proven" => &["host", "relocate", "namespace", "ram"],
            "likely" => &["host", "namespace", "relocate", "ram"],
            _ => &["host", "namespace", "ram"],
        };
        assert_eq!(bundle.inspect()["modes"], serde_json::json!(modes), "{name}");
    }
}

#[test]
fn the_packagers_word_is_kept() {
    let store = store();
    let text = other();
    store.file(format!("{}/lib/unknown.bin", Store::PATH), &[b"\x01\0", text.as_bytes()].concat());
    store.file(format!("{}/lib/text", Store::PATH), text.as_bytes());
    let (bundle, relocation) = pack(&store, "/bin/probe", &["--relocate", "lib/*.bin"]);
    assert_eq!(verdict(&relocation).0, "proven");
    let vouched = relocation["vouched"][0].as_str().unwrap();
    assert!(vouched.contains("lib/unknown.bin: holds a reference"), "{vouched}");
    let text = run(Command::new(packer()).arg("inspect").arg(&bundle.path)).stdout();
    assert!(text.contains(&format!("vouched for  {vouched}\n")), "{text}");

    let (_, relocation) = pack(&store, "/bin/probe", &["--no-relocate", "lib/text"]);
    let (found, reason) = verdict(&relocation);
    assert_eq!(
        (found.as_str(), reason.as_str()),
        ("refused", "kept from relocation by --no-relocate")
    );
}

#[test]
fn a_doubtful_bundle_takes_a_namespace_and_else_says_what_is_uncertain() {
    let store = store();
    let content = [b"\x01\0", other().as_bytes()].concat();
    store.file(format!("{}/lib/unknown.bin", Store::PATH), &content);
    let (bundle, _) = pack(&store, "/bin/probe", &[]);
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = || host.start(&program).args(["exit", "3"]).env("PACKED_LOG", "debug");
    let log = start().run().stderr();
    assert!(log.contains("packed: mode namespace\n"), "{log}");

    // Where the kernel refuses one, it is relocated; without being asked it says nothing.
    let refused = || SeccompAction::Errno(1);
    let calls = [libc::SYS_unshare];
    let log = start().filter(&calls, refused()).run().stderr();
    let doubt = "doubtful after relocation: /nix/store/";
    assert!(log.contains("packed: mode relocate\n") && log.contains(doubt), "{log}");
    let quiet = start().without_env("PACKED_LOG").filter(&calls, refused()).run();
    assert_eq!(quiet.expect_code(3).stderr(), "");
}

#[test]
fn a_program_that_binds_nix_runs_in_a_namespace() {
    let store = store();
    let script = format!(
        "#!/bin/sh\nexec bwrap --ro-bind / / --ro-bind /nix /nix --dev /dev {}/bin/inside \"$@\"\n",
        other()
    );
    store.executable(format!("{}/bin/fhs", Store::PATH), script.as_bytes());
    store.program(format!("{}/bin/inside", Store::OTHER), &probe());
    let (bundle, relocation) = pack(&store, "/bin/fhs", &[]);
    assert_eq!(verdict(&relocation).0, "likely");
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = || host.start(&program).args(["exit", "3"]);
    start().run().expect_code(3);
    let ended = start().env("PACKED_MODE", "relocate").run();
    assert!(ended.stderr().contains("Can't find source path /nix"), "{ended:?}");
}

/// Copies of two paths, as C programs make them; each prints the two files.
const COPIES: &str = include_str!("copies.c");

#[test]
fn paths_that_a_compiler_cuts_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("copies.c");
    fs::write(&source, COPIES).unwrap();
    let (mut proven, mut refused) = (0, 0);
    for options in [
        &["-O0"][..],
        &["-O1"],
        &["-O2"],
        &["-O3"],
        &["-Os"],
        &["-O2", "-march=x86-64-v3"],
        &["-O2", "-march=x86-64-v4"],
        // A call: the string stays whole.
        &["-O2", "-fno-builtin"],
    ] {
        let store = store();
        let program = directory.path().join("copies");
        let mut gcc = Command::new("gcc");
        gcc.args(["-static", &format!("-DDEP=\"{}\"", other())]).args(options);
        run(gcc.arg(&source).arg("-o").arg(&program)).expect_code(0);
        store.program(format!("{}/bin/copies", Store::PATH), &program);
        let (bundle, relocation) = pack(&store, "/bin/copies", &[]);
        let (found, reason) = verdict(&relocation);
        if found == "refused" {
            refused += 1;
            assert!(reason.starts_with("a store hash in pieces"), "{options:?}: {reason}");
            continue;
        }
        // Then every path is whole, and it runs where no /nix is.
        proven += 1;
        assert_eq!(found, "proven", "{options:?}: {reason}");
        let host = Host::ordinary();
        let start = host.start(host.install(&bundle.path)).env("PACKED_MODE", "relocate");
        let expected = "the text\nmore text\nthe text\nmore text\n";
        assert_eq!(start.run().stdout(), expected, "{options:?}");
    }
    assert!(proven > 0 && refused > 0, "{proven} proven, {refused} refused");
}
