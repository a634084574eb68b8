//! The verdict on relocation: whether all references can be rewritten.

use std::fmt;

use serde::Serialize;

use crate::scan::content::Content;

/// The verdict; the field names are keys of the JSON output.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// The number of references that can be rewritten.
    pub(crate) references: usize,
    /// The number of files and symbolic links with such references.
    pub(crate) files: usize,
    /// What prevents relocation; empty if all references can be rewritten.
    pub(crate) obstacles: Vec<String>,
}

impl Verdict {
    pub(crate) fn new(content: &Content) -> Verdict {
        let (references, files) = content.count_references();
        let obstacles = content.obstacles().map(str::to_owned).collect();
        Verdict { references, files, obstacles }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { references, files, obstacles } = self;
        match obstacles.as_slice() {
            [] => write!(f, "relocatable ({references} references in {files} files)"),
            [only] => write!(f, "not relocatable ({only})"),
            [first, rest @ ..] => {
                let more = rest.len();
                write!(f, "not relocatable ({first}; and {more} more, see packer inspect)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_obstacle_is_told() {
        let obstacles = ["a: why".to_owned(), "b: why".to_owned()];
        let relocation = Verdict { references: 0, files: 0, obstacles: obstacles.into() };
        assert_eq!(
            relocation.to_string(),
            "not relocatable (a: why; and 1 more, see packer inspect)"
        );
    }
}
