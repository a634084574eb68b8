//! The bundle is the one that is packed from the store, byte for byte, with what Nix knows and without.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tests::{Change, Host, Nix, User, nix_command, run};

use crate::machine::{Machine, packed_from_store};
use crate::made::{Cache, made};

#[test]
fn options_give_the_same_bytes() {
    let machine = Machine::new();
    let directory = machine.install(&Cache::new("zstd"));
    for options in [
        &["--no-path-info"][..],
        &["--threads", "1"],
        &["--threads", "7"],
        &["--exclude", "share/zeros", "--exclude", "**/noth*"],
        &["--exclude", "/nix/store/*-cached-source"],
        &["--mode", "namespace"],
        &["--no-cache"],
    ] {
        machine.build(&["--from", &directory]).args(options).run().expect_quiet();
        assert!(machine.bundle() == packed_from_store(options), "{options:?}");
    }
}

/// Nix copies the closure from the cache to a store of another machine, where it is packed.
#[test]
fn a_store_that_nix_filled_gives_the_same_bytes() {
    let cache = Cache::new("xz");
    let other = tempfile::tempdir().expect("make a directory");
    let store = format!("local?root={}", other.path().display());
    let mut copy = nix_command("nix");
    copy.env("HOME", other.path()).env_remove("XDG_CACHE_HOME");
    copy.args(["copy", "--from", &cache.url(), "--to", &store, &made().root]);
    copy.args(["--option", "trusted-public-keys", &made().key]);
    run(&mut copy).expect_code(0);

    let nix = Change::Bind { source: other.path().join("nix"), at: PathBuf::from("/nix") };
    let filled = Machine::of(Host::changed(User::root(), Nix::Empty, &[nix]));
    filled.build_of(&made().root).run().expect_quiet();
    filled.expect_bundle();
    let machine = Machine::new();
    machine.pack_all(&[&machine.install(&cache)]);
}

#[test]
fn images_are_packed_too() {
    let machine = Machine::new();
    let directory = machine.install(&Cache::new("zstd"));
    let image = |command: &mut Command, output: &str| {
        command.args(["image", "--closure", &made().root, "--compression", "none"]);
        run(command.args(["--name", "image:1", "--output", output])).expect_code(0);
    };
    let outside = tempfile::tempdir().expect("make a directory");
    let expected = outside.path().join("expected.tar");
    image(&mut Command::new(tests::packer()), expected.to_str().expect("a path is text"));
    let start = machine.host.start("/srv/packer").args(["image", "--closure", &made().root]);
    let start = start.args(["--compression", "none", "--name", "image:1", "--output", "image.tar"]);
    start.args(["--from", &directory, "--trusted-key", &made().key]).run().expect_code(0);
    let got = machine.host.outside(machine.host.home("image.tar"));
    assert!(fs::read(got).expect("read it") == fs::read(expected).expect("read it"));
}
