//! Servers that lie, fail or stall: the update is refused with what and why, and the bundle is as it was.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::server::{Answer, Request, Server};

use crate::made::{Home, answer, first, range, second, serve, version};

/// What a test makes of an answer, of which there are some before.
type Change = fn(&Request, usize, Answer) -> Answer;

/// The message of a refusal by a server with changed answers.
fn refused(bytes: Vec<u8>, change: Change) -> (String, String) {
    let home = Home::new();
    let (server, url) = serve(bytes, change);
    let begin = Instant::now();
    let (what, hint) = home.refused(&[&url, "--timeout", "1"]);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert!(server.requests().len() < 60, "{:?}", server.requests());
    (what.replace(&url, "URL"), hint)
}

/// A 206 with another range in its header.
fn says(header: &str) -> Answer {
    Answer::new(206).header("Content-Range", header).header("ETag", "\"1\"").body("x")
}

const OTHER_RANGE: &str = "packer: URL sends another range than it was asked for";

#[test]
fn wrong_answers_are_refused() {
    let cases: [(&str, Change, &str); 15] = [
        ("no range", |_, _, _| Answer::new(206).body("x"), OTHER_RANGE),
        ("start", |_, _, _| says("bytes 1-1/2000000"), OTHER_RANGE),
        ("longer", |_, _, _| says("bytes 0-99999/2000000"), OTHER_RANGE),
        ("odd", |_, _, _| says("bytes 5-1/2000000"), OTHER_RANGE),
        ("later", |_, n, it| if n == 1 { says("bytes 0-0/2") } else { it }, OTHER_RANGE),
        (
            "more",
            // The header is right, and there is one byte too much.
            |request, n, it| match (n, range(request, usize::MAX)) {
                (2, Some(range)) => {
                    let total = second().bytes().len();
                    let header = format!("bytes {}-{}/{total}", range.start, range.end - 1);
                    let len = range.end - range.start + 1;
                    says(&header).body(vec![0; len]).header("Content-Length", len.to_string())
                }
                _ => it,
            },
            "packer: URL sends other bytes for frame 3 than the bundle has",
        ),
        ("text", |_, _, _| Answer::new(200).body("<html>no</html>"), "packer: URL is not a bundle"),
        ("nothing", |_, _, _| Answer::new(200), "packer: URL is not a bundle"),
        ("416", |_, _, _| Answer::new(416), "packer: URL is not a bundle"),
        (
            "404",
            |_, _, _| Answer::new(404).body("no"),
            "packer: there is nothing at URL: the answer is 404 Not Found",
        ),
        ("403", |_, _, _| Answer::new(403), "packer: cannot get URL: it answers 403 Forbidden"),
        ("304", |_, _, _| Answer::new(304), "packer: cannot get URL: it answers 304 Not Modified"),
        (
            "compressed",
            |_, _, it| it.header("Content-Encoding", "gzip"),
            "packer: URL sends the file with a compression around it (gzip)",
        ),
        (
            "loop",
            |_, _, _| Answer::new(302).header("Location", "/probe"),
            "packer: cannot get URL: it sends from one URL to the next without end",
        ),
        (
            "404 later",
            |_, n, it| if n == 2 { Answer::new(404) } else { it },
            "packer: there is nothing at URL: the answer is 404 Not Found",
        ),
    ];
    for (name, change, expected) in cases {
        let (what, _) = refused(second().bytes(), change);
        assert_eq!(what, expected, "{name}");
    }
}

#[test]
fn other_bytes_are_refused() {
    /// Changes one byte of the bundle.
    fn flipped(region: &str) -> Vec<u8> {
        let mut bytes = second().bytes();
        let regions = tests::regions(&bytes);
        let (_, region) = regions.iter().find(|(name, _)| name == region).expect("it is there");
        bytes[region.start + 100] ^= 1;
        bytes
    }
    let swapped = {
        let mut bytes = second().bytes();
        let regions = tests::regions(&bytes);
        let frame = |name: &str| {
            regions.iter().find(|(it, _)| it == name).map(|(_, range)| range.clone()).expect("one")
        };
        let (one, other) = (frame("frame 3"), frame("frame 16"));
        let len = one.len().min(other.len());
        let kept = bytes[one.start..][..len].to_vec();
        bytes.copy_within(other.start..other.start + len, one.start);
        bytes[other.start..][..len].copy_from_slice(&kept);
        bytes
    };
    let truncated = second().bytes()[..1_000_000].to_vec();
    let empty = second().bytes()[..100].to_vec();
    for (bytes, expected) in [
        (flipped("frame 3"), "packer: URL sends other bytes for frame 3 than the bundle has"),
        (swapped, "packer: URL sends other bytes for frame 3 than the bundle has"),
        (flipped("descriptor"), "packer: URL is damaged: descriptor: "),
        (flipped("manifest"), "packer: URL is damaged: manifest: "),
        (flipped("index"), "packer: URL is damaged: index: "),
        (flipped("seek table"), "packer: URL is damaged: seek table: "),
        (truncated, "packer: URL has 1000000 bytes instead of "),
        (empty, "packer: URL is not a bundle"),
    ] {
        for without_ranges in [false, true] {
            let change: Change = match without_ranges {
                false => |_, _, it| it,
                true => |_, _, _| Answer::none(),
            };
            let (what, _) = match without_ranges {
                false => refused(bytes.clone(), change),
                true => refused_whole(bytes.clone()),
            };
            let expected = match without_ranges {
                true => expected.replace(
                    "URL sends other bytes for frame 3 than the bundle has",
                    "URL is damaged: frame 3: ",
                ),
                false => expected.to_owned(),
            };
            assert!(what.starts_with(&expected), "{what} {expected}");
        }
    }
}

/// The same from a server that knows no ranges.
fn refused_whole(bytes: Vec<u8>) -> (String, String) {
    let home = Home::new();
    let server = Server::start(move |_, _| Answer::new(200).body(bytes.clone()));
    let url = format!("http://{}", server.name("probe"));
    let (what, hint) = home.refused(&[&url, "--timeout", "1"]);
    (what.replace(&url, "URL"), hint)
}

/// Descriptors that say what is not, with right digests.
#[test]
fn sizes_over_the_limits_are_refused_before_they_are_fetched() {
    use format::{DESCRIPTOR_LEN, Descriptor};
    let changes: [fn(&mut Descriptor); 4] = [
        |it| it.stub_len = 65 << 20,
        |it| it.sections.index.len = 600 << 20,
        |it| it.sections.manifest.offset -= 100,
        |it| it.sections.manifest.len -= 1,
    ];
    for change in changes {
        let mut bytes = second().bytes();
        let (_, note) = tests::regions(&bytes).swap_remove(0);
        let (mut descriptor, _) =
            Descriptor::decode(bytes[note.start..].first_chunk().expect("a note")).expect("one");
        // Room for what is said.
        descriptor.file_len += 1 << 30;
        for section in [&mut descriptor.sections.index, &mut descriptor.sections.seek_table] {
            section.offset += 1 << 30;
        }
        descriptor.sections.manifest.offset += 1 << 30;
        change(&mut descriptor);
        let len = descriptor.file_len;
        let Ok(encoded) = descriptor.encode() else { continue };
        bytes[note.start..][..DESCRIPTOR_LEN].copy_from_slice(&encoded);
        let home = Home::new();
        let server = Server::start(move |request, _| {
            let range = range(request, bytes.len()).expect("a range");
            let header = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            Answer::new(206).header("Content-Range", header).body(&bytes[range])
        });
        let url = format!("http://{}", server.name("probe"));
        let (what, _) = home.refused(&[&url]);
        let is_said =
            what.ends_with(" a bundle whose stub or sections are longer than any packer writes");
        assert!(is_said || what.contains(" is damaged: descriptor: "), "{what}");
        assert_eq!(server.requests().len(), 1);
    }
}

/// A file that changes between two ranges: packer begins anew once.
#[test]
fn what_changes_in_between_is_fetched_anew() {
    let (home, new) = (Home::new(), version(second(), "3.0"));
    let (one, other) = (second().bytes(), new.bytes());
    // The server knows If-Range, as nginx does; the file changes at the third request.
    let server = Server::start(move |request, before| {
        let (bytes, tag) = if before < 2 { (&one, "\"1\"") } else { (&other, "\"2\"") };
        let is_same = request.headers.get("if-range").is_none_or(|asked| asked == tag);
        let mut request = request.clone();
        if !is_same {
            request.headers.remove("range");
        }
        let sent = answer(bytes, &request);
        // The header that `answer` gives is the first one's.
        if before < 2 { sent } else { sent.replace("ETag", tag) }
    });
    home.update(&[&format!("http://{}", server.name("probe"))], &new);
    let asked: Vec<_> =
        server.requests().iter().map(|it| it.headers.get("if-range").cloned()).collect();
    let tag = |tag: &str| Some(format!("\"{tag}\""));
    assert_eq!(asked[..4], [None, tag("1"), tag("1"), None], "{asked:?}");
    assert!(asked[4..].iter().all(|it| *it == tag("2")), "{asked:?}");
}

/// Each way in which a change shows; the file changes again and again.
#[test]
fn what_never_stays_is_refused() {
    const CHANGED: &str = "packer: URL changed again while packer read it";
    let cases: [(&str, Change); 5] = [
        ("200", |request, n, it| match n % 2 {
            0 => it,
            _ => {
                let mut whole = request.clone();
                whole.headers.remove("range");
                answer(b"x", &whole)
            }
        }),
        ("ETag", |_, n, it| it.replace("ETag", &format!("\"{n}\""))),
        ("total", |request, n, it| match (n % 2, range(request, usize::MAX)) {
            (1, Some(range)) => it.replace(
                "Content-Range",
                &format!("bytes {}-{}/9999999", range.start, range.end - 1),
            ),
            _ => it,
        }),
        ("416", |_, n, it| if n % 2 == 1 { Answer::new(416) } else { it }),
        ("the time", |_, n, it| {
            // A weak tag counts for nothing.
            let it = it.replace("ETag", "W/\"1\"");
            it.header("Last-Modified", format!("Thu, 01 Jan 1970 00:00:0{} GMT", n % 2))
        }),
    ];
    for (name, change) in cases {
        let (what, hint) = refused(second().bytes(), change);
        assert_eq!(what, CHANGED, "{name}");
        assert!(hint.contains("try again"), "{hint}");
    }
}

/// Without validators, the digests notice it.
#[test]
fn changes_without_a_validator_are_noticed() {
    let home = Home::new();
    let (one, other) = (second().bytes(), version(second(), "3.0").bytes());
    assert_eq!(one.len(), other.len());
    let server = Server::start(move |request, before| {
        let bytes = if before < 1 { &one } else { &other };
        answer(bytes, request).without("ETag")
    });
    let url = format!("http://{}", server.name("probe"));
    let (what, _) = home.refused(&[&url]);
    assert!(what.starts_with(&format!("packer: {url} is damaged: manifest: ")), "{what}");
}

#[test]
fn failures_are_repeated() {
    let (home, new) = (Home::new(), second());
    let count = AtomicUsize::new(0);
    // Each second answer fails or breaks off, and the next attempt goes on behind what has come.
    let (server, url) =
        serve(new.bytes(), move |_, _, it| match count.fetch_add(1, Ordering::SeqCst) % 6 {
            1 => Answer::new(503).header("Retry-After", "0"),
            3 => Answer::none(),
            5 => it.cut(100_000),
            _ => it,
        });
    home.update(&[&url], &new);
    assert!(server.requests().len() > 6, "{:?}", server.requests());
    let busy = |_: &Request, _: usize, _: Answer| Answer::new(429).header("Retry-After", "3600");
    let (what, _) = refused(new.bytes(), busy);
    assert_eq!(what, "packer: cannot get URL: it answers 429 Too Many Requests");
}

/// The place that the URL leads to is gone: the URL leads to another one.
#[test]
fn a_mirror_that_goes_away_is_replaced() {
    for gone in [Answer::none(), Answer::new(403), Answer::new(503)] {
        let (home, new) = (Home::new(), second());
        let bytes = new.bytes();
        let count = AtomicUsize::new(0);
        let server = Server::start(move |request, _| match request.path.as_str() {
            "/probe" => {
                let mirror =
                    if count.fetch_add(1, Ordering::SeqCst) == 0 { "/one" } else { "/two" };
                Answer::new(302).header("Location", mirror)
            }
            // It has the head, and nothing else.
            "/one" if range(request, 1 << 20).is_some_and(|range| range.start > 0) => gone.clone(),
            _ => answer(&bytes, request),
        });
        home.update(&[&format!("http://{}", server.name("probe"))], &new);
        let paths: Vec<String> = server.requests().into_iter().map(|it| it.path).collect();
        assert_eq!(paths[..5], ["/probe", "/one", "/one", "/probe", "/two"], "{paths:?}");
        assert!(paths[5..].iter().all(|path| path == "/two"), "{paths:?}");
    }
}

/// The same where all is sent again.
#[test]
fn a_server_without_ranges_begins_anew() {
    let (home, new) = (Home::new(), second());
    let bytes = new.bytes();
    let server = Server::start(move |_, before| {
        let whole = Answer::new(200).header("ETag", "\"1\"").body(bytes.clone());
        match before {
            0 => whole.cut(1_000_000),
            1 => whole.cut(900_000),
            _ => whole,
        }
    });
    let url = format!("http://{}", server.name("probe"));
    home.update(&[&url], &new);
    assert_eq!(server.requests().len(), 3);
    // It is another file by now, or may be.
    let bytes = new.bytes();
    for tag in ["\"1\"", ""] {
        let bytes = bytes.clone();
        let server = Server::start(move |_, before| {
            let tag = if tag.is_empty() { String::new() } else { format!("\"{before}\"") };
            let whole = Answer::new(200).header("ETag", tag).body(bytes.clone());
            if before % 2 == 0 { whole.cut(1_000_000) } else { whole }
        });
        let url = format!("http://{}", server.name("probe"));
        let (what, _) = Home::new().refused(&[&url]);
        assert_eq!(what, format!("packer: {url} changed again while packer read it"));
    }
}

#[test]
fn who_stalls_or_drips_is_given_up() {
    let cases: [(&str, Change, &str); 5] = [
        ("stalls at once", |_, _, it| it.stalled(0), "it does not answer in time (5 attempts)"),
        (
            "stalls",
            |_, n, it| if n < 2 { it } else { it.stalled(1000) },
            "it does not answer in time (5 attempts)",
        ),
        (
            "drips",
            |_, n, it| if n < 2 { it } else { it.dripped(Duration::from_millis(20)) },
            "it sends less than 1024 bytes a second (5 attempts)",
        ),
        (
            "hesitates",
            |_, _, it| it.hesitant(Duration::from_millis(400)),
            "it does not answer in time (5 attempts)",
        ),
        ("fails", |_, _, _| Answer::new(500), "it answers 500 Internal Server Error (5 attempts)"),
    ];
    std::thread::scope(|scope| {
        for (name, change, expected) in cases {
            scope.spawn(move || {
                let (what, _) = refused(second().bytes(), change);
                assert_eq!(what, format!("packer: cannot get URL: {expected}"), "{name}");
            });
        }
    });
}

/// The texts of errors and redirects, and ranges that are too short: a server cannot hold packer longer by them.
#[test]
fn drips_are_given_up_wherever_they_are() {
    let slow = |status| {
        let answer = Answer::new(status).header("Location", "/probe").header("Retry-After", "0");
        answer.body(vec![0; 4000]).dripped(Duration::from_millis(200))
    };
    let bytes = second().bytes();
    let short =
        move |request: &Request, before: usize, it: Answer| match range(request, bytes.len()) {
            Some(range) if before > 0 => {
                std::thread::sleep(Duration::from_millis(100));
                let (start, total) = (range.start, bytes.len());
                let header = format!("bytes {start}-{start}/{total}");
                it.replace("Content-Range", &header).body(&bytes[start..=start])
            }
            _ => it,
        };
    type Dripping = Box<dyn Fn(&Request, usize, Answer) -> Answer + Send + Sync>;
    let cases: [(Dripping, &str); 3] = [
        (Box::new(move |_, _, _| slow(500)), "it answers 500 Internal Server Error (5 attempts)"),
        (Box::new(move |_, _, _| slow(302)), "it sends from one URL to the next without end"),
        (Box::new(short), "it sends less than 1024 bytes a second (5 attempts)"),
    ];
    std::thread::scope(|scope| {
        for (change, expected) in cases {
            scope.spawn(move || {
                let home = Home::new();
                let (_server, url) = serve(second().bytes(), change);
                let begin = Instant::now();
                let (what, _) = home.refused(&[&url, "--timeout", "1"]);
                assert_eq!(what, format!("packer: cannot get {url}: {expected}"));
                assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
            });
        }
    });
}

/// RFC 9110 lets a server send less than it is asked for.
#[test]
fn short_ranges_are_put_together() {
    let (home, new) = (Home::new(), second());
    let bytes = new.bytes();
    let (server, url) =
        serve(new.bytes(), move |request, _, it| match range(request, bytes.len()) {
            Some(range) => {
                let end = range.end.min(range.start + 5000);
                let header = format!("bytes {}-{}/{}", range.start, end - 1, bytes.len());
                it.replace("Content-Range", &header).body(&bytes[range.start..end])
            }
            None => it,
        });
    let ended = home.packer(&["update", "probe", &url, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout()).expect("it is JSON");
    home.expect(&new);
    // What came, not what was asked for.
    let len = new.bytes().len();
    let sent = |it: &Request| range(it, len).expect("a range").len().min(5000);
    assert_eq!(report["fetched_bytes"], server.requests().iter().map(sent).sum::<usize>());
}

/// A redirect does not lead past the rule for URLs without TLS.
#[test]
fn redirects_to_open_servers_are_refused() {
    let change: Change =
        |_, _, _| Answer::new(302).header("Location", "http://packer.invalid/probe");
    let (what, hint) = refused(second().bytes(), change);
    assert!(what.starts_with("packer: http://packer.invalid/probe has no TLS, "), "{what}");
    assert!(hint.contains("--plain-http"), "{hint}");
    let home = Home::new();
    let (_server, url) = serve(second().bytes(), change);
    let (what, _) = home.refused(&[&url, "--plain-http"]);
    assert!(what.starts_with(&format!("packer: cannot get {url}: ")), "{what}");
}

#[test]
fn endless_bodies_are_cut() {
    // Behind a range, and in the place of a file.
    let home = Home::new();
    let bytes = second().bytes();
    let server = Server::start(move |request, before| match range(request, bytes.len()) {
        Some(range) if before < 2 => {
            let _ = range;
            answer(&bytes, request)
        }
        Some(range) => {
            let header = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
            let endless = Answer::new(206).header("Content-Range", header).header("ETag", "\"1\"");
            endless.body(bytes[range].to_vec()).endless()
        }
        None => Answer::new(404),
    });
    let url = format!("http://{}", server.name("probe"));
    let (what, _) = home.refused(&[&url]);
    assert_eq!(what, format!("packer: {url} sends more than it was asked for"));
    let bytes = second().bytes();
    let server = Server::start(move |_, _| Answer::new(200).body(bytes.clone()).endless());
    let url = format!("http://{}", server.name("probe"));
    let (what, _) = home.refused(&[&url]);
    assert!(what.starts_with(&format!("packer: {url} sends more than the ")), "{what}");
    let server = Server::start(|_, _| Answer::new(200).body(vec![0; 1 << 20]).endless());
    let url = format!("http://{}", server.name("probe"));
    let (what, _) = home.refused(&[&url]);
    assert_eq!(what, format!("packer: {url} is not a bundle"));
    let _ = first();
}
