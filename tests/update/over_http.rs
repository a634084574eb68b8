//! nginx, with and without ranges, and python: the new bundle arrives, and no more than what is new of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, Closure, Forge, Host, Served, packer, run};

use crate::made::{Home, change, first, published, second, version};

/// Bytes for what every update fetches besides frames: the start of the file and the sections, not the stub.
const HEAD: u64 = 150 << 10;

/// Bytes that a server sent for the bundle.
fn sent(served: &Served) -> u64 {
    served.requests().iter().map(|request| request.sent).sum()
}

fn url(served: &Served) -> String {
    format!("{}/probe", served.url())
}

#[test]
fn nginx_sends_what_is_new() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let served = Served::nginx(directory.path(), "");
    let text = home.update(&[&url(&served)], &new);
    assert!(text.starts_with("probe: 1.0 -> 2.0, ") && text.ends_with(" fetched\n"), "{text}");
    let requests = served.requests();
    // The start, the sections, and two times two frames that follow each other.
    assert_eq!(requests.len(), 4, "{requests:?}");
    assert!(requests.iter().all(|request| request.connection == requests[0].connection));
    let frames: usize = [3, 4, 15, 16].iter().map(|number| new.frames[*number].stored.len()).sum();
    let (sent, frames) = (sent(&served), frames as u64);
    assert!(sent > frames && sent < frames + HEAD, "{sent} of {frames}: {requests:?}");
    // It is the program that it was.
    let start = run(Command::new(home.probe()).args(["files", "0"]).env("HOME", home.path()));
    start.expect_code(0);
}

#[test]
fn an_ordinary_user_updates() {
    let host = Host::ordinary();
    let packer = host.install(packer());
    let directory = published(&second());
    let served = Served::nginx(directory.path(), "");
    let place = host.home("probe");
    let _ = first().write(&host.outside(&place));
    host.user.own(&host.outside(&place)).expect("give it to the user");
    let update = || host.start(&packer).arg("update").arg(&place).arg(url(&served)).run();
    update().expect_quiet();
    assert!(fs::read(host.outside(&place)).expect("read it") == second().bytes());
    let again = update().stdout();
    assert_eq!(again, "/home/alice/probe is up to date: 2.0\n");
    host.start(&place).args(["files", "0"]).run().expect_code(0);
}

/// Without ranges, everything is sent once.
#[test]
fn servers_without_ranges_send_all() {
    let new = second();
    let directory = published(&new);
    let nginx = Served::nginx(directory.path(), "max_ranges 0;");
    let home = Home::new();
    home.update(&[&url(&nginx)], &new);
    assert_eq!(sent(&nginx), new.bytes().len() as u64);
    let python = Served::python(directory.path());
    let home = Home::new();
    home.update(&[&url(&python)], &new);
    // What is the same is seen at the start of the file.
    let text = home.update(&[&url(&python)], &new);
    assert_eq!(text, "probe is up to date: 2.0\n");
}

#[test]
fn what_is_up_to_date_is_not_written() {
    let home = Home::new();
    let directory = published(&first());
    let served = Served::nginx(directory.path(), "");
    let time = || fs::metadata(home.probe()).and_then(|meta| meta.modified()).expect("a time");
    let before = time();
    assert_eq!(home.update(&[&url(&served)], &first()), "probe is up to date: 1.0\n");
    assert_eq!((served.requests().len(), time()), (1, before));
    assert!(sent(&served) <= 16 << 10);
    // The URL of the file itself.
    let own = format!("file://{}", home.probe().display());
    assert_eq!(home.update(&[&own], &first()), "probe is up to date: 1.0\n");
    assert_eq!(time(), before);
}

#[test]
fn files_are_taken_without_a_server() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let text = home.update(&[&format!("file://{}/probe", directory.path().display())], &new);
    assert!(text.starts_with("probe: 1.0 -> 2.0, "), "{text}");
    for (name, expected) in [("none", "packer: cannot open "), ("", " is not a bundle")] {
        let url = format!("file://{}/{name}", directory.path().display());
        let (what, _) = home.refused(&[&url]);
        assert!(what.contains(expected), "{what}");
    }
}

/// Each further update fetches what is new again.
#[test]
fn updates_follow_each_other() {
    let home = Home::new();
    let directory = published(&first());
    let served = Served::nginx(directory.path(), "");
    let mut forge = first();
    for (number, frame) in [(2, 0), (3, 21), (4, 8)] {
        forge = version(change(forge, frame), &format!("{number}"));
        let _ = forge.write(&directory.path().join("probe"));
        home.update(&[&url(&served)], &forge);
    }
}

#[test]
fn a_private_authority_is_named() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let served = Served::nginx_with_tls(directory.path());
    let (what, hint) = home.refused(&[&url(&served)]);
    assert!(what.contains("certificate") && hint.contains("SSL_CERT_FILE"), "{what}\n{hint}");
    let mut command = home.command(&["update", "probe", &url(&served)]);
    run(command.env("SSL_CERT_FILE", served.certificate())).expect_code(0);
    home.expect(&new);
}

/// A redirect out of TLS, and one that is followed.
#[test]
fn redirects_keep_tls() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let plain = Served::nginx(directory.path(), "");
    let more = format!(
        "location /out {{ return 302 {}/probe; }} location /in {{ return 302 /probe; }}",
        plain.url()
    );
    let served = Served::nginx_with_tls_and(directory.path(), &more);
    let update = |name: &str| {
        let url = format!("{}/{name}", served.url());
        let mut command = home.command(&["update", "probe", &url]);
        run(command.env("SSL_CERT_FILE", served.certificate()))
    };
    let (what, _) = update("out").expect_refusal(1);
    assert!(what.contains("which has no TLS"), "{what}");
    home.expect(&first());
    update("in").expect_code(0);
    home.expect(&new);
    // Later requests go where the first one was sent.
    let requests = served.requests();
    let redirected = requests.iter().filter(|request| request.request == "GET /in").count();
    assert_eq!(redirected, 1, "{requests:?}");
}

#[test]
fn names_and_passwords_are_given() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    // openssl passwd -apr1 -salt abcdefgh pass
    let password =
        run(Command::new("openssl").args(["passwd", "-apr1", "-salt", "abcdefgh", "pass"]));
    let users = directory.path().join("users");
    fs::write(&users, format!("me:{}", password.text())).expect("write the users");
    fs::set_permissions(&users, PermissionsExt::from_mode(0o644)).expect("set its mode");
    let more = format!("auth_basic test; auth_basic_user_file {};", users.display());
    let served = Served::nginx(directory.path(), &more);
    let (what, hint) = home.refused(&[&url(&served)]);
    assert!(what.ends_with(" asks for a name and a password") && hint.contains("netrc"), "{what}");
    let with = |user: &str| url(&served).replace("://", &format!("://{user}@"));
    let (what, _) = home.refused(&[&with("me:wrong")]);
    assert!(what.ends_with(" that it is given") && !what.contains("wrong"), "{what}");
    fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login me password pass").unwrap();
    home.update(&[&url(&served)], &new);
}

/// What has arrived before an interruption is not sent again.
#[test]
fn an_interrupted_update_goes_on() {
    let (home, new) = (Home::new(), second());
    let bytes = new.bytes();
    // The last frame does not come.
    let regions = tests::regions(&bytes);
    let (_, last) = regions.iter().find(|(name, _)| name == "frame 16").expect("a frame").clone();
    let (server, stalled) = crate::made::serve(bytes, move |request, _, answer| {
        match crate::made::range(request, usize::MAX) {
            Some(range) if range.contains(&last.start) => answer.stalled(last.start - range.start),
            _ => answer,
        }
    });
    let (what, hint) = home.refused(&[&stalled, "--timeout", "1"]);
    assert!(what.contains(": it does not answer in time (5 attempts)"), "{what}");
    assert!(hint.contains("what has arrived is kept"), "{hint}");
    assert_eq!(home.kept().len(), 3, "{:?}", server.requests());
    let directory = published(&new);
    let served = Served::nginx(directory.path(), "");
    home.update(&[&url(&served)], &new);
    let frame = new.frames[16].stored.len() as u64;
    assert!(sent(&served) < frame + HEAD, "{:?}", served.requests());
}

/// A frame of the old bundle that is damaged by now is fetched.
#[test]
fn a_damaged_bundle_is_repaired_by_its_update() {
    let (home, new) = (Home::new(), second());
    let mut bytes = fs::read(home.probe()).expect("read it");
    let regions = tests::regions(&bytes);
    let (_, frame) = regions.iter().find(|(name, _)| name == "frame 9").expect("a frame");
    bytes[frame.start + 100] ^= 1;
    fs::write(home.probe(), bytes).expect("damage it");
    let directory = published(&new);
    let served = Served::nginx(directory.path(), "");
    home.update(&[&url(&served)], &new);
    assert_eq!(served.requests().len(), 5);
}

/// Another stub is fetched.
#[test]
fn another_stub_is_fetched() {
    let (home, new) = (Home::new(), second());
    let directory = published(&new);
    let mut old = fs::read(home.probe()).expect("read it");
    let middle = tests::regions(&old)[1].1.start / 2;
    old[middle] ^= 1;
    fs::write(home.probe(), old).expect("write it");
    let served = Served::nginx(directory.path(), "");
    let report = home.packer(&["update", "probe", &url(&served), "--json"]).stdout();
    home.expect(&new);
    assert_eq!(served.requests().len(), 5);
    // The start of the file comes once, and what is counted is what came.
    let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    assert_eq!(report["fetched_bytes"], sent(&served));
}

/// markov with a server that is another one: the closure and the frames of a real bundle.
#[test]
fn markov_gets_a_new_server() {
    let markov = Closure::example("markov");
    let directory = published(&first());
    let closure = directory.path().join("closure");
    let store = closure.join("nix/store");
    fs::create_dir_all(&store).expect("make a store");
    run(Command::new("cp").arg("-a").args(markov.requisites()).arg(&store)).expect_code(0);
    let pack = |release: &str, to: &Path| {
        let mut build = Command::new(packer());
        build.args(["build", "--store-root"]).arg(&closure).arg("--closure").arg(&markov.path);
        build.args(["--entry", "/bin/markov", "--level", "1", "--release", release, "-o"]).arg(to);
        run(build.env("XDG_CACHE_HOME", "/dev/null")).expect_code(0);
    };
    let home = Home::new();
    let old = directory.path().join("old");
    pack("1.0", &old);
    fs::copy(&old, home.probe()).expect("copy it");
    let script = "for file in $(find . -path '*go-markov*/bin/*' -o -path '*markov-server*/bin/*'); do
        [ -f $file ] && [ ! -h $file ] || continue; chmod u+w $file; printf new >> $file; echo $file; done";
    let changed = run(Command::new("sh").current_dir(&closure).args(["-ec", script])).text();
    assert!(!changed.is_empty());
    pack("2.0", &directory.path().join("probe"));
    let served = Served::nginx(directory.path(), "");
    let ended = home.packer(&["update", "probe", &url(&served)]);
    let text = ended.stdout();
    let (found, expected) = (home.probe(), directory.path().join("probe"));
    assert!(fs::read(&found).expect("read it") == fs::read(&expected).expect("read it"));
    // A frame has up to 16 MiB of files: what is new is in one of them.
    let frames = |path: PathBuf| Forge::of(&Bundle { path }).frames;
    let old: Vec<_> = frames(old).into_iter().map(|frame| frame.stored).collect();
    let new = frames(found).into_iter().map(|frame| frame.stored);
    let (kept, new): (Vec<_>, Vec<_>) = new.partition(|frame| old.contains(frame));
    let (new, sent) = (new.iter().map(Vec::len).sum::<usize>() as u64, sent(&served));
    tests::say(&format!("markov with a new server: {text}"));
    assert!(!kept.is_empty() && sent > new && sent < new + HEAD, "{sent}: {new}");
}
