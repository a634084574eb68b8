//! Nix's base 32.

/// Nix's base-32 digits: no `e`, `o`, `t` and `u`.
pub const BASE32_DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Parses `N` bytes in Nix's base 32; `None` if a character is no digit or a bit is left over.
pub(crate) fn parse_base32<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Nix takes the bytes as a little-endian number and writes its most significant digit first.
    for (n, digit) in text.iter().rev().enumerate() {
        let value = BASE32_DIGITS.iter().position(|d| d == digit)?;
        let value = u16::try_from(value).ok()?;
        let bit = n.checked_mul(5)?;
        let (at, shift) = (bit.checked_div(8)?, bit.checked_rem(8)?);
        let [low, high] = value.checked_shl(u32::try_from(shift).ok()?)?.to_le_bytes();
        *bytes.get_mut(at)? |= low;
        match at.checked_add(1).and_then(|next| bytes.get_mut(next)) {
            Some(next) => *next |= high,
            None if high != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

/// Returns the first `N` digits of `bytes` in Nix's base 32. Bits after the end of `bytes` count as
/// zero.
pub(crate) fn base32<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [b'0'; N];
    for (n, digit) in text.iter_mut().rev().enumerate() {
        let bit = n.saturating_mul(5);
        let (at, shift) = (bit >> 3, u32::try_from(bit & 7).unwrap_or(0));
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let pair = u16::from_le_bytes([byte(at), byte(at.saturating_add(1))]);
        let value = usize::from(pair.checked_shr(shift).unwrap_or(0) & 31);
        *digit = BASE32_DIGITS.get(value).copied().unwrap_or(b'0');
    }
    text
}
