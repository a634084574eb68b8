//! The file of `--meta`: what cannot be known from a closure, such as licenses.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use format::{STORE_DIR, StorePath};
use packageurl::PackageUrl;
use serde::Deserialize;

use super::license::License;
use super::name::Name;
use crate::error::{Error, Result};
use crate::show;

/// What is said of store paths, by the store path or its name.
#[derive(Debug, Default)]
pub(crate) struct Meta(BTreeMap<String, About>);

/// What is said of a store path. What is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) licenses: Vec<License>,
    pub(crate) homepage: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) cpe: Option<String>,
    pub(crate) purl: Option<String>,
}

/// A value of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    license: Option<Licenses>,
    homepage: Option<String>,
    description: Option<String>,
    cpe: Option<String>,
    purl: Option<String>,
}

const LICENSE: &str =
    "neither a license nor a list of licenses: an SPDX identifier or expression, or {\"name\": …}";

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Licenses {
    One(One),
    Several(Vec<One>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum One {
    Text(String),
    Named { name: String },
}

impl Meta {
    /// Reads a file: JSON, an object with a value for each store path or name.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or does not have this form.
    pub(crate) fn read(file: &Path) -> Result<Meta> {
        let content = fs::read(file).map_err(|error| Error::io("read", file, error))?;
        Meta::parse(&content)
            .map_err(|reason| Error::MalformedMeta { file: show::path(file), reason })
    }

    /// Takes what is said by store path.
    pub(super) fn new(abouts: BTreeMap<String, About>) -> Meta {
        Meta(abouts)
    }

    /// What is said of a store path: what is said of the path itself, else of its whole name, else of its package.
    pub(crate) fn about(&self, path: &StorePath, name: &Name) -> Option<&About> {
        let Meta(abouts) = self;
        abouts
            .get(&format!("{STORE_DIR}/{path}"))
            .or_else(|| abouts.get(path.name()))
            .or_else(|| abouts.get(&name.package))
    }

    fn parse(content: &[u8]) -> std::result::Result<Meta, String> {
        let mut json = serde_json::Deserializer::from_slice(content);
        let given: BTreeMap<String, Given> =
            serde_path_to_error::deserialize(&mut json).map_err(|error| {
                let reason = match error.inner().to_string() {
                    text if text.starts_with("data did not match") => format!("it is {LICENSE}"),
                    text => text,
                };
                match error.path().to_string().as_str() {
                    "." | "?" => show::text(&reason),
                    path => show::text(&format!("{path}: {reason}")),
                }
            })?;
        json.end().map_err(|error| show::text(&error.to_string()))?;
        let about = |(key, given): (String, Given)| match check(&key, given) {
            Ok(about) => Ok((key, about)),
            Err(reason) => Err(show::text(&format!("{key}: {reason}"))),
        };
        given.into_iter().map(about).collect::<std::result::Result<_, _>>().map(Meta)
    }
}

fn check(key: &str, given: Given) -> std::result::Result<About, String> {
    let is_name = !key.is_empty() && !key.contains('/');
    if !is_name && StorePath::parse_full(key.as_bytes()).is_err() {
        return Err("it is neither a store path nor the name of one".to_owned());
    }
    let given_licenses = match given.license {
        None => Vec::new(),
        Some(Licenses::One(one)) => vec![one],
        Some(Licenses::Several(several)) => several,
    };
    let license = |one| {
        match one {
        // Some write an identifier as a name.
        One::Named { name } => Ok(match License::parse(&name) {
            Some(license @ License::Listed(_)) => license,
            _ => License::Named(name),
        }),
        One::Text(text) => License::parse(&text)
            .ok_or_else(|| format!("license: '{text}' is not of SPDX's list; if it has only a name, write {{\"name\": …}}")),
    }
    };
    let licenses =
        given_licenses.into_iter().map(license).collect::<std::result::Result<_, _>>()?;
    let is =
        |name: &str, value: &Option<String>, is_right: fn(&str) -> bool, what: &str| match value {
            Some(text) if !is_right(text) => Err(format!("{name}: '{text}' is not {what}")),
            _ => Ok(()),
        };
    is("homepage", &given.homepage, is_address, "an address that begins with https:// or http://")?;
    is(
        "cpe",
        &given.cpe,
        is_cpe,
        "a CPE of version 2.3, such as cpe:2.3:a:redis:redis:7.0:*:*:*:*:*:*:*",
    )?;
    is("purl", &given.purl, |text| text.parse::<PackageUrl<'_>>().is_ok(), "a package URL")?;
    let Given { homepage, description, cpe, purl, .. } = given;
    Ok(About { licenses, homepage, description, cpe, purl })
}

fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        // Those that no URI has: RFC 3986, appendix A.
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}

/// Whether it is a formatted string of NISTIR 7695, section 6.2: eleven attributes, with `\` in front of a colon that is
/// part of one.
fn is_cpe(text: &str) -> bool {
    let Some(attributes) = text.strip_prefix("cpe:2.3:") else { return false };
    let plain = attributes.replace("\\\\", "").replace("\\:", "");
    let parts: Vec<&str> = plain.split(':').collect();
    parts.len() == 11
        && matches!(parts[0], "a" | "h" | "o" | "*" | "-")
        && parts.iter().all(|part| !part.is_empty())
        && attributes.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::bill::tests::path;
    use super::*;
    use crate::source::store::tests::BASH;

    pub(crate) fn parse(text: &str) -> Meta {
        Meta::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_most_exact_key_counts() {
        let full = format!("/nix/store/{BASH}");
        let path = path(BASH);
        let name = Name::of(&path, None);
        let value = |number: usize| format!(r#"{{"description": "{number}"}}"#);
        let keys = [name.package.as_str(), path.name(), &full];
        for count in 1..=keys.len() {
            let entries: Vec<String> =
                (0..count).map(|n| format!(r#""{}": {}"#, keys[n], value(n))).collect();
            let meta = parse(&format!("{{{}}}", entries.join(",")));
            let about = meta.about(&path, &name).unwrap();
            let distinct = keys[..count].iter().rposition(|key| *key == keys[count - 1]);
            assert_eq!(about.description, distinct.map(|n| n.to_string()), "{count}");
        }
        assert_eq!(parse("{}").about(&path, &name), None);
    }

    #[test]
    fn every_field_is_read() {
        let meta = parse(
            r#"{"redis": {"license": ["BSD-3-Clause", {"name": "own"}], "homepage": "https://redis.io",
                "description": "a store", "cpe": "cpe:2.3:a:redis:redis:7.0:*:*:*:*:*:*:*",
                "purl": "pkg:github/redis/redis@7.0"}, "x": {"license": "MIT OR ISC", "cpe": null},
                "y": {"license": {"name": "Zlib"}}}"#,
        );
        let about = &meta.0["redis"];
        assert_eq!(about.licenses[1], License::Named("own".into()));
        assert_eq!(about.homepage.as_deref(), Some("https://redis.io"));
        assert_eq!(about.purl.as_deref(), Some("pkg:github/redis/redis@7.0"));
        assert_eq!(meta.0["y"].licenses, [License::Listed("Zlib".into())]);
        assert_eq!(meta.0["x"].licenses, [License::Expression("MIT OR ISC".into())]);
    }

    #[test]
    fn malformed_files_are_explained() {
        for (text, expected) in [
            ("", "EOF while parsing"),
            ("[]", "invalid type: sequence"),
            ("{} x", "trailing characters"),
            (r#"{"redis": 1}"#, "redis: invalid type: integer"),
            (r#"{"redis": {"licence": "MIT"}}"#, "redis.licence: unknown field `licence`"),
            (r#"{"redis": {"homepage": ["x"]}}"#, "redis.homepage: invalid type"),
            (r#"{"redis": {"license": 3}}"#, "redis.license: it is neither a license nor"),
            (r#"{"redis": {"license": "own"}}"#, "redis: license: 'own' is not of SPDX's list"),
            (
                r#"{"redis": {"homepage": "redis.io"}}"#,
                "redis: homepage: 'redis.io' is not an address",
            ),
            (r#"{"redis": {"homepage": "https://a b"}}"#, "is not an address"),
            (
                r#"{"redis": {"cpe": "cpe:/a:redis:redis"}}"#,
                "redis: cpe: 'cpe:/a:redis:redis' is not",
            ),
            (r#"{"redis": {"cpe": "cpe:2.3:a:redis:redis:7.0:*:*:*:*:*:*"}}"#, "is not a CPE"),
            (r#"{"redis": {"purl": "redis"}}"#, "redis: purl: 'redis' is not a package URL"),
            (r#"{"/nix/store/redis": {}}"#, "/nix/store/redis: it is neither a store path nor"),
            (r#"{"a/b": {}}"#, "a/b: it is neither"),
            (r#"{"": {}}"#, "it is neither"),
        ] {
            let reason = Meta::parse(text.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}
