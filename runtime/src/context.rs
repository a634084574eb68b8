//! One start of a bundle: what all of its steps need to know.

use core::ffi::CStr;

use crate::payload::Bundle;
use crate::settings::Settings;
use crate::system::log::Log;

/// One start of a bundle.
#[derive(Debug)]
pub struct Context<'a> {
    /// What is started.
    pub bundle: &'a Bundle,
    /// What the user asks of the launcher.
    pub settings: Settings<'a>,
    /// The caller's variables; none if the caller has fewer rights than this process.
    pub environment: &'a [&'a CStr],
    /// Where the steps say what they do.
    pub log: Log,
}
