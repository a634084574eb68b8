//! Where a bundle can't run it says why in two lines, and exits with 125; 126 and 127 are env(1)'s.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use tests::{Bundle, Host, User};

#[test]
fn wrong_settings_are_named() {
    let cases = [
        ("PACKED", "help", ["PACKED=help", "info, sbom, verify, extract=DIR, clear and desktop="]),
        (
            "PACKED",
            "extract=",
            ["PACKED=extract=", "info, sbom, verify, extract=DIR, clear and desktop="],
        ),
        ("PACKED_MODE", "fast", ["PACKED_MODE=fast", "host, relocate, namespace, ram"]),
    ];
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        for (name, value, expected) in &cases {
            let (what, hint) = host.start(&program).env(name, value).run().refusal();
            assert!(what.contains(expected[0]) && hint.contains(expected[1]), "{what}\n{hint}");
        }
    }
}

#[test]
fn an_unsafe_cache_is_refused() {
    let host = Host::ordinary();
    let program = host.install(Bundle::probe().path);
    let refusal = |cache: &Path| host.start(&program).env("PACKED_CACHE", cache).run().refusal();

    let open = host.directory(host.home("open"), 0o777);
    let (what, hint) = refusal(&open);
    assert!(what.contains("open") && what.contains("others may write"), "{what}");
    assert!(hint.contains("PACKED_CACHE"), "{hint}");

    let foreign = Path::new("/tmp/foreign");
    fs::create_dir(host.outside(foreign)).unwrap();
    let (what, _) = refusal(foreign);
    assert!(what.contains("belongs to user 0"), "{what}");

    let target = host.directory(host.home("target"), 0o700);
    let link = host.home("link");
    symlink(&target, host.outside(&link)).unwrap();
    lchown(host.outside(&link), Some(4711), None).unwrap();
    let (what, _) = refusal(&link);
    assert!(what.contains("a link of user 4711"), "{what}");
    assert!(fs::read_dir(host.outside(&target)).unwrap().next().is_none());
}

#[test]
fn a_cache_of_another_user_is_not_used_by_root() {
    // sudo keeps HOME.
    let alice = User::ordinary();
    let host = Host::new(User::root(), tests::Nix::Absent);
    let home = host.directory("/home/alice", 0o755);
    alice.own(&host.outside(&home)).unwrap();
    let program = host.install(Bundle::probe().path);
    host.start(program).args(["exit", "3"]).env("HOME", &home).run().expect_code(3);
    let left: Vec<_> = fs::read_dir(host.outside(&home)).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_file_that_is_cut_or_longer_is_refused() {
    let bundle = Bundle::probe();
    let good = fs::read(&bundle.path).unwrap();
    let host = Host::ordinary();
    let longer = [good.as_slice(), b"more"].concat();
    // A stub that is cut itself can't say anything.
    let lengths = [good.len() - 1, good.len() - 1000, bundle.payload() + 1, bundle.payload()];
    let mut cases: Vec<&[u8]> = lengths.iter().map(|len| &good[..*len]).collect();
    cases.push(&longer);
    for case in cases {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, case).unwrap();
        let program = host.install_as(file.path(), "/srv/other");
        let (what, hint) = host.start(&program).args(["exit", "0"]).run().refusal();
        let sizes = [case.len().to_string(), good.len().to_string()];
        assert!(sizes.iter().all(|size| what.contains(size)), "{what}");
        assert!(hint.contains("again"), "{hint}");
    }
}

#[test]
fn a_program_that_cant_be_executed_has_envs_statuses() {
    for host in Host::every() {
        let program = host.install(Bundle::probe().path);
        host.start(&program).args(["exit", "0"]).run().expect_code(0);
        let unpacked = unpacked(&host.outside(host.cache())).expect("the probe is in the cache");
        // As a cleaner of old files, or a careless person, would leave it.
        fs::set_permissions(&unpacked, Permissions::from_mode(0o444)).unwrap();
        let (what, _) = host.start(&program).run().expect_refusal(126);
        assert!(what.contains("/bin/probe"), "on {host}: {what}");
        fs::remove_file(&unpacked).unwrap();
        let (what, _) = host.start(&program).run().expect_refusal(127);
        assert!(what.contains("/bin/probe"), "on {host}: {what}");
    }
}

/// The program in the cache.
fn unpacked(directory: &Path) -> Option<PathBuf> {
    fs::read_dir(directory).expect("list the cache").find_map(|entry| {
        let path = entry.expect("list the cache").path();
        if path.is_dir() { unpacked(&path) } else { path.ends_with("bin/probe").then_some(path) }
    })
}
