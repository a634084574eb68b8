//! The bundle starts: the steps, in order.

use core::ffi::{CStr, c_int};
use core::panic::PanicInfo;

use format::DESCRIPTOR_LEN;

use crate::error::Error;
use crate::log::{self, Log};
use crate::payload::Bundle;
use crate::settings::Settings;
use crate::sys::{self, Strings};
use crate::{command, entry, store};

/// Becomes the program; returns an exit status if it cannot, or if another command was given.
pub fn main(descriptor: &[u8; DESCRIPTOR_LEN], arguments: Strings, environment: Strings) -> c_int {
    match launch(descriptor, &arguments, &environment) {
        Ok(status) => status,
        Err(error) => {
            log::say(format_args!("{error}"));
            error.exit_status()
        }
    }
}

fn launch(
    descriptor: &[u8; DESCRIPTOR_LEN],
    arguments: &Strings,
    environment: &Strings,
) -> Result<c_int, Error> {
    // If the caller has fewer rights than this process, what it says counts for nothing.
    let said: &[&CStr] = if sys::is_privileged() { &[] } else { environment };
    let settings = Settings::read(said)?;
    let log = Log { on: settings.log };
    let bundle = Bundle::decode(descriptor)?;
    if let Some(command) = settings.command {
        return command::run(command, descriptor, &bundle, &settings, said);
    }
    if sys::has_callers_files() {
        return Err(Error::SetGroup);
    }
    let entry = entry::choose(&bundle.descriptor, arguments.first().copied());
    let store = store::make_visible(&bundle, &settings, said, log)?;
    Err(entry::exec(&bundle.descriptor, entry, &store, arguments, environment, log))
}

/// Ends the process after a bug in this program.
pub fn bug(info: &PanicInfo<'_>) -> ! {
    log::say(format_args!(
        "bug in the launcher: {info}\nhint: please report this line and what PACKED=info prints"
    ));
    sys::exit(125)
}
