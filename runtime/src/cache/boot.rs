//! Identifies a boot. Records store the boot ID instead of syncing: until that boot ends, nothing
//! that was written in it can be lost.

use core::fmt;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::retry_on_intr;

use crate::system::file;

/// Bytes of a boot ID as text.
pub(crate) const BOOT_LEN: usize = 36;

/// A boot ID, such as `3a5e4b1c-…`: `boot_id` in random(4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Boot(pub(crate) [u8; BOOT_LEN]);

impl Boot {
    /// Returns the ID of this boot; `None` without /proc.
    pub fn current() -> Option<Boot> {
        let name = c"/proc/sys/kernel/random/boot_id";
        let file = file::open(CWD, name, OFlags::RDONLY, Mode::empty()).ok()?;
        let mut text = [0; BOOT_LEN];
        // The kernel returns the whole ID in one read.
        let len = retry_on_intr(|| rustix::io::read(&file, &mut text)).ok()?;
        (len == BOOT_LEN).then_some(Boot(text))
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
