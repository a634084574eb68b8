//! What is asked, and where names and passwords are found.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;
use tests::{Ended, packer, run};

use crate::calls::Home;
use crate::debian::{PASSWORD, Registry};
use tests::server::{Answer, Server};

/// `alice:open:sesame` in Base64.
const ALICE: &str = "YWxpY2U6b3BlbjpzZXNhbWU=";

/// Pushes a bundle with TLS, and with more variables.
fn push(home: &Home, registry: &Registry, more: &[(&str, PathBuf)]) -> Ended {
    let mut command = home.command(packer());
    command.env("SSL_CERT_FILE", registry.certificate());
    command.envs(more.iter().map(|(name, value)| (name, value)));
    run(command.args(["push", "markov", &format!("oci://{}", registry.name("me/markov:1.0"))]))
}

fn file(registry: &Registry, auth: &str) -> String {
    json!({ "auths": { registry.host(): { "auth": auth } } }).to_string()
}

#[test]
fn a_registry_has_to_be_known_and_to_know_who_asks() {
    let (registry, home) = (Registry::secure(), Home::new());
    home.bundle("markov");
    let name = format!("oci://{}", registry.name("me/markov:1.0"));

    let (what, hint) = home.packer(&["push", "markov", &name]).expect_refusal(1);
    let host = registry.host();
    assert!(what.starts_with(&format!("packer: the connection to {host} is not safe: ")), "{what}");
    assert!(hint.contains("SSL_CERT_FILE=FILE"), "{hint}");

    let (what, hint) = push(&home, &registry, &[]).expect_refusal(1);
    assert_eq!(what, format!("packer: {host} asks for a name and a password"));
    assert_eq!(hint, format!("hint: log in with podman login {host} or docker login {host}"));

    // `alice:wrong`
    let path = home.file(".docker/config.json", file(&registry, "YWxpY2U6d3Jvbmc="));
    let (what, _) = push(&home, &registry, &[]).expect_refusal(1);
    let expected = format!("packer: {host} does not accept the credentials in {}", path.display());
    assert_eq!(what, expected);

    home.file(".docker/config.json", "{");
    let (what, hint) = push(&home, &registry, &[]).expect_refusal(1);
    assert!(what.ends_with("config.json: it is not JSON of the expected form"), "{what}");
    assert!(hint.contains("podman login"), "{hint}");

    let missing = home.path().join("missing");
    let (what, _) = push(&home, &registry, &[("SSL_CERT_FILE", missing.clone())]).expect_refusal(1);
    assert!(what.contains("cannot read the certificates of authorities: "), "{what}");
    let (what, _) = push(&home, &registry, &[("REGISTRY_AUTH_FILE", missing)]).expect_refusal(1);
    assert!(what.contains("cannot read ") && what.contains("missing"), "{what}");
}

#[test]
fn credentials_are_found_where_other_tools_keep_them() {
    let registry = Registry::secure();
    let cases = [
        (".docker/config.json", None),
        (".config/containers/auth.json", None),
        ("other/config.json", Some(("DOCKER_CONFIG", "other"))),
        ("run/containers/auth.json", Some(("XDG_RUNTIME_DIR", "run"))),
        ("config/containers/auth.json", Some(("XDG_CONFIG_HOME", "config"))),
        ("auth", Some(("REGISTRY_AUTH_FILE", "auth"))),
    ];
    for (name, variable) in cases {
        let home = Home::new();
        home.bundle("markov");
        home.file(name, file(&registry, ALICE));
        let variable = variable.map(|(name, value)| (name, home.path().join(value)));
        push(&home, &registry, variable.as_slice()).expect_code(0);
    }

    // As podman has them for a part of a registry, and as skopeo writes them.
    let home = Home::new();
    home.bundle("markov");
    let part = json!({ "auths": { registry.name("me"): { "auth": ALICE } } });
    home.file(".docker/config.json", part.to_string());
    push(&home, &registry, &[]).expect_code(0);
    fs::remove_file(home.path().join(".docker/config.json")).unwrap();
    home.file("certificates/ca.crt", fs::read(registry.certificate()).unwrap());
    let mut login = home.command("skopeo");
    login.args([
        "login",
        "--cert-dir",
        "certificates",
        "--authfile",
        ".config/containers/auth.json",
    ]);
    run(login.args(["--username", "alice", "--password", PASSWORD, registry.host()]))
        .expect_code(0);
    push(&home, &registry, &[]).expect_code(0);

    // What was sent comes back, with the same credentials.
    let mut pull = home.command(packer());
    pull.env("SSL_CERT_FILE", registry.certificate());
    pull.args(["pull", &format!("oci://{}", registry.name("me/markov:1.0")), "-o", "back"]);
    run(&mut pull).expect_code(0);
    assert_eq!(home.read("back"), home.read("markov"));
}

#[test]
fn helpers_are_asked() {
    let (registry, home) = (Registry::secure(), Home::new());
    home.bundle("markov");
    let helper = |text: &str| {
        let path = home.file("bin/docker-credential-test", format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    };
    let path = format!("{}/bin:/usr/bin:/bin", home.path().display());
    let host = registry.host();
    let stores = json!({ "credsStore": "test" });
    let helpers = json!({ "credHelpers": { host: "test" } });
    for content in [stores, helpers] {
        home.file(".docker/config.json", content.to_string());
        // Only the registry itself is known to it.
        helper(&format!(
            "read name; [ \"$name\" = {host} ] || {{ echo 'credentials not found in native keychain'; exit 1; }}\n\
             echo '{{\"Username\":\"alice\",\"Secret\":\"{PASSWORD}\"}}'"
        ));
        push(&home, &registry, &[("PATH", path.clone().into())]).expect_code(0);

        helper("read name; echo 'it is\nlocked' >&2; exit 1");
        let (what, hint) =
            push(&home, &registry, &[("PATH", path.clone().into())]).expect_refusal(1);
        assert!(what.ends_with("docker-credential-test failed: it is\\nlocked"), "{what}");
        assert!(hint.contains("docker login"), "{hint}");

        let (what, _) = push(&home, &registry, &[("PATH", "/usr/bin".into())]).expect_refusal(1);
        assert!(what.ends_with("its credential helper cannot be run"), "{what}");
    }
}

/// Docker Hub's way: the registry names a server that gives a token for what is to be done.
#[test]
fn tokens_are_asked_for() {
    for identity in [false, true] {
        let server = Server::start(move |request, before| {
            let host = &request.headers["host"];
            let token =
                format!("Bearer token-{}", if request.path.starts_with("/token") { 0 } else { 1 });
            match (request.path.as_str(), request.method.as_str()) {
                (path, "GET") if path.starts_with("/token?") && !identity => {
                    let alice = format!("Basic {ALICE}");
                    assert_eq!(request.headers.get("authorization"), Some(&alice));
                    Answer::new(200).body(r#"{"token":"token-1"}"#)
                }
                ("/token", "POST") if identity => {
                    Answer::new(200).body(r#"{"access_token":"token-1"}"#)
                }
                // The first token has expired when the tag is asked for.
                (path, "HEAD") if path.ends_with("manifests/1.0") && before == 0 => {
                    unauthorized(host)
                }
                _ if request.headers.get("authorization") != Some(&token) => unauthorized(host),
                (_, "HEAD") => Answer::new(404),
                (_, "POST") => Answer::new(201),
                (_, "PUT") => Answer::new(201),
                _ => Answer::new(404),
            }
        });
        let home = Home::new();
        home.bundle("markov");
        let host = server.name("");
        let secret =
            if identity { json!({ "identitytoken": "secret" }) } else { json!({ "auth": ALICE }) };
        let content = json!({ "auths": { host.trim_end_matches('/'): secret } });
        home.file(".docker/config.json", content.to_string());
        let name = format!("oci://{}", server.name("me/markov:1.0"));
        home.packer(&["push", "markov", &name, "--mount-from", "base/all"]).expect_code(0);
        let requests = server.requests();
        let tokens: Vec<_> = requests.iter().filter(|it| it.path.starts_with("/token")).collect();
        assert_eq!(tokens.len(), 2, "one, and a second when the first has expired");
        let asked = format!("{}{}", tokens[0].path, String::from_utf8_lossy(&tokens[0].body));
        let asked = asked.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        for part in ["service=test", "repository:me/markov:pull,push", "repository:base/all:pull"] {
            assert!(asked.contains(part), "{part} in {asked}");
        }
        assert_eq!(asked.contains("grant_type=refresh_token"), identity);
    }
}

/// The server for tokens knows another password, or gives no token.
#[test]
fn refused_tokens_are_explained() {
    let cases = [
        (
            Answer::new(401).body(r#"{"errors":[{"message":"wrong"}]}"#),
            "does not accept the credentials in",
            "(wrong)",
        ),
        (Answer::new(200).body("{}"), "sends an answer without a token", ""),
    ];
    for (answer, what, more) in cases {
        let server = Server::start(move |request, _| match request.path.starts_with("/token") {
            true => answer.clone(),
            false => unauthorized(&request.headers["host"]),
        });
        let home = Home::new();
        home.bundle("markov");
        let host = server.name("");
        let content = json!({ "auths": { host.trim_end_matches('/'): { "auth": ALICE } } });
        home.file(".docker/config.json", content.to_string());
        let name = format!("oci://{}", server.name("markov:1"));
        let lines = home.packer(&["push", "markov", &name]).expect_refusal(1);
        assert!(lines.0.contains(what) && lines.0.ends_with(more), "{lines:?}");
    }
}

fn unauthorized(host: &str) -> Answer {
    let challenge =
        format!(r#"Bearer realm="http://{host}/token",service="test",scope="repository:x:pull""#);
    Answer::new(401).header("WWW-Authenticate", challenge)
}

/// A name that is not this machine's: the host's names are changed for one process.
#[test]
fn a_registry_elsewhere_needs_tls() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("markov");
    home.file("hosts", "127.0.0.1 registry.test\n");
    let name = registry.name("markov:1.0").replace("127.0.0.1", "registry.test");
    let script = "mount --bind hosts /etc/hosts && exec \"$@\"";
    let push = |more: &[&str]| {
        let mut command = home.command("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(packer());
        run(command.args(["push", "markov", &format!("oci://{name}")]).args(more))
    };
    let (what, hint) = push(&[]).expect_refusal(1);
    assert_eq!(what, format!("packer: {} answers without TLS", name.replace("/markov:1.0", "")));
    assert!(hint.contains("--plain-http"), "{hint}");
    push(&["--plain-http"]).expect_code(0);
}
