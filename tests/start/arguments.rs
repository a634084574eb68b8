//! The program's arguments are its own: every byte of them, and argv[0].

use std::path::Path;

use tests::{Bundle, Host, Store, assert_same_start, probe};

#[test]
fn arguments_arrive_byte_for_byte() {
    let long = vec![b'x'; 128 * 1024 - 1];
    let many: Vec<&[u8]> = std::iter::repeat_n(b"many".as_slice(), 10_000).collect();
    let cases: [&[&[u8]]; 8] = [
        &[b"probe"],
        &[b"probe", b"", b" ", b"two words", b""],
        &[b"probe", b"\xff\xfe", b"gr\xfcn", b"line\nbreak", b"\x01\x1b[31m"],
        &[b"probe", b"--help", b"--version", b"-h", b"--", b"-"],
        // Options that other packers take from the program.
        &[b"probe", b"--extract", b"--appimage-extract", b"--appimage-mount", b"--runtime-help"],
        &[b"probe", b"PACKED=info", b"--packed"],
        &[b"probe", &long],
        &many,
    ];
    for host in Host::every() {
        for argv in cases {
            let report = assert_same_start(&host, |start| start.argv(argv));
            assert_eq!(report.all("argument").count(), argv.len() - 1);
        }
    }
}

/// A bundle of the probe, with other files beside it, that takes these modes only.
fn beside(mode: &str, options: &[(&str, &str)]) -> (Store, Bundle) {
    let store = Store::new();
    for name in ["probe", "other"] {
        store.program(format!("{}/bin/{name}", Store::PATH), &probe());
    }
    store.file(format!("{}/bin/text", Store::PATH), b"no program");
    store.file(format!("{}/bin/directory/file", Store::PATH), b"");
    let builder = Bundle::of_store(&store, Store::PATH).entry("/bin/probe").option("--mode", mode);
    let builder =
        options.iter().fold(builder, |builder, (name, value)| builder.option(name, value));
    let bundle = builder.pack_into(store.root());
    (store, bundle)
}

#[test]
fn argv0_is_a_program_in_the_directory_of_the_entry() {
    for mode in ["relocate", "namespace", "ram"] {
        let (_store, bundle) = beside(mode, &[]);
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        for (caller, expected) in [
            ("probe", "probe"),
            ("/no/such/probe", "probe"),
            ("other", "other"),
            ("./x/other", "other"),
            // What is no program there.
            ("tools-1.36", "probe"),
            ("text", "probe"),
            ("directory", "probe"),
            ("..", "probe"),
            ("", "probe"),
            ("/", "probe"),
        ] {
            let report = host.start(&program).argv(&[caller.as_bytes(), b"x"]).run().report();
            let directory = Path::new(report.get("exe").unwrap()).parent().unwrap();
            let expected = directory.join(expected);
            assert_eq!(report.get("argv[0]"), expected.to_str(), "{caller} in {mode}");
            assert_eq!(report.get("argument"), Some("x"));
        }
        // A login shell.
        let report = host.start(&program).argv(&[b"-other"]).run().report();
        assert_eq!(report.get("argv[0]"), Some("-other"));
    }
}

#[test]
fn argv0_is_what_the_packager_or_the_caller_says() {
    for (value, expected) in [("caller", "./x/other"), ("entry", ""), ("a name", "a name")] {
        let (_store, bundle) = beside("relocate", &[("--argv0", value)]);
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        let start = || host.start(&program).argv(&[b"./x/other"]);
        let report = start().run().report();
        let expected = if value == "entry" { report.get("exe").unwrap() } else { expected };
        assert_eq!(report.get("argv[0]"), Some(expected), "{value}");
        let report = start().env("PACKED_ARGV0", "caller").run().report();
        assert_eq!(report.get("argv[0]"), Some("./x/other"), "{value}");
    }
}

#[test]
fn a_program_learns_the_path_of_its_bundle() {
    for mode in ["relocate", "namespace", "ram"] {
        let (_store, bundle) = beside(mode, &[("--env", "SELF=file:%BUNDLE%!")]);
        for host in Host::every() {
            let program = host.install(&bundle.path);
            let report = host.start(&program).argv(&[b"another"]).run().report();
            let expected = format!("SELF=file:{}!", program.display());
            assert!(
                report.all("variable").any(|variable| variable == expected),
                "{mode} on {host}"
            );
        }
    }
}

#[test]
fn a_start_without_any_argument_works() {
    for host in Host::every() {
        // Since Linux 5.18 the kernel makes one empty argument of none.
        let report = assert_same_start(&host, |start| start.argv(&[]));
        assert_eq!(report.all("argument").count(), 0);
    }
}
