//! The validators of freedesktop.org have nothing to say of what is installed that they do not say of what was packed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tests::{Host, need, run};

use crate::fixture::{desktop, files, pack, read, store};

/// What desktop-file-validate says of a file, without the file's name.
pub(crate) fn complaints(file: &Path) -> BTreeSet<String> {
    let ended = run(Command::new("desktop-file-validate").arg(file));
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let name = format!("{}: ", file.display());
    text.lines().map(|line| line.trim_start_matches(&name).to_owned()).collect()
}

/// The kinds of what appstreamcli says of a file, such as `W: url-homepage-missing`.
pub(crate) fn tags(file: &Path) -> BTreeSet<String> {
    let mut command = Command::new("appstreamcli");
    let ended = run(command.args(["validate", "--no-net", "--no-color", "--pedantic"]).arg(file));
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let tag = |line: &str| {
        let (severity, rest) = line.split_once(": ").filter(|(severity, _)| severity.len() == 1)?;
        let tag = rest.split(": ").nth(1)?.split_whitespace().next()?;
        Some(format!("{severity}: {tag}"))
    };
    assert!(text.contains("Validation"), "appstreamcli looks at {}: {text}", file.display());
    text.lines().filter_map(tag).collect()
}

#[test]
fn entries_are_valid_and_caches_know_them() {
    need(&["desktop-file-validate", "update-desktop-database", "update-mime-database", "gio"]);
    let (_directory, bundle) = pack(&store());
    let host = Host::ordinary();
    for path in ["/srv/foo", "/srv/a \"b\" $c\\`d` 50% = e/foo"] {
        let program = host.install_as(&bundle, path);
        let start = host.start(&program).env("PACKED", "desktop=install");
        start.run().expect_code(0);
        let entries: Vec<String> =
            files(&host).into_iter().filter(|path| path.ends_with(".desktop")).collect();
        assert!(entries.len() >= 2, "{entries:?}");
        for entry in entries {
            let said = complaints(&host.outside(host.home(".local/share").join(&entry)));
            assert!(said.is_empty(), "{entry}: {said:?}\n{}", read(&host, &entry));
        }
    }
    assert!(read(&host, "mime/globs2").contains("text/x-foo:*.foo"));
    assert!(read(&host, "mime/icons").contains("text/x-foo:text-x-foo.packed_foo"));
    let text = host.start("/usr/bin/gio").args(["mime", "text/x-foo"]).run().stdout();
    assert!(text.contains("org.example.foo.packed_foo.desktop"), "{text}");
    for path in ["/srv/foo", "/srv/a \"b\" $c\\`d` 50% = e/foo"] {
        host.start(path).env("PACKED", "desktop=remove").run().expect_code(0);
    }
    assert!(!read(&host, "applications/mimeinfo.cache").contains("x-foo"));
    let _ = desktop(&host, Path::new("/srv/foo"), "list").stdout();
}

#[test]
#[ignore = "needs appstreamcli: make test-desktop"]
fn descriptions_are_valid() {
    need(&["appstreamcli"]);
    let store = store();
    let (_directory, bundle) = pack(&store);
    let host = Host::ordinary();
    let program = host.install(bundle);
    let _ = desktop(&host, &program, "install").stdout();
    let installed = "metainfo/org.example.foo.packed_foo.metainfo.xml";
    let packed =
        store.at(format!("{}/share/metainfo/org.example.foo.metainfo.xml", tests::Store::PATH));
    let said = tags(&host.outside(host.home(".local/share").join(installed)));
    assert!(said.is_subset(&tags(&packed)), "{said:?}");
}
