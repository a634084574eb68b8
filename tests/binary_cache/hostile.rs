//! Caches that lie: nothing is packed, nothing grows without bound, and the cache and the store path are named.

use std::fs;
use std::time::{Duration, Instant};

use tests::Ended;
use tests::server::{Answer, Server};

use crate::machine::{Machine, measured};
use crate::made::{Cache, Change, NAMES, file, made, shell};

/// Packs from a changed cache; the message of the refusal, of which both lines are checked.
fn refused(cache: &Cache, options: &[&str]) -> String {
    let machine = Machine::new();
    let directory = machine.install(cache);
    let ended = machine.build(&["--from", &directory]).args(options).run();
    assert!(!machine.has_bundle());
    let names = machine.kept();
    assert!(names.iter().all(|name| name.ends_with(".nar.zst")), "{names:?}");
    ended.expect_refusal(1).0
}

#[test]
fn wrong_files_are_refused() {
    let data = |cache: &Cache| cache.nar("cached-data").display().to_string();
    let library = |cache: &Cache| cache.nar("cached-library").display().to_string();
    let cut = |cache: &Cache| drop(shell(cache, &format!("truncate -s -1 {}", data(cache))));
    let longer = |cache: &Cache| drop(shell(cache, &format!("echo x >> {}", data(cache))));
    let swapped = |cache: &Cache| {
        shell(cache, &format!("cp {} {}", library(cache), data(cache))).expect_code(0);
    };
    let flipped = |cache: &Cache| {
        let script = format!("printf x | dd of={} bs=1 seek=100 conv=notrunc", data(cache));
        shell(cache, &script).expect_code(0);
    };
    let plain = |cache: &Cache| cache.forget_file("cached-data");
    let cases: [(Change<'_>, &str); 13] = [
        (&cut, "its file does not have "),
        (&longer, "its file does not have "),
        (&swapped, "its NAR is wrong: "),
        (&flipped, "its NAR is wrong: "),
        (&|cache| (cut(cache), plain(cache)).1, "its NAR is wrong: "),
        (&|cache| (longer(cache), plain(cache)).1, "its NAR is wrong: "),
        (&|cache| (swapped(cache), plain(cache)).1, "its NAR is wrong: "),
        (&|cache| (flipped(cache), plain(cache)).1, "its NAR is wrong: "),
        (
            &|cache| cache.set("cached-data", "FileHash", Some(&cache.field(NAMES[0], "FileHash"))),
            "its file has another digest than FileHash",
        ),
        (&|cache| fs::remove_file(cache.nar("cached-data")).expect("remove it"), "is not there"),
        (
            // The whole of another store path's.
            &|cache| {
                for field in ["URL", "FileSize", "FileHash"] {
                    cache.set("cached-data", field, Some(&cache.field("cached-library", field)));
                }
            },
            "its NAR is wrong: ",
        ),
        (&|cache| cache.set("cached-data", "Compression", Some("zstd")), "its NAR is wrong: "),
        (
            &|cache| {
                let nar = data(cache);
                shell(cache, &format!("rm {nar}; mkfifo {nar}")).expect_code(0);
            },
            "is not there",
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let cache = Cache::new("xz");
        change(&cache);
        let what = refused(&cache, &[]);
        let start = "packer: binary cache /srv/cache is wrong about /nix/store/";
        assert!(what.starts_with(start) && what.contains("-cached-data: "), "{number}: {what}");
        assert!(what.contains(expected), "{number}: {what}");
    }
}

#[test]
fn wrong_narinfos_are_refused() {
    let huge = "18446744073709551615";
    for (field, value, expected) in [
        ("URL", Some("../../../../etc/passwd"), "../../../../etc/passwd is not a file of a cache"),
        ("URL", Some("/etc/passwd"), "/etc/passwd is not a file of a cache"),
        ("URL", None, "URL is missing"),
        ("URL", Some("nar/\u{1b}[2J"), "its file nar/\\u{1b}[2J is not there"),
        ("Compression", Some("rot13"), "its compression rot13 is not known"),
        ("NarSize", Some("-1"), "NarSize is not a number"),
        ("NarHash", Some("sha256:0"), "NarHash is not a SHA-256 digest"),
        ("StorePath", Some("/gnu/store/x"), "StorePath is no store path"),
        ("FileSize", Some(huge), "its file does not have 18446744073709551615 bytes"),
        ("Deriver", Some("x"), "Deriver is no store path"),
        ("CA", Some("\u{1b}[2J"), "CA is no content address"),
        ("Sig", Some(&"x\nSig: ".repeat(100)), "it has more than 100 signatures"),
    ] {
        let cache = Cache::new("none");
        cache.set("cached-program", field, value);
        let what = refused(&cache, &[]);
        assert!(what.ends_with(expected), "{field}: {what}");
        assert!(what.contains(&made().root), "{field}: {what}");
    }
    let cache = Cache::new("none");
    fs::write(cache.narinfo("cached-library"), vec![b'x'; (4 << 20) + 1]).expect("write it");
    let what = refused(&cache, &[]);
    assert!(what.contains(".narinfo has more than 4194304 bytes"), "{what}");

    // Numbers that are added.
    let cache = Cache::new("none");
    for name in NAMES {
        cache.set(name, "FileSize", Some(huge));
    }
    let what = refused(&cache, &[]);
    assert!(what.contains("its file does not have "), "{what}");
    let cache = Cache::new("none");
    cache.forget_file("cached-program");
    cache.set("cached-program", "NarSize", Some(huge));
    let what = refused(&cache, &["--insecure-no-signatures"]);
    assert!(what.contains("its NAR is wrong: "), "{what}");
}

/// A reference that is in the files and not in the narinfo.
#[test]
fn references_that_are_left_out_are_found() {
    let cache = Cache::new("none");
    let others = cache.field(NAMES[0], "References");
    let others: Vec<&str> = others.split(' ').filter(|name| !name.ends_with("-text")).collect();
    let text = cache.field("cached-text", "StorePath");
    // The library has it, and so it is in the closure.
    cache.set(NAMES[0], "References", Some(&others.join(" ")));
    let references = cache.field(NAMES[1], "References");
    let name = text.trim_start_matches("/nix/store/");
    cache.set(NAMES[1], "References", Some(&format!("{references} {name}")));
    for options in [&[][..], &["--insecure-no-signatures"]] {
        let machine = Machine::new();
        let ended = machine.build(&["--from", &machine.install(&cache)]).args(options).run();
        ended.expect_code(1);
        assert!(!machine.has_bundle());
        let stderr = ended.stderr();
        if !options.is_empty() {
            let expected = format!(
                "packer: {} refers to {text}, which its narinfo in the binary cache does not list\nhint: ",
                made().root
            );
            assert!(stderr.contains(&expected), "{stderr}");
        }
    }
}

#[test]
fn what_is_no_cache_is_refused() {
    for (text, expected) in [
        ("StoreDir: /gnu/store\n", "it is for /gnu/store, not /nix/store"),
        ("StoreDir: /nix/store\nWantMassQuery: often\n", "its WantMassQuery is neither 0 nor 1"),
        ("StoreDir: /nix/store\nPriority: first\n", "its Priority is not a number"),
        ("<html>log in</html>", "its nix-cache-info has a line without a colon"),
        (&"x".repeat(70_000), "nix-cache-info has more than 65536 bytes"),
    ] {
        let cache = Cache::new("none");
        fs::write(cache.path().join("nix-cache-info"), text).expect("write it");
        let what = refused(&cache, &[]);
        assert_eq!(what, format!("packer: /srv/cache is not a binary cache: {expected}"));
    }
    let cache = Cache::new("none");
    fs::remove_file(cache.path().join("nix-cache-info")).expect("remove it");
    let what = refused(&cache, &[]);
    assert_eq!(what, "packer: /srv/cache is not a binary cache: it has no nix-cache-info");
    for (text, expected) in
        [("/srv/missing", "/srv/missing"), ("file:///srv/%20", "file:///srv/%20")]
    {
        let machine = Machine::new();
        let (what, hint) = machine.pack(&[text]).expect_refusal(1);
        assert!(what.starts_with(&format!("packer: {expected} is not a binary cache")), "{what}");
        assert!(hint.contains("nix-cache-info"), "{hint}");
    }
    // A server that answers otherwise.
    let server = Server::start(|_, _| Answer::new(418));
    let url = format!("http://{}", server.name(""));
    let (what, _) = Machine::new().pack(&[&url]).expect_refusal(1);
    assert!(what.contains("is not a binary cache: it answers 418"), "{what}");
}

/// Packs from a server that has a cache with another NAR in the place of the data's.
fn with_nar(options: &[&str], nar: impl Fn() -> Answer + Send + Sync + 'static) -> Ended {
    let (machine, cache) = (Machine::new(), Cache::new("none"));
    cache.forget_file("cached-data");
    let url = format!("/{}", cache.field("cached-data", "URL"));
    let server = Server::start(move |request, _| match request.path == url {
        true => nar(),
        false => file(cache.path(), request),
    });
    let ended =
        machine.build(&["--from", &format!("http://{}", server.name(""))]).args(options).run();
    assert!(!machine.has_bundle());
    ended
}

/// The start of a NAR of one file.
fn nar(len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in ["nix-archive-1", "(", "type", "regular", "contents"] {
        bytes.extend((word.len() as u64).to_le_bytes());
        bytes.extend(word.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes.extend(len.to_le_bytes());
    bytes
}

#[test]
fn bodies_without_end_are_bounded() {
    for (body, expected) in [
        (b"x".repeat(1 << 16), "its NAR is wrong: a string that is too long"),
        (
            [nar(1 << 40), vec![0; 1 << 16]].concat(),
            "its NAR is wrong: a file that is longer than the rest",
        ),
        ([nar(3_000_000), vec![0; 1 << 16]].concat(), "its NAR is wrong: "),
    ] {
        let begin = Instant::now();
        let (what, _) =
            with_nar(&[], move || Answer::new(200).body(body.clone()).endless()).expect_refusal(1);
        assert!(what.contains(&format!("-cached-data: {expected}")), "{what}");
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
    // A narinfo without end.
    let server = Server::start(|request, _| match request.path.as_str() {
        "/nix-cache-info" => Answer::new(200).body("StoreDir: /nix/store\n"),
        _ => Answer::new(200).body("x".repeat(1 << 16)).endless(),
    });
    let (what, _) =
        Machine::new().pack(&[&format!("http://{}", server.name(""))]).expect_refusal(1);
    assert!(what.contains(".narinfo has more than 4194304 bytes"), "{what}");
}

/// Few bytes become many: 1 GiB of zeros behind the start of a good NAR.
#[test]
fn bombs_are_bounded() {
    for (compression, command) in
        [("zstd", "zstd -1"), ("gzip", "gzip -1"), ("bzip2", "bzip2 -1"), ("xz", "xz -0")]
    {
        let (machine, cache) = (Machine::new(), Cache::new(compression));
        cache.forget_file("cached-data");
        let nar_path = cache.nar("cached-data");
        fs::write(cache.path().join("start"), nar(3_000_000)).expect("write it");
        let script = format!(
            "{{ cat start; head -c 200M /dev/zero; }} | {command} > {}",
            nar_path.display()
        );
        shell(&cache, &script).expect_code(0);
        let start = machine.build(&["--from", &machine.install(&cache)]);
        let (ended, most) = measured(start);
        let (what, _) = ended.expect_refusal(1);
        assert!(what.contains("-cached-data: its NAR is wrong: "), "{compression}: {what}");
        assert!(most < 150 << 10, "{compression}: {most} KiB");
        let kept: u64 = fs::read_dir(machine.nars())
            .expect("list")
            .map(|it| it.expect("one").metadata().expect("its length").len())
            .sum();
        assert!(kept < 8 << 20, "{kept} bytes");
    }
}

/// A file of a cache that a server compressed, and that becomes too large.
#[test]
fn encodings_are_bounded() {
    let bomb = tempfile::tempdir().expect("make a directory");
    let path = bomb.path().join("bomb");
    let script = "head -c 100M /dev/zero | gzip -1 > \"$1\"";
    let mut sh = std::process::Command::new("sh");
    tests::run(sh.args(["-euc", script, "sh"]).arg(&path)).expect_code(0);
    let bytes = fs::read(&path).expect("read it");
    let (what, _) = with_nar(&[], move || {
        Answer::new(200).header("Content-Encoding", "gzip").body(bytes.clone())
    })
    .expect_refusal(1);
    assert!(what.contains("-cached-data: its NAR is wrong: "), "{what}");
    let (what, _) =
        with_nar(&[], || Answer::new(200).header("Content-Encoding", "rot13").body("x"))
            .expect_refusal(1);
    assert!(what.contains("its Content-Encoding rot13 is not known"), "{what}");
}

#[test]
fn redirects_end() {
    let (what, hint) =
        with_nar(&[], || Answer::new(302).header("Location", "/again")).expect_refusal(1);
    assert!(what.contains("is not there") || what.contains("without end"), "{what}");
    let server = Server::start(|request, _| {
        Answer::new(302).header("Location", format!("{}x", request.path))
    });
    let url = format!("http://{}", server.name("cache"));
    let (what, _) = Machine::new().pack(&[&url]).expect_refusal(1);
    assert_eq!(
        what,
        format!("packer: binary cache {url}: it sends from one URL to the next without end")
    );
    assert!(server.requests().len() < 20);
    assert!(hint.starts_with("hint: "));
}

/// A narinfo whose URL is none is no reason to leave out the whole cache.
#[test]
fn a_url_that_is_none_is_one_path_s() {
    let (machine, cache) = (Machine::new(), Cache::new("none"));
    cache.set("cached-text", "URL", Some("http://[::broken"));
    let good = Cache::new("none");
    let first = Server::start(move |request, _| file(cache.path(), request));
    let second = Server::start(move |request, _| file(good.path(), request));
    let urls = [first, second].map(|server| format!("http://{}", server.name("")));
    let ended = machine.pack(&[&urls[0], &urls[1]]);
    ended.expect_quiet();
    machine.expect_bundle();
}
