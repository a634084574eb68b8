//! `packer inspect --largest`: what is big, and what would go away with it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;

use format::{Extent, STORE_DIR};
use runtime::error::Size;
use serde::Serialize;

use super::graph::Graph;

/// The largest store paths and files; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct Largest {
    store_paths: Vec<Path>,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct Path {
    path: String,
    /// Bytes of its files.
    bytes: u64,
    files: usize,
    /// Bytes of the files of all store paths that only it keeps in the closure, with its own: so much would go away if
    /// nothing referred to it.
    freed_bytes: u64,
    /// The number of those store paths.
    freed_paths: usize,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    bytes: u64,
    /// Other files with the same content; the bundle has it once.
    same: usize,
}

impl Largest {
    /// Finds the `count` largest store paths, and as many files.
    pub(super) fn new(graph: &Graph, count: NonZeroUsize) -> Largest {
        let roots = || graph.roots.iter().map(|root| root.path);
        let all = graph.reach(roots(), None);
        let mut largest: Vec<usize> = (0..graph.paths.len()).collect();
        largest.sort_by_key(|path| (Reverse(graph.paths[*path].bytes), *path));
        let path = |path: &usize| {
            let kept = graph.reach(roots(), Some(*path));
            Path {
                path: graph.paths[*path].full(),
                bytes: graph.paths[*path].bytes,
                files: graph.paths[*path].files,
                freed_bytes: graph.bytes(&all).saturating_sub(graph.bytes(&kept)),
                freed_paths: all.len().saturating_sub(kept.len()),
            }
        };
        Largest {
            store_paths: largest.iter().take(count.get()).map(path).collect(),
            files: files(graph, count),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{:>10} {:>7} {:>10}  store path", "size", "files", "frees")?;
        for Path { path, bytes, files, freed_bytes, freed_paths } in &self.store_paths {
            let [bytes, freed] = [bytes, freed_bytes].map(|bytes| Size(*bytes).to_string());
            write!(text, "{bytes:>10} {files:>7} {freed:>10}  {path}")?;
            match freed_paths {
                0 | 1 => writeln!(text)?,
                more => writeln!(text, " (with {} that only it needs)", more - 1)?,
            }
        }
        writeln!(text, "\n{:>10}  file", "size")?;
        for File { path, bytes, same } in &self.files {
            write!(text, "{:>10}  {path}", Size(*bytes).to_string())?;
            match same {
                0 => writeln!(text)?,
                more => writeln!(text, " (and {more} with the same content)")?,
            }
        }
        Ok(())
    }
}

/// The largest files, each content once.
fn files(graph: &Graph, count: NonZeroUsize) -> Vec<File> {
    let mut contents: BTreeMap<(Reverse<u64>, u64), Vec<usize>> = BTreeMap::new();
    for (number, file) in graph.files.iter().enumerate() {
        // Empty files have no content to share.
        if let Some(Extent { start, len: len @ 1.. }) = file.content {
            contents.entry((Reverse(len), start)).or_default().push(number);
        }
    }
    let file = |((Reverse(bytes), _), same): ((Reverse<u64>, u64), Vec<usize>)| {
        let file = same.first().and_then(|first| graph.files.get(*first))?;
        let path = &graph.paths.get(file.path)?.base_name;
        let slash = if file.below.is_empty() { "" } else { "/" };
        let path = format!("{STORE_DIR}/{path}{slash}{}", file.below);
        Some(File { path, bytes, same: same.len() - 1 })
    };
    contents.into_iter().take(count.get()).filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    #[test]
    fn what_only_it_needs_goes_away_with_it() {
        // a refers to b and c; b alone to d, both to e.
        let graph = graph(&[&[1, 2], &[3, 4], &[4], &[], &[]]);
        let largest = Largest::new(&graph, NonZeroUsize::MAX);
        let freed: Vec<_> =
            largest.store_paths.iter().map(|p| (p.bytes, p.freed_bytes, p.freed_paths)).collect();
        assert_eq!(freed, [(16, 16, 1), (8, 8, 1), (4, 4, 1), (2, 10, 2), (1, 31, 5)]);
        let text = Largest::new(&graph, NonZeroUsize::MIN).text();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.ends_with("      16 B  /nix/store/f0000000000000000000000000000000-f-1.0/bin/x\n"),
            "{text}"
        );
    }

    #[test]
    fn the_same_content_is_told_once() {
        let mut graph = graph(&[&[1], &[]]);
        graph.files[0].content = graph.files[1].content;
        let files = files(&graph, NonZeroUsize::MAX);
        assert_eq!((files.len(), files[0].bytes, files[0].same), (1, 2, 1));
    }
}
