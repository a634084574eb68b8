//! Files, directories and symbolic links, as a NAR knows them.

use format::nar;

/// The kind of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { executable: bool, len: u64 },
    Symlink { target: Vec<u8> },
}

impl Kind {
    /// Converts it to the kind in a NAR.
    pub(crate) fn in_nar(&self) -> nar::Kind<'_> {
        match self {
            Kind::Directory => nar::Kind::Directory,
            Kind::File { executable, len } => {
                nar::Kind::File { executable: *executable, len: *len }
            }
            Kind::Symlink { target } => nar::Kind::Symlink { target },
        }
    }
}

/// A file, directory or symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The number of its directory; `None` for the root node of a store path.
    pub(crate) parent: Option<u32>,
    /// The name in its directory; empty for the root node of a store path.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// The number after the last node below this one.
    pub(crate) end: u32,
}
