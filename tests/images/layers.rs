//! What a new version of one store path changes, and what images share.

use std::fs;

use tests::Closure;

use crate::image::{Image, Packing, assert_has, python};

/// A program that prints a version, and a text in a store path of its own.
fn program(version: u32, text: &str) -> Closure {
    let text = format!(r#"${{builtins.toFile "text" "{text}"}}"#);
    python("program", &format!(r#""print({version}, open('{text}').read())""#))
}

fn image(closure: &Closure) -> Image {
    Packing::of(closure).entry("/bin/program").option("--level", "1").image()
}

/// The layers of one image that another one does not have.
fn new<'a>(image: &'a Image, old: &Image) -> Vec<&'a [String]> {
    let old = old.digests();
    let layers = image.layers.iter().filter(|layer| !old.contains(&layer.digest.as_str()));
    layers.map(|layer| layer.names.as_slice()).collect()
}

fn has(names: &[String], path: &str) -> bool {
    names.iter().any(|name| name.trim_end_matches('/') == path.trim_start_matches('/'))
}

#[test]
fn a_new_version_of_the_program_is_one_layer() {
    let (first, second) = (program(1, "one"), program(2, "one"));
    assert_ne!(first.path, second.path);
    let (old, image) = (image(&first), image(&second));
    let new = new(&image, &old);
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(has(new[0], second.path.to_str().unwrap()));
    // The program, and the links to it.
    let paths = new[0].iter().filter(|name| name.starts_with("nix/store/")).count();
    assert_eq!(paths, "nix/store/ PATH/ PATH/bin/ PATH/bin/program".split(' ').count(), "{new:?}");
}

#[test]
fn what_the_program_refers_to_is_another_layer() {
    let old = image(&program(1, "one"));
    let image = image(&program(1, "two"));
    let new = new(&image, &old);
    // The text's path is new, and so is that of the program, which has the text's name in it.
    assert_eq!(new.len(), 2, "{new:?}");
    assert!(new[0].iter().any(|name| name.ends_with("-text")), "{new:?}");
    assert!(new[1].iter().any(|name| name.ends_with("-program/bin/program")), "{new:?}");
}

#[test]
fn images_share_the_c_library_and_what_else_is_large() {
    let python = image(&program(1, "one"));
    let coreutils = Closure::example("coreutils");
    let packing = Packing::of(&coreutils).entry("/bin/ls").option("--level", "1");
    let image = packing.image();
    let shared: Vec<_> = image
        .layers
        .iter()
        .filter(|layer| python.digests().contains(&layer.digest.as_str()))
        .collect();
    let library = coreutils.requisites().into_iter().find(|path| path.contains("-libc6-")).unwrap();
    assert!(shared.iter().any(|layer| has(&layer.names, &library)), "{shared:?}");
    // And the files around the store.
    assert!(shared.iter().any(|layer| has(&layer.names, "etc/passwd")), "{shared:?}");
}

#[test]
fn there_are_never_more_layers_than_wanted() {
    let closure = Closure::example("python-example");
    let all = closure.requisites();
    let mut before = 0;
    for max in [3, 4, 9, 127] {
        let packing = Packing::of(&closure).entry("/bin/python-example").option("--level", "1");
        let image = packing.option("--max-layers", max.to_string()).image();
        let count = image.layers.len();
        assert!(before < count && count <= max, "{count} of {max}");
        before = count;
        assert_has(&image.unpack().path().join("nix/store"), &closure);
        // No store path is in two layers.
        let layers =
            |path: &String| image.layers.iter().filter(|layer| has(&layer.names, path)).count();
        assert!(all.iter().all(|path| layers(path) == 1));
    }
}

/// A text alone.
fn library() -> Closure {
    let directory = tempfile::tempdir().expect("make a directory");
    let path = directory.path().join("text");
    fs::write(&path, "no program\n").expect("write a file");
    Closure::added(&path)
}

#[test]
fn an_image_of_the_store_alone_has_nothing_else() {
    let closure = Closure::example("hello");
    let image = Packing::of(&closure).entry("/bin/hello").flag("--store-only").image();
    let root = image.unpack();
    assert_has(root.path(), &closure);
    let run = &image.config["config"];
    assert!(run.get("Entrypoint").is_none() && run.get("User").is_none(), "{run}");
    let whole = Packing::of(&closure).entry("/bin/hello").image();
    assert_ne!(whole.digests(), image.digests());
    // Many programs, or none: none is run. What was asked for is last.
    for (closure, name) in [(Closure::example("coreutils"), "coreutils-9-1"), (library(), "text")] {
        let image = Packing::of(&closure).flag("--store-only").image();
        assert_has(image.unpack().path(), &closure);
        let annotations = &image.index["manifests"][0]["annotations"];
        let named = annotations["org.opencontainers.image.ref.name"].as_str().unwrap();
        assert_eq!(named, format!("{name}:latest"));
        let path = closure.path.strip_prefix("/nix/store").unwrap().to_str().unwrap();
        assert!(has(&image.layers.last().unwrap().names, path), "{image:?}");
    }
}
