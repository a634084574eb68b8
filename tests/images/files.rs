//! Each file of the closure is in the image as it is in the store, whatever form the image has.

use std::fs;
use std::process::Command;

use tests::{Bundle, Closure, Store, run, tree};

use crate::image::{Image, Packing, assert_has};

#[test]
fn every_form_has_the_files_of_the_closure() {
    let closure = Closure::example("python-example");
    let directory = tempfile::tempdir().unwrap();
    for (name, compression, level) in [
        ("image.tar", "gzip", Some("1")),
        ("image", "gzip", None),
        ("image.tar", "zstd", Some("3")),
        ("image", "none", None),
    ] {
        let mut packing = Packing::of(&closure).option("--compression", compression);
        if let Some(level) = level {
            packing = packing.option("--level", level);
        }
        let path = directory.path().join(name);
        packing.entry("/bin/python-example").write(&path);
        let image = Image::open(&path);
        let root = image.unpack();
        assert_has(&root.path().join("nix/store"), &closure);
    }
}

#[test]
fn odd_names_long_names_and_duplicates_are_there() {
    let store = Store::new();
    let at = |name: &[u8]| {
        let path = [Store::PATH.as_bytes(), b"/", name].concat();
        std::os::unix::ffi::OsStringExt::from_vec(path)
    };
    let file = |name: &[u8], content: &[u8]| {
        let path: std::ffi::OsString = at(name);
        store.file(path, content);
    };
    file(b"line\nend \xff", b"odd");
    file(
        &[&b"d".repeat(200)[..], b"/", &b"e".repeat(200), b"/", &b"f".repeat(200)].concat(),
        b"deep",
    );
    file(b"empty", b"");
    file(b"copy", &b"the same".repeat(1000));
    file(b"other/copy", &b"the same".repeat(1000));
    file(b"block", &[7; 512]);
    file(b"large", &vec![1; 9 << 20]);
    store.executable(format!("{}/bin/run", Store::PATH), b"#!/bin/sh\n");
    // The same, but for the permissions.
    file(b"text/run", b"#!/bin/sh\n");
    fs::create_dir(store.at(format!("{}/directory", Store::PATH))).unwrap();
    store.link(format!("{}/dangling", Store::PATH), &[b'x'; 300]);
    let image = Packing::of_store(&store, Store::PATH).entry("/bin/run").image();
    let root = image.unpack();
    let found = tree::list(&root.path().join("nix/store").join(Store::PATH)).unwrap();
    assert_eq!(found, tree::list(&store.at(Store::PATH)).unwrap());
}

#[test]
fn an_image_of_a_bundle_is_that_of_its_closure() {
    let closure = Closure::example("hello");
    let builder = Bundle::of(&closure).entry("/bin/hello").option("--env", "COLOR?=red");
    let bundle = builder.pack();
    let of_bundle = Packing::of_bundle(&bundle.path).image();
    let of_closure =
        Packing::of(&closure).entry("/bin/hello").option("--env", "COLOR?=red").image();
    assert_eq!(of_bundle.digests(), of_closure.digests());
    assert_eq!(of_bundle.config, of_closure.config);
    let annotations = &of_bundle.manifest["annotations"];
    assert_eq!(annotations["packer.key"], of_closure.manifest["annotations"]["packer.key"]);
    let id = annotations["packer.bundle.id"].as_str().unwrap();
    // As PACKED=info prints it.
    let info = run(Command::new(&bundle.path).env("PACKED", "info")).stdout();
    assert!(id.len() == 64 && info.contains(id), "{id}: {info}");
}
