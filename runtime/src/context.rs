//! What the steps of one start need to know.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::payload::Bundle;
use crate::settings::Settings;
use crate::system::log::Log;

/// One start of a bundle.
#[derive(Debug)]
pub struct Context<'a> {
    /// The bundle that is started.
    pub bundle: &'a Bundle,
    /// The subset of its store paths that the entry needs, if that is not all.
    pub subset: Option<u16>,
    /// The user's settings.
    pub settings: Settings<'a>,
    /// The caller's environment; empty if the caller has fewer privileges than this process.
    pub environment: &'a [&'a CStr],
    /// The absolute path of the bundle's file, if a rule for the environment needs it.
    pub own_path: Vec<u8>,
    /// The log for debug messages.
    pub log: Log,
}
