//! Several caches: they are asked in order, and each makes up for what those before it lack.

use std::fs;
use std::time::{Duration, Instant};

use tests::server::{Answer, Server};

use crate::machine::Machine;
use crate::made::{Cache, Change, NAMES, count, file, made, serve, shell};

const DOWN: &str = "http://127.0.0.1:1";

#[test]
fn the_first_that_has_a_path_gives_it() {
    let (first, first_url) = serve(Cache::new("zstd"));
    let (second, second_url) = serve(Cache::new("xz"));
    Machine::new().pack_all(&[&first_url, &second_url]);
    assert_eq!(first.requests().len(), 1 + 2 * NAMES.len());
    let second: Vec<String> = second.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(second, ["/nix-cache-info"]);
}

#[test]
fn each_path_comes_from_where_it_is() {
    let (a, b) = (Cache::new("zstd"), Cache::new("xz"));
    for name in &NAMES[..2] {
        fs::remove_file(a.narinfo(name)).expect("remove it");
    }
    for name in &NAMES[2..] {
        fs::remove_file(b.narinfo(name)).expect("remove it");
    }
    let (first, first_url) = serve(a);
    let (second, second_url) = serve(b);
    Machine::new().pack_all(&[&first_url, &second_url]);
    assert_eq!(count(&first.take_requests(), "/nar/"), 3);
    assert_eq!(count(&second.take_requests(), "/nar/"), 2);

    let (what, hint) = Machine::new().pack(&[&first_url]).expect_refusal(1);
    assert_eq!(what, format!("packer: {} is not in {first_url}", made().root));
    assert!(hint.contains("--from"), "{hint}");
    // What is not there is asked for over the same connections.
    assert_eq!(
        first.requests().last().map(|request| request.connection),
        Some(first.requests()[0].connection)
    );
}

/// Whoever does not answer is left out, and said to be.
#[test]
fn a_cache_that_is_down_is_left_out() {
    let machine = Machine::new();
    let (_server, url) = serve(Cache::new("zstd"));
    for from in [[DOWN, &url], [&url, DOWN]] {
        let ended = machine.pack(&from);
        ended.expect_code(0);
        let stderr = ended.stderr();
        let expected = format!("packer: warning: binary cache {DOWN}: ");
        assert!(stderr.starts_with(&expected) && stderr.lines().count() == 2, "{stderr}");
        assert!(stderr.contains(": it is left out\nhint: "), "{stderr}");
        machine.expect_bundle();
    }
    // It may have what the others lack.
    let lacking = Cache::new("zstd");
    fs::remove_file(lacking.narinfo("cached-text")).expect("remove it");
    let (_server, url) = serve(lacking);
    let ended = Machine::new().pack(&[DOWN, &url]);
    ended.expect_code(1);
    let stderr = ended.stderr();
    let path = Cache::new("zstd").field("cached-text", "StorePath");
    assert!(
        stderr.contains(&format!("{path} is not in {url}, nor could {DOWN} be asked\n")),
        "{stderr}"
    );

    let (what, _) = Machine::new().pack(&[DOWN]).expect_refusal(1);
    assert!(what.starts_with(&format!("packer: binary cache {DOWN}: ")), "{what}");
}

#[test]
fn another_cache_makes_up_for_damage() {
    let damages: [Change<'_>; 6] = [
        &|cache| fs::write(cache.nar("cached-data"), "damaged").expect("write it"),
        &|cache| fs::remove_file(cache.nar("cached-data")).expect("remove it"),
        &|cache| cache.set("cached-data", "Sig", None),
        &|cache| cache.set("cached-data", "NarSize", Some("1")),
        &|cache| fs::write(cache.narinfo("cached-data"), "<html>").expect("write it"),
        &|cache| drop(shell(cache, "rm -r nar")),
    ];
    for damage in damages {
        let cache = Cache::new("zstd");
        damage(&cache);
        let (machine, good) = (Machine::new(), Cache::new("xz"));
        let ended = machine.pack(&[&serve(cache).1, &machine.install(&good)]);
        ended.expect_quiet();
        machine.expect_bundle();
    }
}

/// A cache that answers for narinfos and not for NARs is asked for few of these, and then no more.
#[test]
fn a_cache_that_stalls_is_given_up() {
    let cache = Cache::new("zstd");
    let stalling = Server::start(move |request, _| {
        let answer = file(cache.path(), request);
        if request.path.starts_with("/nar/") { answer.stalled(0) } else { answer }
    });
    let url = format!("http://{}", stalling.name("").trim_end_matches('/'));
    let machine = Machine::new();
    let good = machine.install(&Cache::new("xz"));
    let begin = Instant::now();
    let ended = machine.pack(&[&url, &good]);
    ended.expect_code(0);
    let expected = format!(
        "packer: warning: binary cache {url}: it does not answer in time (5 attempts): it is left out\nhint: "
    );
    assert!(ended.stderr().starts_with(&expected), "{}", ended.stderr());
    assert_eq!(ended.stderr().lines().count(), 2);
    machine.expect_bundle();
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
}

/// Another build of the same store path in a second cache is not mixed with the first one's closure.
#[test]
fn other_nars_of_the_same_path_are_not_taken() {
    let (first, second) = (Cache::new("none"), Cache::new("none"));
    fs::remove_file(first.nar("cached-data")).expect("remove it");
    shell(
        &second,
        &format!("nix-store --dump /bin/true > {}", second.nar("cached-data").display()),
    )
    .expect_code(0);
    let nar = second.nar("cached-data").display().to_string();
    let hash = shell(&second, &format!("nix-hash --type sha256 --flat --base32 {nar}")).text();
    second.set("cached-data", "NarHash", Some(&format!("sha256:{}", hash.trim())));
    second.set(
        "cached-data",
        "NarSize",
        Some(shell(&second, &format!("stat -c %s {nar}")).text().trim()),
    );
    second.forget_file("cached-data");
    let urls = [serve(first).1, serve(second).1];
    let machine = Machine::new();
    let ended =
        machine.build(&["--from", &urls[0], "--from", &urls[1], "--insecure-no-signatures"]).run();
    let (what, _) = ended.expect_refusal(1);
    assert!(what.contains(&urls[0]) && what.ends_with(" is not there"), "{what}");
}

#[test]
fn a_cache_with_nothing_but_its_name_is_no_obstacle() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/nix-cache-info" => {
            Answer::new(200).body("StoreDir: /nix/store\nWantMassQuery: 0\nPriority: 90\n")
        }
        _ => Answer::new(403),
    });
    let machine = Machine::new();
    let good = machine.install(&Cache::new("xz"));
    machine.pack_all(&[&format!("http://{}", server.name("")), &good]);
}
