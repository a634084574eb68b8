//! Unlucky networks: what breaks goes on, what fails is repeated, who stalls is given up by name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::Ended;
use tests::server::{Answer, Request, Server};

use crate::machine::Machine;
use crate::made::{Cache, file, start};

/// A server of a cache, whose answers a test changes.
fn server(change: impl Fn(&Request, usize, Answer) -> Answer + Send + Sync + 'static) -> Server {
    let cache = Cache::new("none");
    Server::start(move |request, before| change(request, before, file(cache.path(), request)))
}

fn url(server: &Server) -> String {
    format!("http://{}", server.name("").trim_end_matches('/'))
}

/// Packs on a machine of its own.
fn packed(server: &Server) -> Ended {
    let machine = Machine::new();
    let ended = machine.pack(&[&url(server)]);
    if ended.status.success() {
        machine.expect_bundle();
    }
    ended
}

fn is_nar(request: &Request) -> bool {
    request.path.starts_with("/nar/")
}

#[test]
fn broken_transfers_go_on() {
    let server = server(|request, before, answer| match before {
        0..3 if is_nar(request) => answer.cut(110),
        0 => answer.cut(3),
        _ => answer,
    });
    packed(&server).expect_quiet();
    // Each NAR but the text's, of 120 bytes, breaks three times.
    let starts: Vec<usize> = server.requests().iter().filter(|it| is_nar(it)).map(start).collect();
    for (at, expected) in [(0, 5), (110, 5), (220, 4), (330, 4)] {
        let count = starts.iter().filter(|start| **start == at).count();
        assert_eq!(count, expected, "{at}: {starts:?}");
    }
}

/// A server that knows no ranges sends what was there already.
#[test]
fn servers_without_ranges_begin_anew() {
    let cache = Cache::new("none");
    let server = Server::start(move |request, before| {
        let mut whole = request.clone();
        whole.headers.remove("range");
        let answer = file(cache.path(), &whole);
        if is_nar(request) && before == 0 { answer.cut(99) } else { answer }
    });
    packed(&server).expect_quiet();
}

#[test]
fn wrong_ranges_are_refused() {
    let server = server(|request, before, answer| match (is_nar(request), before) {
        (true, 0) => answer.cut(99),
        (true, _) => Answer::new(206).header("Content-Range", "bytes 98-200/201").body("x"),
        _ => answer,
    });
    let (what, _) = packed(&server).expect_refusal(1);
    assert_eq!(what, format!("packer: binary cache {}: it sends another range", url(&server)));
}

#[test]
fn failures_are_repeated() {
    let server = server(|_, before, answer| match before {
        0 => Answer::new(503),
        1 => Answer::none(),
        _ => answer,
    });
    packed(&server).expect_quiet();
}

#[test]
fn the_wait_is_the_server_s() {
    let waits = server(|_, before, answer| match before {
        0 => Answer::new(429).header("Retry-After", "0"),
        _ => answer,
    });
    packed(&waits).expect_quiet();
    let busy = server(|_, _, _| Answer::new(429).header("Retry-After", "3600"));
    let (what, _) = packed(&busy).expect_refusal(1);
    assert!(
        what.starts_with(&format!("packer: binary cache {}: it answers 429", url(&busy))),
        "{what}"
    );
    assert_eq!(busy.requests().len(), 1);
}

#[test]
fn permanent_failures_end() {
    let failing = server(|request, _, answer| match is_nar(request) {
        true => Answer::new(500),
        false => answer,
    });
    let (what, _) = packed(&failing).expect_refusal(1);
    let expected = format!("packer: binary cache {}: it answers 500", url(&failing));
    assert!(what.starts_with(&expected) && what.ends_with("(5 attempts)"), "{what}");
    assert!(failing.requests().iter().filter(|it| is_nar(it)).count() <= 25);

    // What is not there is not asked for again.
    let missing = server(|request, _, answer| match is_nar(request) {
        true => Answer::new(404),
        false => answer,
    });
    let (what, _) = packed(&missing).expect_refusal(1);
    assert!(
        what.contains(" is wrong about /nix/store/") && what.ends_with(" is not there"),
        "{what}"
    );
    assert!(missing.requests().iter().filter(|it| is_nar(it)).count() <= 5);
    let (what, _) = Machine::new().pack(&["http://127.0.0.1:1"]).expect_refusal(1);
    assert!(what.starts_with("packer: binary cache http://127.0.0.1:1: "), "{what}");
    assert!(what.contains("refused"), "{what}");
}

#[test]
fn stalled_servers_are_given_up() {
    let once = server(|request, before, answer| match (is_nar(request), before) {
        (true, 0) => answer.stalled(50),
        _ => answer,
    });
    packed(&once).expect_quiet();

    let begin = Instant::now();
    let always =
        server(|request, _, answer| if is_nar(request) { answer.stalled(0) } else { answer });
    let (what, _) = packed(&always).expect_refusal(1);
    let expected =
        format!("packer: binary cache {}: it does not answer in time (5 attempts)", url(&always));
    assert_eq!(what, expected);
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
}

/// A server that never stops and never gets anywhere.
#[test]
fn slow_servers_are_given_up() {
    let slow = server(|request, _, answer| match is_nar(request) {
        true => answer.dripped(Duration::from_millis(100)),
        false => answer,
    });
    let (what, _) = packed(&slow).expect_refusal(1);
    let expected = format!(
        "packer: binary cache {}: it sends less than 64 bytes a second (5 attempts)",
        url(&slow)
    );
    assert_eq!(what, expected);
}

/// The same before the first byte of a file.
#[test]
fn hesitant_servers_are_given_up() {
    let hesitant = server(|request, _, answer| match is_nar(request) {
        true => answer.hesitant(Duration::from_millis(500)),
        false => answer,
    });
    let (what, _) = packed(&hesitant).expect_refusal(1);
    let url = url(&hesitant);
    let expected = format!("packer: binary cache {url}: it does not answer in time (5 attempts)");
    assert_eq!(what, expected);
}

/// The same where a server without ranges sends what is there already.
#[test]
fn servers_that_are_slow_again_are_given_up() {
    let cache = Cache::new("none");
    let count = AtomicUsize::new(0);
    let again = Server::start(move |request, before| {
        let mut whole = request.clone();
        whole.headers.remove("range");
        let answer = file(cache.path(), &whole);
        match (is_nar(request), before) {
            (true, 0) => answer.cut(3000),
            (true, _) => {
                count.fetch_add(1, Ordering::Relaxed);
                answer.dripped(Duration::from_millis(100))
            }
            _ => answer,
        }
    });
    let begin = Instant::now();
    let (what, _) = packed(&again).expect_refusal(1);
    assert!(what.contains(": it sends less than 64 bytes a second ("), "{what}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
