//! `packer inspect --why`, `--tree` and `--largest`.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use tests::{Bundle, Closure, packer, run};

use crate::{json, print};

fn markov() -> (Closure, Bundle) {
    let closure = Closure::example("markov");
    let bundle = Bundle::of(&closure).entry("/bin/markov").option("--level", "1").pack();
    (closure, bundle)
}

fn arguments<'a>(bundle: &'a Bundle, options: &[&'a str]) -> Vec<&'a str> {
    let path = bundle.path.to_str().expect("its path is text");
    [&["inspect", path], options].concat()
}

/// What a store path refers to besides itself.
fn references(path: &str) -> BTreeSet<String> {
    let mut query = Command::new("nix-store");
    let lines = run(query.args(["--query", "--references", path])).text();
    lines.lines().filter(|line| *line != path).map(str::to_owned).collect()
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let list = list.as_array().expect("it is a list").iter();
    list.map(|value| value[key].as_str().expect("it is text")).collect()
}

#[test]
fn a_chain_follows_references() {
    let (closure, bundle) = markov();
    for path in closure.requisites() {
        let answers = json(arguments(&bundle, &["--why", &path, "--json"]));
        assert_eq!(texts(&answers, "path"), [&path]);
        let chain = &answers[0]["chains"][0];
        let steps = texts(chain, "path");
        assert_eq!(steps.first().copied(), closure.path.to_str());
        assert_eq!(steps.last().copied(), Some(&*path));
        for (pair, number) in steps.windows(2).zip(0..) {
            assert!(references(pair[0]).contains(pair[1]), "{pair:?}");
            // The bundle can be relocated, so its index says where references are.
            let file = chain[number]["file"].as_str().expect("a file refers");
            let file = std::path::Path::new(pair[0]).join(file);
            let content = match std::fs::read_link(&file) {
                Ok(target) => target.into_os_string().into_encoded_bytes(),
                Err(_) => std::fs::read(&file).expect("it is a file"),
            };
            let hash = &pair[1].as_bytes()[..43];
            assert!(content.windows(43).any(|window| window == hash), "{}", file.display());
        }
    }
    let text = print(arguments(&bundle, &["--why", "libc6"]));
    assert!(
        text.starts_with(&format!("{} (entry markov)\n└───", closure.path.display())),
        "{text}"
    );
}

#[test]
fn what_is_not_there_is_refused_with_the_nearest_name() {
    let (_, bundle) = markov();
    for wanted in ["rediss", "/nix/store/0zqbvva59jscqy50km1a26xisr7vsjz5-rediss"] {
        let mut command = Command::new(packer());
        let ended = run(command.args(arguments(&bundle, &["--why", wanted])));
        let (what, hint) = ended.expect_refusal(1);
        assert!(what.ends_with(&format!("has no store path {wanted}")), "{what}");
        assert!(hint.starts_with("hint: the nearest name is redis;"), "{hint}");
    }
}

#[test]
fn no_file_is_named_where_references_are_not_listed() {
    let closure = Closure::example("hello");
    let bundle = Bundle::of(&closure).entry("/bin/hello").option("--mode", "namespace").pack();
    for path in closure.requisites() {
        let answers = json(arguments(&bundle, &["--why", &path, "--json"]));
        assert_eq!(answers[0]["chains"][0][0]["file"], Value::Null);
    }
}

#[test]
fn the_tree_is_the_graph() {
    let (closure, bundle) = markov();
    let tree = json(arguments(&bundle, &["--tree", "--json"]));
    let listed: BTreeSet<String> =
        texts(&tree["store_paths"], "path").into_iter().map(str::to_owned).collect();
    assert_eq!(listed, closure.requisites());
    let info = bundle.inspect();
    for path in tree["store_paths"].as_array().expect("it is a list") {
        let name = path["path"].as_str().expect("it is text");
        let found = path["references"].as_array().expect("it is a list").iter();
        let found: BTreeSet<String> =
            found.map(|path| path.as_str().expect("it is text").to_owned()).collect();
        assert_eq!(found, references(name), "{name}");
    }
    // All is below the root.
    assert_eq!(tree["roots"][0].as_str(), closure.path.to_str());
    assert_eq!(tree["store_paths"][0]["closure_bytes"], info["bytes_before"]);
    // A line for the title, one for the root, and one for each reference.
    let count: usize = listed.iter().map(|path| references(path).len()).sum();
    let text = print(arguments(&bundle, &["--tree"]));
    let expanded = text.lines().filter(|line| !line.ends_with(" [...]")).count();
    assert_eq!(expanded, 1 + listed.len());
    assert!(text.lines().count() <= 2 + count, "{text}");
}

#[test]
fn the_largest_come_first_with_what_they_free() {
    let (closure, bundle) = markov();
    let largest = json(arguments(&bundle, &["--largest", "1000000", "--json"]));
    let bytes = |list: &Value| -> Vec<u64> {
        let list = list.as_array().expect("it is a list").iter();
        list.map(|value| value["bytes"].as_u64().expect("it is a number")).collect()
    };
    for list in ["store_paths", "files"] {
        let bytes = bytes(&largest[list]);
        assert!(bytes.is_sorted_by(|a, b| a >= b), "{bytes:?}");
    }
    let info = bundle.inspect();
    assert_eq!(bytes(&largest["store_paths"]).iter().sum::<u64>(), info["bytes_before"]);
    let of = |path: &str| {
        let all = largest["store_paths"].as_array().expect("it is a list").iter();
        all.clone().find(|one| one["path"] == path).expect("it is listed").clone()
    };
    let root = of(closure.path.to_str().expect("it is text"));
    assert_eq!(root["freed_bytes"], info["bytes_before"]);
    assert_eq!(root["freed_paths"], closure.requisites().len());
    assert_eq!(print(arguments(&bundle, &["--largest", "3"])).lines().count(), 1 + 3 + 2 + 3);
}
