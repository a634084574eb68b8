//! Bundles that somebody altered, with right digests: signatures are for what was signed.

use std::fs;
use std::path::Path;

use format::{BUNDLE_VERSION, Manifest, PathInfo};
use tests::{Bundle, Forge, Forged, run};

use crate::closure::{Key, Made, Offline, packer_in};

/// A closure of which two store paths are signed, and the key.
fn signed() -> (Made, Key) {
    let made = Made::new();
    let key = made.key("test-1");
    made.sign(&key, &[&made.root.path, &made.other]);
    (made, key)
}

fn manifest(forge: &Forge) -> Manifest {
    Manifest::decode(&forge.manifest.content(), BUNDLE_VERSION).expect("a manifest")
}

/// Changes the manifest of a bundle.
fn alter(bundle: &Bundle, change: impl FnOnce(&mut Manifest)) -> Bundle {
    let mut forge = Forge::of(bundle);
    let mut manifest = manifest(&forge);
    change(&mut manifest);
    forge.manifest = Forged::of(&manifest.encode().expect("it can be encoded"));
    forge.write(&bundle.path)
}

/// What is known of the store path with this name.
fn info<'a>(manifest: &'a mut Manifest, name: &str) -> &'a mut PathInfo {
    let packed = manifest.paths.iter_mut().find(|packed| packed.path.name() == name);
    packed.and_then(|packed| packed.info.as_mut()).expect("it is known")
}

/// Checks that a store path is named with a reason, and the other two are vouched for.
#[track_caller]
fn expect_reason(bundle: &Bundle, key: &Key, path: &Path, reason: &str) {
    let report = Offline::with(bundle).report(&["--trusted-key", &key.public]);
    assert!(
        report.ends_with(&format!(", 1 by nobody:\n  {}: {reason}\n", path.display())),
        "{report}"
    );
}

#[test]
fn a_signature_of_another_store_path_fits_nothing() {
    let (made, key) = signed();
    let bundle = alter(&made.pack(&[]), |manifest| {
        let signatures = info(manifest, "signed-1.0").signatures.clone();
        info(manifest, "other").signatures = signatures;
    });
    expect_reason(&bundle, &key, &made.other, "the signature of test-1 is for something else");
}

#[test]
fn references_are_signed_too() {
    let (made, key) = signed();
    for change in [
        |info: &mut PathInfo| info.references.truncate(1),
        |info: &mut PathInfo| info.elsewhere.push(format::StorePath::parse(MORE).unwrap()),
    ] {
        let bundle = alter(&made.pack(&[]), |manifest| change(info(manifest, "signed-1.0")));
        let reason = "the signature of test-1 is for something else";
        expect_reason(&bundle, &key, &made.root.path, reason);
    }
}

/// A store path of nobody's.
const MORE: &[u8] = b"1b9p07z77phvv2hf6gm9f28syp39f1ag-more";

#[test]
fn a_content_address_of_something_else_is_noticed() {
    let (made, key) = signed();
    let bundle = alter(&made.pack(&[]), |manifest| {
        let address = &mut info(manifest, "text").content_address;
        *address = address.replacen("text:", "fixed:", 1);
    });
    expect_reason(&bundle, &key, &made.text, "its content address is for something else");
    let bundle = alter(&made.pack(&[]), |manifest| {
        info(manifest, "text").content_address = String::new();
    });
    expect_reason(&bundle, &key, &made.text, "it has no signature");
}

/// The files of a bundle are altered and packed again, and get the signatures of the original.
#[test]
fn other_files_have_no_signature() {
    let (made, key) = signed();
    let original = made.pack(&[]);
    let known = manifest(&Forge::of(&original));
    let directory = made.directory.path();
    run(&mut packer_in(directory, &["extract", "signed", "--to", "store"])).expect_code(0);
    let file =
        directory.join("store").join(made.other.strip_prefix("/").unwrap()).join("share/name");
    fs::remove_file(&file).expect("root may");
    fs::write(&file, "OTHER\n").expect("write it");
    let root = made.root.path.to_str().unwrap();
    let arguments =
        ["build", "--no-cache", "--store-root", "store", "--closure", root, "-o", "altered"];
    run(&mut packer_in(directory, &arguments)).expect_code(0);
    let altered = Bundle { path: directory.join("altered") };
    let bundle = alter(&altered, |manifest| {
        for (packed, original) in manifest.paths.iter_mut().zip(known.paths) {
            assert_eq!(packed.path, original.path);
            packed.info = original.info;
        }
    });
    expect_reason(&bundle, &key, &made.other, "the signature of test-1 is for something else");
}

#[test]
fn a_hash_that_the_files_have_not_is_refused() {
    let (made, key) = signed();
    let bundle = alter(&made.pack(&[]), |manifest| manifest.paths[0].nar_hash.0[0] ^= 1);
    let offline = Offline::with(&bundle);
    let (what, _) = offline.verify(&["--trusted-key", &key.public]).expect_refusal(1);
    assert!(what.ends_with(" has a different NAR hash"), "{what}");
}

#[test]
fn a_packager_who_did_not_look_is_reported() {
    let (made, key) = signed();
    let bundle = alter(&made.pack(&[]), |manifest| manifest.is_unchecked = true);
    let offline = Offline::with(&bundle);
    let report = offline.report(&["--trusted-key", &key.public]);
    let expected =
        "it was packed with store paths of binary caches for which nobody vouched\n2 of 3 ";
    assert!(report.starts_with(expected), "{report}");
    assert_eq!(offline.json(&[])["packed_unchecked"], true);
}
