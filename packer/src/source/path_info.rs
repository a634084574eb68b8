//! What Nix knows of store paths besides their files: from its database, with `nix path-info --json`.

mod json;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use format::{Digest, STORE_DIR, Signature, StorePath};

use crate::progress::Progress;
use crate::show;

const PROGRAM: &str = "nix";

/// What Nix's database or a binary cache says of a store path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// SHA-256 of its NAR, whole.
    pub(crate) nar_hash: Digest,
    /// Bytes of that NAR.
    pub(crate) nar_len: u64,
    /// The references, to itself too; in any order.
    pub(crate) references: Vec<StorePath>,
    /// The derivation that made it.
    pub(crate) deriver: Option<StorePath>,
    /// Nix's text for a store path whose name follows from its content, such as `fixed:r:sha256:…`; else empty.
    pub(crate) content_address: String,
    /// The signatures, in any order.
    pub(crate) signatures: Vec<Signature>,
}

/// What is known of some store paths.
pub(crate) type KnownPaths = BTreeMap<StorePath, Known>;

/// Asks Nix's database for all that it knows of the closure of `roots`.
///
/// Nothing of it is needed to pack: if Nix fails, or is too old for this command, nothing is known.
pub(crate) fn ask(roots: &[StorePath], progress: &Progress) -> KnownPaths {
    // The command line has only the roots, so its length does not limit the size of a closure.
    let output = Command::new(PROGRAM)
        .args(["--extra-experimental-features", "nix-command"])
        .args(["path-info", "--json", "--recursive"])
        .args(roots.iter().map(|root| format!("{STORE_DIR}/{root}")))
        .stdin(Stdio::null())
        .output();
    let known = match output {
        Err(error) => Err(error.to_string()),
        Ok(output) if !output.status.success() => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let line = stderr.lines().rev().find(|line| !line.trim().is_empty());
            Err(show::text(line.unwrap_or("no message").trim()))
        }
        Ok(output) => json::parse(&output.stdout).map_err(str::to_owned),
    };
    known.unwrap_or_else(|reason| {
        progress.say(&format!(
            "the bundle will have no signatures and derivers: {PROGRAM} path-info: {reason}"
        ));
        KnownPaths::new()
    })
}
