//! The store paths of a bundle, how large they are, and which refers to which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use format::{Extent, Index, Kind, Node, STORE_DIR, Symlink};
use runtime::error::Escaped;

use crate::error::Result;
use crate::source::bundle::Bundle;

/// The store paths of a bundle, numbered as in the manifest.
pub(super) struct Graph {
    pub(super) paths: Vec<Path>,
    /// The store paths that were asked for: entries and `--closure` name them. No other one is in the bundle for its
    /// own sake.
    pub(super) roots: Vec<Root>,
    /// The files, in the index' order.
    pub(super) files: Vec<File>,
    /// The first file with a reference, by the number of its store path and of the one that it refers to. Empty if
    /// the bundle does not allow `relocate`: its index then lists no references.
    pub(super) places: BTreeMap<(usize, usize), String>,
}

/// A store path.
pub(super) struct Path {
    /// The hash and the name.
    pub(super) base_name: String,
    /// The name alone.
    pub(super) name: String,
    /// Bytes of its files.
    pub(super) bytes: u64,
    /// Files and links.
    pub(super) files: usize,
    /// The numbers of the store paths that it refers to.
    pub(super) references: Vec<usize>,
}

/// A store path that was asked for.
pub(super) struct Root {
    pub(super) path: usize,
    /// The names of the entries in it.
    pub(super) entries: Vec<String>,
}

/// A file or link.
pub(super) struct File {
    /// The number of its store path.
    pub(super) path: usize,
    /// Its place in the store path, without a slash at the start; empty if the store path is this file.
    pub(super) below: String,
    /// Its content; `None` for a link.
    pub(super) content: Option<Extent>,
}

impl Path {
    /// The whole path.
    pub(super) fn full(&self) -> String {
        format!("{STORE_DIR}/{}", self.base_name)
    }
}

impl Graph {
    /// Reads the graph of a bundle.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged.
    pub(super) fn of(bundle: &Bundle) -> Result<Graph> {
        let index = bundle.sections.index().map_err(|error| bundle.error(error))?;
        let manifest = &bundle.sections.manifest;
        let path = |packed: &format::PackedPath| Path {
            base_name: packed.path.to_string(),
            name: packed.path.name().to_owned(),
            bytes: 0,
            files: 0,
            references: packed.references.iter().map(|number| *number as usize).collect(),
        };
        let mut graph = Graph {
            paths: manifest.paths.iter().map(path).collect(),
            roots: Vec::new(),
            files: Vec::new(),
            places: BTreeMap::new(),
        };
        graph.add_files(&index);
        graph.add_roots(bundle);
        Ok(graph)
    }

    fn add_files(&mut self, index: &Index<'_>) {
        // The index has the root nodes in the manifest's order, each before the nodes below it.
        let mut path = 0;
        let mut names: Vec<String> = Vec::with_capacity(index.nodes.len());
        for node in &index.nodes {
            path += usize::from(node.parent.is_none() && !names.is_empty());
            let below = name(node, &names);
            let (content, references) = match node.kind {
                Kind::Directory => {
                    names.push(below);
                    continue;
                }
                Kind::File { content, references, .. } => (Some(content), references),
                Kind::Symlink(Symlink { references, .. }) => (None, references),
            };
            for reference in references.iter() {
                self.places.entry((path, reference.path as usize)).or_insert_with(|| below.clone());
            }
            if let Some(packed) = self.paths.get_mut(path) {
                packed.files += 1;
                packed.bytes = packed.bytes.saturating_add(content.map_or(0, |c| c.len));
            }
            self.files.push(File { path, below: below.clone(), content });
            names.push(below);
        }
    }

    /// Finds the roots: what the descriptor lists, and what cannot be reached from there.
    fn add_roots(&mut self, bundle: &Bundle) {
        let descriptor = &bundle.header.descriptor;
        for (number, key) in descriptor.paths.iter().enumerate() {
            let base_name = key.path.to_string();
            let Some(path) = self.paths.iter().position(|path| path.base_name == base_name) else {
                continue;
            };
            let entries = descriptor.entries.iter().filter(|e| usize::from(e.path) == number);
            let entries = entries.map(|e| Escaped(e.name(&descriptor.paths)).to_string());
            self.roots.push(Root { path, entries: entries.collect() });
        }
        let reached: BTreeSet<usize> =
            self.reach(self.roots.iter().map(|root| root.path), None).into_iter().collect();
        let rest: Vec<usize> =
            (0..self.paths.len()).filter(|path| !reached.contains(path)).collect();
        let below: BTreeSet<usize> =
            rest.iter().flat_map(|path| &self.paths[*path].references).copied().collect();
        let unused = rest.into_iter().filter(|path| !below.contains(path));
        self.roots.extend(unused.map(|path| Root { path, entries: Vec::new() }));
    }

    /// The store paths that `from` refers to, directly or not, with `from`; as if `without` were not there.
    pub(super) fn reach(
        &self,
        from: impl IntoIterator<Item = usize>,
        without: Option<usize>,
    ) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut seen = vec![false; self.paths.len()];
        if let Some(without) = without {
            seen[without] = true;
        }
        let mut next: Vec<usize> = from.into_iter().collect();
        while let Some(path) = next.pop() {
            if !std::mem::replace(&mut seen[path], true) {
                reached.push(path);
                next.extend(&self.paths[path].references);
            }
        }
        reached
    }

    /// The shortest way from one store path to another by references; of several, the first in the manifest's order.
    pub(super) fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut before: BTreeMap<usize, usize> = BTreeMap::from([(from, from)]);
        let mut next = VecDeque::from([from]);
        while let Some(path) = next.pop_front() {
            if path == to {
                let mut way = vec![to];
                while let Some(path) = way.last().and_then(|last| before.get(last))
                    && way.last() != Some(path)
                {
                    way.push(*path);
                }
                way.reverse();
                return Some(way);
            }
            for reference in &self.paths[path].references {
                before.entry(*reference).or_insert_with(|| {
                    next.push_back(*reference);
                    path
                });
            }
        }
        None
    }

    /// Bytes of the files of these store paths.
    pub(super) fn bytes<'a>(&self, paths: impl IntoIterator<Item = &'a usize>) -> u64 {
        paths.into_iter().map(|path| self.paths[*path].bytes).fold(0, u64::saturating_add)
    }
}

/// The place of a node in its store path.
fn name(node: &Node<'_>, names: &[String]) -> String {
    let name = Escaped(node.name).to_string();
    match node.parent.and_then(|parent| names.get(parent as usize)) {
        Some(directory) if !directory.is_empty() => format!("{directory}/{name}"),
        _ => name,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Makes a graph of the store paths a, b, c …, of 1, 2, 4 … bytes; the first is the root.
    pub(crate) fn graph(references: &[&[usize]]) -> Graph {
        let path = |number: usize| {
            let letter = char::from(b"abcdfg"[number]);
            Path {
                base_name: format!("{letter}{}-{letter}-1.0", "0".repeat(31)),
                name: format!("{letter}-1.0"),
                bytes: 1 << number,
                files: 1,
                references: references[number].to_vec(),
            }
        };
        let paths: Vec<Path> = (0..references.len()).map(path).collect();
        Graph {
            roots: vec![Root { path: 0, entries: vec!["a".into()] }],
            files: (0..paths.len())
                .map(|path| File {
                    path,
                    below: "bin/x".into(),
                    content: Some(Extent { start: 0, len: 1 << path }),
                })
                .collect(),
            places: BTreeMap::from([((0, 1), "bin/x".to_owned())]),
            paths,
        }
    }

    #[test]
    fn shortest_way_is_found() {
        let graph = graph(&[&[1], &[2, 3], &[3], &[1], &[]]);
        for (from, to, expected) in [
            (0, 3, Some(vec![0, 1, 3])),
            (0, 0, Some(vec![0])),
            (3, 2, Some(vec![3, 1, 2])),
            (0, 4, None),
        ] {
            assert_eq!(graph.way(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn what_is_reached_leaves_out_what_is_behind() {
        let graph = graph(&[&[1, 2], &[3], &[3], &[]]);
        for (without, expected) in
            [(None, vec![0, 1, 2, 3]), (Some(1), vec![0, 2, 3]), (Some(0), vec![])]
        {
            let mut reached = graph.reach([0], without);
            reached.sort_unstable();
            assert_eq!(reached, expected, "{without:?}");
        }
        assert_eq!(graph.bytes(&graph.reach([1], None)), 2 + 8);
    }
}
