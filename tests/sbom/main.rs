//! Bills of materials: `packer sbom`, `packer build --sbom` and `PACKED=sbom`; and `packer inspect`'s answers to why a
//! store path is there, and what is big.
//!
//! Tests that ask the validators of CycloneDX and SPDX are ignored tests: `make test-hosts` runs them.

/// The documents have what Nix knows of a closure, whatever they are made from.
mod documents;
/// Documents inside bundles.
mod embedded;
/// Files of `--meta`.
mod meta;
/// `bundle { meta = …; }`.
mod nix;
/// The documents are what CycloneDX and SPDX allow.
mod validators;
/// `packer inspect --why`, `--tree` and `--largest`.
mod why;

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;
use tests::{packer, run};

/// Runs `packer` and returns what it prints.
#[track_caller]
fn print<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    run(Command::new(packer()).args(arguments)).stdout()
}

/// The same, as JSON.
#[track_caller]
fn json<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Value {
    serde_json::from_str(&print(arguments)).expect("it prints JSON")
}

/// The values of a property of a component of CycloneDX.
fn properties<'a>(component: &'a Value, name: &str) -> Vec<&'a str> {
    let all = component["properties"].as_array().expect("components have properties").iter();
    let named = all.filter(|property| property["name"] == name);
    named.map(|property| property["value"].as_str().expect("a value is text")).collect()
}
