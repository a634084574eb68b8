//! Unfinished files: until they are whole, they have other names in the directory where they will be.
//!
//! Landlock can forbid renaming to another directory, whatever else it allows, so there is no directory for them.

use alloc::ffi::CString;
use core::ffi::CStr;

use rustix::fd::OwnedFd;

use super::directory::{Others, c_string};
use crate::error::Error;
use crate::system::file;
use crate::system::remove::remove;

/// The beginning of their names.
const PREFIX: &str = ".packed-";

/// Bytes of the longest file name on Linux, without its NUL.
const NAME_LEN: usize = 255;

/// Returns the name of a file until it is renamed to `name`. `tag` makes it different from those of other processes.
pub(crate) fn name(name: &CStr, tag: u64) -> CString {
    let mut unfinished = alloc::format!("{PREFIX}{:08x}-", tag & 0xffff_ffff).into_bytes();
    unfinished.extend_from_slice(name.to_bytes());
    // The names of store paths differ at their beginning.
    unfinished.truncate(NAME_LEN);
    c_string(unfinished)
}

/// Whether a file has a name of [`name`].
pub(crate) fn is_unfinished(name: &CStr) -> bool {
    name.to_bytes().starts_with(PREFIX.as_bytes())
}

/// Removes those that an interrupted process left in a directory. The caller holds the lock, and knows what `others` do
/// meanwhile.
pub(crate) fn remove_all(directory: &OwnedFd, others: Others) -> Result<(), Error> {
    let names = file::names(directory).map_err(Error::file("list", "unfinished files"))?;
    let is_left = |name: &&CString| is_unfinished(name) && !others.may_use(directory, name);
    for name in names.iter().filter(is_left) {
        remove(directory, name).map_err(Error::file("remove", &**name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_and_fit() {
        let long = c_string([b'a'; 254]);
        assert_eq!(name(&long, 1).to_bytes().len(), NAME_LEN);
        assert_eq!(*name(c"x", 0x1_0000_00ab), *c".packed-000000ab-x");
        assert!(is_unfinished(&name(c"x", 0)) && !is_unfinished(c"packed-x"));
    }
}
