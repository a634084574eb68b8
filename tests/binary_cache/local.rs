//! What is in a store of this machine is not fetched.

use std::fs;
use std::process::{self, Command};
use std::time::SystemTime;

use tests::{Store, nix_command, run};

use crate::machine::Machine;
use crate::made::{Cache, Made, NAMES, count, made, serve};

/// A closure that is built now, and of which Nix forgets the program and the library.
#[test]
fn valid_paths_are_taken_from_nix() {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    let prefix = "halved-";
    let closure = Made::new(prefix, &format!("{}-{now}", process::id()));
    let cache = Cache::of(&closure, "zstd");
    // What is here needs no signature, and need not be there.
    cache.set("halved-data", "Sig", None);
    fs::remove_file(cache.narinfo("halved-source")).expect("remove it");
    let expected = {
        let machine = Machine::with_nix();
        machine.build_of(&closure.root).arg("--no-path-info").run().expect_quiet();
        machine.bundle()
    };
    let library = cache.field("halved-library", "StorePath");
    for path in [&closure.root, &library] {
        run(nix_command("nix-store").args(["--delete", path])).expect_code(0);
    }

    let machine = Machine::with_nix();
    let (server, url) = serve(cache);
    let options = ["--from", &url, "--trusted-key", &closure.key];
    let build = || machine.build_of(&closure.root).arg("--no-path-info").args(options);
    build().run().expect_quiet();
    assert!(machine.bundle() == expected);
    let requests = server.take_requests();
    assert_eq!((count(&requests, ".narinfo"), count(&requests, "/nar/")), (2, 2));
    assert!(!std::path::Path::new(&closure.root).exists(), "nothing is written to /nix");

    // Half of the closure has what Nix knows, half what the cache says: every signature is there.
    machine.build_of(&closure.root).args(options).run().expect_quiet();
}

/// Where Nix has all of it, no cache is asked.
#[test]
fn a_closure_that_is_valid_needs_no_cache() {
    let machine = Machine::with_nix();
    machine.pack_all(&["http://127.0.0.1:1", "/missing"]);
}

#[test]
fn half_a_store_is_completed() {
    for there in [&NAMES[2..], &NAMES[..2], &[NAMES[1], NAMES[4]]] {
        let (store, cache) = (Store::new(), Cache::new("zstd"));
        for name in there {
            let path = cache.field(name, "StorePath");
            let base_name = path.trim_start_matches("/nix/store/");
            run(Command::new("cp").arg("-rT").arg(&path).arg(store.at(base_name))).expect_code(0);
        }
        let machine = Machine::new();
        let root = machine.host.outside("/srv/root");
        run(Command::new("cp").arg("-rT").arg(store.root()).arg(&root)).expect_code(0);
        run(Command::new("chmod").arg("755").arg(root)).expect_code(0);
        let (server, url) = serve(cache);
        let build = machine.build(&["--from", &url, "--store-root", "/srv/root", "--no-path-info"]);
        build.run().expect_quiet();
        assert!(machine.bundle() == crate::machine::packed_from_store(&["--no-path-info"]));
        let requests = server.requests();
        assert_eq!(count(&requests, "/nar/"), NAMES.len() - there.len(), "{there:?}");
    }
}

/// A store without a database is no witness: its files may be half written.
#[test]
fn files_alone_are_not_taken() {
    let machine = Machine::new();
    let (server, url) = serve(Cache::new("zstd"));
    machine.pack_all(&[&url]);
    assert_eq!(count(&server.requests(), "/nar/"), NAMES.len());
    assert!(made().root.starts_with("/nix/store/"));
}
