//! Rules for the environment of the program: those of `--env`, and default rules.

mod defaults;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use format::{Action, HASH_TEXT_LEN, STORE_DIR, StorePath};

use super::graphics::Graphics;
use crate::error::{Error, Result};
use crate::scan::texts::{Text, Texts};
use crate::source::reference::Hashes;
use runtime::error::Escaped;

use crate::show;
use crate::source::tree::Tree;

pub(crate) use defaults::rules as defaults;

/// A rule; its value keeps store paths apart from other bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<Piece>,
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Path(StorePath),
    Bundle,
}

/// What stands for the bundle's path in a value.
const BUNDLE: &[u8] = b"%BUNDLE%";

/// Returns the rules of `--portable`: directories beside the bundle, as those of an AppImage.
pub(crate) fn portable() -> [Rule; 2] {
    [(&b"HOME"[..], &b".home"[..]), (b"XDG_CONFIG_HOME", b".config")].map(|(name, end)| Rule {
        action: Action::ReplaceIfExists,
        name: name.into(),
        value: [Piece::Bundle, Piece::Bytes(end.into())].into(),
    })
}

/// The rules of `--env`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UserRules {
    /// The rules in the order of the arguments.
    rules: Vec<Rule>,
    /// The variables that keep the caller's value, overriding the default rule.
    kept: Vec<Vec<u8>>,
}

/// Reads the arguments of `--env`: `K=V`, `K?=V`, `K-` and, for a variable with a default rule, `K`.
///
/// A store path in a value is a separate piece. At run time it becomes the path in the current mode, as `%BUNDLE%`
/// becomes the bundle's. Hence the
/// bundle does not contain the hashes in `hidden` as text.
///
/// # Errors
///
/// If an argument is malformed, or contains a store path that is not in the closure.
pub(crate) fn user_rules(
    tree: &Tree,
    hidden: &Hashes,
    arguments: &[OsString],
) -> Result<UserRules> {
    let mut user = UserRules::default();
    for argument in arguments {
        let bytes = argument.as_bytes();
        if defaults::has(bytes) {
            user.kept.push(bytes.into());
        } else {
            user.rules.push(rule(tree, hidden, argument)?);
        }
    }
    Ok(user)
}

/// The programs of the host that the stub knows: a link with another name would start the bundle.
const HOST_PROGRAMS: [Text; 4] = [Text::XdgOpen, Text::XdgEmail, Text::XdgMime, Text::XdgSettings];

/// Returns the names of programs of the host that files name, if a start changes what they would get.
pub(crate) fn host_programs(
    texts: Texts,
    rules: &[Rule],
    graphics: Option<&Graphics>,
) -> Vec<&'static str> {
    if rules.is_empty() && graphics.is_none() {
        return Vec::new();
    }
    HOST_PROGRAMS.into_iter().filter(|text| texts.has(*text)).map(Text::text).collect()
}

impl UserRules {
    /// Returns the rules of a bundle: default rules for variables that `--env` does not name, then these rules.
    pub(crate) fn with_defaults(self, defaults: Vec<Rule>) -> Vec<Rule> {
        let applies = |default: &Rule| {
            !self.kept.contains(&default.name)
                && self.rules.iter().all(|rule| rule.name != default.name)
        };
        let mut rules: Vec<Rule> = defaults.into_iter().filter(applies).collect();
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
    // The bytes after the last such piece; `rest` is the part of them that is not searched yet.
    let mut done = rest;
    while !rest.is_empty() {
        let (piece, len) = if rest.starts_with(BUNDLE) {
            (Piece::Bundle, BUNDLE.len())
        } else if let Some(base_name) = rest.strip_prefix(store.as_bytes()).and_then(base_name) {
            let number = tree.find(base_name).ok_or_else(|| outside(base_name))?;
            (Piece::Path(tree.paths[number].clone()), store.len() + base_name.len())
        } else {
            rest = &rest[1..];
            continue;
        };
        push_bytes(&mut pieces, hidden, &done[..done.len() - rest.len()], &outside)?;
        pieces.push(piece);
        rest = &rest[len..];
        done = rest;
    }
    push_bytes(&mut pieces, hidden, done, &outside)?;
    Ok(pieces)
}

/// Returns the longest prefix of the text that can be the base name of a store path.
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
    // A hash without /nix/store/ before it cannot be relocated, and the bundle would contain it as text.
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
            (
                "A=x %BUNDLE%/%BUNDLE",
                Action::Set,
                "A",
                vec![bytes("x "), Piece::Bundle, bytes("/%BUNDLE")],
            ),
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
    fn the_stub_knows_all_programs_of_the_host() {
        let names = HOST_PROGRAMS.map(|text| text.text().as_bytes());
        assert_eq!(names, runtime::host_programs::PROGRAMS);
    }

    #[test]
    fn user_rules_replace_the_defaults() {
        let rule = |name: &str, action| Rule { action, name: name.into(), value: Vec::new() };
        let defaults = || ["A", "B", "C"].map(|name| rule(name, Action::Remove)).into();
        assert_eq!(UserRules::default().with_defaults(defaults()), defaults());
        let rules = vec![rule("B", Action::Set), rule("D", Action::Set)];
        let user = UserRules { rules, kept: vec![b"C".into()] };
        let rules = user.with_defaults(defaults());
        let names: Vec<_> = rules.into_iter().map(|rule| (rule.name, rule.action)).collect();
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
