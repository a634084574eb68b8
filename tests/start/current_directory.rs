//! The program runs in its caller's current directory.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tests::{Directory, Host, Nix, Root, User, assert_same_start};

#[test]
fn the_current_directory_stays() {
    for host in Host::every() {
        let odd = host.home("").join(OsStr::from_bytes(b"\xff two\nlines"));
        host.directory(&odd, 0o755);
        let private = host.directory(host.home("private"), 0o700);
        for path in [odd, private, "/tmp".into(), "/usr/bin".into(), "/proc/1".into()] {
            let same =
                assert_same_start(&host, |start| start.directory(Directory::At(path.clone())));
            let expected = path.as_os_str().as_bytes().escape_ascii().to_string();
            assert_eq!(same.get("directory"), Some(expected.as_str()), "on {host}");
        }
    }
}

#[test]
fn the_root_directory_stays_by_name() {
    // On a host without /nix it is another directory, with /nix in it.
    for host in Host::every() {
        let program = host.install(tests::Bundle::probe().path);
        let report = host.start(program).directory(Directory::At("/".into())).run().report();
        assert_eq!(report.get("directory"), Some("/"), "on {host}: {}", report.to_text());
    }
}

#[test]
fn a_link_on_the_way_to_it_is_no_matter() {
    for host in Host::every() {
        host.directory("/tmp/place", 0o755);
        std::os::unix::fs::symlink("/tmp/place", host.outside(host.home("link"))).unwrap();
        let link = Directory::At(host.home("link"));
        let report = assert_same_start(&host, |start| {
            start.directory(link.clone()).env("PWD", host.home("link"))
        });
        assert_eq!(report.get("directory"), Some("/tmp/place"));
    }
}

#[test]
fn a_deleted_directory_stays_the_current_one() {
    for host in Host::every() {
        let gone = host.home("gone");
        let report = |program: PathBuf| {
            host.start(program)
                .argv(&[b"probe"])
                .directory(Directory::Deleted(gone.clone()))
                .run()
                .report()
        };
        let bundle = report(host.install(&tests::Bundle::probe().path));
        let direct = report(host.install_as(tests::probe(), "/srv/direct/probe"));
        for fact in ["directory", "directory error", "directory number error"] {
            assert_eq!(bundle.get(fact), direct.get(fact), "{fact} on {host}");
        }
        assert!(direct.get("directory error").is_some(), "{direct:?}");
    }
}

#[test]
fn a_directory_beyond_the_longest_path_stays() {
    let name = CString::new(vec![b'd'; 250]).unwrap();
    for host in Host::every() {
        let deep = Directory::Deep { name: name.clone(), depth: 20 };
        assert_same_start(&host, |start| start.directory(deep.clone()));
    }
}

#[test]
fn a_directory_in_the_hosts_own_store_stays() {
    for user in [User::ordinary(), User::root()] {
        let host = Host::new(user, Nix::OtherPaths);
        let store_path = Path::new(Root::OTHER_FILE).parent().unwrap();
        let program = host.install(&tests::Bundle::probe().path);
        let report = host.start(program).directory(Directory::At(store_path.into())).run().report();
        assert_eq!(report.get("directory"), store_path.to_str(), "on {host}");
    }
}
