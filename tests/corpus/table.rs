use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tests::source;

use crate::program::Program;

/// What packer says of relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proven,
    Likely,
    Refused,
}

/// What came out of running a program in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// Relocated, it is the same program.
    Same,
    /// Relocated, it is not.
    Differs,
    /// It cannot be relocated, and had a namespace.
    Namespace,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    verdict: Verdict,
    run: Run,
    paths: usize,
    bytes: u64,
    references: u64,
    /// The first of the reasons, and how many more there are.
    why: String,
}

/// What came out for each program.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<BTreeMap<Program, Row>>);

impl Verdict {
    /// Reads it from the field `relocation` of `packer inspect --json`.
    pub(crate) fn of(relocation: &Value) -> Verdict {
        match relocation["verdict"].as_str() {
            Some("proven") => Verdict::Proven,
            Some("likely") => Verdict::Likely,
            Some("refused") => Verdict::Refused,
            other => panic!("no verdict: {other:?}"),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::Likely => "likely",
            Verdict::Refused => "refused",
        }
    }
}

impl Run {
    fn text(self) -> &'static str {
        match self {
            Run::Same => "same",
            Run::Differs => "**differs**",
            Run::Namespace => "same, in a namespace",
        }
    }
}

impl Row {
    /// From what `packer inspect --json` says.
    pub(crate) fn new(verdict: Verdict, run: Run, info: &Value) -> Row {
        let relocation = &info["relocation"];
        let reasons = match verdict {
            Verdict::Refused => &relocation["obstacles"],
            Verdict::Likely | Verdict::Proven => &relocation["doubts"],
        };
        Row {
            verdict,
            run,
            paths: info["store_paths"].as_array().expect("store paths are listed").len(),
            bytes: info["bytes_before"].as_u64().expect("a size is a number"),
            references: relocation["references"].as_u64().expect("a count is a number"),
            why: why(reasons.as_array().expect("reasons are listed")),
        }
    }
}

/// The first reason without the hash of its store path, and how many more there are.
fn why(reasons: &[Value]) -> String {
    let Some(first) = reasons.first() else { return String::new() };
    let first = first.as_str().expect("a reason is text");
    let first = first.get(format::REFERENCE_LEN + 1..).unwrap_or(first).replace('|', "\\|");
    match reasons.len() {
        1 => first,
        count => format!("{first}; {} more", count - 1),
    }
}

/// Where the table begins in docs/relocation.md; it ends with the file.
const HEADING: &str = "## The corpus\n";

impl Table {
    /// Adds what came out for a program.
    pub(crate) fn add(&self, program: Program, row: Row) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(program, row);
    }

    /// The number of programs that something came out for.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Those whose relocation is refused.
    pub(crate) fn refused(&self) -> usize {
        self.count(|row| row.verdict == Verdict::Refused)
    }

    fn count(&self, is_counted: impl Fn(&Row) -> bool) -> usize {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.values().filter(|row| is_counted(row)).count()
    }

    /// Writes it into docs/relocation.md, and prints the figures.
    pub(crate) fn write(&self) {
        let path = source().join("docs/relocation.md");
        let text = fs::read_to_string(&path).expect("read docs/relocation.md");
        let (before, _) = text.split_once(HEADING).expect("it has the heading of the table");
        fs::write(&path, format!("{before}{HEADING}\n{}", self.text())).expect("write the table");
        println!("{}", self.figures());
    }

    /// How many there are of each verdict, and how many of them differ.
    fn figures(&self) -> String {
        let mut text = "| verdict | closures | ran differently |\n|---|---|---|\n".to_owned();
        for verdict in [Verdict::Proven, Verdict::Likely, Verdict::Refused] {
            let all = self.count(|row| row.verdict == verdict);
            let differ = self.count(|row| row.verdict == verdict && row.run == Run::Differs);
            let differ =
                if verdict == Verdict::Refused { "-".to_owned() } else { differ.to_string() };
            let _ = writeln!(text, "| {} | {all} | {differ} |", verdict.text());
        }
        text
    }

    fn text(&self) -> String {
        let mut text = format!(
            "`make test-corpus` packs these programs and writes this section. {ABOUT}\n\n{}\n",
            self.figures()
        );
        text.push_str("| program | store paths | MB | references | verdict | run | why |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for (program, row) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let megabytes = row.bytes.div_ceil(1_000_000);
            let (verdict, run) = (row.verdict.text(), row.run.text());
            let _ = writeln!(
                text,
                "| {} | {} | {megabytes} | {} | {verdict} | {run} | {} |",
                program.name(),
                row.paths,
                row.references,
                row.why
            );
        }
        text
    }
}

const ABOUT: &str = "Those of the kind `source` are built from source with a prefix in the store, as in nixpkgs; the \
others are made of Debian's packages (nix/README.md). Each is run alone, and relocated by an ordinary user where there \
is no `/nix`: output and exit status are compared, and then all unpacked files with their digests.";
