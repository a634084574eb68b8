//! Connections that break in a transfer, and registries that take no large requests.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::{Cutter, run};

use crate::calls::Home;
use crate::debian::Registry;
use tests::server::{Answer, Server};

/// Bytes of a layer: packer's chunks have 16 MB.
const LARGE: usize = 40 << 20;

/// Makes a layout with one large layer that cannot be compressed.
fn layout(home: &Home) {
    let script = format!(
        "head -c {LARGE} /dev/urandom > large && umoci init --layout layout && umoci new --image layout:1 &&
         umoci insert --image layout:1 large /large && umoci gc --layout layout"
    );
    run(home.command("sh").args(["-c", &script])).expect_code(0);
}

fn is_same(home: &Home, name: &str) {
    let remote = format!("docker://{name}");
    run(home.command("skopeo").args(["copy", "--src-tls-verify=false", &remote, "oci:back:1"]))
        .expect_code(0);
    let blobs = |layout: &str| Path::new(layout).join("blobs");
    run(home.command("diff").arg("-r").arg(blobs("layout")).arg(blobs("back"))).expect_code(0);
}

#[test]
fn a_push_outlasts_breaks() {
    let (registry, home) = (Registry::plain(), Home::new());
    layout(&home);
    // In the whole blob, then in the second chunk.
    let cutter = Cutter::before(registry.host(), &[20 << 20, 20 << 20]);
    let text = home.packer(&["push", "layout", &cutter.name("image:1")]).stdout();
    assert!(text.contains(": 2 of 2 blobs sent, "), "{text}");
    let requests = registry.requests();
    assert!(requests.iter().any(|line| line.starts_with("PATCH ")), "{requests:?}");
    is_same(&home, &registry.name("image:1"));
}

#[test]
fn a_pull_outlasts_breaks() {
    let (registry, home) = (Registry::plain(), Home::new());
    home.bundle("probe");
    home.packer(&["push", "probe", &format!("oci://{}", registry.name("markov:1"))]).expect_code(0);
    registry.requests();
    let cutter = Cutter::before(registry.host(), &[200_000, 200_000]);
    home.packer(&["pull", &format!("oci://{}", cutter.name("markov:1"))]).expect_code(0);
    assert_eq!(home.read("markov"), home.read("probe"));
    let blobs = registry.requests().iter().filter(|line| line.contains("/blobs/")).count();
    assert_eq!(blobs, 3);
}

/// A proxy in front of a registry refuses large requests; the registry says how much of a broken chunk it has.
#[test]
fn large_blobs_go_in_chunks() {
    let (large, broken) = (Arc::new(Mutex::new(Vec::new())), AtomicUsize::new(0));
    let blob = large.clone();
    let server = Server::start(move |request, _| {
        let mut blob = blob.lock().expect("no thread panics");
        let place = Answer::new(202).header("Location", "/v2/image/blobs/uploads/1");
        match request.method.as_str() {
            "HEAD" => Answer::new(404),
            "POST" => {
                blob.clear();
                place
            }
            "GET" => Answer::new(204)
                .header("Location", "/v2/image/blobs/uploads/1")
                .header("Range", format!("0-{}", blob.len().saturating_sub(1))),
            "PUT" if request.body.len() > 17 << 20 => Answer::new(413),
            // Half of the second chunk arrives.
            "PATCH" if !blob.is_empty() && broken.fetch_add(1, Ordering::SeqCst) == 0 => {
                blob.extend(&request.body[..request.body.len() / 2]);
                Answer::none()
            }
            "PATCH" => {
                let start = request.headers["content-range"].split('-').next().map(str::to_owned);
                assert_eq!(start, Some(blob.len().to_string()));
                blob.extend(&request.body);
                place
            }
            _ if request.headers.contains_key("content-range") => {
                blob.extend(&request.body);
                Answer::new(201)
            }
            _ => Answer::new(201),
        }
    });
    let home = Home::new();
    layout(&home);
    // The configuration comes first: it would end in the same place as the large layer.
    let text = home.packer(&["push", "layout", &server.name("image:1")]).stdout();
    assert!(text.contains(": 2 of 2 blobs sent, "), "{text}");
    let requests = server.requests();
    let chunks = requests.iter().filter(|it| it.headers.contains_key("content-range"));
    let chunks: Vec<_> = chunks.map(|it| (it.method.as_str(), it.body.len() >> 20)).collect();
    assert_eq!(chunks, [("PATCH", 16), ("PATCH", 16), ("PATCH", 16), ("PUT", 0)][..chunks.len()]);
    let sum = |bytes: &[u8]| {
        home.file("sum", bytes);
        run(home.command("sha256sum").arg("sum")).text().split(' ').next().map(str::to_owned)
    };
    let digits = sum(&large.lock().expect("no thread panics")).expect("a sum");
    assert!(
        home.path().join("layout/blobs/sha256").join(digits).exists(),
        "every byte has arrived once"
    );
}

/// Each attempt gets as far as the one before.
#[test]
fn a_push_without_progress_ends() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "POST" => Answer::new(202).header("Location", "/v2/image/blobs/uploads/1"),
        "PUT" if request.body.len() > 17 << 20 => Answer::new(413),
        "PATCH" if request.headers["content-range"].starts_with("0-") => {
            Answer::new(202).header("Location", "/v2/image/blobs/uploads/1")
        }
        "PATCH" => Answer::none(),
        "PUT" => Answer::new(201),
        _ => Answer::new(404),
    });
    let home = Home::new();
    layout(&home);
    let (what, _) = home.packer(&["push", "layout", &server.name("image:1")]).expect_refusal(1);
    assert!(what.contains(" broke off 5 times: "), "{what}");
}
