//! The table in docs/relocation.md: the verdict on each program, and what came out of running it.

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

/// The table in docs/relocation.md, which a run keeps up to date: rows of programs that it does not run stay.
#[derive(Debug)]
pub(crate) struct Table {
    /// The names of all programs, and whether they break.
    programs: BTreeMap<String, bool>,
    /// One at a time.
    lock: Mutex<()>,
}

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
    let first = first.get(format::REFERENCE_LEN + 1..).unwrap_or(first).replace('|', "/");
    match reasons.len() {
        1 => first,
        count => format!("{first}; {} more", count - 1),
    }
}

/// Where the table begins in docs/relocation.md; it ends with the file.
const HEADING: &str = "## The corpus\n";

/// The head of the table.
const HEAD: &str = "| program | store paths | MB | references | verdict | run | why |\n|---|---|---|---|---|---|---|\n";

/// The columns of the verdict and of the run.
const VERDICT: usize = 5;
const RUN: usize = 6;

/// The rows by the names of programs.
type Rows = BTreeMap<String, String>;

impl Table {
    /// The table for these programs.
    pub(crate) fn new(programs: &[Program]) -> Table {
        let programs = programs.iter().map(|program| (program.name(), program.breaks)).collect();
        Table { programs, lock: Mutex::default() }
    }

    /// Writes what came out for a program.
    pub(crate) fn add(&self, program: &Program, row: &Row) {
        let _lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let path = source().join("docs/relocation.md");
        let (before, mut rows) = self.read();
        rows.insert(program.name(), row.line(program));
        let table: String = rows.values().map(|row| row.to_owned() + "\n").collect();
        let text = format!("{before}{HEADING}\n{ABOUT}\n\n{}\n{HEAD}{table}", self.figures(&rows));
        fs::write(&path, text).expect("write the table");
    }

    /// Prints the figures; returns how many closures are refused, and how many there are.
    pub(crate) fn end(&self) -> (usize, usize) {
        let (_, rows) = self.read();
        println!("{}", self.figures(&rows));
        let all = self.some(&rows, false);
        (
            all.iter().filter(|row| cell(row, VERDICT) == Some(Verdict::Refused.text())).count(),
            all.len(),
        )
    }

    /// The rows of the programs that break, or of the others.
    fn some<'a>(&self, rows: &'a Rows, breaks: bool) -> Vec<&'a String> {
        let is_one = |(name, row)| (self.programs.get(name) == Some(&breaks)).then_some(row);
        rows.iter().filter_map(is_one).collect()
    }

    /// How many there are of each verdict, and how many of them differ.
    fn figures(&self, rows: &Rows) -> String {
        let mut text =
            "| verdict | closures | ran differently | made to break |\n|---|---|---|---|\n"
                .to_owned();
        for verdict in [Verdict::Proven, Verdict::Likely, Verdict::Refused].map(Verdict::text) {
            let is_of = |row: &&&String| cell(row, VERDICT) == Some(verdict);
            let differs = |row: &&&String| cell(row, RUN) == Some(Run::Differs.text());
            let all = self.some(rows, false);
            let differ = all.iter().filter(is_of).filter(differs).count();
            let made = self.some(rows, true).iter().filter(is_of).count();
            let all = all.iter().filter(is_of).count();
            let _ = writeln!(text, "| {verdict} | {all} | {differ} | {made} |");
        }
        text
    }

    /// The document before the table, and the rows of programs that there are.
    fn read(&self) -> (String, Rows) {
        let text = fs::read_to_string(source().join("docs/relocation.md"));
        let text = text.expect("read docs/relocation.md");
        let (before, table) = text.split_once(HEADING).expect("it has the heading of the table");
        let row = |line: &str| Some((cell(line, 1)?.to_owned(), line.to_owned()));
        let rows = table.lines().filter_map(row);
        (before.to_owned(), rows.filter(|(name, _)| self.programs.contains_key(name)).collect())
    }
}

fn cell(line: &str, column: usize) -> Option<&str> {
    line.split('|').nth(column).map(str::trim)
}

impl Row {
    fn line(&self, program: &Program) -> String {
        let megabytes = self.bytes.div_ceil(1_000_000);
        let (verdict, run) = (self.verdict.text(), self.run.text());
        format!(
            "| {} | {} | {megabytes} | {} | {verdict} | {run} | {} |",
            program.name(),
            self.paths,
            self.references,
            self.why
        )
    }
}

const ABOUT: &str = "\
`make test-corpus` packs these programs and writes this section. Those of the kind `source` are built from source with a
prefix in the store, as in nixpkgs; the others are made of Debian's packages ([nix/README.md](../nix/README.md)). Each
is run alone, and relocated by an ordinary user where there is no `/nix`: output and exit status are compared, and then
all unpacked files with their digests. Some programs were made to break: their builds write store paths where they do
not bear relocation, so they must not be proven.";
