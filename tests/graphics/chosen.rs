//! What is taken and what is not, what a user chooses, and bundles that do not look for drivers.

use std::fs;

use tests::{Bundle, Closure};

use crate::driver::too_new;
use crate::tree::Tree;
use crate::{INTERFACES, MODES, ask, asks, said, start};

const PLACE: &str = "/usr/lib/x86_64-linux-gnu";
const VERSION: &str = "535.288.01";

fn machine() -> Tree {
    let tree = Tree::new();
    tree.libraries(PLACE, VERSION);
    tree.module(VERSION);
    tree.data();
    tree
}

/// A library of NVIDIA's that needs a newer glibc than the bundle has, which so far there never was.
#[test]
fn a_driver_for_a_newer_glibc() {
    let tree = machine();
    fs::copy(too_new("libcuda.so.1"), tree.at(&format!("{PLACE}/libcuda.so.{VERSION}"))).unwrap();
    for mode in MODES {
        let (text, log) = ask(&tree.host(), mode, &["cuda"]);
        assert!(!text.contains("cuInit"), "{mode}: {text}");
        assert!(log.contains("2.99"), "{mode}: {log}");
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
    let beside = machine();
    newer(&beside);
    for mode in MODES {
        let (text, log) = ask(&alone.host(), mode, &["cuda"]);
        assert!(!text.contains("cuInit") && log.contains("2.99"), "{mode}: {text}\n{log}");
        let (text, log) = ask(&beside.host(), mode, &["cuda"]);
        assert!(
            text.contains(&format!("libcuda.so.1 {VERSION} {PLACE}/")),
            "{mode}: {text}\n{log}"
        );
    }
}

/// The bundle's own driver is for hosts that have none, and for users who say so.
#[test]
fn the_bundles_own() {
    const OWN: &str = "libcuda.so.1 1.0 ";
    let files = Tree::new();
    files.libraries("/own-drivers/lib", "1.0");
    files.file("/own-drivers/share/vulkan/icd.d/own.json", "{}");
    let own = Closure::added(&files.at("/own-drivers"));
    let bundle = Bundle::of(&Closure::example("graphics.asks")).entry("/bin/asks");
    let bundle = bundle.option("--graphics", &own.path).pack();
    assert_eq!(bundle.inspect()["graphics"]["drivers"], own.path.to_str().unwrap());
    let (tree, empty) = (machine(), Tree::new());
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
    let tree = machine();
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
    let tree = machine();
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
    let tree = machine();
    let host = tree.host();
    let program = host.install(&bundle.path);
    for mode in bundle.modes() {
        let start = host.start(&program).args(["cuda", "host"]).env("PACKED_MODE", &mode);
        let (text, log) = said(&start.env("PACKED_LOG", "debug").run());
        assert!(text.contains("cuda: Error loading shared library libcuda.so.1"), "{mode}: {text}");
        assert!(text.contains("host: nothing\n") && log.contains("glibc"), "{mode}: {text}\n{log}");
    }
}

/// A program of the host that the bundle starts gets no library of ours before its own.
#[test]
fn programs_of_the_host() {
    let tree = machine();
    let host = tree.host();
    for mode in MODES {
        let (text, log) = ask(&host, mode, &["cuda", "host"]);
        assert!(text.contains("host: "), "{mode}: {text}\n{log}");
        // What it may see holds nothing but the driver, which it would have loaded anyway.
        let path = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        assert!(
            path == "nothing" || path.contains("opengl-driver") || path.contains("/graphics/"),
            "{path}"
        );
    }
}

/// A bundle that names no driver looks for none: not a system call.
#[test]
fn bundles_without_graphics_do_not_look() {
    let tree = machine();
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
