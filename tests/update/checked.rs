//! Asking without taking: `packer update --check`.

use serde_json::Value;
use tests::Served;

use crate::made::{Home, change, first, published, second, version};

/// What `--check --json` says; nothing is changed by it.
fn check(home: &Home, arguments: &[&str]) -> Value {
    let text =
        home.packer(&[&["update", "probe", "--check", "--json"], arguments].concat()).stdout();
    home.expect(&first());
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn what_there_is_is_said() {
    let home = Home::new();
    let directory = published(&first());
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    for (forge, standing, update) in [
        (first(), "up-to-date", false),
        (second(), "newer", true),
        (change(first(), 2), "other-build", true),
        (version(second(), "0.9"), "older", false),
    ] {
        let _ = forge.write(&directory.path().join("probe"));
        let report = check(&home, &[&url]);
        assert_eq!((&report["standing"], &report["update"]), (&standing.into(), &update.into()));
        assert_eq!(report["installed"]["version"], "1.0");
        assert_eq!(report["url"], url.as_str());
        assert_eq!(report["key"], Value::Null);
    }
    let report = check(&home, &[&url, "--allow-older"]);
    assert_eq!(report["update"], true);
}

/// The bytes that a check names are those that the update takes.
#[test]
fn bytes_are_known_before() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    for (more, all) in [("", false), ("max_ranges 0;", true)] {
        let served = Served::nginx(directory.path(), more);
        let url = format!("{}/probe", served.url());
        let report = check(&home, &[&url]);
        let bytes = report["fetched_bytes"].as_u64().expect("a number");
        let file = new.bytes().len() as u64;
        assert_eq!(report["file_bytes"], file);
        assert_eq!(bytes == file, all, "{report}");
        assert_eq!((&report["frames"], &report["fetched_frames"]), (&24.into(), &4.into()));
        let before: u64 = served.requests().iter().map(|request| request.sent).sum();
        let other = Home::new();
        other.update(&[&url], &new);
        let after: u64 = served.requests().iter().map(|request| request.sent).sum();
        assert_eq!(after - before, bytes);
    }
}

#[test]
fn people_are_told() {
    let home = Home::new();
    let directory = published(&second());
    let url = format!("file://{}/probe", directory.path().display());
    let text = home.packer(&["update", "probe", &url, "--check"]).stdout();
    assert!(text.starts_with("probe is 1.0, /") && text.ends_with(" to fetch\n"), "{text}");
    assert!(text.contains("/probe is 2.0: "), "{text}");
    let _ = version(second(), "0.9").write(&directory.path().join("probe"));
    let text = home.packer(&["update", "probe", &url, "--check"]).stdout();
    assert!(text.ends_with("/probe is 0.9: it is older\n"), "{text}");
    // Without an answer, there is an error.
    home.packer(&["update", "probe", "file:///none", "--check"]).expect_code(1);
}

/// A check needs a directory that can be written as little as it needs all of the file.
#[test]
fn checks_write_nothing() {
    let home = Home::new();
    let directory = published(&second());
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    check(&home, &[&url]);
    let sent: u64 = served.requests().iter().map(|request| request.sent).sum();
    assert!(sent < 64 << 10, "{sent}");
    assert_eq!(home.kept(), Vec::<String>::new());
}
