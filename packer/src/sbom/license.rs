//! Licenses: of SPDX's list, an expression of those, or only a name.

use spdx::{Expression, ParseMode};

/// What the terms of an expression may be: all of the list, those too that have a newer name.
const MODE: ParseMode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };

/// A license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum License {
    /// An identifier of SPDX's list, such as `MIT`.
    Listed(String),
    /// Several of them, such as `MIT OR Apache-2.0`.
    Expression(String),
    /// The name of a license that is not in the list.
    Named(String),
}

impl License {
    /// Parses an identifier or an expression; `None` if it has other licenses than those of SPDX's list.
    pub(crate) fn parse(text: &str) -> Option<License> {
        let expression = Expression::parse_mode(text, MODE).ok()?;
        if expression.requirements().any(|requirement| requirement.req.license.id().is_none()) {
            return None;
        }
        Some(match spdx::license_id(text) {
            Some(id) if id.name == text => License::Listed(text.to_owned()),
            _ => License::Expression(text.to_owned()),
        })
    }

    /// Returns one expression that demands all of `licenses`; `None` if one of them is not in SPDX's list, or there are
    /// none.
    pub(crate) fn all(licenses: &[License]) -> Option<String> {
        let terms = licenses.iter().map(|license| match license {
            License::Listed(id) => Some(id.clone()),
            License::Expression(text) if licenses.len() == 1 => Some(text.clone()),
            License::Expression(text) => Some(format!("({text})")),
            License::Named(_) => None,
        });
        let terms: Vec<String> = terms.collect::<Option<_>>()?;
        (!terms.is_empty()).then(|| terms.join(" AND "))
    }

    /// The license as text.
    pub(crate) fn text(&self) -> &str {
        match self {
            License::Listed(text) | License::Expression(text) | License::Named(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licenses_of_the_list_are_known() {
        let listed = |text: &str| Some(License::Listed(text.to_owned()));
        let expression = |text: &str| Some(License::Expression(text.to_owned()));
        for (text, expected) in [
            ("MIT", listed("MIT")),
            ("GPL-2.0-or-later", listed("GPL-2.0-or-later")),
            ("GPL-2.0", listed("GPL-2.0")),
            ("MIT OR Apache-2.0", expression("MIT OR Apache-2.0")),
            (
                "GPL-2.0-only WITH Classpath-exception-2.0",
                expression("GPL-2.0-only WITH Classpath-exception-2.0"),
            ),
            ("mit license", None),
            ("LicenseRef-own", None),
            ("MIT AND LicenseRef-own", None),
            ("unfree", None),
            ("", None),
        ] {
            assert_eq!(License::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn several_are_demanded_together() {
        let parse = |text| License::parse(text).unwrap();
        for (licenses, expected) in [
            (vec![], None),
            (vec![parse("MIT")], Some("MIT")),
            (vec![parse("MIT OR Zlib")], Some("MIT OR Zlib")),
            (vec![parse("MIT OR Zlib"), parse("ISC")], Some("(MIT OR Zlib) AND ISC")),
            (vec![parse("MIT"), License::Named("own".into())], None),
        ] {
            assert_eq!(License::all(&licenses).as_deref(), expected);
        }
    }
}
