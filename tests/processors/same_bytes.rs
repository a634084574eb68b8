//! A packer for another processor type writes the same bytes.

use std::fs;
use std::process::Command;

use tests::{Bundle, Closure, need, packer, run, source, target};

use crate::{NEEDED, OTHER};

/// A packer for the other processor type, with this one's stubs inside, packs the same closures under emulation.
#[test]
#[ignore = "builds packer for another processor type, which takes minutes"]
fn a_packer_for_another_processor_writes_the_same_bytes() {
    need(NEEDED);
    let directory = tempfile::tempdir().expect("make a directory");
    let rust = format!("{OTHER}-unknown-linux-musl");
    let stubs = ["x86_64", "aarch64"].map(|machine| {
        let extracted = directory.path().join(machine);
        let hello = Bundle::of(&Closure::example_for(machine, "hello")).entry("/bin/hello");
        fs::write(&extracted, stub_of(&hello.option("--level", "1").pack())).expect("write a stub");
        extracted.display().to_string()
    });
    let mut cargo = Command::new("cargo");
    cargo.current_dir(source()).args([
        "build",
        "--release",
        "--locked",
        "-p",
        "packer",
        "--target",
        &rust,
    ]);
    cargo.env("PACKER_STUB", stubs.join(":")).env("CARGO_TARGET_DIR", target());
    let name = rust.replace('-', "_");
    let compiler = format!("{OTHER}-linux-gnu-gcc");
    cargo.env(format!("CC_{name}"), &compiler);
    cargo.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &compiler);
    run(&mut cargo).expect_code(0);
    let emulator = format!("/usr/bin/qemu-{OTHER}-static");
    let other = target().join(rust).join("release/packer");
    for (processor, attribute, entry) in [
        (OTHER, "hello", "/bin/hello"),
        (OTHER, "coreutils", "/bin/ls"),
        ("x86_64", "markov", "/bin/markov"),
        (OTHER, "markov", "/bin/markov"),
    ] {
        let closure = Closure::example_for(processor, attribute);
        let [own, emulated] = [Command::new(packer()), {
            let mut command = Command::new(&emulator);
            command.arg(&other);
            command
        }]
        .map(|mut command| {
            let output = directory.path().join("bundle");
            command.args(["build", "--no-cache", "--level", "3", "--entry", entry, "--closure"]);
            run(command.arg(&closure.path).arg("-o").arg(&output)).expect_code(0);
            fs::read(output).expect("read a bundle")
        });
        assert!(own == emulated, "{processor}, {attribute}");
    }
}

/// The stub of a bundle, with an empty descriptor, as packer has it inside.
pub(crate) fn stub_of(bundle: &Bundle) -> Vec<u8> {
    let mut bytes = fs::read(&bundle.path).expect("read a bundle");
    bytes.truncate(bundle.payload());
    let note = format::NOTE_NAME.as_bytes();
    let at =
        bytes.windows(note.len()).position(|window| window == note).expect("a stub has a note");
    // The name is padded to 8 bytes.
    bytes[at + 8..][..format::DESCRIPTOR_LEN].fill(0);
    bytes
}
