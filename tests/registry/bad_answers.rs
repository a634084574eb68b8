//! Registries that refuse, fail or lie: nothing is lost or half written.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::run;

use crate::calls::Home;
use tests::server::{Answer, Request, Server};

const BUNDLE: &str = "application/vnd.packer.bundle.v1";

fn digest(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("make a file");
    std::fs::write(file.path(), bytes).expect("write it");
    let sum = run(Command::new("sha256sum").arg(file.path())).text();
    format!("sha256:{}", sum.split(' ').next().expect("a sum"))
}

/// A manifest of a bundle with this content.
fn manifest(content: &[u8]) -> String {
    let layer = json!({ "mediaType": BUNDLE, "digest": digest(content), "size": content.len() });
    json!({ "schemaVersion": 2, "artifactType": BUNDLE, "layers": [layer] }).to_string()
}

/// Pulls from a server over an older file, which must not change; returns the two lines.
fn refused(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> (String, String) {
    let (server, home) = (Server::start(answer), Home::new());
    home.file("markov", "old");
    let name = format!("oci://{}", server.name("markov:1"));
    let (what, hint) = home.packer(&["pull", &name]).expect_refusal(1);
    assert_eq!((home.names(), home.read("markov")), (vec!["markov".to_owned()], b"old".to_vec()));
    let host = server.name("").trim_end_matches('/').to_owned();
    (what.replace(&host, "HOST"), hint.replace(&host, "HOST"))
}

#[test]
fn refusals_are_explained() {
    let errors = r#"{"errors":[{"code":"DENIED","message":"it is\nclosed"}]}"#;
    let log_in = "hint: log in with podman login HOST or docker login HOST";
    let cases = [
        (Answer::new(401), "packer: HOST asks for a name and a password", log_in),
        (
            Answer::new(401).header("WWW-Authenticate", r#"Basic realm="x""#),
            "packer: HOST asks for a name and a password",
            log_in,
        ),
        (
            Answer::new(403).body(errors),
            "packer: HOST/markov:1: the registry does not allow this (it is\\nclosed)",
            "hint: ask the owner of this name, or log in as another user",
        ),
        (
            Answer::new(404),
            "packer: HOST/markov:1 is not in the registry",
            "hint: check the name and the tag",
        ),
        (
            Answer::new(429).header("Retry-After", "3600"),
            "packer: HOST has had too many requests",
            "hint: try again in 3600 seconds",
        ),
        (
            Answer::new(500),
            "packer: HOST answers 500 Internal Server Error",
            "hint: try again later, or ask who runs the registry",
        ),
        (
            Answer::new(418).body("<html>a pot of tea</html>"),
            "packer: HOST answers 418 I'm a teapot",
            "hint: try again later, or ask who runs the registry",
        ),
        (
            Answer::new(200).body("{}").header("Docker-Content-Digest", digest(b"other")),
            "packer: HOST sends a manifest that is not 1",
            "hint: ask who runs the registry: it is broken, or somebody changed its data",
        ),
        (
            Answer::new(200).body("<html>log in</html>"),
            "packer: HOST sends no manifest for HOST/markov:1",
            "hint: ask who runs the registry: it is broken, or somebody changed its data",
        ),
        (
            Answer::new(200).body(vec![b' '; (4 << 20) + 1]),
            "packer: HOST sends more than 4194304 bytes for HOST/markov:1",
            "hint: ask who runs the registry: it is broken, or somebody changed its data",
        ),
    ];
    for (answer, what, hint) in cases {
        let lines = refused(move |_, _| answer.clone());
        assert_eq!((lines.0.as_str(), lines.1.as_str()), (what, hint));
    }
    let (what, hint) = refused(|_, _| Answer::none());
    assert!(what.starts_with("packer: the connection to HOST broke off 5 times: "), "{what}");
    assert_eq!(hint, "hint: try again: blobs that have arrived are not sent again");
}

/// Blobs that are not what the manifest says.
#[test]
fn lies_are_found() {
    let content = vec![b'a'; 100_000];
    let cases = [
        (Answer::new(200).body(vec![b'b'; 100_000]), "other bytes"),
        (Answer::new(200).body(vec![b'a'; 100_001]), "too many bytes"),
        (Answer::new(200).body(vec![b'a'; 99_999]), "too few bytes"),
        (
            Answer::new(206).body(content.clone()).header("Content-Range", "bytes 1-100000/100001"),
            "another range",
        ),
    ];
    for (blob, expected) in cases {
        let text = manifest(&content);
        let (what, hint) = refused(move |request, _| match request.path.contains("/manifests/") {
            true => Answer::new(200).body(text.clone()),
            false => blob.clone(),
        });
        assert_eq!(what, format!("packer: HOST sends {expected} for {}", digest(&content)));
        assert!(hint.contains("somebody changed its data"), "{hint}");
    }
    // By digest, the manifest cannot be another one.
    let server = Server::start(|_, _| Answer::new(200).body("{}"));
    let name = format!("oci://{}@{}", server.name("markov"), digest(b"other"));
    let (what, _) = Home::new().packer(&["pull", &name]).expect_refusal(1);
    assert!(what.contains("sends a manifest that is not sha256:"), "{what}");
}

/// What a manifest says is not believed: names that lead elsewhere, lengths that no disk has.
#[test]
fn hostile_manifests_do_no_harm() {
    let layer = |digest: &str, size: u64, title: &str| {
        json!({ "mediaType": BUNDLE, "digest": digest, "size": size,
                "annotations": { "org.opencontainers.image.title": title } })
    };
    let good = digest(b"content");
    let layers = [
        layer("sha256:../../../etc/passwd", 7, "x"),
        layer("md5:00", 7, "x"),
        layer(&good, u64::MAX, "x"),
        json!({ "mediaType": BUNDLE, "digest": good, "size": -1 }),
    ];
    for layer in layers {
        let text = json!({ "schemaVersion": 2, "layers": [layer] }).to_string();
        refused(move |request, _| match request.path.contains("/manifests/") {
            true => Answer::new(200).body(text.clone()),
            false => Answer::new(200).body("content"),
        });
    }
    // A title is not where the file goes.
    let mut signature = layer(&good, 7, "/tmp/other.sig");
    signature["mediaType"] = "application/vnd.packer.signature.v1".into();
    let text =
        json!({ "schemaVersion": 2, "layers": [layer(&good, 7, "../up"), signature] }).to_string();
    let server = Server::start(move |request, _| match request.path.contains("/manifests/") {
        true => Answer::new(200).body(text.clone()),
        false => Answer::new(200).body("content"),
    });
    let home = Home::new();
    home.packer(&["pull", &format!("oci://{}", server.name("markov:1"))]).expect_code(0);
    assert_eq!(home.names(), ["markov", "markov.sig"]);
    assert!(!Path::new("/tmp/other.sig").exists());
}

/// A registry that is busy, fails now and then, and breaks off: packer goes on from where it was.
#[test]
fn a_pull_outlasts_short_failures() {
    let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (text, blob) = (manifest(&content), content.clone());
    let server = Server::start(move |request, before| {
        let is_manifest = request.path.contains("/manifests/");
        let start = request.headers.get("range").map_or(0, |range| {
            range["bytes=".len()..].trim_end_matches('-').parse().expect("a number")
        });
        let rest = Answer::new(206)
            .header("Content-Range", format!("bytes {start}-999999/1000000"))
            .body(&blob[start..]);
        match (is_manifest, before) {
            (true, 0) => Answer::new(429).header("Retry-After", "1"),
            (true, 1) => Answer::none(),
            (true, _) => Answer::new(200).body(text.clone()),
            (false, 0) => Answer::new(503),
            (false, 1) => Answer::new(200).body(blob.clone()).cut(300_000),
            (false, 2) => rest.cut(300_000),
            // One that does not know ranges any more.
            (false, 3) => Answer::new(200).body(blob.clone()).cut(700_000),
            (false, _) => rest,
        }
    });
    let home = Home::new();
    home.packer(&["pull", &format!("oci://{}", server.name("markov:1"))]).expect_code(0);
    assert_eq!(home.read("markov"), content);
    let requests = server.requests();
    let ranges: Vec<_> = requests.iter().filter_map(|it| it.headers.get("range")).collect();
    assert_eq!(ranges, ["bytes=300000-", "bytes=600000-", "bytes=700000-"]);
}

/// A transfer that never gets further ends.
#[test]
fn a_pull_without_progress_ends() {
    let content = vec![b'a'; 1000];
    let text = manifest(&content);
    let (what, _) = refused(move |request, before| match request.path.contains("/manifests/") {
        true => Answer::new(200).body(text.clone()),
        false if before == 0 => Answer::new(200).body(content.clone()).cut(500),
        false => Answer::new(206)
            .header("Content-Range", "bytes 500-999/1000")
            .body(&content[500..])
            .cut(0),
    });
    assert!(what.starts_with("packer: the connection to HOST broke off 5 times: "), "{what}");
}

/// The steps of a push, one of which fails.
#[test]
fn a_push_that_is_refused_is_explained() {
    let cases = [
        ("HEAD", Answer::new(403), "HOST/markov:1: the registry does not allow this"),
        ("POST", Answer::new(403), "HOST/markov:1: the registry does not allow this"),
        ("POST", Answer::new(202), "HOST sends no place for an upload"),
        (
            "POST",
            Answer::new(202).header("Location", "ftp://x/"),
            "HOST sends ftp://x/ as the place for an upload",
        ),
        (
            "PUT",
            Answer::new(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#),
            "HOST answers 400 Bad Request (DIGEST_INVALID)",
        ),
        (
            "PUT",
            Answer::new(201).header("Docker-Content-Digest", digest(b"other")),
            "as the digest of",
        ),
        (
            "POST",
            Answer::new(202).header("Location", "https://127.0.0.1:1/x"),
            "cannot reach 127.0.0.1:1: ",
        ),
        ("PUT", Answer::new(413), "HOST answers 413 Payload Too Large"),
        ("PUT", Answer::new(500), "HOST answers 500 Internal Server Error"),
    ];
    for (method, answer, expected) in cases {
        let server = Server::start(move |request, _| match request.method.as_str() {
            it if it == method => answer.clone(),
            "HEAD" => Answer::new(404),
            "POST" => Answer::new(202).header("Location", "/upload"),
            _ => Answer::new(201),
        });
        let home = Home::new();
        home.bundle("markov");
        let name = format!("oci://{}", server.name("markov:1"));
        let (what, _) = home.packer(&["push", "markov", &name, "--plain-http"]).expect_refusal(1);
        let host = server.name("");
        let what = what.replace(host.trim_end_matches('/'), "HOST");
        assert!(what.contains(expected), "{expected} in {what}");
        let is_tagged = |it: &Request| it.method == "PUT" && it.path.contains("/manifests/");
        assert!(!server.requests().iter().any(is_tagged), "nothing has the tag");
    }
}

/// A password is for the registry, not for where it sends an upload to.
#[test]
fn a_password_goes_nowhere_else() {
    let other = Server::start(|_, _| Answer::new(201));
    let place = format!("http://{}", other.name("upload?state=1"));
    let server = Server::start(move |request, _| match request.method.as_str() {
        _ if !request.headers.contains_key("authorization") => {
            Answer::new(401).header("WWW-Authenticate", r#"Basic realm="x""#)
        }
        "HEAD" => Answer::new(404),
        "POST" => Answer::new(202).header("Location", place.clone()),
        _ => Answer::new(201),
    });
    let home = Home::new();
    home.bundle("markov");
    let host = server.name("");
    let content = json!({ "auths": { host.trim_end_matches('/'): { "auth": "YTpi" } } });
    home.file(".docker/config.json", content.to_string());
    home.packer(&["push", "markov", &format!("oci://{}", server.name("markov:1"))]).expect_code(0);
    let requests = other.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert!(request.path.starts_with("/upload?state=1&digest=sha256:"), "{}", request.path);
        assert_eq!(request.headers.get("authorization"), None);
    }
}
