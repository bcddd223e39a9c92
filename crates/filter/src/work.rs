//! Memory that a thread keeps between chunks.
//!
//! A compressor's state costs more to make than a small block costs to compress, and fresh memory for a big chunk costs
//! two page faults a page, so both stay with the thread. No thread pool: it would hang children of fork.

use std::cell::RefCell;

use etalon_codec::Context;

use crate::entry::Failure;

/// Above this a thread gives its memory back after each chunk: making it again is little beside such a chunk.
const KEPT_BYTES: usize = 64 << 20;

/// Compressor states, and room for one encoded or decoded chunk.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) context: Context,
    scratch: Vec<u8>,
    largest: usize,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

/// Calls `body` with the memory of this thread.
///
/// HDF5 flushes files while the process exits, when the thread's own memory is already gone; then `body` gets memory of
/// its own.
pub(crate) fn with_work<T>(body: impl FnOnce(&mut Work) -> T) -> T {
    let mut body = Some(body);
    let mut run = |work: &mut Work| body.take().map(|body| body(work));
    let kept = WORK.try_with(|work| {
        let mut work = work.try_borrow_mut().ok()?;
        let answer = run(&mut work);
        if work.largest > KEPT_BYTES {
            *work = Work::default();
        }
        answer
    });
    match kept.ok().flatten() {
        Some(answer) => answer,
        None => run(&mut Work::default()).expect("the body has not run"),
    }
}

impl Work {
    /// The context and `len` bytes of scratch, with whatever was in them.
    pub(crate) fn with_scratch(
        &mut self,
        len: usize,
    ) -> Result<(&mut Context, &mut [u8]), Failure> {
        self.note(len);
        if let Some(missing) = len.checked_sub(self.scratch.len()) {
            self.scratch
                .try_reserve_exact(missing)
                .map_err(|_| Failure::Memory(len))?;
            self.scratch.resize(len, 0);
        }
        Ok((&mut self.context, &mut self.scratch[..len]))
    }

    /// Remembers that a chunk of `len` bytes passed through: the context may have grown with it.
    pub(crate) fn note(&mut self, len: usize) {
        self.largest = self.largest.max(len);
    }
}
