//! What another user has put where a bundle looks for its cache is never run.
//!
//! The other user plants whole caches, as a start leaves them, in which the program is one of theirs: whoever
//! trusts such a cache runs that.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal::SIGKILL;
use tests::{Directory, Forge, Host, Nix, User, run, say, tree};

/// What the program of the other user exits with, and what the bundle's own does.
const FOREIGN: i32 = 44;
pub(crate) const OWN: i32 = 9;

/// A user id above all that users here have.
const STRANGER: u32 = 4_000_000_000;

/// What becomes of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is refused, with this reason.
    Refused(&'static str),
    /// It runs, from another cache.
    RunsFromElsewhere,
    /// It is refused, or runs what it has unpacked again.
    NotTrusted,
}

use Fate::{NotTrusted, Refused, RunsFromElsewhere};

/// A cache that somebody planted.
pub(crate) struct Plant {
    name: &'static str,
    /// Where it is.
    at: &'static str,
    /// How it gets there: a shell script that finds the other user in `$foreign`, and runs as root.
    script: &'static str,
    /// A variable of the victim's, `HOME` if it is another one, and its value.
    variable: (&'static str, &'static str),
    fate: Fate,
}

pub(crate) const fn plant(
    name: &'static str,
    at: &'static str,
    script: &'static str,
    variable: (&'static str, &'static str),
    fate: Fate,
) -> Plant {
    Plant { name, at, script, variable, fate }
}

pub(crate) const CACHE: (&str, &str) = ("PACKED_CACHE", "/tmp/place");
pub(crate) const XDG: (&str, &str) = ("XDG_CACHE_HOME", "/tmp/place");
const HOME: (&str, &str) = ("HOME", "/tmp/place");
const NO_HOME: (&str, &str) = ("HOME", "");

const PLANTS: [Plant; 25] = [
    plant("another's", "place", "chown -R $foreign place", CACHE, Refused("place (")),
    plant(
        "another's, open",
        "place",
        "chown -R $foreign place; chmod 777 place",
        CACHE,
        Refused("belongs to user"),
    ),
    plant(
        "another's, sticky",
        "place",
        "chown -R $foreign place; chmod 1777 place",
        CACHE,
        Refused("belongs to user"),
    ),
    plant(
        "link to another's",
        "place",
        "mv place evil; chown -R $foreign evil; ln -s evil place",
        CACHE,
        Refused("place ("),
    ),
    plant(
        "another's link to mine",
        "place",
        "mv place mine; chown -R $foreign mine/*; ln -s mine place; chown -h $foreign place",
        CACHE,
        Refused("place ("),
    ),
    plant(
        "mine, world-writable",
        "place",
        "chown -R $foreign place/*; chmod 777 place",
        CACHE,
        Refused("others may write"),
    ),
    plant(
        "mine, group-writable",
        "place",
        "chown -R $foreign place/*; chmod 770 place",
        CACHE,
        Refused("others may write"),
    ),
    plant(
        "mine, sticky",
        "place",
        "chown -R $foreign place/*; chmod 1777 place",
        CACHE,
        Refused("others may write"),
    ),
    // It was open to all once.
    plant(
        "mine, all in it another's",
        "place",
        "chown -R $foreign place/*",
        CACHE,
        Refused("cannot "),
    ),
    plant(
        "mine, records another's",
        "place",
        "chown -R $foreign place/bundles",
        CACHE,
        Refused("cannot "),
    ),
    plant(
        "mine, a record another's",
        "place",
        "chown -R $foreign place/bundles/*",
        CACHE,
        NotTrusted,
    ),
    plant(
        "mine, the program another's",
        "place",
        "chown -R $foreign $(dirname $(dirname $program))",
        CACHE,
        Refused("cannot use "),
    ),
    plant(
        "not mine below another's",
        "place",
        "chown $foreign place; chmod 755 place",
        CACHE,
        Refused("belongs to user"),
    ),
    plant("XDG another's", "place/packed", "chown -R $foreign place", XDG, RunsFromElsewhere),
    plant(
        "XDG mine, cache another's",
        "place/packed",
        "chown -R $foreign place/packed",
        XDG,
        RunsFromElsewhere,
    ),
    plant(
        "XDG open, cache another's",
        "place/packed",
        "chown -R $foreign place/packed; chmod 777 place",
        XDG,
        RunsFromElsewhere,
    ),
    plant(
        "XDG mine, cache a link",
        "place/packed",
        "mv place/packed evil; chown -R $foreign evil; ln -s ../evil place/packed",
        XDG,
        RunsFromElsewhere,
    ),
    plant(
        "XDG relative",
        "place/packed",
        "chown -R $foreign place",
        ("XDG_CACHE_HOME", "place"),
        RunsFromElsewhere,
    ),
    plant(
        "HOME another's",
        "place/.cache/packed",
        "chown -R $foreign place",
        HOME,
        RunsFromElsewhere,
    ),
    plant(
        "HOME mine, .cache another's",
        "place/.cache/packed",
        "chown -R $foreign place/.cache",
        HOME,
        RunsFromElsewhere,
    ),
    plant(
        "HOME mine, .cache a link",
        "place/.cache/packed",
        "mv place/.cache evil; chown -R $foreign evil; ln -s ../evil place/.cache",
        HOME,
        RunsFromElsewhere,
    ),
    plant(
        "HOME mine, cache another's",
        "place/.cache/packed",
        "chown -R $foreign place/.cache/packed; chmod 777 place/.cache",
        HOME,
        RunsFromElsewhere,
    ),
    plant(
        "name taken",
        "packed-00000000",
        "chown -R $foreign packed-*",
        NO_HOME,
        RunsFromElsewhere,
    ),
    plant(
        "name taken, open",
        "packed-00000000",
        "chown -R $foreign packed-*; chmod 777 packed-*",
        NO_HOME,
        RunsFromElsewhere,
    ),
    plant(
        "name taken by a link",
        "packed-00000000",
        "mv packed-* evil; chown -R $foreign evil; ln -s evil packed-00000000",
        NO_HOME,
        RunsFromElsewhere,
    ),
];

/// The program in the cache.
fn program_below(directory: &Path) -> PathBuf {
    let find = Command::new("find").arg(directory).args(["-path", "*/bin/probe"]).output();
    let found = String::from_utf8(find.expect("find runs").stdout).expect("paths are text");
    found.trim().into()
}

/// Unpacks the bundle, puts another program in the place of its own, and gives it to a user.
pub(crate) fn plant_it(host: &Host, bundle: &Path, mode: &str, plant: &Plant, foreign: &User) {
    let at = Path::new("/tmp").join(plant.at);
    if let Some(parent) = at.parent().filter(|parent| *parent != Path::new("/tmp")) {
        host.directory("/tmp/place", 0o755);
        host.directory(parent, 0o755);
    }
    let start = host.start(bundle).env("PACKED_CACHE", &at).env("PACKED_MODE", mode);
    start.args(["exit", "9"]).run().expect_code(OWN);
    let program = program_below(&host.outside(&at));
    fs::remove_file(&program).expect("remove a program");
    fs::write(&program, format!("#!/bin/sh\nexit {FOREIGN}\n")).expect("write a program");
    fs::set_permissions(&program, Permissions::from_mode(0o555)).expect("set its mode");
    let mut shell = Command::new("sh");
    shell.args(["-euc", plant.script]).current_dir(host.outside("/tmp"));
    shell.env("foreign", foreign.uid.to_string()).env("program", &program);
    run(&mut shell).expect_code(0);
}

#[test]
fn what_another_user_planted_is_never_run() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    let mut starts = 0;
    for victim in [User::ordinary, User::root] {
        for mode in ["relocate", "namespace"] {
            for plant in &PLANTS {
                let host = Host::new(victim(), Nix::Absent);
                let program = host.install(&bundle.path);
                plant_it(&host, &program, mode, plant, &User::ordinary());
                let planted = || tree::list(&host.outside("/tmp")).expect("list a directory");
                let before = planted();
                for _ in 0..2 {
                    let (name, value) = plant.variable;
                    let start = host.start(&program).env("PACKED_MODE", mode).env(name, value);
                    let ended =
                        start.args(["exit", "9"]).directory(Directory::At("/tmp".into())).run();
                    let name = format!("{}, {mode} on {host}", plant.name);
                    assert_ne!(ended.status.code(), Some(FOREIGN), "{name}: it was run");
                    match plant.fate {
                        RunsFromElsewhere => {
                            ended.expect_code(OWN);
                            let after = planted();
                            let changed =
                                before.iter().find(|(path, line)| after.get(*path) != Some(line));
                            assert_eq!(changed, None, "{name}");
                        }
                        Refused(reason) => {
                            let (what, _) = ended.refusal();
                            assert!(what.contains(reason), "{name}: {what}");
                        }
                        NotTrusted if ended.status.code() == Some(OWN) => {}
                        NotTrusted => drop(ended.refusal()),
                    }
                    starts += 1;
                }
            }
        }
    }
    say(&format!(
        "foreign: {} planted caches, {starts} starts, none ran what was planted",
        PLANTS.len()
    ));
}

/// The copy of the host's top level, which a program has as its root.
#[test]
fn a_new_root_of_another_user_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    for user in [User::ordinary(), User::root()] {
        let host = Host::new(user, Nix::Absent);
        let program = host.install(&bundle.path);
        let roots = host.outside(host.cache().join("roots"));
        let owners = || {
            let meta = |entry: io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap();
            let mut owners: Vec<u32> =
                fs::read_dir(&roots).unwrap().map(|entry| meta(entry).uid()).collect();
            owners.sort_unstable();
            owners
        };
        let start = || {
            let start = host.start(&program).env("PACKED_MODE", "namespace");
            start.args(["exit", "9"]).run().expect_code(OWN);
        };
        start();
        assert_eq!(owners(), [host.user.uid], "{host}");
        for entry in fs::read_dir(&roots).unwrap() {
            chown(entry.unwrap().path(), Some(STRANGER), None).unwrap();
        }
        start();
        start();
        assert_eq!(owners(), [host.user.uid, STRANGER], "{host}");
    }
}

/// Another user changes what is at a name all the while.
#[test]
fn a_name_that_changes_is_never_trusted() {
    const CHANGE: &str = "while :; do \
        ln -sfn /tmp/evil packed-00000000; mv -T packed-00000000 old-link; rm -f old-link; \
        mv -T /tmp/evil packed-00000000; mv -T packed-00000000 /tmp/evil; \
        mkdir -m 777 packed-11111111 && rmdir packed-11111111; done";
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    let foreign = User::ordinary();
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let evil = plant("evil", "evil", "chown -R $foreign evil", NO_HOME, RunsFromElsewhere);
    plant_it(&host, &program, "namespace", &evil, &foreign);
    let changing = host.start("/bin/sh").args(["-c", CHANGE]).user(&foreign);
    let changing = changing.directory(Directory::At("/var/tmp".into())).spawn();
    for _ in 0..100 {
        let start = host.start(&program).env("PACKED_MODE", "namespace").without_env("HOME");
        start.args(["exit", "9"]).run().expect_code(OWN);
        std::thread::sleep(Duration::from_millis(2));
        for entry in fs::read_dir(host.outside("/var/tmp")).unwrap().flatten() {
            // The victim's own goes, so that each start looks at every name.
            if entry.metadata().is_ok_and(|meta| meta.uid() == host.user.uid) {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
    changing.signal(SIGKILL);
    changing.wait().expect_signal(9);
}

/// What is relocated is run by its path, whose every directory has to stay what it is.
#[test]
fn a_cache_that_others_can_replace_holds_nothing_relocated() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    for (name, script, is_safe) in [
        ("another's directory", "chown $foreign place; chmod 755 place", false),
        ("another's, sticky", "chown $foreign place; chmod 1777 place", false),
        ("open to all", "chmod 777 place", false),
        ("open to all, sticky", "chmod 1777 place", true),
        ("open to its group", "chmod 775 place", true),
        ("a link out of one", "chmod 777 place; mkdir way; ln -s ../place/mine way/mine", false),
        ("a link in one", "mv place way; mkdir -m 777 place; ln -s ../way/mine place/mine", false),
    ] {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        host.directory("/tmp/place", 0o755);
        host.directory("/tmp/place/mine", 0o755);
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).current_dir(host.outside("/tmp"));
        run(shell.env("foreign", User::ordinary().uid.to_string())).expect_code(0);
        let base = if name == "a link out of one" { "/tmp/way/mine" } else { "/tmp/place/mine" };
        let start = |mode| {
            let start = host.start(&program).env("XDG_CACHE_HOME", base).env("PACKED_MODE", mode);
            start.without_env("HOME").env("PACKED_LOG", "debug").args(["exit", "9"]).run()
        };
        let said = start("relocate").expect_code(OWN).stderr();
        assert_eq!(said.contains("others may replace it"), !is_safe, "{name}: {said}");
        // A mount is of the directory that was checked.
        let said = start("namespace").expect_code(OWN).stderr();
        assert!(!said.contains("others may replace it"), "{name}: {said}");
    }
}
