//! The same closure and options give the same bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Closure, packer, run};

use crate::image::Image;

/// What an image is packed with, in a shell.
const PACK: &str =
    r#"exec "$PACKER" image --closure "$CLOSURE" --entry /bin/python-example --level 1"#;

fn pack(script: &str, name: &str, cache: &Path) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("make a directory");
    let mut command = Command::new("bash");
    command.args(["-euc", script]).env("PACKER", packer()).env("XDG_CACHE_HOME", cache);
    command.env("CLOSURE", Closure::example("python-example").path);
    command.env("OUTPUT", directory.path().join(name));
    run(&mut command).expect_code(0);
    let path = directory.path().join(name);
    if path.is_dir() {
        let image = Image::open(&path);
        return format!("{}\n{}\n{}", image.index, image.manifest, image.config).into_bytes();
    }
    fs::read(path).expect("read an image")
}

#[test]
fn threads_umask_locale_and_the_cache_change_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let pack = |before: &str, options: &str| {
        pack(&format!("{before}; {PACK} {options} -o \"$OUTPUT\""), "image.tar", cache.path())
    };
    let first = pack("umask 022; export LC_ALL=C TZ=UTC", "--no-cache --threads 1");
    assert!(first.len() > 10_000_000);
    assert!(!cache.path().join("packer").exists());
    for (before, options) in [
        ("umask 077; cd /tmp; export LC_ALL=C.UTF-8 TZ=Asia/Tokyo", "--no-cache --threads 7"),
        ("umask 000; cd /", "--threads 2"),
        // From the cache.
        ("umask 027; unset LC_ALL", ""),
    ] {
        assert!(pack(before, options) == first, "{before} {options}");
    }
    assert!(cache.path().join("packer").exists());
}

#[test]
fn a_directory_and_a_file_have_the_same_documents() {
    let cache = tempfile::tempdir().unwrap();
    let script = format!("{PACK} -o \"$OUTPUT\"");
    let from_directory = pack(&script, "image", cache.path());
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("image.tar");
    fs::write(&path, pack(&script, "image.tar", cache.path())).unwrap();
    let image = Image::open(&path);
    let from_file = format!("{}\n{}\n{}", image.index, image.manifest, image.config);
    assert_eq!(String::from_utf8(from_directory).unwrap(), from_file);
}

#[test]
fn every_compression_is_of_the_same_streams() {
    let closure = Closure::example("hello");
    let image = |compression: &str| {
        let packing = crate::image::Packing::of(&closure).entry("/bin/hello");
        packing.option("--compression", compression).image().config
    };
    // The configuration has the digests of the streams, and nothing of the compression.
    assert_eq!(image("gzip"), image("zstd"));
    assert_eq!(image("gzip"), image("none"));
}
