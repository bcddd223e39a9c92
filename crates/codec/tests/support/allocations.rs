//! An allocator that remembers what a thread asked for. A test installs it with `#[global_allocator]`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What this thread allocated since [`reset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocations {
    pub count: usize,
    pub bytes: usize,
    pub largest: usize,
}

const NONE: Allocations = Allocations {
    count: 0,
    bytes: 0,
    largest: 0,
};

thread_local! {
    static ALLOCATIONS: Cell<Allocations> = const { Cell::new(NONE) };
}

pub fn reset() {
    ALLOCATIONS.set(NONE);
}

pub fn since_reset() -> Allocations {
    ALLOCATIONS.get()
}

/// The system allocator, watched.
pub struct Watching;

#[allow(unsafe_code)]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Allocations {
            count,
            bytes,
            largest,
        } = ALLOCATIONS.get();
        ALLOCATIONS.set(Allocations {
            count: count + 1,
            bytes: bytes + layout.size(),
            largest: largest.max(layout.size()),
        });
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
