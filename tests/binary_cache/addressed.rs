//! Store paths whose names follow from their content: nobody has to sign them, and they cannot be altered.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tests::{nix_command, run};

use crate::machine::Machine;
use crate::made::{Cache, Change, NAMES, made, shell};

/// Puts another content in the place of a store path's: a narinfo that fits a NAR of `file`.
fn alter(cache: &Cache, name: &str, file: &str) {
    let nar = cache.nar(name).display().to_string();
    shell(cache, &format!("nix-store --dump {file} > {nar}")).expect_code(0);
    let text = |command: &str| shell(cache, command).text().trim().to_owned();
    let hash = text(&format!("nix-hash --type sha256 --flat --base32 {nar}"));
    let len = text(&format!("stat -c %s {nar}"));
    cache.set(name, "NarHash", Some(&format!("sha256:{hash}")));
    cache.set(name, "NarSize", Some(&len));
    cache.forget_file(name);
    cache.set(name, "Sig", None);
}

#[test]
fn names_vouch_for_texts_and_directories() {
    let (machine, cache) = (Machine::new(), Cache::new("none"));
    for name in ["cached-source", "cached-text"] {
        assert!(!cache.field(name, "CA").is_empty());
        cache.set(name, "Sig", None);
    }
    let ended = machine.build(&["--from", &machine.install(&cache), "--no-path-info"]).run();
    ended.expect_quiet();
    assert!(machine.bundle() == crate::machine::packed_from_store(&["--no-path-info"]));
}

/// Another content in the place of a store path's, which a script makes as `other`.
fn altered(name: &'static str, script: &'static str) -> impl Fn(&Cache) {
    move |cache| {
        shell(cache, script).expect_code(0);
        alter(cache, name, "other");
    }
}

#[test]
fn altered_content_is_refused() {
    let (content, naming) =
        ("its content address is for another content", "its content address makes another name");
    let address = |cache: &Cache| {
        let hash = cache.field(NAMES[1], "NarHash");
        cache.set("cached-text", "CA", Some(&format!("text:{hash}")));
    };
    let references = |cache: &Cache| {
        let references = cache.field(NAMES[1], "References");
        cache.set("cached-text", "References", references.split(' ').next());
        cache.set("cached-text", "Sig", None);
    };
    let cases: [(&str, Change<'_>, &str); 5] = [
        ("cached-text", &altered("cached-text", "echo other > other"), content),
        ("cached-text", &altered("cached-text", "cp /bin/true other"), content),
        ("cached-source", &altered("cached-source", "mkdir other"), naming),
        ("cached-text", &address, naming),
        ("cached-text", &references, naming),
    ];
    for (name, change, expected) in cases {
        let (machine, cache) = (Machine::new(), Cache::new("none"));
        change(&cache);
        let directory = machine.install(&cache);
        // The second run must not take what the first one has fetched; nor may it if nobody has to sign.
        for options in [&[][..], &[], &["--insecure-no-signatures"]] {
            let ended = machine.build(&["--from", &directory]).args(options).run();
            let (what, _) = ended.expect_refusal(1);
            assert!(what.ends_with(&format!("-{name}: {expected}")), "{options:?}: {what}");
        }
    }
}

/// Adds a file to the store as `nix-store` does, and copies it to a cache where nobody signs it.
fn added(arguments: &[&str], file: &str) -> (String, TempDir) {
    let directory = tempfile::tempdir().expect("make a directory");
    let path = directory.path().join(file);
    std::fs::write(&path, format!("content of {file}\n")).expect("write it");
    let path = run(nix_command("nix-store").args(arguments).arg(path)).text().trim().to_owned();
    copy(&path, directory.path());
    (path, directory)
}

fn copy(path: &str, to: &Path) {
    let url = format!("file://{}/unsigned", to.display());
    let mut copy = nix_command("nix");
    copy.env("HOME", to).env_remove("XDG_CACHE_HOME");
    run(copy.args(["copy", "--to", &url, path])).expect_code(0);
}

/// Puts what [`copy`] wrote on a machine.
fn install(machine: &Machine, unsigned: &TempDir) {
    let second = machine.host.outside("/srv/unsigned");
    // It may be an older one.
    let _ = std::fs::remove_dir_all(&second);
    run(Command::new("cp").arg("-rT").arg(unsigned.path().join("unsigned")).arg(second))
        .expect_code(0);
}

#[test]
fn every_kind_of_address_is_computed() {
    let machine = Machine::new();
    let cache = machine.install(&Cache::new("none"));
    let build = |path: &str, unsigned: &TempDir| {
        install(&machine, unsigned);
        machine.build(&["--from", &cache, "--from", "/srv/unsigned", "--closure", path]).run()
    };
    for arguments in
        [&["--add"][..], &["--add-fixed", "sha256"], &["--add-fixed", "--recursive", "sha256"]]
    {
        let (path, unsigned) = added(arguments, "cached-added");
        build(&path, &unsigned).expect_code(0);
    }
    // Others are not computed: somebody has to sign them.
    let (path, unsigned) = added(&["--add-fixed", "sha1"], "cached-sha1");
    let (what, _) = build(&path, &unsigned).expect_refusal(1);
    let expected =
        format!("packer: {path} from /srv/unsigned is not signed by a trusted key, but by nobody");
    assert_eq!(what, expected);
}

/// A name with a reference to itself in its content is not computed.
#[test]
fn references_to_itself_need_a_signature() {
    let library = run(nix_command("nix-store").args(["--query", "--requisites", &made().root]));
    let library = library.text();
    let library = library.lines().find(|line| line.ends_with("-cached-library")).expect("it");
    let mut rewrite = nix_command("nix");
    let printed = run(rewrite.args(["store", "make-content-addressed", "--json", library])).text();
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("it prints JSON");
    let path = printed["rewrites"][library].as_str().expect("a store path").to_owned();
    let (machine, directory) = (Machine::new(), tempfile::tempdir().expect("make one"));
    copy(&path, directory.path());
    let cache = machine.install(&Cache::new("none"));
    install(&machine, &directory);
    let ended =
        machine.build(&["--from", &cache, "--from", "/srv/unsigned", "--closure", &path]).run();
    let (what, _) = ended.expect_refusal(1);
    assert!(
        what.ends_with(
            "-cached-library from /srv/unsigned is not signed by a trusted key, but by nobody"
        ),
        "{what}"
    );
}
