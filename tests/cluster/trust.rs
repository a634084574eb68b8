//! A shared cache that somebody else could change is not used: the start says why and uses the user's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tests::{Change, Directory, Host, Nix, User};

use crate::shared::{Admin, SHARED, etc, probe};

/// How the shared cache is made unsafe, in shell, on the host where it is filled; and what a start says.
const UNSAFE: [(&str, &str); 11] = [
    ("chown 4711 shared/bundles", "belongs to user 4711"),
    ("chown 4711 shared/stores", "belongs to user 4711"),
    ("chmod 777 shared/stores", "others may write to it"),
    ("chown -h 65534 shared", "belongs to user 65534"),
    ("mv shared x; chown 65534 .; mv x shared", "others may replace it"),
    ("chown 4711 shared", "belongs to user 4711"),
    ("chmod g+w shared", "others may write to it"),
    ("chmod o+w shared", "others may write to it"),
    ("chown 4711 .", "others may replace it"),
    ("chmod 775 .", "others may replace it"),
    ("chmod 777 .", "others may replace it"),
];

#[test]
fn a_cache_that_others_can_change_is_not_used() {
    let bundle = probe();
    for (script, why) in UNSAFE {
        let admin = Admin::new();
        admin.add(&bundle.path, &[]);
        let srv = admin.host.outside("/srv");
        admin
            .host
            .start("/bin/sh")
            .args(["-c", &format!("cd /srv && {script}")])
            .run()
            .expect_code(0);
        let changes = [Change::Bind { source: srv, at: "/srv".into() }];
        let host = Host::changed(User::ordinary(), Nix::Absent, &changes);
        for mode in ["relocate", "namespace"] {
            let start =
                host.start("/srv/probe").env("PACKED_SHARED", SHARED).env("PACKED_MODE", mode);
            let ended = start.env("PACKED_LOG", "debug").args(["exit", "7"]).run();
            ended.expect_code(7);
            let said = ended.stderr();
            let line = format!("no shared cache: {SHARED}: {why}\n");
            assert!(said.contains(&line) && said.contains("unpacking"), "{script}, {mode}: {said}");
        }
    }
}

/// The owner of a link can let it lead to another directory at any time.
#[test]
fn a_link_to_it_must_be_roots_or_the_users() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &["--mode", "namespace"]);
    let host = admin.user(&[]);
    let program = host.install(&bundle.path);
    for (owner, is_used) in [(0, true), (host.user.uid, true), (4711, false)] {
        let link = host.outside("/tmp/link");
        let _ = fs::remove_file(&link);
        symlink(SHARED, &link).expect("make a link");
        std::os::unix::fs::lchown(&link, Some(owner), None).expect("give it away");
        let start =
            host.start(&program).env("PACKED_SHARED", "/tmp/link").env("PACKED_LOG", "debug");
        let said = start.env("PACKED_MODE", "namespace").args(["exit", "0"]).run().stderr();
        assert_eq!(said.contains("in the shared cache /tmp/link"), is_used, "{owner}: {said}");
        assert_eq!(said.contains("a link of user 4711"), !is_used, "{owner}: {said}");
    }
}

/// A link can lead to another one, whose owner is somebody else.
#[test]
fn each_link_on_the_way_must_be_roots_or_the_users() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &["--mode", "namespace"]);
    let host = admin.user(&[]);
    let program = host.install(&bundle.path);
    let (first, second) = (host.outside("/tmp/first"), host.outside("/tmp/second"));
    symlink("second", &first).expect("make a link");
    symlink("../srv/./shared", &second).expect("make a link");
    for owner in [0, 4711] {
        std::os::unix::fs::lchown(&second, Some(owner), None).expect("give it away");
        let start = host.start(&program).env("PACKED_SHARED", "/tmp/first");
        let start = start.env("PACKED_LOG", "debug").env("PACKED_MODE", "namespace");
        let said = start.args(["exit", "0"]).run().stderr();
        assert_eq!(said.contains("in the shared cache /tmp/first"), owner == 0, "{owner}: {said}");
        assert_eq!(said.contains("a link of user 4711"), owner != 0, "{owner}: {said}");
    }
}

/// The directory of the store paths, which only the mode namespace uses.
#[test]
fn a_store_directory_of_others_is_not_used_and_not_added_to() {
    for (script, why) in [
        ("chown 4711 shared/stores/0", "belongs to user 4711"),
        ("chmod 777 shared/stores/0", "others may write to it"),
    ] {
        let (admin, bundle) = (Admin::new(), probe());
        admin.add(&bundle.path, &[]);
        let shell = format!("cd /srv && {script}");
        admin.host.start("/bin/sh").args(["-c", &shell]).run().expect_code(0);
        let host = admin.user(&[]);
        let program = host.install(&bundle.path);
        let start = host.start(&program).env("PACKED_SHARED", SHARED).env("PACKED_LOG", "debug");
        let said = start.env("PACKED_MODE", "namespace").args(["exit", "0"]).run().stderr();
        assert!(said.contains(&format!("no shared cache: {SHARED}: {why}")), "{script}: {said}");
        let again = admin.cache(&["add", "/srv/probe", "--to", SHARED]);
        again.expect_code(1);
        assert!(again.stderr().contains(why), "{script}: {}", again.stderr());
    }
}

/// Who opens a pipe waits for whoever opens its other end.
#[test]
fn a_pipe_stops_nobody() {
    let (admin, bundle, etc) = (Admin::new(), probe(), etc(SHARED));
    admin.add(&bundle.path, &[]);
    let script = "cd /srv/shared/bundles && for f in *; do rm $f; mkfifo $f; done; mkdir directory";
    admin.host.start("/bin/sh").args(["-c", script]).run().expect_code(0);
    let list = etc.path().join("packed/shared");
    for list_is_pipe in [false, true] {
        if list_is_pipe {
            fs::remove_file(&list).expect("remove the list");
            nix::unistd::mkfifo(&list, nix::sys::stat::Mode::from_bits_truncate(0o644))
                .expect("make a pipe");
        }
        let bind = Change::Bind { source: etc.path().into(), at: "/etc".into() };
        let host = admin.user(&[bind]);
        host.start(host.install(&bundle.path)).args(["exit", "7"]).run().expect_code(7);
    }
    admin.cache(&["list", "--at", SHARED]).expect_code(0);
    let said = admin.cache(&["add", "/srv/probe", "--to", SHARED]);
    assert!(said.stdout().contains("0 of them new"), "{}", said.stderr());
}

/// The owner of a record says what is whole.
#[test]
fn records_of_others_are_not_used() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    let bundles = admin.shared().join("bundles");
    for record in fs::read_dir(bundles).expect("list the records") {
        chown(record.expect("list the records").path(), Some(4711), None).expect("give it away");
    }
    let host = admin.user(&[]);
    let program = host.install(&bundle.path);
    let start = host.start(&program).env("PACKED_SHARED", SHARED).env("PACKED_LOG", "debug");
    assert!(start.args(["exit", "0"]).run().stderr().contains("unpacking"));
}

#[test]
fn the_list_of_shared_caches_must_be_roots() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    for (uid, mode, said) in [
        (0, 0o644, "in the shared cache /srv/shared"),
        (4711, 0o644, "not read: /etc/packed/shared: belongs to user 4711"),
        (0, 0o664, "not read: /etc/packed/shared: others may write to it"),
    ] {
        let etc = etc(SHARED);
        let list = etc.path().join("packed/shared");
        chown(&list, Some(uid), None).expect("give it away");
        fs::set_permissions(&list, fs::Permissions::from_mode(mode)).expect("set its mode");
        let bind = Change::Bind { source: etc.path().into(), at: "/etc".into() };
        let host = admin.user(&[bind]);
        let program = host.install(&bundle.path);
        let start = host.start(&program).env("PACKED_LOG", "debug").args(["exit", "0"]);
        let stderr = start.run().stderr();
        assert!(stderr.contains(said), "{uid} {mode:o}: {stderr}");
    }
}

/// Whoever may read a record can lock it; starts do not wait for that.
#[test]
fn a_lock_of_another_user_stops_nobody() {
    let (admin, bundle) = (Admin::new(), probe());
    admin.add(&bundle.path, &[]);
    let host = admin.user(&[]);
    let program = host.install(&bundle.path);
    let script = format!(
        "for f in {SHARED}/bundles/*; do flock -x $f sleep 100 & done; sleep 0.3; echo; wait"
    );
    let other = host
        .start("/bin/sh")
        .directory(Directory::At("/".into()))
        .user(&User::ordinary())
        .args(["-c", &script])
        .spawn();
    let start = || host.start(&program).env("PACKED_SHARED", SHARED).args(["exit", "7"]);
    std::thread::sleep(std::time::Duration::from_millis(400));
    start().run().expect_code(7);
    other.signal(nix::sys::signal::Signal::SIGKILL);
    host.processes().kill();
}
