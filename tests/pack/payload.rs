//! The payload is a tar archive that stock tools read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Bundle, Closure, run, tree};

/// Runs a shell command with the bundle as `$0` and the payload's offset as `$1`, counted as tail does.
fn shell(bundle: &Bundle, script: &str, directory: &Path) -> String {
    let offset = bundle.payload() + 1;
    let mut command = Command::new("sh");
    command.args(["-ec", script]).arg(&bundle.path).arg(offset.to_string());
    run(command.current_dir(directory)).stdout()
}

fn bundles() -> Vec<(Closure, Bundle)> {
    let coreutils = Closure::example("coreutils");
    let bundle = Bundle::of(&coreutils).entry("/bin/ls").option("--level", "3").pack();
    vec![(Closure::probe(), Bundle::probe()), (coreutils, bundle)]
}

#[test]
fn stock_tar_lists_exactly_the_closure() {
    for (closure, bundle) in bundles() {
        let listing = shell(&bundle, r#"tail -c +"$1" "$0" | zstd -dc | tar -t"#, Path::new("/"));
        // The directories above the store paths may be listed or not.
        let listed: BTreeSet<String> = listing
            .lines()
            .map(|line| line.trim_start_matches("./").trim_end_matches('/').to_owned())
            .map(|path| path.strip_prefix("nix/store/").map_or(path.clone(), str::to_owned))
            .filter(|path| !["", ".", "nix", "nix/store"].contains(&path.as_str()))
            .collect();
        let mut expected = BTreeSet::new();
        for path in closure.requisites() {
            let name = path.trim_start_matches("/nix/store/");
            expected.insert(name.to_owned());
            let below = tree::list(Path::new(&path)).unwrap();
            expected.extend(below.into_keys().map(|below| format!("{name}{below}")));
        }
        assert_eq!(listed, expected);
    }
}

#[test]
fn stock_tar_unpacks_the_closure() {
    for (closure, bundle) in bundles() {
        let directory = tempfile::tempdir().unwrap();
        shell(&bundle, r#"tail -c +"$1" "$0" | zstd -dc | tar -xp"#, directory.path());
        for path in closure.requisites() {
            let name = Path::new(&path).file_name().unwrap();
            let places =
                [directory.path().join(name), directory.path().join("nix/store").join(name)];
            let copy = places
                .iter()
                .find(|place| place.exists())
                .unwrap_or_else(|| panic!("{path} is missing"));
            assert_eq!(tree::list(copy).unwrap(), tree::list(Path::new(&path)).unwrap(), "{path}");
        }
    }
}

#[test]
fn each_frame_of_the_seek_table_can_be_decoded_by_itself() {
    let (_, bundle) = bundles().remove(1);
    let bytes = fs::read(&bundle.path).unwrap();
    let rows = seek_table(&bytes);
    assert!(rows.len() > 3, "{rows:?}");
    let mut at = bundle.payload();
    let mut tar = Vec::new();
    for (compressed, decompressed) in rows {
        let frame = tempfile::NamedTempFile::new().unwrap();
        fs::write(&frame, &bytes[at..at + compressed]).unwrap();
        let content = run(Command::new("zstd").arg("-dc").arg(frame.path()));
        content.expect_code(0);
        assert_eq!(content.stdout.len(), decompressed);
        tar.extend(content.stdout);
        at += compressed;
    }
    let whole = tempfile::tempdir().unwrap();
    shell(&bundle, r#"tail -c +"$1" "$0" | zstd -dc > whole.tar"#, whole.path());
    assert!(
        fs::read(whole.path().join("whole.tar")).unwrap() == tar,
        "the frames make the archive"
    );
}

/// Reads the seek table as the zstd project's description of the seekable format has it: rows of two
/// numbers, then the count, the flags and the magic number.
fn seek_table(bytes: &[u8]) -> Vec<(usize, usize)> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let len = bytes.len();
    assert_eq!(number(len - 4), 0x8F92_EAB1);
    assert_eq!(bytes[len - 5], 0, "rows have no checksums");
    let count = number(len - 9) as usize;
    let first = len - 9 - 8 * count;
    assert_eq!((number(first - 8), number(first - 4) as usize), (0x184D_2A5E, 8 * count + 9));
    let row = |n: usize| (number(first + 8 * n) as usize, number(first + 8 * n + 4) as usize);
    (0..count).map(row).collect()
}

#[test]
fn the_stub_is_a_static_program_for_this_machine() {
    let bytes = fs::read(Bundle::probe().path).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF");
    // The padding of e_ident: binfmt handlers look at it.
    assert_eq!(&bytes[8..16], [0; 8]);
    let ended = run(Command::new("ldd").arg(Bundle::probe().path));
    assert!(!ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}
