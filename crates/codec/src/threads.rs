//! Parts of one big chunk on several threads, where a face asks for that with [`Context::with_threads`].
//!
//! * What comes out is the same, byte for byte, for any number of threads: only parts that know nothing of each other are
//!   shared out.
//! * Threads end with the call. A pool would hang children of fork, and crash where a plugin is unloaded.
//! * Each has a context of its own, which stays with the context that asked, so that memory is kept from chunk to chunk.

use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Context, Error};

/// Bytes of a part, at least: starting a thread takes as long as decoding some 500 kB.
pub(crate) const PART_BYTES: usize = 1 << 20;

/// How many threads a chunk may take, and the contexts of those besides the caller's.
#[derive(Default)]
pub(crate) struct Threads {
    /// 0 is none but the caller's, as is 1.
    count: usize,
    others: Vec<Context>,
}

impl Context {
    /// An empty context whose big chunks are worked on by up to `count` threads, the caller's included, where a codec can
    /// share them out.
    pub fn with_threads(count: usize) -> Self {
        let mut context = Self::default();
        context.threads.count = count;
        context
    }

    /// Whether a chunk of `len` bytes is to be cut into parts.
    pub(crate) fn shares(&self, len: usize) -> bool {
        self.threads.count > 1 && len >= 2 * PART_BYTES
    }
}

/// Calls `work` with every part, on the threads of `context`. Of several failures the one of the first part counts, so
/// that a damaged chunk is the same error each time.
pub(crate) fn share<P: Send>(
    context: &mut Context,
    parts: Vec<P>,
    work: impl Fn(&mut Context, P) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    // Taken away, so that parts are not cut again.
    let mut threads = std::mem::take(&mut context.threads);
    let others = threads.count.min(parts.len()).saturating_sub(1);
    if threads.others.len() < others {
        threads.others.resize_with(others, Context::new);
    }
    let queue = Mutex::new(parts.into_iter().enumerate());
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let run = |context: &mut Context| {
        while let Some((index, part)) = next(&queue) {
            let Err(error) = work(context, part) else {
                continue;
            };
            let mut failure = lock(&failure);
            if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                *failure = Some((index, error));
            }
        }
    };
    thread::scope(|scope| {
        let start = |context| thread::Builder::new().spawn_scoped(scope, || run(context));
        let others = threads.others[..others].iter_mut();
        // Where the system has no thread left, those that there are do all the work.
        let started: Vec<_> = others.filter_map(|context| start(context).ok()).collect();
        run(context);
        // The scope by itself waits for `run` alone, and the code that ends a thread is in the plugin too.
        for other in started {
            other.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    context.threads = threads;
    let failure = lock(&failure).take();
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

fn next<P>(queue: &Mutex<impl Iterator<Item = P>>) -> Option<P> {
    lock(queue).next()
}

/// A lock that a panicking thread held is of no concern: the panic reaches the caller by itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_worked_on_once_by_any_number_of_threads() {
        for count in 0..=5 {
            let mut done = [0; 7];
            let mut context = Context::with_threads(count);
            let parts: Vec<_> = done.iter_mut().collect();
            share(&mut context, parts, |_, part| {
                *part += 1;
                Ok(())
            })
            .unwrap();
            assert_eq!(done, [1; 7], "{count} threads");
        }
    }

    #[test]
    fn of_several_failures_the_first_part_counts() {
        let mut context = Context::with_threads(3);
        for _ in 0..20 {
            let outcome = share(&mut context, (0..9).collect(), |_, part: usize| {
                match part % 4 {
                    3 => Err(Error::OutputSize {
                        given: part,
                        needed: 0,
                    }),
                    _ => Ok(()),
                }
            });
            assert!(
                matches!(outcome, Err(Error::OutputSize { given: 3, .. })),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn contexts_of_threads_stay() {
        let mut context = Context::with_threads(3);
        for _ in 0..2 {
            share(&mut context, vec![(); 9], |context, ()| {
                context.block.bytes(1000);
                Ok(())
            })
            .unwrap();
            assert_eq!(context.threads.others.len(), 2);
        }
    }
}
