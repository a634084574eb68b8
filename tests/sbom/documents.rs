//! The documents have what Nix knows of a closure, whatever they are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{Bundle, Closure, packer, run};

use crate::{json, print, properties};

/// What Nix says of a store path.
fn query(what: &str, path: &str) -> BTreeSet<String> {
    let mut query = Command::new("nix-store");
    let lines = run(query.args(["--query", what, path])).text();
    lines.lines().filter(|line| *line != path).map(str::to_owned).collect()
}

#[test]
fn cyclonedx_has_each_store_path_with_its_references() {
    let closure = Closure::example("markov");
    let path = closure.path.to_str().expect("a store path is text");
    let document = json(["sbom", "--closure", path]);
    let components = document["components"].as_array().expect("components are a list");
    let mut dependencies: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for dependency in document["dependencies"].as_array().expect("dependencies are a list") {
        let on = dependency["dependsOn"].as_array().expect("they are a list").iter();
        let on = on.map(|path| path.as_str().expect("a reference is text").to_owned());
        dependencies.insert(dependency["ref"].as_str().expect("it is text"), on.collect());
    }
    let mut listed = BTreeSet::new();
    for component in components {
        let path = component["bom-ref"].as_str().expect("a component has a reference");
        assert_eq!(dependencies[path], query("--references", path), "{path}");
        let hash = query("--hash", path);
        assert_eq!(properties(component, "nix:nar_hash"), hash.iter().collect::<Vec<_>>());
        assert_eq!(properties(component, "nix:output_path"), [path]);
        listed.insert(path.to_owned());
    }
    assert_eq!(listed, closure.requisites());
    assert_eq!(dependencies["bundle"], BTreeSet::from([path.to_owned()]));
    let redis = components.iter().find(|c| c["name"] == "redis").expect("markov needs redis");
    let version = redis["version"].as_str().expect("redis has a version");
    assert_eq!(redis["purl"], format!("pkg:nix/redis@{version}"));
    // Nobody knows these.
    for absent in ["licenses", "cpe", "description", "externalReferences"] {
        assert_eq!(redis[absent], Value::Null, "{absent}");
    }
}

#[test]
fn spdx_has_the_same_graph() {
    let path = Closure::example("markov").path;
    let [cyclonedx, spdx] = ["cyclonedx", "spdx"].map(|form| {
        json(["sbom", "--format", form, "--closure", path.to_str().expect("a store path is text")])
    });
    let mut names = BTreeMap::new();
    for package in spdx["packages"].as_array().expect("packages are a list") {
        let file = package["packageFileName"].as_str().unwrap_or("bundle");
        names.insert(package["SPDXID"].as_str().expect("a package has an ID"), file);
    }
    let related = |kind: &str| -> BTreeSet<(&str, &str)> {
        let all = spdx["relationships"].as_array().expect("relationships are a list").iter();
        let name = |r: &Value, key: &str| names[r[key].as_str().expect("it is text")];
        let of_kind = all.filter(|r| r["relationshipType"] == kind);
        of_kind.map(|r| (name(r, "spdxElementId"), name(r, "relatedSpdxElement"))).collect()
    };
    let mut expected = BTreeSet::new();
    for dependency in cyclonedx["dependencies"].as_array().expect("dependencies are a list") {
        let from = dependency["ref"].as_str().expect("it is text");
        let on = dependency["dependsOn"].as_array().expect("they are a list").iter();
        expected.extend(on.map(|to| (from, to.as_str().expect("it is text"))));
    }
    assert_eq!(related("DEPENDS_ON"), expected);
    assert_eq!(related("CONTAINS").len(), names.len() - 1);
}

#[test]
fn a_bundle_and_its_closure_give_the_same_bytes() {
    for (attribute, entry) in [("hello", "/bin/hello"), ("markov", "/bin/markov")] {
        let closure = Closure::example(attribute);
        let bundle = Bundle::of(&closure).entry(entry).option("--level", "1").pack();
        for form in ["cyclonedx", "spdx"] {
            let of = |what: &[&Path]| {
                let mut command = Command::new(packer());
                run(command.args(["sbom", "--format", form]).args(what)).stdout()
            };
            let of_bundle = of(&[&bundle.path]);
            let closure = [Path::new("--closure"), &closure.path];
            assert_eq!(
                of(&[&closure[..], &[Path::new("--entry"), Path::new(entry)]].concat()),
                of_bundle
            );
            assert_eq!(of(&[&bundle.path]), of_bundle);
        }
    }
}

#[test]
fn source_date_epoch_dates_a_document() {
    let bundle = Bundle::probe();
    let run_at = |time: &str| {
        let mut command = Command::new(packer());
        command.args(["sbom", "--format", "spdx"]).arg(&bundle.path);
        run(command.env("SOURCE_DATE_EPOCH", time))
    };
    assert!(run_at("").stdout().contains("\"created\": \"1970-01-01T00:00:00Z\""));
    assert!(run_at("1700000000").stdout().contains("\"created\": \"2023-11-14T22:13:20Z\""));
    for wrong in ["-1", "now", "253402300800"] {
        let (what, hint) = run_at(wrong).expect_refusal(1);
        assert_eq!(what, format!("packer: SOURCE_DATE_EPOCH={wrong} is not a time"));
        assert!(hint.contains("seconds since 1970"), "{hint}");
    }
}

#[test]
fn a_document_is_written_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bill.json");
    let bundle = Bundle::probe();
    let bundle = bundle.path.to_str().expect("its path is text");
    let file_name = file.to_str().expect("its path is text");
    assert_eq!(print(["sbom", bundle, "-o", file_name]), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), print(["sbom", bundle]));
}
