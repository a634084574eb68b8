//! The files that are installed.

use super::record::{Key, Path};
use super::text::Text;

/// What the files are named for.
#[derive(Clone, Copy)]
pub(super) struct Names {
    /// The absolute path of the bundle.
    pub(super) bundle: Text,
    /// The digest of the bundle, as text.
    pub(super) digest: Text,
    pub(super) key: Key,
    /// The absolute path of the data directory.
    pub(super) home: Text,
}

/// A file to install.
#[derive(Clone, Copy)]
pub(super) struct NewFile {
    /// Its path below the data directory.
    pub(super) path: Path,
    pub(super) content: Content,
}

#[derive(Clone, Copy)]
pub(super) enum Content {
    Bytes(Text),
    /// A link to this path.
    Link(Path),
}
