//! Resolves a path in the closure to a file or directory; follows symbolic links.

use format::STORE_DIR;

use crate::source::node::Kind;
use crate::source::tree::Tree;

/// The limit on symbolic links in a path: the same as in Linux.
const LINKS: usize = 40;

/// Why a path cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// The path does not exist.
    Missing,
    /// It has too many symbolic links, or a loop of them.
    Loop,
    /// The path leads to this path, which is not in the closure.
    Outside(Vec<u8>),
}

/// Resolves an absolute path to the number of a file or directory of the tree.
///
/// # Errors
///
/// If the path does not exist, or leads out of the closure.
pub(crate) fn resolve(tree: &Tree, path: &[u8]) -> Result<u32, Unresolved> {
    trace(tree, path, |_| {})
}

/// As [`resolve`]; gives each node on the way to `pass`.
///
/// # Errors
///
/// As for [`resolve`].
pub(crate) fn trace(
    tree: &Tree,
    path: &[u8],
    mut pass: impl FnMut(u32),
) -> Result<u32, Unresolved> {
    // The nodes on the path so far; empty for the store directory itself.
    let mut passed: Vec<u32> = Vec::new();
    let mut rest = components(below_store(path)?);
    let mut links = 0;
    while let Some(component) = rest.pop() {
        match component.as_slice() {
            b"" | b"." => continue,
            b".." if passed.pop().is_some() => continue,
            b".." => return Err(Unresolved::Outside(b"/nix".into())),
            _ => {}
        }
        let child = match passed.last() {
            None => {
                let outside = || Unresolved::Outside(in_store(&component));
                tree.roots[tree.find(&component).ok_or_else(outside)?]
            }
            Some(directory) => tree
                .children(*directory)
                .find(|child| tree.node(*child).name == component)
                .ok_or(Unresolved::Missing)?,
        };
        pass(child);
        match &tree.node(child).kind {
            Kind::Symlink { .. } if links == LINKS => return Err(Unresolved::Loop),
            Kind::Symlink { target } => {
                links += 1;
                let below = if target.starts_with(b"/") {
                    passed.clear();
                    below_store(target)?
                } else {
                    target
                };
                rest.extend(components(below));
            }
            Kind::Directory | Kind::File { .. } => passed.push(child),
        }
    }
    passed.pop().ok_or(Unresolved::Missing)
}

/// Returns the components of a path in reverse order.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
}

fn below_store(path: &[u8]) -> Result<&[u8], Unresolved> {
    // Several slashes are one.
    let below = |path: &[u8], name: &[u8]| {
        let slashes = path.iter().take_while(|byte| **byte == b'/').count();
        let rest = path[slashes..].strip_prefix(name).filter(|_| slashes > 0)?;
        Some(path.len() - rest.len())
    };
    let nix = below(path, b"nix").unwrap_or(0);
    below(&path[nix..], b"store")
        .filter(|_| nix > 0)
        .map(|store| &path[nix + store..])
        .filter(|below| below.starts_with(b"/"))
        .ok_or_else(|| Unresolved::Outside(path.into()))
}

fn in_store(base_name: &[u8]) -> Vec<u8> {
    [STORE_DIR.as_bytes(), b"/", base_name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};
    use runtime::error::Escaped;

    #[test]
    fn paths_are_followed_through_links() {
        let store = TestStore::new();
        store.program(&format!("{BASH}/bin/bash"), "").link(&format!("{BASH}/bin/sh"), "bash");
        store.link(&format!("{MARKOV}/bin"), &format!("/nix/store/{BASH}/bin"));
        store.link(&format!("{MARKOV}/up"), &format!("../{BASH}/./bin//sh"));
        store.link(&format!("{MARKOV}/out"), "/bin/sh").link(&format!("{MARKOV}/loop"), "loop");
        store.link(&format!("{MARKOV}/escape"), "../../../etc/passwd");
        store.link(&format!("{MARKOV}/odd"), &format!("//nix///store//{BASH}/bin/sh"));
        store.link(&format!("{MARKOV}/gone"), &format!("/nix/store/{GLIBC}/lib"));
        let store = store.open();
        let tree = Tree::read(&store, &store.paths().unwrap(), &Exclude::default()).unwrap();
        let bash = || Ok(format!("{BASH}/bin/bash"));
        let outside = |path: &str| Err(Unresolved::Outside(path.into()));
        for (path, expected) in [
            (format!("{BASH}/bin/sh"), bash()),
            (format!("{MARKOV}/bin/sh"), bash()),
            (format!("{MARKOV}/up"), bash()),
            (format!("{MARKOV}/odd"), bash()),
            (format!("{MARKOV}/bin/"), Ok(format!("{BASH}/bin"))),
            (format!("{MARKOV}/none"), Err(Unresolved::Missing)),
            (format!("{BASH}/bin/bash/x"), Err(Unresolved::Missing)),
            (format!("{MARKOV}/out"), outside("/bin/sh")),
            (format!("{MARKOV}/escape"), outside("/nix")),
            (format!("{MARKOV}/gone"), outside(&format!("/nix/store/{GLIBC}"))),
            (format!("{MARKOV}/loop"), Err(Unresolved::Loop)),
            (String::new(), Err(Unresolved::Missing)),
        ] {
            let found = resolve(&tree, format!("/nix/store/{path}").as_bytes())
                .map(|node| Escaped(&tree.location(node)).to_string());
            assert_eq!(found, expected, "{path}");
        }
    }
}
