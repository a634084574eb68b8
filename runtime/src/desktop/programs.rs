//! Finds the path that runs an entry of the bundle.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;

use format::Descriptor;

use super::collect::Names;
use super::exec::base_name;
use crate::entry::choose;

/// The paths that run the entries of a bundle.
pub(super) struct Programs<'a> {
    descriptor: &'a Descriptor,
    names: &'a Names<'a>,
    /// The links that are needed.
    links: Vec<(String, Vec<u8>)>,
}

impl<'a> Programs<'a> {
    pub(super) fn new(descriptor: &'a Descriptor, names: &'a Names<'a>) -> Programs<'a> {
        Programs { descriptor, names, links: Vec::new() }
    }

    /// Returns the path that runs the entry of this name; `None` if there is no such entry.
    ///
    /// This is the bundle's own path, if its name selects the entry; otherwise a link to it with the entry's name. A
    /// program's path must not have `=`, by the specification: then it is the link, too.
    pub(super) fn path(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let Descriptor { entries, paths, .. } = self.descriptor;
        let entry = entries.iter().find(|entry| entry.name(paths) == name)?;
        let bundle = self.names.bundle.as_bytes();
        let as_called = CString::new(base_name(bundle)).ok()?;
        if choose(self.descriptor, Some(&as_called)) == entry && !bundle.contains(&b'=') {
            return Some(bundle.into());
        }
        let name = core::str::from_utf8(name).ok()?;
        let link = alloc::format!("{}/bin/{name}", self.names.key.directory());
        let path = alloc::format!("{}/{link}", self.names.home);
        if self.links.iter().all(|(known, _)| *known != link) {
            self.links.push((link, bundle.into()));
        }
        Some(path.into_bytes())
    }

    /// Returns the links that are needed: their paths below the data directory, and where they lead.
    pub(super) fn into_links(self) -> Vec<(String, Vec<u8>)> {
        self.links
    }
}
