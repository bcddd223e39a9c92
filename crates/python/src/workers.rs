//! Threads that share a list of jobs and end with the call.

use std::sync::Mutex;
use std::thread::{self, Builder};

/// Calls `work` with every job on up to `threads` threads, each with a state of its own; stops at the first error.
///
/// One thread is the caller's: with `threads` of 1 none is started.
pub(crate) fn for_each<J, S, E: Send>(
    threads: usize,
    jobs: impl ExactSizeIterator<Item = J> + Send,
    new_state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let threads = threads.clamp(1, jobs.len().max(1));
    let jobs = Mutex::new(jobs.fuse());
    let failure = Mutex::new(None);
    let run = || {
        let mut state = new_state();
        while let Some(job) = next(&jobs) {
            if let Err(error) = work(&mut state, job) {
                lock(&failure).get_or_insert(error);
            }
            if lock(&failure).is_some() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system has no more threads, those that there are do the work.
            if Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    match lock(&failure).take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn next<J>(jobs: &Mutex<impl Iterator<Item = J>>) -> Option<J> {
    lock(jobs).next()
}

/// A lock that a panicking thread held is of no concern: the panic reaches the caller by itself.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
