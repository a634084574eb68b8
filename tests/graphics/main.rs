//! Drivers of graphics cards: those of a host for a bundled program, and Mesa in the bundle.
//!
//! The hosts of most tests have libraries with the names and versions of NVIDIA's that say that they were loaded. What
//! needs an X server, Mesa or NVIDIA's own libraries is ignored: `make test-desktop` runs it.

/// What is taken and what is not, what a user chooses, and bundles that do not look.
mod chosen;
/// Screens to draw on.
mod display;
/// What Mesa in a bundle draws.
mod drawn;
/// Libraries with the names of NVIDIA's.
mod driver;
/// Each distribution's driver is found.
mod found;
/// NVIDIA's own libraries.
mod nvidia;
/// The machines that have a driver.
mod tree;
/// Several versions, new ones and missing ones.
mod versions;

use std::path::Path;

use tests::{Bundle, Closure, Ended, Host, Start};

/// The modes that make a closure visible on a host without it.
const MODES: [&str; 3] = ["relocate", "namespace", "ram"];

/// All interfaces of NVIDIA's driver that asks.c knows.
const INTERFACES: [&str; 6] = ["cuda", "ml", "glx", "egl", "vulkan", "opencl"];

/// A bundle of asks.c, without a driver in it.
fn asks() -> Bundle {
    Bundle::of(&Closure::example("graphics.asks")).entry("/bin/asks").pack()
}

/// Starts it in a mode on a host.
fn start(host: &Host, mode: &str, interfaces: &[&str]) -> Start {
    let bundle = Path::new("/srv/asks");
    if !host.outside(bundle).exists() {
        let _ = host.install_as(asks().path, bundle);
    }
    host.start(bundle).env("PACKED_MODE", mode).args(interfaces)
}

/// What it says, and what the launcher says of graphics.
fn ask(host: &Host, mode: &str, interfaces: &[&str]) -> (String, String) {
    said(&start(host, mode, interfaces).env("PACKED_LOG", "debug").run())
}

/// The same of a start.
fn said(ended: &Ended) -> (String, String) {
    let stderr = ended.stderr();
    let lines = stderr.lines().filter(|line| line.starts_with("packed: graphics: "));
    let log = lines.map(|line| format!("{line}\n")).collect();
    ended.expect_code(0);
    (ended.text(), log)
}
