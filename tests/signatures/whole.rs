//! A bundle as a whole: packer and the tool minisign make and check each other's signatures.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tests::{Bundle, Ended, run};

use crate::closure::packer_in;
use crate::keys::feed;

/// A directory with a bundle, `probe`.
fn home() -> TempDir {
    let directory = tempfile::tempdir().expect("make a directory");
    fs::copy(Bundle::probe().path, directory.path().join("probe")).expect("copy a bundle");
    directory
}

fn packer(home: &TempDir, arguments: &[&str]) -> Ended {
    run(&mut packer_in(home.path(), arguments))
}

fn minisign(home: &TempDir, arguments: &[&str]) -> Command {
    tests::need(&["minisign"]);
    let mut command = Command::new("minisign");
    command.current_dir(home.path()).args(arguments);
    command
}

fn id(home: &TempDir) -> String {
    let info = run(Command::new(home.path().join("probe")).env("PACKED", "info")).text();
    let id = info.split_whitespace().find(|word| word.len() == 64).expect("info has the identity");
    id.to_owned()
}

#[test]
fn minisign_checks_what_packer_signs() {
    let home = home();
    let made = packer(&home, &["keygen", "--no-password"]).stdout();
    let public = fs::read_to_string(home.path().join("packer.pub")).unwrap();
    let key = public.lines().nth(1).unwrap();
    assert!(made.starts_with("packer.key is the secret key ") && made.contains(key), "{made}");
    let signed = packer(&home, &["sign", "probe"]).stdout();
    let comment = signed.strip_prefix("probe.minisig: ").expect("the signature is named").trim();
    let fields: Vec<&str> = comment.split('\t').collect();
    assert!(fields[0].starts_with("timestamp:1"), "{comment}");
    assert_eq!(fields[1..], ["name:probe".to_owned(), format!("bundle:{}", id(&home))]);

    let checked = run(&mut minisign(&home, &["-V", "-p", "packer.pub", "-m", "probe"])).text();
    assert!(checked.contains(&format!("Trusted comment: {comment}\n")), "{checked}");
    run(&mut minisign(&home, &["-V", "-P", key, "-m", "probe"])).expect_code(0);
    for given in ["packer.pub", key] {
        let verified = packer(&home, &["verify", "probe", "--public-key", given]).stdout();
        let first = verified.lines().next().unwrap();
        assert!(first.starts_with("probe.minisig: signed by the key "), "{verified}");
        assert!(verified.contains(" store paths are as they were packed\n"), "{verified}");
    }
    let json = packer(&home, &["verify", "probe", "--public-key", key, "--json"]).stdout();
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["signed_as_whole"]["signature"], "probe.minisig");
    let number = report["signed_as_whole"]["key"].as_str().expect("a number");
    assert!(public.contains(number), "{number} in {public}");
    // Signed anew, over the old signature.
    packer(&home, &["sign", "probe", "--key", "packer.key"]).expect_code(0);
    packer(&home, &["verify", "probe", "--public-key", key]).expect_code(0);
}

#[test]
fn packer_checks_what_minisign_signs() {
    let home = home();
    run(&mut minisign(&home, &["-G", "-W", "-s", "a.key", "-p", "a.pub"])).expect_code(0);
    let sign = ["-S", "-s", "a.key", "-t", "what\u{1b} it is", "-m", "probe"];
    run(&mut minisign(&home, &sign)).expect_code(0);
    let verified = packer(&home, &["verify", "probe", "--public-key", "a.pub"]).stdout();
    assert!(verified.lines().next().unwrap().ends_with(": what\\u{1b} it is"), "{verified}");
    // With its key, packer signs.
    fs::remove_file(home.path().join("probe.minisig")).unwrap();
    packer(&home, &["sign", "probe", "--key", "a.key"]).expect_code(0);
    run(&mut minisign(&home, &["-V", "-p", "a.pub", "-m", "probe"])).expect_code(0);
    // The form of old versions, for which the file would have to fit into memory.
    run(&mut minisign(&home, &["-S", "-l", "-s", "a.key", "-m", "probe"])).expect_code(0);
    let (what, _) = packer(&home, &["verify", "probe", "--public-key", "a.pub"]).expect_refusal(1);
    assert!(what.contains("the form of minisign before version 0.10"), "{what}");
}

#[test]
fn passwords_are_those_of_minisign() {
    let home = home();
    let own = ["keygen", "--key", "own.key"];
    run(packer_in(home.path(), &own).env("PACKER_KEY_PASSWORD", "secret")).expect_code(0);
    let sign = ["-S", "-s", "own.key", "-m", "probe"];
    feed(&mut minisign(&home, &sign), "secret\n").expect_code(0);
    packer(&home, &["verify", "probe", "--public-key", "own.pub"]).expect_code(0);

    let generate = ["-G", "-s", "other.key", "-p", "other.pub"];
    feed(&mut minisign(&home, &generate), "word\nword\n").expect_code(0);
    let sign = || packer_in(home.path(), &["sign", "probe", "--key", "other.key"]);
    feed(&mut sign(), "word\n").expect_code(0);
    run(&mut minisign(&home, &["-V", "-p", "other.pub", "-m", "probe"])).expect_code(0);
    let (what, _) = feed(&mut sign(), "wrong\n").expect_refusal(1);
    assert_eq!(what, "packer: the password for other.key is wrong");
    let (what, hint) = feed(&mut sign(), "").expect_refusal(1);
    assert_eq!(what, "packer: there is no password for other.key");
    assert!(hint.contains("PACKER_KEY_PASSWORD"), "{hint}");
}

/// No digest in the file is over the stub's code. A signature is over every byte.
#[test]
fn an_altered_stub_is_noticed() {
    let home = home();
    packer(&home, &["keygen", "-W"]).expect_code(0);
    packer(&home, &["sign", "probe"]).expect_code(0);
    let path = home.path().join("probe");
    let mut bytes = fs::read(&path).unwrap();
    // Code, far from the headers at the start and from the descriptor.
    let at = Bundle { path: path.clone() }.payload() / 2;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    packer(&home, &["verify", "probe"]).expect_code(0);
    let verify = ["verify", "probe", "--public-key", "packer.pub"];
    let (what, hint) = packer(&home, &verify).expect_refusal(1);
    assert_eq!(what, "packer: probe.minisig is not a signature of this bundle");
    assert!(hint.contains("do not run it"), "{hint}");
    run(&mut minisign(&home, &["-V", "-p", "packer.pub", "-m", "probe"])).expect_code(1);
}

#[test]
fn wrong_keys_and_signatures_are_told_apart() {
    let home = home();
    let verify = |key: &str| packer(&home, &["verify", "probe", "--public-key", key]);
    packer(&home, &["keygen", "-W"]).expect_code(0);
    packer(&home, &["keygen", "-W", "--key", "b.key", "--public-key", "b"]).expect_code(0);
    let (what, _) = verify("packer.pub").expect_refusal(1);
    assert!(what.starts_with("packer: cannot read probe.minisig: "), "{what}");
    packer(&home, &["sign", "probe"]).expect_code(0);
    let (what, _) = verify("b").expect_refusal(1);
    assert!(what.starts_with("packer: probe.minisig is by the key "), "{what}");
    let (what, _) = verify("packer.key").expect_refusal(1);
    assert_eq!(what, "packer: packer.key is not a public key of minisign's");
    let (what, _) = packer(&home, &["sign", "probe", "--key", "packer.pub"]).expect_refusal(1);
    assert_eq!(what, "packer: packer.pub is not a secret key of minisign's");
    let (what, _) = packer(&home, &["sign", "packer.pub"]).expect_refusal(1);
    assert_eq!(what, "packer: packer.pub is not a bundle");
    let signature = home.path().join("probe.minisig");
    let text = fs::read_to_string(&signature).unwrap();
    // A second signature that is too short.
    let short = text.lines().take(3).collect::<Vec<_>>().join("\n") + "\nAAAA\n";
    for (damaged, expected) in [
        (text.replacen("name:", "nome:", 1), "is not a signature of this bundle"),
        (short, "is not a signature of minisign's: "),
        ("\u{0}".repeat(100_000), "is not a signature of minisign's: "),
        (String::new(), "is not a signature of minisign's: "),
    ] {
        fs::write(&signature, damaged).unwrap();
        let (what, _) = verify("packer.pub").expect_refusal(1);
        assert!(what.contains(expected), "{what}");
    }
}

#[test]
fn keys_are_not_overwritten() {
    let home = home();
    packer(&home, &["keygen", "-W"]).expect_code(0);
    let read = |name: &str| fs::read(home.path().join(name)).unwrap();
    let mode = |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode();
    assert_eq!((mode("packer.key") & 0o777, mode("packer.pub") & 0o777), (0o600, 0o644));
    let before = (read("packer.key"), read("packer.pub"));
    for arguments in [
        &["keygen", "-W"][..],
        &["keygen", "-W", "--public-key", "other.pub"],
        &["keygen", "-W", "--key", "other.key", "--public-key", "packer.pub"],
    ] {
        let (what, _) = packer(&home, arguments).expect_refusal(1);
        assert!(what.ends_with(" exists already"), "{what}");
    }
    assert_eq!((read("packer.key"), read("packer.pub")), before);
    let exists = |name: &str| Path::new(&home.path().join(name)).exists();
    assert!(!exists("other.key") && !exists("other.pub"));
    let (what, _) =
        feed(&mut packer_in(home.path(), &["keygen", "--key", "x"]), "\n").expect_refusal(1);
    assert_eq!(what, "packer: there is no password for x");
    assert!(!exists("x"));
}
