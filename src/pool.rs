//! Memory that a context keeps: while a context works, what the codecs free is kept for what they ask for next.
//!
//! A detector's writer must not wait for `malloc`, which takes locks and page faults. Codecs take working memory where
//! they need it, some of it in sizes that depend on the data. Instead of a second version of each of them, the library
//! has an allocator of its own, which rounds sizes up to classes and, where a [`Pool`] is in use by the thread, takes
//! blocks from it and returns them to it. After a few chunks the pool holds what a chunk needs, and [`Pool::reserve`]
//! adds to that for chunks of other contents.
//!
//! * Each block comes from the system allocator by itself and knows its class, so it may be freed anywhere: by another
//!   thread, or after the pool is gone.
//! * A pool grows to the most that was in use at one time, and shrinks when the context is freed.
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
/// In front of each block, with its class.
const HEADER_BYTES: usize = ALIGN;
/// A request may get a block from this many classes up, nearly four times as large.
const CLASSES_UP: usize = 7;

/// Number of the class that holds `layout`; `None` where it is left to the system.
fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size().max(SMALLEST);
    if layout.align() > ALIGN || size > isize::MAX as usize / 2 {
        return None;
    }
    let shift = (size - 1).ilog2().max(SMALLEST_SHIFT - 1);
    // Between 2^shift (exclusive) and 2^(shift + 1) lie four classes.
    let step = (1usize << shift) / 4;
    let quarter = (size - (1 << shift)).div_ceil(step);
    let index = 4 * (shift - (SMALLEST_SHIFT - 1)) as usize + quarter - 1;
    (index < CLASSES).then_some(index)
}

/// Size of the blocks of a class.
fn size_of_class(class: usize) -> usize {
    let shift = class as u32 / 4 + SMALLEST_SHIFT - 1;
    (1 << shift) + (class % 4 + 1) * ((1 << shift) / 4)
}

/// What the system is asked for, for a block of a class.
fn block_layout(class: usize) -> Layout {
    let size = HEADER_BYTES + size_of_class(class);
    Layout::from_size_align(size, ALIGN).expect("classes are no larger than memory")
}

/// A block of a class from the system.
fn new_block(class: usize, zeroed: bool) -> *mut u8 {
    let layout = block_layout(class);
    // SAFETY: no class is empty.
    let start = unsafe {
        if zeroed {
            System.alloc_zeroed(layout)
        } else {
            System.alloc(layout)
        }
    };
    if start.is_null() {
        return start;
    }
    // SAFETY: the header lies at the start of the block, which is aligned for it.
    unsafe {
        start.cast::<usize>().write(class);
        start.add(HEADER_BYTES)
    }
}

/// The class of a block.
///
/// # Safety
/// `block` comes from `new_block` and is not freed.
unsafe fn class_at(block: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { block.sub(HEADER_BYTES).cast::<usize>().read() }
}

/// # Safety
/// As for `class_at`, and nobody uses the block again.
unsafe fn free_block(block: *mut u8) {
    // SAFETY: the caller's promise; the layout is that of `new_block`.
    unsafe {
        let layout = block_layout(class_at(block));
        System.dealloc(block.sub(HEADER_BYTES), layout);
    }
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

    /// Adds blocks for data that need others than the chunks before: four of each class up to 4 KiB, two up to 256 KiB, and
    /// one per power of two up to `largest` bytes. Nothing where no chunk has needed any.
    pub(crate) fn reserve(&self, largest: usize) {
        if self.lists.iter().all(|list| list.get().is_none()) {
            return;
        }
        let end = CLASSES.min(class_of_size(largest) + 4);
        for class in 0..end {
            let count = match size_of_class(class) {
                ..=4_096 => 4,
                4_097..=262_144 => 2,
                _ => usize::from(class % 4 == 3),
            };
            for _ in 0..count {
                if let Some(block) = NonNull::new(new_block(class, false)) {
                    // SAFETY: the block is new.
                    unsafe { self.keep(block) };
                }
            }
        }
    }

    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let end = CLASSES.min(class + CLASSES_UP + 1);
        (class..end).find_map(|class| self.take_exactly(class))
    }

    fn take_exactly(&self, class: usize) -> Option<NonNull<u8>> {
        let block = self.lists[class].get()?;
        // SAFETY: blocks in a list begin with a `Free` and belong to the pool alone.
        self.lists[class].set(unsafe { block.as_ref() }.next);
        Some(block.cast())
    }

    /// # Safety
    /// `block` comes from `new_block`, and nobody uses it.
    unsafe fn keep(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        let list = &self.lists[unsafe { class_at(block.as_ptr()) }];
        let block: NonNull<Free> = block.cast();
        let next = list.get();
        // SAFETY: every class has room for a `Free`, and `ALIGN` is enough for it.
        unsafe { block.write(Free { next }) };
        list.set(Some(block));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.take_exactly(class) {
                // SAFETY: the pool has it alone.
                unsafe { free_block(block.as_ptr()) };
            }
        }
    }
}

fn class_of_size(size: usize) -> usize {
    let layout = Layout::from_size_align(size, ALIGN).ok();
    layout.and_then(class_of).unwrap_or(CLASSES)
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

// SAFETY: every block is one of the system allocator, at least as long and as aligned as asked, and in one hand only: the
// pool gives away what it was given. Whether a block has a header follows from the layout asked, which is the same when it
// is freed; its true size is in the header.
unsafe impl GlobalAlloc for Recycling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc(layout) };
        };
        match in_use().and_then(|pool| pool.take(class)) {
            Some(block) => block.as_ptr(),
            None => new_block(class, false),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc_zeroed(layout) };
        };
        match in_use().and_then(|pool| pool.take(class)) {
            Some(block) => {
                // SAFETY: the block is at least as long as was asked.
                unsafe { block.write_bytes(0, layout.size()) };
                block.as_ptr()
            }
            None => new_block(class, true),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if class_of(layout).is_none() {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.dealloc(pointer, layout) };
        }
        match (in_use(), NonNull::new(pointer)) {
            // SAFETY: the caller gives up what `alloc` gave it.
            (Some(pool), Some(block)) => unsafe { pool.keep(block) },
            // SAFETY: as above.
            _ => unsafe { free_block(pointer) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: the new size, rounded up, is no larger than memory.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if class_of(layout).is_some() && class_of(layout) == class_of(wanted) {
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
            let class = class_of(Layout::from_size_align(size, 8).unwrap()).unwrap();
            let holds = size_of_class(class);
            assert!(holds >= size && class >= last, "{size}: {holds}");
            assert!(
                holds <= SMALLEST.max(size + size.div_ceil(4)),
                "{size}: {holds}"
            );
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
        pool.reserve(50_000);
        let kept: Vec<Vec<u8>> = pool.with(|| (1..=16).map(|i| vec![1; 200 * i]).collect());
        assert!(kept.iter().all(|bytes| bytes.iter().all(|&byte| byte == 1)));
        let mut grown = pool.with(|| vec![3u8; 100]);
        pool.with(|| grown.resize(100_000, 3));
        drop(pool);
        assert!(grown.iter().all(|&byte| byte == 3) && again.len() == 9_999);
    }
}
