//! Paths that aarch64 code builds from immediates.
//!
//! An instruction there holds 16 bits, so a compiler that copies a path as a constant moves two characters at a time into
//! a register (movz, movk). No piece of a hash is then long enough to be found; but each such path begins with
//! `/nix/sto`, four moves into one register.

/// Two characters each: the immediates, as a little-endian processor has them.
const HALVES: [u16; 4] = [0x6e2f, 0x7869, 0x732f, 0x6f74];

/// Instructions between which the four moves stand: a compiler mixes those of several registers.
const DISTANCE: u64 = 64;

/// Looks for the four moves in a file that comes in parts.
#[derive(Default)]
pub(crate) struct MoveScanner {
    /// Bytes of an instruction that is not whole yet.
    rest: Vec<u8>,
    /// Instructions so far.
    count: u64,
    /// For each register, where each half was moved to it last.
    moved: [[Option<u64>; HALVES.len()]; 32],
    found: Option<u64>,
}

impl MoveScanner {
    /// Takes the file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let words = std::mem::take(&mut self.rest);
        let (whole, rest) = words.as_chunks::<4>();
        for word in whole {
            self.instruction(u32::from_le_bytes(*word));
            self.count += 1;
        }
        self.rest = rest.to_vec();
    }

    fn instruction(&mut self, word: u32) {
        // MOVZ and MOVK, of 64 bits: opcode, shift, 16 bits, register.
        if !matches!(word >> 23, 0b1_1010_0101 | 0b1_1110_0101) {
            return;
        }
        let (immediate, register) = (word >> 5 & 0xffff, word & 31);
        let Some(half) = HALVES.iter().position(|half| u32::from(*half) == immediate) else {
            return;
        };
        let moved = &mut self.moved[register as usize];
        moved[half] = Some(self.count);
        let is_near = |at: &Option<u64>| at.is_some_and(|at| self.count - at < DISTANCE);
        if moved.iter().all(is_near) {
            self.found.get_or_insert(self.count * 4);
        }
    }

    /// Ends the file; returns where the first such path is built.
    pub(crate) fn end(self) -> Option<u64> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// movz (of which the first is one) and movk to a register.
    fn moves(register: u32, text: &[u8]) -> Vec<u8> {
        let word = |(number, half): (usize, &[u8])| {
            let immediate = u32::from(u16::from_le_bytes([half[0], half[1]]));
            let opcode = if number == 0 { 0xd280_0000 } else { 0xf280_0000 };
            let shift = u32::try_from(number).unwrap() << 21;
            (opcode | shift | immediate << 5 | register).to_le_bytes()
        };
        text.chunks(2).enumerate().flat_map(word).collect()
    }

    #[test]
    fn a_path_in_four_moves_is_found() {
        let found = |bytes: &[u8], part: usize| {
            let mut scanner = MoveScanner::default();
            bytes.chunks(part).for_each(|part| scanner.feed(part));
            scanner.end()
        };
        let nop = 0xd503_201f_u32.to_le_bytes();
        for part in [1, 3, 4, 1000] {
            assert_eq!(found(&moves(3, b"/nix/sto"), part), Some(12));
            let (one, two) = (moves(3, b"/nix/sto"), moves(4, b"re/1b9p0"));
            let mixed: Vec<u8> =
                one.chunks(4).zip(two.chunks(4)).flat_map(|(a, b)| [a, b].concat()).collect();
            assert_eq!(found(&mixed, part), Some(24));
            assert_eq!(found(&moves(3, b"/usr/sto"), part), None);
            let apart: Vec<u8> =
                one.chunks(4).flat_map(|word| [word, &nop.repeat(70)].concat()).collect();
            assert_eq!(found(&apart, part), None);
            let others = [&moves(3, b"/nix")[..], &moves(4, b"/sto")].concat();
            assert_eq!(found(&others, part), None);
        }
    }
}
