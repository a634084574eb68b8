//! What a message shows: names and sizes.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;

/// Bytes as a message shows them: what is not printable ASCII or UTF-8 is escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown(Vec<u8>);

impl Shown {
    /// The bytes as they are.
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
        Shown(bytes.to_bytes().into())
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
        Shown(text.as_bytes().into())
    }
}

impl fmt::Display for Shown {
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

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes as a person reads them.
pub struct Megabytes(pub u64);

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.saturating_add(50_000) / 100_000;
        write!(f, "{}.{} MB", tenths / 10, tenths % 10)
    }
}
