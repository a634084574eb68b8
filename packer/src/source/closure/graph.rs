//! Reads the closure from a file that Nix writes for a build. Inside a build, Nix's database is not available.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use format::{STORE_DIR, StorePath};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::show;

/// Each store path with its references; `None` if the file does not list references.
type Graph = BTreeMap<StorePath, Option<Vec<StorePath>>>;

/// The parsed value, or the reason why the file is not a graph.
type Parsed<T> = std::result::Result<T, &'static str>;

/// Reads the closure from `file`: its roots, and its store paths.
///
/// If `roots` is empty, the roots are the store paths that no other store path refers to.
///
/// # Errors
///
/// If the file is not a graph, or the roots are unknown. Also if the graph is not complete, since the bundle would
/// lack files that its programs need.
pub(super) fn read(file: &Path, roots: Vec<StorePath>) -> Result<(Vec<StorePath>, Vec<StorePath>)> {
    let content = fs::read(file).map_err(|error| Error::io("read", file, error))?;
    let name = || show::path(file);
    let graph = parse(&content).map_err(|reason| Error::NoGraph { path: name(), reason })?;
    let references = |path: &StorePath| graph[path].iter().flatten();
    if let Some(path) =
        graph.keys().flat_map(references).chain(&roots).find(|path| !graph.contains_key(path))
    {
        return Err(Error::NotInGraph { path: format!("{STORE_DIR}/{path}"), graph: name() });
    }
    let paths: Vec<StorePath> = graph.keys().cloned().collect();
    if !roots.is_empty() {
        return Ok((roots, paths));
    }
    let others = |path| references(path).filter(move |reference| *reference != path);
    let needed: BTreeSet<&StorePath> = graph.keys().flat_map(others).collect();
    let mut roots = paths.clone();
    roots.retain(|path| !needed.contains(path));
    if roots.is_empty() || paths.len() > 1 && graph.values().any(Option::is_none) {
        return Err(Error::NoRoot { graph: name() });
    }
    roots.sort_by_cached_key(ToString::to_string);
    Ok((roots, paths))
}

/// Parses a graph; recognises the form of the file by its content.
fn parse(content: &[u8]) -> Parsed<Graph> {
    let text = str::from_utf8(content).map_err(|_| "it is not text")?;
    if text.starts_with('{') {
        return structured(text);
    }
    let mut lines = text.lines();
    let second = text.lines().nth(1);
    if second.is_none_or(|line| line.starts_with(STORE_DIR)) {
        // The form of closureInfo's store-paths.
        let graph: Graph =
            lines.map(|line| Ok((store_path(line)?, None))).collect::<Parsed<_>>()?;
        return if graph.is_empty() { Err("it is empty") } else { Ok(graph) };
    }
    // The number of lines between a path and the count of its references. exportReferencesGraph writes the deriver;
    // closureInfo's registration, like `nix-store --dump-db`, writes NAR hash, NAR size and deriver.
    let between = if second == Some("") { 1 } else { 3 };
    let mut graph = Graph::new();
    while let Some(line) = lines.next() {
        let path = store_path(line)?;
        let count = lines.nth(between).and_then(|line| line.parse::<usize>().ok());
        let count = count.ok_or("a number of references is missing")?;
        let references: Vec<StorePath> =
            lines.by_ref().take(count).map(store_path).collect::<Parsed<_>>()?;
        if references.len() < count {
            return Err("it ends early");
        }
        graph.insert(path, Some(references));
    }
    Ok(graph)
}

/// Parses `.attrs.json`: the graphs are attributes, and the keys of exportReferencesGraph are their names.
fn structured(text: &str) -> Parsed<Graph> {
    let attributes: Value = serde_json::from_str(text).map_err(|_| "it is malformed JSON")?;
    let requested = attributes.get("exportReferencesGraph").and_then(Value::as_object);
    let names = requested.ok_or("it has no exportReferencesGraph")?.keys();
    let mut graph = Graph::new();
    for name in names {
        let paths = attributes.get(name).and_then(Value::as_array);
        for entry in paths.ok_or("a graph that exportReferencesGraph names is missing")? {
            let path = entry.get("path").and_then(Value::as_str).ok_or("a path is missing")?;
            let references = entry.get("references").and_then(Value::as_array);
            let references = references.ok_or("references are missing")?.iter();
            let references = references.map(|path| store_path(path.as_str().unwrap_or_default()));
            graph.insert(store_path(path)?, Some(references.collect::<Parsed<_>>()?));
        }
    }
    if graph.is_empty() { Err("its exportReferencesGraph is empty") } else { Ok(graph) }
}

fn store_path(line: &str) -> Parsed<StorePath> {
    let path = StorePath::parse_full(line.as_bytes());
    path.map_err(|_| "it contains something that is not a store path")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    /// Reads a file with this text, where A, B and C stand for store paths; returns the roots and the path count.
    fn read(text: &str, roots: &[&str]) -> Result<(Vec<String>, usize)> {
        let whole = |letter, path| (letter, format!("{STORE_DIR}/{path}"));
        let paths = [whole('A', MARKOV), whole('B', BASH), whole('C', GLIBC)];
        let text =
            paths.iter().fold(text.to_owned(), |text, (letter, path)| text.replace(*letter, path));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, text).unwrap();
        let roots = roots.iter().map(|root| StorePath::parse(root.as_bytes()).unwrap()).collect();
        let (roots, paths) = super::read(file.path(), roots)?;
        Ok((roots.iter().map(ToString::to_string).collect(), paths.len()))
    }

    #[test]
    fn every_form_gives_the_same() {
        let entry = |path, references| {
            format!(r#"{{"path": "{path}", "references": [{references}], "narSize": 1}}"#)
        };
        let entries = [entry("A", r#""A", "B""#), entry("B", r#""C""#), entry("C", "")].join(",");
        let structured =
            format!(r#"{{"exportReferencesGraph": {{"closure": ["A"]}}, "closure": [{entries}]}}"#);
        let classic = "B\n\n1\nC\nC\n\n0\nA\n\n2\nA\nB\n";
        let registration =
            "A\nsha256:1b9p\n120\n\n2\nA\nB\nB\n00ff\n120\nA.drv\n1\nC\nC\nsha256:1b9p\n120\n\n0";
        for text in [&structured, classic, registration] {
            assert_eq!(read(text, &[]).unwrap(), (vec![MARKOV.to_owned()], 3), "{text}");
            assert_eq!(read(text, &[BASH]).unwrap(), (vec![BASH.to_owned()], 3), "{text}");
        }
        assert_eq!(read("A\nB\nC\n", &[MARKOV]).unwrap(), (vec![MARKOV.to_owned()], 3));
        assert_eq!(read("A", &[]).unwrap(), (vec![MARKOV.to_owned()], 1));
        // Two roots, in the order of their names.
        let two = (vec![BASH.to_owned(), MARKOV.to_owned()], 2);
        assert_eq!(read("A\n\n0\nB\n\n0\n", &[]).unwrap(), two);
    }

    #[test]
    fn other_files_are_explained() {
        for (text, roots, expected) in [
            ("", vec![], "is not a closure graph: it is empty"),
            ("A\nB\n", vec![], "does not say"),
            ("A\n\n1\nB\nB\n\n1\nA\n", vec![], "does not say"),
            ("A\n\n1\nB\n", vec![], "bash is not in"),
            ("A\n\n0\n", vec![BASH], "bash is not in"),
            ("A\n\n2\nB\n", vec![], "it ends early"),
            ("A\n\nx\nB\n", vec![], "a number of references is missing"),
            ("A\nsha256:1b9p\n", vec![], "a number of references is missing"),
            ("A\n\n18446744073709551615\nB\n", vec![], "it ends early"),
            ("#!/bin/sh\n", vec![], "something that is not a store path"),
            ("A/bin\n", vec![], "something that is not a store path"),
            ("{", vec![], "malformed JSON"),
            ("{}", vec![], "no exportReferencesGraph"),
            (r#"{"exportReferencesGraph": {}}"#, vec![], "is empty"),
            (r#"{"exportReferencesGraph": {"x": []}}"#, vec![], "is missing"),
            (
                r#"{"exportReferencesGraph": {"x": []}, "x": [{"path": "A"}]}"#,
                vec![],
                "references are missing",
            ),
        ] {
            let error = read(text, &roots).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
