//! Nix signs; `packer verify` checks, on a machine without Nix.

use tests::run;

use crate::closure::{Made, Offline, packer_in};

#[test]
fn a_signed_closure_needs_no_trust_in_the_packager() {
    let made = Made::new();
    let key = made.key("test-1");
    made.sign(&key, &[&made.root.path, &made.other]);
    let bundle = made.pack(&[]);
    let offline = Offline::with(&bundle);
    let trusted = ["--trusted-key", &key.public, "--require-signatures"];
    let expected = "2 of 3 store paths signed by test-1, 1 named by their content\n";
    assert_eq!(offline.report(&trusted), expected);

    let report = offline.json(&trusted);
    assert_eq!(report["signed"], serde_json::json!({"test-1": 2}));
    assert_eq!((&report["content_addressed"], &report["unvouched"]), (&1.into(), &0.into()));
    assert_eq!(report["packed_unchecked"], false);
    let paths = report["store_paths"].as_array().expect("a list");
    for path in paths {
        let expected = match path["path"].as_str().expect("a path") {
            path if path == made.text.to_str().unwrap() => "content-addressed",
            _ => "signed",
        };
        assert_eq!(path["verdict"], expected, "{path}");
        assert_eq!(path["key"] == "test-1", expected == "signed", "{path}");
    }
    assert_eq!(paths.len(), 3);
}

#[test]
fn who_does_not_vouch_is_told_apart() {
    let made = Made::new();
    let (key, unknown) = (made.key("test-1"), made.key("other-1"));
    made.sign(&key, &[&made.other]);
    made.sign(&unknown, &[&made.root.path]);
    let offline = Offline::with(&made.pack(&[]));
    let (root, other) = (made.root.path.display(), made.other.display());
    let untrusted = |path: &dyn std::fmt::Display, key: &str| {
        format!("  {path}: it is signed by {key}, whom nothing says to trust\n")
    };
    assert_eq!(
        offline.report(&["--trusted-key", &key.public]),
        "1 of 3 store paths signed by test-1, 1 named by their content, 1 by nobody:\n".to_owned()
            + &untrusted(&root, "other-1")
    );
    let both = ["--trusted-key", &unknown.public, "--trusted-key", &key.public];
    assert_eq!(
        offline.report(&both),
        "1 of 3 store paths signed by other-1, 1 by test-1, 1 named by their content\n"
    );
    let none = offline.report(&[]);
    assert!(none.starts_with("0 of 3 store paths signed by a trusted key, 1 named"), "{none}");
    assert!(none.contains(&untrusted(&root, "other-1")), "{none}");
    assert!(none.contains(&untrusted(&other, "test-1")), "{none}");

    // A key of that name, but another one.
    let impostor = Made::new().key("other-1");
    let report = offline.report(&["--trusted-key", &impostor.public, "--trusted-key", &key.public]);
    let wrong = format!("  {root}: the signature of other-1 is for something else\n");
    assert!(report.ends_with(&wrong), "{report}");
}

#[test]
fn the_exit_status_tells_if_it_is_asked_to() {
    let made = Made::new();
    let key = made.key("test-1");
    made.sign(&key, &[&made.other]);
    let offline = Offline::with(&made.pack(&[]));
    let trusted = ["--trusted-key", key.public.as_str()];
    let ended = offline.verify(&[&trusted[..], &["--require-signatures"]].concat());
    ended.expect_code(1);
    let stdout = String::from_utf8_lossy(&ended.stdout);
    assert!(stdout.contains(": it has no signature\n"), "{stdout}");
    let stderr = ended.stderr();
    let expected = format!("packer: nobody vouches for {} in ", made.root.path.display());
    assert!(stderr.starts_with(&expected) && stderr.contains("\nhint: "), "{stderr}");

    let ended = offline.verify(&[&trusted[..], &["--require-signatures", "--json"]].concat());
    ended.expect_code(1);
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(report["unvouched"], 1);
    offline.verify(&trusted).expect_code(0);
    // It may be a secret key.
    let (what, _) = offline.verify(&["--trusted-key", "x:c2VjcmV0"]).expect_refusal(1);
    assert_eq!(what, "packer: --trusted-key x:… is not a public key");
}

#[test]
fn inspect_names_keys_and_derivers() {
    let made = Made::new();
    let key = made.key("test-1");
    made.sign(&key, &[&made.other]);
    let bundle = made.pack(&[]);
    let text = run(&mut packer_in(made.directory.path(), &["inspect", "signed"])).stdout();
    assert!(text.contains("\nsignatures   test-1: 1 store paths (packer verify checks"), "{text}");
    let info = bundle.inspect();
    assert_eq!(info["signatures"]["test-1"], 1);
    let paths = info["store_paths"].as_array().expect("a list");
    let root = made.root.path.to_str().unwrap();
    let root = paths.iter().find(|path| path["path"] == root).expect("the root is in it");
    let deriver = root["info"]["deriver"].as_str().expect("it was built");
    assert!(deriver.ends_with("-signed-1.0.drv"), "{deriver}");
    assert_eq!(root["info"]["references"].as_array().map(Vec::len), Some(3), "{root}");
    assert_eq!(root["partial"], false);
}
