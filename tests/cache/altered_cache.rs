//! What is unpacked and was altered since, `PACKED=verify` finds and unpacks again.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal::SIGTERM;
use tests::{Forge, Host, Nix, Store, User, packer, tree};

/// Where things are in the cache.
struct Places {
    cache: PathBuf,
    /// The store paths: that of the program first.
    paths: [PathBuf; 2],
    record: PathBuf,
}

impl Places {
    fn find(cache: &Path) -> Places {
        let store = cache.join("stores/0");
        let directory = if store.exists() { store } else { cache.to_owned() };
        let path = |base_name: &str| {
            let (_, name) = base_name.split_once('-').expect("a base name has a hash");
            let is_it = |path: &PathBuf| path.to_string_lossy().ends_with(&format!("-{name}"));
            list(&directory).into_iter().find(is_it).expect("it is unpacked")
        };
        let paths = [path(Store::PATH), path(Store::OTHER)];
        let record = list(&cache.join("bundles")).pop().expect("there is a record");
        Places { cache: cache.to_owned(), paths, record }
    }

    fn program(&self, below: &str) -> PathBuf {
        self.paths[0].join(below)
    }

    /// All that a start relies on.
    fn state(&self) -> (tree::Lines, String) {
        let mut lines = tree::list(&self.cache).expect("list the cache");
        lines.retain(|path, _| !path.starts_with("/roots/") && !path.starts_with("/bundles/"));
        (lines, fs::read_to_string(&self.record).expect("read the record"))
    }
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("list a directory");
    entries.map(|entry| entry.expect("list a directory").path()).collect()
}

/// Changes a file's content, and leaves its length and its time as they were.
fn flip(file: &Path) {
    let mut content = fs::read(file).expect("read a file");
    let last = content.len() - 1;
    content[last] ^= 1;
    fs::write(file, content).expect("write a file");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    File::open(file).and_then(|file| file.set_modified(time)).expect("set its time");
}

/// An alteration and its name.
type Alteration = (&'static str, fn(&Places));

/// What store paths can suffer.
const OF_STORE_PATHS: [Alteration; 10] = [
    ("a program's last byte", |places| flip(&places.program("bin/probe"))),
    ("a reference", |places| flip(&places.program("share/text"))),
    ("a file cut", |places| fs::write(places.program("share/text"), "").expect("cut it")),
    ("a file gone", |places| fs::remove_file(places.program("share/text")).expect("remove it")),
    ("a file more", |places| fs::write(places.program("share/more"), "more").expect("add it")),
    ("a file's mode", |places| {
        let mode = Permissions::from_mode(0o555);
        fs::set_permissions(places.program("share/text"), mode).expect("change it");
    }),
    ("a link's target", |places| {
        let link = places.program("share/link");
        fs::remove_file(&link).and_then(|()| symlink("/etc/passwd", link)).expect("change it");
    }),
    ("a link in the place of a directory", |places| {
        let directory = places.program("bin");
        fs::remove_dir_all(&directory)
            .and_then(|()| symlink("/bin", directory))
            .expect("change it");
    }),
    ("a file in the place of a store path", |places| {
        fs::remove_dir_all(&places.paths[1]).expect("remove it");
        fs::write(&places.paths[1], "other").expect("write a file");
    }),
    ("a store path gone", |places| fs::remove_dir_all(&places.paths[1]).expect("remove it")),
];

/// What a record can suffer.
const OF_RECORDS: [Alteration; 4] = [
    ("a record's names", |places| {
        let text = fs::read_to_string(&places.record).expect("read the record");
        let kept: Vec<_> = text.lines().take(5).collect();
        fs::write(&places.record, kept.join("\n")).expect("cut the record");
    }),
    ("a record's place", |places| {
        let text = fs::read_to_string(&places.record).expect("read the record");
        let text = text.replace("store 0", "store 7").replace("relocated", "store 7");
        fs::write(&places.record, text).expect("alter the record");
    }),
    ("an empty record", |places| fs::write(&places.record, "").expect("cut the record")),
    ("a link in the place of a record", |places| {
        fs::remove_file(&places.record).expect("remove the record");
        symlink("/etc/passwd", &places.record).expect("make a link");
    }),
];

#[test]
fn what_was_altered_is_found_and_unpacked_again() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    for user in [User::ordinary(), User::root()] {
        let host = Host::new(user, Nix::Absent);
        let program = host.install(&bundle.path);
        for mode in ["relocate", "namespace"] {
            let cache = host.outside(host.home(mode));
            let start = || {
                let start = host.start(&program).env("PACKED_CACHE", host.home(mode));
                start.env("PACKED_MODE", mode).args(["exit", "9"])
            };
            let verify = || start().env("PACKED", "verify").run().stdout();
            start().run().expect_code(9);
            let places = Places::find(&cache);
            assert!(verify().contains("2 store paths are whole"), "{mode} on {host}");
            let state = places.state();
            for (name, alter) in OF_STORE_PATHS.iter().chain(&OF_RECORDS) {
                alter(&places);
                let said = verify();
                let is_unpacked = said.contains("was altered, and is unpacked again");
                let is_of_record = OF_RECORDS.iter().any(|(other, _)| other == name);
                assert_ne!(is_unpacked, is_of_record, "{name}, {mode} on {host}: {said}");
                assert_eq!(places.state(), state, "{name}, {mode} on {host}");
                assert!(verify().contains("2 store paths are whole"), "{name}, {mode} on {host}");
                start().run().expect_code(9);
            }
        }
    }
}

/// An ordinary user's new root is mounted over an empty copy of the host's top level.
#[test]
fn an_altered_root_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = || host.start(&program).env("PACKED_MODE", "namespace").args(["exit", "9"]);
    let verify = || start().env("PACKED", "verify").run().stdout();
    start().run().expect_code(9);
    let root = list(&host.outside(host.cache()).join("roots")).pop().expect("there is a root");
    let made = tree::list(&root).expect("list a root");
    let alterations: [fn(&Path) -> io::Result<()>; 5] = [
        |root| fs::write(root.join("evil"), "more"),
        |root| fs::remove_dir(root.join("srv")),
        |root| fs::remove_dir(root.join("srv")).and_then(|()| symlink("/tmp", root.join("srv"))),
        |root| fs::remove_dir(root.join("nix/store")),
        |root| fs::remove_dir_all(root).and_then(|()| symlink("/", root)),
    ];
    for (number, alter) in alterations.iter().enumerate() {
        assert!(!verify().contains("root"), "alteration {number}");
        alter(&root).expect("alter a root");
        assert!(verify().contains("the new root was altered"), "alteration {number}");
        start().run().expect_code(9);
        assert_eq!(tree::list(&root).expect("list a root"), made, "alteration {number}");
    }
}

/// Nothing is ever missing from under a running program, and its cache stays its own.
#[test]
fn a_running_program_is_repaired_from_under() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    for mode in ["relocate", "namespace"] {
        let host = Host::ordinary();
        let (program, packer) = (host.install(&bundle.path), host.install(packer()));
        let start = || host.start(&program).env("PACKED_MODE", mode);
        let list = || host.start(&packer).args(["cache", "list"]).run().stdout();
        let running = start().arg("sleep").spawn();
        tests::until("the program runs", || list().contains("running").then_some(()));
        let places = Places::find(&host.outside(host.cache()));
        let directory = File::open(&places.paths[0]).unwrap();
        flip(&places.program("share/text"));
        let said = start().env("PACKED", "verify").run().stdout();
        assert!(said.contains("-odd was altered, and is unpacked again"), "{mode}: {said}");
        assert!(list().contains("running"), "{mode}: {}", list());
        drop(directory);
        running.signal(SIGTERM);
        running.wait().expect_signal(15);
    }
}

/// A start has no time to read what it runs; what it looks at, it sees.
#[test]
fn a_start_notices_what_it_can_afford_to() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    let gone: Alteration = ("the program's store path gone", |places| {
        fs::remove_dir_all(&places.paths[0]).expect("remove it");
    });
    for mode in ["relocate", "namespace"] {
        for (name, alter) in OF_RECORDS[1..3].iter().chain([&gone]) {
            let host = Host::ordinary();
            let program = host.install(&bundle.path);
            let start = || host.start(&program).env("PACKED_MODE", mode).args(["exit", "9"]).run();
            start().expect_code(9);
            let places = Places::find(&host.outside(host.cache()));
            alter(&places);
            let ended = start();
            if ended.status.code() != Some(9) {
                let (what, hint) = ended.refusal();
                panic!("{name}, {mode}: {what}\n{hint}");
            }
            assert_eq!(Places::find(&places.cache).paths, places.paths, "{name}, {mode}");
        }
    }
}
