//! The environment is the caller's, byte for byte and in its order; but for a bundle's rules.

use std::fs;

use tests::{Bundle, Change, Closure, Host, Nix, Report, Store, User, assert_same_start, probe};

#[test]
fn the_environment_arrives_byte_for_byte() {
    let long = [b"LONG=".as_slice(), &vec![b'x'; 100 * 1024]].concat();
    for host in Host::every() {
        let home = format!("HOME={}", host.user.home().display()).into_bytes();
        let cases: [&[&[u8]]; 7] = [
            &[&home],
            &[&home, b"A=1", b"A=2", b"A=1", b"B=", b"C"],
            &[b"no equals sign", b"", b"=", b"=value", b"a=b=c", &home],
            &[b"\xff=\xfe", b"NEWLINE=a\nb", &home, &home],
            &[&home, b"LD_LIBRARY_PATH=/nowhere", b"PATH=", b"ARGV0=x", b"APPDIR=y"],
            &[
                &home,
                b"PACKED=",
                b"PACKED_MODE=",
                b"PACKED_LOG=",
                b"PACKED_OTHER=x",
                b"PACKEDX=info",
            ],
            &[&home, &long],
        ];
        for environment in cases {
            let report = assert_same_start(&host, |start| start.environment(environment));
            assert_eq!(report.all("variable").count(), environment.len(), "{environment:?}");
        }
    }
}

#[test]
fn the_launchers_own_variables_stay_too() {
    for host in Host::every() {
        let cache = host.directory(host.home("elsewhere/packed"), 0o700);
        let report = assert_same_start(&host, |start| {
            start.env("PACKED_CACHE", &cache).env("PACKED_LOG", "other")
        });
        assert!(report.all("variable").any(|variable| variable.starts_with("PACKED_CACHE=")));
    }
}

#[test]
fn an_empty_environment_is_no_obstacle() {
    for host in Host::every() {
        let report = assert_same_start(&host, |start| start.environment(&[]));
        assert_eq!(report.all("variable").count(), 0);
    }
}

/// A host on which LD_LIBRARY_PATH and LD_PRELOAD lead to libraries that no program can be started with.
fn with_foreign_libraries(host: &Host, start: tests::Start) -> tests::Start {
    let library = host.directory("/srv/lib", 0o755).join("libc.so.6");
    fs::write(host.outside(&library), "made for another C library").expect("write a file");
    start.env("LD_LIBRARY_PATH", "/srv/lib").env("LD_PRELOAD", library)
}

#[test]
fn libraries_of_the_host_stay_out() {
    let closure = Closure::example("coreutils");
    let host = Host::new(User::ordinary(), Nix::SamePaths);
    let direct = host.start(closure.path.join("bin/env"));
    with_foreign_libraries(&host, direct).run().expect_code(127);

    let bundle = Bundle::of(&closure).entry("/bin/env").option("--level", "3").pack();
    let kept = Bundle::of(&closure)
        .entry("/bin/env")
        .option("--env", "LD_LIBRARY_PATH")
        .option("--level", "3")
        .pack();
    for host in Host::every() {
        let program = host.install(&bundle.path);
        for mode in bundle.modes() {
            let start = host.start(&program).env("PACKED_MODE", &mode);
            let text = with_foreign_libraries(&host, start).run().stdout();
            assert!(!text.contains("LD_"), "{mode} on {host}: {text}");
        }
        let start = host.start(host.install_as(&kept.path, "/srv/kept/env"));
        with_foreign_libraries(&host, start).run().expect_code(127);
    }
}

#[test]
fn a_module_that_looks_users_up_stays() {
    let bundle = ruled(&[("share/names", "LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT")], &[]);
    let host = Host::ordinary();
    let program = host.install(&bundle.path);
    let start = || host.start(&program).env("PACKED_LOG", "debug");
    let given = "/usr/lib/libfakeroot.so:/lib64/libnss_sss.so.2 libnss_x.so";
    let start = start()
        .env("LD_PRELOAD", given)
        .env("LD_AUDIT", "/lib/audit.so:/lib/libnss_y.so")
        .env("LD_LIBRARY_PATH", "/srv/lib");
    let ended = start.run();
    let log = ended.stderr();
    let report = Report::parse(&ended.text()).unwrap();
    assert_eq!(report.values_of("LD_PRELOAD"), ["/lib64/libnss_sss.so.2:libnss_x.so"]);
    assert_eq!(report.values_of("LD_AUDIT"), ["/lib/libnss_y.so"]);
    assert!(report.values_of("LD_LIBRARY_PATH").is_empty());
    for line in [
        "removed from LD_PRELOAD: /usr/lib/libfakeroot.so",
        "removed from LD_AUDIT: /lib/audit.so",
        "removed from LD_LIBRARY_PATH: /srv/lib",
    ] {
        assert!(log.contains(&format!("packed: {line}\n")), "{line}:\n{log}");
    }
}

/// Variables that name modules of the host's libraries, or hide the closure's files by others.
const MODULES: [&str; 22] = [
    "GTK_PATH",
    "GTK_EXE_PREFIX",
    "GTK_IM_MODULE_FILE",
    "GIO_MODULE_DIR",
    "GIO_EXTRA_MODULES",
    "GDK_PIXBUF_MODULE_FILE",
    "GDK_PIXBUF_MODULEDIR",
    "GSETTINGS_SCHEMA_DIR",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "QML_IMPORT_PATH",
    "QML2_IMPORT_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GST_PLUGIN_SCANNER",
    "GST_PLUGIN_SCANNER_1_0",
    "LADSPA_PATH",
    "LV2_PATH",
    "GCONV_PATH",
    "LOCPATH",
];

#[test]
fn modules_of_the_host_stay_out() {
    let names = MODULES.join(" ");
    let bundle = ruled(&[("share/names", &names)], &[]);
    let kept = ruled(&[("share/names", &names)], &MODULES);
    let host = Host::ordinary();
    for (bundle, expected) in [(bundle, [].as_slice()), (kept, &["/srv/modules"])] {
        let start = host.start(host.install(&bundle.path));
        let start = MODULES.iter().fold(start, |start, name| start.env(name, "/srv/modules"));
        let report = start.run().report();
        for name in MODULES {
            assert_eq!(report.values_of(name), expected, "{name}");
        }
    }
}

#[test]
fn search_paths_have_their_defaults() {
    let names = "XDG_DATA_DIRS XDG_CONFIG_DIRS FONTCONFIG_PATH";
    let bundle = ruled(&[("names", names), ("etc/fonts/fonts.conf", "")], &[]);
    let no_fonts =
        Change::Mount { kind: "tmpfs", at: "/etc".into(), options: "mode=0755".to_owned() };
    let host = Host::changed(User::ordinary(), Nix::Absent, &[no_fonts]);
    let program = host.install(&bundle.path);
    let report = host.start(&program).run().report();
    assert_eq!(report.values_of("XDG_DATA_DIRS"), ["/usr/local/share:/usr/share"]);
    assert_eq!(report.values_of("XDG_CONFIG_DIRS"), ["/etc/xdg"]);
    let found = report.values_of("FONTCONFIG_PATH");
    assert!(found.len() == 1 && found[0].ends_with("/etc/fonts"), "{found:?}");
    for name in names.split(' ') {
        let report = host.start(&program).env(name, "/srv").run().report();
        assert_eq!(report.values_of(name), ["/srv"]);
    }
}

/// A bundle of the probe with files beside it, and `--env` options.
fn ruled(texts: &[(&str, &str)], rules: &[&str]) -> Bundle {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &probe());
    for (path, text) in texts {
        store.file(format!("{}/{path}", Store::PATH), text.as_bytes());
    }
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
    rules.iter().fold(bundle, |bundle, rule| bundle.option("--env", rule)).pack()
}

#[test]
fn files_that_nix_has_elsewhere_are_found() {
    let texts = [
        ("share/names", "SSL_CERT_FILE LOCALE_ARCHIVE TZDIR"),
        ("etc/ssl/certs/ca-bundle.crt", "certificates"),
        ("lib/locale/locale-archive", "locales"),
        ("share/zoneinfo/UTC", "zone"),
    ];
    let bundle = ruled(&texts, &[]);
    let host_files: [(&str, &[&str]); 3] = [
        (
            "SSL_CERT_FILE",
            &[
                "/etc/ssl/certs/ca-certificates.crt",
                "/etc/pki/tls/certs/ca-bundle.crt",
                "/etc/ssl/ca-bundle.pem",
                "/etc/ssl/cert.pem",
            ],
        ),
        ("LOCALE_ARCHIVE", &[]),
        ("TZDIR", &["/etc/zoneinfo", "/usr/share/zoneinfo"]),
    ];
    let below = ["etc/ssl/certs/ca-bundle.crt", "lib/locale/locale-archive", "share/zoneinfo"];
    for host in Host::every() {
        let program = host.install(&bundle.path);
        for mode in bundle.modes() {
            let start = || host.start(&program).env("PACKED_MODE", &mode);
            let report = start().run().report();
            for ((name, on_host), below) in host_files.iter().zip(below) {
                let found = report.values_of(name);
                let expected = on_host.iter().find(|path| fs::exists(path).unwrap());
                match expected {
                    Some(path) => assert_eq!(found, [*path], "{name}, {mode} on {host}"),
                    None => {
                        let [path] = &found[..] else { panic!("{name} is set once: {found:?}") };
                        let place =
                            if mode == "relocate" { ".cache/packed/" } else { "/nix/store/" };
                        assert!(path.contains(place) && path.ends_with(below), "{path}");
                    }
                }
                let report = start().env(name, "").run().report();
                assert_eq!(report.values_of(name), [""], "{name} is set, {mode} on {host}");
            }
        }
    }
}

#[test]
fn nobody_gets_variables_that_nobody_reads() {
    let host = Host::ordinary();
    let report = host.start(host.install(&ruled(&[], &[]).path)).run().report();
    for name in ["SSL_CERT_FILE", "LOCALE_ARCHIVE", "TZDIR"] {
        assert!(report.values_of(name).is_empty(), "{name}");
    }
}

#[test]
fn rules_are_applied_in_order() {
    let rules = ["A=1", "B?=2", "C?=3", "D-", "E=5", "E=6", "TZDIR"];
    let bundle = ruled(&[("names", "TZDIR"), ("share/zoneinfo/UTC", "")], &rules);
    let host = Host::ordinary();
    let start = host.start(host.install(&bundle.path));
    let environment: [&[u8]; 7] =
        [b"A=a", b"X=x", b"A=b", b"C=c", b"D=d", b"D=e", b"HOME=/home/alice"];
    let report = start.environment(&environment).run().report();
    assert_eq!(
        report.all("variable").collect::<Vec<_>>(),
        ["A=1", "X=x", "C=c", "HOME=/home/alice", "B=2", "E=6"]
    );
}
