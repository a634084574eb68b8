//! What is true of every tree, tried with random ones.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tests::{Bundle, Store, packer, run, tree};

/// A file, link or directory.
#[derive(Clone, Debug)]
enum Node {
    File { content: Content, executable: bool },
    Link(Vec<u8>),
    Directory(Nodes),
}

type Nodes = BTreeMap<Vec<u8>, Node>;

/// Runs of bytes, so that large files have small descriptions.
type Content = Vec<Piece>;

#[derive(Clone, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Zeros(usize),
    /// Bytes that do not compress.
    Noise {
        seed: u64,
        len: usize,
    },
    /// The path of a store path of the closure.
    Reference(&'static str),
}

/// The two store paths; the first refers to the second and has the entry.
#[derive(Clone, Debug)]
struct Closure(Nodes, Nodes);

impl Closure {
    /// Makes the files, from the last name to the first if `backwards`.
    fn store(&self, backwards: bool) -> Store {
        let store = Store::new();
        store.executable(format!("{}/bin/run", Store::PATH), b"#!/bin/sh\nexit 7\n");
        store.link(format!("{}/other", Store::PATH), reference(Store::OTHER).as_bytes());
        fs::create_dir_all(store.at(Store::OTHER)).expect("make a directory");
        for (base_name, nodes) in [(Store::PATH, &self.0), (Store::OTHER, &self.1)] {
            write(&store, &[base_name.as_bytes(), b"/tree"].concat(), nodes, backwards);
        }
        store
    }
}

fn write(store: &Store, directory: &[u8], nodes: &Nodes, backwards: bool) {
    fs::create_dir_all(store.at(OsStr::from_bytes(directory))).expect("make a directory");
    let mut nodes: Vec<_> = nodes.iter().collect();
    if backwards {
        nodes.reverse();
    }
    for (name, node) in nodes {
        let path = [directory, b"/", name].concat();
        let at = OsStr::from_bytes(&path);
        match node {
            Node::File { content, executable: true } => drop(store.executable(at, &bytes(content))),
            Node::File { content, executable: false } => drop(store.file(at, &bytes(content))),
            Node::Link(target) => store.link(at, target),
            Node::Directory(nodes) => write(store, &path, nodes, backwards),
        }
    }
}

fn reference(base_name: &str) -> String {
    format!("/nix/store/{base_name}")
}

fn bytes(content: &Content) -> Vec<u8> {
    let piece = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => bytes.clone(),
        Piece::Zeros(len) => vec![0; *len],
        Piece::Noise { seed, len } => noise(*seed, *len),
        Piece::Reference(base_name) => reference(base_name).into(),
    };
    content.iter().flat_map(piece).collect()
}

/// A linear congruential generator's high bits.
fn noise(mut state: u64, len: usize) -> Vec<u8> {
    let mut noise = vec![0; len];
    for word in noise.chunks_mut(4) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word.copy_from_slice(&state.to_be_bytes()[..word.len()]);
    }
    noise
}

/// Closures with files of up to `len` bytes of zeros and as many that do not compress.
fn closures(len: usize) -> impl Strategy<Value = Closure> {
    let byte = prop_oneof![4 => 1..=0x7fu8, 1 => 0x80..=0xffu8];
    let byte = byte.prop_filter("not in a name", |byte| *byte != b'/');
    let name = prop_oneof![9 => vec(byte.clone(), 1..20), 1 => vec(byte, 90..=255)];
    let name = name.prop_filter("a name of its own", |name| name != b"." && name != b"..");
    let path = prop_oneof![Just(Store::PATH), Just(Store::OTHER)];
    let piece = prop_oneof![
        4 => vec(any::<u8>(), 0..200).prop_map(Piece::Bytes),
        4 => path.prop_map(Piece::Reference),
        1 => (0..len).prop_map(Piece::Zeros),
        1 => (any::<u64>(), 0..len).prop_map(|(seed, len)| Piece::Noise { seed, len }),
    ];
    // What begins like a compressed file is looked into, and is in the way if it is none.
    let text = vec(piece, 0..6).prop_map(|mut pieces| {
        pieces.insert(0, Piece::Bytes(b"#".into()));
        pieces
    });
    let content = prop_oneof![1 => Just(Content::new()), 9 => text];
    let target = prop_oneof![
        name.clone(),
        vec(name.clone(), 1..4).prop_map(|names| names.join(&b'/')),
        name.clone().prop_map(|name| [reference(Store::OTHER).as_bytes(), b"/", &name].concat()),
    ];
    let leaf = prop_oneof![
        4 => (content, any::<bool>())
            .prop_map(|(content, executable)| Node::File { content, executable }),
        1 => target.prop_map(Node::Link),
    ];
    let in_directory = name.clone();
    let node = leaf.prop_recursive(4, 30, 6, move |node| {
        btree_map(in_directory.clone(), node, 0..6).prop_map(Node::Directory)
    });
    let nodes = btree_map(name, node, 0..8);
    (nodes.clone(), nodes).prop_map(|(first, second)| Closure(first, second))
}

fn pack(store: &Store, options: &[&str]) -> Bundle {
    let path = store.root().join("run");
    let mut command = Bundle::of_store(store, Store::PATH).entry("/bin/run").command();
    let command = command.args(["--level", "1"]).args(options).arg("--output").arg(&path);
    run(command).expect_code(0);
    Bundle { path }
}

/// The same cases each time; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for more and for others.
fn config(cases: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let is_given = |name| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if is_given("PROPTEST_CASES") { given.cases } else { cases },
        rng_seed: if is_given("PROPTEST_RNG_SEED") { given.rng_seed } else { RngSeed::Fixed(1) },
        failure_persistence: None,
        ..given
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn what_is_packed_is_what_comes_out(closure in closures(300_000)) {
        let store = closure.store(false);
        let bundle = pack(&store, &[]);
        let to = store.root().join("to");
        run(Command::new(packer()).arg("extract").arg(&bundle.path).arg("--to").arg(&to)).expect_code(0);
        let [expected, found] = [store.root(), &to].map(|root| tree::list(&root.join("nix/store")));
        prop_assert_eq!(found.unwrap(), expected.unwrap());
        run(Command::new(packer()).arg("verify").arg(&bundle.path)).expect_code(0);
    }

    #[test]
    fn what_is_relocated_and_back_is_the_same(closure in closures(300_000)) {
        let store = closure.store(false);
        let bundle = pack(&store, &["--mode", "relocate"]);
        // References fit into a short path only.
        let cache = tempfile::tempdir_in("/tmp").unwrap();
        let mut start = Command::new(&bundle.path);
        run(start.env("PACKED_CACHE", cache.path())).expect_code(7);
        let relocated: Vec<PathBuf> = ["odd", "other"].map(|name| find(cache.path(), name)).into();
        for (path, base_name) in relocated.iter().zip([Store::PATH, Store::OTHER]) {
            restore(path, &relocated);
            prop_assert_eq!(tree::list(path).unwrap(), tree::list(&store.at(base_name)).unwrap());
        }
    }
}

/// The store path with this name in a cache.
fn find(cache: &Path, name: &str) -> PathBuf {
    let path = cache.display().to_string();
    let name = format!("{}-{name}", "?".repeat(42 - path.len()));
    let found = run(Command::new("find").arg(cache).args(["-maxdepth", "1", "-name", &name]));
    found.stdout().trim_end().into()
}

/// Puts `/nix/store/<hash>` for its replacement into every file and link of a tree.
fn restore(top: &Path, relocated: &[PathBuf]) {
    let script = r#"
import os, sys
top, *pairs = map(os.fsencode, sys.argv[1:])
def back(data):
    for place, path in zip(pairs[::2], pairs[1::2]):
        data = data.replace(place[:43], path[:43])
    return data
for directory, names, files in os.walk(top):
    for path in (os.path.join(directory, name) for name in names + files):
        if os.path.islink(path):
            target = os.readlink(path)
            os.unlink(path)
            os.symlink(back(target), path)
        elif os.path.isfile(path):
            content = back(open(path, "rb").read())
            open(path, "r+b").write(content)
"#;
    let mut command = Command::new("python3");
    command.args(["-Bc", script]).arg(top);
    for (place, base_name) in relocated.iter().zip([Store::PATH, Store::OTHER]) {
        command.arg(place).arg(reference(base_name));
    }
    run(&mut command).expect_code(0);
}

proptest! {
    #![proptest_config(config(10))]

    #[test]
    fn threads_and_the_order_of_files_change_nothing(closure in closures(5 << 20), threads in 2..9u32) {
        let store = closure.store(false);
        let expected = fs::read(pack(&store, &["--threads", "1"]).path).unwrap();
        let backwards = closure.store(true);
        let other = pack(&backwards, &["--threads", &threads.to_string()]);
        prop_assert!(fs::read(&other.path).unwrap() == expected, "{} threads", threads);

        // On one processor there is one thread that unpacks.
        let [one, all] = ["one", "all"].map(|name| store.root().join(name));
        let mut extract = Command::new("taskset");
        extract.args(["--cpu-list", "0"]).arg(packer()).arg("extract").arg(&other.path).arg("--to");
        run(extract.arg(&one)).expect_code(0);
        run(Command::new(packer()).arg("extract").arg(&other.path).arg("--to").arg(&all)).expect_code(0);
        prop_assert_eq!(tree::list(&one.join("nix/store")).unwrap(), tree::list(&all.join("nix/store")).unwrap());
    }
}
