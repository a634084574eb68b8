//! What is there already is replaced as a whole or not at all.

use std::fs;
use std::path::Path;

use tests::{Change, Closure, Host, Nix, Store, User, packer, run, tree};

use crate::image::{Image, Packing};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("list a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_layout_is_replaced_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["image", "image.tar"] {
        let path = directory.path().join(name);
        let pack = |value: &str| {
            let packing = Packing::of(&Closure::example("hello")).entry("/bin/hello");
            packing.option("--env", format!("V={value}")).write(&path);
        };
        pack("1");
        let first = Image::open(&path);
        pack("2");
        let second = Image::open(&path);
        assert_ne!(first.config, second.config);
        // No blob of the first is left: there are a manifest, a configuration and the layers.
        if path.is_dir() {
            assert_eq!(names(&path.join("blobs/sha256")).len(), second.layers.len() + 2);
        }
    }
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    Packing::of(&Closure::example("hello")).entry("/bin/hello").write(&empty);
    let _ = Image::open(&empty);
    assert_eq!(names(directory.path()), ["empty", "image", "image.tar"]);
}

#[test]
fn what_is_no_layout_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("files");
    fs::create_dir_all(files.join("blobs/sha256")).unwrap();
    fs::create_dir(directory.path().join("directory.tar")).unwrap();
    fs::write(directory.path().join("file"), "precious").unwrap();
    let before = tree::list(directory.path()).unwrap();
    for (name, what) in [
        ("files", "cannot be replaced: it is no image layout"),
        ("file", "cannot be replaced: it is no image layout"),
        ("directory.tar", "cannot be replaced: it is not a file"),
        ("nowhere/image", "nowhere/image: No such file or directory (os error 2)"),
        ("nowhere/image.tar", "nowhere/image.tar: No such file or directory (os error 2)"),
    ] {
        let packing = Packing::of(&Closure::example("hello")).entry("/bin/hello");
        let (said, _) = run(&mut packing.command(&directory.path().join(name))).expect_refusal(1);
        assert!(said.ends_with(what), "{said}");
    }
    assert_eq!(tree::list(directory.path()).unwrap(), before);
}

/// Replaces an image with less room each time than the next one needs, until there is enough.
const SCRIPT: &str = r#"
    pack() { $PACKER image --no-cache --compression none --store-root /srv/store --closure /nix/store/$1 -o $2; }
    pack $OLD /srv/old >/dev/null
    pack $NEW /srv/new >/dev/null
    refused=0
    for room in $(seq 0 100 2800); do
        rm -rf ~/image ~/ballast
        cp -r /srv/old ~/image
        free=$(df -k --output=avail ~ | tail -n 1)
        head -c $(((free - room) * 1024)) /dev/zero > ~/ballast
        expected=/srv/old
        if pack $NEW ~/image >/srv/said 2>&1; then expected=/srv/new; else
            refused=$((refused + 1))
            [ $(wc -l </srv/said) = 2 ] && grep -q '^hint: make room on that disk' /srv/said
        fi
        diff -r $expected ~/image
        [ "$(ls -A ~)" = "$(printf 'ballast\nimage')" ]
    done
    echo $refused $expected"#;

#[test]
fn a_full_disk_leaves_what_was_there() {
    let store = Store::new();
    for (path, text) in [(Store::PATH, "new"), (Store::OTHER, "old")] {
        let script = format!("#!/bin/sh\n{}", text.repeat(700_000));
        store.executable(format!("{path}/bin/run"), script.as_bytes());
    }
    let user = User::ordinary();
    let options = format!("mode=700,uid={},gid={},size=16m", user.uid, user.gid);
    let home = Change::Mount { kind: "tmpfs", at: user.home().into(), options };
    let host = Host::changed(user, Nix::Absent, &[home]);
    let packer = host.install(packer());
    run(std::process::Command::new("cp")
        .arg("-a")
        .arg(store.root())
        .arg(host.outside("/srv/store")))
    .expect_code(0);
    fs::set_permissions(host.outside("/srv"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let start = host.start("/bin/bash").args(["-euxc", SCRIPT]).env("PACKER", packer);
    let ended = start.env("OLD", Store::OTHER).env("NEW", Store::PATH).run();
    let said = ended.text();
    let (refused, last) = said.trim().split_once(' ').unwrap();
    assert!(refused.parse::<u32>().unwrap() > 10, "{said}");
    assert_eq!(last, "/srv/new");
}
