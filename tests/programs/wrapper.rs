//! Wrappers as nixpkgs' makeWrapper writes them: bash scripts that hand their own path on as argv[0].

use std::path::Path;

use tests::{Bundle, Closure, Host};

use crate::perl::expect_greeting;
use crate::{MODES, fails, link, place};

#[test]
fn a_wrapped_program_has_the_path_of_its_wrapper() {
    let closure = Closure::example("programs.wrapped");
    let builder = |entries: &[&str]| Bundle::of(&closure).entries(entries).option("--level", "3");
    let bundle = builder(&["/bin/sort", "/bin/greet"]).pack();
    // Busybox, as what is wrapped: it needs the name that the wrapper gives it.
    let bare = builder(&["/bin/.sort-wrapped"]).pack();
    for mode in MODES {
        let host = Host::ordinary();
        let program = host.install_as(&bundle.path, "/srv/tools-1.36");
        let start = |program: &Path| host.start(program).env("PACKED_MODE", mode);
        let links = ["sort", "other"].map(|name| link(&host, &program, name));
        for program in links.iter().chain([&program]) {
            assert_eq!(start(program).stdin(b"b\na\n").run().stdout(), "a\nb\n", "{mode}");
        }
        let greet = start(&link(&host, &program, "greet")).args(["a", "b"]).run();
        expect_greeting(&greet.stdout(), &place(&host, mode));

        let failed = start(&host.install(&bare.path)).stdin(b"b\na\n").run();
        fails(&failed, ".sort-wrapped: applet not found\n");
    }
}
