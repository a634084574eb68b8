//! Mesa in a bundle draws, for an ordinary user of a host that has no driver, what it draws without a bundle on NixOS.

use std::path::Path;

use tests::{Bundle, Change, Closure, Host, Nix, Start, User, need};

use crate::MODES;
use crate::display::{Picture, Screen, Weston, XServer, draws};
use crate::tree::{DEBIAN, Tree};

/// What these tests need on the machine.
const NEEDED: [&str; 4] = ["Xvfb", "weston", "weston-screenshooter", "pngtopnm"];

/// Where the machine has Mesa's drivers, if it has some.
const MESA: &str = "/usr/lib/x86_64-linux-gnu/dri";

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
        // The loader of Vulkan here (nix/graphics/loaders.sh) has no other way to /run/opengl-driver.
        .option("--env", "XDG_DATA_DIRS")
        .option("--level", "1")
        .pack()
}

/// A host without Mesa and with changes, on which the bundles have the names of their programs.
fn host(changes: &[Change]) -> Host {
    need(&NEEDED);
    let mut all = changes.to_vec();
    if Path::new(MESA).exists() {
        all.push(Change::Mount { kind: "tmpfs", at: MESA.into(), options: String::new() });
    }
    let host = Host::changed(User::ordinary(), Nix::Absent, &all);
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
    let start = host.start(Path::new("/srv").join(program)).env("PACKED_MODE", mode);
    start.args(arguments(program))
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
        let program_path = Closure::example(attribute).path.join("bin").join(program);
        self.host.start(program_path).args(arguments(program))
    }
}

/// What a program is called with.
fn arguments(program: &str) -> &'static [&'static str] {
    match program {
        "glxinfo" => &["-B"],
        "vulkaninfo" => &["--summary"],
        "vkcube-wayland" => &["--width", "640", "--height", "480"],
        "weston-simple-egl" => &["-f", "-o"],
        _ => &[],
    }
}

/// Whether two pictures of a program must be the same to the pixel: it does not move.
fn is_same(program: &str, picture: &Picture, other: &Picture) -> bool {
    match program {
        "glxdemo" | "es2tri" => picture == other,
        _ => picture.is_like(other),
    }
}

/// What programs print if they draw with Mesa. The status of eglinfo is the number of platforms without a display.
const PRINTED: [(&str, &str); 3] = [
    ("glxinfo", "OpenGL renderer string: llvmpipe"),
    ("eglinfo", "EGL vendor string: Mesa Project"),
    ("vulkaninfo", "= llvmpipe"),
];

/// Whether a program prints it.
fn prints(start: Start, expected: &str) -> bool {
    String::from_utf8_lossy(&start.run().stdout).contains(expected)
}

#[test]
#[ignore = "it needs an X server; make test-desktop installs it"]
fn the_renderer_is_mesas() {
    let (host, screen) = (host(&[]), XServer::new());
    for mode in MODES {
        for (program, expected) in PRINTED {
            let start = || screen.shown(bundled(&host, mode, program));
            assert!(prints(start(), expected), "{mode}: {program}");
            let off = start().env("PACKED_GRAPHICS", "off");
            assert!(!prints(off, expected), "{mode}: {program}, off");
        }
    }
}

/// The screen may be Mesa's although the machine has a card of NVIDIA's: its other one, or a remote one.
#[test]
#[ignore = "it needs an X server; make test-desktop installs it"]
fn the_renderer_is_mesas_beside_nvidias_driver() {
    let (tree, screen) = (Tree::with_driver(DEBIAN), XServer::new());
    let host = host(&tree.changes());
    for mode in MODES {
        // vulkaninfo wants more of a driver of Vulkan than driver.c has.
        for (program, expected) in &PRINTED[..2] {
            let start = screen.shown(bundled(&host, mode, program));
            assert!(prints(start, expected), "{mode}: {program}");
        }
    }
}

/// Checks that windows on a screen of a host look as those of the programs alone on NixOS.
fn windows_are_the_same(programs: &[&str], screen: fn(&Host) -> Box<dyn Screen + '_>) {
    let (host, nixos) = (host(&[]), NixOs::new());
    for program in programs {
        let expected = draws(&*screen(&nixos.host), nixos.start(program), |_| true);
        for mode in MODES {
            let start = bundled(&host, mode, program);
            let is_found = |picture: &Picture| is_same(program, picture, &expected);
            let _ = draws(&*screen(&host), start, is_found);
        }
    }
}

#[test]
#[ignore = "it needs an X server; make test-desktop installs it"]
fn windows_are_those_of_the_unbundled_program() {
    let programs = ["glxdemo", "es2tri", "glxgears", "vkcube"];
    windows_are_the_same(&programs, |_| Box::new(XServer::new()));
}

#[test]
#[ignore = "it needs a Wayland compositor; make test-desktop installs it"]
fn windows_of_wayland_are_those_of_the_unbundled_program() {
    windows_are_the_same(&["weston-simple-egl", "vkcube-wayland"], |host| {
        Box::new(Weston::new(host))
    });
}

/// A machine with NixOS has Mesa itself, in a store that stays visible.
#[test]
#[ignore = "it needs an X server; make test-desktop installs it"]
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
#[ignore = "it needs an X server; make test-desktop installs it"]
fn programs_that_do_not_know_nixos_draw() {
    let (host, screen) = (host(&[]), XServer::new());
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
#[ignore = "it needs LLVM; make test-desktop builds it"]
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
#[ignore = "it needs Mesa; make test-desktop builds it"]
fn inspect_says_what_mesa_adds() {
    let (attribute, programs) = PROGRAMS[0];
    let graphics = &bundle(attribute, programs).inspect()["graphics"];
    let drivers = Closure::example("graphics.drivers").path;
    assert_eq!(graphics["drivers"], drivers.to_str().unwrap());
    // LLVM alone has more than 100 MB.
    assert!(graphics["drivers_bytes"].as_u64() > Some(100 << 20), "{graphics}");
}
