//! What is installed, listed and removed: on every host, and also after the bundle was moved.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Host, packer, run};

use crate::fixture::{add, desktop, files, pack, read, store};

const FILES: [&str; 14] = [
    "applications/bar.packed_foo.desktop",
    "applications/org.example.foo.packed_foo.desktop",
    "icons/hicolor/16x16/actions/foo-new.packed_foo.png",
    "icons/hicolor/256x256/foo.packed_foo.png",
    "icons/hicolor/48x48/apps/foo.packed_foo.png",
    "icons/hicolor/48x48/mimetypes/text-x-foo.packed_foo.png",
    "icons/hicolor/48x48@2/apps/foo.packed_foo.png",
    "icons/hicolor/scalable/apps/foo.packed_foo.svg",
    "icons/hicolor/symbolic/apps/foo.packed_foo-symbolic.svg",
    "metainfo/org.example.foo.packed_foo.metainfo.xml",
    "mime/packages/foo.packed_foo.xml",
    "packed/foo.list",
    "packed/foo/bin/bar",
    "packed/foo/icons/0c5b8vw40dy178xlpddw65q9gf1h2186-odd-share-bar-bar.png",
];

#[test]
fn all_is_installed_and_removed() {
    let (_directory, bundle) = pack(&store());
    for host in Host::every() {
        let program = host.install(&bundle);
        let home = host.home(".local/share");
        let text = desktop(&host, &program, "install").stdout();
        let expected = format!(
            "installed {0}/applications/org.example.foo.packed_foo.desktop\n\
             installed {0}/applications/bar.packed_foo.desktop\n\
             left out share/applications/org.example.foo.desktop [Desktop Action other]: \
             the bundle has no entry other\n",
            home.display()
        );
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&text), sorted(&expected), "on {host}");
        assert_eq!(files(&host), FILES, "on {host}");
        let digest = host.start(&program).env("PACKED", "info").run().stdout();
        let digest = digest.split_whitespace().nth(1).expect("a digest").to_owned();
        assert_eq!(
            read(&host, "applications/org.example.foo.packed_foo.desktop"),
            format!(
                "[Desktop Entry]\nType=Application\nName=Foo\nName[de]=Fu\nComment=Does foo\n\
                 Exec=/srv/foo report-to \"/home/alice/a report\"\nIcon=foo.packed_foo\n\
                 MimeType=text/x-foo;\nCategories=Utility;\nActions=new;\nTryExec=/srv/foo\n\
                 StartupWMClass=org.example.foo\nX-Packed-Bundle={digest} /srv/foo\n\n\
                 [Desktop Action new]\nName=New\nExec=/srv/foo report-to /home/alice/new\n\
                 Icon=foo-new.packed_foo\n"
            )
        );
        let bar = read(&host, "applications/bar.packed_foo.desktop");
        let home = home.display();
        assert!(bar.contains(&format!("\nExec=env A=b {home}/packed/foo/bin/bar report")), "{bar}");
        assert!(bar.contains(&format!("\nIcon={home}/{}\n", FILES[13])), "{bar}");
        let types = read(&host, "mime/packages/foo.packed_foo.xml");
        assert!(types.contains("<icon name=\"text-x-foo.packed_foo\"/>"), "{types}");
        let described = read(&host, FILES[9]);
        assert!(described.contains("<id>org.example.foo.packed_foo</id>"), "{described}");
        assert!(described.contains(">org.example.foo.packed_foo.desktop</launchable>"));

        let listed = "/srv/foo: ok\n  applications/org.example.foo.packed_foo.desktop\n  \
                      applications/bar.packed_foo.desktop\n";
        assert_eq!(sorted(&desktop(&host, &program, "list").stdout()), sorted(listed));
        assert_eq!(
            desktop(&host, &program, "remove").stdout(),
            format!("removed {} files of /srv/foo\n", FILES.len() - 1)
        );
        assert_eq!(files(&host), [""; 0], "on {host}");
        let left = fs::read_dir(host.outside(host.home(".local/share"))).expect("it stays");
        assert_eq!(left.count(), 0, "no directory is left");
        let (what, _) = desktop(&host, &program, "remove").refusal();
        assert_eq!(what, "packed: no desktop entries of /srv/foo are installed");
        assert_eq!(desktop(&host, &program, "list").stdout(), "");
    }
}

#[test]
fn moved_and_replaced_bundles_are_noticed() {
    let store = store();
    let (_directory, bundle) = pack(&store);
    add(&store, "other", "another version");
    let (_other_directory, other) = pack(&store);
    let host = Host::ordinary();
    let program = host.install(&bundle);
    let _ = desktop(&host, &program, "install").stdout();
    let installed = files(&host);

    // Another version at the same place.
    let program = host.install(&other);
    let list = || desktop(&host, Path::new("/srv/foo"), "list").stdout();
    assert!(list().starts_with("/srv/foo: stale: another version is there\n"), "{}", list());
    assert!(list().contains("\nhint: install again"), "{}", list());
    let _ = desktop(&host, &program, "install").stdout();
    assert!(list().starts_with("/srv/foo: ok\n"), "{}", list());
    assert_eq!(files(&host), installed);

    // Moved and renamed: the names of the files stay, what they name is the new place.
    fs::create_dir(host.outside("/srv/new")).expect("make a directory");
    fs::rename(host.outside("/srv/foo"), host.outside("/srv/new/renamed")).expect("move it");
    let moved = Path::new("/srv/new/renamed");
    let text = desktop(&host, moved, "list").stdout();
    assert!(text.starts_with("/srv/foo: stale: the bundle is not there any more\n"), "{text}");
    let _ = desktop(&host, moved, "install").stdout();
    assert_eq!(files(&host), installed);
    let foo = read(&host, "applications/org.example.foo.packed_foo.desktop");
    assert!(foo.contains("\nExec=/srv/new/renamed report-to"), "{foo}");
    let text = desktop(&host, moved, "list").stdout();
    assert!(text.starts_with("/srv/new/renamed: ok\n") && !text.contains("/srv/foo"), "{text}");

    // A copy has entries of its own.
    let copy = host.install_as(&other, "/srv/copy/foo");
    let _ = desktop(&host, &copy, "install").stdout();
    let both = files(&host);
    assert_eq!(both.len(), 2 * installed.len());
    assert!(both.contains(&"applications/bar.packed_foo_2.desktop".to_owned()), "{both:?}");

    // A lost file shows; the bundle that is gone is removed by its path.
    fs::remove_file(host.outside(host.home(".local/share/applications/bar.packed_foo_2.desktop")))
        .expect("remove a file");
    let text = desktop(&host, moved, "list").stdout();
    assert!(text.starts_with("/srv/copy/foo: stale: installed files are missing\n"), "{text}");
    fs::remove_file(host.outside(&copy)).expect("remove it");
    let _ = desktop(&host, moved, "remove=/srv/copy/foo").stdout();
    assert_eq!(files(&host), installed);
}

#[test]
fn packer_does_the_same() {
    let (directory, bundle) = pack(&store());
    let home = tempfile::tempdir().expect("make a directory");
    let call = |arguments: &[&str]| {
        let mut command = Command::new(packer());
        let command = command.arg("desktop").args(arguments).current_dir(directory.path());
        run(command.env("XDG_DATA_HOME", home.path()).env("PATH", "/nowhere"))
    };
    let text = call(&["foo", "--install"]).stdout();
    assert_eq!(text.matches("installed ").count(), 2, "{text}");
    let path = bundle.display();
    assert!(call(&["--list"]).stdout().starts_with(&format!("{path}: ok\n")));
    fs::rename(&bundle, directory.path().join("gone")).expect("move it");
    assert!(call(&["--list"]).stdout().contains(": stale: the bundle is not there any more\n"));
    let text = call(&["foo", "--remove"]).stdout();
    assert!(text.ends_with(&format!(" files of {path}\n")), "{text}");
    assert_eq!(fs::read_dir(home.path()).expect("list it").count(), 0);
    assert!(call(&["foo", "--install"]).stderr().contains("cannot open foo"));
    assert!(call(&["gone"]).stderr().contains("hint: "));
}
