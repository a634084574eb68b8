//! The steps of a start, in order.

use core::ffi::{CStr, c_int};
use core::panic::PanicInfo;

use format::DESCRIPTOR_LEN;

use crate::accounts::UnknownUsers;
use crate::context::Context;
use crate::error::Error;
use crate::payload::Bundle;
use crate::settings::Settings;
use crate::system::call::{self, Strings};
use crate::system::log::{self, Brief, Log};
use crate::{command, entry, graphics, host_programs, mode};

/// Runs the program in this process, or the command that `PACKED` names.
///
/// Returns an exit status after a command or an error; otherwise the program takes the process
/// over.
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
    // Ignore the settings of a caller that has fewer privileges than this process.
    let trusted: &[&CStr] = if call::is_privileged() { &[] } else { environment };
    let settings = Settings::read(trusted)?;
    let bundle = Bundle::decode(descriptor)?;
    let log = Log { on: settings.log };
    // In a namespace, the kernel tells another path.
    let own_path = entry::own_path(&bundle.descriptor);
    let entry = entry::choose(&bundle.descriptor, arguments.first().copied());
    let subset = entry.subset.filter(|_| settings.command.is_none());
    let context =
        Context { bundle: &bundle, subset, settings, environment: trusted, own_path, log };
    if let Some(command) = settings.command {
        return command::run(command, descriptor, &context);
    }
    if call::is_set_group_id() {
        return Err(Error::SetGroup);
    }
    if log.on {
        log_unknown_users(log);
    }
    if let Some(program) = host_programs::called() {
        return Err(host_programs::run(&context, program, arguments, environment));
    }
    let drivers = graphics::find(&context)?;
    let visible = mode::make_visible(&context, drivers.as_ref())?;
    Err(entry::exec(&context, entry, &visible, drivers.as_ref(), arguments, environment))
}

#[cold]
fn log_unknown_users(log: Log) {
    if let Some(unknown) = UnknownUsers::find() {
        log.debug(format_args!("{unknown}\nhint: {}", unknown.hint()));
    }
}

/// Reports a bug in the launcher and ends the process. There may be no more memory: then it is no bug.
pub fn bug(info: &PanicInfo<'_>) -> ! {
    // What `alloc` says if it cannot get memory.
    let is_memory = Brief::new(format_args!("{}", info.message()))
        .bytes()
        .starts_with(b"memory allocation of ");
    if is_memory {
        log::say_briefly(format_args!("{}", Error::memory()));
    } else {
        log::say_briefly(format_args!(
            "bug in the launcher: {info}\nhint: please report this line and the output of PACKED=info"
        ));
    }
    call::exit(125)
}
