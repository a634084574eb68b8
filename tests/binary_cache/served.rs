//! Caches as directories and behind nginx, python and TLS, in every compression: an ordinary user packs without Nix.

use std::collections::BTreeSet;

use tests::Cutter;
use tests::server::{Answer, Server};

use crate::machine::Machine;
use crate::made::{Cache, NAMES, file, shell};
use tests::Served;

#[test]
fn every_compression_gives_the_bundle_of_the_store() {
    for compression in ["xz", "zstd", "none", "bzip2", "gzip", "br"] {
        let (machine, cache) = (Machine::new(), Cache::new(compression));
        let directory = machine.install(&cache);
        for from in [
            directory.clone(),
            format!("file://{directory}"),
            format!("file://{directory}/?priority=1"),
        ] {
            machine.pack_all(&[&from]);
        }
    }
}

/// Nix's first caches did not name the compression, which was bzip2.
#[test]
fn a_missing_compression_is_bzip2() {
    let (machine, cache) = (Machine::new(), Cache::new("bzip2"));
    cache.set(NAMES[0], "Compression", None);
    cache.set(NAMES[1], "Compression", Some(""));
    machine.pack_all(&[&machine.install(&cache)]);
}

#[test]
fn unknown_compressions_are_refused_before_anything_is_fetched() {
    let (machine, cache) = (Machine::new(), Cache::new("lz4"));
    let directory = cache.path().to_owned();
    let server = Server::start(move |request, _| file(&directory, request));
    let (what, _) = machine.pack(&[&format!("http://{}", server.name(""))]).expect_refusal(1);
    assert!(what.ends_with("cached-program: its compression lz4 is not known"), "{what}");
    assert!(server.requests().iter().all(|request| !request.path.starts_with("/nar/")));
}

#[test]
fn nginx_keeps_connections() {
    let (machine, cache) = (Machine::new(), Cache::new("xz"));
    let served = Served::nginx(cache.path(), "");
    machine.pack_all(&[&served.url()]);
    let requests = served.requests();
    assert_eq!(requests.len(), 1 + 2 * NAMES.len(), "{requests:?}");
    let connections: BTreeSet<&str> = requests.iter().map(|it| it.connection.as_str()).collect();
    assert!(connections.len() <= NAMES.len(), "{requests:?}");
    assert!(requests.iter().all(|request| request.range == "-"), "{requests:?}");
}

#[test]
fn nginx_goes_on_where_a_connection_broke() {
    let (machine, cache) = (Machine::new(), Cache::new("xz"));
    let served = Served::nginx(cache.path(), "");
    let cutter = Cutter::before(&served.url()["http://".len()..], &[700_000, 700_000]);
    machine.pack_all(&[&format!("http://{}", cutter.name(""))]);
    let data = format!("GET /{}", cache.field("cached-data", "URL"));
    let requests = served.requests();
    let ranges: Vec<_> =
        requests.iter().filter(|it| it.request == data).map(|it| &it.range).collect();
    assert_eq!(ranges.len(), 3, "{requests:?}");
    assert!(ranges[0] == "-" && ranges[1] != ranges[2], "{ranges:?}");
    assert!(ranges[1..].iter().all(|range| range.starts_with("bytes=")), "{ranges:?}");
}

/// Files that a server compresses once more.
#[test]
fn nginx_compresses_more() {
    for compression in ["xz", "none"] {
        let (machine, cache) = (Machine::new(), Cache::new(compression));
        shell(&cache, "find . -type f -exec gzip {} +").expect_code(0);
        let served = Served::nginx(cache.path(), "gzip_static always;");
        machine.pack_all(&[&served.url()]);
    }
}

#[test]
fn python_serves_a_cache() {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    let served = Served::python(cache.path());
    machine.pack_all(&[&served.url()]);
}

#[test]
fn a_private_authority_is_named() {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    let served = Served::nginx_with_tls(cache.path());
    let (what, hint) = machine.pack(&[&served.url()]).expect_refusal(1);
    assert!(what.contains(&served.url()) && what.contains("certificate"), "{what}");
    assert!(hint.contains("SSL_CERT_FILE"), "{hint}");
    let authority = std::fs::read(served.certificate()).expect("read it");
    let authority = machine.file("authority", authority);
    let start = machine.build(&["--from", &served.url()]).env("SSL_CERT_FILE", authority);
    start.run().expect_code(0);
    machine.expect_bundle();
}

/// A narinfo may have a URL elsewhere.
#[test]
fn nars_may_be_elsewhere() {
    let (machine, cache) = (Machine::new(), Cache::new("zstd"));
    let directory = cache.path().to_owned();
    let elsewhere = Server::start(move |request, _| file(&directory, request));
    for name in NAMES {
        let url = format!("http://{}", elsewhere.name(&cache.field(name, "URL")));
        cache.set(name, "URL", Some(&url));
    }
    let directory = cache.path().to_owned();
    let server = Server::start(move |request, _| match request.path.as_str() {
        // As a mirror that sends to the next one.
        path if path.starts_with("/first") => {
            Answer::new(302).header("Location", path.replacen("/first", "/second", 1))
        }
        path => {
            let mut request = request.clone();
            request.path = path.replacen("/second", "", 1);
            file(&directory, &request)
        }
    });
    machine.pack_all(&[&format!("http://{}", server.name("first/"))]);
    assert_eq!(elsewhere.requests().len(), NAMES.len());
}
