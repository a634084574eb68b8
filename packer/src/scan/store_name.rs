//! `/nix` named without a hash: by a program that binds it, lists it or looks for it.

use memchr::memmem;

/// What is looked for.
const NAME: &[u8] = b"/nix";

/// Bytes behind the name that tell what it is the start of: `/store/`, a hash and a dash.
const CONTEXT: usize = 7 + 32 + 1;

/// Looks for the name in a file that comes in parts.
#[derive(Default)]
pub(crate) struct StoreNameScanner {
    /// The last bytes before the next part, and how many bytes went before them.
    window: Vec<u8>,
    start: u64,
    /// Bytes of the window that were looked at.
    done: usize,
    found: Option<u64>,
}

impl StoreNameScanner {
    /// Takes the file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.found.is_some() {
            return;
        }
        self.window.extend_from_slice(bytes);
        self.look(self.window.len().saturating_sub(NAME.len() + CONTEXT));
        // One byte before the name tells whether a path begins there.
        let passed = self.done.saturating_sub(1);
        self.window.drain(..passed);
        self.done -= passed;
        self.start += passed as u64;
    }

    /// Ends the file; returns where the name is.
    pub(crate) fn end(mut self) -> Option<u64> {
        self.look(self.window.len());
        self.found
    }

    fn look(&mut self, to: usize) {
        if to <= self.done {
            return;
        }
        let end = self.window.len().min(to + NAME.len() - 1);
        for at in memmem::find_iter(&self.window[self.done..end], NAME) {
            let at = self.done + at;
            let before = at.checked_sub(1).map(|before| self.window[before]);
            if !before.is_some_and(is_name) && is_alone(&self.window[at + NAME.len()..]) {
                self.found.get_or_insert(self.start + at as u64);
            }
        }
        self.done = to;
    }
}

/// Whether a byte can be a part of a file's name.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-+".contains(&byte)
}

/// Whether what follows `/nix` is no store path below it.
fn is_alone(rest: &[u8]) -> bool {
    if rest.first().is_some_and(|byte| is_name(*byte)) {
        return false;
    }
    let Some(below) = rest.strip_prefix(b"/") else { return true };
    let name = below.split(|byte| !is_name(*byte)).next().unwrap_or_default();
    // Another file than the store, such as /nix/var, is in no mode a part of the bundle. Compilers cut off a part of a
    // text that is copied.
    if !b"store".starts_with(name) {
        return false;
    }
    // Also one with a hash that is none: that is how nixpkgs cuts references off.
    let hash = below[name.len()..].strip_prefix(b"/").and_then(<[u8]>::split_first_chunk::<32>);
    !hash.is_some_and(|(hash, rest)| {
        hash.iter().all(u8::is_ascii_alphanumeric)
            && !rest.first().is_some_and(u8::is_ascii_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_alone_is_told_from_store_paths() {
        let hash = "1b9p07z77phvv2hf6gm9f28syp39f1ag";
        for (text, expected) in [
            ("exec bwrap --ro-bind /nix /nix".to_owned(), Some(21)),
            ("/nix".into(), Some(0)),
            ("ls /nix/store".into(), Some(3)),
            ("'/nix/store/'*-x".into(), Some(1)),
            ("/nix/ /nix/store/".into(), Some(0)),
            ("/nix/sto\0re".into(), Some(0)),
            ("/nix/var/nix/db /nix/lib/".into(), None),
            (format!("/nix/store/{hash}-glibc"), None),
            (format!("/nix/store/{hash}"), None),
            ("/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-bash".into(), None),
            (format!("/nix/store/{hash}-x/etc/nix"), None),
            ("/nixos /nix-x https://example.org/nix usr/nix".into(), None),
            (format!("/nix/store/{hash}-glibc:/nix/store"), Some(50)),
        ] {
            for part in [1, 7, 1000] {
                let mut scanner = StoreNameScanner::default();
                text.as_bytes().chunks(part).for_each(|part| scanner.feed(part));
                assert_eq!(scanner.end(), expected, "{text} by {part}");
            }
        }
    }
}
