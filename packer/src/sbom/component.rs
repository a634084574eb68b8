//! A component: a store path with what is known of it.

use format::{PackedPath, STORE_DIR, StorePath};
use packageurl::PackageUrl;

use super::meta::{About, Meta};
use super::name::Name;
use crate::trust::{hash, signature};

/// A store path with what is known of it.
pub(super) struct Component {
    pub(super) path: StorePath,
    pub(super) name: Name,
    /// What the file of `--meta` says; its purl is never absent.
    pub(super) about: About,
    /// The numbers of the components that it refers to, without itself.
    pub(super) references: Vec<usize>,
    /// What Nix knows of it, by name.
    pub(super) facts: Vec<(Fact, String)>,
    /// Whether files of it were left out.
    pub(super) is_partial: bool,
}

/// What Nix knows of a store path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// The output of the derivation, if it is not `out`.
    Output,
    /// The derivation.
    Deriver,
    /// The digest of its NAR, as `nix-store --query --hash` prints it. It is no digest of a file that anybody could
    /// compare, so the documents do not have it as one.
    NarHash,
    /// Bytes of its NAR.
    NarSize,
    /// What its name follows from, if that is its content.
    ContentAddress,
    /// The name of a key and a signature.
    Signature,
}

impl Component {
    pub(super) fn new(packed: &PackedPath, meta: &Meta) -> Component {
        let info = packed.info.as_ref();
        let name = Name::of(&packed.path, info.and_then(|info| info.deriver.as_ref()));
        let mut facts = Vec::new();
        if let Some(output) = &name.output {
            facts.push((Fact::Output, output.clone()));
        }
        if let Some(deriver) = info.and_then(|info| info.deriver.as_ref()) {
            facts.push((Fact::Deriver, format!("{STORE_DIR}/{deriver}")));
        }
        facts.push((Fact::NarHash, hash::text(&packed.nar_hash)));
        facts.push((Fact::NarSize, packed.nar_len.to_string()));
        if let Some(info) = info {
            if !info.content_address.is_empty() {
                facts.push((Fact::ContentAddress, info.content_address.clone()));
            }
            let signatures = info.signatures.iter().map(signature::text);
            facts.extend(signatures.map(|text| (Fact::Signature, text)));
        }
        let mut about = meta.about(&packed.path, &name).cloned().unwrap_or_default();
        about.purl = about.purl.or_else(|| purl(&name));
        Component {
            path: packed.path.clone(),
            name,
            about,
            references: packed.references.iter().map(|number| *number as usize).collect(),
            facts,
            is_partial: packed.is_partial,
        }
    }

    /// The whole path.
    pub(super) fn full_path(&self) -> String {
        format!("{STORE_DIR}/{}", self.path)
    }
}

/// Makes `pkg:nix/NAME@VERSION?output=OUTPUT`, the proposed type for store paths: package-url/purl-spec, pull request
/// 877. Its namespace says in which package set the package is, and nobody knows that of a store path.
fn purl(name: &Name) -> Option<String> {
    let mut purl = PackageUrl::new("nix", name.package.as_str()).ok()?;
    if !name.version.is_empty() {
        purl.with_version(name.version.as_str()).ok()?;
    }
    if let Some(output) = &name.output {
        purl.add_qualifier("output", output.as_str()).ok()?;
    }
    Some(purl.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purls_have_what_is_known() {
        for (package, version, output, expected) in [
            ("openssl", "3.0.11", Some("dev"), "pkg:nix/openssl@3.0.11?output=dev"),
            ("source", "", None, "pkg:nix/source"),
            ("gtk+3", "3.24=x?", None, "pkg:nix/gtk%2B3@3.24%3Dx%3F"),
        ] {
            let name = Name {
                package: package.into(),
                version: version.into(),
                output: output.map(str::to_owned),
            };
            let text = purl(&name).unwrap();
            assert_eq!(text, expected);
            assert_eq!(text.parse::<PackageUrl<'_>>().unwrap().name(), package);
        }
    }
}
