//! Images that podman runs, as root and rootless.

use std::fs;
use std::process::Command;

use tests::{Closure, run};

use crate::engine::Engine;
use crate::image::{Packing, assert_has, python};

/// Prints who runs it and where, and whether a temporary file can be made.
const WHO: &str = "import os, pwd, socket, tempfile\n\
    me = pwd.getpwuid(os.getuid())\n\
    tempfile.TemporaryFile()\n\
    print(me.pw_name, os.getuid(), os.getgid(), me.pw_dir, os.getcwd(), socket.gethostbyname('localhost') == '127.0.0.1')\n";

#[test]
#[ignore = "podman"]
fn podman_runs_them() {
    let who = python("who", &format!("{WHO:?}"));
    for engine in Engine::both(&["curl"]) {
        let markov = Closure::example("markov");
        engine.pack(Packing::of(&markov).entry("/bin/markov").option("--level", "1"), "markov.tar");
        let tools = Packing::of(&Closure::example("coreutils"));
        let tools = tools.entry("/bin/env").entry("/bin/sort").entry("/bin/true");
        let tools = tools.option("--env", "COLOR=red").option("--compression", "none");
        engine.pack(tools.option("--name", "tools"), "tools.tar");
        let packing = Packing::of(&who).option("--compression", "zstd").option("--level", "3");
        engine.pack(packing, "who.tar");
        let _ = engine.run(include_str!("podman.sh"), &[]);

        let root = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-xpf").arg(engine.at("who.export.tar")).arg("--numeric-owner");
        run(tar.arg("-C").arg(root.path())).expect_code(0);
        assert_has(&root.path().join("nix/store"), &who);
        let passwd = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
        assert!(passwd.contains("\nuser:x:1000:1000:"), "{passwd}");
    }
}
