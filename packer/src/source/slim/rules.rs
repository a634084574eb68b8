//! The rules of `--slim` and `--locales`, read from `rules.txt`, which explains them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::language::Languages;
use crate::error::{Error, Result};

/// The file with the rules.
const FILE: &str = include_str!("rules.txt");

/// What stands for the name of a language in a pattern.
const LANGUAGE: &str = "<language>";

/// One rule.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) name: String,
    /// Whether it is about languages: then it belongs to `--locales`.
    pub(super) is_of_languages: bool,
    /// Whether only `--locales` asks for it.
    pub(super) is_asked: bool,
    /// Names of entries that open what it leaves out.
    pub(super) entries: Vec<String>,
    /// Endings of names: the first is left out if the second is there.
    beside: Vec<(String, String)>,
}

impl Rule {
    /// The name that must be beside a file, so that it may be left out; `None` if nothing must.
    pub(super) fn beside(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.beside.iter().find_map(|(from, to)| {
            let stem = name.strip_suffix(from.as_bytes())?;
            Some([stem, to.as_bytes()].concat())
        })
    }
}

/// What a pattern is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A file or link to leave out; or a directory or link, with all below it.
    Leave { is_directory: bool, language: Option<Place> },
    /// What stays.
    Keep,
    /// A directory that, if it is named, keeps what is in it.
    Named,
    /// Who has such a file opens what the rule leaves out.
    Unless,
    /// What it names does not count.
    Hearsay,
}

/// Where the name of a language is in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of components behind the one that has it.
    behind: usize,
    before: String,
    after: String,
}

impl Place {
    fn of(pattern: &str) -> Option<Place> {
        let mut components = pattern.rsplit('/').enumerate();
        let (behind, component) = components.find(|(_, text)| text.contains(LANGUAGE))?;
        let (before, after) = component.split_once(LANGUAGE)?;
        Some(Place { behind, before: before.to_owned(), after: after.to_owned() })
    }

    /// The name of the language in a path; `None` if what stands there is none.
    pub(super) fn language<'p>(&self, languages: &Languages, path: &'p [u8]) -> Option<&'p str> {
        let component = path.rsplit(|byte| *byte == b'/').nth(self.behind)?;
        let text = std::str::from_utf8(component).ok()?.strip_suffix(&self.after)?;
        let Some(separator) = self.before.strip_prefix('*') else {
            return languages.parse(text.strip_prefix(&self.before)?);
        };
        // The longest that is one: pt_BR, not BR.
        let starts = text.match_indices(separator).map(|(at, found)| at + found.len());
        starts.filter_map(|at| languages.parse(&text[at..])).next()
    }
}

/// All rules, with their patterns in one set.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    pub(super) languages: Languages,
    set: GlobSet,
    /// For each pattern of the set its rule and what it is for.
    words: Vec<(usize, Word)>,
}

impl Rules {
    /// Reads the rules that are part of packer.
    ///
    /// # Errors
    ///
    /// If they are malformed, which a test excludes.
    pub(super) fn read() -> Result<Rules> {
        Rules::parse(FILE)
    }

    fn parse(text: &str) -> Result<Rules> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut set = GlobSetBuilder::new();
        let mut words = Vec::new();
        let mut languages = Languages::default();
        for line in text.lines().map(str::trim) {
            let malformed = || Error::SlimRule { line: line.to_owned() };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            let word = match (word, rules.last_mut()) {
                ("rule", _) => {
                    rules.push(Rule { name: value.to_owned(), ..Rule::default() });
                    continue;
                }
                ("languages", _) => {
                    languages.add(value);
                    continue;
                }
                ("hearsay", _) => Word::Hearsay,
                ("why", Some(_)) => continue,
                ("asked", Some(rule)) => {
                    rule.is_asked = true;
                    continue;
                }
                ("entry", Some(rule)) => {
                    rule.entries.push(value.to_owned());
                    continue;
                }
                ("beside", Some(rule)) => {
                    let (from, to) = value.split_once(' ').ok_or_else(malformed)?;
                    rule.beside.push((from.to_owned(), to.to_owned()));
                    continue;
                }
                ("leave", Some(rule)) => {
                    let language = Place::of(value.trim_end_matches('/'));
                    rule.is_of_languages |= language.is_some();
                    Word::Leave { is_directory: value.ends_with('/'), language }
                }
                ("keep", Some(_)) => Word::Keep,
                ("named", Some(_)) => Word::Named,
                ("unless", Some(_)) => Word::Unless,
                _ => return Err(malformed()),
            };
            let pattern = value.trim_end_matches('/').replace(LANGUAGE, "*");
            let mut glob = GlobBuilder::new(&pattern);
            let glob = glob.literal_separator(true).empty_alternates(true).build();
            set.add(glob.map_err(|source| Error::Pattern { pattern: value.into(), source })?);
            words.push((rules.len().saturating_sub(1), word));
        }
        let set =
            set.build().map_err(|source| Error::Pattern { pattern: String::new(), source })?;
        Ok(Rules { rules, languages, set, words })
    }

    /// The patterns that match a path below a store path, in the order of the file: their rules and what they are for.
    pub(super) fn matches(&self, path: &[u8]) -> impl Iterator<Item = &(usize, Word)> {
        self.set.matches(OsStr::from_bytes(path)).into_iter().map(|number| &self.words[number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_says_why_and_leaves_out_something() {
        let rules = Rules::read().unwrap();
        for (number, rule) in rules.rules.iter().enumerate() {
            let leaves =
                |(of, word): &(usize, Word)| *of == number && matches!(word, Word::Leave { .. });
            assert!(rules.words.iter().any(leaves), "{}", rule.name);
            let begin = format!("rule {}\nwhy ", rule.name);
            assert_eq!(FILE.matches(&begin).count(), 1, "{}", rule.name);
        }
    }

    #[test]
    fn malformed_lines_are_named() {
        for text in ["leave x", "rule a\nleaves x", "rule a\nbeside x", "rule a\nleave {"] {
            let error = Rules::parse(text).err().map(|error| error.to_string());
            let last = text.lines().last().unwrap_or_default();
            let last = last.strip_prefix("leave {").map_or(last, |_| "{");
            assert!(error.as_ref().is_some_and(|error| error.contains(last)), "{text}: {error:?}");
        }
    }

    #[test]
    fn languages_stand_where_the_pattern_says() {
        let languages = Rules::read().unwrap().languages;
        for (pattern, path, expected) in [
            ("share/locale/<language>", "share/locale/pt_BR", Some("pt_BR")),
            ("share/locale/<language>", "share/locale/locale.alias", None),
            ("**/<language>/LC_MESSAGES", "x/de/LC_MESSAGES", Some("de")),
            ("**/*_<language>.qm", "a/qt_help_pt_BR.qm", Some("pt_BR")),
            ("**/*_<language>.qm", "a/qt_help.qm", None),
            ("**/*_<language>.qm", "a/is_it_x.qm", None),
            ("**/<language>.pak", "locales/en-US.pak", Some("en-US")),
            ("**/<language>.pak", "locales/resources.pak", None),
        ] {
            let place = Place::of(pattern).unwrap();
            assert_eq!(place.language(&languages, path.as_bytes()), expected, "{path}");
        }
    }
}
