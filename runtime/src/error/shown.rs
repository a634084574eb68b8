//! Formats names and sizes for messages.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;

/// Formats bytes in one line: valid UTF-8 stays, control characters and other bytes are escaped.
///
/// A file name can contain any byte except `/` and NUL; a newline in it must not split a message.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?
                } else {
                    write!(f, "{c}")?
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Bytes that a message shows as [`Escaped`].
#[derive(Clone, PartialEq, Eq)]
pub struct Shown(Vec<u8>);

impl Shown {
    /// Returns the bytes without escaping.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Shown {
    fn from(bytes: &[u8]) -> Shown {
        Shown(bytes.into())
    }
}

impl From<&CStr> for Shown {
    fn from(bytes: &CStr) -> Shown {
        bytes.to_bytes().into()
    }
}

impl From<CString> for Shown {
    fn from(bytes: CString) -> Shown {
        Shown(bytes.into_bytes())
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Shown {
        Shown(text.into_bytes())
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Shown {
        text.as_bytes().into()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Formats a number of bytes with one decimal and a decimal unit, rounded.
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] =
            [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        match UNITS.into_iter().find(|(unit, _)| self.0 >= *unit) {
            None => write!(f, "{} B", self.0),
            Some((unit, name)) => {
                let tenths = self.0.saturating_add(unit / 20) / (unit / 10);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn bytes_are_one_line() {
        assert_eq!(Escaped("gr\u{fc}n".as_bytes()).to_string(), "gr\u{fc}n");
        assert_eq!(Escaped(b"a\nb\xff\x1b").to_string(), "a\\nb\\xff\\u{1b}");
    }

    #[test]
    fn sizes_have_one_decimal() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (106_249_000, "106.2 MB"),
            (18_460_000, "18.5 MB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(Size(u64::MAX).to_string(), "18446744.0 TB");
    }
}
