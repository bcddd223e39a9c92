//! Memory that a context keeps: while a context works, what the codecs free is kept for what they ask for next.
//!
//! A detector's writer must not wait for `malloc`, which takes locks and page faults. Codecs take working memory where
//! they need it, some of it in sizes that depend on the data. Instead of a second version of each of them, the library
//! has an allocator of its own, which rounds sizes up to classes and, where a [`Pool`] is in use by the thread, takes
//! blocks from it and returns them to it. After a few chunks every class holds what a chunk needs.
//!
//! * Each block comes from the system allocator by itself and with the size of its class, so it may be freed anywhere:
//!   by another thread, or after the pool is gone.
//! * A pool grows to the most that was in use at one time, in each class, and shrinks when the context is freed.
//! * C code (LZ4, zstd) does not pass here; the codecs keep its states themselves.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Four classes to a power of two, from 64 bytes: at most a quarter is lost by rounding up.
const CLASSES: usize = 4 * 56;
const SMALLEST_SHIFT: u32 = 6;
const SMALLEST: usize = 1 << SMALLEST_SHIFT;
/// What `malloc` aligns to; blocks of a stricter alignment are left to the system.
const ALIGN: usize = 16;

/// Number of the class that holds `layout`, and its size; `None` where it is left to the system.
fn class_of(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size().max(SMALLEST);
    if layout.align() > ALIGN || size > isize::MAX as usize / 2 {
        return None;
    }
    let shift = (size - 1).ilog2().max(SMALLEST_SHIFT - 1);
    // Between 2^shift (exclusive) and 2^(shift + 1) lie four classes.
    let step = (1usize << shift) / 4;
    let quarter = (size - (1 << shift)).div_ceil(step);
    let index = 4 * (shift - (SMALLEST_SHIFT - 1)) as usize + quarter - 1;
    (index < CLASSES).then_some((index, (1 << shift) + quarter * step))
}

/// The first bytes of a block that is kept.
struct Free {
    next: Option<NonNull<Free>>,
}

/// Blocks that are kept, by class.
pub(crate) struct Pool {
    lists: [Cell<Option<NonNull<Free>>>; CLASSES],
}

thread_local! {
    static IN_USE: Cell<*const Pool> = const { Cell::new(ptr::null()) };
}

impl Pool {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            lists: [const { Cell::new(None) }; CLASSES],
        })
    }

    /// Runs `body` with this pool in use by the thread.
    pub(crate) fn with<T>(&self, body: impl FnOnce() -> T) -> T {
        struct Restore(*const Pool);
        impl Drop for Restore {
            fn drop(&mut self) {
                IN_USE.set(self.0);
            }
        }
        let _restore = Restore(IN_USE.replace(self));
        body()
    }

    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let block = self.lists[class].get()?;
        // SAFETY: blocks in a list begin with a `Free` and belong to the pool alone.
        self.lists[class].set(unsafe { block.as_ref() }.next);
        Some(block.cast())
    }

    /// # Safety
    /// `block` is of the size of the class, and nobody uses it.
    unsafe fn keep(&self, class: usize, block: NonNull<u8>) {
        let block: NonNull<Free> = block.cast();
        let next = self.lists[class].get();
        // SAFETY: every class has room for a `Free`, and `ALIGN` is enough for it.
        unsafe { block.write(Free { next }) };
        self.lists[class].set(Some(block));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.take(class) {
                let shift = class as u32 / 4 + SMALLEST_SHIFT - 1;
                let size = (1usize << shift) + (class % 4 + 1) * ((1 << shift) / 4);
                // SAFETY: `Recycling::alloc` took the block from the system with this layout.
                unsafe { System.dealloc(block.as_ptr(), block_layout(size)) };
            }
        }
    }
}

fn block_layout(size: usize) -> Layout {
    Layout::from_size_align(size, ALIGN).expect("classes are no larger than memory")
}

fn in_use<'a>() -> Option<&'a Pool> {
    let pool = IN_USE.try_with(Cell::get).ok()?;
    // SAFETY: `Pool::with` borrows the pool for as long as the pointer is set.
    unsafe { pool.as_ref() }
}

/// The allocator of this library. It serves the library's Rust code only, not the program's `malloc`.
struct Recycling;

#[global_allocator]
static ALLOCATOR: Recycling = Recycling;

// SAFETY: every block is one of the system allocator, at least as long and as aligned as asked, and in one hand only:
// the pool gives away what it was given. The class, and with it the layout at the system, follows from the layout asked.
unsafe impl GlobalAlloc for Recycling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, size)) = class_of(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc(layout) };
        };
        match in_use().and_then(|pool| pool.take(class)) {
            Some(block) => block.as_ptr(),
            // SAFETY: no class is empty.
            None => unsafe { System.alloc(block_layout(size)) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((class, size)) = class_of(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc_zeroed(layout) };
        };
        match in_use().and_then(|pool| pool.take(class)) {
            Some(block) => {
                // SAFETY: the block is at least as long as was asked.
                unsafe { block.write_bytes(0, layout.size()) };
                block.as_ptr()
            }
            // SAFETY: no class is empty.
            None => unsafe { System.alloc_zeroed(block_layout(size)) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let Some((class, size)) = class_of(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.dealloc(pointer, layout) };
        };
        match (in_use(), NonNull::new(pointer)) {
            // SAFETY: the caller gives the block up, and it has the size of its class.
            (Some(pool), Some(block)) => unsafe { pool.keep(class, block) },
            // SAFETY: it was allocated with this layout above.
            _ => unsafe { System.dealloc(pointer, block_layout(size)) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: the new size, rounded up, is no larger than memory.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let same = class_of(layout).is_some() && class_of(layout) == class_of(wanted);
        if same {
            return pointer;
        }
        // SAFETY: a new block, filled with what both have room for, before the old one is given up.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                new.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_for_and_wastes_at_most_a_quarter() {
        let mut last = 0;
        for size in (1..5000).chain([1 << 20, (1 << 20) + 1, 3 << 30]) {
            let (class, holds) = class_of(Layout::from_size_align(size, 8).unwrap()).unwrap();
            assert!(holds >= size && class >= last, "{size}: {holds}");
            assert!(
                holds <= SMALLEST.max(size + size.div_ceil(4)),
                "{size}: {holds}"
            );
            let shift = class as u32 / 4 + SMALLEST_SHIFT - 1;
            let of_class = (1usize << shift) + (class % 4 + 1) * ((1 << shift) / 4);
            assert_eq!(of_class, holds, "{size}");
            last = class;
        }
        let wide = Layout::from_size_align(100, 64).unwrap();
        assert_eq!(class_of(wide), None);
    }

    #[test]
    fn what_was_freed_in_a_pool_is_given_again_there_and_nowhere_else() {
        let pool = Pool::new();
        let address = |bytes: &[u8]| bytes.as_ptr() as usize;
        let first = pool.with(|| address(&vec![7u8; 10_000]));
        let outside = vec![7u8; 10_000];
        assert_ne!(address(&outside), first);
        let again = pool.with(|| vec![0u8; 9_999]);
        assert_eq!(address(&again), first);
        assert!(again.iter().all(|&byte| byte == 0));
        let mut grown = pool.with(|| vec![3u8; 100]);
        pool.with(|| grown.resize(100_000, 3));
        drop(pool);
        assert!(grown.iter().all(|&byte| byte == 3) && again.len() == 9_999);
    }
}
