//! `docs/format.md` is all that a reader needs: one that was written from it, in Python, agrees with ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Bundle, Closure, Ended, packer, run, source, tree};

fn reader(arguments: &[&Path]) -> Ended {
    run(Command::new("python3")
        .arg("-B")
        .arg(source().join("tests/docs/reader.py"))
        .args(arguments))
}

/// What a directory's tree is: kinds, contents, targets, and modes and times, which [`tree`] leaves out.
fn described(top: &Path) -> (tree::Lines, BTreeSet<String>) {
    let mut find = Command::new("find");
    find.arg(top.join("nix/store")).args(["-mindepth", "1", "-printf", "%P %y %m %T@\\n"]);
    let lines = run(&mut find).stdout();
    (tree::list(top).expect("list a tree"), lines.lines().map(str::to_owned).collect())
}

#[test]
fn a_reader_from_the_document_unpacks_what_packer_extracts() {
    let example = |attribute: &str, entry: &str| {
        Bundle::of(&Closure::example(attribute)).entry(entry).option("--level", "3")
    };
    let bundles = [
        Bundle::probe(),
        // What most descriptors leave out.
        example("hello", "/bin/hello")
            .option("--env", "B=%BUNDLE%")
            .option("--argv0", "a name")
            .pack(),
        example("coreutils", "/bin/ls").pack(),
        example("markov-circus", "/bin/markov").pack(),
        // Compiled modules that check their sources: a kind of their own.
        example("python-modules", "/bin/python-modules").option("--mode", "relocate").pack(),
    ];
    for bundle in &bundles {
        let directory = tempfile::tempdir().unwrap();
        let [ours, other] = ["ours", "other"].map(|name| directory.path().join(name));
        let mut extract = Command::new(packer());
        run(extract.arg("extract").arg(&bundle.path).arg("--to").arg(&ours)).expect_code(0);
        let unpacked = reader(&[Path::new("unpack"), &bundle.path, &other]).stdout();
        assert_eq!(unpacked, "");
        let (ours, other) = (described(&ours), described(&other));
        assert!(ours == other, "{}", bundle.path.display());

        let listed = reader(&[Path::new("list"), &bundle.path]).stdout();
        assert_eq!(listed.lines().filter(|line| line.starts_with("entry ")).count(), 1);
        // Every node, and the directories above them.
        assert_eq!(listed.lines().count() - 1, ours.1.len(), "{}", bundle.path.display());
    }
}

#[test]
fn it_notices_a_changed_byte_in_every_part() {
    let bundle = Bundle::probe();
    let good = fs::read(&bundle.path).unwrap();
    let payload = bundle.payload();
    let len = good.len();
    let note = good.windows(8).position(|window| window == b"packer\0\0").unwrap() + 8;
    let magic = |low: u8| {
        let magic = [0x50 + low, 0x2a, 0x4d, 0x18];
        payload + good[payload..].windows(4).rposition(|window| window == magic).unwrap()
    };
    let (manifest, index, seek_table) = (magic(0), magic(1), magic(0xe));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle");
    for (at, said) in [
        (note + 1, "bundle format version 261 is not known"),
        (note + 60, "descriptor: another digest"),
        (note + 8000, "descriptor: not as long as it says"),
        (payload + 10, "frame 0: another digest"),
        (manifest - 1, ": another digest"),
        (manifest, "manifest: another header"),
        (manifest + 20, "manifest: another digest"),
        (index + 5, "index: another header"),
        (index + 20, "index: another digest"),
        (seek_table + 1, "seek table: another header"),
        (seek_table + 8, "seek table: another digest"),
        (len - 1, "seek table: another digest"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        let ended = reader(&[Path::new("list"), &path]);
        ended.expect_code(1);
        let stderr = ended.stderr();
        assert!(stderr.starts_with("reader: ") && stderr.contains(said), "{at}: {stderr}");
    }
    for bad in [&good[..len - 1], &[good.as_slice(), b"x"].concat()] {
        fs::write(&path, bad).unwrap();
        assert_eq!(
            reader(&[Path::new("list"), &path]).stderr(),
            "reader: the file has another length\n"
        );
    }
}
