//! Keys, signatures and versions: what is newer and signed is taken.

use std::fs;
use std::path::Path;

use tests::{Forge, Served, run};

use crate::made::{Home, change, first, published, release, second, version};

/// Signs what is published, with a key of this name in the home.
fn sign(home: &Home, published: &Path, key: &str) -> String {
    let secret = home.path().join(format!("{key}.key"));
    let secret = secret.to_str().expect("a path is text");
    if !Path::new(secret).exists() {
        home.packer(&["keygen", "--no-password", "--key", secret]).expect_code(0);
    }
    let bundle = published.join("probe");
    let bundle = bundle.to_str().expect("a path is text");
    home.packer(&["sign", bundle, "--key", secret]).expect_code(0);
    let public = fs::read_to_string(home.path().join(format!("{key}.pub"))).expect("a key");
    public.lines().nth(1).expect("a key has two lines").to_owned()
}

#[test]
fn what_is_signed_is_taken() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let key = sign(&home, directory.path(), "a");
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    let text = home.update(&[&url, "--public-key", &key], &new);
    let second = text.lines().nth(1).expect("two lines");
    assert!(second.starts_with("signed by the key ") && second.contains("bundle:"), "{text}");
    // Also in a file, and from a server without ranges.
    let served = Served::python(directory.path());
    let url = format!("{}/probe", served.url());
    let other = Home::new();
    let file = home.path().join("a.pub");
    other.update(&[&url, "--public-key", file.to_str().expect("text")], &new);
}

#[test]
fn wrong_signatures_are_refused() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    let key = sign(&home, directory.path(), "a");
    let signature = directory.path().join("probe.minisig");
    let good = fs::read_to_string(&signature).expect("a signature");
    let refused = |expected: &str| {
        let (what, _) = home.refused(&[&url, "--public-key", &key]);
        assert!(what.contains("/probe.minisig") && what.contains(expected), "{what}");
    };
    // None, and of somebody else.
    fs::remove_file(&signature).expect("remove it");
    refused("there is no signature at http://");
    sign(&home, directory.path(), "b");
    refused(" is by the key ");
    // Of another file: packer's signature names its bundle, minisign's does not.
    let _ = version(first(), "3.0").write(&directory.path().join("probe"));
    sign(&home, directory.path(), "a");
    let _ = new.write(&directory.path().join("probe"));
    let before = served.requests().len();
    refused("is not a signature of this bundle");
    assert_eq!(served.requests().len() - before, 2, "no frame is fetched");
    let line = |number: usize| good.lines().nth(number).expect("four lines");
    let text = format!("{}\n{}\ntrusted comment: x\n{}\n", line(0), line(1), line(3));
    fs::write(&signature, text).expect("write it");
    refused("is not a signature of this bundle");
    for text in ["", "x", &"x".repeat(100_000)] {
        fs::write(&signature, text).expect("write it");
        refused("is not a signature of minisign's: ");
    }
    // The stub's code is under the signature. It is fetched if the old bundle has another one.
    fs::write(&signature, &good).expect("write it");
    let flip = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 1;
        bytes
    };
    let middle = tests::regions(&new.bytes())[1].1.start / 2;
    let old = flip(fs::read(home.probe()).expect("read it"), middle);
    fs::write(home.probe(), old).expect("write it");
    fs::write(directory.path().join("probe"), flip(new.bytes(), middle + 1)).expect("write it");
    refused("is not a signature of this bundle");
    fs::write(directory.path().join("probe"), new.bytes()).expect("write it");
    home.update(&[&url, "--public-key", &key], &new);
}

/// A manifest names URL and key.
#[test]
fn the_bundle_knows_where_its_updates_are() {
    let keys = Home::new();
    let directory = published(&first());
    let key = sign(&keys, directory.path(), "a");
    let other = sign(&keys, directory.path(), "b");
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    let knowing = |forge: Forge| {
        release(forge, |release| {
            release.url.clone_from(&url);
            release.key.clone_from(&key);
        })
    };
    let (old, new) = (knowing(first()), knowing(second()));
    let home = Home::with(&old);
    let _ = new.write(&directory.path().join("probe"));
    sign(&keys, directory.path(), "b");
    let (what, _) = home.refused(&[]);
    assert!(what.contains(" is by the key "), "{what}");
    // The one on the command line wins.
    home.update(&["--public-key", &other], &new);
    let home = Home::with(&old);
    sign(&keys, directory.path(), "a");
    home.update(&[], &new);
    assert_eq!(home.update(&[], &new), "probe is up to date: 2.0\n");
    let (what, _) = Home::new().refused(&[]);
    assert_eq!(what, "packer: probe does not say where its updates are");
}

#[test]
fn older_versions_are_refused() {
    for options in [&[][..], &["key"]] {
        let home = Home::with(&version(first(), "2.10"));
        let directory = published(&version(second(), "2.9"));
        let key = sign(&home, directory.path(), "a");
        let served = Served::nginx(directory.path(), "");
        let url = format!("{}/probe", served.url());
        let mut arguments = vec![url.as_str()];
        if !options.is_empty() {
            arguments.extend(["--public-key", &key]);
        }
        let before = served.requests().len();
        let (what, hint) = home.refused(&arguments);
        let expected = format!("packer: {url} has version 2.9, which is older than 2.10");
        assert_eq!(what, expected);
        assert!(hint.contains("--allow-older"), "{hint}");
        assert!(served.requests().len() - before <= 3, "no frame is fetched");
        arguments.push("--allow-older");
        home.update(&arguments, &version(second(), "2.9"));
    }
}

/// With a key, another build of the same version may be an older one.
#[test]
fn other_builds_need_a_version_where_there_is_a_key() {
    let (home, new) = (Home::new(), change(first(), 5));
    let directory = published(&new);
    let key = sign(&home, directory.path(), "a");
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    let (what, hint) = home.refused(&[&url, "--public-key", &key]);
    assert_eq!(what, format!("packer: {url} has another build of 1.0, which may be an older one"));
    assert!(hint.contains("packer build --release"), "{hint}");
    home.update(&[&url], &new);
    let home = Home::new();
    home.update(&[&url, "--public-key", &key, "--allow-older"], &new);
}

/// A mirror has other programs of the same publisher, which are signed, too.
#[test]
fn other_programs_are_refused() {
    let mut other = second();
    let program = &mut other.descriptor.entries[0].program;
    *program = b"/bin/other".to_vec();
    let (home, directory) = (Home::new(), published(&other));
    let url = format!("file://{}/probe", directory.path().display());
    let (what, _) = home.refused(&[&url]);
    assert!(what.ends_with("/probe runs other, but the bundle runs probe"), "{what}");
    // The number of a processor type in ELF is at byte 18: EM_AARCH64.
    let mut bytes = second().bytes();
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    fs::write(directory.path().join("probe"), bytes).expect("write it");
    let (what, _) = home.refused(&[&url]);
    assert!(what.ends_with("/probe is for aarch64, but the bundle is for x86_64"), "{what}");
}

#[test]
fn without_tls_a_key_is_needed() {
    let home = Home::new();
    let (what, hint) = home.refused(&["http://packer.invalid/probe"]);
    assert!(what.starts_with("packer: http://packer.invalid/probe has no TLS"), "{what}");
    assert!(hint.contains("--public-key"), "{hint}");
    // Then it is asked for, in vain.
    let (what, _) = home.refused(&["http://packer.invalid/probe", "--plain-http"]);
    assert!(what.starts_with("packer: cannot get http://packer.invalid/probe: "), "{what}");
    for url in ["probe", "ftp://a/b", "https:///probe", "file://probe"] {
        let (what, _) = home.refused(&[url]);
        assert!(what.contains(" is not a URL that packer can read: "), "{what}");
    }
    run(&mut home.command(&["update"])).expect_code(2);
}
