//! The closures that are packed, and what is done with their bundles.

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Bundle, Ended, Host, Store, probe, tree};

/// A desktop entry with two actions, one of a program that is no entry of the bundle.
pub(crate) const FOO: &str = "[Desktop Entry]\nType=Application\nName=Foo\nName[de]=Fu\nComment=Does foo\n\
    Exec=foo report-to \"/home/alice/a report\"\nTryExec=foo\nIcon=foo\nMimeType=text/x-foo;\n\
    Categories=Utility;\nDBusActivatable=true\nActions=new;other;\n\n\
    [Desktop Action new]\nName=New\nExec=foo report-to /home/alice/new\nIcon=foo-new\n\n\
    [Desktop Action other]\nName=Other\nExec=other\n";

/// One of the bundle's second program.
pub(crate) const BAR: &str = "[Desktop Entry]\nType=Application\nName=Bar\nCategories=Utility;\n\
    Exec=env A=b /nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-odd/bin/bar report-to /home/alice/bar\n\
    Icon=/nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-odd/share/bar/bar.png\n";

const MIME: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="text/x-foo"><comment>foo text</comment><glob pattern="*.foo"/></mime-type>
</mime-info>
"#;

const APPSTREAM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<component type="desktop-application">
  <id>org.example.foo</id>
  <metadata_license>CC0-1.0</metadata_license>
  <project_license>MIT</project_license>
  <name>Foo</name>
  <summary>Does foo</summary>
  <description><p>Foo is what everybody needs who has to do foo now and then, and does it well.</p></description>
  <launchable type="desktop-id">org.example.foo.desktop</launchable>
  <icon type="stock">foo</icon>
  <url type="homepage">https://example.org</url>
  <content_rating type="oars-1.1"/>
</component>
"#;

/// A store with two programs and all that a desktop shows of them.
pub(crate) fn store() -> Store {
    let store = Store::new();
    for name in ["foo", "bar"] {
        store.program(format!("{}/bin/{name}", Store::PATH), &probe());
    }
    add(&store, "applications/org.example.foo.desktop", FOO);
    add(&store, "applications/bar.desktop", BAR);
    add(&store, "mime/packages/foo.xml", MIME);
    add(&store, "metainfo/org.example.foo.metainfo.xml", APPSTREAM);
    for icon in [
        "icons/hicolor/48x48/apps/foo.png",
        "icons/hicolor/48x48@2/apps/foo.png",
        "icons/hicolor/scalable/apps/foo.svg",
        "icons/hicolor/symbolic/apps/foo-symbolic.svg",
        "icons/hicolor/16x16/actions/foo-new.png",
        "icons/hicolor/48x48/mimetypes/text-x-foo.png",
        "icons/hicolor/48x48/apps/unused.png",
        "bar/bar.png",
    ] {
        add(&store, icon, icon);
    }
    // As in real closures: the icons of a size are another store path's, and the link is followed.
    store.file(format!("{}/256/foo.png", Store::OTHER), b"256");
    let target = format!("/nix/store/{}/256", Store::OTHER);
    store.link(format!("{}/share/icons/hicolor/256x256", Store::PATH), target.as_bytes());
    store
}

/// Adds a file below `share`.
pub(crate) fn add(store: &Store, path: &str, content: impl AsRef<[u8]>) {
    store.file(format!("{}/share/{path}", Store::PATH), content.as_ref());
}

/// Packs a store; the bundle's first entry is `foo`, its second `bar`.
pub(crate) fn pack(store: &Store) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("make a directory");
    let bundle = Bundle::of_store(store, Store::PATH).entries(&["/bin/foo", "/bin/bar"]);
    let path = bundle.option("--level", "1").pack_into(directory.path()).path;
    (directory, path)
}

/// Runs `PACKED=desktop=…` on a host.
pub(crate) fn desktop(host: &Host, program: &Path, action: &str) -> Ended {
    let action = format!("desktop={action}");
    // The programs that update caches are not part of what is looked at.
    host.start(program).env("PACKED", action).env("PATH", "/nowhere").run()
}

/// The paths of all files below the data directory of a host, without directories.
pub(crate) fn files(host: &Host) -> Vec<String> {
    let top = host.outside(host.home(".local/share"));
    let Ok(listed) = tree::list(&top) else { return Vec::new() };
    let paths = listed.keys().map(|path| path.trim_start_matches('/').to_owned());
    let is_directory = |path: &str| top.join(path).symlink_metadata().is_ok_and(|at| at.is_dir());
    paths.filter(|path| !is_directory(path)).collect()
}

/// A file below the data directory of a host.
pub(crate) fn read(host: &Host, path: &str) -> String {
    let path = host.outside(host.home(".local/share").join(path));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
