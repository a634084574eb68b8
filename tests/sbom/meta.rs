//! Files of `--meta`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::{Bundle, Closure, packer, run};

/// What a file can say of a package.
pub(crate) fn redis() -> Value {
    json!({
        "license": ["BSD-3-Clause", { "name": "a name with spaces" }],
        "homepage": "https://redis.io",
        "description": "A store for keys \"and\" values",
        "cpe": "cpe:2.3:a:redis:redis:7.0.15:*:*:*:*:*:*:*",
        "purl": "pkg:github/redis/redis@7.0.15",
    })
}

fn sbom(bundle: &Bundle, form: &str, meta: Option<&Path>) -> Value {
    let mut command = Command::new(packer());
    command.arg("sbom").arg(&bundle.path).args(["--format", form]);
    if let Some(meta) = meta {
        command.arg("--meta").arg(meta);
    }
    serde_json::from_str(&run(&mut command).stdout()).expect("it is JSON")
}

fn find<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut all = list.as_array().expect("it is a list").iter();
    all.find(|one| one["name"] == name).expect("it is in the list")
}

#[test]
fn what_it_says_is_in_documents_and_bundles() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("meta.json");
    let gone = "/nix/store/0zqbvva59jscqy50km1a26xisr7vsjz5-gone";
    fs::write(&file, json!({ "redis": redis(), gone: { "license": "MIT" } }).to_string()).unwrap();
    let builder = || Bundle::of(&Closure::example("markov")).entry("/bin/markov");
    let plain = builder().option("--level", "1").pack();
    let embedded = builder().option("--level", "1").flag("--sbom").option("--meta", &file);
    let embedded = embedded.pack_into(directory.path());

    let cyclonedx = sbom(&plain, "cyclonedx", Some(&file));
    let listed = find(&cyclonedx["components"], "redis");
    assert_eq!(
        listed["licenses"],
        json!([{ "license": { "id": "BSD-3-Clause" } }, { "license": { "name": "a name with spaces" } }])
    );
    let homepage = json!([{ "type": "website", "url": "https://redis.io" }]);
    assert_eq!(listed["externalReferences"], homepage);
    for key in ["description", "cpe", "purl"] {
        assert_eq!(listed[key], redis()[key], "{key}");
    }
    assert!(!cyclonedx.to_string().contains("-gone"));

    let spdx = sbom(&plain, "spdx", Some(&file));
    let package = find(&spdx["packages"], "redis");
    assert_eq!(package["licenseDeclared"], "BSD-3-Clause AND LicenseRef-a-name-with-spaces");
    assert_eq!(package["externalRefs"][0]["referenceLocator"], redis()["cpe"]);

    // What was said when the bundle was packed holds for both forms.
    assert_eq!(sbom(&embedded, "cyclonedx", None), cyclonedx);
    assert_eq!(sbom(&embedded, "spdx", None), spdx);
    let nothing = directory.path().join("nothing.json");
    fs::write(&nothing, "{}").unwrap();
    assert_eq!(sbom(&embedded, "spdx", Some(&nothing)), sbom(&plain, "spdx", None));
}

#[test]
fn malformed_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("meta.json");
    let bundle = Bundle::probe();
    for (content, expected) in [
        ("{", "does not say what packages are: EOF"),
        (r#"{"redis": {"licence": "MIT"}}"#, "redis.licence: unknown field"),
        (r#"{"redis": {"license": "mine"}}"#, "redis: license: 'mine' is not of SPDX's list"),
        (r#"{"/nix/store/x": {}}"#, "/nix/store/x: it is neither a store path nor"),
    ] {
        fs::write(&file, content).unwrap();
        let mut command = Command::new(packer());
        command.arg("sbom").arg(&bundle.path).arg("--meta").arg(&file);
        let (what, hint) = run(&mut command).expect_refusal(1);
        assert!(what.contains(expected), "{what}");
        assert!(hint.starts_with("hint: write a JSON object"), "{hint}");
    }
    let mut command = Command::new(packer());
    command.arg("sbom").arg(&bundle.path).arg("--meta").arg(directory.path().join("none"));
    let (what, _) = run(&mut command).expect_refusal(1);
    assert!(what.starts_with("packer: cannot read"), "{what}");
}
