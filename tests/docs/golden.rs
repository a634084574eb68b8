//! Bundles of every version of the format there has been are read; one from the future is refused by name.
//!
//! `tests/docs/golden/version-N` is what the packer of that version made of the store below. Each stub is an ELF header
//! and room for the descriptor, to keep them small. When the version rises, the next one is in the target directory,
//! as `golden`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use format::{BUNDLE_VERSION, OLDEST_VERSION};
use tests::{Bundle, Forge, Readers, Store, packer, regions, run, source, target, tree};

fn golden(version: u32) -> PathBuf {
    source().join(format!("tests/docs/golden/version-{version}"))
}

/// A store path with something of everything, and another that it refers to. `program` is the beginning of one.
fn store(program: &[u8]) -> Store {
    let store = Store::new();
    let at = |name: &str| format!("{}/{name}", Store::PATH);
    let reference = format!("/nix/store/{}/share/other", Store::OTHER);
    let reference = reference.as_bytes();
    store.executable(at("bin/one"), program);
    store.executable(at("bin/two"), &[program, b"two"].concat());
    store.file(at("lib/module.pyc"), &[b"\xcb\x0d\x0d\x0a\x03\0\0\0-source-", reference].concat());
    store.link(at("share/link"), reference);
    store.file(at("share/text"), reference);
    store.file(at("share/same"), reference);
    store.file(at("share/empty"), b"");
    store.file(at(&format!("share/{}", "long".repeat(60))), b"a long name");
    store.file(format!("{}/share/other", Store::OTHER), b"other");
    store
}

#[test]
fn every_version_is_read() {
    for version in OLDEST_VERSION..=BUNDLE_VERSION {
        let bundle = Bundle { path: golden(version) };
        let bytes = fs::read(&bundle.path).expect("there is one of each version");
        let store = store(&bytes[..64]);
        run(Command::new(packer()).arg("verify").arg(&bundle.path)).expect_code(0);
        let to = tempfile::tempdir().unwrap();
        let mut extract = Command::new(packer());
        run(extract.arg("extract").arg(&bundle.path).arg("--to").arg(to.path())).expect_code(0);
        for path in [Store::PATH, Store::OTHER] {
            let extracted = tree::list(&to.path().join("nix/store").join(path)).unwrap();
            assert_eq!(extracted, tree::list(&store.at(path)).unwrap(), "version {version}");
        }
        let info = bundle.inspect();
        let entries = info["entries"].to_string();
        for name in ["one", "two"] {
            let program = format!("/nix/store/{}/bin/{name}", Store::PATH);
            assert!(entries.contains(&program), "version {version}: {entries}");
        }
        assert!(info["environment"].to_string().contains("/share"), "version {version}: {info}");
        assert_eq!(bundle.modes(), ["relocate", "namespace", "ram"], "version {version}");
    }
}

#[test]
fn the_present_version_can_be_kept() {
    // A new version has no golden bundle before this test has made it.
    let newest = (1..=BUNDLE_VERSION).rev().map(golden).find(|path| path.exists());
    let mut stub = fs::read(newest.expect("there is one")).expect("read the newest");
    let regions = regions(&stub);
    stub[regions[0].1.clone()].fill(0);
    stub.truncate(regions[1].1.start);
    let store = store(&stub[..64]);
    let file = store.root().join("stub");
    fs::write(&file, stub).unwrap();
    let builder = Bundle::of_store(&store, Store::PATH).entries(&["/bin/one", "/bin/two"]);
    let builder = builder.option("--env", format!("OTHER=/nix/store/{}/share", Store::OTHER));
    let made = builder.option("--stub", file).pack_into(store.root());
    let keep = target().join("golden");
    fs::copy(&made.path, &keep).unwrap();
    let same = ["entries", "environment", "modes", "relocation"];
    let (made, kept) = (made.inspect(), Bundle { path: golden(BUNDLE_VERSION) }.inspect());
    for name in same {
        assert_eq!(made[name], kept[name], "{name}");
    }
}

#[test]
fn one_from_the_future_is_refused_by_name() {
    let mut bytes = Forge::small().bytes();
    let future = BUNDLE_VERSION + 1;
    // Nothing is known of what follows the version.
    let (_, place) = regions(&bytes).remove(0);
    let descriptor = &mut bytes[place];
    descriptor.fill(0xa5);
    descriptor[..4].copy_from_slice(&future.to_le_bytes());
    let expected = format!(
        "bundle format version {future} is not known (this program reads {OLDEST_VERSION} to {BUNDLE_VERSION})"
    );
    for what in Readers::new().refusals(&bytes, "relocate", 256 << 20) {
        assert!(what.ends_with(&expected), "{what}");
    }
}
