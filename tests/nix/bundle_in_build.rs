//! A bundle as a tool of a Nix build: what it would unpack is there already.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::time::SystemTime;

use tests::{Bundle, Closure, Host, Nix, Report, User, run};

/// Runs the probe's bundle as the builder of a derivation that has the probe's closure among its inputs.
/// Returns the log and the probe's report.
fn build(sandbox: &str) -> (String, Report) {
    let bundle = Bundle::of(&Closure::probe()).entry("/bin/probe").pack();
    // A name that was never built: else Nix would start nothing.
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    let expression = format!(
        r#"derivation {{ name = "report-{}-{now}"; system = builtins.currentSystem;
            builder = "${{/. + "{}"}}"; args = [ "report-to" (builtins.placeholder "out") ];
            closure = builtins.storePath "{}"; PACKED_LOG = "debug"; }}"#,
        process::id(),
        bundle.path.display(),
        Closure::probe().path.display(),
    );
    let mut command = Command::new("nix-build");
    command.args(["--no-out-link", "--option", "build-users-group", ""]);
    command.args(["--option", "substitute", "false", "--option", "sandbox-fallback", "false"]);
    let ended = run(command.args(["--option", "sandbox", sandbox, "-E", &expression]));
    ended.expect_code(0);
    let output = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
    let report = fs::read_to_string(output).expect("the builder has made its output");
    (ended.stderr(), Report::parse(&report).expect("the output is a report"))
}

#[test]
fn a_build_runs_what_is_in_its_store() {
    let program = Closure::probe().path.join("bin/probe").display().to_string();
    for sandbox in ["false", "true"] {
        let (log, report) = build(sandbox);
        let expected = format!("packed: mode host\npacked: exec {program}\n");
        assert!(log.contains(&expected), "sandbox = {sandbox}: {log}");
        assert_eq!(report.get("exe"), Some(program.as_str()), "sandbox = {sandbox}");
        assert!(report.all("variable").any(|variable| variable == "HOME=/homeless-shelter"));
        // Nix's own name for it, where it is the builder's alone.
        assert_eq!(report.get("directory") == Some("/build"), sandbox == "true", "{sandbox}");
        assert!(!log.contains("unpacking"), "sandbox = {sandbox}: {log}");
        assert!(!Path::new("/homeless-shelter").exists(), "sandbox = {sandbox}");
    }
}

/// With build users, a sandbox is a user namespace in which the store's owner has no number.
#[test]
fn a_store_of_nobody_is_trusted_in_a_build_alone() {
    let bundle = Bundle::of(&Closure::probe()).entry("/bin/probe").pack();
    let host = Host::new(User::ordinary(), Nix::SamePaths);
    let program = host.install(&bundle.path);
    let start = || {
        let start = host.start("/usr/bin/unshare").args(["--user", "--map-current-user"]);
        start.arg(&program).env("PACKED_LOG", "debug")
    };
    let in_build = start().env("NIX_STORE", "/nix/store").run();
    assert!(in_build.stderr().contains("packed: mode host\n"), "{}", in_build.stderr());
    let elsewhere = start().run();
    let refused = "packed: not mode host: /nix/store belongs to another user";
    assert!(elsewhere.stderr().contains(refused), "{}", elsewhere.stderr());
}
