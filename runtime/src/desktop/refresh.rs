//! Tells the desktop what is new: runs the programs that update its caches, if the host has them.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use super::data_home::DataHome;
use crate::settings::variable;
use crate::system::call;
use crate::system::child::in_child;

/// The directories that desktops read from caches, and what makes these: desktop-file-utils and shared-mime-info.
const PROGRAMS: [(&str, &str); 2] =
    [("applications", "update-desktop-database"), ("mime", "update-mime-database")];

/// Updates the caches of the directories that files were written to or removed from.
///
/// A desktop that has no such program reads the directories themselves, or at its next start.
pub(super) fn refresh<'a>(
    home: &DataHome,
    files: impl Iterator<Item = &'a str> + Clone,
    environment: &[&CStr],
) {
    for (directory, program) in PROGRAMS {
        let is_below = |path: &str| path.split('/').next() == Some(directory);
        if files.clone().any(is_below) && home.exists(directory) {
            run(program, &alloc::format!("{}/{directory}", home.path), environment);
        }
    }
    let mut themes: Vec<&str> = Vec::new();
    for path in files {
        let mut names = path.splitn(3, '/');
        if let (Some("icons"), Some(theme), Some(_)) = (names.next(), names.next(), names.next()) {
            let theme = &path[.."icons/".len() + theme.len()];
            if !themes.contains(&theme) {
                themes.push(theme);
                home.touch(theme);
            }
        }
    }
}

/// Runs a program of the host on a directory, if the caller's `PATH` has it, and waits for its end.
fn run(program: &str, directory: &str, environment: &[&CStr]) {
    let Ok(argument) = CString::new(directory) else { return };
    let Ok(name) = CString::new(program) else { return };
    for place in variable(environment, "PATH").unwrap_or_default().split(|byte| *byte == b':') {
        let path = CString::new([place, b"/", program.as_bytes()].concat()).unwrap_or_default();
        if place.starts_with(b"/")
            && rustix::fs::access(&*path, rustix::fs::Access::EXEC_OK).is_ok()
        {
            // It says itself what it does not like; the entries are installed whatever it says.
            let _ = in_child(|| {
                call::exec(&path, &[&name, &argument], environment);
                Vec::new()
            });
            return;
        }
    }
}
