//! The programs of the corpus: tables in the files of nix/corpus/programs and nix/source/programs.

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Closure, source};

/// A program of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Program {
    /// The set that has it, and its file there.
    set: Set,
    kind: String,
    name: String,
    /// Whether its build writes store paths where they do not bear relocation: then it must not be proven.
    pub(crate) breaks: bool,
    /// Whether it works without what `--slim` leaves out.
    pub(crate) slim: bool,
}

/// A set of programs: an attribute of nix/default.nix, of which `all` has a link to each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    /// Out of Debian's packages.
    Corpus,
    /// Built from source.
    Source,
}

impl Set {
    fn attribute(self) -> &'static str {
        match self {
            Set::Corpus => "corpus",
            Set::Source => "source",
        }
    }
}

/// The programs of both sets.
pub(crate) fn all() -> Vec<Program> {
    let mut programs = Vec::new();
    for set in [Set::Corpus, Set::Source] {
        let directory = source().join("nix").join(set.attribute()).join("programs");
        for file in fs::read_dir(&directory).expect("list the kinds of programs") {
            let file = file.expect("list the kinds of programs").path();
            if file.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let kind = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            for (name, breaks, slim) in named(&file) {
                programs.push(Program { set, kind: kind.clone(), name, breaks, slim });
            }
        }
    }
    programs.sort();
    programs
}

/// The names of the tables of a TOML file, their `breaks` and `slim`.
fn named(file: &Path) -> Vec<(String, bool, bool)> {
    let text = fs::read_to_string(file).expect("read a list of programs");
    let table: toml::Table = text.parse().expect("a list of programs is TOML");
    let is = |program: &toml::Value, key: &str, otherwise| {
        program.get(key).and_then(toml::Value::as_bool).unwrap_or(otherwise)
    };
    let named = |(name, program): (&String, &toml::Value)| {
        (name.clone(), is(program, "breaks", false), is(program, "slim", true))
    };
    table.iter().map(named).collect()
}

impl Program {
    /// `kind/name`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Its store path. The first call builds all programs of its set.
    pub(crate) fn closure(&self) -> Closure {
        let all = Closure::example(&format!("{}.all", self.set.attribute()));
        let path: PathBuf = fs::canonicalize(all.path.join(self.name())).expect("Nix built it");
        Closure { path }
    }
}
