//! Names of languages, as directories and files of translations have them: `de`, `pt_BR`, `sr@latin`, `zh-Hant`.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// The known languages, by their codes.
#[derive(Debug, Default)]
pub(crate) struct Languages {
    codes: BTreeSet<String>,
}

impl Languages {
    /// Adds codes, with spaces between them.
    pub(super) fn add(&mut self, codes: &str) {
        self.codes.extend(codes.split_whitespace().map(str::to_owned));
    }

    /// Returns the text if it is the name of a language: a code, and behind it a territory, a script, an encoding or
    /// a variant.
    pub(super) fn parse<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (code, rest) = text.split_at(text.find(SEPARATORS).unwrap_or(text.len()));
        let is_part = |part: &str| {
            // POSIX writes territories with capitals, scripts begin with one; an encoding follows a dot.
            part.len() <= 10
                && part
                    .starts_with(|first: char| first.is_ascii_uppercase() || first.is_ascii_digit())
        };
        let is_free = rest.starts_with(['@', '.']);
        let mut parts = rest.split(SEPARATORS).skip(1);
        (self.codes.contains(code) && (is_free || parts.all(is_part))).then_some(text)
    }
}

/// What stands between the parts of a name.
const SEPARATORS: [char; 4] = ['_', '-', '.', '@'];

/// The languages whose translations stay.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    All,
    /// The codes, each with the territory that was given.
    Some(Vec<(String, Option<String>)>),
}

impl Kept {
    /// Parses the values of `--locales`: names of languages, or `all`. `C` and `POSIX` need no translation.
    ///
    /// # Errors
    ///
    /// If a value is not the name of a language.
    pub(super) fn parse(languages: &Languages, values: &[String]) -> Result<Kept> {
        let mut kept = Vec::new();
        for value in values {
            match value.as_str() {
                "all" => return Ok(Kept::All),
                "" | "C" | "POSIX" | "none" => continue,
                text if text.starts_with("C.") => continue,
                text => {
                    let unknown = || Error::Language { name: value.clone() };
                    kept.push(split(languages.parse(text).ok_or_else(unknown)?));
                }
            }
        }
        Ok(Kept::Some(kept))
    }

    /// Whether a translation stays. One for a whole language stays if one of its territories was named: programs look
    /// there for what the territory's lacks. gettext's manual, "Locale Names"
    pub(super) fn has(&self, language: &str) -> bool {
        let Kept::Some(kept) = self else { return true };
        let (code, territory) = split(language);
        kept.iter().any(|(kept, of)| {
            *kept == code && (of.is_none() || territory.is_none() || *of == territory)
        })
    }
}

/// Splits a name into its code and its territory or script.
fn split(language: &str) -> (String, Option<String>) {
    let name = language.split(['.', '@']).next().unwrap_or(language);
    match name.split_once(['_', '-']) {
        Some((code, territory)) => (code.to_owned(), Some(territory.replace('-', "_"))),
        None => (name.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages() -> Languages {
        let mut languages = Languages::default();
        languages.add("de en pt sr zh ast");
        languages
    }

    #[test]
    fn names_are_told_from_other_words() {
        for (text, expected) in [
            ("de", true),
            ("ast", true),
            ("pt_BR", true),
            ("en-US", true),
            ("sr@latin", true),
            ("zh_Hant_TW", true),
            ("de_DE.UTF-8", true),
            ("en_US_POSIX", true),
            ("en_001", true),
            ("xx", false),
            ("", false),
            ("de_extra", false),
            ("english", false),
            ("C", false),
            ("C.utf8", false),
        ] {
            assert_eq!(languages().parse(text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_language_stays_with_what_it_falls_back_to() {
        let kept = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            Kept::parse(&languages(), &values)
        };
        let some = kept(&["de", "pt_BR", "C"]).unwrap();
        for (language, expected) in [
            ("de", true),
            ("de_AT", true),
            ("de@hebrew", true),
            ("pt", true),
            ("pt-BR", true),
            ("pt_BR.UTF-8", true),
            ("pt_PT", false),
            ("en", false),
        ] {
            assert_eq!(some.has(language), expected, "{language}");
        }
        assert!(kept(&["all"]).unwrap().has("en"));
        assert!(!kept(&["none"]).unwrap().has("en"));
        assert!(matches!(kept(&["deutsch"]), Err(Error::Language { .. })));
    }
}
