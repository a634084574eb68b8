//! `packer inspect --tree`: the references as a tree, with sizes.

use std::cmp::Reverse;
use std::fmt::Write as _;

use runtime::error::Size;
use serde::Serialize;

use super::graph::Graph;

/// Levels that are indented. Closures have fewer, but a bundle that somebody made up could be one long chain.
const LEVELS: usize = 100;

/// The tree; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct Tree {
    /// The store paths that were asked for.
    roots: Vec<String>,
    /// Each store path once, in the order of the text.
    store_paths: Vec<Path>,
    #[serde(skip)]
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Path {
    path: String,
    /// Bytes of its files.
    bytes: u64,
    /// Bytes of its files and of all that it refers to, directly or not.
    closure_bytes: u64,
    /// The largest closure first.
    references: Vec<String>,
}

/// A line of the text.
#[derive(Debug)]
struct Line {
    /// The number of the store path in [`Tree::store_paths`].
    path: usize,
    /// What stands in front of the store path.
    branch: String,
    /// Whether the store path stands further up, with what is below it.
    is_repeated: bool,
}

/// A store path whose line comes next.
struct Next {
    path: usize,
    branch: String,
    /// What stands in front of the branches below it.
    indent: String,
    level: usize,
}

impl Tree {
    pub(super) fn new(graph: &Graph) -> Tree {
        let size = |path| graph.bytes(&graph.reach([path], None));
        let sizes: Vec<u64> = (0..graph.paths.len()).map(size).collect();
        let mut tree = Tree {
            roots: graph.roots.iter().map(|root| graph.paths[root.path].full()).collect(),
            store_paths: Vec::new(),
            lines: Vec::new(),
        };
        let mut places = vec![None; graph.paths.len()];
        let root = |path| Next { path, branch: String::new(), indent: String::new(), level: 0 };
        // The last is taken first.
        let mut todo: Vec<Next> = graph.roots.iter().rev().map(|r| root(r.path)).collect();
        while let Some(Next { path, branch, indent, level }) = todo.pop() {
            if let Some(place) = places[path] {
                tree.lines.push(Line { path: place, branch, is_repeated: true });
                continue;
            }
            places[path] = Some(tree.store_paths.len());
            tree.lines.push(Line { path: tree.store_paths.len(), branch, is_repeated: false });
            let mut references = graph.paths[path].references.clone();
            references.sort_by_key(|reference| (Reverse(sizes[*reference]), *reference));
            for (number, reference) in references.iter().rev().enumerate() {
                let (branch, below) =
                    if number == 0 { ("└───", "    ") } else { ("├───", "│   ") };
                let below = if level < LEVELS { below } else { "" };
                todo.push(Next {
                    path: *reference,
                    branch: format!("{indent}{branch}"),
                    indent: format!("{indent}{below}"),
                    level: level + 1,
                });
            }
            tree.store_paths.push(Path {
                path: graph.paths[path].full(),
                bytes: graph.paths[path].bytes,
                closure_bytes: sizes[path],
                references: references.iter().map(|path| graph.paths[*path].full()).collect(),
            });
        }
        tree
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{:>10} {:>10}  store path\n", "size", "closure");
        for Line { path, branch, is_repeated } in &self.lines {
            let Path { path, bytes, closure_bytes, .. } = &self.store_paths[*path];
            let [bytes, closure] = [bytes, closure_bytes].map(|bytes| Size(*bytes).to_string());
            let end = if *is_repeated { " [...]" } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{bytes:>10} {closure:>10}  {branch}{path}{end}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    #[test]
    fn each_store_path_is_expanded_once() {
        // a refers to b and c, b to d, c to b; d is 8 bytes.
        let tree = Tree::new(&graph(&[&[1, 2], &[3], &[1], &[]]));
        let zeros = "0".repeat(31);
        let expected = [
            "      size    closure  store path".to_owned(),
            format!("       1 B       15 B  /nix/store/a{zeros}-a-1.0"),
            format!("       4 B       14 B  ├───/nix/store/c{zeros}-c-1.0"),
            format!("       2 B       10 B  │   └───/nix/store/b{zeros}-b-1.0"),
            format!("       8 B        8 B  │       └───/nix/store/d{zeros}-d-1.0"),
            format!("       2 B       10 B  └───/nix/store/b{zeros}-b-1.0 [...]"),
        ];
        assert_eq!(tree.text().lines().collect::<Vec<_>>(), expected);
        assert_eq!(tree.store_paths.len(), 4);
    }

    #[test]
    fn a_circle_ends() {
        let tree = Tree::new(&graph(&[&[1], &[0]]));
        assert_eq!(tree.lines.len(), 3);
        assert!(tree.lines[2].is_repeated);
    }
}
