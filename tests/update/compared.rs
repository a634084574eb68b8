//! What changed, as text and as JSON.

use serde_json::Value;
use tests::Pair;

use crate::files::Files;
use crate::made::{Home, second, version};

#[test]
fn packages_sizes_and_frames_are_told() {
    let pair = Pair::updated("markov", &["redis-server", "redis-tools"]);
    let files = Files::of_pair(&pair);
    let text = files.packer(&["diff", "old", "new"]).stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("redis: 7.")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("unchanged ")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("update ")), "{text}");

    let json = files.packer(&["diff", "old", "new", "--json"]).stdout();
    let diff: Value = serde_json::from_str(&json).expect("it is JSON");
    let packages = diff["packages"].as_array().expect("a list");
    let redis = packages.iter().find(|package| package["name"] == "redis").expect("redis changed");
    for (side, closure) in [("old", &pair.old), ("new", &pair.new)] {
        let path = redis["store_paths"][side][0].as_str().expect("a store path");
        assert!(closure.requisites().contains(path), "{path}");
        assert_eq!(diff["file_bytes"][side], files.read(side).len());
    }
    let same = diff["same_store_paths"].as_u64().expect("a number");
    let both = pair.old.requisites().intersection(&pair.new.requisites()).count();
    assert_eq!(same, both as u64);
    let bring = diff["frames"]["bytes_to_bring"].as_u64().expect("a number");
    assert!(bring < files.read("new").len() as u64, "{json}");
}

#[test]
fn same_bundle_is_said_to_be_the_same() {
    let files = Files::small();
    let text = files.packer(&["diff", "new", "new"]).stdout();
    assert!(text.starts_with("the same bundle: ") && text.lines().count() == 1, "{text}");
    files.write("text", b"#!/bin/sh\n");
    let (what, _) = files.packer(&["diff", "old", "text"]).expect_refusal(1);
    assert_eq!(what, "packer: text is not a bundle");
}

/// A bundle may say anything of itself.
#[test]
fn control_characters_are_not_printed() {
    let (home, evil) = (Home::new(), version(second(), "2\u{1b}[2J\nevil"));
    let _ = evil.write(&home.path().join("bin/evil"));
    let text = home.packer(&["diff", "probe", "evil"]).stdout();
    assert!(!text.contains('\u{1b}') && !text.contains("\nevil"), "{text}");
    assert!(text.contains("\\nevil"), "{text}");
}
