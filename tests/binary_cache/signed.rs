//! Whose signatures count, and what happens without one.

use serde_json::Value;
use tests::Ended;

use crate::machine::{Machine, inspect};
use crate::made::{Cache, NAMES, made};

const UNSIGNED: &str = "hint: if you trust who signed it, give the key with --trusted-key NAME:BASE64; \
    --insecure-no-signatures takes what anybody made";

/// Packs after changes of the cache.
fn changed(change: impl Fn(&Cache)) -> Ended {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    change(&cache);
    let ended = machine.pack(&[&machine.install(&cache)]);
    assert_eq!(machine.has_bundle(), ended.status.success());
    ended
}

#[test]
fn keys_are_found_where_nix_has_them() {
    let cache = Cache::new("zstd");
    let made = made();
    let setting = format!("extra-trusted-public-keys = {}", made.key);
    let machine = Machine::new();
    let directory = machine.install(&cache);
    let build = || machine.build_of(&made.root).args(["--from", &directory]);
    let (what, hint) = build().run().expect_refusal(1);
    let expected = format!(
        "packer: {} from /srv/cache is not signed by a trusted key, but by test-1",
        made.root
    );
    assert_eq!((what, hint.as_str()), (expected, UNSIGNED));
    build().env("NIX_CONFIG", &setting).run().expect_code(0);
    machine.expect_bundle();
    machine.file(".config/nix/nix.conf", &setting);
    build().run().expect_code(0);
    let other = "test-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    build().args(["--trusted-key", other]).run().expect_code(0);
}

/// One signature that counts is enough, in any place.
#[test]
fn one_of_several_signatures_is_enough() {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    let good = cache.field(NAMES[1], "Sig");
    let foreign = good.replace("test-1", "other-1");
    cache.set(
        NAMES[1],
        "Sig",
        Some(&format!("nonsense\nSig: {foreign}\nSig: test-1:AAAA\nSig: {good}")),
    );
    let ended = machine.pack(&[&machine.install(&cache)]);
    ended.expect_code(0);
}

#[test]
fn unsigned_paths_are_refused() {
    let library = "-cached-library from /srv/cache is not signed by a trusted key, but by ";
    let (what, hint) = changed(|cache| cache.set(NAMES[1], "Sig", None)).expect_refusal(1);
    assert!(what.ends_with(&format!("{library}nobody")), "{what}");
    assert_eq!(hint, UNSIGNED);
    let foreign = |cache: &Cache| {
        let renamed = cache.field(NAMES[1], "Sig").replace("test-1", "other-\u{1b}1");
        cache.set(NAMES[1], "Sig", Some(&renamed));
    };
    let (what, _) = changed(foreign).expect_refusal(1);
    assert!(what.ends_with(&format!("{library}other-\\u{{1b}}1")), "{what}");
}

/// The signature is over the path, its references, and the NAR's hash and length.
#[test]
fn what_is_signed_cannot_be_changed() {
    type Value = fn(&Cache) -> String;
    let cases: [(&str, Value); 5] = [
        ("NarHash", |cache| cache.field(NAMES[1], "NarHash")),
        ("NarSize", |cache| format!("{}0", cache.field(NAMES[0], "NarSize"))),
        ("References", |cache| {
            let references = cache.field(NAMES[0], "References");
            references.split_once(' ').expect("several").1.to_owned()
        }),
        ("References", |cache| {
            let deriver = cache.field(NAMES[0], "Deriver");
            format!("{} {deriver}", cache.field(NAMES[0], "References"))
        }),
        ("Sig", |cache| cache.field(NAMES[1], "Sig")),
    ];
    for (field, value) in cases {
        let (what, hint) = changed(|cache| {
            let value = value(cache);
            cache.set(NAMES[0], field, Some(&value));
        })
        .expect_refusal(1);
        let expected = format!(
            "packer: binary cache /srv/cache is wrong about {}: its signature by test-1 is for something else",
            made().root
        );
        assert_eq!(what, expected, "{field}");
        assert!(hint.contains("somebody changed it"), "{hint}");
    }
}

/// A narinfo with a good signature, in the place of another one.
#[test]
fn another_path_is_refused() {
    let (what, _) = changed(|cache| {
        std::fs::copy(cache.narinfo(NAMES[2]), cache.narinfo(NAMES[1])).expect("copy it");
    })
    .expect_refusal(1);
    assert!(what.contains("-cached-library: it is for /nix/store/"), "{what}");
    assert!(what.ends_with("-cached-data"), "{what}");
}

#[test]
fn without_signatures_it_is_said_and_kept() {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    let directory = machine.install(&cache);
    machine.pack_all(&[&directory]);
    assert_eq!(inspect(&machine.bundle())["packed_unchecked"], false);

    // The content addresses vouch for the source and the text.
    for name in NAMES {
        cache.set(name, "Sig", None);
    }
    let directory = machine.install(&cache);
    let ended = machine.build(&["--from", &directory, "--insecure-no-signatures", "--json"]).run();
    let summary: Value = serde_json::from_str(&ended.text()).expect("it prints JSON");
    assert_eq!((&summary["fetched"], &summary["unvouched"]), (&5.into(), &3.into()), "{summary}");
    let stderr = ended.stderr();
    let line = "packer: warning: nobody that is trusted signed 3 of 5 store paths from binary caches\nhint: --insecure";
    assert!(stderr.starts_with(line), "{stderr}");
    assert_eq!(inspect(&machine.bundle())["packed_unchecked"], true);

    // Where all are signed, the option changes nothing.
    let directory = machine.install(&Cache::new("zstd"));
    machine.build(&["--from", &directory, "--insecure-no-signatures"]).run().expect_quiet();
    machine.expect_bundle();
}
