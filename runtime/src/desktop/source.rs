//! Reads the files of a closure that belong to its programs, and says which are left out.

use alloc::vec::Vec;

use format::{Descriptor, Extent, Index};

use super::closure::Closure;
use super::left_out::{AllLeftOut, LeftOut, Reason};
use super::record::Path;
use super::text::{Text, is_plain, joined, kept};
use crate::error::Error;
use crate::payload::{Payload, Sections};

/// Bytes of the largest other file.
pub(super) const FILE_LEN: u64 = 8 << 20;

/// Files below a directory that are looked at: the largest icon themes have a third of that.
const FILES: usize = 100_000;

/// Directories that are nested below `share/icons` and such: theme, size and context in real ones.
const DEPTH: usize = 6;

/// A file of the closure, with its path below the directory that was searched.
pub(super) type Found = (Path, Text);

/// Reads the files of a closure.
pub(super) struct Source<'a> {
    pub(super) payload: &'a Payload<'a>,
    pub(super) sections: &'a Sections,
    pub(super) index: &'a Index<'a>,
    pub(super) closure: Closure<'a>,
    /// The nodes of the store paths whose files are installed.
    pub(super) roots: Vec<u32>,
    pub(super) left_out: AllLeftOut,
}

/// Returns the nodes of the store paths that have entries of the bundle, and then of those that no other refers to.
pub(super) fn roots(
    closure: &Closure<'_>,
    sections: &Sections,
    descriptor: &Descriptor,
) -> Vec<u32> {
    let paths = &sections.manifest.paths;
    let entries = descriptor.entries.iter().map(|entry| usize::from(entry.path));
    let entries = entries.filter_map(|path| closure.root(&descriptor.paths[path].path));
    let mut roots: Vec<u32> = entries.collect();
    let mut used: Vec<bool> = paths.iter().map(|_| false).collect();
    for &number in paths.iter().flat_map(|path| &path.references) {
        // Decoding ensures that references are numbers of store paths.
        used[number as usize] = true;
    }
    let unused = paths.iter().zip(used).filter(|(_, used)| !used);
    roots.extend(unused.filter_map(|(packed, _)| closure.root(&packed.path)));
    let mut once = Vec::new();
    for root in roots {
        if !once.contains(&root) {
            once.push(root);
        }
    }
    once
}

impl Source<'_> {
    /// Notes that a file is not installed.
    pub(super) fn leave_out(&mut self, directory: &[u8], path: &[u8], reason: Reason) {
        let file = joined(&[directory, b"/", path]);
        self.left_out.push(LeftOut { file, reason });
    }

    /// Reads the files below a directory of the roots whose names are wanted.
    pub(super) fn read(
        &mut self,
        directory: &[u8],
        limit: u64,
        is_wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<Found>, Error> {
        let (mut paths, mut extents, mut looked_at) = (Vec::new(), Vec::new(), 0);
        for root in self.roots.clone() {
            let mut open = match self.closure.find(Some(root), directory) {
                Ok(top) => Vec::from([(top, &b""[..], 0)]),
                Err(Reason::Absent) => continue,
                Err(reason) => {
                    self.leave_out(directory, b"", reason);
                    continue;
                }
            };
            while let Some((node, above, depth)) = open.pop() {
                let mut next = self.closure.first_child(node);
                while let Some(child) = next {
                    next = self.closure.sibling(node, child);
                    looked_at += 1;
                    if looked_at > FILES {
                        self.leave_out(directory, b"", Reason::TooMany(FILES));
                        return self.contents(paths, &extents);
                    }
                    let name = self.closure.name(child);
                    let path = joined(&[above, name]);
                    let wanted = is_wanted(name);
                    let reason = match self.closure.follow(child) {
                        // A directory may have what is wanted.
                        Err(_) if !wanted && name.contains(&b'.') => continue,
                        Err(reason) => reason,
                        Ok(_) if !is_plain(name) => Reason::OddName,
                        Ok(target) if self.closure.is_directory(target) && !wanted => {
                            if depth < DEPTH {
                                open.push((target, joined(&[path, b"/"]), depth + 1));
                            }
                            continue;
                        }
                        Ok(_) if !wanted => continue,
                        Ok(target) if self.closure.is_directory(target) => Reason::Directory,
                        Ok(target) => {
                            let extent = self.closure.extent(target);
                            match paths.iter().position(|known| *known == path) {
                                _ if extent.len > limit => Reason::TooLarge(limit),
                                Some(same) if extents[same] == extent => continue,
                                Some(_) => Reason::SameName,
                                None => {
                                    paths.push(path);
                                    extents.push(extent);
                                    continue;
                                }
                            }
                        }
                    };
                    self.leave_out(directory, path, reason);
                }
            }
        }
        self.contents(paths, &extents)
    }

    fn contents(&self, paths: Vec<Path>, extents: &[Extent]) -> Result<Vec<Found>, Error> {
        let contents = self.payload.contents(self.sections, self.index, extents)?;
        Ok(paths.into_iter().zip(contents.into_iter().map(kept)).collect())
    }

    /// Reads a file that is named by its path in the store; `None` if there is no such file.
    pub(super) fn read_absolute(&mut self, path: Text) -> Result<Option<Text>, Error> {
        let reason = match self.closure.find_absolute(path) {
            Ok(node) if self.closure.is_directory(node) => Reason::Directory,
            Ok(node) => {
                let extent = self.closure.extent(node);
                if extent.len <= FILE_LEN {
                    let found = self.contents([path].into(), &[extent])?.pop();
                    return Ok(found.map(|(_, content)| content));
                }
                Reason::TooLarge(FILE_LEN)
            }
            Err(reason) => reason,
        };
        self.left_out.push(LeftOut { file: path, reason });
        Ok(None)
    }
}
