//! What the kernel and the C library hand over when the stub starts: its descriptor and the two vectors.
//!
//! `main.rs` calls it: nothing below knows what a start does.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

use format::{DESCRIPTOR_LEN, NOTE_NAME, NOTE_TYPE};

use super::call::{Strings, exit};

/// An ELF note (elf(5)) whose content the packer replaces by the bundle's descriptor.
#[repr(C, align(4))]
struct Note {
    name_len: u32,
    content_len: u32,
    note_type: u32,
    /// The owner's name, a NUL, and padding to a multiple of 4.
    name: [u8; 8],
    content: [u8; DESCRIPTOR_LEN],
}

/// A length as an ELF note has it. `u32::try_from` is not for constants.
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

/// The descriptor in this program.
pub fn descriptor() -> &'static [u8; DESCRIPTOR_LEN] {
    // The compiler knows the note as zeros, so it must not see where the pointer comes from.
    &core::hint::black_box(&NOTE).content
}

/// A null-terminated vector of strings, as the C library's start-up code hands it to `main`.
///
/// Only that code can make one, so it is what it says: the kernel's, which stays where it is.
#[derive(Debug)]
#[repr(transparent)]
pub struct Vector(*const *const c_char);

impl Vector {
    /// Collects the strings.
    pub fn strings(self) -> Strings {
        let mut strings = Vec::new();
        let mut at = self.0;
        // SAFETY: a null-terminated vector of strings that live as long as the process; the walk stops at the null.
        unsafe {
            while !(*at).is_null() {
                strings.push(CStr::from_ptr(*at));
                at = at.add(1);
            }
        }
        strings
    }
}

// The standard library would bring the C library along.
#[link(name = "c", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

/// Named by the unwind tables of the precompiled `core`; a program that aborts never calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Called by cleanup code of the precompiled `alloc`, which never runs either.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(125)
}
