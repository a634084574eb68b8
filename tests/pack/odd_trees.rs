//! Whatever a file system can hold comes back as it was.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use tests::{Bundle, Closure, Host, Store, packer, probe, run, tree};

/// A store path with everything odd in it.
fn odd_store() -> Store {
    let store = Store::new();
    let at = |name: &[u8]| [Store::PATH.as_bytes(), b"/", name].concat();
    let file = |name: &[u8], content: &[u8]| store.file(OsStr::from_bytes(&at(name)), content);
    let link = |name: &[u8], target: &[u8]| store.link(OsStr::from_bytes(&at(name)), target);
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    file(b"bytes \xff\xfe\x80", b"not UTF-8");
    file(b"line\nbreak\t\x1b[31m", b"control characters");
    file(&[b'n'; 255], b"a long name");
    file(b" -rf *?'\"\\", b"for shells");
    file("gr\u{fc}\u{df}e/\u{65e5}\u{672c}".as_bytes(), b"UTF-8");
    file(b"dots/...", b"three dots");
    file(b"empty", b"");
    file(b"same/one", &vec![b's'; 100_000]);
    file(b"same/two", &vec![b's'; 100_000]);
    let original = file(b"hard/one", b"hard link");
    fs::hard_link(original, store.at(OsStr::from_bytes(&at(b"hard/two"))))
        .expect("make a hard link");
    fs::create_dir(store.at(OsStr::from_bytes(&at(b"empty directory")))).expect("make a directory");
    link(b"links/relative", b"../empty");
    link(b"links/absolute", b"/etc/passwd");
    link(b"links/dangling", b"no/such/file");
    link(b"links/loop", b"loop");
    link(b"links/up", b"../../../../../../../..");
    link(b"links/bytes", b"\xff\n");
    link(b"links/long", &vec![b'l'; 4095]);
    link(b"links/directory", b"../same");
    for length in [99, 100, 101, 155, 156, 254] {
        file(&[b"names/", &vec![b'x'; length][..]].concat(), &[b'c'; 511]);
    }
    for length in [1, 511, 512, 513, 4096, 1 << 20] {
        file(format!("sizes/{length}").as_bytes(), &vec![7; length]);
    }
    sparse(&store.at(OsStr::from_bytes(&at(b"sparse"))));
    deep(&store.at(Store::PATH));
    store
}

/// 64 MiB, of which three blocks have content.
const SPARSE: u64 = 64 << 20;

fn sparse(path: &Path) {
    let file = File::create(path).expect("make an odd tree");
    file.set_len(SPARSE).expect("make an odd tree");
    for at in [0, 20 << 20, SPARSE - 4096] {
        file.write_all_at(&[1; 4096], at).expect("make an odd tree");
    }
}

/// A path of more than 4096 bytes.
fn deep(top: &Path) {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let name = "d".repeat(200);
    let mut directory = open(top, flags, Mode::empty()).expect("make an odd tree");
    for _ in 0..25 {
        match mkdirat(&directory, name.as_str(), Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => panic!("{errno}"),
        }
        directory =
            openat(&directory, name.as_str(), flags, Mode::empty()).expect("make an odd tree");
    }
    let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(&directory, "bottom", flags, Mode::from_bits_truncate(0o644))
        .expect("make an odd tree");
    nix::unistd::write(file, b"deep").expect("make an odd tree");
}

fn assert_same(found: &Path, expected: &Path) {
    let (found, expected) =
        (tree::list(found).expect("look at a tree"), tree::list(expected).expect("look at a tree"));
    assert!(expected.len() > 40, "{expected:?}");
    for (path, line) in &expected {
        assert_eq!(found.get(path), Some(line), "{path}");
    }
    assert_eq!(found.len(), expected.len());
}

fn assert_sparse(path: &Path) {
    let meta = path.metadata().expect("look at a tree");
    assert_eq!(meta.size(), SPARSE);
    assert!(meta.blocks() * 512 < SPARSE / 8, "{} blocks: {}", meta.blocks(), path.display());
}

#[test]
fn an_odd_tree_is_extracted_as_it_was() {
    let store = odd_store();
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe").pack_into(store.root());
    let said = run(Command::new(packer()).arg("verify").arg(&bundle.path)).stdout();
    let top = store.root().join("nix/store").join(Store::PATH);
    let files = tree::list(&top).unwrap().into_values().filter(|line| line.contains(" bytes, "));
    assert!(said.contains(&format!(": {} files in 1 store paths", files.count())), "{said}");
    let directory = tempfile::tempdir().unwrap();
    run(Command::new(packer()).arg("extract").arg(&bundle.path).arg("--to").arg(directory.path()))
        .expect_code(0);
    let extracted = directory.path().join("nix/store").join(Store::PATH);
    assert_same(&extracted, &store.at(Store::PATH));
    assert_sparse(&extracted.join("sparse"));
}

#[test]
fn an_odd_tree_is_unpacked_as_it_was() {
    let store = odd_store();
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe").pack_into(store.root());
    for host in Host::every() {
        let program = host.install(&bundle.path);
        host.start(program).args(["exit", "7"]).run().expect_code(7);
        let unpacked = find_program(&host.outside(host.cache())).expect("the tree is in the cache");
        assert_same(&unpacked, &store.at(Store::PATH));
        assert_sparse(&unpacked.join("sparse"));
    }
}

/// The directory with bin/probe in it.
fn find_program(directory: &Path) -> Option<std::path::PathBuf> {
    if directory.join("bin/probe").exists() {
        return Some(directory.to_owned());
    }
    let mut below = fs::read_dir(directory)
        .expect("look at a tree")
        .map(|entry| entry.expect("look at a tree").path());
    below.find_map(|path| if path.is_dir() { find_program(&path) } else { None })
}

#[test]
fn stock_tar_unpacks_an_odd_tree() {
    let store = odd_store();
    // A path beyond 4096 bytes is more than tar itself can make.
    let top = store.at(Store::PATH).join("d".repeat(200));
    run(Command::new("rm").arg("-rf").arg(top)).expect_code(0);
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe").pack_into(store.root());
    let offset = bundle.payload() + 1;
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-ec", r#"tail -c +"$1" "$0" | zstd -dc | tar -xp"#])
        .arg(&bundle.path)
        .arg(offset.to_string());
    run(command.current_dir(directory.path())).expect_code(0);
    let places =
        [directory.path().join("nix/store").join(Store::PATH), directory.path().join(Store::PATH)];
    let unpacked = places.iter().find(|place| place.exists()).expect("tar unpacks the store path");
    assert_same(unpacked, &store.at(Store::PATH));
}

#[test]
fn what_nix_has_added_is_extracted_with_the_same_digest() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("added");
    fs::create_dir_all(source.join("bin")).unwrap();
    fs::copy(probe(), source.join("bin/probe")).unwrap();
    fs::write(source.join(OsStr::from_bytes(b"\xff\n")), "bytes").unwrap();
    std::os::unix::fs::symlink("/nowhere", source.join("link")).unwrap();
    sparse(&source.join("sparse"));
    let closure = Closure::added(&source);
    let bundle = Bundle::of(&closure).entry("/bin/probe").pack_into(directory.path());
    let to = directory.path().join("to");
    run(Command::new(packer()).arg("extract").arg(&bundle.path).arg("--to").arg(&to))
        .expect_code(0);
    let digest =
        |path: &Path| run(Command::new("nix-hash").args(["--type", "sha256"]).arg(path)).stdout();
    let copy = to.join(closure.path.strip_prefix("/").unwrap());
    assert_eq!(digest(&copy), digest(&closure.path));
}
