//! Nix expressions and commands: what is built, evaluated and asked without a network.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::closure::Closure;
use crate::ended::Ended;
use crate::fixture;
use crate::program::{run, source, target};

/// Root alone, without users to build as or a network; a build sees nothing of the machine.
const CONFIG: &str = "
    build-users-group =
    substituters =
    sandbox = true
    sandbox-fallback = false
    experimental-features = nix-command flakes";

/// One of Nix's programs. What it builds, it builds in a sandbox, and it asks nobody on a network.
#[must_use]
pub fn nix_command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("NIX_CONFIG", CONFIG);
    command
}

/// Builds an expression; returns the store path and the log.
///
/// Nothing keeps the store path from being collected as garbage.
#[must_use]
pub fn nix_build(expression: &str, options: &[&str]) -> (PathBuf, String) {
    let mut command = nix_command("nix-build");
    let ended = run(command.args(["--no-out-link", "-E", expression]).args(options));
    (line(&ended).into(), ended.stderr())
}

/// What a store path refers to.
#[must_use]
pub fn references(path: &Path) -> String {
    run(nix_command("nix-store").args(["--query", "--references"]).arg(path)).text()
}

/// What `make -s offline-bundler` prints: a flake whose bundler is the packer under test.
#[must_use]
pub fn offline_bundler() -> &'static str {
    static FLAKE: OnceLock<String> = OnceLock::new();
    FLAKE.get_or_init(|| {
        let _lock = fixture::lock("nix-build");
        let mut make = Command::new("make");
        make.current_dir(source()).env_remove("MAKEFLAGS").env("CARGO_TARGET_DIR", target());
        // What it would set up and build is there: this is a test.
        line(&run(make.args(["-s", "-o", "setup", "-o", "build", "offline-bundler"])))
    })
}

/// The function that makes bundles, as an expression.
#[must_use]
pub fn bundle() -> String {
    let flake = offline_bundler();
    format!("(builtins.getFlake \"{flake}\").lib.${{builtins.currentSystem}}.bundle")
}

/// `nix/default.nix` as an expression; what is not built yet cannot be built with it.
#[must_use]
pub fn examples() -> String {
    let source = source().display();
    format!("(import {source}/nix {{ inputs = {source}/target/nix-inputs; }})")
}

/// An attribute of it as an expression, and as a closure that is built.
#[must_use]
pub fn example(attribute: &str) -> (String, Closure) {
    (format!("{}.{attribute}", examples()), Closure::example(attribute))
}

/// A composition with these arguments as an expression: with the packer under test, for the Debian-made set.
#[must_use]
pub fn compose(arguments: &str) -> String {
    // Builds the supervisor, and most of what the arguments name.
    let _ = Closure::example("markov");
    format!(
        "let made = {}; in import {}/nix/compose.nix {{
            inherit (made) pkgs;
            bundle = arguments: {} (arguments // {{ level = 1; }});
            compose = made.supervisor;
        }} ({arguments})",
        examples(),
        source().display(),
        bundle(),
    )
}

#[track_caller]
fn line(ended: &Ended) -> String {
    ended.text().trim().to_owned()
}
