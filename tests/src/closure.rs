//! A closure: store paths that Nix makes for the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::fixture;
use crate::program::{probe, run, source, target};

/// A store path with everything it refers to, made by Nix.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The root store path.
    pub path: PathBuf,
}

/// The examples and the programs in them that say nothing about themselves but their names.
pub const EXAMPLES: [&str; 6] =
    ["hello", "coreutils", "python-example", "markov", "markov-circus", "markov-slim"];

impl Closure {
    /// An attribute of `nix/default.nix`.
    #[must_use]
    pub fn example(attribute: &str) -> Closure {
        nix_build(attribute, &[])
    }

    /// The same, made of what is in another directory than `target/nix-inputs`.
    #[must_use]
    pub fn example_with(attribute: &str, inputs: &Path) -> Closure {
        let name = inputs.file_name().and_then(|name| name.to_str()).expect("a name is text");
        let inputs = inputs.to_str().expect("a path is text");
        build(&format!("{attribute}-{name}"), attribute, &["--arg", "inputs", inputs])
    }

    /// The same, for a processor type; this machine's packages make it.
    #[must_use]
    pub fn example_for(processor: &str, attribute: &str) -> Closure {
        if processor == std::env::consts::ARCH {
            return Closure::example(attribute);
        }
        nix_build(&format!("{processor}/{attribute}"), &[])
    }

    /// The probe, with a second store path that it refers to.
    #[must_use]
    pub fn probe() -> Closure {
        let program = probe();
        let program = program.to_str().expect("the target directory's path is text");
        let reference = r#"builtins.toFile "greeting" "hello\n""#;
        nix_build("probe", &["--argstr", "program", program, "--arg", "reference", reference])
    }

    /// A directory as it is, added to the store under its own name.
    #[must_use]
    pub fn added(directory: &Path) -> Closure {
        let path = run(Command::new("nix-store").arg("--add").arg(directory)).text();
        Closure { path: path.trim().into() }
    }

    /// The store paths, as Nix's database has them.
    #[must_use]
    pub fn requisites(&self) -> BTreeSet<String> {
        let mut query = Command::new("nix-store");
        run(query.args(["--query", "--requisites"]).arg(&self.path))
            .text()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Builds an attribute with `nix/build`, once for a test program; a link in the target directory keeps it
/// from being collected.
fn nix_build(attribute: &str, arguments: &[&str]) -> Closure {
    static BUILT: Mutex<BTreeMap<String, Closure>> = Mutex::new(BTreeMap::new());
    // A build that failed fails again for whoever comes next.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || build(&attribute.replace('/', "-"), attribute, arguments);
    built.entry(attribute.to_owned()).or_insert_with(make).clone()
}

/// Builds it; `name` is the end of the link's name.
fn build(name: &str, attribute: &str, arguments: &[&str]) -> Closure {
    let _lock = fixture::lock("nix-build");
    let link = target().join("fixtures").join(format!("result-{name}"));
    let mut command = Command::new(source().join("nix/build"));
    let attribute = match attribute.split_once('/') {
        Some((processor, attribute)) => {
            command.args(["--system", &format!("{processor}-linux")]);
            attribute
        }
        None => attribute,
    };
    run(command.arg(attribute).args(arguments).arg("-o").arg(&link)).expect_code(0);
    Closure { path: fs::canonicalize(&link).expect("nix/build makes the link") }
}
