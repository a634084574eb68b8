//! The libraries are those of the kernel module's version, whatever else is there.

use crate::tree::{DEBIAN, Tree};
use crate::{MODES, ask, start};

const OTHER: &str = "/usr/lib64";

/// Checks which version of libcuda is loaded.
#[track_caller]
fn loads(tree: &Tree, version: &str, path: &str) {
    for mode in MODES {
        let (text, log) = ask(&tree.host(), mode, &["cuda", "glx"]);
        let loaded = format!("libcuda.so.1 {version} {path}/libcuda.so.{version}\n");
        assert!(text.contains(&loaded), "{mode}: {loaded}\n{text}\n{log}");
    }
}

#[test]
fn two_in_one_directory() {
    let tree = Tree::new();
    tree.libraries(DEBIAN, "535.288.01");
    // The links are this one's.
    tree.libraries(DEBIAN, "550.54.14");
    tree.module("535.288.01");
    loads(&tree, "535.288.01", DEBIAN);
    tree.module("550.54.14");
    loads(&tree, "550.54.14", DEBIAN);
}

#[test]
fn two_in_two_directories() {
    let tree = Tree::new();
    tree.libraries(DEBIAN, "535.288.01");
    tree.libraries(OTHER, "550.54.14");
    tree.module("550.54.14");
    loads(&tree, "550.54.14", OTHER);
    tree.module("535.288.01");
    loads(&tree, "535.288.01", DEBIAN);
}

/// The next start after an update of the driver sees it, with the cache of the start before.
#[test]
fn an_update_is_seen_at_the_next_start() {
    let tree = Tree::new();
    tree.libraries(DEBIAN, "535.288.01");
    tree.module("535.288.01");
    let host = tree.host();
    for version in ["535.288.01", "550.54.14"] {
        tree.libraries(DEBIAN, version);
        tree.module(version);
        for mode in MODES {
            let (text, log) = ask(&host, mode, &["cuda"]);
            assert!(text.contains(&format!("libcuda.so.1 {version} ")), "{mode}: {text}\n{log}");
        }
    }
}

/// The files move, and the version stays: as when a package of the distribution replaces NVIDIA's installer.
#[test]
fn a_move_is_seen_at_the_next_start() {
    let tree = Tree::new();
    tree.libraries(OTHER, "535.288.01");
    tree.module("535.288.01");
    let host = tree.host();
    let first = MODES.map(|mode| ask(&host, mode, &["cuda"]));
    std::fs::remove_dir_all(tree.at(OTHER)).unwrap();
    tree.libraries(DEBIAN, "535.288.01");
    for (mode, (before, _)) in MODES.iter().zip(first) {
        assert!(before.contains(OTHER), "{mode}: {before}");
        let (text, log) = ask(&host, mode, &["cuda"]);
        assert!(text.contains(&format!("535.288.01 {DEBIAN}/")), "{mode}: {text}\n{log}");
    }
}

/// The module was updated, and the libraries were not, or the other way: neither is taken, and it is said.
#[test]
fn a_missing_one_is_said() {
    let tree = Tree::new();
    tree.libraries(DEBIAN, "535.288.01");
    tree.module("550.54.14");
    let host = tree.host();
    for mode in MODES {
        let (text, log) = ask(&host, mode, &["cuda"]);
        assert!(text.contains("cuda: libcuda.so.1: cannot open"), "{mode}: {text}");
        assert!(log.contains("550.54.14"), "{mode}: {log}");
        let (what, hint) =
            start(&host, mode, &["cuda"]).env("PACKED_GRAPHICS", "host").run().refusal();
        assert!(what.contains("550.54.14"), "{mode}: {what}\n{hint}");
    }
}
