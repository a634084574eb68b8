//! Entries, icons and places that cannot be used are refused or left out, and it is said.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::mount::MsFlags;
use tests::{Bundle, Change, Host, Nix, Store, User, probe};

use crate::fixture::{FOO, add, desktop, files, pack, read, store};

/// A store with one program, to which bad files are added.
fn plain() -> Store {
    let store = Store::new();
    for name in ["foo", "bar"] {
        store.program(format!("{}/bin/{name}", Store::PATH), &probe());
    }
    store
}

#[test]
fn odd_entries_are_left_out() {
    let store = plain();
    let entry = |name: &str, content: &str| add(&store, &format!("applications/{name}"), content);
    let main = "[Desktop Entry]\nType=Application\nName=x\n";
    entry("good.desktop", &FOO.replace('\n', "\r\n"));
    entry("no-exec.desktop", main);
    entry("nul.desktop", &format!("{main}Exec=foo\0\n"));
    entry("huge.desktop", &format!("{main}Exec=foo\n#{}\n", "x".repeat(1 << 20)));
    entry("directory.desktop/file", "x");
    entry("other.desktop", &format!("{main}Exec=sh -c foo\n"));
    entry("quote.desktop", &format!("{main}Exec=\"foo\n"));
    entry("hidden.desktop", &format!("{main}Exec=foo\nHidden=true\n"));
    entry("empty.desktop", "");
    entry("store.desktop", &format!("{main}Exec=foo /nix/store/x\n"));
    add(&store, "metainfo/other.metainfo.xml", "<component><id>other</id></component>");
    for (name, target) in [
        ("applications/out.desktop", "/etc/passwd"),
        ("applications/dangling.desktop", "none"),
        ("applications/loop.desktop", "loop.desktop"),
        ("applications/above.desktop", "../../../../x"),
        ("icons/hicolor/48x48/apps/foo.png", "/usr/share/pixmaps/foo.png"),
        ("icons/hicolor/32x32", "/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-absent/x"),
    ] {
        store.link(format!("{}/share/{name}", Store::PATH), target.as_bytes());
    }
    let (_directory, bundle) = pack(&store);
    let host = Host::ordinary();
    let program = host.install(bundle);
    let text = desktop(&host, &program, "install").stdout();
    for (name, reason) in [
        ("applications/no-exec.desktop", "it has no Exec"),
        ("applications/nul.desktop", "not UTF-8 text"),
        ("applications/huge.desktop", "more than 1048576 bytes"),
        ("applications/directory.desktop", "a directory"),
        ("applications/other.desktop", "the bundle has no entry sh"),
        ("applications/quote.desktop", "its Exec is malformed"),
        ("applications/hidden.desktop", "it is hidden, or no application"),
        ("applications/empty.desktop", "it does not begin with [Desktop Entry]"),
        ("applications/store.desktop", "its Exec has a store path as an argument"),
        ("applications/out.desktop", "a link out of the closure, to /etc/passwd"),
        ("applications/dangling.desktop", "a link that leads nowhere"),
        ("applications/loop.desktop", "too many links"),
        ("applications/above.desktop", "a link out of the closure, to ../../../../x"),
        ("applications/good.desktop [Desktop Action other]", "the bundle has no entry other"),
        (
            "icons/hicolor/48x48/apps/foo.png",
            "a link out of the closure, to /usr/share/pixmaps/foo.png",
        ),
        (
            "icons/hicolor/32x32",
            "a link out of the closure, to /nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-absent",
        ),
        ("metainfo/other.metainfo.xml", "it is of no entry that is installed"),
    ] {
        let line = format!("left out share/{name}: {reason}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert_eq!(text.lines().count(), 18, "{text}");
    assert_eq!(files(&host), ["applications/good.packed_foo.desktop", "packed/foo.list"]);
    let good = read(&host, "applications/good.packed_foo.desktop");
    assert!(!good.contains('\r') && good.contains("\nIcon=foo\n"), "{good}");
}

#[test]
fn second_entry_of_a_name_is_left_out() {
    let store = plain();
    add(&store, "applications/foo.desktop", FOO);
    let other = FOO.replace("Name=Foo", "Name=Second");
    store.file(format!("{}/share/applications/foo.desktop", Store::OTHER), other.as_bytes());
    let directory = tempfile::tempdir().expect("make a directory");
    let other = Path::new("/nix/store").join(Store::OTHER);
    let bundle = Bundle::of_store(&store, Store::PATH)
        .entry("/bin/foo")
        .option("--closure", other)
        .pack_into(directory.path());
    let host = Host::ordinary();
    let program = host.install(bundle.path);
    let text = desktop(&host, &program, "install").stdout();
    let line =
        "left out share/applications/foo.desktop: another store path has a file of this name\n";
    assert!(text.contains(line), "{text}");
    assert!(read(&host, "applications/foo.packed_foo.desktop").contains("Name=Foo\n"));
}

#[test]
fn bundles_without_entries_are_refused() {
    let host = Host::ordinary();
    let (_directory, bundle) = pack(&plain());
    let program = host.install(bundle);
    let (what, _) = desktop(&host, &program, "install").refusal();
    assert_eq!(what, "packed: this bundle has no desktop entry");
    let store = plain();
    add(&store, "applications/x.desktop", "[Desktop Entry]\nType=Application\nName=x\nExec=x\n");
    add(&store, "mime/packages/x.xml", "<mime-info/>");
    let (_directory, bundle) = pack(&store);
    let program = host.install(bundle);
    let (what, hint) = desktop(&host, &program, "install").refusal();
    assert_eq!(
        what,
        "packed: this bundle has no desktop entry that can be installed: \
         share/applications/x.desktop: the bundle has no entry x"
    );
    assert!(hint.contains("share/applications"), "{hint}");
    assert_eq!(files(&host), [""; 0]);
}

#[test]
fn paths_that_no_entry_can_name_are_refused() {
    let (_directory, bundle) = pack(&store());
    for name in [&b"new\nline"[..], b"\xff"] {
        let host = Host::ordinary();
        let program = host.install_as(&bundle, Path::new("/srv").join(OsStr::from_bytes(name)));
        let (what, hint) = desktop(&host, &program, "install").refusal();
        assert!(what.ends_with(": it is not UTF-8, or has control characters"), "{what}");
        assert_eq!(hint, "hint: move or rename the file, and install again");
        assert_eq!(files(&host), [""; 0]);
    }
}

#[test]
fn file_of_another_program_is_never_replaced() {
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    let program = host.install(bundle);
    let directory = host.directory(host.home(".local/share/applications"), 0o755);
    for path in [".local", ".local/share"] {
        host.directory(host.home(path), 0o755);
    }
    let other = host.outside(directory.join("bar.packed_foo.desktop"));
    fs::write(&other, "other").expect("write a file");
    let (what, hint) = desktop(&host, &program, "install").refusal();
    assert!(
        what.ends_with("/bar.packed_foo.desktop exists, and this bundle did not write it"),
        "{what}"
    );
    assert!(hint.contains("remove it first"), "{hint}");
    assert_eq!(files(&host), ["applications/bar.packed_foo.desktop"]);
    assert_eq!(fs::read(&other).expect("it is there"), b"other");
    // Also one that is there as a link to nowhere.
    fs::remove_file(&other).expect("remove it");
    std::os::unix::fs::symlink("/none", &other).expect("make a link");
    let _ = desktop(&host, &program, "install").refusal();
    fs::remove_file(&other).expect("remove it");
    let _ = desktop(&host, &program, "install").stdout();
}

#[test]
fn full_disk_is_left_as_it_was() {
    let (_directory, bundle) = pack(&store());
    let user = User::ordinary();
    let options = format!("size=24k,uid={},mode=700", user.uid);
    let home = Change::Mount { kind: "tmpfs", at: user.home().into(), options };
    let host = Host::changed(user, Nix::Absent, &[home]);
    let program = host.install(bundle);
    // Everything in one start: the file system is new for each.
    let script = r#"PACKED=desktop=install "$0"; echo "status $?"; find ~/.local ! -type d"#;
    let ended = host.start("/bin/sh").args(["-c", script]).arg(&program).run();
    assert_eq!(ended.text(), "status 125\n");
    let stderr = ended.stderr();
    assert!(stderr.contains(": No space left on device\nhint: make room there"), "{stderr}");
}

#[test]
fn data_directories_that_cannot_be_used_are_named() {
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    let program = host.install(&bundle);
    let start = || host.start(&program).env("PACKED", "desktop=install").env("PATH", "/nowhere");
    let (what, hint) = start().without_env("HOME").run().refusal();
    assert_eq!(
        what,
        "packed: no directory for desktop entries: neither XDG_DATA_HOME nor HOME names one"
    );
    assert_eq!(hint, "hint: set HOME, or XDG_DATA_HOME to an absolute path");
    let (what, _) = start().env("HOME", "relative").env("XDG_DATA_HOME", "x").run().refusal();
    assert!(what.contains("neither XDG_DATA_HOME nor HOME"), "{what}");
    let (what, _) = start().env("XDG_DATA_HOME", "/srv/data").run().refusal();
    assert_eq!(what, "packed: cannot create /srv/data: Permission denied");
    let data = host.directory("/srv/of alice", 0o755);
    let text = start().without_env("HOME").env("XDG_DATA_HOME", &data).run().stdout();
    assert!(text.starts_with("installed /srv/of alice/applications/"), "{text}");

    let user = User::ordinary();
    let home = user.home().to_owned();
    let changes = [
        Change::Mount { kind: "tmpfs", at: home.clone(), options: "size=1m".into() },
        Change::Flags(home, MsFlags::MS_RDONLY),
    ];
    let host = Host::changed(user, Nix::Absent, &changes);
    let program = host.install(&bundle);
    let (what, hint) = desktop(&host, &program, "install").refusal();
    assert_eq!(what, "packed: cannot create /home/alice/.local: Read-only file system");
    assert!(hint.contains("XDG_DATA_HOME"), "{hint}");

    // Root under sudo, with a HOME that is another user's.
    let host = Host::new(User::root(), Nix::Absent);
    let program = host.install(&bundle);
    let alice = User::ordinary();
    let home = host.directory(Path::new("/home/alice"), 0o755);
    alice.own(&host.outside(&home)).expect("give it away");
    let start = host.start(&program).env("PACKED", "desktop=install").env("HOME", &home);
    let (what, hint) = start.run().refusal();
    assert_eq!(what, format!("packed: /home/alice belongs to user {}", alice.uid));
    assert_eq!(hint, "hint: run it as that user, or set XDG_DATA_HOME");
}
