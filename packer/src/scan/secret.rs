//! Secrets: files whose content must not be in the closure.

use std::fs;
use std::path::PathBuf;

use memchr::memmem;

use crate::error::{Error, Result};
use crate::show;

/// Bytes of the shortest secret: fewer can be anywhere by chance.
const SHORTEST: usize = 8;

/// What must not be in the closure.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<Secret>);

#[derive(Debug)]
struct Secret {
    path: String,
    /// Without line feeds at its end.
    content: Vec<u8>,
}

impl Secrets {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or is too short to be looked for.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Secrets> {
        let read = |path: &PathBuf| {
            let shown = show::path(path);
            let mut content = match fs::read(path) {
                Ok(content) => content,
                Err(source) => return Err(Error::Secret { path: shown, source }),
            };
            let end = content.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
            content.truncate(end);
            match content.len() {
                SHORTEST.. => Ok(Secret { path: shown, content }),
                len => Err(Error::ShortSecret { path: shown, len, shortest: SHORTEST }),
            }
        };
        paths.iter().map(read).collect::<Result<_>>().map(Secrets)
    }

    /// Returns the path of a secret that is in a text.
    pub(crate) fn find(&self, text: &[u8]) -> Option<&str> {
        let is_there = |secret: &&Secret| memmem::find(text, &secret.content).is_some();
        self.0.iter().find(is_there).map(|secret| secret.path.as_str())
    }
}

/// Looks for secrets in a file that comes in pieces.
pub(crate) struct SecretScanner<'a> {
    secrets: &'a Secrets,
    /// The last bytes before the next piece: a secret may begin there.
    window: Vec<u8>,
    found: Option<&'a str>,
}

impl<'a> SecretScanner<'a> {
    pub(crate) fn new(secrets: &'a Secrets) -> SecretScanner<'a> {
        SecretScanner { secrets, window: Vec::new(), found: None }
    }

    /// Takes a file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let Some(longest) = self.secrets.0.iter().map(|secret| secret.content.len()).max() else {
            return;
        };
        self.window.extend_from_slice(bytes);
        self.found = self.found.or_else(|| self.secrets.find(&self.window));
        self.window.drain(..self.window.len().saturating_sub(longest - 1));
    }

    /// Ends a file; returns the path of a secret that is in it.
    pub(crate) fn end_file(&mut self) -> Option<&'a str> {
        self.window.clear();
        self.found.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_over_the_borders_of_pieces() {
        let content = b"correct horse".to_vec();
        let secrets = Secrets(vec![Secret { path: "password".into(), content }]);
        let mut scanner = SecretScanner::new(&secrets);
        let text = b"...correct horse...";
        for len in 1..text.len() {
            text.chunks(len).for_each(|piece| scanner.feed(piece));
            assert_eq!(scanner.end_file(), Some("password"), "{len}");
        }
        scanner.feed(b"correct ");
        assert_eq!(scanner.end_file(), None);
        // The rest of it is in another file.
        scanner.feed(b"horse");
        assert_eq!(scanner.end_file(), None);
    }
}
