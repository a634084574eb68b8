//! What stays although a rule would leave it out: what files and links that stay name.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::mentions::{Mention, Mentions};
use super::{Candidates, Given};
use crate::error::Result;
use crate::parallel;
use crate::source::reader::Reader;
use crate::source::reference::Hashes;
use crate::source::store::Store;
use crate::source::tree::Tree;

/// Finds for each candidate whether it stays.
///
/// # Errors
///
/// If a file cannot be read.
pub(super) fn find(
    store: &Store,
    tree: &Tree,
    candidates: &Candidates,
    given: &Given<'_>,
    threads: NonZeroUsize,
) -> Result<Vec<bool>> {
    let mentions = Mentions::new(tree);
    let mut named = Vec::new();
    parallel::in_order(
        threads,
        tree.paths.len(),
        |path| read(store, tree, &mentions, path),
        |path| {
            named.push(path);
            Ok(())
        },
    )?;

    let mut kept = Kept { tree, candidates, stays: vec![false; tree.nodes.len()], new: Vec::new() };
    // What is given on purpose.
    for path in only_for_drivers(tree, &named, given) {
        kept.keep_below(tree.roots[path]);
    }
    for text in given.env {
        mentions.of_text(text, text.len(), |mention| {
            kept.keep(&mention);
            kept.keep_below(mention.node);
        });
    }
    for entry in given.entries {
        if let Some(mention) = mentions.resolved(entry) {
            kept.keep(&mention);
        }
    }
    // What stays anyway, and then what that names, and so on.
    let others = tree.iter().filter(|(number, _)| candidates.rules[*number as usize].is_none());
    kept.new.extend(others.map(|(number, _)| number));
    while let Some(number) = kept.new.pop() {
        if !candidates.is_hearsay[number as usize] {
            let of_path = &named[tree.path_of(number)].mentions;
            let first = of_path.partition_point(|(by, _)| *by < number);
            let by_node = of_path[first..].iter().take_while(|(by, _)| *by == number);
            by_node.for_each(|(_, mention)| kept.keep(mention));
        }
    }
    Ok(kept.stays)
}

/// What the files and links of one store path name.
struct Named {
    /// The nodes that name something, rising.
    mentions: Vec<(u32, Mention)>,
    /// The store paths that they name.
    paths: BTreeSet<usize>,
}

fn read(store: &Store, tree: &Tree, mentions: &Mentions<'_>, path: usize) -> Result<Named> {
    let none = Hashes::new([]);
    let mut reader = Reader::new(store, tree, &none);
    let mut named = Named { mentions: Vec::new(), paths: BTreeSet::new() };
    for number in tree.nodes_of(path) {
        let start = named.mentions.len();
        mentions.of_node(&mut reader, number, |mention| {
            let passed = mention.passed.iter().chain([&mention.node]);
            named.paths.extend(passed.map(|node| tree.path_of(*node)));
            // Text that names a whole store path says nothing of what is in it.
            if !mention.passed.is_empty() {
                named.mentions.push((number, mention));
            }
        })?;
        named.mentions[start..].sort();
        let mut rest = named.mentions.split_off(start);
        rest.dedup();
        named.mentions.append(&mut rest);
    }
    Ok(named)
}

/// The store paths that only the drivers need.
fn only_for_drivers(tree: &Tree, named: &[Named], given: &Given<'_>) -> Vec<usize> {
    let Some(drivers) = given.drivers else { return Vec::new() };
    let needed = |roots: &mut dyn Iterator<Item = usize>| {
        let mut pending: Vec<usize> = roots.collect();
        let mut needed: BTreeSet<usize> = pending.iter().copied().collect();
        while let Some(path) = pending.pop() {
            let more = named[path].paths.iter().copied();
            pending.extend(more.filter(|path| needed.insert(*path)));
        }
        needed
    };
    let others = given.roots.iter().filter(|root| *root != drivers);
    let others = needed(&mut others.filter_map(|root| tree.number_of(root)));
    let all = needed(&mut tree.number_of(drivers).into_iter());
    let is_only = |path: &usize| !others.contains(path);
    all.into_iter().filter(is_only).collect()
}

/// The nodes that stay, and those that were not looked at since.
struct Kept<'a> {
    tree: &'a Tree,
    candidates: &'a Candidates,
    stays: Vec<bool>,
    new: Vec<u32>,
}

impl Kept<'_> {
    /// Keeps what is named: what is on the way to it, itself and all below it. A directory that no rule leaves out is
    /// named by many, such as lib in the search path of libraries; it says nothing of what is in it.
    fn keep(&mut self, mention: &Mention) {
        mention.passed.iter().for_each(|node| self.keep_node(*node));
        let at = mention.node as usize;
        if self.candidates.rules[at].is_some() || self.candidates.is_named[at] {
            self.keep_below(mention.node);
        }
    }

    fn keep_below(&mut self, number: u32) {
        (number..self.tree.node(number).end).for_each(|node| self.keep_node(node));
    }

    fn keep_node(&mut self, number: u32) {
        let at = number as usize;
        if self.candidates.rules[at].is_some() && !self.stays[at] {
            self.stays[at] = true;
            self.new.push(number);
        }
    }
}
