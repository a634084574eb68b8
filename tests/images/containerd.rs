//! Images that containerd runs, as Kubernetes' nodes do.

use std::process::Command;

use tests::{Closure, once, run};

use crate::engine::Engine;
use crate::image::Packing;

/// Unpacks the package, whose name is $1, into $2. It is not installed: its service would start, and it conflicts with
/// Docker's own package.
const UNPACK: &str =
    "{ apt-get -q download $1 || { apt-get -q update && apt-get -q download $1; }; } &&
    dpkg-deb -x *.deb $2";

#[test]
#[ignore = "containerd"]
fn containerd_runs_them() {
    let containerd = once("containerd", "unpacked", |output| {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", UNPACK, "sh", "containerd"]).arg(output);
        run(command.current_dir(directory.path())).expect_code(0);
    });
    let engine = Engine::of("root", &["curl"]);
    run(Command::new("cp").arg("-a").arg(containerd).arg(engine.outside("/srv"))).expect_code(0);
    let packing = || Packing::of(&Closure::example("markov")).entry("/bin/markov");
    engine.pack(packing().option("--name", "localhost/markov:1"), "markov.tar");
    let zstd = packing().option("--name", "localhost/zstd:1").option("--level", "3");
    engine.pack(zstd.option("--compression", "zstd"), "zstd.tar");
    let _ = engine.run(include_str!("containerd.sh"), &[]);
}
