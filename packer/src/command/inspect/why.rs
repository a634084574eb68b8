//! `packer inspect --why`: by which references a store path is in the closure.

use std::fmt::Write as _;

use serde::Serialize;

use super::graph::{Graph, Path, Root};
use crate::error::{Error, Result};
use crate::sbom::name;
use crate::show;

/// The answer for each store path that was meant; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Why(Vec<Answer>);

#[derive(Debug, Serialize)]
struct Answer {
    path: String,
    /// The shortest chain from each root that reaches it.
    chains: Vec<Vec<Step>>,
}

/// A store path of a chain.
#[derive(Debug, Serialize)]
struct Step {
    path: String,
    /// The entries in it, if the chain begins here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entries: Vec<String>,
    /// The first of its files that refers to the next step; `None` at the end, and if the bundle lists no references.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl Why {
    /// Finds the chains to the store path that `wanted` names; to each of them, if it is a name.
    ///
    /// # Errors
    ///
    /// If the closure has no such store path.
    pub(super) fn new(graph: &Graph, wanted: &str, bundle: &str) -> Result<Why> {
        let meant: Vec<usize> =
            (0..graph.paths.len()).filter(|path| is_meant(&graph.paths[*path], wanted)).collect();
        if meant.is_empty() {
            return Err(Error::NotInBundle {
                wanted: show::text(wanted),
                bundle: bundle.to_owned(),
                nearest: nearest(graph, wanted),
            });
        }
        let answer = |path: usize| Answer {
            path: graph.paths[path].full(),
            chains: graph.roots.iter().filter_map(|root| chain(graph, root, path)).collect(),
        };
        Ok(Why(meant.into_iter().map(answer).collect()))
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        for (number, chain) in self.0.iter().flat_map(|answer| &answer.chains).enumerate() {
            if number > 0 {
                writeln!(text)?;
            }
            let mut file = None;
            for (depth, step) in chain.iter().enumerate() {
                if depth > 0 {
                    write!(text, "{:1$}└───", "", 4 * (depth - 1))?;
                }
                if let Some(file) = file {
                    write!(text, "{file}: ")?;
                }
                write!(text, "{}", step.path)?;
                match step.entries.as_slice() {
                    [] => writeln!(text)?,
                    entries => writeln!(text, " (entry {})", entries.join(", "))?,
                }
                file = step.file.as_ref();
            }
        }
        Ok(())
    }
}

/// Whether `wanted` is the store path or a path below it, the beginning of its hash, or its name with or without the
/// version.
fn is_meant(path: &Path, wanted: &str) -> bool {
    if let Some(below) = wanted.strip_prefix(format::STORE_DIR).and_then(|w| w.strip_prefix('/')) {
        return below.split('/').next() == Some(&path.base_name);
    }
    !wanted.is_empty()
        && (path.base_name.starts_with(wanted)
            || path.name == wanted
            || name::split(&path.name).0 == wanted)
}

/// The name in the closure that is most like `wanted`.
fn nearest(graph: &Graph, wanted: &str) -> String {
    let base_name = wanted.rsplit('/').next().unwrap_or(wanted);
    let (_, name) = base_name.split_at_checked(format::HASH_TEXT_LEN + 1).unwrap_or(("", wanted));
    let names = graph.paths.iter().flat_map(|path| [&*path.name, name::split(&path.name).0]);
    let distance = |other: &str| {
        [name, wanted].map(|wanted| strsim::damerau_levenshtein(wanted, other)).into_iter().min()
    };
    names.min_by_key(|other| (distance(other), (*other).to_owned())).unwrap_or_default().to_owned()
}

fn chain(graph: &Graph, root: &Root, path: usize) -> Option<Vec<Step>> {
    let way = graph.way(root.path, path)?;
    let step = |(at, path): (usize, &usize)| Step {
        path: graph.paths[*path].full(),
        entries: if at == 0 { root.entries.clone() } else { Vec::new() },
        file: way.get(at + 1).and_then(|next| graph.places.get(&(*path, *next)).cloned()),
    };
    Some(way.iter().enumerate().map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    #[test]
    fn chain_says_which_file_refers() {
        let why = Why::new(&graph(&[&[1], &[2], &[]]), "c", "x").unwrap();
        let path = |letter| format!("/nix/store/{letter}{}-{letter}-1.0", "0".repeat(31));
        let expected =
            format!("{} (entry a)\n└───bin/x: {}\n    └───{}\n", path('a'), path('b'), path('c'));
        assert_eq!(why.text(), expected);
    }

    #[test]
    fn store_paths_are_named_in_several_ways() {
        let graph = graph(&[&[1, 2], &[2], &[]]);
        let c = format!("c{}-c-1.0", "0".repeat(31));
        for wanted in
            ["c", "c-1.0", "c000", &c, &format!("/nix/store/{c}"), &format!("/nix/store/{c}/bin/x")]
        {
            let Why(answers) = Why::new(&graph, wanted, "x").unwrap();
            assert!(answers.len() == 1 && answers[0].path.ends_with(&c), "{wanted}: {answers:?}");
        }
        for (wanted, near) in [("c-2.0", "c-1.0"), ("/nix/store/x", "a"), ("", "a")] {
            let error = Why::new(&graph, wanted, "x").unwrap_err();
            assert!(error.hint().contains(&format!("nearest name is {near}")), "{}", error.hint());
        }
    }
}
