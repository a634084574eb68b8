//! Mesa in a bundle draws, for an ordinary user of a host that has no driver, what it draws without a bundle on NixOS.

use std::path::Path;

use tests::{Bundle, Change, Closure, Ended, Host, Nix, Start, User, need};

use crate::MODES;
use crate::display::{Picture, Screen, Weston, XServer};
use crate::tree::Tree;

/// What these tests need on the machine.
const NEEDED: [&str; 4] = ["Xvfb", "weston", "weston-screenshooter", "pngtopnm"];

/// What a host could have of Mesa.
const MESA: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/dri",
    "/usr/share/glvnd",
    "/usr/share/vulkan",
    "/usr/share/drirc.d",
];

/// The programs, which print or draw, by the attributes that have them.
const PROGRAMS: [(&str, &[&str]); 2] = [
    (
        "graphics.programs",
        &[
            "glxinfo",
            "eglinfo",
            "vulkaninfo",
            "glxdemo",
            "es2tri",
            "glxgears",
            "vkcube",
            "vkcube-wayland",
        ],
    ),
    // It has no library of GLX.
    ("graphics.egl", &["weston-simple-egl"]),
];

/// Some programs, with Mesa.
fn bundle(attribute: &str, programs: &[&str]) -> Bundle {
    let entries: Vec<String> = programs.iter().map(|name| format!("/bin/{name}")).collect();
    Bundle::of(&Closure::example(attribute))
        .entries(&entries.iter().map(String::as_str).collect::<Vec<_>>())
        .option("--graphics", Closure::example("graphics.drivers").path)
        .option("--level", "1")
        .pack()
}

/// A host without any driver, with the bundles under the names of their programs.
fn host() -> Host {
    need(&NEEDED);
    let hide = |at: &&&str| Path::new(at).exists();
    let hidden = MESA.iter().filter(hide).map(|at| Change::Mount {
        kind: "tmpfs",
        at: at.into(),
        options: String::new(),
    });
    let host = Host::changed(User::ordinary(), Nix::Absent, &hidden.collect::<Vec<_>>());
    for (attribute, programs) in PROGRAMS {
        let path = host.install(bundle(attribute, programs).path);
        // The bundle itself has the first one's name.
        for name in &programs[1..] {
            let link = host.outside(Path::new("/srv").join(name));
            std::os::unix::fs::symlink(&path, link).expect("make a link");
        }
    }
    host
}

fn bundled(host: &Host, mode: &str, program: &str) -> Start {
    host.start(Path::new("/srv").join(program)).env("PACKED_MODE", mode)
}

/// A machine with NixOS's directory, and the program as it is in the store.
struct NixOs {
    host: Host,
    _tree: Tree,
}

impl NixOs {
    fn new() -> NixOs {
        let tree = Tree::new();
        tree.link("/run/opengl-driver", Closure::example("graphics.drivers").path);
        let host = tree.host_of(User::ordinary(), Nix::SamePaths);
        NixOs { host, _tree: tree }
    }

    fn start(&self, program: &str) -> Start {
        let has = |names: &&(&str, &[&str])| names.1.contains(&program);
        let (attribute, _) = PROGRAMS.iter().find(has).expect("it is listed");
        self.host.start(Closure::example(attribute).path.join("bin").join(program))
    }
}

/// Arguments that a program draws one frame after the other with.
fn arguments(start: Start, program: &str) -> Start {
    match program {
        "vkcube-wayland" => start.args(["--width", "640", "--height", "480"]),
        "weston-simple-egl" => start.args(["-f", "-o"]),
        _ => start,
    }
}

/// Whether two pictures of a program must be the same to the pixel: it does not move.
fn is_same(program: &str, picture: &Picture, other: &Picture) -> bool {
    match program {
        "glxdemo" | "es2tri" => picture == other,
        _ => picture.is_like(other),
    }
}

#[test]
#[ignore = "it needs an X server; make test-hosts installs it"]
fn the_renderer_is_mesas() {
    let (host, screen) = (host(), XServer::new());
    let asked = [("glxinfo", &["-B"][..]), ("eglinfo", &[]), ("vulkaninfo", &["--summary"])];
    for mode in MODES {
        for (program, options) in asked {
            let start = || screen.shown(bundled(&host, mode, program)).args(options);
            let names = |ended: &Ended| String::from_utf8_lossy(&ended.stdout).contains("llvmpipe");
            let ended = start().run();
            // eglinfo has no renderer in its list, and ends with the number of platforms that failed.
            let is_there = match program {
                "eglinfo" => String::from_utf8_lossy(&ended.stdout)
                    .contains("EGL vendor string: Mesa Project"),
                _ => names(&ended),
            };
            assert!(is_there, "{mode}: {program}: {ended:?}");
            let ended = start().env("PACKED_GRAPHICS", "off").run();
            let text = String::from_utf8_lossy(&ended.stdout);
            assert!(
                !names(&ended) && !text.contains("Mesa Project"),
                "{mode}: {program}: {ended:?}"
            );
        }
    }
}

#[test]
#[ignore = "it needs an X server; make test-hosts installs it"]
fn windows_are_those_of_the_unbundled_program() {
    let (host, nixos) = (host(), NixOs::new());
    for program in ["glxdemo", "es2tri", "glxgears", "vkcube"] {
        let start = arguments(nixos.start(program), program);
        let expected = XServer::new().draws(start, |_| true);
        for mode in MODES {
            let start = arguments(bundled(&host, mode, program), program);
            let _ = XServer::new().draws(start, |picture| is_same(program, picture, &expected));
        }
    }
}

#[test]
#[ignore = "it needs a Wayland compositor; make test-hosts installs it"]
fn windows_of_wayland_are_those_of_the_unbundled_program() {
    let (host, nixos) = (host(), NixOs::new());
    for program in ["weston-simple-egl", "vkcube-wayland"] {
        let start = arguments(nixos.start(program), program);
        let expected = Weston::new(&nixos.host).draws(start, |_| true);
        for mode in MODES {
            let start = arguments(bundled(&host, mode, program), program);
            let screen = Weston::new(&host);
            let _ = screen.draws(start, |picture| is_same(program, picture, &expected));
        }
    }
}

/// A machine with NixOS has Mesa itself, in a store that stays visible.
#[test]
#[ignore = "it needs an X server; make test-hosts installs it"]
fn nixos_has_mesa_itself() {
    need(&NEEDED);
    let (nixos, screen) = (NixOs::new(), XServer::new());
    let programs = Closure::example("graphics.programs");
    let bundle = Bundle::of(&programs).entry("/bin/glxinfo").option("--level", "1").pack();
    let bundle = nixos.host.install(bundle.path);
    for mode in MODES {
        let start = screen.shown(nixos.host.start(&bundle)).arg("-B").env("PACKED_MODE", mode);
        let text = start.run().text();
        assert!(text.contains("llvmpipe"), "{mode}: {text}");
    }
}

/// Programs of Debian's, which know nothing of /run/opengl-driver, with Mesa's own directory.
#[test]
#[ignore = "it needs an X server; make test-hosts installs it"]
fn programs_that_do_not_know_nixos_draw() {
    let (host, screen) = (host(), XServer::new());
    let bundle = Bundle::of(&Closure::example("graphics.plain"))
        .entry("/bin/glxinfo.x86_64-linux-gnu")
        .option("--graphics", Closure::example("graphics.drivers").path)
        .option("--level", "1")
        .pack();
    let bundle = host.install_as(bundle.path, "/srv/plain");
    for mode in MODES {
        let start = screen.shown(host.start(&bundle)).arg("-B").env("PACKED_MODE", mode);
        let text = start.run().text();
        assert!(text.contains("llvmpipe"), "{mode}: {text}");
    }
}

/// Debian's loader of OpenCL, with a driver for the processor.
#[test]
#[ignore = "it needs LLVM; make test-hosts builds it"]
fn opencl_finds_the_bundles_driver() {
    let bundle = Bundle::of(&Closure::example("graphics.clinfo"))
        .entry("/bin/clinfo")
        .option("--graphics", Closure::example("graphics.pocl").path)
        .option("--level", "1")
        .pack();
    let host = Host::ordinary();
    let bundle = host.install(bundle.path);
    for mode in MODES {
        let start = || host.start(&bundle).arg("-l").env("PACKED_MODE", mode);
        let text = start().run().text();
        assert!(text.contains("Portable Computing Language"), "{mode}: {text}");
        let text = start().env("PACKED_GRAPHICS", "off").run().text();
        assert!(!text.contains("Portable Computing Language"), "{mode}: {text}");
    }
}

#[test]
#[ignore = "it needs Mesa; make test-hosts builds it"]
fn inspect_says_what_mesa_adds() {
    let (attribute, programs) = PROGRAMS[0];
    let graphics = &bundle(attribute, programs).inspect()["graphics"];
    let drivers = Closure::example("graphics.drivers").path;
    assert_eq!(graphics["drivers"], drivers.to_str().unwrap());
    // LLVM alone has more than 100 MB.
    assert!(graphics["drivers_bytes"].as_u64() > Some(100 << 20), "{graphics}");
}
