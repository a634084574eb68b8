//! Real programs, out of Debian's packages: their entries are valid, and start them in every mode.

use tests::{Bundle, Closure, Host, need};

use crate::fixture::{desktop, files, read};
use crate::validated::{complaints, tags};

/// A package, its program, and what is installed at least besides the entry.
const PROGRAMS: [(&str, &str, &[&str]); 5] = [
    ("lftp", "lftp", &["icons/"]),
    ("fish", "fish", &[]),
    ("htop", "htop", &["icons/"]),
    ("feh", "feh", &[]),
    ("mousepad", "mousepad", &["icons/", "metainfo/"]),
];

#[test]
#[ignore = "needs appstreamcli and fetches packages: make test-desktop"]
fn entries_of_real_programs_are_valid_and_start_them() {
    need(&["desktop-file-validate", "appstreamcli", "gio"]);
    for (package, name, expected) in PROGRAMS {
        let closure = Closure::example(&format!("package.{package}"));
        let bundle = Bundle::of(&closure).entry(&format!("/bin/{name}"));
        let bundle = bundle.option("--level", "1").pack();
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        let text = desktop(&host, &program, "install").stdout();
        let (home, installed) = (host.home(".local/share"), files(&host));
        for start in expected {
            assert!(installed.iter().any(|path| path.starts_with(start)), "{start}: {text}");
        }
        let suffix = format!(".packed_{name}");
        let packed = |path: &str| closure.path.join("share").join(path.replace(&suffix, ""));
        let mut entries = 0;
        for path in &installed {
            let file = host.outside(home.join(path));
            if path.starts_with("applications/") {
                entries += 1;
                let said = complaints(&file);
                assert!(said.is_subset(&complaints(&packed(path))), "{path}: {said:?}");
                let entry = read(&host, path);
                let icon = entry.lines().find_map(|line| line.strip_prefix("Icon="));
                let icon = icon.expect("it has an icon");
                let has_icon = installed.iter().any(|path| path.contains(icon));
                assert!(has_icon || icon.starts_with('/') || !icon.contains(&suffix), "{entry}");
            } else if path.starts_with("metainfo/") {
                let said = tags(&file);
                assert!(said.is_subset(&tags(&packed(path))), "{path}: {said:?}");
            }
        }
        assert!(entries > 0, "{package}: {text}");
        for mode in bundle.modes() {
            let ended = host.start(&program).arg("--version").env("PACKED_MODE", &mode).run();
            ended.expect_code(0);
            assert!(!ended.stdout.is_empty(), "{package} in mode {mode}");
        }
        desktop(&host, &program, "remove").expect_code(0);
        assert_eq!(files(&host), [""; 0], "{package}");
    }
}
