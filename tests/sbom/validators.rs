//! The documents are what CycloneDX and SPDX allow: their own validators say so.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::{Closure, EXAMPLES, Ended, once, packer, run};

use crate::meta::redis;

/// Those that the projects of the two forms maintain; the first has CycloneDX's schemas in it.
const PACKAGES: [&str; 2] = ["cyclonedx-python-lib[json-validation]==11.12.0", "spdx-tools==0.8.5"];

fn validate<'a>(files: impl IntoIterator<Item = &'a Path>) -> Ended {
    let modules = once("sbom-validators", PACKAGES, |output| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(output);
        run(pip.arg("--no-warn-script-location").args(PACKAGES)).expect_code(0);
    });
    let mut python = Command::new("python3");
    python.arg("-c").arg(include_str!("validate.py")).args(files);
    run(python.env("PYTHONPATH", modules))
}

#[test]
#[ignore = "validators of CycloneDX and SPDX, from PyPI"]
fn documents_of_real_closures_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let meta = directory.path().join("meta.json");
    let compound = json!({ "license": ["MIT OR ISC", { "name": "own" }] });
    let said = json!({ "redis": redis(), "hello": { "license": "MIT OR ISC" }, "markov": compound,
        "libc6": { "license": ["LGPL-2.1-or-later", "GPL-2.0-only WITH Classpath-exception-2.0"] } });
    fs::write(&meta, said.to_string()).unwrap();
    let mut files = Vec::new();
    for attribute in EXAMPLES {
        let closure = Closure::example(attribute);
        for form in ["cyclonedx", "spdx"] {
            for meta in [None, Some(&meta)] {
                let file = directory.path().join(files.len().to_string());
                let mut command = Command::new(packer());
                command.args(["sbom", "--format", form, "--closure"]).arg(&closure.path);
                command.arg("-o").arg(&file);
                if let Some(meta) = meta {
                    command.arg("--meta").arg(meta);
                }
                run(&mut command).expect_code(0);
                files.push(file);
            }
        }
    }
    let validated = validate(files.iter().map(AsRef::as_ref)).stdout();
    assert_eq!(validated, "CycloneDX\nCycloneDX\nSPDX\nSPDX\n".repeat(EXAMPLES.len()));
}

#[test]
#[ignore = "validators of CycloneDX and SPDX, from PyPI"]
fn the_validators_refuse_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("document.json");
    let closure = Closure::probe();
    for (form, right, wrong) in [
        ("cyclonedx", "\"bom-ref\"", "\"bom-reference\""),
        ("cyclonedx", "urn:uuid:", "urn:"),
        ("spdx", "\"packageFileName\"", "\"packageFile\""),
        ("spdx", "pkg:nix", "nix"),
        ("spdx", "DEPENDS_ON", "DEPENDS"),
        ("spdx", "NOASSERTION", "nobody knows"),
    ] {
        let mut command = Command::new(packer());
        command.args(["sbom", "--format", form, "--closure"]).arg(&closure.path);
        let document = run(&mut command).stdout();
        assert!(document.contains(right), "{document}");
        fs::write(&file, document.replace(right, wrong)).unwrap();
        assert!(!validate([&*file]).status.success(), "{form}: {wrong}");
    }
}
