//! Splits the name of a store path into the package's name, its version and the output.

use format::StorePath;

/// Outputs besides `out` that packages have by nixpkgs' setup hook `multiple-outputs.sh`, its builders and its larger
/// packages.
const OUTPUTS: [&str; 16] = [
    "bin", "dbg", "debug", "dev", "devdoc", "devman", "dist", "doc", "getent", "info", "lib",
    "libgcc", "man", "modules", "python", "static",
];

/// The parts of a store path's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The package, such as `openssl`.
    pub(crate) package: String,
    /// Its version, such as `3.0.11`; empty if the name has none.
    pub(crate) version: String,
    /// The output if it is known and not `out`, such as `dev`.
    pub(crate) output: Option<String>,
}

impl Name {
    /// Splits the name of a store path, whose derivation may be known.
    ///
    /// Nix puts the output's name behind the derivation's, so a deriver says where it begins. Without one, only a
    /// version that ends in a usual output has it taken away: `bash-dev` can be a package's name, `bash-5.2-dev` is not.
    pub(crate) fn of(path: &StorePath, deriver: Option<&StorePath>) -> Name {
        let whole = path.name();
        let derivation = deriver.and_then(|deriver| deriver.name().strip_suffix(".drv"));
        if let Some(rest) = derivation.and_then(|name| whole.strip_prefix(name)) {
            let (package, version) = split(derivation.unwrap_or(whole));
            let output = rest.strip_prefix('-').filter(|output| !output.is_empty());
            if rest.is_empty() || output.is_some() {
                return Name::new(package, version, output);
            }
        }
        let (package, version) = split(whole);
        match version.rsplit_once('-') {
            Some((version, output)) if OUTPUTS.contains(&output) => {
                Name::new(package, version, Some(output))
            }
            _ => Name::new(package, version, None),
        }
    }

    fn new(package: &str, version: &str, output: Option<&str>) -> Name {
        let output = output.map(str::to_owned);
        Name { package: package.to_owned(), version: version.to_owned(), output }
    }
}

/// Splits as `builtins.parseDrvName` does: the version begins behind the first `-` that no letter follows.
pub(crate) fn split(name: &str) -> (&str, &str) {
    let is_start = |pair: &[u8]| pair[0] == b'-' && !pair[1].is_ascii_alphabetic();
    match name.as_bytes().windows(2).position(is_start) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::parse(format!("1b9p07z77phvv2hf6gm9f28syp39f1ag-{name}").as_bytes()).unwrap()
    }

    #[test]
    fn names_are_split_as_nix_does() {
        // From `nix-instantiate --eval -E 'builtins.parseDrvName "…"'`.
        for (name, package, version) in [
            ("nix-0.12pre12876", "nix", "0.12pre12876"),
            ("glibc-2.33-59", "glibc", "2.33-59"),
            ("python3.11-redis-4.5", "python3.11-redis", "4.5"),
            ("bash-interactive", "bash-interactive", ""),
            ("a-b-1-c-2", "a-b", "1-c-2"),
            ("x-", "x-", ""),
            ("x--y", "x", "-y"),
            ("libfoo-_1", "libfoo", "_1"),
            ("source", "source", ""),
            ("hello-2.12.1", "hello", "2.12.1"),
            ("gcc-wrapper-12.2.0", "gcc-wrapper", "12.2.0"),
            ("markov", "markov", ""),
            ("font-adobe-75dpi-1.0.3", "font-adobe", "75dpi-1.0.3"),
            ("libgcc-s1-12.2.0", "libgcc-s1", "12.2.0"),
            ("a-", "a-", ""),
            ("a--b", "a", "-b"),
        ] {
            assert_eq!(split(name), (package, version), "{name}");
        }
    }

    #[test]
    fn outputs_are_told_from_versions() {
        for (name, deriver, package, version, output) in [
            ("openssl-3.0.11-dev", None, "openssl", "3.0.11", Some("dev")),
            ("openssl-3.0.11", None, "openssl", "3.0.11", None),
            ("glibc-2.33-59", None, "glibc", "2.33-59", None),
            ("bash-dev", None, "bash-dev", "", None),
            ("bash-dev", Some("bash.drv"), "bash", "", Some("dev")),
            ("x-1.0-odd", Some("x-1.0.drv"), "x", "1.0", Some("odd")),
            ("x-1.0-dev", Some("x-1.0-dev.drv"), "x", "1.0-dev", None),
            ("x-1.0", Some("x-1.0.drv"), "x", "1.0", None),
            // A deriver of another name says nothing.
            ("x-1.0-dev", Some("y.drv"), "x", "1.0", Some("dev")),
            ("x-1.00", Some("x-1.0.drv"), "x", "1.00", None),
        ] {
            let expected = Name::new(package, version, output);
            assert_eq!(Name::of(&path(name), deriver.map(path).as_ref()), expected, "{name}");
        }
    }
}
