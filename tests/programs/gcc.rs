//! gcc is a driver: the compiler itself, cc1, is in a directory whose place follows from the driver's own.

use std::path::Path;

use tests::{Bundle, Change, Closure, Directory, Host, Nix, User};

use crate::{MODES, fails_with_callers, link, place};

const SOURCE: &str =
    "int printf(const char *, ...);\nint main(void) { return !printf(\"compiled\\n\"); }\n";

#[test]
#[ignore = "downloads and packs gcc: 51 MB"]
fn the_driver_finds_the_compiler() {
    let closure = Closure::example("package.gcc-12");
    let directory = tempfile::tempdir().unwrap();
    let bundle = Bundle::of(&closure).entry("/bin/gcc-12").option("--level", "1");
    let bundle = bundle.pack_into(directory.path());
    // The machine's own compiler is where Debian's gcc looks if it finds none by its own path.
    let hidden =
        Change::Mount { kind: "tmpfs", at: "/usr/lib/gcc".into(), options: "mode=755".into() };
    for mode in MODES {
        let host = Host::changed(User::ordinary(), Nix::Absent, std::slice::from_ref(&hidden));
        let program = host.install(&bundle.path);
        let work = host.directory("/tmp/work", 0o700);
        std::fs::write(host.outside(work.join("a.c")), SOURCE).unwrap();
        for program in [program.clone(), link(&host, &program, "cc")] {
            let start = || {
                let start = host.start(&program).env("PACKED_MODE", mode);
                start.directory(Directory::At(work.clone()))
            };
            let found = start().arg("-print-prog-name=cc1").run().stdout();
            assert!(Path::new(&found).starts_with(place(&host, mode)), "{mode}: {found}");
            // With the assembler, the linker and the C library of the host.
            assert_eq!(start().args(["-o", "a.out", "a.c"]).run().stdout(), "");
            assert_eq!(host.start(work.join("a.out")).run().stdout(), "compiled\n", "{mode}");

            fails_with_callers(start().args(["-S", "a.c"]), "fatal error: cannot execute");
        }
    }
}
