//! The examples that are no service: packed, and run on every host.

use tests::{Bundle, Closure, Host};

#[test]
fn hello_says_hello() {
    let bundle = Bundle::of(&Closure::example("hello")).entry("/bin/hello").pack();
    for host in Host::every() {
        let program = host.install(&bundle.path);
        for mode in bundle.modes() {
            for _ in 0..2 {
                let text = host.start(&program).env("PACKED_MODE", &mode).run().stdout();
                assert_eq!(text, "Hello from a closure of two paths.\n", "{mode} on {host}");
            }
        }
    }
}

#[test]
fn coreutils_is_chosen_by_name() {
    let entries = ["/bin/ls", "/bin/cat", "/bin/sort", "/bin/true", "/bin/false"];
    let bundle =
        Bundle::of(&Closure::example("coreutils")).entries(&entries).option("--level", "3").pack();
    for host in Host::every() {
        let program = host.install(&bundle.path);
        let link = |name: &str| {
            let path = std::path::Path::new("/srv/bin").join(name);
            std::fs::create_dir_all(host.outside("/srv/bin")).unwrap();
            std::os::unix::fs::symlink(&program, host.outside(&path)).unwrap();
            path
        };
        let sort = host.start(link("sort")).arg("-r").stdin(b"a\nc\nb\n").run();
        assert_eq!(sort.stdout(), "c\nb\na\n", "on {host}");
        assert_eq!(host.start(link("cat")).stdin(b"meow").run().stdout(), "meow", "on {host}");
        host.start(link("true")).run().expect_code(0);
        host.start(link("false")).run().expect_code(1);
        // The first entry, by its own name and by one that is no entry's.
        assert_eq!(host.start(&program).arg("/srv").run().stdout(), "bin\nls\n", "on {host}");
        assert_eq!(
            host.start(link("other")).arg("/srv/bin").run().stdout(),
            "cat\nfalse\nother\nsort\ntrue\n"
        );
        // As a login shell is called; and by argv[0] alone.
        let false_by_name = host.start(&program).argv(&[b"/usr/bin/false"]);
        false_by_name.run().expect_code(1);
    }
}

#[test]
fn the_python_program_runs_with_its_own_interpreter() {
    let bundle = Bundle::of(&Closure::example("python-example"))
        .entry("/bin/python-example")
        .option("--level", "3")
        .pack();
    for host in Host::every() {
        let program = host.install(&bundle.path);
        for mode in bundle.modes() {
            let start = host.start(&program).args(["one", "two words", ""]);
            let text = start.env("PYTHONPATH", "/nowhere").env("PACKED_MODE", &mode).run().stdout();
            let report: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                report["arguments"],
                serde_json::json!(["one", "two words", ""]),
                "{mode} on {host}"
            );
            assert_eq!(report["answer"], 42, "{mode} on {host}");
            let place = if mode == "relocate" { host.cache() } else { "/nix/store".into() };
            let prefix = report["prefix"].as_str().unwrap();
            assert!(std::path::Path::new(prefix).starts_with(place), "{mode} on {host}: {prefix}");
        }
    }
}
