//! A bundle that runs with more rights than its caller takes nothing from the caller's environment.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use tests::{Directory, Ended, Forge, Host, User, run};

use crate::planted_cache::Fate::RunsFromElsewhere;
use crate::planted_cache::{CACHE, OWN, XDG, plant, plant_it};

/// A bundle that runs with more rights than its caller: what is set on its file.
#[derive(Clone, Copy, Debug)]
enum Raised {
    SetUser,
    SetGroup,
    Capability,
}

impl Raised {
    /// Makes the file one that root has set up for all to run.
    fn apply(self, file: &Path) {
        chown(file, Some(0), Some(0)).expect("give it to root");
        let mode = match self {
            Raised::SetUser => 0o4755,
            Raised::SetGroup => 0o2755,
            Raised::Capability => 0o755,
        };
        fs::set_permissions(file, Permissions::from_mode(mode)).expect("set its mode");
        if let Raised::Capability = self {
            // Version 2, effective: cap_net_admin. capabilities(7)
            let script = "import os, struct, sys; \
                          os.setxattr(sys.argv[1], 'security.capability', \
                          struct.pack('<5I', 0x2000001, 1 << 12, 0, 0, 0))";
            run(Command::new("python3").args(["-c", script]).arg(file)).expect_code(0);
        }
    }
}

#[test]
fn a_caller_with_fewer_rights_decides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    for raised in [Raised::SetUser, Raised::Capability] {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        // It is the caller's own, and so trusted where the caller's rights are all there are.
        let mine = plant("mine", "place", "", CACHE, RunsFromElsewhere);
        plant_it(&host, &program, "namespace", &mine, &host.user);
        let elsewhere = plant("XDG", "xdg/packed", "", XDG, RunsFromElsewhere);
        host.directory("/tmp/xdg", 0o755);
        plant_it(&host, &program, "namespace", &elsewhere, &host.user);
        fs::create_dir(host.outside("/srv/roots")).unwrap();
        raised.apply(&host.outside(&program));
        let variables = [
            ("PACKED", "info"),
            ("PACKED", "no such command"),
            ("PACKED", "extract=/srv/roots"),
            ("PACKED_MODE", "ram"),
            ("PACKED_MODE", "no such mode"),
            ("PACKED_LOG", "debug"),
            ("PACKED_CACHE", "/tmp/place"),
            ("PACKED_CACHE", "/srv/roots"),
            ("CACHE_DIRECTORY", "/tmp/xdg"),
            ("XDG_CACHE_HOME", "/tmp/xdg"),
            ("XDG_CACHE_HOME", "/srv/roots"),
            ("HOME", "/srv/roots"),
        ];
        for (name, value) in variables {
            let ended = host.start(&program).env(name, value).args(["exit", "9"]).run();
            assert_eq!(ended.expect_code(OWN).stderr(), "", "{raised:?}, {name}={value}");
        }
        let written = fs::read_dir(host.outside("/srv/roots")).unwrap().count();
        assert_eq!(written, 0, "{raised:?}: nothing is written where the caller says");
        let caches = fs::read_dir(host.outside("/var/tmp")).unwrap().flatten();
        let owners: Vec<u32> = caches.map(|entry| entry.metadata().unwrap().uid()).collect();
        let owner = if let Raised::SetUser = raised { 0 } else { host.user.uid };
        assert_eq!(owners, [owner], "{raised:?}: the cache is that of whose rights it has");
    }
}

/// The cache would be the caller's own, and so would what is run with the group's rights.
#[test]
fn a_set_group_id_bundle_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Forge::small().write(&directory.path().join("probe"));
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    Raised::SetGroup.apply(&host.outside(&program));
    let start = |user: &User| -> Ended {
        host.start(&program)
            .args(["exit", "9"])
            .user(user)
            .directory(Directory::At("/".into()))
            .run()
    };
    let (what, hint) = start(&host.user).refusal();
    assert!(what.contains("set-group-id") && hint.contains("chmod g-s"), "{what}\n{hint}");
    // Nobody but root can change what root unpacks.
    start(&User::root()).expect_code(OWN);
}
