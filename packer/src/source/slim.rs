//! `--slim` and `--locales`: leaves out what running does not need, by the rules in `slim/rules.txt`.

mod kept;
mod language;
mod mentions;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use format::{LeftOut, StorePath};

use crate::error::Result;
use crate::source::node::Kind;
use crate::source::store::Store;
use crate::source::tree::Tree;
use language::Kept;
use rules::{Rules, Word};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// `--slim`: all rules; translations for these languages stay.
    Slim { languages: Option<&'a [String]> },
    /// `--locales` alone: the rules about languages.
    Locales(&'a [String]),
}

/// The languages whose translations stay with `--slim` alone: a program's own texts are English, and so are most
/// translations for its territories, which change how words are spelled.
const DEFAULT_LANGUAGES: &[&str] = &["en"];

/// What must stay, and what is not looked at.
pub(crate) struct Given<'a> {
    /// Full paths of the entries.
    pub(crate) entries: &'a [Vec<u8>],
    /// The values of `--env`: what they name stays, with all that is below it.
    pub(crate) env: &'a [Vec<u8>],
    /// The drivers of `--graphics`: they stay, with what only they need.
    pub(crate) drivers: Option<&'a StorePath>,
    /// The store paths that `--closure` names.
    pub(crate) roots: &'a [StorePath],
}

/// Leaves out what the rules say; returns the rest, and what each rule left out, sorted by its name.
///
/// # Errors
///
/// If a language is unknown, or a file cannot be read.
pub(crate) fn slim(
    store: &Store,
    tree: Tree,
    asked: Asked<'_>,
    given: &Given<'_>,
    threads: NonZeroUsize,
) -> Result<(Tree, Vec<LeftOut>)> {
    let rules = Rules::read()?;
    let (languages, is_all) = match asked {
        Asked::Slim { languages } => (languages, true),
        Asked::Locales(languages) => (Some(languages), false),
    };
    let default: Vec<String> = DEFAULT_LANGUAGES.iter().map(|&name| name.to_owned()).collect();
    let kept = Kept::parse(&rules.languages, languages.unwrap_or(&default))?;
    let is_used = |rule: &rules::Rule| {
        if rule.is_asked && languages.is_none() { false } else { is_all || rule.is_of_languages }
    };
    let candidates = Candidates::find(&tree, &rules, &kept, is_used, given.entries);
    if candidates.rules.iter().all(Option::is_none) {
        return Ok((tree, Vec::new()));
    }
    let stays = kept::find(store, &tree, &candidates, given, threads)?;

    // Directories go with the last file in them: the last node comes first.
    let mut is_left_out: Vec<bool> =
        candidates.rules.iter().zip(&stays).map(|(rule, stays)| rule.is_some() && !stays).collect();
    for (number, node) in tree.iter().collect::<Vec<_>>().into_iter().rev() {
        if node.parent.is_none() {
            is_left_out[number as usize] = false;
        }
        if let (false, Some(parent)) = (is_left_out[number as usize], node.parent) {
            is_left_out[parent as usize] = false;
        }
    }
    let mut left_out: BTreeMap<&str, LeftOut> = BTreeMap::new();
    for (number, node) in tree.iter() {
        let Some(rule) = candidates.rules[number as usize] else { continue };
        let len = match &node.kind {
            Kind::File { len, .. } => *len,
            Kind::Symlink { target } => target.len() as u64,
            Kind::Directory => continue,
        };
        if is_left_out[number as usize] {
            let name = &rules.rules[rule].name;
            let entry = left_out.entry(name);
            let sum = entry.or_insert_with(|| LeftOut { rule: name.clone(), files: 0, bytes: 0 });
            sum.files += 1;
            sum.bytes += len;
        }
    }
    let left_out = left_out.into_values().collect();
    Ok((tree.without(|number| is_left_out[number as usize]), left_out))
}

/// What the rules would leave out, if nothing that stays names it.
struct Candidates {
    /// For each node, the rule that leaves it out.
    rules: Vec<Option<usize>>,
    /// Whether what a file names counts for nothing.
    is_hearsay: Vec<bool>,
    /// Whether what names a directory names what is in it.
    is_named: Vec<bool>,
}

impl Candidates {
    fn find(
        tree: &Tree,
        rules: &Rules,
        kept: &Kept,
        is_used: impl Fn(&rules::Rule) -> bool,
        entries: &[Vec<u8>],
    ) -> Candidates {
        let names: BTreeSet<&[u8]> =
            entries.iter().filter_map(|entry| entry.rsplit(|byte| *byte == b'/').next()).collect();
        let is_opened =
            |rule: &rules::Rule| rule.entries.iter().any(|entry| names.contains(entry.as_bytes()));
        let mut is_on: Vec<bool> =
            rules.rules.iter().map(|rule| is_used(rule) && !is_opened(rule)).collect();
        let mut found = Candidates {
            rules: vec![None; tree.nodes.len()],
            is_hearsay: vec![false; tree.nodes.len()],
            is_named: vec![false; tree.nodes.len()],
        };
        // Rules that keep a node, with all below it.
        let mut keepers: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); tree.nodes.len()];
        let mut below = Vec::new();
        for (number, node) in tree.iter() {
            let Some(parent) = node.parent else { continue };
            path_below(tree, number, &mut below);
            let at = number as usize;
            let mut rule = found.rules[parent as usize];
            keepers[at] = keepers[parent as usize].clone();
            for (of, word) in rules.matches(&below) {
                match word {
                    Word::Hearsay => found.is_hearsay[at] = true,
                    Word::Named => found.is_named[at] = true,
                    Word::Unless => is_on[*of] = false,
                    Word::Keep => drop(keepers[at].insert(*of)),
                    Word::Leave { is_directory, language } => {
                        let is_kind = match node.kind {
                            Kind::Directory => *is_directory,
                            Kind::File { .. } => !is_directory,
                            Kind::Symlink { .. } => true,
                        };
                        let is_foreign = language.as_ref().is_none_or(|place| {
                            let language = place.language(&rules.languages, &below);
                            language.is_some_and(|language| !kept.has(language))
                        });
                        let beside = rules.rules[*of].beside(&node.name);
                        let is_beside = beside.is_none_or(|name| {
                            tree.children(parent).any(|child| tree.node(child).name == name)
                        });
                        if is_kind && is_foreign && is_beside {
                            rule = rule.or(Some(*of));
                        }
                    }
                }
            }
            found.rules[at] = rule.filter(|rule| !keepers[at].contains(rule));
        }
        for rule in &mut found.rules {
            *rule = rule.filter(|rule| is_on[*rule]);
        }
        found
    }
}

/// Writes the path of a node below its store path.
fn path_below(tree: &Tree, number: u32, path: &mut Vec<u8>) {
    let location = tree.location(number);
    let below = location.iter().position(|byte| *byte == b'/').map(|at| &location[at + 1..]);
    path.clear();
    path.extend_from_slice(below.unwrap_or_default());
}

#[cfg(test)]
mod tests;
