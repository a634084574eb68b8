//! Rules for the environment that the program gets: `K=V` and `K?=V`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use format::{Action, HASH_TEXT_LEN, STORE_DIR, StorePath};

use crate::error::{Error, Result};
use crate::reference::Hashes;
use crate::show::{self, Show};
use crate::tree::Tree;

/// A rule; store paths in its value are told from bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<Piece>,
}

/// A part of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Path(StorePath),
}

/// Reads the arguments of `--env`.
///
/// A store path in a value becomes the place where the path is at run time, so that it is right in
/// every mode, and so that none of the hashes in `hidden` stands in the bundle as text.
///
/// # Errors
///
/// If one is malformed, or holds a store path that is not in the closure.
pub(crate) fn rules(tree: &Tree, hidden: &Hashes, arguments: &[OsString]) -> Result<Vec<Rule>> {
    arguments.iter().map(|argument| rule(tree, hidden, argument)).collect()
}

fn rule(tree: &Tree, hidden: &Hashes, argument: &OsString) -> Result<Rule> {
    let malformed = || Error::MalformedRule { rule: show::os(argument) };
    let bytes = argument.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
    let (name, value) = (&bytes[..at], &bytes[at + 1..]);
    let (action, name) = match name.strip_suffix(b"?") {
        Some(name) => (Action::SetUnlessSet, name),
        None => (Action::Set, name),
    };
    if name.is_empty() {
        return Err(malformed());
    }
    let outside =
        |path: &[u8]| Error::RuleOutside { rule: show::os(argument), path: Show(path).to_string() };
    Ok(Rule { action, name: name.into(), value: pieces(tree, hidden, value, outside)? })
}

fn pieces(
    tree: &Tree,
    hidden: &Hashes,
    value: &[u8],
    outside: impl Fn(&[u8]) -> Error,
) -> Result<Vec<Piece>> {
    let store = format!("{STORE_DIR}/");
    let mut pieces = Vec::new();
    let mut rest = value;
    // Where the bytes that are no store path begin.
    let mut done = rest;
    while !rest.is_empty() {
        let Some(base_name) = rest.strip_prefix(store.as_bytes()).and_then(base_name) else {
            rest = &rest[1..];
            continue;
        };
        let number = tree.find(base_name).ok_or_else(|| outside(base_name))?;
        push_bytes(&mut pieces, hidden, &done[..done.len() - rest.len()], &outside)?;
        pieces.push(Piece::Path(tree.paths[number].clone()));
        rest = &rest[store.len() + base_name.len()..];
        done = rest;
    }
    push_bytes(&mut pieces, hidden, done, &outside)?;
    Ok(pieces)
}

/// The longest start that could be a store path's base name.
fn base_name(text: &[u8]) -> Option<&[u8]> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
    let len = text.iter().position(|byte| !allowed(byte)).unwrap_or(text.len());
    let (hash, _) = text[..len].split_first_chunk::<HASH_TEXT_LEN>()?;
    format::StoreHash::parse(hash).map(|_| &text[..len])
}

fn push_bytes(
    pieces: &mut Vec<Piece>,
    hidden: &Hashes,
    bytes: &[u8],
    outside: impl Fn(&[u8]) -> Error,
) -> Result<()> {
    // A hash without its directory can't be moved, and would stand in the bundle as text.
    if let Some((at, _)) = hidden.first(bytes) {
        return Err(outside(&bytes[at..at + HASH_TEXT_LEN]));
    }
    if !bytes.is_empty() {
        pieces.push(Piece::Bytes(bytes.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::hashes;
    use crate::exclude::Exclude;
    use crate::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    fn parse(argument: &str) -> Result<Rule> {
        let store = TestStore::new();
        store.file(GLIBC, "").file(BASH, "");
        let store = store.open();
        let tree = Tree::read(&store, &store.paths()?, &Exclude::default())?;
        rule(&tree, &hashes(&tree.paths), &OsString::from(argument))
    }

    fn bytes(text: &str) -> Piece {
        Piece::Bytes(text.into())
    }

    fn path(base_name: &str) -> Piece {
        Piece::Path(StorePath::parse(base_name.as_bytes()).unwrap())
    }

    #[test]
    fn values_are_cut_at_store_paths() {
        let both = format!("LIBS?=x:/nix/store/{GLIBC}/lib:/nix/store/{BASH}");
        for (argument, action, name, value) in [
            ("A=b", Action::Set, "A", vec![bytes("b")]),
            ("A=", Action::Set, "A", vec![]),
            ("A?=b=c", Action::SetUnlessSet, "A", vec![bytes("b=c")]),
            ("A=/nix/store/x", Action::Set, "A", vec![bytes("/nix/store/x")]),
            (
                &both,
                Action::SetUnlessSet,
                "LIBS",
                vec![bytes("x:"), path(GLIBC), bytes("/lib:"), path(BASH)],
            ),
        ] {
            let rule = parse(argument).unwrap();
            assert_eq!(rule, Rule { action, name: name.into(), value }, "{argument}");
        }
    }

    #[test]
    fn wrong_rules_are_refused() {
        for argument in ["A", "=b", "?=b", ""] {
            assert!(matches!(parse(argument), Err(Error::MalformedRule { .. })), "{argument}");
        }
        for argument in [
            format!("A=/nix/store/{MARKOV}"),
            format!("A=/nix/store/{GLIBC}-dev/lib"),
            format!("A={GLIBC}"),
        ] {
            assert!(matches!(parse(&argument), Err(Error::RuleOutside { .. })), "{argument}");
        }
    }
}
