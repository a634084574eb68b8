//! The modes that make a closure visible, and sets of modes.

use core::fmt;
use core::str::FromStr;

/// How a bundle makes its closure visible to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The host's own store has every store path: the program runs from there.
    Host,
    /// Unpacking rewrites references to the cache: the program runs from there.
    Relocate,
    /// The cache is mounted at `/nix/store` in a mount namespace.
    Namespace,
    /// Like `Namespace`, but the bundle is unpacked to memory.
    Ram,
}

/// The error for a name that is not a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the modes are host, relocate, namespace, ram")
    }
}

impl core::error::Error for UnknownMode {}

impl Mode {
    /// All modes, in the order in which a start tries them if relocation is proven.
    pub const ALL: [Mode; 4] = [Mode::Host, Mode::Relocate, Mode::Namespace, Mode::Ram];

    /// The mode's name.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Host => "host",
            Mode::Relocate => "relocate",
            Mode::Namespace => "namespace",
            Mode::Ram => "ram",
        }
    }

    fn bit(self) -> u32 {
        match self {
            Mode::Host => 1,
            Mode::Relocate => 2,
            Mode::Namespace => 4,
            Mode::Ram => 8,
        }
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Mode, UnknownMode> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name).ok_or(UnknownMode)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of modes, and their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes(u32);

/// The bit that puts `relocate` after `namespace`. A reader of version 1 refuses it, like every unknown bit.
const NAMESPACE_FIRST: u32 = 16;

impl Modes {
    /// Whether `mode` is in the set.
    pub fn contains(self, mode: Mode) -> bool {
        self.0 & mode.bit() != 0
    }

    /// The same modes, with `namespace` before `relocate`: for closures with files that may be wrong after
    /// relocation.
    #[must_use]
    pub fn namespace_first(self) -> Modes {
        Modes(self.0 | NAMESPACE_FIRST)
    }

    /// Whether a start tries `namespace` before `relocate`.
    pub fn is_namespace_first(self) -> bool {
        self.0 & NAMESPACE_FIRST != 0
    }

    /// The modes of the set, in the order in which a start tries them.
    pub fn iter(self) -> impl Iterator<Item = Mode> {
        let order = match self.is_namespace_first() {
            true => [Mode::Host, Mode::Namespace, Mode::Relocate, Mode::Ram],
            false => Mode::ALL,
        };
        order.into_iter().filter(move |mode| self.contains(*mode))
    }

    pub(crate) fn to_bits(self) -> u32 {
        self.0
    }

    /// Returns `None` if the set has no mode, or a bit that is not known.
    pub(crate) fn from_bits(bits: u32) -> Option<Modes> {
        let modes: Modes = Modes(bits).iter().collect();
        (modes.0 == bits & !NAMESPACE_FIRST && modes.0 != 0).then_some(Modes(bits))
    }
}

impl FromIterator<Mode> for Modes {
    fn from_iter<I: IntoIterator<Item = Mode>>(modes: I) -> Modes {
        Modes(modes.into_iter().fold(0, |bits, mode| bits | mode.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Modes};

    #[test]
    fn names_round_trip() {
        for mode in Mode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert!("Host".parse::<Mode>().is_err());
    }

    #[test]
    fn unknown_bits_are_refused() {
        assert_eq!(Modes::from_bits(0), None);
        assert_eq!(Modes::from_bits(16), None);
        assert_eq!(Modes::from_bits(33), None);
        let all: Modes = Mode::ALL.into_iter().collect();
        assert_eq!(Modes::from_bits(all.to_bits()), Some(all));
    }

    #[test]
    fn a_bit_puts_relocate_behind_namespace() {
        let all: Modes = Mode::ALL.into_iter().collect();
        assert!(all.iter().eq(Mode::ALL));
        let doubtful = all.namespace_first();
        let order = [Mode::Host, Mode::Namespace, Mode::Relocate, Mode::Ram];
        assert!(doubtful.iter().eq(order));
        assert_eq!(Modes::from_bits(doubtful.to_bits()), Some(doubtful));
        let few: Modes = [Mode::Relocate, Mode::Namespace].into_iter().collect();
        assert!(few.namespace_first().iter().eq([Mode::Namespace, Mode::Relocate]));
    }
}
