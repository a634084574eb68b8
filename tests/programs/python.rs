//! Python looks for its library in the directories above its own program, and then where it was compiled for.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tests::{Bundle, Change, Closure, Host, Nix, User, run};

use crate::{MODES, fails_with_callers, place};

#[test]
fn python_does_not_take_the_hosts_library() {
    // Debian's, compiled for /usr.
    let closure = Closure::example("pkgs.python3");
    let names = fs::read_dir(closure.path.join("bin")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| name.starts_with("python3.")).expect("a python3.N is there");
    let bundle = Bundle::of(&closure).entry(&format!("/bin/{name}")).option("--level", "3").pack();

    // A host with another library of the same version above the directory of the bundle.
    let local = tempfile::tempdir().unwrap();
    fs::set_permissions(local.path(), Permissions::from_mode(0o755)).unwrap();
    let library = local.path().join("lib").join(&name);
    fs::create_dir_all(library.join("lib-dynload")).unwrap();
    fs::write(library.join("os.py"), "raise SystemExit('the library of the host')\n").unwrap();
    fs::create_dir(local.path().join("bin")).unwrap();
    let program = local.path().join("bin/x");
    run(Command::new("cp").arg(&bundle.path).arg(&program)).expect_code(0);
    let local = Change::Bind { source: local.path().into(), at: "/usr/local".into() };
    for mode in MODES {
        let host = Host::changed(User::ordinary(), Nix::Absent, std::slice::from_ref(&local));
        let start = || {
            let start = host.start("/usr/local/bin/x").env("PACKED_MODE", mode);
            start.args(["-Bc", "import json, sys; print(sys.prefix, json.__file__, sep='\\n')"])
        };
        let text = start().run().stdout();
        let is_own = |line: &str| std::path::Path::new(line).starts_with(place(&host, mode));
        assert!(text.lines().count() == 2 && text.lines().all(is_own), "{mode}: {text}");

        fails_with_callers(start(), &format!("stdlib dir = '/usr/local/lib/{name}'"));
    }
}
