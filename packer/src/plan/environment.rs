//! Rules for the environment that the program gets: those of `--env`, and defaults.

mod defaults;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use format::{Action, HASH_TEXT_LEN, STORE_DIR, StorePath};

use crate::error::{Error, Result};
use crate::source::reference::Hashes;
use runtime::error::Escaped;

use crate::show;
use crate::source::tree::Tree;

pub(crate) use defaults::rules as defaults;

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

/// What `--env` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// The rules, in the order given.
    rules: Vec<Rule>,
    /// The variables that stay as the caller has them, against a default.
    kept: Vec<Vec<u8>>,
}

/// Reads the arguments of `--env`: `K=V`, `K?=V`, `K-` and, for a variable with a default rule, `K`.
///
/// A store path in a value becomes the place where the path is at run time, so that it is right in
/// every mode, and so that none of the hashes in `hidden` stands in the bundle as text.
///
/// # Errors
///
/// If one is malformed, or holds a store path that is not in the closure.
pub(crate) fn wishes(tree: &Tree, hidden: &Hashes, arguments: &[OsString]) -> Result<Wishes> {
    let mut wishes = Wishes::default();
    for argument in arguments {
        let bytes = argument.as_bytes();
        if defaults::has(bytes) {
            wishes.kept.push(bytes.into());
        } else {
            wishes.rules.push(rule(tree, hidden, argument)?);
        }
    }
    Ok(wishes)
}

impl Wishes {
    /// The rules of a bundle: the defaults for all variables that were not spoken of, then what was asked.
    pub(crate) fn over(self, defaults: Vec<Rule>) -> Vec<Rule> {
        let is_open = |default: &Rule| {
            !self.kept.contains(&default.name)
                && self.rules.iter().all(|rule| rule.name != default.name)
        };
        let mut rules: Vec<Rule> = defaults.into_iter().filter(is_open).collect();
        rules.extend(self.rules);
        rules
    }
}

fn rule(tree: &Tree, hidden: &Hashes, argument: &OsString) -> Result<Rule> {
    let malformed = || Error::MalformedRule { rule: show::os(argument) };
    let bytes = argument.as_bytes();
    let (action, name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => match bytes[..at].strip_suffix(b"?") {
            Some(name) => (Action::SetUnlessSet, name, &bytes[at + 1..]),
            None => (Action::Set, &bytes[..at], &bytes[at + 1..]),
        },
        None => (Action::Remove, bytes.strip_suffix(b"-").ok_or_else(malformed)?, &b""[..]),
    };
    if name.is_empty() {
        return Err(malformed());
    }
    let outside = |path: &[u8]| Error::RuleOutside {
        rule: show::os(argument),
        path: Escaped(path).to_string(),
    };
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
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    fn parse(argument: &str) -> Result<Rule> {
        let store = TestStore::new();
        store.file(GLIBC, "").file(BASH, "");
        let store = store.open();
        let tree = Tree::read(&store, &store.paths()?, &Exclude::default())?;
        rule(&tree, &Hashes::of_paths(&tree.paths), &OsString::from(argument))
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
            ("A-", Action::Remove, "A", vec![]),
            ("A-=b", Action::Set, "A-", vec![bytes("b")]),
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
    fn what_was_asked_comes_before_the_defaults() {
        let rule = |name: &str, action| Rule { action, name: name.into(), value: Vec::new() };
        let defaults = || ["A", "B", "C"].map(|name| rule(name, Action::Remove)).into();
        assert_eq!(Wishes::default().over(defaults()), defaults());
        let asked = vec![rule("B", Action::Set), rule("D", Action::Set)];
        let wishes = Wishes { rules: asked, kept: vec![b"C".into()] };
        let names: Vec<_> =
            wishes.over(defaults()).into_iter().map(|rule| (rule.name, rule.action)).collect();
        assert_eq!(
            names,
            [
                (b"A".to_vec(), Action::Remove),
                (b"B".to_vec(), Action::Set),
                (b"D".to_vec(), Action::Set)
            ]
        );
    }

    #[test]
    fn wrong_rules_are_refused() {
        for argument in ["A", "=b", "?=b", "-", ""] {
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
