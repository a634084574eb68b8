//! The stub's allocator: an arena for what every start needs, and the C library's allocator for the
//! rest.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the arena: enough for a start of an unpacked bundle.
const ARENA_LEN: usize = 64 << 10;

/// Alignment of all blocks; no type here needs more.
const ALIGN: usize = 16;

/// Memory that the kernel maps with the program: getting more takes system calls.
#[repr(C, align(16))]
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_LEN]>,
    /// The number of bytes in use.
    used: AtomicUsize,
}

// SAFETY: `take` gives each byte to one caller only.
unsafe impl Sync for Arena {}

impl Arena {
    /// Allocates bytes; returns null if too few are left.
    fn take(&self, size: usize) -> *mut u8 {
        let Some(size) = size.checked_next_multiple_of(ALIGN) else { return ptr::null_mut() };
        let next = |used: usize| used.checked_add(size).filter(|end| *end <= ARENA_LEN);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            // SAFETY: the offset is inside the array.
            Ok(used) => unsafe { self.bytes.get().cast::<u8>().add(used) },
            Err(_) => ptr::null_mut(),
        }
    }

    /// Frees a block if it is the last one that was allocated; other blocks stay in use.
    fn give_back(&self, block: *mut u8, size: usize) {
        let start = block.addr() - self.bytes.get().addr();
        let end = start + size.next_multiple_of(ALIGN);
        // It fails if another block was allocated since; this block then stays in use.
        let _ = self.used.compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn owns(&self, block: *mut u8) -> bool {
        let start = self.bytes.get().addr();
        (start..start + ARENA_LEN).contains(&block.addr())
    }
}

/// Allocates from the arena, and then from the C library.
#[derive(Debug)]
pub struct Allocator;

static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; ARENA_LEN]), used: AtomicUsize::new(0) };

// SAFETY: malloc aligns to 16 bytes like the arena. A block from one of the two is never given back
// to the other.
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
            // SAFETY: no precondition. Large blocks come from the kernel already zeroed, so calloc
            // does not touch them.
            return unsafe { libc::calloc(layout.size(), 1).cast() };
        }
        // SAFETY: the block has that many bytes.
        unsafe { block.write_bytes(0, layout.size()) };
        block
    }

    // Inlined wherever a value is dropped, it would add 6 KB to the stub.
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
        // SAFETY: the layout is the caller's, with another size. Both blocks have `len` bytes, and
        // only this function knows the new one.
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
