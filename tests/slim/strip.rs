//! `--strip`: a program with debug information, which the machine's compiler makes.

use std::fs;
use std::process::Command;

use tests::{Bundle, Closure, Store, packer, run};

use crate::Pair;

/// A static program, so that it needs no library of the store.
fn program(store: &Store, options: &[&str]) {
    let source = store.root().join("x.c");
    let text = "#include <stdio.h>\nint answer = 42;\nint main(int n, char **a) { printf(\"%d %s\\n\", answer, a[n - 1]); }\n";
    fs::write(&source, text).expect("write a file");
    let program = store.file(format!("{}/bin/x", Store::PATH), b"");
    run(Command::new("cc").arg("-g3").args(options).arg(&source).arg("-o").arg(&program))
        .expect_code(0);
}

#[test]
fn a_stripped_program_does_the_same_and_is_listed() {
    for options in [&["-static"][..], &["-static", "-O2", "-gz"], &["-static-pie", "-fPIE"]] {
        let store = Store::new();
        program(&store, options);
        let pair = Pair::of(|| Bundle::of_store(&store, Store::PATH).entry("/bin/x"));
        let all = pair.same(|start| start.arg("hello"));
        assert!(all.iter().all(|text| text.contains("42 hello")), "{all:?}");
        let rules = pair.slim.inspect()["left_out"].clone();
        assert_eq!(
            (&rules[0]["rule"], &rules[0]["files"]),
            (&"strip".into(), &1.into()),
            "{options:?}"
        );
        run(Command::new(packer()).arg("verify").arg(&pair.slim.path)).expect_code(0);

        // What is packed has its symbols, and no debug information.
        let to = tempfile::tempdir().expect("make a directory");
        run(Command::new(packer()).arg("extract").arg(&pair.slim.path).arg("--to").arg(to.path()))
            .expect_code(0);
        let packed = to.path().join("nix/store").join(Store::PATH).join("bin/x");
        let sections = run(Command::new("readelf").args(["-SsW"]).arg(&packed)).stdout();
        assert!(!sections.contains(".debug_") && sections.contains(" answer\n"), "{options:?}");
        let len = |path: &std::path::Path| fs::metadata(path).expect("it is there").len();
        let saved = len(&store.at(format!("{}/bin/x", Store::PATH))) - len(&packed);
        assert_eq!(rules[0]["bytes"], saved);
    }
}

/// References in what stays are found where they are after stripping: relocation rewrites them.
#[test]
fn references_are_rewritten_behind_what_went() {
    let closure = Closure::example("hello");
    let directory = tempfile::tempdir().expect("make a directory");
    let source = directory.path().join("x.c");
    let text = format!(
        "#include <stdio.h>\nconst char *path = \"{}/bin\";\nint main(void) {{ puts(path); FILE *f = fopen(\"{}/bin/hello\", \"r\"); \
         puts(f ? \"open\" : \"closed\"); }}\n",
        closure.path.display(),
        closure.path.display()
    );
    fs::write(&source, text).expect("write a file");
    fs::create_dir_all(directory.path().join("p/bin")).expect("make directories");
    let program = directory.path().join("p/bin/x");
    run(Command::new("cc").args(["-g3", "-static"]).arg(&source).arg("-o").arg(&program))
        .expect_code(0);
    let closure = Closure::added(&directory.path().join("p"));
    let pair = Pair::of(|| Bundle::of(&closure).entry("/bin/x").option("--store-root", "/"));
    let all = pair.same(|start| start);
    assert!(all.len() == 2 && all.iter().all(|text| text.contains("\nopen\n")), "{all:?}");
    assert!(all[0].contains("/packed/…/bin"), "{}", all[0]);
}
