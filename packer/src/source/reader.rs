//! Reads files of a store from start to end, and searches them for hashes.

use std::collections::BTreeSet;
use std::io::{self, Read as _};

use runtime::error::Escaped;

use super::node::Kind;
use super::reference::{Depth, Hashes, Occurrence, Scanner};
use super::store::Store;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Bytes read at once.
pub(crate) const BUFFER_LEN: usize = 256 << 10;

/// What [`Reader::read`] passes to its caller.
pub(crate) enum Part<'a> {
    /// The next bytes of a file's content.
    Bytes(&'a [u8]),
    /// A hash in the content or in a link's target.
    Hash(Occurrence),
}

/// Reads the nodes of a tree one by one, with the same buffer.
pub(crate) struct Reader<'a> {
    store: &'a Store,
    tree: &'a Tree,
    hashes: &'a Hashes,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Makes a reader that searches for `hashes`.
    pub(crate) fn new(store: &'a Store, tree: &'a Tree, hashes: &'a Hashes) -> Reader<'a> {
        Reader { store, tree, hashes, buffer: vec![0; BUFFER_LEN] }
    }

    /// Reads a node's content or target, and searches it for hashes.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or its length differs from the length in the tree.
    pub(crate) fn read(
        &mut self,
        number: u32,
        depth: Depth,
        mut take: impl FnMut(Part<'_>),
    ) -> Result<()> {
        let mut scanner = Scanner::new(self.hashes, depth);
        match &self.tree.node(number).kind {
            Kind::Directory => Ok(()),
            Kind::Symlink { target } => {
                scanner.feed(target, |hash| take(Part::Hash(hash)));
                Ok(())
            }
            Kind::File { len, .. } => self.for_each_piece(number, *len, |piece| {
                take(Part::Bytes(piece));
                scanner.feed(piece, |hash| take(Part::Hash(hash)));
            }),
        }
    }

    /// Adds the numbers of the hashes in a node's name, target or content to `found`; advances the progress bar.
    ///
    /// # Errors
    ///
    /// The same as for [`Reader::read`].
    pub(crate) fn references(
        &mut self,
        number: u32,
        found: &mut BTreeSet<u32>,
        progress: &Progress,
    ) -> Result<()> {
        self.hashes.find(&self.tree.node(number).name, |_, number| {
            found.insert(number);
        });
        self.read(number, Depth::Plain, |part| match part {
            Part::Bytes(bytes) => progress.advance(bytes.len()),
            Part::Hash(hash) => {
                found.insert(hash.number);
            }
        })
    }

    fn for_each_piece(&mut self, number: u32, len: u64, mut take: impl FnMut(&[u8])) -> Result<()> {
        let location = self.tree.location(number);
        let failed = |error| Error::in_store("read", &location, error);
        let mut file = self.store.open_file(&location).map_err(failed)?;
        let mut rest = len;
        loop {
            let count = match file.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count.map_err(failed)?,
            };
            rest = match rest.checked_sub(count as u64) {
                Some(0) if count == 0 => return Ok(()),
                Some(rest) if count != 0 => rest,
                _ => return Err(Error::Changed { path: Escaped(&location).to_string() }),
            };
            take(&self.buffer[..count]);
        }
    }
}
