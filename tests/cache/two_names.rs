//! One cache that has two names: a link leads to it, or its path is spelled in another way.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tests::{Bundle, Host, Start, tree, until};

/// A host with a cache at `a/c`, and links `b` and `longer` to `a`, in the home directory.
fn host() -> (Host, PathBuf) {
    let host = Host::ordinary();
    let program = host.install(Bundle::probe_in("relocate").path);
    host.directory(host.home("a"), 0o755);
    for name in ["b", "longer"] {
        symlink("a", host.outside(host.home(name))).expect("make a link");
    }
    (host, program)
}

fn start(host: &Host, program: &Path, cache: &str) -> Start {
    host.start(program).env("PACKED_CACHE", host.home(cache))
}

/// The relocated copies of the probe in the cache.
fn copies(host: &Host) -> usize {
    let files = tree::list(&host.outside(host.home("a/c"))).expect("list the cache");
    files.keys().filter(|path| path.ends_with("/bin/probe")).count()
}

#[test]
fn a_running_program_is_in_use_by_any_name() {
    let (host, program) = host();
    let sleeping = start(&host, &program, "a/c").arg("sleep").spawn();
    until("the program runs", || {
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let runs = fs::read_to_string(format!("/proc/{}/cmdline", sleeping.pid())).ok()?;
        (runs.contains("sleep") && locks.contains(&format!(" {} ", sleeping.pid()))).then_some(())
    });
    for name in ["b/c", "longer/c", "a//c", "a/./c/"] {
        start(&host, &program, name).args(["exit", "0"]).run().expect_code(0);
    }
    assert_eq!(copies(&host), 3, "one for each path that is really another one");
    for name in ["a/c", "b/c", "longer/c"] {
        let ended = start(&host, &program, name).env("PACKED", "clear").run();
        assert!(ended.stdout().contains("in use, not cleared"), "{name}");
        assert!(fs::exists(format!("/proc/{}/exe", sleeping.pid())).unwrap());
    }
    let exe = fs::read_link(format!("/proc/{}/exe", sleeping.pid())).unwrap();
    assert!(!exe.to_string_lossy().contains("(deleted)"), "{}", exe.display());
    sleeping.signal(Signal::SIGTERM);
    sleeping.wait().expect_signal(15);

    // Afterwards all copies are removed, by one name.
    let ended = start(&host, &program, "b/c").env("PACKED", "clear").run();
    assert!(ended.stdout().starts_with("cleared "));
    assert_eq!(copies(&host), 0);
}

#[test]
fn a_link_of_the_users_own_may_be_the_cache() {
    let (host, program) = host();
    let cache = host.directory(host.home("real"), 0o700);
    for (owner, expected) in [(host.user.uid, 0), (host.user.uid + 7, 125)] {
        let link = host.outside(host.home("link"));
        let _ = fs::remove_file(&link);
        symlink(&cache, &link).unwrap();
        lchown(&link, Some(owner), None).unwrap();
        let ended = start(&host, &program, "link").args(["exit", "0"]).run();
        ended.expect_code(expected);
        let says = ended.stderr().contains(&format!("a link of user {owner}"));
        assert_eq!(says, expected == 125, "{}", ended.stderr());
    }
}
