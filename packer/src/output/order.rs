//! The order of files in a bundle's tar stream: what changes often last, and similar files side by side.

use std::collections::BTreeSet;

use format::HASH_TEXT_LEN;
use memchr::memmem;

use crate::scan::content::Content;
use crate::source::tree::Tree;

/// The part of a closure's bytes that the top may have: 1/32.
///
/// The top is compressed again when something in it changes. At 1/32, that is a thirtieth of the time for all.
const TOP_PART: u64 = 32;

/// Bytes that the top may have in any case.
const TOP_LEN: u64 = 1 << 20;

/// A part of the stream with frames of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// Files of the store paths that others refer to.
    Base,
    /// Files of the store paths that change most often: see [`top`].
    Top,
}

/// Finds for each store path its group.
///
/// The top is a set of store paths that nothing outside of it refers to, such as the roots. A changed store path changes
/// the hash of all that refer to it, so what changes in the top changes nothing outside. It takes the smallest store path
/// that only the top refers to, and again, as long as it has room.
pub(crate) fn groups(tree: &Tree, content: &Content) -> Vec<Group> {
    let lens: Vec<u64> = (0..tree.paths.len()).map(|path| tree.path_len(path)).collect();
    let references: Vec<&[u32]> =
        content.paths.iter().map(|path| path.references.as_slice()).collect();
    top(&lens, &references)
}

fn top(lens: &[u64], references: &[&[u32]]) -> Vec<Group> {
    let mut groups = vec![Group::Base; lens.len()];
    let mut room = TOP_LEN.max(lens.iter().sum::<u64>() / TOP_PART);
    // How many store paths outside of the top refer to each.
    let mut dependents = vec![0_usize; lens.len()];
    for reference in references.iter().copied().flatten() {
        dependents[*reference as usize] += 1;
    }
    let free = |dependents: &[usize], path: usize| (dependents[path] == 0).then_some(lens[path]);
    let mut ready: BTreeSet<(u64, usize)> =
        (0..lens.len()).filter_map(|path| free(&dependents, path).map(|len| (len, path))).collect();
    while let Some((len, path)) = ready.pop_first() {
        let Some(rest) = room.checked_sub(len) else { break };
        room = rest;
        groups[path] = Group::Top;
        for reference in references[path] {
            let reference = *reference as usize;
            dependents[reference] -= 1;
            ready.extend(free(&dependents, reference).map(|len| (len, reference)));
        }
    }
    groups
}

/// Where a file stands in its group: next to similar ones. docs/size.md has the orders that were measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Similarity {
    kind: Kind,
    /// The end of the name, such as `.conf`; for a module, what the source and the compiled one have in common.
    like: Vec<u8>,
    /// The path below the store without the hash, which changes with each version and says nothing of the content.
    path: Vec<u8>,
}

/// What is in a file, from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A program or a library.
    Code,
    Other,
    /// A module of Python. The source and the compiled module have the same names and texts in them, so one stands
    /// beside the other.
    Module,
}

/// Finds a file's place from its path below the store and the permission to execute it.
pub(crate) fn similarity(location: &[u8], is_executable: bool) -> Similarity {
    let path = location.get(HASH_TEXT_LEN + 1..).unwrap_or_default();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let directory = &path[..path.len() - name.len()];
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let extension = dot.map_or(&[][..], |dot| &name[dot..]);
    let is_library = extension == b".so" || memmem::find(name, b".so.").is_some();
    let (kind, like) = match extension {
        b".py" | b".pyc" | b".pyi" => {
            let directory = directory.strip_suffix(b"__pycache__/").unwrap_or(directory);
            let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
            (Kind::Module, [directory, stem].concat())
        }
        _ if is_library || is_executable && extension.is_empty() => {
            (Kind::Code, extension.to_vec())
        }
        _ => (Kind::Other, extension.to_vec()),
    };
    Similarity { kind, like, path: path.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_top_is_small_and_nothing_refers_to_it() {
        // Lengths in MiB and references; the store paths of the top.
        type Case = (&'static [u64], &'static [&'static [u32]], &'static [usize]);
        let cases: [Case; 7] = [
            (&[], &[], &[]),
            // A C library, a program, a script that starts it.
            (&[62, 2, 0], &[&[], &[0], &[0, 1]], &[1, 2]),
            // The program has no room, and so what it needs has none.
            (&[0, 3, 0], &[&[], &[0], &[1]], &[2]),
            // Two roots; the smaller one leaves room for what only it needs.
            (&[61, 1, 2, 0], &[&[], &[0], &[0], &[1]], &[1, 3]),
            // Both roots need it.
            (&[0, 0, 3], &[&[], &[0], &[0]], &[1]),
            (&[100], &[&[]], &[]),
            // A circle has no top.
            (&[0, 0, 0], &[&[1], &[0], &[0]], &[2]),
        ];
        for (lens, references, expected) in cases {
            let bytes: Vec<u64> = lens.iter().map(|len| len * MIB).collect();
            let groups = top(&bytes, references);
            let found: Vec<usize> =
                (0..lens.len()).filter(|path| groups[*path] == Group::Top).collect();
            assert_eq!(found, expected, "{lens:?} {references:?}");
        }
    }
    #[test]
    fn similar_files_have_a_place() {
        use Kind::{Code, Module, Other};
        for (path, is_executable, kind, like) in [
            ("a/bin/markov", true, Code, ""),
            ("a/lib/libc.so.6", false, Code, ".6"),
            ("a/lib/_json.cpython-311.so", true, Code, ".so"),
            ("a/README", false, Other, ""),
            ("a.d/run.sh", true, Other, ".sh"),
            ("a.conf", false, Other, ".conf"),
            ("a/json/decoder.py", false, Module, "a/json/decoder"),
            ("a/json/__pycache__/decoder.cpython-311.opt-1.pyc", false, Module, "a/json/decoder"),
        ] {
            let location = ["1b9p07z77phvv2hf6gm9f28syp39f1ag-", path].concat();
            let expected = Similarity { kind, like: like.into(), path: path.into() };
            assert_eq!(similarity(location.as_bytes(), is_executable), expected, "{path}");
        }
    }
}
