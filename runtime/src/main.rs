//! The stub's `main` function, allocator and panic handler: they call `launch.rs`.
//!
//! It does without the standard library, which would add 200 KiB and ignore SIGPIPE at its start.
#![no_std]
#![no_main]

use core::ffi::c_int;
use core::panic::PanicInfo;

use runtime::launch;
use runtime::system::memory::Allocator;
use runtime::system::start::{Vector, descriptor};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Starts the launcher. musl's start-up code calls this function; its result is the exit status.
// Only the attribute counts as unsafe code: another function named `main` would be called in place
// of this one.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, arguments: Vector, environment: Vector) -> c_int {
    launch::main(descriptor(), arguments.strings(), environment.strings())
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    launch::bug(info)
}
