//! How caches are asked: with a name and a password from where curl and Nix look, and through a proxy.

use tests::server::{Answer, Server};

use crate::machine::Machine;
use crate::made::{Cache, file};

const PASSWORD: &str = "open%sesame";

/// `alice:open%sesame` in Base64.
const ALICE: &str = "Basic YWxpY2U6b3BlbiVzZXNhbWU=";

/// A cache for alice.
fn closed() -> (Server, String) {
    let cache = Cache::new("zstd");
    let server = Server::start(move |request, _| match request.headers.get("authorization") {
        Some(text) if text == ALICE => file(cache.path(), request),
        _ => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"cache\"").body("no"),
    });
    let host = server.name("").trim_end_matches('/').to_owned();
    (server, host)
}

#[test]
fn names_and_passwords_are_found() {
    let (server, host) = closed();
    let url = format!("http://{host}");
    let machine = Machine::new();
    let (what, hint) = machine.pack(&[&url]).expect_refusal(1);
    assert_eq!(what, format!("packer: binary cache {url} asks for a name and a password"));
    assert!(hint.contains("~/.netrc"), "{hint}");

    let entry =
        |name: &str, password: &str| format!("machine {name} login alice password {password}\n");
    machine.file(".netrc", entry("127.0.0.1", "wrong"));
    let ended = machine.pack(&[&url]);
    let (what, _) = ended.expect_refusal(1);
    assert_eq!(
        what,
        format!(
            "packer: binary cache {url} does not accept the name and the password that it is given"
        )
    );
    assert!(!ended.stderr().contains("wrong\n") && !ended.stderr().contains("alice"));

    for text in [
        entry("127.0.0.1", PASSWORD),
        format!("{}{}", entry("other.example", "wrong"), entry("127.0.0.1", PASSWORD)),
        format!("default login alice password {PASSWORD}\n"),
    ] {
        machine.file(".netrc", text);
        machine.pack_all(&[&url]);
    }
    let other = machine.file("other", entry("127.0.0.1", PASSWORD));
    machine.file(".netrc", entry("127.0.0.1", "wrong"));
    machine.build(&["--from", &url]).env("NETRC", other).run().expect_quiet();
    machine.file(".netrc", "");
    machine.pack_all(&[&format!("http://alice:open%25sesame@{host}")]);
    assert!(server.requests().iter().any(|request| request.headers.contains_key("authorization")));

    // No message has the password, whatever fails.
    let wrong = format!("http://alice:secret@{host}");
    let (what, _) = machine.pack(&[&wrong]).expect_refusal(1);
    assert!(what.contains(&url) && !what.contains("secret"), "{what}");
    machine.file(".netrc", "machine 127.0.0.1 login alice password open secret\n");
    let (what, hint) = machine.pack(&[&url]).expect_refusal(1);
    assert!(what.contains(".netrc") && !what.contains("secret"), "{what}");
    assert!(!hint.contains("secret"), "{hint}");
}

/// Another host is not told the password, nor another server of this host.
#[test]
fn passwords_stay_with_their_server() {
    passwords_stay("localhost");
    passwords_stay("127.0.0.1");
}

fn passwords_stay(other: &str) {
    let cache = Cache::new("zstd");
    let directory = cache.path().to_owned();
    let elsewhere = Server::start(move |request, _| file(&directory, request));
    for name in crate::made::NAMES {
        let url = format!("http://{}", elsewhere.name(&cache.field(name, "URL")));
        cache.set(name, "URL", Some(&url));
    }
    let target = elsewhere.name("").replace("127.0.0.1", other);
    let server = Server::start(move |request, _| match request.path.ends_with(".narinfo") {
        true => file(cache.path(), request),
        false => Answer::new(302).header("Location", format!("http://{target}nix-cache-info")),
    });
    let machine = Machine::new();
    let url = format!("http://alice:secret@{}", server.name(""));
    machine.pack_all(&[&url]);
    assert!(server.requests().iter().all(|request| request.headers.contains_key("authorization")));
    assert_eq!(elsewhere.requests().len(), 6);
    assert!(
        elsewhere.requests().iter().all(|request| !request.headers.contains_key("authorization"))
    );
}

/// A proxy makes a tunnel to a name that only it knows.
#[test]
fn proxies_come_from_the_environment() {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    let proxy = Server::start(move |request, _| match request.method.as_str() {
        "CONNECT" if request.path == "cache.invalid:80" => Answer::new(200),
        "CONNECT" => Answer::new(502),
        // What comes through the tunnel.
        _ => file(cache.path(), request),
    });
    let through = format!("http://{}", proxy.name(""));
    for variable in ["http_proxy", "all_proxy"] {
        let build = machine.build(&["--from", "http://cache.invalid"]).env(variable, &through);
        build.run().expect_quiet();
        machine.expect_bundle();
        let requests = proxy.take_requests();
        let tunnels = requests.iter().filter(|request| request.method == "CONNECT").count();
        assert!(tunnels > 0 && tunnels < requests.len());
    }
    let build = machine.build(&["--from", "http://other.invalid"]).env("http_proxy", &through);
    let (what, _) = build.run().expect_refusal(1);
    let expected = "packer: binary cache http://other.invalid: CONNECT proxy failed: ";
    assert!(what.starts_with(expected) && what.contains("502"), "{what}");
    let _ = proxy.take_requests();

    // This machine is reached without it, and so is what no_proxy names.
    let cache = Cache::new("zstd");
    let server = Server::start(move |request, _| file(cache.path(), request));
    let url = format!("http://{}", server.name(""));
    machine.build(&["--from", &url]).env("http_proxy", &through).run().expect_quiet();
    let build = machine.build(&["--from", "http://cache.invalid"]).env("http_proxy", &through);
    build.env("no_proxy", "cache.invalid").run().expect_code(1);
    assert_eq!(proxy.requests().len(), 0);
}

/// Nobody is asked directly who is to be asked through something that packer does not know.
#[test]
fn proxies_that_cannot_be_used_are_refused() {
    let machine = Machine::new();
    for (variable, value) in [
        ("all_proxy", "socks5://127.0.0.1:1"),
        ("http_proxy", "nonsense://"),
        ("HTTPS_PROXY", "::"),
    ] {
        let build = machine.build(&["--from", "http://cache.invalid"]).env(variable, value);
        let (what, hint) = build.run().expect_refusal(1);
        assert_eq!(what, format!("packer: {variable} names a proxy that packer cannot use"));
        assert!(hint.contains("SOCKS"), "{hint}");
    }
}

/// What is no URL of a cache is not taken for another one.
#[test]
fn malformed_places_are_refused() {
    let machine = Machine::new();
    for (from, shown, expected) in [
        ("http://a:secret@127.0.0.1:99999", "http://127.0.0.1:99999", "its port is not a number"),
        ("http://127.0.0.1:80x/x", "http://127.0.0.1:80x/x", "its"),
        ("http://127.0.0.1:0", "http://127.0.0.1:0", "its port is not a number"),
        ("https://a:secret@", "https://", "its URL names no host"),
        ("s3://bucket", "s3://bucket", "packer knows the URLs http, https and file"),
        ("file://tmp/cache", "file://tmp/cache", "a file URL has three slashes"),
        ("127.0.0.1:80", "127.0.0.1:80", "there is no such directory or file"),
    ] {
        let (what, _) = machine.pack(&[from]).expect_refusal(1);
        let start = format!("packer: {shown} is not a binary cache: {expected}");
        assert!(what.starts_with(&start) && !what.contains("secret"), "{what}");
    }
}
