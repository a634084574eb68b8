//! What is taken and what is not, what a user chooses, and bundles that do not look for drivers.

use std::fs;
use std::process::Command;

use tests::{Builder, Bundle, Closure, once, run, source};

use crate::driver::too_new;
use crate::tree::{DEBIAN, Tree, VERSION};
use crate::{INTERFACES, MODES, ask, asks, said, start};

/// What the bundle's own library says.
const OWN: &str = "libcuda.so.1 1.0 ";

/// A bundle with a driver of its own.
fn with_own() -> Builder {
    let files = Tree::new();
    files.libraries("/own-drivers/lib", "1.0");
    files.file("/own-drivers/share/vulkan/icd.d/own.json", "{}");
    let own = Closure::added(&files.at("/own-drivers"));
    let bundle = Bundle::of(&Closure::example("graphics.asks")).entry("/bin/asks");
    bundle.option("--graphics", &own.path)
}

/// A library of NVIDIA's that needs a newer glibc than the bundle has, which so far there never was.
#[test]
fn a_driver_for_a_newer_glibc() {
    let tree = Tree::with_driver(DEBIAN);
    fs::copy(too_new("libcuda.so.1"), tree.at(&format!("{DEBIAN}/libcuda.so.{VERSION}"))).unwrap();
    for mode in MODES {
        let (text, log) = ask(&tree.host(), mode, &["cuda"]);
        assert!(!text.contains("cuInit"), "{mode}: {text}");
        assert!(log.contains("2.99"), "{mode}: {log}");
    }
}

/// Files with the right names are no driver.
#[test]
fn a_driver_that_is_none() {
    let tree = Tree::new();
    tree.module(VERSION);
    tree.file(&format!("{DEBIAN}/libcuda.so.{VERSION}"), "no library");
    let host = tree.host();
    let program = host.install(with_own().pack().path);
    for mode in MODES {
        let start = || host.start(&program).env("PACKED_MODE", mode).arg("cuda");
        let text = start().run().stdout();
        assert!(text.contains(OWN), "{mode}: {text}");
        let (what, _) = start().env("PACKED_GRAPHICS", "host").run().expect_refusal(125);
        assert!(what.contains(VERSION), "{mode}: {what}");
    }
}

/// A library is linked by its SONAME, which can be anything.
#[test]
fn a_library_with_an_odd_name() {
    let tree = Tree::with_driver(DEBIAN);
    let source = tree.at("/odd.c");
    fs::write(&source, "").unwrap();
    for (number, soname) in ["..", "libc.so.6", "gbm", &"lib.so".repeat(50)].iter().enumerate() {
        let output = tree.at(&format!("{DEBIAN}/libodd{number}.so.{VERSION}"));
        let mut gcc = Command::new("gcc");
        gcc.args(["-shared", "-nostdlib", &format!("-Wl,-soname,{soname}"), "-o"]);
        run(gcc.arg(output).arg(&source)).expect_code(0);
    }
    for mode in MODES {
        let (text, log) = ask(&tree.host(), mode, &["cuda"]);
        let expected = format!("libcuda.so.1 {VERSION} {DEBIAN}/");
        assert!(text.contains(&expected), "{mode}: {text}\n{log}");
    }
}

/// The directory of a newer NixOS is passed over, and the next one is taken.
#[test]
fn the_directory_of_a_newer_nixos() {
    let newer = |tree: &Tree| {
        let place = tree.at("/run/opengl-driver/lib/libcuda.so.1");
        fs::copy(too_new("libcuda.so.1"), place).unwrap();
    };
    let alone = Tree::new();
    newer(&alone);
    let beside = Tree::with_driver(DEBIAN);
    newer(&beside);
    for mode in MODES {
        let (text, log) = ask(&alone.host(), mode, &["cuda"]);
        assert!(!text.contains("cuInit") && log.contains("2.99"), "{mode}: {text}\n{log}");
        let (text, log) = ask(&beside.host(), mode, &["cuda"]);
        assert!(
            text.contains(&format!("libcuda.so.1 {VERSION} {DEBIAN}/")),
            "{mode}: {text}\n{log}"
        );
    }
}

/// The bundle's own driver is for hosts that have none, and for users who say so.
#[test]
fn the_bundles_own() {
    let bundle = with_own().pack();
    let (tree, empty) = (Tree::with_driver(DEBIAN), Tree::new());
    let hosts = [("the host's", tree.host()), ("none", empty.host())];
    for (has, host) in &hosts {
        let program = host.install(&bundle.path);
        for mode in MODES {
            for (choice, is_own) in [("", *has == "none"), ("bundle", true), ("off", false)] {
                let start = host.start(&program).arg("cuda").env("PACKED_MODE", mode);
                let start = start.env("PACKED_GRAPHICS", choice).env("PACKED_LOG", "debug");
                let (text, log) = said(&start.run());
                let is_hosts = choice.is_empty() && !is_own;
                assert_eq!(text.contains(OWN), is_own, "{mode}, {has}, {choice}: {text}\n{log}");
                assert_eq!(
                    text.contains(VERSION),
                    is_hosts,
                    "{mode}, {has}, {choice}: {text}\n{log}"
                );
            }
        }
    }
}

#[test]
fn nothing_if_the_user_says_so() {
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host();
    for mode in MODES {
        let ended = start(&host, mode, &INTERFACES).env("PACKED_GRAPHICS", "off").run();
        let text = ended.stdout();
        assert!(!text.contains(VERSION), "{mode}: {text}");
        let (what, hint) = start(&host, mode, &[]).env("PACKED_GRAPHICS", "mine").run().refusal();
        assert!(what.contains("PACKED_GRAPHICS") && hint.contains("bundle"), "{what}\n{hint}");
    }
}

#[test]
fn what_the_bundle_does_not_have() {
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host();
    let empty = Tree::new();
    let none = empty.host();
    for mode in MODES {
        let (what, _) = start(&none, mode, &[]).env("PACKED_GRAPHICS", "host").run().refusal();
        assert!(what.contains("driver"), "{mode}: {what}");
        let (what, _) = start(&host, mode, &[]).env("PACKED_GRAPHICS", "bundle").run().refusal();
        assert!(what.contains("driver"), "{mode}: {what}");
    }
}

/// musl loads no library that is for glibc.
#[test]
fn anything_for_musl() {
    let bundle = Bundle::of(&Closure::example("graphics.asks-musl")).entry("/bin/asks").pack();
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host();
    let program = host.install(&bundle.path);
    for mode in bundle.modes() {
        let start = host.start(&program).args(["cuda", "/usr/bin/env"]).env("PACKED_MODE", &mode);
        let (text, log) = said(&start.env("PACKED_LOG", "debug").run());
        assert!(text.contains("cuda: Error loading shared library libcuda.so.1"), "{mode}: {text}");
        assert!(
            !text.contains("LD_LIBRARY_PATH") && log.contains("glibc"),
            "{mode}: {text}\n{log}"
        );
    }
}

/// A program of the host that the bundle starts does not get the bundle's driver, whose libraries are not for its glibc.
#[test]
fn programs_of_the_host() {
    let asks = once("asks-of-host", (), |output| {
        let mut gcc = Command::new("gcc");
        let source = source().join("nix/graphics/asks.c");
        run(gcc.args(["-D_GNU_SOURCE", "-o"]).arg(output).arg(source)).expect_code(0);
    });
    let bundle = with_own().pack();
    let empty = Tree::new();
    let host = empty.host();
    let (program, of_host) = (host.install(&bundle.path), host.install(asks));
    for mode in MODES {
        let start = host.start(&program).arg("cuda").arg(&of_host).arg("cuda");
        let text = start.env("PACKED_MODE", mode).run().stdout();
        let loaded = text.lines().filter(|line| line.starts_with(OWN)).count();
        // The first is the bundle's program.
        assert!(loaded == 1 && text.contains("cuda: libcuda.so.1: cannot open"), "{mode}: {text}");
    }
}

/// A bundle that names no driver looks for none: not a system call.
#[test]
fn bundles_without_graphics_do_not_look() {
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host();
    let traced = |bundle: &Bundle, mode: &str| {
        let trace = host.directory(host.home("trace"), 0o700).join("calls");
        let program = host.install(&bundle.path);
        let start = host.start("/usr/bin/strace").args(["-f", "-s", "500", "-o"]).arg(&trace);
        let _ = start.arg(program).env("PACKED_MODE", mode).run();
        fs::read_to_string(host.outside(&trace)).expect("strace writes a file")
    };
    let looks = |calls: &str| calls.contains("nvidia") || calls.contains("opengl-driver");
    let probe = Bundle::of(&Closure::probe()).entry("/bin/probe").pack();
    assert_eq!(probe.inspect()["graphics"], serde_json::Value::Null);
    for mode in ["relocate", "namespace"] {
        assert!(!looks(&traced(&probe, mode)), "{mode}");
        assert!(looks(&traced(&asks(), mode)), "{mode}: a bundle with graphics looks");
    }
}

#[test]
fn what_inspect_says() {
    let graphics = &asks().inspect()["graphics"];
    let interfaces: Vec<_> = graphics["interfaces"].as_array().expect("a list").iter().collect();
    for interface in ["cuda", "egl", "vulkan", "opencl"] {
        assert!(interfaces.contains(&&serde_json::Value::from(interface)), "{graphics}");
    }
    assert_eq!(graphics["drivers"], serde_json::Value::Null);
}
