//! A perl script finds a module by its own path, with `$0` and `FindBin`.

use std::path::Path;

use tests::{Bundle, Closure, Host};

use crate::{MODES, link, place};

/// The kernel tells perl where the script is, so argv[0] is of no importance.
#[test]
fn a_script_finds_a_module_beside_it() {
    let closure = Closure::example("programs.perl");
    let builder = || Bundle::of(&closure).entry("/bin/greet").option("--level", "3");
    let bundle = builder().pack();
    // What proves that it is this module.
    let without = builder().option("--exclude", "**/Greeting.pm").pack();
    for mode in MODES {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        for program in [program.clone(), link(&host, &program, "other")] {
            for argv0 in ["", "caller"] {
                let start = host.start(&program).args(["a", "b"]);
                let ended = start.env("PACKED_MODE", mode).env("PACKED_ARGV0", argv0).run();
                expect_greeting(&ended.stdout(), &place(&host, mode));
            }
        }
        let program = host.install(&without.path);
        let failed = host.start(program).env("PACKED_MODE", mode).run();
        assert!(failed.stderr().starts_with("Can't locate Greeting.pm"), "{failed:?}");
    }
}

/// Checks what the script prints: its own path, its directory, a module of perl's, and a greeting.
pub(crate) fn expect_greeting(text: &str, place: &Path) {
    let lines: Vec<&str> = text.lines().collect();
    let [own, directory, module, greeting] = lines[..] else { panic!("{text}") };
    assert_eq!(greeting, "hello, a b");
    for path in [own, directory, module] {
        assert!(Path::new(path).starts_with(place), "{text}");
    }
    assert_eq!(Path::new(own).parent(), Some(Path::new(directory)));
}
