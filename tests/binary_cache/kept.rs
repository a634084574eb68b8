//! What is kept for the next run: whole NARs alone, whatever ends this one.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use tests::server::Server;
use tests::{Change, Host, Nix, User, until};

use crate::machine::Machine;
use crate::made::{Cache, NAMES, count, file, made};

/// A server of a cache that stops in the middle of the data while `stalls`.
fn stalling(stalls: &Arc<AtomicBool>) -> (Server, String) {
    let (cache, stalls) = (Cache::new("none"), stalls.clone());
    let data = format!("/{}", cache.field("cached-data", "URL"));
    let server = Server::start(move |request, _| {
        let answer = file(cache.path(), request);
        match request.path == data && stalls.load(Ordering::SeqCst) {
            true => answer.stalled(1_000_000),
            false => answer,
        }
    });
    let url = format!("http://{}", server.name(""));
    (server, url)
}

#[test]
fn the_next_run_needs_no_nars() {
    let (machine, cache) = (Machine::new(), Cache::new("xz"));
    machine.pack_all(&[&machine.install(&cache)]);
    assert_eq!(machine.kept().len(), NAMES.len());
    fs::remove_dir_all(cache.path().join("nar")).expect("remove the NARs");
    let directory = machine.install(&cache);
    machine.pack_all(&[&directory]);
    // They are for this option's users alone.
    let (what, _) = machine.build(&["--from", &directory, "--no-cache"]).run().expect_refusal(1);
    assert!(what.ends_with(" is not there"), "{what}");
}

#[test]
fn an_interrupted_run_keeps_whole_nars() {
    let (machine, stalls) = (Machine::new(), Arc::new(AtomicBool::new(true)));
    let (server, url) = stalling(&stalls);
    let running = machine.build(&["--from", &url]).spawn();
    until("the others are kept", || (machine.kept().len() == NAMES.len() - 1).then_some(()));
    running.signal(Signal::SIGINT);
    running.wait().expect_signal(2);
    let kept = machine.kept();
    assert!(kept.iter().all(|name| name.ends_with(".nar.zst")) && kept.len() == 4, "{kept:?}");
    assert!(!machine.has_bundle());

    stalls.store(false, Ordering::SeqCst);
    let _ = server.take_requests();
    machine.pack_all(&[&url]);
    assert_eq!(count(&server.take_requests(), "/nar/"), 1);
    machine.pack_all(&[&url]);
    assert_eq!(count(&server.take_requests(), "/nar/"), 0);
}

#[test]
fn without_a_cache_nothing_is_left() {
    let (machine, stalls) = (Machine::new(), Arc::new(AtomicBool::new(true)));
    let (server, url) = stalling(&stalls);
    let leftovers = || fs::read_dir(machine.host.outside("/tmp")).expect("list it").count();
    let running = machine.build(&["--from", &url, "--no-cache"]).spawn();
    until("the others are fetched", || {
        (count(&server.requests(), "/nar/") == NAMES.len()).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    running.signal(Signal::SIGINT);
    running.wait().expect_signal(2);
    assert_eq!((leftovers(), machine.kept().len()), (0, 0));

    stalls.store(false, Ordering::SeqCst);
    machine.build(&["--from", &url, "--no-cache"]).run().expect_quiet();
    machine.expect_bundle();
    assert_eq!((leftovers(), machine.kept().len()), (0, 0));
}

#[test]
fn damaged_nars_are_fetched_again() {
    let (machine, stalls) = (Machine::new(), Arc::new(AtomicBool::new(false)));
    let (server, url) = stalling(&stalls);
    machine.pack_all(&[&url]);
    let names = machine.kept();
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 4] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() - 1].to_vec(),
        |bytes| [bytes, b"x"].concat(),
        |bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        },
    ];
    for (damage, name) in damages.iter().zip(&names) {
        let path = machine.nars().join(name);
        let good = fs::read(&path).expect("read it");
        fs::write(&path, damage(&good)).expect("write it");
        let _ = server.take_requests();
        machine.pack_all(&[&url]);
        assert_eq!(count(&server.take_requests(), "/nar/"), 1);
        assert!(fs::read(&path).expect("read it") == good, "the same bytes");
    }
    assert_eq!(machine.kept(), names);
}

/// Somebody damages a NAR that this run has fetched, before it is packed.
#[test]
fn nars_are_checked_when_they_are_packed() {
    let (machine, stalls) = (Machine::new(), Arc::new(AtomicBool::new(true)));
    let (_server, url) = stalling(&stalls);
    let running = machine.build(&["--from", &url]).spawn();
    until("the others are kept", || (machine.kept().len() == NAMES.len() - 1).then_some(()));
    for name in machine.kept() {
        let path = machine.nars().join(name);
        let mut bytes = fs::read(&path).expect("read it");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("write it");
    }
    stalls.store(false, Ordering::SeqCst);
    let (what, _) = running.wait().expect_refusal(1);
    assert!(what.starts_with("packer: cannot read /nix/store/"), "{what}");
    assert!(what.ends_with(", in packer's cache, where it was whole before"), "{what}");
    assert!(!machine.has_bundle());
    machine.pack_all(&[&url]);
}

#[test]
fn several_runs_at_once_do_not_disturb_each_other() {
    let (machine, cache) = (Machine::new(), Cache::new("xz"));
    let directory = machine.install(&cache);
    let build = |name: &str| {
        let start = machine.host.start("/srv/packer").args(["build", "--closure", &made().root]);
        let start =
            start.args(["--level", "1", "--trusted-key", &made().key, "--from", &directory]);
        start.args(["--output", name]).spawn()
    };
    let names = ["bundle", "b", "c", "d"];
    for running in names.map(build) {
        running.wait().expect_quiet();
    }
    machine.expect_bundle();
    for name in &names[1..] {
        let other = fs::read(machine.host.outside(machine.host.home(name))).expect("read it");
        assert!(other == machine.bundle());
    }
    assert_eq!(machine.kept().len(), NAMES.len());
}

#[test]
fn a_full_disk_is_named() {
    let user = User::ordinary();
    let change = Change::Mount {
        kind: "tmpfs",
        at: "/var/tmp".into(),
        options: format!("size=1m,mode=700,uid={}", user.uid),
    };
    let machine = Machine::of(Host::changed(user, Nix::Absent, &[change]));
    let directory = machine.install(&Cache::new("xz"));
    let build = || machine.build(&["--from", &directory]);
    let (what, hint) = build().env("XDG_CACHE_HOME", "/var/tmp").run().expect_refusal(1);
    let expected =
        "packer: what was fetched cannot be kept in /var/tmp/packer/nars: No space left on device";
    assert!(what.starts_with(expected), "{what}");
    assert!(hint.contains("XDG_CACHE_HOME"), "{hint}");
    assert!(!machine.has_bundle());
    let (what, _) = build().arg("--no-cache").env("TMPDIR", "/var/tmp").run().expect_refusal(1);
    assert!(what.contains("No space left on device") && what.contains("/var/tmp"), "{what}");
    build().run().expect_quiet();
    machine.expect_bundle();
}

/// A machine whose user has no home.
#[test]
fn no_home_is_needed() {
    let machine = Machine::new();
    let directory = machine.install(&Cache::new("xz"));
    let start = machine.build(&["--from", &directory]).env("HOME", "/nowhere");
    start.run().expect_quiet();
    machine.expect_bundle();
}
