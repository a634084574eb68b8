//! An image of a container with a bundle unpacked in it: there, the cache is in the lower layers of an overlay.

use std::path::Path;

use libtest_mimic::Trial;
use tests::{Bundle, Closure, need};

use crate::containers::{NEEDED, container};

/// As root and as an ordinary user, each with a real podman.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |user: &'static str| {
        let run = move || {
            need(NEEDED);
            repaired_and_cleared(user);
            Ok(())
        };
        Trial::test(format!("image with an unpacked bundle, podman {user}"), run)
            .with_ignored_flag(true)
    };
    ["root", "rootless"].map(trial).into()
}

fn repaired_and_cleared(user: &'static str) {
    let machine = container(&[user, "/bin/sh", "-c", include_str!("image.sh"), "image.sh"]);
    let bundle = Bundle::of(&Closure::example("hello")).entry("/bin/hello").pack();
    let _ = machine.host.install_as(&bundle.path, "/srv/hello");
    let busybox = Closure::example("programs.busybox").path.join("bin/busybox");
    let _ = machine.host.install_as(busybox, "/srv/sh");
    let said = machine.start(Path::new("podman")).run().stdout();
    let hello = "Hello from a closure of two paths.\n";
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["overlay / overlay", "0"], "{said}");
    assert!(said.contains("-hello was altered, and is unpacked again\n"), "{said}");
    let end = format!("{hello}/cache: 2 store paths are whole\ncleared /cache\n{hello}");
    assert!(said.ends_with(&end), "{said}");
}
