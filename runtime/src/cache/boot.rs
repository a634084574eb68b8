//! Which boot of the machine this is: what was written since cannot have been lost with its power.

use core::fmt;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::retry_on_intr;

use crate::system::file;

/// Bytes of a boot's identifier as text.
pub(crate) const BOOT_LEN: usize = 36;

/// The identifier of a boot, such as `3a5e4b1c-…`: random(4), `boot_id`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Boot(pub(crate) [u8; BOOT_LEN]);

impl Boot {
    /// This one; `None` where /proc is not mounted.
    pub fn current() -> Option<Boot> {
        let name = c"/proc/sys/kernel/random/boot_id";
        let file = file::open(CWD, name, OFlags::RDONLY, Mode::empty()).ok()?;
        let mut text = [0; BOOT_LEN];
        // The kernel hands it out whole.
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
