//! Finds the path that runs an entry of the bundle.

use alloc::ffi::CString;
use alloc::vec::Vec;

use format::Descriptor;

use super::exec::base_name;
use super::new_file::{Content, Names, NewFile};
use super::text::{Text, joined};
use crate::entry::choose;

/// The paths that run the entries of a bundle.
pub(super) struct Programs<'a> {
    pub(super) descriptor: &'a Descriptor,
    pub(super) names: &'a Names,
    /// The links that are needed.
    pub(super) links: Vec<NewFile>,
}

impl Programs<'_> {
    /// Returns the path that runs the entry of this name; `None` if there is no such entry.
    ///
    /// This is the bundle's own path, if its name selects the entry; otherwise a link to it with the entry's name. A
    /// program's path must not have `=`, by the specification, and GLib finds none with `%`: then it is the link, too.
    pub(super) fn path(&mut self, name: &[u8]) -> Option<Text> {
        let Descriptor { entries, paths, .. } = self.descriptor;
        let entry = entries.iter().find(|entry| entry.name(paths) == name)?;
        let bundle = self.names.bundle;
        let as_called = CString::new(base_name(bundle)).ok()?;
        if choose(self.descriptor, Some(&as_called)) == entry
            && !bundle.iter().any(|byte| b"=%".contains(byte))
        {
            return Some(bundle);
        }
        let path = joined(&[self.names.key.directory(), b"/bin/", name]);
        let absolute = joined(&[self.names.home, b"/", path]);
        if self.links.iter().all(|link| link.path != path) {
            self.links.push(NewFile { path, content: Content::Link(bundle) });
        }
        Some(absolute)
    }
}
