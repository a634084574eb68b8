//! The same closure and options give the same bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Bundle, Closure, Store, packer, run};

#[test]
fn threads_umask_directory_and_locale_change_nothing() {
    let closure = Closure::example("coreutils");
    let build = |name: &str, threads: &str, before: &str| {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join(name);
        let script = format!(r#"{before}; exec "$@""#);
        let mut command = Command::new("sh");
        command.args(["-ec", &script, "sh"]).arg(packer()).args(["build", "--no-cache"]);
        command.args(["--entry", "/bin/ls"]);
        command.args(["--level", "3", "--threads", threads, "--closure"]).arg(&closure.path);
        run(command.arg("--output").arg(&output).current_dir(directory.path())).expect_code(0);
        fs::read(output).unwrap()
    };
    let first = build("ls", "1", "umask 022; cd /; export LC_ALL=C TZ=UTC");
    assert!(first.len() > 100_000);
    for (threads, before) in [
        ("2", "umask 077; cd /tmp; export LC_ALL=C.UTF-8 TZ=Asia/Tokyo"),
        ("3", "umask 000; cd /usr; export LC_ALL=de_DE.UTF-8 HOME=/nowhere"),
        ("8", "umask 027; unset LC_ALL HOME PATH"),
    ] {
        assert!(build("other", threads, before) == first, "{threads} threads, {before}");
    }
}

#[test]
fn the_way_to_the_closure_changes_nothing() {
    let closure = Closure::probe();
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("result");
    std::os::unix::fs::symlink(&closure.path, &link).unwrap();
    let expected = fs::read(Bundle::probe().path).unwrap();
    for (number, way) in
        [closure.path.join("bin/probe"), link.clone(), link.join("bin")].into_iter().enumerate()
    {
        let output = directory.path().join(number.to_string());
        let mut command = Command::new(packer());
        command
            .args(["build", "--no-cache", "--mode", "namespace", "--entry", "/bin/probe"])
            .arg("--closure")
            .arg(&way);
        run(command.arg("-o").arg(&output)).expect_code(0);
        assert!(fs::read(output).unwrap() == expected, "{}", way.display());
    }
}

#[test]
fn times_and_owners_of_the_files_are_not_packed() {
    let store = Store::new();
    let build = || {
        let builder = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
        fs::read(builder.pack_into(store.root()).path).unwrap()
    };
    let program = store.program(format!("{}/bin/probe", Store::PATH), &tests::probe());
    let first = build();
    let file = fs::File::options().append(true).open(&program).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    std::os::unix::fs::chown(&program, Some(12345), Some(54321)).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert!(build() == first);
}

#[test]
fn frames_from_the_cache_change_nothing_and_few_are_compressed_again() {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &tests::probe());
    // Four frames' worth that zstd can do little about.
    let mut state = 1_u64;
    for number in 0..60 {
        let mut noise = vec![0; 1 << 20];
        for word in noise.as_chunks_mut().0 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *word = (state >> 32).to_le_bytes();
        }
        store.file(format!("{}/share/{number:02}", Store::PATH), &noise[8..]);
    }
    let kept = tempfile::tempdir().unwrap();
    let frames = kept.path().join("packer/frames");
    let build = |option: &str| {
        let output = kept.path().join("probe");
        let mut command = Command::new(packer());
        command.args(["build", option, "--entry", "/bin/probe", "--level", "1", "--closure"]);
        command
            .arg(Path::new("/nix/store").join(Store::PATH))
            .arg("--store-root")
            .arg(store.root());
        run(command.arg("-o").arg(&output).env("XDG_CACHE_HOME", kept.path())).expect_code(0);
        fs::read(output).unwrap()
    };
    let count = || fs::read_dir(&frames).map_or(0, Iterator::count);

    let expected = build("--no-cache");
    assert_eq!(count(), 0);
    assert!(build("--threads=2") == expected);
    let before = count();
    assert!(before >= 7, "{before}: four frames, the links, the manifest, the index");
    assert!(build("--threads=2") == expected);
    assert_eq!(count(), before);

    store.file(format!("{}/share/30", Store::PATH), b"changed");
    let expected = build("--no-cache");
    assert!(build("--threads=2") == expected);
    let new = count() - before;
    assert!(
        (3..=5).contains(&new),
        "{new}: at most two frames, the links, the manifest, the index"
    );
}
