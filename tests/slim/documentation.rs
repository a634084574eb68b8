//! What is opened on purpose stays: documentation that a script or a rule for the environment names.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tests::{Builder, Bundle, Closure};

use crate::Pair;

/// A package with documentation, and a script that reads some of it: what it names, and what `$PAGES` names.
fn reader() -> (Closure, Closure) {
    let directory = tempfile::tempdir().expect("make a directory");
    let at = |path: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a directory"))
            .expect("make directories");
        path
    };
    let write = |path: &str, text: &str| fs::write(at(path), text).expect("write a file");
    write("tool/share/doc/tool/help.txt", "this is help\n");
    write("tool/share/doc/tool/COPYING", "a licence\n");
    write("tool/share/doc/other/other.txt", "nobody reads this\n");
    write("tool/share/man/man1/tool.1", "a page\n");
    write("tool/include/tool.h", "int tool(void);\n");
    let tool = Closure::added(&directory.path().join("tool"));
    let (bash, doc) = (Closure::example("pkgs.bash").path, tool.path.join("share/doc"));
    let script = format!(
        "#!{}/bin/bash\nread -r line < {}/tool/help.txt\necho \"$line\"\nread -r line < \"${{PAGES:-/dev/zero}}/man1/tool.1\"\n\
         echo \"$line\"\n",
        bash.display(),
        doc.display()
    );
    write("reader/bin/reader", &script);
    let mode = Permissions::from_mode(0o755);
    fs::set_permissions(at("reader/bin/reader"), mode).expect("make it executable");
    (Closure::added(&directory.path().join("reader")), tool)
}

/// Nix does not know what the script refers to: packer scans it.
fn bundle(reader: &Closure) -> Builder {
    Bundle::of(reader).entry("/bin/reader").option("--store-root", "/")
}

#[test]
fn what_a_script_and_a_rule_name_stays() {
    let (reader, tool) = reader();
    let pages = format!("PAGES={}/share/man", tool.path.display());
    let pair = Pair::of(|| bundle(&reader).option("--env", &pages));
    let all = pair.same(|start| start);
    assert!(all.iter().all(|text| text.contains("this is help\na page\n")), "{all:?}");
    let has = |bundle: &Bundle, path: &str| {
        let to = tempfile::tempdir().expect("make a directory");
        let mut packer = std::process::Command::new(tests::packer());
        tests::run(packer.arg("extract").arg(&bundle.path).arg("--to").arg(to.path()))
            .expect_code(0);
        let tool = tool.path.strip_prefix("/").expect("a store path is absolute");
        to.path().join(tool).join(Path::new(path)).exists()
    };
    for (path, stays) in [
        ("share/doc/tool/help.txt", true),
        ("share/doc/tool/COPYING", true),
        ("share/man/man1/tool.1", true),
        ("share/doc/other/other.txt", false),
        ("include/tool.h", false),
    ] {
        assert_eq!(has(&pair.slim, path), stays, "{path}");
        assert!(has(&pair.whole, path), "{path}");
    }
    // This proves that the test can fail.
    let without = Pair::of(|| bundle(&reader).option("--exclude", "share/doc"));
    assert!(without.same(|start| start)[0].contains("help.txt: No such file"));
}
