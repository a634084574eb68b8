//! The stub's allocator: an arena for what every start needs, the C library's for the rest.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes for the first allocations: all that a start of an unpacked bundle needs.
const ARENA_LEN: usize = 64 << 10;

/// Alignment of everything that is allocated; no type here asks for more.
const ALIGN: usize = 16;

/// Memory that the kernel maps with the program: asking it for more takes system calls.
#[repr(C, align(16))]
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_LEN]>,
    /// How many of them were given away.
    used: AtomicUsize,
}

// SAFETY: each byte is given to one caller only.
unsafe impl Sync for Arena {}

impl Arena {
    /// Takes the next bytes; null if there are too few.
    fn take(&self, size: usize) -> *mut u8 {
        let Some(size) = size.checked_next_multiple_of(ALIGN) else { return ptr::null_mut() };
        let next = |used: usize| used.checked_add(size).filter(|end| *end <= ARENA_LEN);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            // SAFETY: the offset is inside the array.
            Ok(used) => unsafe { self.bytes.get().cast::<u8>().add(used) },
            Err(_) => ptr::null_mut(),
        }
    }

    /// Takes back the bytes that were given away last; all others stay where they are.
    fn give_back(&self, block: *mut u8, size: usize) {
        let start = block.addr() - self.bytes.get().addr();
        let end = start + size.next_multiple_of(ALIGN);
        // That others were given away since is no failure.
        let _ = self.used.compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn owns(&self, block: *mut u8) -> bool {
        let start = self.bytes.get().addr();
        (start..start + ARENA_LEN).contains(&block.addr())
    }
}

/// The arena, and then the C library's allocator.
#[derive(Debug)]
pub struct Allocator;

static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; ARENA_LEN]), used: AtomicUsize::new(0) };

// SAFETY: malloc aligns to 16 bytes as the arena does; what is from the one never goes to the other.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        debug_assert!(layout.align() <= ALIGN);
        let block = ARENA.take(layout.size());
        // SAFETY: no precondition.
        if block.is_null() { unsafe { libc::malloc(layout.size()).cast() } } else { block }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = ARENA.take(layout.size());
        if block.is_null() {
            // SAFETY: no precondition. Large blocks come from the kernel as zeros, untouched.
            return unsafe { libc::calloc(layout.size(), 1).cast() };
        }
        // SAFETY: the block has that many bytes.
        unsafe { block.write_bytes(0, layout.size()) };
        block
    }

    // In each place where something is dropped it would add 6 KB to the stub.
    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ARENA.owns(block) {
            ARENA.give_back(block, layout.size());
        } else {
            // SAFETY: it came from malloc or calloc.
            unsafe { libc::free(block.cast::<c_void>()) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !ARENA.owns(block) {
            // SAFETY: it came from malloc or calloc.
            return unsafe { libc::realloc(block.cast::<c_void>(), size).cast() };
        }
        let len = layout.size().min(size);
        // SAFETY: the caller's layout, with another size; both blocks have `len` bytes, and the new one
        // is nobody else's.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, len);
                self.dealloc(block, layout);
            }
            new
        }
    }
}
