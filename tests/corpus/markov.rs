//! The markov service on top of the set that is built from source.

use std::process::Command;

use tests::{Bundle, Closure, run, source};

use crate::table::Verdict;

/// Relocated, without any /nix, it passes the example's own check: requests, restarts, data on the disk.
pub(crate) fn a_service_built_from_source_runs_relocated() {
    let closure = Closure::example("source-markov");
    let bundle = Bundle::of(&closure).entry("/bin/markov").option("--level", "1").pack();
    assert_eq!(Verdict::of(&bundle.inspect()["relocation"]), Verdict::Proven);
    // With no home directory, it unpacks to /var/tmp.
    let script = "mount -t tmpfs none /nix && mount -t tmpfs none /var/tmp && exec \"$@\"";
    let mut check = Command::new("unshare");
    check.args(["--mount", "sh", "-c", script, "sh"]).arg(source().join("examples/markov/check"));
    run(check.arg(&bundle.path)).expect_code(0);
}
