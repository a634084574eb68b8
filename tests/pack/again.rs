//! Packing again, with what the user's cache has, gives the bytes of packing anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tests::{Ended, Store, packer, run};

/// The hash of [`Store::OTHER`].
const OTHER_HASH: &str = "1b9p07z77phvv2hf6gm9f28syp39f1ag";

/// A store, and a cache for whoever packs it.
struct Packed {
    store: Store,
    kept: TempDir,
}

impl Packed {
    /// A closure of two store paths: the root, which is small, and a large one that it refers to.
    fn new() -> Packed {
        let store = Store::new();
        store.program(format!("{}/bin/probe", Store::PATH), &tests::probe());
        let other = format!("/nix/store/{}/share/text\n", Store::OTHER);
        store.file(format!("{}/share/link", Store::PATH), other.as_bytes());
        store.file(format!("{}/share/text", Store::OTHER), &noise(3 << 20));
        store.file(format!("{}/share/more", Store::OTHER), b"one line\n");
        let kept = tempfile::tempdir().expect("use the file");
        // packer uses no directory that the user does not have.
        fs::create_dir(kept.path().join("cache")).expect("use the file");
        Packed { store, kept }
    }

    fn command(&self, name: &str, options: &[&str]) -> (Command, PathBuf) {
        let output = self.kept.path().join(name);
        let mut command = Command::new(packer());
        command.args(["build", "--entry", "/bin/probe", "--level", "3"]).args(options);
        command.arg("--closure").arg(Path::new("/nix/store").join(Store::PATH));
        command.arg("--store-root").arg(self.store.root()).arg("--output").arg(&output);
        command.env("XDG_CACHE_HOME", self.kept.path().join("cache"));
        (command, output)
    }

    fn run(&self, name: &str, options: &[&str]) -> (Ended, PathBuf) {
        let (mut command, output) = self.command(name, options);
        (run(&mut command), output)
    }

    /// Packs with the cache and without; returns the bytes, which have to be the same.
    fn pack(&self, options: &[&str]) -> Vec<u8> {
        let [warm, anew] = [("warm", &[][..]), ("anew", &["--no-cache"])].map(|(name, more)| {
            let (ended, output) = self.run(name, &[options, more].concat());
            ended.expect_code(0);
            fs::read(output).expect("use the file")
        });
        assert!(warm == anew, "other bytes with the cache: {options:?}");
        assert!(!self.frames().is_empty());
        warm
    }

    fn frames(&self) -> Vec<PathBuf> {
        let kept = self.kept.path().join("cache/packer/frames");
        fs::read_dir(kept)
            .expect("use the file")
            .map(|entry| entry.expect("use the file").path())
            .collect()
    }
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56).to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn nothing_changed_and_one_file_changed() {
    let packed = Packed::new();
    let first = packed.pack(&[]);
    assert!(packed.pack(&[]) == first);
    packed.store.file(format!("{}/share/more", Store::OTHER), b"another line\n");
    assert!(packed.pack(&[]) != first);
}

#[test]
fn a_file_of_the_same_size_and_time_is_seen() {
    let packed = Packed::new();
    let path = packed.store.at(format!("{}/share/text", Store::OTHER));
    let first = packed.pack(&[]);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[1 << 20] ^= 1;
    // In place: the inode stays, too.
    let file = File::options().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, &bytes).unwrap();
    file.set_modified(time).unwrap();
    drop(file);
    assert!(packed.pack(&[]) != first);
}

/// A file holds the hash of a store path that is not in the closure. Then it is, and what was a text is a reference.
#[test]
fn a_hash_that_becomes_a_reference_is_rewritten() {
    let packed = Packed::new();
    packed.store.file(format!("{}/share/link", Store::PATH), b"nothing\n");
    let named = format!("/nix/store/{OTHER_HASH}-other\n");
    packed.store.file(format!("{}/share/list", Store::PATH), named.as_bytes());
    let graph = packed.kept.path().join("graph");
    let given = ["--closure-graph", graph.to_str().unwrap()];
    let list = |paths: &[&str]| {
        let lines: String = paths.iter().map(|path| format!("/nix/store/{path}\n")).collect();
        fs::write(&graph, lines).unwrap();
    };
    let count = || {
        let (ended, _) = packed.run("counted", &[&given[..], &["--json"]].concat());
        let summary: serde_json::Value =
            serde_json::from_slice(&ended.expect_code(0).stdout).unwrap();
        summary["relocation"]["references"].as_u64().unwrap()
    };
    list(&[Store::PATH]);
    packed.pack(&given);
    let before = count();
    list(&[Store::OTHER, Store::PATH]);
    packed.pack(&given);
    assert_eq!(count(), before + 1);
}

#[test]
fn other_options_are_seen() {
    let packed = Packed::new();
    let first = packed.pack(&[]);
    assert!(packed.pack(&["--no-relocate", "share/link"]) != first);
    packed.pack(&["--relocate", "share/**"]);
    packed.pack(&["--exclude", "share/more"]);
    assert!(packed.pack(&[]) == first);
    let secret = packed.kept.path().join("secret");
    fs::write(&secret, "one line\n").unwrap();
    let (ended, output) = packed.run("secret-in-it", &["--secret", secret.to_str().unwrap()]);
    ended.expect_code(1);
    assert!(!output.exists());
}

#[test]
fn damaged_frames_are_made_again() {
    let packed = Packed::new();
    let first = packed.pack(&[]);
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
    ];
    for damage in damages {
        for frame in packed.frames() {
            let mut bytes = fs::read(&frame).unwrap();
            damage(&mut bytes);
            fs::write(frame, bytes).unwrap();
        }
        assert!(packed.pack(&[]) == first);
    }
}

#[test]
fn two_at_once_make_the_same() {
    let packed = Packed::new();
    let started: Vec<_> = ["one", "two", "three"]
        .map(|name| {
            let (mut command, output) = packed.command(name, &[]);
            (command.spawn().unwrap(), output)
        })
        .into();
    let made: Vec<Vec<u8>> = started
        .into_iter()
        .map(|(mut child, output)| {
            assert!(child.wait().unwrap().success());
            fs::read(output).unwrap()
        })
        .collect();
    assert!(made[0] == packed.pack(&[]) && made.iter().all(|bytes| *bytes == made[0]));
}

/// The root is in a frame of its own: a change there leaves the frames of the others as they are.
#[test]
fn a_change_in_the_root_is_compressed_alone() {
    let packed = Packed::new();
    let (ended, _) = packed.run("first", &[]);
    ended.expect_code(0);
    let before = packed.frames();
    let other = format!("/nix/store/{}/share/more\n", Store::OTHER);
    packed.store.file(format!("{}/share/link", Store::PATH), other.as_bytes());
    let (ended, _) = packed.run("second", &[]);
    ended.expect_code(0);
    let new: Vec<PathBuf> =
        packed.frames().into_iter().filter(|frame| !before.contains(frame)).collect();
    let largest = new.iter().map(|frame| frame.metadata().unwrap().len()).max();
    // The store path that it refers to has 3 MB that do not compress.
    assert!(largest.unwrap() < 2 << 20, "{largest:?}");
}
