//! References that a compiler for aarch64 cuts.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Bundle, Store, need, probe, run};

use crate::NEEDED;

/// The program that copies two paths, as for this processor.
const COPIES: &str = include_str!("../pack/copies.c");

/// Compiles it by a cross compiler with each optimization. Where the verdict is *proven*, every path must be whole: with
/// all whole paths replaced, the program finds its files at the new place, in an emulator.
#[test]
fn paths_that_a_compiler_cuts_are_found() {
    need(NEEDED);
    let directory = tempfile::tempdir().expect("make a directory");
    let other = format!("/nix/store/{}", Store::OTHER);
    let (from, name) = other.split_at(format::REFERENCE_LEN);
    let to = path_of_length(from.len(), directory.path());
    let place = Path::new(&(to.clone() + name)).join("etc");
    fs::create_dir_all(&place).expect("make a directory");
    for name in ["text", "more"] {
        fs::write(place.join(name), name.to_owned() + "\n").expect("write a text");
    }
    let source = directory.path().join("copies.c");
    fs::write(&source, COPIES).expect("write a program");
    let (mut proven, mut refused) = (0, 0);
    let levels = ["-O0", "-O1", "-O2", "-O3", "-Os"].map(|level| ["-DCOPY", level]);
    for options in levels.into_iter().chain([["-DCOMPARE", "-O0"], ["-DCOMPARE", "-O2"]]) {
        let program = directory.path().join("copies");
        let mut gcc = Command::new("aarch64-linux-gnu-gcc");
        gcc.args(["-static", &format!("-DDEP=\"{other}\"")]).args(options).arg(&source);
        run(gcc.arg("-o").arg(&program)).expect_code(0);
        let content = fs::read(&program).expect("read a program");
        match verdict(&content).as_str() {
            "refused" => refused += 1,
            "proven" => {
                proven += 1;
                let moved = replaced(&content, from.as_bytes(), to.as_bytes());
                fs::write(&program, moved).expect("write a program");
                let output = run(Command::new("qemu-aarch64-static").arg(&program)).stdout();
                assert_eq!(output, "text\nmore\ntext\nmore\n", "{options:?}");
            }
            other => panic!("{options:?}: {other}"),
        }
    }
    // gcc keeps a path that is copied whole, and makes instructions of one that it compares.
    assert_eq!((proven, refused), (6, 1), "proven and refused");
}

/// The verdict on a store path that has the program as a file.
fn verdict(program: &[u8]) -> String {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    store.executable(format!("{}/share/copies", Store::PATH), program);
    store.file(
        format!("{}/etc/uses", Store::PATH),
        format!("/nix/store/{}", Store::OTHER).as_bytes(),
    );
    store.file(format!("{}/etc/text", Store::OTHER), b"text\n");
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
    let relocation = &bundle.pack_into(store.root()).inspect()["relocation"];
    relocation["verdict"].as_str().expect("a verdict is text").to_owned()
}

/// A path in a directory that is so long.
fn path_of_length(length: usize, directory: &Path) -> String {
    let directory = directory.to_str().expect("a directory for tests has a text for a path");
    format!("{directory}/{}", "x".repeat(length - directory.len() - 1))
}

fn replaced(content: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    let mut at = 0;
    while let Some(found) = content[at..].windows(from.len()).position(|window| window == from) {
        content[at + found..][..to.len()].copy_from_slice(to);
        at += found + to.len();
    }
    content
}
