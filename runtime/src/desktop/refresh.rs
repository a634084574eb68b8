//! Tells the desktop what is new: runs the programs that update its caches, if the host has them.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fs::Access;

use super::data_home::DataHome;
use super::record::{Path, Record};
use super::text::joined;
use crate::settings::variable;
use crate::system::call;
use crate::system::child::in_child;

/// The directories that desktops read from caches, and what makes these: desktop-file-utils and shared-mime-info.
const PROGRAMS: [(&[u8], &CStr); 2] =
    [(b"applications", c"update-desktop-database"), (b"mime", c"update-mime-database")];

/// Updates the caches of the directories that files were written to or removed from.
///
/// A desktop that has no such program reads the directories themselves, or at its next start.
pub(super) fn refresh(home: &DataHome, records: &[Record], environment: &[&CStr]) {
    for (directory, program) in PROGRAMS {
        let is_below = |path: &Path| path.split(|byte| *byte == b'/').next() == Some(directory);
        if records.iter().any(|record| record.files.iter().any(is_below)) && home.exists(directory)
        {
            run(program, home.absolute(directory), environment);
        }
    }
    for path in records.iter().flat_map(|record| record.files) {
        // icons/THEME/…
        let names: Vec<&[u8]> = path.splitn(3, |byte| *byte == b'/').collect();
        if let [b"icons", theme, _] = names[..] {
            home.touch(&path[..b"icons/".len() + theme.len()]);
        }
    }
}

/// Runs a program of the host on a directory, if the caller's `PATH` has it, and waits for its end.
#[inline(never)]
fn run(program: &CStr, directory: &[u8], environment: &[&CStr]) {
    let Ok(directory) = CString::new(directory) else { return };
    let places = variable(environment, "PATH").unwrap_or_default();
    for place in places.split(|byte| *byte == b':').filter(|place| place.starts_with(b"/")) {
        let Ok(path) = CString::new(joined(&[place, b"/", program.to_bytes()])) else { return };
        if rustix::fs::access(&*path, Access::EXEC_OK).is_ok() {
            // It says itself what it does not like; the entries are installed whatever it says.
            let _ = in_child(|| {
                call::exec(&path, &[program, &directory], environment);
                Vec::new()
            });
            return;
        }
    }
}
