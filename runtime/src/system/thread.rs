//! Runs work on several threads.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;

/// Runs `work` on this thread and on `threads - 1` others, and waits for all of them.
///
/// If the system allows fewer threads, fewer run.
///
/// # Errors
///
/// The first error that `work` returned.
pub fn parallel<E: Send, W>(threads: usize, work: W) -> Result<(), E>
where
    W: Fn() -> Result<(), E> + Sync,
{
    /// Returns null or a boxed error.
    extern "C" fn run<E, W: Fn() -> Result<(), E> + Sync>(work: *mut c_void) -> *mut c_void {
        // SAFETY: the pointer is to the `work` of `parallel`, which does not return, and so does
        // not drop `work`, before this thread has ended.
        let work = unsafe { &*work.cast::<W>() };
        match work() {
            Ok(()) => ptr::null_mut(),
            Err(error) => Box::into_raw(Box::new(error)).cast(),
        }
    }
    let mut others: Vec<libc::pthread_t> = Vec::new();
    let argument = ptr::from_ref(&work).cast_mut().cast();
    for _ in 1..threads {
        let mut thread = MaybeUninit::uninit();
        let created =
            // SAFETY: `run` only shares `work`, which is Sync, and hands over an E, which is Send.
            unsafe { libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run::<E, W>, argument) };
        if created != 0 {
            break;
        }
        // SAFETY: a successful pthread_create has written it.
        others.push(unsafe { thread.assume_init() });
    }
    let mut result = work();
    for thread in others {
        let mut error = ptr::null_mut();
        // SAFETY: the thread was created above, is joinable and is joined once.
        unsafe { libc::pthread_join(thread, &raw mut error) };
        if !error.is_null() {
            // SAFETY: it is the box that `run` made, and only this code takes it.
            let error = *unsafe { Box::from_raw(error.cast::<E>()) };
            result = result.and(Err(error));
        }
    }
    result
}
