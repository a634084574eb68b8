//! Which files of the closure a file or link names by their full paths.

use std::collections::HashMap;

use format::{HASH_TEXT_LEN, STORE_DIR};
use memchr::memmem::Finder;

use crate::error::Result;
use crate::source::node::Kind;
use crate::source::reader::{Part, Reader};
use crate::source::reference::{Depth, PREFIX};
use crate::source::resolve;
use crate::source::tree::Tree;

/// The largest number of bytes of a path: `PATH_MAX`, limits.h(0p).
const PATH_LEN: usize = 4096;

/// Finds paths of a tree in texts.
pub(super) struct Mentions<'a> {
    tree: &'a Tree,
    /// The store paths by the texts of their hashes.
    paths: HashMap<[u8; HASH_TEXT_LEN], usize>,
    prefix: Finder<'static>,
}

/// What a text names: a file or directory of the tree, and the links and directories on the way to it.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mention {
    pub(super) node: u32,
    pub(super) passed: Vec<u32>,
}

impl<'a> Mentions<'a> {
    pub(super) fn new(tree: &'a Tree) -> Mentions<'a> {
        let paths = tree.paths.iter().enumerate();
        let paths = paths.map(|(number, path)| (path.hash().text(), number)).collect();
        Mentions { tree, paths, prefix: Finder::new(PREFIX) }
    }

    /// Gives what a node's content or target names to `take`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn of_node(
        &self,
        reader: &mut Reader<'_>,
        number: u32,
        mut take: impl FnMut(Mention),
    ) -> Result<()> {
        match self.tree.node(number).kind {
            Kind::Directory => {}
            // What the link itself leads to: its own path is resolved.
            Kind::Symlink { .. } => {
                let path = [STORE_DIR.as_bytes(), b"/", &self.tree.location(number)].concat();
                self.resolved(&path).into_iter().for_each(take);
            }
            Kind::File { .. } => {
                let mut window = Vec::new();
                reader.read(number, Depth::Plain, |part| {
                    if let Part::Bytes(bytes) = part {
                        window.extend_from_slice(bytes);
                        let whole = window.len().saturating_sub(PREFIX.len() + PATH_LEN);
                        self.of_text(&window, whole, &mut take);
                        window.drain(..whole);
                    }
                })?;
                self.of_text(&window, window.len(), &mut take);
            }
        }
        Ok(())
    }

    /// Gives what a text names to `take`, if the name begins before `end`.
    pub(super) fn of_text(&self, text: &[u8], end: usize, mut take: impl FnMut(Mention)) {
        for at in self.prefix.find_iter(text).take_while(|at| *at < end) {
            self.at(&text[at + PREFIX.len()..]).into_iter().for_each(&mut take);
        }
    }

    /// What a text names that begins with the base name of a store path: the longest path in it that there is.
    fn at(&self, text: &[u8]) -> Option<Mention> {
        let path = *self.paths.get(text.first_chunk::<HASH_TEXT_LEN>()?)?;
        let base_name = self.tree.paths[path].to_string();
        let mut rest = text.strip_prefix(base_name.as_bytes())?;
        let mut found = Mention { node: self.tree.roots[path], passed: Vec::new() };
        while let Some(below) = rest.strip_prefix(b"/") {
            // A name may be the beginning of another one.
            let node = |child: &u32| &self.tree.node(*child).name;
            let step = if let Some(after) = below.strip_prefix(b"../") {
                let parent = self.tree.node(found.node).parent;
                parent.map(|parent| (parent, &below[below.len() - after.len() - 1..]))
            } else if below.starts_with(b"/") || below.starts_with(b"./") {
                let dots = below.iter().take_while(|byte| **byte == b'.').count();
                Some((found.node, &below[dots..]))
            } else {
                let children = self.tree.children(found.node);
                let named = children.filter(|child| below.starts_with(node(child)));
                let longest = named.max_by_key(|child| node(child).len());
                longest.map(|child| (child, &below[node(&child).len()..]))
            };
            let Some((next, after)) = step else { break };
            rest = after;
            found.node = next;
            found.passed.push(next);
            if let Kind::Symlink { .. } = self.tree.node(next).kind {
                let path = [STORE_DIR.as_bytes(), b"/", &self.tree.location(next)].concat();
                let Some(resolved) = self.resolved(&path) else { break };
                found.passed.extend(resolved.passed);
                found.node = resolved.node;
            }
        }
        Some(found)
    }

    /// What a path leads to; `None` if it leads to nothing in the tree.
    pub(super) fn resolved(&self, path: &[u8]) -> Option<Mention> {
        let mut passed = Vec::new();
        let node = resolve::trace(self.tree, path, |node| passed.push(node)).ok()?;
        Some(Mention { node, passed })
    }
}
