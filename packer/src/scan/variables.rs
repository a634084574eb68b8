//! Which environment variables a closure's programs may read: those whose names stand in its files.

use memchr::memmem;

/// A variable that the packer has a default rule for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    LdAudit,
    LdLibraryPath,
    LdPreload,
    SslCertFile,
    LocaleArchive,
    Tzdir,
}

impl Variable {
    /// All variables.
    pub(crate) const ALL: [Variable; 6] = [
        Variable::LdAudit,
        Variable::LdLibraryPath,
        Variable::LdPreload,
        Variable::SslCertFile,
        Variable::LocaleArchive,
        Variable::Tzdir,
    ];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Variable::LdAudit => "LD_AUDIT",
            Variable::LdLibraryPath => "LD_LIBRARY_PATH",
            Variable::LdPreload => "LD_PRELOAD",
            Variable::SslCertFile => "SSL_CERT_FILE",
            Variable::LocaleArchive => "LOCALE_ARCHIVE",
            Variable::Tzdir => "TZDIR",
        }
    }
}

/// Bytes of the longest name.
const NAME_LEN: usize = 15;

/// The variables whose names some file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names([bool; Variable::ALL.len()]);

impl Names {
    /// Whether some file holds a variable's name.
    pub(crate) fn has(self, variable: Variable) -> bool {
        Variable::ALL.iter().zip(self.0).any(|(other, found)| *other == variable && found)
    }

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
        for (found, variable) in self.found.0.iter_mut().zip(Variable::ALL) {
            let holds = |bytes| memmem::find(bytes, variable.name().as_bytes()).is_some();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(pieces: &[&[u8]]) -> Names {
        let mut scanner = NameScanner::default();
        pieces.iter().for_each(|piece| scanner.feed(piece));
        scanner.end_file();
        scanner.finish()
    }

    #[test]
    fn names_are_found_over_the_borders_of_pieces() {
        let longest = Variable::ALL.iter().map(|variable| variable.name().len()).max();
        assert_eq!(longest, Some(NAME_LEN));
        for variable in Variable::ALL {
            let name = variable.name();
            let text = [b"..".as_slice(), name.as_bytes(), b".."].concat();
            let expected = Names(Variable::ALL.map(|other| other == variable));
            for at in 0..text.len() {
                let (left, right) = text.split_at(at);
                assert_eq!(scanned(&[left, right]), expected, "{name} cut at {at}");
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(scanned(&bytes), expected, "{name} byte by byte");
            assert_eq!(scanned(&[&text[..text.len() - 3], b"."]), Names::default());
        }
        let mut two_files = NameScanner::default();
        two_files.feed(b"TZ");
        two_files.end_file();
        two_files.feed(b"DIR");
        assert_eq!(two_files.finish(), Names::default());
    }
}
