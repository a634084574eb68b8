//! The rules that a bundle has without being asked: what a closure needs to run on a host that is not Nix's.
//!
//! A rule is there only if some file of the closure holds the variable's name, since nobody else reads it.

use format::{Action, STORE_DIR, StorePath};
use memchr::memmem;

use super::{Piece, Rule};
use crate::resolve::resolve;
use crate::tree::Tree;

/// A variable and what is done with it by default.
struct Default {
    name: &'static str,
    /// Files that it can name, best first; without any it is removed.
    places: &'static [Place],
}

/// Where a file may be.
enum Place {
    /// On the host, at this path.
    Host(&'static str),
    /// In the closure, at this path below a store path.
    Closure(&'static str),
}
use Place::{Closure, Host};

/// The defaults.
///
/// - The host's libraries are made for the host's C library. The variables that put them into every
///   program would put them into the bundle's, which brings all its libraries along.
/// - A Nix-built OpenSSL, glibc or tzdata looks for these files where NixOS has them. Certificates and time
///   zones are the host's own matter, and newer there; a locale archive has to fit the C library.
///
/// The hosts' places for certificates are those that Go's crypto/x509 looks at.
const DEFAULTS: [Default; 5] = [
    Default { name: "LD_LIBRARY_PATH", places: &[] },
    Default { name: "LD_PRELOAD", places: &[] },
    Default {
        name: "SSL_CERT_FILE",
        places: &[
            Host("/etc/ssl/certs/ca-certificates.crt"),
            Host("/etc/pki/tls/certs/ca-bundle.crt"),
            Host("/etc/ssl/ca-bundle.pem"),
            Host("/etc/ssl/cert.pem"),
            Closure("etc/ssl/certs/ca-bundle.crt"),
            Closure("etc/ssl/certs/ca-certificates.crt"),
        ],
    },
    Default {
        name: "LOCALE_ARCHIVE",
        places: &[
            Closure("lib/locale/locale-archive"),
            Host("/run/current-system/sw/lib/locale/locale-archive"),
            Host("/usr/lib/locale/locale-archive"),
        ],
    },
    Default {
        name: "TZDIR",
        places: &[Host("/etc/zoneinfo"), Host("/usr/share/zoneinfo"), Closure("share/zoneinfo")],
    },
];

/// Bytes of the longest name.
const NAME_LEN: usize = 15;

/// Which of the defaults' variables some file holds the name of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names([bool; DEFAULTS.len()]);

impl Names {
    /// Those that either has.
    pub(crate) fn union(self, other: Names) -> Names {
        Names(std::array::from_fn(|number| self.0[number] || other.0[number]))
    }
}

/// Looks for the names in a file that comes in pieces.
#[derive(Default)]
pub(crate) struct NameScanner {
    found: Names,
    /// The last bytes before the next piece: a name may begin there.
    window: Vec<u8>,
}

impl NameScanner {
    /// Takes a file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        // A name that begins before these bytes ends in the first of them.
        let (first, rest) = bytes.split_at(bytes.len().min(NAME_LEN - 1));
        self.window.extend_from_slice(first);
        for (found, default) in self.found.0.iter_mut().zip(&DEFAULTS) {
            let holds = |bytes| memmem::find(bytes, default.name.as_bytes()).is_some();
            *found = *found || holds(&self.window) || holds(bytes);
        }
        self.window.extend_from_slice(&rest[rest.len().saturating_sub(NAME_LEN - 1)..]);
        self.window.drain(..self.window.len().saturating_sub(NAME_LEN - 1));
    }

    /// Ends a file.
    pub(crate) fn end_file(&mut self) {
        self.window.clear();
    }

    /// The names that were found in all files.
    pub(crate) fn finish(self) -> Names {
        self.found
    }
}

/// Whether a variable has a default.
pub(super) fn has(name: &[u8]) -> bool {
    DEFAULTS.iter().any(|default| default.name.as_bytes() == name)
}

/// The default rules for a closure whose files hold these `names`.
pub(crate) fn rules(tree: &Tree, names: &Names) -> Vec<Rule> {
    let read = DEFAULTS.iter().zip(names.0).filter(|(_, is_read)| *is_read);
    read.flat_map(|(default, _)| default.rules(tree)).collect()
}

impl Default {
    fn rules(&self, tree: &Tree) -> Vec<Rule> {
        let rule = |action, value| Rule { action, name: self.name.into(), value };
        if self.places.is_empty() {
            return vec![rule(Action::Remove, Vec::new())];
        }
        let found = |place: &Place| match place {
            Host(path) => vec![vec![Piece::Bytes((*path).into())]],
            Closure(below) => {
                let holds = |path: &&StorePath| {
                    resolve(tree, format!("{STORE_DIR}/{path}/{below}").as_bytes()).is_ok()
                };
                let below = format!("/{below}").into_bytes();
                let value =
                    |path: &StorePath| vec![Piece::Path(path.clone()), Piece::Bytes(below.clone())];
                tree.paths.iter().filter(holds).map(value).collect()
            }
        };
        self.places.iter().flat_map(found).map(|value| rule(Action::SetIfExists, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exclude::Exclude;
    use crate::store::tests::{BASH, GLIBC, TestStore};

    fn scanned(pieces: &[&[u8]]) -> Names {
        let mut scanner = NameScanner::default();
        pieces.iter().for_each(|piece| scanner.feed(piece));
        scanner.end_file();
        scanner.finish()
    }

    #[test]
    fn names_are_found_over_the_borders_of_pieces() {
        let longest = DEFAULTS.iter().map(|default| default.name.len()).max();
        assert_eq!(longest, Some(NAME_LEN));
        for (number, default) in DEFAULTS.iter().enumerate() {
            let text = [b"..".as_slice(), default.name.as_bytes(), b".."].concat();
            let mut expected = Names::default();
            expected.0[number] = true;
            for at in 0..text.len() {
                let (left, right) = text.split_at(at);
                assert_eq!(scanned(&[left, right]), expected, "{} cut at {at}", default.name);
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(scanned(&bytes), expected, "{} byte by byte", default.name);
            assert_eq!(scanned(&[&text[..text.len() - 3], b"."]), Names::default());
        }
        let mut two_files = NameScanner::default();
        two_files.feed(b"TZ");
        two_files.end_file();
        two_files.feed(b"DIR");
        assert_eq!(two_files.finish(), Names::default());
    }

    #[test]
    fn rules_name_what_the_closure_has() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/locale/locale-archive"), "");
        store.file(&format!("{BASH}/share/zoneinfo/UTC"), "");
        let store = store.open();
        let tree = Tree::read(&store, &store.paths().unwrap(), &Exclude::default()).unwrap();
        let shown = |names| {
            let piece = |piece: &Piece| match piece {
                Piece::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
                Piece::Path(path) => path.name().to_string(),
            };
            let rule = |rule: &Rule| {
                let value: String = rule.value.iter().map(piece).collect();
                format!("{} {value}", String::from_utf8(rule.name.clone()).unwrap())
            };
            rules(&tree, &names).iter().map(rule).collect::<Vec<_>>()
        };
        assert_eq!(shown(Names::default()), [""; 0]);
        assert_eq!(
            shown(scanned(&[b"LD_PRELOAD LOCALE_ARCHIVE TZDIR"])),
            [
                "LD_PRELOAD ",
                "LOCALE_ARCHIVE glibc/lib/locale/locale-archive",
                "LOCALE_ARCHIVE /run/current-system/sw/lib/locale/locale-archive",
                "LOCALE_ARCHIVE /usr/lib/locale/locale-archive",
                "TZDIR /etc/zoneinfo",
                "TZDIR /usr/share/zoneinfo",
                "TZDIR bash/share/zoneinfo",
            ]
        );
    }
}
