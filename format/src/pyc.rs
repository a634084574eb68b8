//! Compiled Python modules that check a digest of their source when Python loads them (PEP 552).

/// Offset of the flags in a compiled Python module (PEP 552).
pub const PYC_FLAGS_OFFSET: u64 = 4;

/// The flags of a module that contains a digest of its source. Python checks it when it loads the
/// module.
pub const PYC_CHECKED: u8 = 3;

/// The flags of a module that contains a digest of its source. Python does not check it.
pub const PYC_UNCHECKED: u8 = 1;

/// Whether a compiled Python module checks a digest of its source. `head` has the module's first
/// bytes.
///
/// Rewriting references in the source makes such a module invalid: Python would compile the source
/// at each start.
pub fn is_checked_pyc(head: &[u8]) -> bool {
    // The end of the magic number, and the flags. Python before 3.7 has the source's time in place
    // of the flags; that time is never 3 in a store.
    head.get(2..8) == Some(&[b'\r', b'\n', PYC_CHECKED, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked_modules_are_recognised() {
        assert!(is_checked_pyc(b"\xa7\x0d\x0d\x0a\x03\0\0\0digest.."));
        for other in [
            &b"\xa7\x0d\x0d\x0a\x01\0\0\0digest.."[..],
            b"\xa7\x0d\x0d\x0a\0\0\0\0\x01\0\0\0size",
            b"text\x03\0\0\0",
            b"\xa7\x0d\x0d\x0a\x03",
        ] {
            assert!(!is_checked_pyc(other), "{}", other.escape_ascii());
        }
    }
}
