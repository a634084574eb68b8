//! `packer find`: finds store paths by name, for those who have no Nix to evaluate what they want.

use std::time::Duration;

use format::{STORE_DIR, StorePath};
use serde::Serialize;

use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::sbom::name::Name;
use crate::show;
use crate::source::binary_cache;

/// Names that a message suggests.
const SUGGESTIONS: usize = 5;

/// The smallest similarity of a name that a message suggests.
const SIMILAR: f64 = 0.7;

/// A store path that was found; the field names are the keys of the JSON output.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Found {
    name: String,
    version: String,
    /// The output, where its name says it; none for the usual one.
    output: Option<String>,
    path: String,
}

/// Prints the store paths of a list that have a name.
///
/// # Errors
///
/// If the list cannot be read, or has no such name.
pub(crate) fn find(options: &cli::Find) -> Result<()> {
    let progress = Progress::new();
    progress.start("reading", None);
    let silence = Duration::from_secs(options.timeout.into());
    let mut search = Search::new(&options.name);
    binary_cache::list::read(&options.paths, silence, &progress, |path| search.look(&path))?;
    drop(progress);
    let Search { mut found, mut similar, .. } = search;
    if found.is_empty() {
        similar.sort_by(|(a, name), (b, other)| b.total_cmp(a).then_with(|| name.cmp(other)));
        let names = similar.into_iter().take(SUGGESTIONS).map(|(_, name)| show::text(&name));
        let names: Vec<String> = names.collect();
        let (list, name) = (show::text(&options.paths), show::text(&options.name));
        return Err(Error::NotInList { list, name, similar: names.join(", ") });
    }
    found.sort();
    if options.json {
        return print::json(&found);
    }
    print::text(&found.iter().map(|found| format!("{}\n", found.path)).collect::<String>())
}

/// A search for a name, with or without a version.
struct Search<'a> {
    name: &'a str,
    found: Vec<Found>,
    /// Other names, with how similar they are.
    similar: Vec<(f64, String)>,
}

impl Search<'_> {
    fn new(name: &str) -> Search<'_> {
        Search { name, found: Vec::new(), similar: Vec::new() }
    }

    fn look(&mut self, path: &StorePath) {
        let Name { package, version, output } = Name::of(path, None);
        if path.name() == self.name || package == self.name {
            let path = format!("{STORE_DIR}/{path}");
            self.found.push(Found { name: package, version, output, path });
            return;
        }
        let is_part = package.contains(self.name);
        let likeness = if is_part { 1.0 } else { strsim::jaro_winkler(&package, self.name) };
        if likeness >= SIMILAR && self.similar.iter().all(|(_, name)| *name != package) {
            self.similar.push((likeness, package));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_the_whole_or_without_version() {
        let paths = ["hello-2.12", "hello-2.12-man", "hello-world-1.0", "othello-1"];
        let look = |name: &str| {
            let mut search = Search::new(name);
            for (digit, name) in (0..).zip(paths) {
                let base_name = format!("{digit}b9p07z77phvv2hf6gm9f28syp39f1ag-{name}");
                search.look(&StorePath::parse(base_name.as_bytes()).unwrap());
            }
            let count = search.found.len();
            (count, search.similar.into_iter().map(|(_, name)| name).collect::<Vec<_>>())
        };
        assert_eq!(look("hello").0, 2);
        assert_eq!(look("hello-2.12").0, 1);
        assert_eq!(look("hello-world").0, 1);
        assert_eq!(
            look("hallo"),
            (0, ["hello", "hello-world", "othello"].map(String::from).into())
        );
        assert_eq!(look("zlib"), (0, Vec::new()));
    }
}
