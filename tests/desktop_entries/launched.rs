//! A real launcher, of GLib's, starts the programs, whatever the bundle's path is and in every mode.

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Bundle, Host, Report, need, until};

use crate::fixture::{desktop, pack, store};

/// Names of bundles that need quotes or escapes.
const NAMES: [&str; 9] = [
    "foo",
    "a b",
    "50%",
    "quote\"s'",
    "do$llar`s",
    "back\\slash\\n",
    "gr\u{fc}n",
    "a=b",
    "many;&|<>()#*?~",
];

/// Launches an installed entry, and returns what the program saw.
fn launch(host: &Host, entry: &str, report: &str, mode: &str) -> Report {
    let file = host.home(".local/share/applications").join(entry);
    let launcher = host.start("/usr/bin/gio").arg("launch").arg(file).env("PACKED_MODE", mode);
    launcher.run().expect_code(0);
    let report = host.outside(host.home(report));
    let seen = until("the program reports", || Report::parse(&fs::read_to_string(&report).ok()?));
    fs::remove_file(report).expect("remove the report");
    seen
}

#[test]
fn launcher_starts_each_entry_from_any_path() {
    need(&["gio"]);
    let (_directory, bundle) = pack(&store());
    for name in NAMES {
        let host = Host::ordinary();
        let program = host.install_as(&bundle, Path::new("/srv/x y").join(name));
        let _ = desktop(&host, &program, "install").stdout();
        let key: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let key = if name == "gr\u{fc}n" { "gr__n".to_owned() } else { key };
        let entry = |id: &str| format!("{id}.packed_{key}.desktop");
        let foo = launch(&host, &entry("org.example.foo"), "a report", "namespace");
        assert_eq!(foo.all("argument").nth(1), Some("/home/alice/a report"), "{name}");
        assert!(foo.get("argv[0]").is_some_and(|path| path.ends_with("/bin/foo")), "{name}");
        let bar = launch(&host, &entry("bar"), "bar", "namespace");
        assert!(bar.get("argv[0]").is_some_and(|path| path.ends_with("/bin/bar")), "{name}");
        assert_eq!(bar.values_of("A"), ["b"], "{name}");
    }
}

#[test]
fn launcher_starts_it_in_every_mode() {
    need(&["gio"]);
    let (_directory, path) = pack(&store());
    let bundle = Bundle { path };
    let host = Host::ordinary();
    let program: PathBuf = host.install(&bundle.path);
    let _ = desktop(&host, &program, "install").stdout();
    let modes = bundle.modes();
    assert!(modes.len() >= 3, "{modes:?}");
    for mode in modes {
        let entry = "bar.packed_foo.desktop";
        let bar = launch(&host, entry, "bar", &mode);
        assert!(bar.get("argv[0]").is_some_and(|path| path.ends_with("/bin/bar")), "{mode}");
    }
}
