//! Which store paths are packed, and that none of them can be taken for a reference.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use tests::{Bundle, Closure, EXAMPLES, packer, run};

fn entry(example: &str) -> &str {
    match example {
        "coreutils" => "/bin/ls",
        "markov-slim" => "/bin/markov",
        "markov" | "markov-circus" => "/bin/markov",
        "hello" => "/bin/hello",
        other => {
            assert_eq!(other, "python-example");
            "/bin/python-example"
        }
    }
}

fn bundle(closure: &Closure, example: &str) -> Bundle {
    Bundle::of(closure).entry(entry(example)).option("--level", "3").pack()
}

fn packed(bundle: &Bundle) -> BTreeSet<String> {
    let info = bundle.inspect();
    let paths = info["store_paths"].as_array().expect("store paths are listed").iter();
    paths.map(|path| path["path"].as_str().expect("a path is text").to_owned()).collect()
}

#[test]
fn the_closure_is_what_nixs_database_says() {
    for example in EXAMPLES {
        let closure = Closure::example(example);
        let requisites = closure.requisites();
        assert!(requisites.len() > 1, "{example}: {requisites:?}");
        assert_eq!(packed(&bundle(&closure, example)), requisites, "{example}");
    }
}

#[test]
fn a_scan_of_the_files_finds_the_same_closure() {
    for example in EXAMPLES {
        let closure = Closure::example(example);
        let builder = || Bundle::of(&closure).entry(entry(example)).option("--level", "3");
        let expected = fs::read(builder().without_path_info().pack().path).unwrap();
        let mut without_nix = builder().command();
        without_nix.env("PATH", "/nowhere");
        let with_root = builder().option("--store-root", "/").command();
        for (way, mut command) in [("without Nix", without_nix), ("--store-root", with_root)] {
            let directory = tempfile::tempdir().unwrap();
            let output = directory.path().join("bundle");
            run(command.arg("-o").arg(&output)).expect_code(0);
            assert!(fs::read(&output).unwrap() == expected, "{example}, {way}");
        }
    }
}

#[test]
fn a_bundle_has_no_store_hash_in_it() {
    for example in EXAMPLES {
        let closure = Closure::example(example);
        let bundle = bundle(&closure, example);
        let mut grep = Command::new("grep");
        grep.env("LC_ALL", "C").args(["--text", "--count", "--fixed-strings"]);
        for path in closure.requisites() {
            grep.arg("-e").arg(&path["/nix/store/".len()..][..32]);
        }
        let found = run(grep.arg(&bundle.path));
        assert_eq!(String::from_utf8_lossy(&found.stdout), "0\n", "{example}");
    }
}

#[test]
fn nix_sees_no_reference_in_a_bundle() {
    // The proof that counts: Nix's own scan.
    let closure = Closure::probe();
    let bundle = Bundle::probe();
    let expression = format!(
        r#"derivation {{ name = "bundle"; system = builtins.currentSystem; builder = "/bin/sh";
            args = [ "-c" "/bin/cp ${{/. + "{}"}} $out" ]; closure = builtins.storePath "{}"; }}"#,
        bundle.path.display(),
        closure.path.display(),
    );
    let built = run(Command::new("nix-build")
        .args([
            "--no-out-link",
            "--option",
            "sandbox",
            "false",
            "--option",
            "build-users-group",
            "",
        ])
        .args(["--option", "substitute", "false", "-E", &expression]));
    built.expect_code(0);
    let path = String::from_utf8_lossy(&built.stdout).trim().to_owned();
    let references = run(Command::new("nix-store").args(["--query", "--references", &path]));
    references.expect_code(0);
    assert_eq!(String::from_utf8_lossy(&references.stdout), "");
}

#[test]
fn two_closures_become_one_bundle() {
    let (hello, probe) = (Closure::example("hello"), Closure::probe());
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("both");
    let mut command = Command::new(packer());
    command.arg("build").arg("--closure").arg(&hello.path).arg("--closure").arg(&probe.path);
    command.args(["--entry", "/bin/probe", "--entry", "/bin/hello", "-o"]).arg(&output);
    run(&mut command).expect_code(0);
    let expected = hello.requisites().union(&probe.requisites()).cloned().collect();
    assert_eq!(packed(&Bundle { path: output }), expected);
}
