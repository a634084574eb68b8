//! After the machine lost its power, nothing runs that did not reach the disk.
//!
//! Files are not synced when they are unpacked: a record says in which boot they were written, and the first
//! start of a later boot looks at all of them. Here a boot is another file at the place of the kernel's.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tests::{Bundle, Closure, Ended, Host, Nix, Start, Store, User, probe};

/// Where the kernel tells which boot it is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Runs the bundle in the boot with this number.
fn start(host: &Host, program: &Path, mode: &str, boot: u32) -> Ended {
    in_boot(host, program, mode, boot).run()
}

fn in_boot(host: &Host, program: &Path, mode: &str, boot: u32) -> Start {
    let id = host.outside("/srv/boot");
    fs::write(id, format!("00000000-0000-0000-0000-{boot:012}\n")).expect("write a file");
    let script = format!("mount --bind /srv/boot {BOOT} && exec {}", program.display());
    let start = host.start("/usr/bin/unshare").args(["--mount", "sh", "-c", &script]);
    start.env("PACKED_MODE", mode).env("PACKED_LOG", "debug")
}

/// Checks that it ran as it should, and returns what the launcher said.
fn said(ended: &Ended) -> String {
    ended.expect_code(0);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "Hello from a closure of two paths.\n");
    ended.stderr()
}

/// The files of the cache's store paths with their inode numbers.
fn files(host: &Host) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    let mut directories = vec![host.outside(host.cache())];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("list the cache") {
            let entry = entry.expect("list the cache");
            let metadata = entry.metadata().expect("look at a file");
            let is_ours = !["roots", "bundles"].iter().any(|name| entry.path().ends_with(name));
            if metadata.is_dir() && is_ours {
                directories.push(entry.path());
            } else if metadata.is_file() && entry.file_name() != "lock" {
                files.insert(entry.path(), metadata.ino());
            }
        }
    }
    files
}

fn hello() -> Bundle {
    Bundle::of(&Closure::example("hello")).entry("/bin/hello").pack()
}

#[test]
fn what_reached_the_disk_is_looked_at_once() {
    for mode in ["relocate", "namespace"] {
        let host = Host::new(User::root(), Nix::Absent);
        let program = host.install(hello().path);
        assert!(said(&start(&host, &program, mode, 1)).contains("unpacking 2 store paths"));
        let before = files(&host);
        assert!(!said(&start(&host, &program, mode, 1)).contains("checking"), "{mode}: same boot");
        assert!(
            said(&start(&host, &program, mode, 2)).contains("checking 2 store paths"),
            "{mode}"
        );
        for boot in 2..4 {
            let said = said(&start(&host, &program, mode, boot));
            assert!(!said.contains("checking") && !said.contains("unpacking"), "{mode}: {said}");
        }
        assert_eq!(files(&host), before, "{mode}");
    }
}

/// As in an image of a container, whose every start is in another boot than the one it was made in.
#[test]
fn what_was_verified_is_not_looked_at_again() {
    for mode in ["relocate", "namespace"] {
        let host = Host::new(User::root(), Nix::Absent);
        let program = host.install(hello().path);
        said(&start(&host, &program, mode, 1));
        in_boot(&host, &program, mode, 1).env("PACKED", "verify").run().expect_code(0);
        let said = said(&start(&host, &program, mode, 2));
        assert!(!said.contains("checking") && !said.contains("unpacking"), "{mode}: {said}");
    }
}

/// One bundle's store path is whole on the disk; that of the other, which both use, is not there yet.
#[test]
fn what_another_bundle_wrote_in_this_boot_is_not_on_the_disk() {
    let store = Store::new();
    for path in [Store::PATH, Store::OTHER] {
        store.program(format!("{path}/bin/probe"), &probe());
    }
    store.file(format!("{}/share/text", Store::OTHER), b"text");
    let reference = format!("/nix/store/{}", Store::OTHER);
    store.link(format!("{}/share/link", Store::PATH), reference.as_bytes());
    let pack = |path| Bundle::of_store(&store, path).entry("/bin/probe").pack();
    let [both, other] = [Store::PATH, Store::OTHER].map(pack);
    for mode in ["relocate", "namespace"] {
        let host = Host::new(User::root(), Nix::Absent);
        let both = host.install_as(&both.path, "/srv/both");
        let other = host.install_as(&other.path, "/srv/other");
        let lose = || {
            let files = files(&host);
            let is_it = |path: &&PathBuf| path.to_string_lossy().ends_with("-other/share/text");
            Loss::Zeros.befall(files.keys().find(is_it).expect("it is there")).expect("damage it");
        };
        start(&host, &both, mode, 1).expect_code(0);
        lose();
        for program in [&other, &both] {
            start(&host, program, mode, 2).expect_code(0);
        }
        lose();
        let stderr = start(&host, &both, mode, 3).expect_code(0).stderr();
        assert!(stderr.contains("unpacking 1 store paths"), "{mode}: {stderr}");
    }
}

/// What a disk can make of a file that was not written in time.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Cut,
    Zeros,
    Gone,
    Mode,
    Time,
}

impl Loss {
    fn befall(self, path: &Path) -> io::Result<()> {
        match self {
            Loss::Cut => File::options().write(true).open(path)?.set_len(0),
            Loss::Zeros => {
                fs::read(path).and_then(|content| fs::write(path, vec![0; content.len()]))
            }
            Loss::Gone => fs::remove_file(path),
            Loss::Mode => fs::set_permissions(path, Permissions::from_mode(0o600)),
            Loss::Time => File::open(path)?.set_modified(SystemTime::UNIX_EPOCH),
        }
    }
}

#[test]
fn what_did_not_reach_the_disk_is_unpacked_again() {
    for mode in ["relocate", "namespace"] {
        for loss in [Loss::Cut, Loss::Zeros, Loss::Gone, Loss::Mode, Loss::Time] {
            let host = Host::new(User::root(), Nix::Absent);
            let program = host.install(hello().path);
            said(&start(&host, &program, mode, 1));
            let before = files(&host);
            for name in ["hello", "greeting"] {
                let is_lost = |path: &&PathBuf| path.to_string_lossy().ends_with(name);
                let lost = before.keys().find(is_lost).expect("both files are in the cache");
                loss.befall(lost).expect("damage a file");
            }
            let said_then = said(&start(&host, &program, mode, 2));
            assert!(said_then.contains("unpacking"), "{mode}, {loss:?}: {said_then}");
            let after = files(&host);
            assert!(before.keys().eq(after.keys()), "{mode}, {loss:?}: {after:?}");
            for path in after.keys() {
                assert_eq!(fs::metadata(path).unwrap().mtime(), 1, "{mode}, {loss:?}: {path:?}");
            }
            assert!(
                said(&start(&host, &program, mode, 3)).contains("checking"),
                "{mode}, {loss:?}"
            );
            assert!(
                !said(&start(&host, &program, mode, 4)).contains("checking"),
                "{mode}, {loss:?}"
            );
        }
    }
}

#[test]
fn an_altered_file_among_many_is_found() {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    for number in 0..300 {
        store.file(format!("{}/share/{number}", Store::PATH), &[b'a'; 700]);
        let reference = format!("/nix/store/{} {number}", Store::PATH);
        store.file(format!("{}/share/refers/{number}", Store::PATH), reference.as_bytes());
    }
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe").pack();
    for mode in ["relocate", "namespace"] {
        let host = Host::new(User::root(), Nix::Absent);
        let program = host.install(&bundle.path);
        start(&host, &program, mode, 1).expect_code(0);
        let files = files(&host);
        let file =
            files.keys().find(|path| path.ends_with("share/refers/150")).expect("it is there");
        let mut content = fs::read(file).unwrap();
        // Inside the reference, which in the cache is another than in the bundle.
        content[30] ^= 1;
        fs::write(file, &content).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        File::open(file).unwrap().set_modified(time).unwrap();
        let ended = start(&host, &program, mode, 2);
        assert!(ended.stderr().contains("is not whole"), "{mode}: {}", ended.stderr());
        content[30] ^= 1;
        assert_eq!(fs::read(file).unwrap(), content, "{mode}");
    }
}
