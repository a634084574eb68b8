//! Which stub packer takes, and what it refuses.

use std::process::Command;

use tests::{Bundle, Closure, Ended, Store, need, packer, probe, run};

use crate::{NEEDED, OTHER};

#[test]
fn version_names_the_stubs() {
    let text = run(Command::new(packer()).arg("--version")).stdout();
    let own = std::env::consts::ARCH;
    assert!(text.contains("stubs for ") && text.contains(own) && text.contains(OTHER), "{text}");
}

/// The processor type of an ELF file, as elf(5) numbers it.
fn machine(path: &std::path::Path) -> u16 {
    let head = std::fs::read(path).expect("read a bundle");
    u16::from_le_bytes([head[18], head[19]])
}

#[test]
fn the_entry_chooses_the_stub() {
    need(NEEDED);
    let directory = tempfile::tempdir().expect("make a directory");
    for (processor, number) in [("aarch64", 183), ("x86_64", 62)] {
        let closure = Closure::example_for(processor, "python-example");
        let bundle = Bundle::of(&closure).entry("/bin/python-example").option("--level", "1");
        let bundle = bundle.pack_into(directory.path());
        assert_eq!(machine(&bundle.path), number);
        assert!(run(Command::new(packer()).arg("verify").arg(&bundle.path)).status.success());
    }
}

fn refused(ended: &Ended, expected: &str) {
    ended.expect_code(1);
    assert_eq!(ended.stderr(), expected);
}

#[test]
fn closures_for_two_processors_are_refused() {
    need(NEEDED);
    let [own, other] =
        [std::env::consts::ARCH, OTHER].map(|processor| Closure::example_for(processor, "hello"));
    let [own_hello, other_hello] =
        [&own, &other].map(|closure| closure.path.join("bin/hello").display().to_string());
    let directory = tempfile::tempdir().expect("make a directory");
    let pack = |closures: &[&Closure], entry: &str, options: &[&str]| {
        let mut command = Command::new(packer());
        command.args(["build", "--level", "1", "--entry", entry, "--output"]);
        command.arg(directory.path().join("bundle")).args(options);
        for closure in closures {
            command.arg("--closure").arg(&closure.path);
        }
        run(&mut command)
    };
    refused(
        &pack(&[&own, &other], &own_hello, &[]),
        &format!(
            "packer: {other_hello} is for aarch64, but {own_hello} is for x86_64\n\
             hint: pack a closure for each processor type; if the first is not run, only kept, give --system x86_64-linux\n"
        ),
    );
    assert!(!directory.path().join("bundle").exists());
    pack(&[&own, &other], &own_hello, &["--system", "x86_64-linux"]).expect_code(0);
    refused(
        &pack(&[&own], &own_hello, &["--system", "aarch64-linux"]),
        &format!(
            "packer: {own_hello} is for x86_64, but the bundle is for aarch64\n\
             hint: leave out --stub and --system: the entry decides for which processor type the bundle is\n"
        ),
    );
    let ended = pack(&[&own], &own_hello, &["--system", "sparc-solaris"]);
    ended.expect_code(2);
    assert!(
        ended.stderr().contains("'sparc-solaris' is none of x86_64-linux"),
        "{}",
        ended.stderr()
    );
}

#[test]
fn a_stub_must_be_whole_and_for_the_system() {
    need(NEEDED);
    let closure = Closure::example_for(OTHER, "hello");
    let bundle = Bundle::of(&closure).entry("/bin/hello").option("--level", "1");
    let packed = bundle.pack();
    let directory = tempfile::tempdir().expect("make a directory");
    let stub = directory.path().join("stub");
    let bytes = crate::same_bytes::stub_of(&packed);
    let pack = |bytes: &[u8], options: &[&str]| {
        std::fs::write(&stub, bytes).expect("write a stub");
        let mut command = bundle.command();
        command
            .arg("--stub")
            .arg(&stub)
            .args(options)
            .arg("-o")
            .arg(directory.path().join("hello"));
        run(&mut command)
    };
    pack(&bytes, &["--system", "aarch64-linux"]).expect_code(0);
    for len in [100_000, bytes.len() / 2, bytes.len() - 100_000] {
        let ended = pack(&bytes[..len], &[]);
        ended.expect_code(1);
        assert!(ended.stderr().contains("is not a stub: it is not whole"), "{}", ended.stderr());
    }
    let ended = pack(&bytes, &["--system", "x86_64-linux"]);
    ended.expect_code(1);
    let said = ended.stderr();
    assert!(said.contains("/stub is for aarch64, but the bundle is for x86_64\nhint: "), "{said}");
}

#[test]
fn a_processor_without_a_stub_is_named() {
    // A program for s390x: a big-endian processor type.
    let store = Store::new();
    let mut program = std::fs::read(probe()).expect("read a program");
    program[5] = 2;
    program[16..20].copy_from_slice(&[0, 2, 0, 22]);
    store.executable(format!("{}/bin/other", Store::PATH), &program);
    let ended = run(Bundle::of_store(&store, Store::PATH)
        .entry("/bin/other")
        .command()
        .args(["-o", "/dev/null/x"]));
    ended.expect_code(1);
    assert!(
        ended.stderr().starts_with("packer: packer has no stub for machine number 22\nhint: "),
        "{}",
        ended.stderr()
    );
}
