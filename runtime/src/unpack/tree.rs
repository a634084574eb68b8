//! Finds the path of each node below the directory to unpack to.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::{Extent, Kind, Node, References, Symlink};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::node::NodeNumber;
use super::rewrite::{self, Rewriter};
use crate::error::Error;
use crate::system::file;

/// Bytes of the longest path in a system call, without its NUL.
const PATH_LEN: usize = 4095;

/// Where and how to write store paths.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The directory in which they are created.
    pub directory: BorrowedFd<'a>,
    /// The name of each of the manifest's store paths; `None` for those to skip.
    pub names: &'a [Option<CString>],
    /// Rewrites references, if the store paths are relocated.
    pub rewriter: Option<&'a Rewriter>,
}

/// The nodes of an index, and the directory in which they are created.
pub(super) struct Tree<'a> {
    nodes: &'a [Node<'a>],
    /// The number of each node's store path.
    paths: Vec<u32>,
    destination: &'a Destination<'a>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(nodes: &'a [Node<'a>], destination: &'a Destination<'a>) -> Tree<'a> {
        let mut roots = 0;
        let number = |node: &Node<'_>| {
            roots += u32::from(node.parent.is_none());
            // Decoding ensures that the first node is a root.
            roots - 1
        };
        Tree { nodes, paths: nodes.iter().map(number).collect(), destination }
    }

    /// Returns the nodes of the store paths that are not skipped, in the index's order.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (NodeNumber, &Node<'a>)> {
        (0..).zip(self.nodes).filter(|(number, _)| self.root_name(*number).is_some())
    }

    /// Returns a file's content; an empty extent for other nodes.
    pub(super) fn extent(&self, number: NodeNumber) -> Extent {
        match self.nodes[number as usize].kind {
            Kind::File { content, .. } => content,
            _ => Extent { start: 0, len: 0 },
        }
    }

    /// Whether a node is an executable file.
    pub(super) fn is_executable(&self, number: NodeNumber) -> bool {
        matches!(self.nodes[number as usize].kind, Kind::File { executable: true, .. })
    }

    /// Relocates `bytes`, which start at `offset` in a file or a link's target, if the store paths
    /// are relocated.
    pub(super) fn rewrite(&self, number: NodeNumber, offset: u64, bytes: &mut [u8]) {
        if let Some(rewriter) = self.destination.rewriter {
            rewriter.rewrite(self.references(number), offset, bytes);
            if self.is_checked_pyc(number) {
                rewrite::skip_source_check(offset, bytes);
            }
        }
    }

    /// Undoes [`Tree::rewrite`]; returns `false` if the bytes are not those that it writes.
    pub(super) fn restore(&self, number: NodeNumber, offset: u64, bytes: &mut [u8]) -> bool {
        let Some(rewriter) = self.destination.rewriter else { return true };
        let is_ours = rewriter.restore(self.references(number), offset, bytes);
        is_ours & (!self.is_checked_pyc(number) || rewrite::restore_source_check(offset, bytes))
    }

    /// Whether a node is a compiled Python module that checks a digest of its source.
    pub(super) fn is_checked_pyc(&self, number: NodeNumber) -> bool {
        matches!(self.nodes[number as usize].kind, Kind::File { checked_pyc: true, .. })
    }

    fn references(&self, number: NodeNumber) -> References<'a> {
        match self.nodes[number as usize].kind {
            Kind::File { references, .. } | Kind::Symlink(Symlink { references, .. }) => references,
            Kind::Directory => References::default(),
        }
    }

    /// Calls `act` with a directory and the path from it to the node.
    pub(super) fn at<T>(
        &self,
        number: NodeNumber,
        operation: &'static str,
        act: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        let act = || {
            let (directory, path) = self.locate(number)?;
            act(directory.as_ref().map_or(self.directory(), |directory| directory.as_fd()), &path)
        };
        act().map_err(|errno| {
            let object = self.components(number).join(&b'/');
            Error::file(operation, &*object)(errno)
        })
    }

    /// Returns the directory in which all nodes are created.
    pub(super) fn directory(&self) -> BorrowedFd<'a> {
        self.destination.directory
    }

    /// Returns a path to the node, and the directory that it starts from. `None` stands for the
    /// tree's own directory; a long path needs another one.
    pub(super) fn locate(&self, number: NodeNumber) -> Result<(Option<OwnedFd>, CString), Errno> {
        let mut directory: Option<OwnedFd> = None;
        let mut path: Vec<u8> = Vec::new();
        for component in self.components(number) {
            if path.len() + 1 + component.len() > PATH_LEN {
                let from =
                    directory.as_ref().map_or(self.directory(), |directory| directory.as_fd());
                directory = Some(file::open_directory(from, &c_string(path)?)?);
                path = Vec::new();
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        Ok((directory, c_string(path)?))
    }

    /// Returns the names from the store path down to the node.
    fn components(&self, number: NodeNumber) -> Vec<&[u8]> {
        let mut components = Vec::new();
        let mut at = number;
        loop {
            let node = &self.nodes[at as usize];
            match node.parent {
                // Decoding ensures that a parent has a smaller number than its child.
                Some(parent) => {
                    components.push(node.name);
                    at = parent;
                }
                None => break,
            }
        }
        components.push(self.root_name(number).map_or(&b"?"[..], CStr::to_bytes));
        components.reverse();
        components
    }

    fn root_name(&self, number: NodeNumber) -> Option<&CStr> {
        self.destination.names.get(self.paths[number as usize] as usize)?.as_deref()
    }
}

/// Converts a path; decoding refuses names with NUL.
fn c_string(bytes: Vec<u8>) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| Errno::INVAL)
}
