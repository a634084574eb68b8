//! Whether another bundle is an update of the one that is there.

use std::cmp::Ordering;

use format::{Digest, Entry};
use serde::Serialize;

use super::version;
use crate::elf;
use crate::error::{Error, Result};
use crate::sbom::name;
use crate::show;
use crate::source::bundle::Bundle;
use runtime::error::Escaped;

/// The first format version whose manifest has a release.
const WITH_RELEASE: u32 = 5;

/// What another bundle is to the one that is there. The names are values in the JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// It is the same.
    UpToDate,
    Newer,
    /// It has the same version, and other bytes.
    OtherBuild,
    Older,
}

/// Which bundles are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Those that are newer; without a key, also another build of the same version.
    Updates,
    /// Older ones, too.
    All,
}

/// A bundle's version and identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Release {
    pub(crate) version: String,
    pub(crate) id: String,
}

impl Release {
    pub(crate) fn of(bundle: &Bundle) -> Release {
        Release { version: version_of(bundle), id: bundle.header.id.to_string() }
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version.as_str() {
            "" => f.write_str(self.id.get(..12).unwrap_or(&self.id)),
            version => write!(f, "{}", Escaped(version.as_bytes())),
        }
    }
}

/// Compares two bundles.
pub(crate) fn standing(old: &Bundle, new: &Bundle) -> Standing {
    compare((&version_of(old), old.header.id), (&version_of(new), new.header.id))
}

fn compare(old: (&str, Digest), new: (&str, Digest)) -> Standing {
    match version::compare(new.0, old.0) {
        _ if new.1 == old.1 => Standing::UpToDate,
        Ordering::Greater => Standing::Newer,
        Ordering::Equal => Standing::OtherBuild,
        Ordering::Less => Standing::Older,
    }
}

/// The version that a bundle says it has. Before format version 5, it is in the name of the first entry's store path.
fn version_of(bundle: &Bundle) -> String {
    let descriptor = &bundle.header.descriptor;
    if descriptor.version >= WITH_RELEASE {
        return bundle.sections.manifest.release.version.clone();
    }
    let first = descriptor.entries.first();
    let path = first.and_then(|entry| descriptor.paths.get(usize::from(entry.path)));
    path.map_or_else(String::new, |key| name::split(key.path.name()).1.to_owned())
}

impl Standing {
    /// Whether packer takes such a bundle.
    ///
    /// A key makes another build of the same version one that may be older: who runs a mirror can go back to it. Without a
    /// key, they can send anything.
    pub(crate) fn is_taken(self, allowed: Allowed, has_key: bool) -> bool {
        match self {
            Standing::UpToDate => false,
            Standing::Newer => true,
            Standing::OtherBuild => !has_key || allowed == Allowed::All,
            Standing::Older => allowed == Allowed::All,
        }
    }

    /// Makes the error for a bundle that is not taken.
    pub(crate) fn refusal(self, old: &Bundle, new: &Bundle) -> Error {
        let url = new.path.clone();
        let found = Release::of(new).to_string();
        match self {
            Standing::Older => {
                Error::UpdateOlder { url, found, installed: Release::of(old).to_string() }
            }
            _ => Error::UpdateOtherBuild { url, version: found },
        }
    }
}

/// Checks that a bundle runs the same program on the same machines.
///
/// # Errors
///
/// If it does not: a signature alone would not tell one program of a publisher from another.
pub(crate) fn check_program(old: &Bundle, new: &Bundle) -> Result<()> {
    let (expected, found) = (elf::machine(&old.file), elf::machine(&new.file));
    if let (Some(expected), Some(found)) = (expected, found)
        && expected != found
    {
        return Err(Error::UpdateMachine { url: new.path.clone(), found, expected });
    }
    let name = |bundle: &Bundle| entries(bundle).into_iter().next().unwrap_or_default();
    let (expected, found) = (name(old), name(new));
    match expected == found {
        true => Ok(()),
        false => Err(Error::UpdateProgram { url: new.path.clone(), found, expected }),
    }
}

/// Returns the names of entries that only the old bundle has. A link with such a name runs the first entry.
pub(crate) fn lost_entries(old: &Bundle, new: &Bundle) -> Vec<String> {
    let there = entries(new);
    entries(old).into_iter().filter(|name| !there.contains(name)).collect()
}

/// The names of a bundle's entries, for messages.
fn entries(bundle: &Bundle) -> Vec<String> {
    let descriptor = &bundle.header.descriptor;
    let name = |entry: &Entry| show::text(&String::from_utf8_lossy(entry.name(&descriptor.paths)));
    descriptor.entries.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_bundles_are_taken() {
        let (a, b) = (Digest([1; 32]), Digest([2; 32]));
        for (old, new, id, expected, taken) in [
            // Taken without a key, with one, and by --allow-older with one.
            ("1.0", "1.1", b, Standing::Newer, [true, true, true]),
            ("1.0", "1.0", b, Standing::OtherBuild, [true, false, true]),
            ("", "", b, Standing::OtherBuild, [true, false, true]),
            ("1.1", "1.0", b, Standing::Older, [false, false, true]),
            ("1.1", "", b, Standing::Older, [false, false, true]),
            ("", "1.0", b, Standing::Newer, [true, true, true]),
            ("1.0", "1.0", a, Standing::UpToDate, [false, false, false]),
        ] {
            let standing = compare((old, a), (new, id));
            assert_eq!(standing, expected, "{old} {new}");
            let is_taken = |allowed, has_key| standing.is_taken(allowed, has_key);
            let found = [
                is_taken(Allowed::Updates, false),
                is_taken(Allowed::Updates, true),
                is_taken(Allowed::All, true),
            ];
            assert_eq!(found, taken, "{old} {new}");
        }
    }
}
