//! The default rules: what a closure needs to run on a host without Nix.
//!
//! A bundle gets a default rule only if a file of the closure contains the name of the variable. Otherwise no
//! program of the closure reads the variable.

use format::{Action, STORE_DIR, StorePath};

use super::{Piece, Rule};
use crate::scan::texts::{Text, Texts};
use crate::source::resolve::resolve;
use crate::source::tree::Tree;

/// The default rule of a variable.
struct Default {
    variable: Text,
    value: Value,
}

/// What becomes of a variable.
enum Value {
    /// It is removed.
    Removed,
    /// Of the files that it lists, those stay whose names begin so.
    Kept(&'static str),
    /// If it is not set, it is set to the first of these files that exists.
    Found(&'static [Candidate]),
}
use Value::{Found, Kept, Removed};

/// A file for the value of a variable.
enum Candidate {
    /// A file of the host, at this path.
    Host(&'static str),
    /// A file of the closure, at this path below a store path.
    Closure(&'static str),
}
use Candidate::{Closure, Host};

/// All default rules.
///
/// - `LD_LIBRARY_PATH`, `LD_PRELOAD` and `LD_AUDIT` are removed. They load libraries of the host, which are built
///   for the host's C library, into every program. The program in the bundle brings its own C library and all others.
///   Modules that look users up (`libnss_sss.so.2`) stay: they are built for old C libraries, and who preloads one
///   wants it in programs of other C libraries.
/// - OpenSSL, glibc and tzdata from Nix look for certificates, locales and time zones where NixOS has them.
///   For certificates and time zones, the host's files come first: they fit the host and are newer. A locale
///   archive has to match the C library, so the closure's file comes first.
///
/// The paths of certificates on the host are those that Go's crypto/x509 looks at.
const DEFAULTS: [Default; 6] = [
    Default { variable: Text::LdLibraryPath, value: Removed },
    Default { variable: Text::LdPreload, value: Kept("libnss_") },
    Default { variable: Text::LdAudit, value: Kept("libnss_") },
    Default {
        variable: Text::SslCertFile,
        value: Found(&[
            Host("/etc/ssl/certs/ca-certificates.crt"),
            Host("/etc/pki/tls/certs/ca-bundle.crt"),
            Host("/etc/ssl/ca-bundle.pem"),
            Host("/etc/ssl/cert.pem"),
            Closure("etc/ssl/certs/ca-bundle.crt"),
            Closure("etc/ssl/certs/ca-certificates.crt"),
        ]),
    },
    Default {
        variable: Text::LocaleArchive,
        value: Found(&[
            Closure("lib/locale/locale-archive"),
            Host("/run/current-system/sw/lib/locale/locale-archive"),
            Host("/usr/lib/locale/locale-archive"),
        ]),
    },
    Default {
        variable: Text::Tzdir,
        value: Found(&[
            Host("/etc/zoneinfo"),
            Host("/usr/share/zoneinfo"),
            Closure("share/zoneinfo"),
        ]),
    },
];

/// Whether a variable has a default rule.
pub(super) fn has(name: &[u8]) -> bool {
    DEFAULTS.iter().any(|default| default.variable.text().as_bytes() == name)
}

/// Returns the default rules for a closure whose files contain these texts.
pub(crate) fn rules(tree: &Tree, texts: Texts) -> Vec<Rule> {
    let read = DEFAULTS.iter().filter(|default| texts.has(default.variable));
    read.flat_map(|default| default.rules(tree)).collect()
}

impl Default {
    fn rules(&self, tree: &Tree) -> Vec<Rule> {
        let rule = |action, value| Rule { action, name: self.variable.text().into(), value };
        let candidates = match self.value {
            Removed => return vec![rule(Action::Remove, Vec::new())],
            Kept(begin) => return vec![rule(Action::KeepFiles, vec![Piece::Bytes(begin.into())])],
            Found(candidates) => candidates,
        };
        let found = |candidate: &Candidate| match candidate {
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
        candidates.iter().flat_map(found).map(|value| rule(Action::SetIfExists, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::texts::TextScanner;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, TestStore};

    #[test]
    fn rules_name_what_the_closure_has() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/locale/locale-archive"), "");
        store.file(&format!("{BASH}/share/zoneinfo/UTC"), "");
        let store = store.open();
        let tree = Tree::read(&store, &store.paths().unwrap(), &Exclude::default()).unwrap();
        let shown = |texts| {
            let piece = |piece: &Piece| match piece {
                Piece::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
                Piece::Path(path) => path.name().to_string(),
                Piece::Bundle => unreachable!("no default rule has it"),
            };
            let rule = |rule: &Rule| {
                let value: String = rule.value.iter().map(piece).collect();
                format!("{} {value}", String::from_utf8(rule.name.clone()).unwrap())
            };
            rules(&tree, texts).iter().map(rule).collect::<Vec<_>>()
        };
        assert_eq!(shown(Texts::default()), [""; 0]);
        let mut scanner = TextScanner::default();
        scanner.feed(b"LD_PRELOAD LOCALE_ARCHIVE TZDIR");
        assert_eq!(
            shown(scanner.finish()),
            [
                "LD_PRELOAD libnss_",
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
