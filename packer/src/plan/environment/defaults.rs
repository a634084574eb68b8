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
    /// What the variable's name has behind the text.
    version: &'static str,
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
    /// If it is not set, it is set to this.
    Unless(&'static str),
    /// If it is not set and the host's directory does not have this file, it is set to the closure's that does.
    Missing(&'static str, &'static str),
}
use Value::{Found, Kept, Missing, Removed, Unless};

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
/// - Variables that name modules of GTK, GLib, Qt, GStreamer and glibc and audio plugins are removed, as
///   `LD_LIBRARY_PATH` is: terminals out of snaps and sessions of NixOS set them. A wrapper in the bundle sets its own afterwards.
///   `LOCPATH` hides all other locales of glibc, and `GSETTINGS_SCHEMA_DIR` the closure's settings, by those of another
///   version.
/// - Wrappers put directories in front of `XDG_DATA_DIRS` and `XDG_CONFIG_DIRS`. Where these are not set, their defaults
///   would be lost: the XDG Base Directory Specification has them.
/// - Without a configuration of the host, fontconfig finds no fonts; the closure's names the host's directories, too.
///
/// The paths of certificates on the host are those that Go's crypto/x509 looks at.
const DEFAULTS: [Default; 31] = [
    rule(Text::LdLibraryPath, Removed),
    rule(Text::LdPreload, Kept("libnss_")),
    rule(Text::LdAudit, Kept("libnss_")),
    rule(
        Text::SslCertFile,
        Found(&[
            Host("/etc/ssl/certs/ca-certificates.crt"),
            Host("/etc/pki/tls/certs/ca-bundle.crt"),
            Host("/etc/ssl/ca-bundle.pem"),
            Host("/etc/ssl/cert.pem"),
            Closure("etc/ssl/certs/ca-bundle.crt"),
            Closure("etc/ssl/certs/ca-certificates.crt"),
        ]),
    ),
    rule(
        Text::LocaleArchive,
        Found(&[
            Closure("lib/locale/locale-archive"),
            Host("/run/current-system/sw/lib/locale/locale-archive"),
            Host("/usr/lib/locale/locale-archive"),
        ]),
    ),
    rule(
        Text::Tzdir,
        Found(&[Host("/etc/zoneinfo"), Host("/usr/share/zoneinfo"), Closure("share/zoneinfo")]),
    ),
    rule(Text::GtkPath, Removed),
    rule(Text::GtkExePrefix, Removed),
    rule(Text::GtkImModuleFile, Removed),
    rule(Text::GioModuleDir, Removed),
    rule(Text::GioExtraModules, Removed),
    rule(Text::GdkPixbufModuleFile, Removed),
    rule(Text::GdkPixbufModuledir, Removed),
    rule(Text::GsettingsSchemaDir, Removed),
    rule(Text::QtPluginPath, Removed),
    rule(Text::QtQpaPlatformPluginPath, Removed),
    rule(Text::QmlImportPath, Removed),
    rule(Text::Qml2ImportPath, Removed),
    rule(Text::GstPluginPath, Removed),
    Default { variable: Text::GstPluginPath, version: "_1_0", value: Removed },
    rule(Text::GstPluginSystemPath, Removed),
    Default { variable: Text::GstPluginSystemPath, version: "_1_0", value: Removed },
    rule(Text::GstPluginScanner, Removed),
    Default { variable: Text::GstPluginScanner, version: "_1_0", value: Removed },
    rule(Text::LadspaPath, Removed),
    rule(Text::Lv2Path, Removed),
    rule(Text::GconvPath, Removed),
    rule(Text::Locpath, Removed),
    rule(Text::XdgDataDirs, Unless("/usr/local/share:/usr/share")),
    rule(Text::XdgConfigDirs, Unless("/etc/xdg")),
    rule(Text::FontconfigPath, Missing("etc/fonts", "fonts.conf")),
];

/// The rule of a variable whose name is the text.
const fn rule(variable: Text, value: Value) -> Default {
    Default { variable, version: "", value }
}

/// Whether a variable has a default rule.
pub(super) fn has(name: &[u8]) -> bool {
    DEFAULTS.iter().any(|default| default.name().as_bytes() == name)
}

/// Returns the default rules for a closure whose files contain these texts.
pub(crate) fn rules(tree: &Tree, texts: Texts) -> Vec<Rule> {
    let read = DEFAULTS.iter().filter(|default| texts.has(default.variable));
    read.flat_map(|default| default.rules(tree)).collect()
}

impl Default {
    fn name(&self) -> String {
        [self.variable.text(), self.version].concat()
    }

    fn rules(&self, tree: &Tree) -> Vec<Rule> {
        let rule = |action, value| Rule { action, name: self.name().into(), value };
        match self.value {
            Removed => vec![rule(Action::Remove, Vec::new())],
            Kept(begin) => vec![rule(Action::KeepFiles, bytes(begin))],
            Unless(value) => vec![rule(Action::SetUnlessSet, bytes(value))],
            Found(candidates) => {
                let found = |candidate: &Candidate| match candidate {
                    Host(path) => vec![bytes(path)],
                    Closure(file) => {
                        holders(tree, (*file).into()).map(|path| below(path, file)).collect()
                    }
                };
                let values = candidates.iter().flat_map(found);
                values.map(|value| rule(Action::SetIfExists, value)).collect()
            }
            Missing(directory, file) => {
                let host = bytes(&format!("/{directory}/{file}"));
                let value = |path| [host.clone(), below(path, directory)].concat();
                let paths = holders(tree, format!("{directory}/{file}"));
                paths.map(|path| rule(Action::SetIfMissing, value(path))).collect()
            }
        }
    }
}

fn bytes(text: &str) -> Vec<Piece> {
    vec![Piece::Bytes(text.into())]
}

/// Returns the store paths that have this file.
fn holders(tree: &Tree, file: String) -> impl Iterator<Item = &StorePath> {
    let holds = move |path: &&StorePath| {
        resolve(tree, format!("{STORE_DIR}/{path}/{file}").as_bytes()).is_ok()
    };
    tree.paths.iter().filter(holds)
}

fn below(path: &StorePath, file: &str) -> Vec<Piece> {
    vec![Piece::Path(path.clone()), Piece::Bytes(format!("/{file}").into())]
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
        store.file(&format!("{BASH}/etc/fonts/fonts.conf"), "");
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
        scanner.feed(
            b"LD_PRELOAD LOCALE_ARCHIVE TZDIR GST_PLUGIN_PATH_1_0 XDG_DATA_DIRS FONTCONFIG_PATH",
        );
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
                "GST_PLUGIN_PATH ",
                "GST_PLUGIN_PATH_1_0 ",
                "XDG_DATA_DIRS /usr/local/share:/usr/share",
                "FONTCONFIG_PATH /etc/fonts/fonts.confbash/etc/fonts",
            ]
        );
    }
}
