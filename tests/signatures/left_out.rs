//! What is not whole, or was packed without what Nix knows, has nobody who vouches.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tests::{Bundle, run, source};

use crate::closure::{Made, Offline};

#[test]
fn a_store_path_without_some_files_is_named() {
    let made = Made::new();
    let key = made.key("test-1");
    made.sign(&key, &[&made.root.path, &made.other]);
    let bundle = made.pack(&[("--exclude", "share/man")]);
    let offline = Offline::with(&bundle);
    let trusted = ["--trusted-key", key.public.as_str()];
    assert_eq!(
        offline.report(&trusted),
        format!(
            "1 of 3 store paths signed by test-1, 1 named by their content, 1 by nobody:\n  \
             {}: files were left out when it was packed\n",
            made.other.display()
        )
    );
    let report = offline.json(&trusted);
    let verdicts = report["store_paths"].as_array().expect("a list").iter();
    assert_eq!(verdicts.filter(|path| path["verdict"] == "partial").count(), 1);
    offline.verify(&[&trusted[..], &["--require-signatures"]].concat()).expect_code(1);

    // What refers to a store path that was left out as a whole is still what was signed.
    let without = made.pack(&[("--exclude", made.other.to_str().unwrap())]);
    let report = Offline::with(&without).report(&trusted);
    assert_eq!(report, "1 of 2 store paths signed by test-1, 1 named by their content\n");
}

#[test]
fn without_path_info_nothing_is_known() {
    let made = Made::new();
    made.sign(&made.key("test-1"), &[&made.root.path]);
    let builder = || Bundle::of(&made.root).entry("/bin/signed");
    let bundle = builder().without_path_info().pack_into(made.directory.path());
    let offline = Offline::with(&bundle);
    assert_eq!(offline.report(&[]), "it keeps no signatures: Nix's database was not asked\n");
    offline.verify(&["--require-signatures"]).expect_code(1);
    // The same as if there were no Nix.
    let bytes = fs::read(&bundle.path).unwrap();
    let mut scanned = builder().command();
    run(scanned.env("PATH", "/nowhere").arg("-o").arg(&bundle.path)).expect_code(0);
    assert!(fs::read(&bundle.path).unwrap() == bytes);
    // Without the option, the same bytes each time.
    let first = fs::read(made.pack(&[]).path).unwrap();
    assert!(first != bytes);
    assert!(fs::read(made.pack(&[("--threads", "1")]).path).unwrap() == first);
}

#[test]
fn an_old_bundle_keeps_no_signatures() {
    for version in [1, 2] {
        let bundle = Bundle { path: source().join(format!("tests/docs/golden/version-{version}")) };
        let offline = Offline::with(&bundle);
        let expected = format!("a bundle of format version {version} keeps no signatures\n");
        assert_eq!(offline.report(&[]), expected);
        offline.verify(&["--require-signatures"]).expect_code(1);
    }
}

#[test]
fn a_store_that_is_not_what_nix_knows_is_reported() {
    let made = Made::new();
    let key = made.key("test-1");
    made.sign(&key, &[&made.root.path, &made.other]);
    // As a broken disk would.
    let file = made.other.join("share/name");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "OTHER\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    let mut command = Bundle::of(&made.root).entry("/bin/signed").command();
    let path = made.directory.path().join("signed");
    let ended = run(command.arg("-o").arg(&path));
    ended.expect_code(0);
    let stderr = ended.stderr();
    let expected = format!(
        "packer: warning: the files of {} are not those that Nix knows\n",
        made.other.display()
    );
    assert!(stderr.starts_with(&expected) && stderr.contains("\nhint: "), "{stderr}");
    let report = Offline::with(&Bundle { path }).report(&["--trusted-key", &key.public]);
    assert!(report.contains("the bundle does not keep its signatures"), "{report}");
    assert!(report.starts_with("1 of 3 store paths signed by test-1, "), "{report}");
}
