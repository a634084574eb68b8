//! The stub: what the C library and the compiler look for in a program, tied to `launch.rs`.
//!
//! Without the standard library, whose start would set SIGPIPE to ignored and costs 200 KiB.
#![no_std]
#![no_main]

use core::ffi::c_int;
use core::panic::PanicInfo;

use runtime::launch;
use runtime::system::memory::Allocator;
use runtime::system::start::{Vector, descriptor};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// musl's start-up code calls this; its result is the exit status.
// An attribute, no code: the name is what makes it unsafe, since a second `main` would be called in its place.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, arguments: Vector, environment: Vector) -> c_int {
    launch::main(descriptor(), arguments.strings(), environment.strings())
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    launch::bug(info)
}
