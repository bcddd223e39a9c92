//! Memory that a thread keeps between chunks.
//!
//! A compressor's state costs more to make than a small block costs to compress, and fresh memory for a big chunk costs
//! two page faults a page, so both stay with the thread. No thread pool: it would hang children of fork.

use std::cell::RefCell;
use std::sync::LazyLock;

use etalon_codec::Context;

use crate::entry::Failure;
use crate::errors::say;

/// Above this a thread gives its memory back after each chunk: making it again is little beside such a chunk.
const KEPT_BYTES: usize = 64 << 20;

/// Threads inside a big chunk: what the environment says the first time that a chunk passes.
static THREADS: LazyLock<usize> = LazyLock::new(|| {
    let wanted = std::env::var_os("ETALON_THREADS");
    match wanted.as_ref().map(|wanted| threads(wanted.to_str())) {
        None => 1,
        Some(Some(count)) => count,
        Some(None) => {
            say(&format!(
                "ETALON_THREADS={} is no number from 1 to {MAX_THREADS}: chunks have one thread",
                wanted.unwrap_or_default().to_string_lossy()
            ));
            1
        }
    }
});

/// More would only be started in vain.
const MAX_THREADS: usize = 64;

fn threads(wanted: Option<&str>) -> Option<usize> {
    let count = wanted?.trim().parse().ok()?;
    (1..=MAX_THREADS).contains(&count).then_some(count)
}

/// Compressor states, and room for one encoded or decoded chunk.
pub(crate) struct Work {
    pub(crate) context: Context,
    scratch: Vec<u8>,
    largest: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            context: Context::with_threads(*THREADS),
            scratch: Vec::new(),
            largest: 0,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_a_number_from_1_to_64() {
        for (text, count) in [("1", 1), ("2", 2), (" 64 ", 64)] {
            assert_eq!(threads(Some(text)), Some(count), "{text:?}");
        }
        for text in ["", "0", "65", "-1", "two", "2.5", "99999999999999999999"] {
            assert_eq!(threads(Some(text)), None, "{text:?}");
        }
        assert_eq!(threads(None), None);
    }
}
