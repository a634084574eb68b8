//! Bundles go to a registry and come back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tests::{packer, run};

use crate::calls::Home;
use crate::debian::Registry;

/// The digest that push and pull print.
fn digest(text: &str) -> String {
    let at = text.find("sha256:").unwrap_or_else(|| panic!("no digest: {text}"));
    text[at..at + 71].to_owned()
}

#[test]
fn a_bundle_comes_back_as_it_was() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("probe");
    home.file("probe.minisig", "signature");
    let name = format!("oci://{}", registry.name("me/markov:1.0"));
    let pushed = home.packer(&["push", "probe", &name]).stdout();
    assert!(pushed.contains(": 3 of 3 blobs sent, "), "{pushed}");

    let pulled = home.packer(&["pull", &name]).stdout();
    assert_eq!(digest(&pulled), digest(&pushed));
    assert_eq!(home.names(), ["markov", "markov.minisig", "probe", "probe.minisig"]);
    assert_eq!(home.read("markov"), home.read("probe"));
    assert_eq!(home.read("markov.minisig"), b"signature");
    let mode = |name: &str| home.path().join(name).metadata().unwrap().permissions().mode() & 0o111;
    assert_eq!((mode("markov") & 0o100, mode("markov.minisig")), (0o100, 0));

    // By digest, over an older file.
    home.file("other", "old");
    let by_digest = format!("oci://{}@{}", registry.name("me/markov"), digest(&pushed));
    let pulled = home.packer(&["pull", &by_digest, "-o", "other"]).stdout();
    assert_eq!(pulled, format!("other is {}\n", &by_digest["oci://".len()..]));
    assert_eq!(home.read("other"), home.read("probe"));
}

/// What `packer sign` writes is what `packer push` looks for.
#[test]
fn a_signature_goes_with_its_bundle() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("probe");
    home.packer(&["keygen", "--no-password"]).expect_code(0);
    home.packer(&["sign", "probe"]).expect_code(0);
    let name = format!("oci://{}", registry.name("me/markov:1.0"));
    home.packer(&["push", "probe", &name]).expect_code(0);
    home.packer(&["pull", &name]).expect_code(0);
    let verified = home.packer(&["verify", "markov", "--public-key", "packer.pub"]).stdout();
    assert!(verified.starts_with("markov.minisig: signed by the key "), "{verified}");
}

/// skopeo reads the manifest, with the names that docs/registry.md has.
#[test]
fn a_bundle_is_an_artifact_with_its_identity() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("markov");
    let name = registry.name("markov:1.0");
    home.packer(&["push", "markov", &format!("oci://{name}")]).expect_code(0);
    let mut skopeo = home.command("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    let manifest: Value =
        serde_json::from_str(&run(&mut skopeo).text()).expect("a manifest is JSON");
    assert_eq!(manifest["artifactType"], "application/vnd.packer.bundle.v1");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.packer.bundle.v1");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "markov");
    // The bundle says of itself which it is.
    let info = run(home.command(home.path().join("markov")).env("PACKED", "info")).text();
    let id = manifest["annotations"]["packer.bundle.id"].as_str().expect("an identity");
    assert!(info.contains(id), "{id} in {info}");
}

#[test]
fn a_second_push_only_asks() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("markov");
    let name = format!("oci://{}", registry.name("markov:1.0"));
    let first = home.packer(&["push", "markov", &name]).stdout();
    let methods = |requests: Vec<String>| -> Vec<String> {
        requests.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    let requests = methods(registry.requests());
    let sending = ["HEAD", "HEAD", "POST", "PUT", "POST", "PUT", "HEAD", "PUT"];
    assert_eq!(requests, sending);
    let second = home.packer(&["push", "markov", &name]).stdout();
    assert_eq!(methods(registry.requests()), ["HEAD", "HEAD", "HEAD"]);
    assert_eq!(digest(&first), digest(&second));
    assert!(second.contains(": 0 of 2 blobs sent, 0 B"), "{second}");
}

#[test]
fn what_is_no_bundle_is_refused() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.file("text", "text");
    let name = registry.name("text:1");
    let cases: [(&[&str], &str, &str); 6] = [
        (&["push", "text", &format!("oci://{name}")], "text is not a bundle", "packer build"),
        (
            &["push", "text", &name],
            "text is not an OCI image layout: it is not a tar archive",
            "oci://",
        ),
        (&["push", "none", &name], "cannot open none", "check the path"),
        (
            &["push", "text", "markov:1.0"],
            "markov:1.0 is not the name of an image",
            "REGISTRY/NAME:TAG",
        ),
        (&["pull", &name], "does not begin with oci://", "skopeo"),
        (&["pull", &format!("oci://{name}")], "text:1 is not in the registry (", "check the name"),
    ];
    for (arguments, what, hint) in cases {
        let lines = home.packer(arguments).expect_refusal(1);
        assert!(lines.0.contains(what) && lines.1.contains(hint), "{what}: {lines:?}");
    }
    assert_eq!(home.names(), ["text"]);
}

#[test]
fn only_files_are_replaced() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("markov");
    home.file("markov.sig", "signature");
    let name = format!("oci://{}", registry.name("markov:1.0"));
    home.packer(&["push", "markov", &name]).expect_code(0);
    fs::create_dir(home.path().join("directory")).unwrap();
    symlink("/dev/null", home.path().join("link")).unwrap();
    symlink("/dev/null", home.path().join("other.sig")).unwrap();
    let before = home.names();
    for output in ["directory", "link", "other"] {
        let (what, hint) = home.packer(&["pull", &name, "-o", output]).expect_refusal(1);
        assert!(what.contains("cannot be replaced: it is not a file"), "{what}");
        assert!(hint.contains("-o"), "{hint}");
        assert_eq!(home.names(), before);
    }
    assert!(Path::new("/dev/null").metadata().is_ok_and(|there| !there.is_file()));
}

/// On a disk of its own, which the kernel removes with the namespace.
#[test]
fn a_full_disk_keeps_the_old_file() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("markov");
    let name = format!("oci://{}", registry.name("markov:1.0"));
    home.packer(&["push", "markov", &name]).expect_code(0);
    fs::create_dir(home.path().join("disk")).unwrap();
    let script = "mount -t tmpfs -o size=100k tmpfs disk && cd disk && echo old > markov && chmod 600 markov\n\
                  \"$1\" pull \"$2\" 2>&1; echo $?; ls -A; cat markov";
    let mut unshare = home.command("unshare");
    unshare.args(["--mount", "sh", "-c", script, "sh"]).arg(packer()).arg(&name);
    let text = run(&mut unshare).stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "packer: cannot write markov: No space left on device (os error 28)");
    assert!(lines[1].starts_with("hint: make room on that disk"), "{text}");
    assert_eq!(lines[2..], ["1", "markov", "old"]);
}

/// Who may not write the directory learns it before anything is asked of the registry.
#[test]
fn a_closed_directory_is_named() {
    let home = Home::new();
    let output = "/proc/markov";
    let (what, _) =
        home.packer(&["pull", "oci://127.0.0.1:1/markov:1", "-o", output]).expect_refusal(1);
    assert!(what.starts_with("packer: cannot write /proc/markov"), "{what}");
}
