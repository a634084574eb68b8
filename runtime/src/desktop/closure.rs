//! Finds files in a bundle's closure by their paths, and follows links inside it.

use alloc::vec::Vec;

use format::{Extent, Index, Kind, Node, PackedPath, STORE_DIR, StorePath};

use super::left_out::Reason;
use super::text::{Text, copied, joined};

/// Links that are followed on the way to one file: as many as the kernel follows.
const LINKS: u32 = 40;

/// The files of a closure.
pub(super) struct Closure<'a> {
    nodes: &'a [Node<'a>],
    /// The number behind the last node below each node.
    ends: Vec<u32>,
    paths: &'a [PackedPath],
    /// The node of each store path.
    roots: Vec<u32>,
}

/// A place in the closure: a node, or `None` for the store's directory.
pub(super) type Place = Option<u32>;

impl<'a> Closure<'a> {
    pub(super) fn new(index: &'a Index<'a>, paths: &'a [PackedPath]) -> Closure<'a> {
        let nodes = &*index.nodes;
        let mut ends: Vec<u32> = (0..).zip(nodes).map(|(number, _)| number + 1).collect();
        for (number, node) in nodes.iter().enumerate().rev() {
            if let Some(parent) = node.parent {
                // Decoding ensures that a parent has a smaller number than its child.
                ends[parent as usize] = ends[parent as usize].max(ends[number]);
            }
        }
        let roots = (0..).zip(nodes).filter(|(_, node)| node.parent.is_none());
        Closure { nodes, ends, paths, roots: roots.map(|(number, _)| number).collect() }
    }

    /// Returns the node of a store path.
    pub(super) fn root(&self, path: &StorePath) -> Option<u32> {
        let at =
            self.paths.binary_search_by(|packed| packed.path.base_name().cmp(&path.base_name()));
        self.roots.get(at.ok()?).copied()
    }

    /// Returns the first node in a directory.
    pub(super) fn first_child(&self, directory: u32) -> Option<u32> {
        (self.ends[directory as usize] > directory + 1).then_some(directory + 1)
    }

    /// Returns the node behind another one in a directory.
    pub(super) fn sibling(&self, directory: u32, node: u32) -> Option<u32> {
        let next = self.ends[node as usize];
        (next < self.ends[directory as usize]).then_some(next)
    }

    /// Returns the name of a node in its directory.
    pub(super) fn name(&self, node: u32) -> &'a [u8] {
        self.nodes[node as usize].name
    }

    pub(super) fn is_directory(&self, node: u32) -> bool {
        matches!(self.nodes[node as usize].kind, Kind::Directory)
    }

    /// Returns the content of a file; an empty extent for other nodes.
    pub(super) fn extent(&self, node: u32) -> Extent {
        match self.nodes[node as usize].kind {
            Kind::File { content, .. } => content,
            _ => Extent { start: 0, len: 0 },
        }
    }

    /// Finds a file or directory below a node, or below the store's directory; follows links.
    pub(super) fn find(&self, at: Place, path: &[u8]) -> Result<u32, Reason> {
        let mut links = LINKS;
        self.walk(at, path, &mut links)?.ok_or(Reason::Absent)
    }

    /// Finds what an absolute path names.
    pub(super) fn find_absolute(&self, path: &[u8]) -> Result<u32, Reason> {
        self.find(None, below_store(path).ok_or_else(|| Reason::Outside(copied(path)))?)
    }

    /// Finds what a node is, or leads to if it is a link.
    pub(super) fn follow(&self, node: u32) -> Result<u32, Reason> {
        let mut links = LINKS;
        self.follow_on(node, &mut links)?.ok_or(Reason::Absent)
    }

    fn child(&self, directory: u32, name: &[u8]) -> Option<u32> {
        let mut next = self.first_child(directory);
        while let Some(child) = next.filter(|child| self.name(*child) != name) {
            next = self.sibling(directory, child);
        }
        next
    }

    fn walk(&self, mut at: Place, path: &[u8], links: &mut u32) -> Result<Place, Reason> {
        for name in path.split(|byte| *byte == b'/') {
            at = match (name, at) {
                (b"" | b".", at) => at,
                (b"..", Some(node)) => self.nodes[node as usize].parent,
                (b"..", None) => return Err(Reason::Outside(copied(path))),
                (name, at) => {
                    let child = match at {
                        Some(node) => self.child(node, name),
                        None => StorePath::parse(name).ok().and_then(|path| self.root(&path)),
                    };
                    let missing = || match at {
                        Some(_) => Reason::Absent,
                        None => Reason::Outside(store_path(name)),
                    };
                    self.follow_on(child.ok_or_else(missing)?, links)?
                }
            };
        }
        Ok(at)
    }

    fn follow_on(&self, node: u32, links: &mut u32) -> Result<Place, Reason> {
        let Kind::Symlink(link) = self.nodes[node as usize].kind else { return Ok(Some(node)) };
        *links = links.checked_sub(1).ok_or(Reason::Loop)?;
        match below_store(link.target) {
            Some(below) => self.walk(None, below, links),
            None if link.target.starts_with(b"/") => Err(Reason::Outside(copied(link.target))),
            None => self.walk(self.nodes[node as usize].parent, link.target, links),
        }
    }
}

/// Returns the part of an absolute path below the store's directory.
pub(super) fn below_store(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(STORE_DIR.as_bytes())?.strip_prefix(b"/")
}

fn store_path(name: &[u8]) -> Text {
    joined(&[STORE_DIR.as_bytes(), b"/", name])
}
