//! What the stub gets at its start: the descriptor, the arguments and the environment.
//!
//! Only `main.rs` uses it.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

use format::{DESCRIPTOR_LEN, NOTE_NAME, NOTE_TYPE};

use super::call::{Strings, exit};

/// An ELF note (elf(5)); the packer replaces its content with the bundle's descriptor.
#[repr(C, align(4))]
struct Note {
    name_len: u32,
    content_len: u32,
    note_type: u32,
    /// The owner's name, a NUL, and padding to a multiple of 4.
    name: [u8; 8],
    content: [u8; DESCRIPTOR_LEN],
}

/// Converts a length for the note. `u32::try_from` does not work in constants.
#[allow(clippy::cast_possible_truncation)]
const fn note_len(len: usize) -> u32 {
    assert!(len <= DESCRIPTOR_LEN);
    len as u32
}

const NAME: [u8; 8] = {
    let mut name = [0; 8];
    name.split_at_mut(NOTE_NAME.len()).0.copy_from_slice(NOTE_NAME.as_bytes());
    name
};

#[used]
#[unsafe(link_section = ".note.packer")]
static NOTE: Note = Note {
    name_len: note_len(NOTE_NAME.len() + 1),
    content_len: note_len(DESCRIPTOR_LEN),
    note_type: NOTE_TYPE,
    name: NAME,
    content: [0; DESCRIPTOR_LEN],
};

/// Returns the descriptor in this program.
pub fn descriptor() -> &'static [u8; DESCRIPTOR_LEN] {
    // The compiler sees a note of zeros. black_box keeps it from assuming that the content is still
    // zero.
    &core::hint::black_box(&NOTE).content
}

/// A null-terminated vector of strings, as the C library's start-up code passes it to `main`.
///
/// Only that code can make one, so it is always a valid vector on the stack of the process.
#[derive(Debug)]
#[repr(transparent)]
pub struct Vector(*const *const c_char);

impl Vector {
    /// Collects the strings.
    pub fn strings(self) -> Strings {
        let mut strings = Vec::new();
        let mut at = self.0;
        // SAFETY: the vector is null-terminated, and the loop stops at the null. Its strings live
        // as long as the process.
        unsafe {
            while !(*at).is_null() {
                strings.push(CStr::from_ptr(*at));
                at = at.add(1);
            }
        }
        strings
    }
}

// Link the C library, which the standard library would do otherwise.
#[link(name = "c", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

/// The unwind tables of the precompiled `core` refer to it. It is never called, since a panic
/// aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Cleanup code of the precompiled `alloc` refers to it. It is never called either.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(125)
}
