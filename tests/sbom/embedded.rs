//! Documents inside bundles.

use std::fs;
use std::process::Command;

use format::{BUNDLE_VERSION, OLDEST_VERSION};
use tests::{Bundle, Closure, Host, Nix, User, run, source};

use crate::print;

fn sbom(bundle: &Bundle, form: &str) -> String {
    print(["sbom".as_ref(), bundle.path.as_os_str(), "--format".as_ref(), form.as_ref()])
}

#[test]
fn a_bundle_prints_its_own_where_there_is_no_nix() {
    let closure = Closure::example("hello");
    let builder = || Bundle::of(&closure).entry("/bin/hello");
    let (plain, bundle) = (builder().pack(), builder().flag("--sbom").pack());
    // What a bundle embeds is what anybody can make of it.
    let expected = sbom(&plain, "cyclonedx");
    assert_eq!(sbom(&bundle, "cyclonedx"), expected);
    for user in [User::ordinary(), User::root()] {
        let host = Host::new(user, Nix::Absent);
        let program = host.install(&bundle.path);
        assert_eq!(host.start(&program).env("PACKED", "sbom").run().stdout(), expected);
        assert!(!host.outside(host.cache()).exists(), "nothing was unpacked");
        assert_eq!(host.start(&program).run().stdout(), "Hello from a closure of two paths.\n");

        let (what, hint) =
            host.start(host.install(&plain.path)).env("PACKED", "sbom").run().refusal();
        assert_eq!(what, "packed: this bundle has no bill of materials");
        assert!(hint.contains("packer build --sbom"), "{hint}");
    }
}

#[test]
fn no_hash_stands_in_a_bundle_with_one() {
    let closure = Closure::example("markov");
    let bundle = Bundle::of(&closure).entry("/bin/markov").option("--level", "1").flag("--sbom");
    let bytes = fs::read(bundle.pack().path).unwrap();
    let mut named = closure.requisites();
    for path in closure.requisites() {
        let deriver = run(Command::new("nix-store").args(["--query", "--deriver", &path])).text();
        named.extend(deriver.lines().filter(|line| line.starts_with('/')).map(str::to_owned));
    }
    for path in named {
        let hash = &path.as_bytes()["/nix/store/".len()..][..32];
        let first = bytes.windows(hash.len()).position(|window| window == hash);
        assert_eq!(first, None, "{path}");
    }
}

#[test]
fn bundles_of_each_version_have_one() {
    for version in OLDEST_VERSION..=BUNDLE_VERSION {
        let path = source().join(format!("tests/docs/golden/version-{version}"));
        // tests/docs says that there is one of each version.
        if path.exists() {
            let bundle = Bundle { path };
            let document: serde_json::Value =
                serde_json::from_str(&sbom(&bundle, "cyclonedx")).expect("it is JSON");
            assert_eq!(document["components"].as_array().map(Vec::len), Some(2), "{version}");
        }
    }
}
