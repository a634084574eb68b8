//! Large closures: ten thousand store paths, and closures without end.

use std::fs;
use std::process::Command;

use tests::run;
use tests::server::{Answer, Server};

use crate::machine::{Machine, measured};

/// Store paths besides the program.
const PATHS: usize = 10_000;

fn base_name(number: usize) -> String {
    format!("{number:032}-many")
}

/// A narinfo without a signature, whose NAR is in `/nar/KIND`.
fn narinfo(number: usize, kind: &str, nar: &Nar, references: &str) -> String {
    format!(
        "StorePath: /nix/store/{}\nURL: nar/{kind}\nCompression: none\nNarHash: sha256:{}\nNarSize: {}\nReferences: {references}\n",
        base_name(number),
        nar.hash,
        nar.bytes.len()
    )
}

struct Nar {
    bytes: Vec<u8>,
    hash: String,
}

/// A NAR of what a script makes as `it`.
fn nar(script: &str) -> Nar {
    let directory = tempfile::tempdir().expect("make a directory");
    let shell = |script: &str| {
        run(Command::new("sh").current_dir(directory.path()).args(["-euc", script])).text()
    };
    shell(&format!("{script}; nix-store --dump it > nar"));
    let hash = shell("nix-hash --type sha256 --flat --base32 nar").trim().to_owned();
    Nar { bytes: fs::read(directory.path().join("nar")).expect("read it"), hash }
}

fn server(references: impl Fn(usize) -> String + Send + Sync + 'static) -> Server {
    let program = nar(&format!(
        "mkdir -p it/bin; cp {} it/bin/probe; chmod +x it/bin/probe",
        tests::probe().display()
    ));
    let small = nar("echo small > it");
    Server::start(move |request, _| {
        let path = request.path.trim_start_matches('/');
        match (path, path.strip_suffix(".narinfo").and_then(|hash| hash.parse().ok())) {
            ("nix-cache-info", _) => Answer::new(200).body("StoreDir: /nix/store\n"),
            ("nar/program", _) => Answer::new(200).body(program.bytes.clone()),
            ("nar/small", _) => Answer::new(200).body(small.bytes.clone()),
            (_, Some(0)) => Answer::new(200).body(narinfo(0, "program", &program, &references(0))),
            (_, Some(number)) => {
                Answer::new(200).body(narinfo(number, "small", &small, &references(number)))
            }
            _ => Answer::new(404),
        }
    })
}

#[test]
fn ten_thousand_store_paths_are_packed() {
    let server = server(|number| match number {
        0 => (1..PATHS).map(base_name).collect::<Vec<_>>().join(" "),
        number => base_name(number % 10),
    });
    let machine = Machine::new();
    let url = format!("http://{}", server.name(""));
    let build = machine.build_of(&format!("/nix/store/{}", base_name(0)));
    let (ended, most) = measured(build.args(["--from", &url, "--insecure-no-signatures"]));
    ended.expect_code(0);
    assert!(ended.stderr().contains("signed 10000 of 10000 store paths"), "{}", ended.stderr());
    assert!(most < 250 << 10, "{most} KiB");
    let requests = server.requests();
    let connections = requests.iter().map(|request| request.connection).max();
    assert!((Some(15)..Some(64)).contains(&connections), "many at once, and kept: {connections:?}");
}

/// Each store path refers to a thousand others.
#[test]
fn closures_without_end_are_refused() {
    let server = server(|number| {
        (1..=1000).map(|more| base_name(number * 1000 + more)).collect::<Vec<_>>().join(" ")
    });
    let machine = Machine::new();
    let url = format!("http://{}", server.name(""));
    let build = machine.build_of(&format!("/nix/store/{}", base_name(0)));
    let (what, _) =
        build.args(["--from", &url, "--insecure-no-signatures"]).run().expect_refusal(1);
    let expected = format!(
        "packer: the closure from {} has more than 1048576 store paths",
        url.trim_end_matches('/')
    );
    assert_eq!(what, expected);
    assert!(server.requests().len() < 5000);
}
