//! Compiled Python modules whose validity depends on their source (PEP 552).

/// Where a compiled Python module has its flags: bytes from its start (PEP 552).
pub const PYC_FLAGS_OFFSET: u64 = 4;

/// The flags of a module that holds a digest of its source, to be checked when it is loaded.
pub const PYC_CHECKED: u8 = 3;

/// The flags of one whose source is not looked at.
pub const PYC_UNCHECKED: u8 = 1;

/// Whether a compiled Python module, of which these are the first bytes, checks a digest of its source.
///
/// Where references in the source are rewritten, it would not be valid any more: Python would compile the
/// source at each start.
pub fn is_checked_pyc(head: &[u8]) -> bool {
    // The end of the magic number, and the flags. Python before 3.7 has the source's time in their place,
    // which no file of a store has.
    head.get(2..8) == Some(&[b'\r', b'\n', PYC_CHECKED, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_check_their_source_are_known_by_their_head() {
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
