//! GNU coreutils as nixpkgs has them: one program, and links to it.

use tests::{Bundle, Closure, Host};

use crate::{MODES, fails_with_callers, link};

#[test]
#[ignore = "compiles glibc and coreutils"]
fn one_program_has_the_names_of_all() {
    let closure = Closure::example("source-coreutils");
    let ls = Bundle::of(&closure).entry("/bin/ls").option("--level", "3").pack();
    let named = Bundle::of(&closure)
        .entry("/bin/coreutils")
        .option("--argv0", "basename")
        .option("--level", "3")
        .pack();
    for mode in MODES {
        let host = Host::ordinary();
        let program = host.install_as(&ls.path, "/srv/bundle/tools-1.36");
        let start = |program| host.start(program).env("PACKED_MODE", mode);
        // By the entry's name, by that of a program beside it, and by no program's.
        let listed = start(link(&host, &program, "ls")).arg("/srv/bundle").run();
        assert_eq!(listed.stdout(), "tools-1.36\n", "{mode}");
        let cat = start(link(&host, &program, "cat")).stdin(b"meow").run();
        assert_eq!(cat.stdout(), "meow", "{mode}");
        let listed = start(program.clone()).arg("/srv/bundle").run();
        assert_eq!(listed.stdout(), "tools-1.36\n", "{mode}");

        fails_with_callers(start(program).arg("/srv/bundle"), "tools-1.36: unknown program");

        let program = host.install_as(&named.path, "/srv/named/tools-1.36");
        let named = || start(program.clone()).arg("/a/b");
        assert_eq!(named().run().stdout(), "b\n", "{mode}");
        fails_with_callers(named(), "tools-1.36: unknown program");
    }
}
