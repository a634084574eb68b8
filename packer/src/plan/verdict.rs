//! The verdict on relocation: proven, likely or refused, and why.

use std::fmt;

use format::{Findings, Mode, Modes};
use serde::Serialize;

/// Whether references can be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Every reference stands in a file of a kind that is known to bear it.
    Proven,
    /// Nothing is known to break, but a file is doubtful.
    Likely,
    /// Something breaks.
    Refused,
}

impl Verdict {
    /// The verdict that follows from what was found.
    pub(crate) fn of(findings: &Findings) -> Verdict {
        match (findings.obstacles.is_empty(), findings.doubts.is_empty()) {
            (false, _) => Verdict::Refused,
            (true, false) => Verdict::Likely,
            (true, true) => Verdict::Proven,
        }
    }

    /// The order of the modes: where relocation is only likely, a namespace is tried first.
    pub(crate) fn order(self, modes: Modes) -> Modes {
        let is_likely = self == Verdict::Likely && modes.contains(Mode::Relocate);
        if is_likely { modes.namespace_first() } else { modes }
    }
}

/// The verdict, as people read it.
#[derive(Debug, Serialize)]
pub(crate) struct Relocation {
    pub(crate) verdict: Verdict,
    /// References that can be rewritten.
    pub(crate) references: usize,
    /// Files and links that have some.
    pub(crate) files: usize,
    /// Where references cannot be rewritten.
    pub(crate) obstacles: Vec<String>,
    /// Where nobody knows whether the file is right afterwards.
    pub(crate) doubts: Vec<String>,
    /// What the packager vouches for, with --relocate.
    pub(crate) vouched: Vec<String>,
}

impl Relocation {
    pub(crate) fn new(findings: Findings, references: usize, files: usize) -> Relocation {
        let verdict = Verdict::of(&findings);
        let Findings { obstacles, doubts, vouched } = findings;
        Relocation { verdict, references, files, obstacles, doubts, vouched }
    }

    /// The verdict in words.
    pub(crate) fn words(&self) -> &'static str {
        match self.verdict {
            Verdict::Proven => "relocatable",
            Verdict::Likely => "probably relocatable",
            Verdict::Refused => "not relocatable",
        }
    }
}

impl fmt::Display for Relocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Relocation { verdict, references, files, obstacles, doubts, .. } = self;
        let words = self.words();
        let reasons = match verdict {
            Verdict::Proven => {
                return write!(f, "{words} ({references} references in {files} files)");
            }
            Verdict::Likely => doubts,
            Verdict::Refused => obstacles,
        };
        match reasons.as_slice() {
            [] => f.write_str(words),
            [only] => write!(f, "{words} ({only})"),
            [first, rest @ ..] => {
                write!(f, "{words} ({first}; and {} more, see packer inspect)", rest.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_told() {
        let reasons = || vec!["a: why".to_owned(), "b: why".to_owned()];
        let text = |findings| Relocation::new(findings, 7, 2).to_string();
        let refused = Findings { obstacles: reasons(), doubts: reasons(), ..Findings::default() };
        assert_eq!(text(refused), "not relocatable (a: why; and 1 more, see packer inspect)");
        let likely = Findings { doubts: vec!["a: why".to_owned()], ..Findings::default() };
        assert_eq!(text(likely), "probably relocatable (a: why)");
        let proven = Findings { vouched: reasons(), ..Findings::default() };
        assert_eq!(text(proven), "relocatable (7 references in 2 files)");
    }
}
