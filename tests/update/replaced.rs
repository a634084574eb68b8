//! What becomes of the file: links, permissions, owners, the old bundle, programs that run, directories without room.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Command, Stdio};

use nix::fcntl::{Flock, FlockArg};
use tests::{Bundle, Change, Host, Nix, Store, User, packer, run, source};

use crate::made::{Home, first, names, published, second};

fn url(directory: &tempfile::TempDir) -> String {
    format!("file://{}/probe", directory.path().display())
}

#[test]
fn links_are_followed_and_stay() {
    let (home, directory) = (Home::new(), published(&second()));
    let link = home.path().join("link");
    symlink("bin/probe", &link).expect("make a link");
    let ended = home.packer(&["update", "../link", &url(&directory), "--keep-old"]);
    assert!(ended.stdout().starts_with("../link: 1.0 -> 2.0, "));
    assert!(fs::symlink_metadata(&link).expect("look at it").is_symlink());
    assert_eq!(home.names(), ["probe", "probe.old"]);
    assert!(fs::read(&link).expect("read it") == second().bytes());
}

#[test]
fn the_old_bundle_is_kept() {
    let (home, directory) = (Home::new(), published(&second()));
    let old = home.path().join("bin/probe.old");
    fs::write(&old, "an older one").expect("write it");
    let update = |url: &str| home.packer(&["update", "probe", url, "--keep-old", "--allow-older"]);
    update(&url(&directory)).expect_quiet();
    assert!(fs::read(&old).expect("read it") == first().bytes());
    assert!(fs::read(home.probe()).expect("read it") == second().bytes());
    // And back.
    fs::rename(&old, home.path().join("back")).expect("rename it");
    update(&format!("file://{}", home.path().join("back").display())).expect_quiet();
    assert!(fs::read(&old).expect("read it") == second().bytes());
    assert!(fs::read(home.probe()).expect("read it") == first().bytes());
    assert_eq!(home.names(), ["probe", "probe.old"]);
}

/// Where the old bundle cannot be kept, nothing is fetched, and an older one of that name stays.
#[test]
fn what_cannot_be_kept_is_said_first() {
    let (home, directory) = (Home::new(), published(&second()));
    fs::create_dir(home.path().join("bin/probe.old")).expect("make a directory");
    let (what, hint) = home.refused(&[&url(&directory), "--keep-old"]);
    assert!(what.starts_with("packer: cannot keep the old bundle as "), "{what}");
    assert!(what.contains("/bin/probe.old: Is a directory"), "{what}");
    assert!(hint.contains("leave out --keep-old"), "{hint}");
    let name = "x".repeat(253);
    fs::rename(home.probe(), home.path().join("bin").join(&name)).expect("rename it");
    let (what, _) =
        home.packer(&["update", &name, &url(&directory), "--keep-old"]).expect_refusal(1);
    assert!(what.contains(".old: File name too long"), "{what}");
}

/// Each renaming fails once: either all is as it was, or the new bundle and its predecessor are there.
#[test]
fn an_older_bundle_stays_until_the_new_one_has_its_place() {
    let directory = published(&second());
    for when in 1..=2 {
        let home = Home::new();
        fs::write(home.path().join("bin/probe.old"), "an older one").expect("write it");
        let inject = format!("inject=renameat:error=EPERM:when={when}");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o", "/dev/null", "-e", &inject]);
        let url = url(&directory);
        let arguments = ["update", "probe", &url, "--keep-old"];
        strace.arg(packer());
        let (what, hint) = run(&mut home.around(strace, &arguments)).expect_refusal(1);
        assert!(what.starts_with("packer: cannot "), "{what}");
        assert!(hint.ends_with("the bundle is as it was"), "{hint}");
        assert_eq!(home.names(), ["probe", "probe.old"]);
        assert!(fs::read(home.probe()).expect("read it") == first().bytes(), "{when}");
        let old = fs::read(home.path().join("bin/probe.old")).expect("read it");
        assert_eq!(old, b"an older one", "{when}");
    }
}

/// A user exchanges a directory above the bundle while root updates it: the directory that was opened gets it.
#[test]
fn directories_that_are_exchanged_do_not_lead_elsewhere() {
    let home = Home::new();
    let (bin, moved) = (home.path().join("bin"), home.path().join("moved"));
    let other = tempfile::tempdir().expect("make a directory");
    fs::write(other.path().join("probe"), "another's").expect("write it");
    let (from, to, link) = (bin.clone(), moved.clone(), other.path().to_owned());
    let (_server, url) = crate::made::serve(second().bytes(), move |_, number, answer| {
        if number == 1 {
            fs::rename(&from, &to).expect("rename it");
            symlink(&link, &from).expect("make a link");
        }
        answer
    });
    let path = home.probe();
    let mut command = home.command(&["update"]);
    run(command.arg(path).arg(url)).expect_quiet();
    assert_eq!(fs::read(other.path().join("probe")).expect("read it"), b"another's");
    assert_eq!(names(other.path()), ["probe"]);
    assert!(fs::read(moved.join("probe")).expect("read it") == second().bytes());
}

/// The file is exchanged while it is updated.
#[test]
fn a_file_that_is_exchanged_is_not_replaced() {
    let home = Home::new();
    let probe = home.probe();
    let (_server, url) = crate::made::serve(second().bytes(), move |_, number, answer| {
        if number == 1 {
            fs::remove_file(&probe).expect("remove it");
            fs::write(&probe, "another").expect("write it");
        }
        answer
    });
    let (what, _) = home.packer(&["update", "probe", &url]).expect_refusal(1);
    assert!(what.ends_with("/probe is another file than the one that packer opened"), "{what}");
    assert_eq!(fs::read(home.probe()).expect("read it"), b"another");
    assert_eq!(home.names(), ["probe"]);
}

#[test]
fn a_bind_mount_is_noticed_before_anything_is_fetched() {
    let home = Home::new();
    let (server, url) = crate::made::serve(second().bytes(), |_, _, answer| answer);
    let script =
        format!("mount --bind probe probe && exec {} update probe {url}", packer().display());
    let mut unshare = home.around(Command::new("unshare"), &["--mount", "sh", "-c", &script]);
    let (what, hint) = run(&mut unshare).expect_refusal(1);
    assert!(what.contains("/probe: Device or resource busy"), "{what}");
    assert!(hint.contains("a bind mount"), "{hint}");
    assert_eq!(server.requests().len(), 0);
    home.expect(&first());
}

/// A link with the name of an entry that is gone runs the first entry.
#[test]
fn entries_that_are_gone_are_named() {
    let pack = |entries: &[&str], release: &str| {
        let store = Store::new();
        let bundle = entries.iter().fold(Bundle::of_store(&store, Store::PATH), |bundle, entry| {
            store.program(format!("{}{entry}", Store::PATH), &tests::probe());
            bundle.entry(entry)
        });
        let bundle = bundle.option("--release", release).option("--level", "1");
        fs::read(bundle.pack_into(store.root()).path).expect("read it")
    };
    let (home, directory) = (Home::new(), published(&second()));
    fs::write(home.probe(), pack(&["/bin/one", "/bin/two"], "1")).expect("write it");
    fs::write(directory.path().join("probe"), pack(&["/bin/one"], "2")).expect("write it");
    let ended = home.packer(&["update", "probe", &url(&directory)]);
    ended.expect_code(0);
    let said = ended.stderr();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("packer: the new bundle has no entry two: "), "{said}");
    assert!(lines[1].starts_with("hint: remove the links with that name"), "{said}");
}

#[test]
fn permissions_and_owner_are_kept() {
    for mode in [0o755, 0o700, 0o775, 0o555, 0o444, 0o6755] {
        let (home, directory) = (Home::new(), published(&second()));
        chown(home.probe(), Some(1234), Some(5678)).expect("give it to somebody");
        fs::set_permissions(home.probe(), Permissions::from_mode(mode)).expect("set its mode");
        home.packer(&["update", "probe", &url(&directory)]).expect_quiet();
        let meta = fs::metadata(home.probe()).expect("look at it");
        let found = (meta.mode() & 0o7777, meta.uid(), meta.gid());
        // Bits that raise rights are not: the new file is another program.
        assert_eq!(found, (mode & 0o777, 1234, 5678));
    }
}

/// Somebody else's bundle, in a directory where both may write.
#[test]
fn other_owners_are_kept_where_possible() {
    let host = Host::ordinary();
    let (packer, directory) = (host.install(packer()), host.directory("/srv/shared", 0o777));
    let place = directory.join("probe");
    let _ = first().write(&host.outside(&place));
    let new = second().write(&host.outside("/srv/new"));
    let ended = host.start(packer).arg("update").arg(&place).arg("file:///srv/new").run();
    ended.expect_quiet();
    let meta = fs::metadata(host.outside(&place)).expect("look at it");
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (host.user.uid, 0o755));
    assert!(fs::read(host.outside(&place)).expect("read it") == fs::read(new.path).unwrap());
}

#[test]
fn a_directory_that_cannot_be_written_is_named_before_anything_is_fetched() {
    let host = Host::ordinary();
    let (packer, directory) = (host.install(packer()), host.directory("/srv/closed", 0o755));
    chown(host.outside(&directory), Some(0), Some(0)).expect("give it to root");
    let _ = first().write(&host.outside(directory.join("probe")));
    let (server, url) = crate::made::serve(second().bytes(), |_, _, answer| answer);
    let update = |check: &[&str]| {
        host.start(&packer).args(["update", "/srv/closed/probe", &url]).args(check).run()
    };
    let (what, hint) = update(&[]).expect_refusal(1);
    assert!(
        what.starts_with("packer: cannot replace /srv/closed/probe: Permission denied"),
        "{what}"
    );
    assert!(hint.contains("its directory must be writable"), "{hint}");
    assert_eq!(server.requests().len(), 0);
    update(&["--check"]).expect_quiet();
}

#[test]
fn a_full_disk_is_named_before_anything_is_fetched() {
    let options = "mode=755,size=9m".to_owned();
    let home = Change::Mount { kind: "tmpfs", at: "/root".into(), options };
    let host = Host::changed(User::root(), Nix::Absent, &[home]);
    let (packer, old) = (host.install(packer()), first().write(&host.outside("/srv/old")));
    let (server, url) = crate::made::serve(second().bytes(), |_, _, answer| answer);
    let script = format!(
        "cp /srv/old ~/probe; cd; {} update probe {url} 2>&1 | cat >/srv/said; cmp probe /srv/old; ls -A",
        packer.display()
    );
    let start = host.start("/bin/sh").args(["-c", &script]).env("XDG_CACHE_HOME", "/srv");
    assert_eq!(start.run().text(), "probe\n");
    let said = fs::read_to_string(host.outside("/srv/said")).expect("read it");
    assert!(said.starts_with("packer: cannot replace /root/probe: No space left"), "{said}");
    assert!(said.contains("\nhint: make room on that disk"), "{said}");
    assert_eq!(server.requests().len(), 1);
    drop(old);
}

#[test]
fn the_limit_on_file_sizes_is_named() {
    let (home, directory) = (Home::new(), published(&second()));
    let script =
        format!("ulimit -f 4096; exec {} update probe {}", packer().display(), url(&directory));
    let ended = run(home.around(Command::new("bash"), &["-c", &script]).stdin(Stdio::null()));
    let (what, hint) = ended.expect_refusal(1);
    assert!(
        what.starts_with("packer: cannot replace ") && what.contains("File too large"),
        "{what}"
    );
    assert!(hint.contains("ulimit -f"), "{hint}");
    home.expect(&first());
}

#[test]
fn what_runs_keeps_running() {
    let (home, directory) = (Home::new(), published(&second()));
    let mut command = Command::new(home.probe());
    command.arg("echo").env("HOME", home.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("start it");
    let (mut to, mut from) =
        (running.stdin.take().expect("a pipe"), running.stdout.take().expect("a pipe"));
    let mut echo = |word: &[u8; 4]| {
        to.write_all(word).expect("write to it");
        let mut back = [0; 4];
        from.read_exact(&mut back).expect("read from it");
        assert_eq!(&back, word);
    };
    echo(b"one\n");
    home.packer(&["update", "probe", &url(&directory)]).expect_quiet();
    echo(b"two\n");
    drop(to);
    assert!(running.wait().expect("wait for it").success());
    run(Command::new(home.probe()).args(["files", "0"]).env("HOME", home.path())).expect_code(0);
}

#[test]
fn one_update_is_at_work() {
    let (home, directory) = (Home::new(), published(&second()));
    let file = fs::File::open(home.probe()).expect("open it");
    let lock = Flock::lock(file, FlockArg::LockExclusive).expect("lock it");
    let (what, hint) = home.refused(&[&url(&directory)]);
    assert_eq!(what, "packer: another packer update is at work on probe");
    assert_eq!(hint, "hint: wait until it has ended");
    drop(lock);
    // Two at once: one does it, the other one waits or finds it done.
    let mut both: Vec<_> = (0..2)
        .map(|_| {
            let mut command = home.command(&["update", "probe", &url(&directory)]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("start it")
        })
        .collect();
    let codes: Vec<_> = both.iter_mut().map(|child| child.wait().expect("wait").code()).collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    home.expect(&second());
}

#[test]
fn leftovers_of_this_bundle_are_removed() {
    let (home, directory) = (Home::new(), published(&second()));
    // A digest of the name tells it from those of other bundles.
    let digest = run(Command::new("sh").args(["-c", "printf probe | sha256sum"])).text();
    let left = format!(".packer-update-{}-x", &digest[..16]);
    for name in [left.as_str(), ".packer-update-0123456789abcdef-x", ".packer-x"] {
        fs::write(home.path().join("bin").join(name), "half").expect("write it");
    }
    home.packer(&["update", "probe", &url(&directory)]).expect_quiet();
    assert_eq!(home.names(), [".packer-update-0123456789abcdef-x", ".packer-x", "probe"]);
}

/// Bundles of older versions of the format have no version of their own, nor a URL.
#[test]
fn bundles_of_every_format_are_updated() {
    let store = Store::new();
    for name in ["one", "two"] {
        store.program(format!("{}/bin/{name}", Store::PATH), &tests::probe());
    }
    let new = Bundle::of_store(&store, Store::PATH).entry("/bin/one").entry("/bin/two");
    let new = new.option("--release", "9").pack_into(store.root());
    for version in format::OLDEST_VERSION..format::BUNDLE_VERSION {
        let home = Home::new();
        let old = source().join(format!("tests/docs/golden/version-{version}"));
        fs::copy(old, home.path().join("bin/one")).expect("copy it");
        let url = format!("file://{}", new.path.display());
        let text = home.packer(&["update", "one", &url]).stdout();
        assert!(text.contains(" -> 9, "), "{version}: {text}");
        let found = fs::read(home.path().join("bin/one")).expect("read it");
        assert!(found == fs::read(&new.path).expect("read it"));
    }
}

#[test]
fn what_is_no_bundle_is_not_replaced() {
    let (home, directory) = (Home::new(), published(&second()));
    fs::write(home.path().join("bin/text"), "text").expect("write it");
    for (name, expected) in [
        ("text", "packer: text is not a bundle"),
        (".", "packer: . is not a bundle"),
        ("none", "packer: cannot open none: "),
    ] {
        let (what, _) = home.packer(&["update", name, &url(&directory)]).expect_refusal(1);
        assert!(what.starts_with(expected), "{what}");
    }
    assert_eq!(names(&home.path().join("bin")), ["probe", "text"]);
}
