//! Work on a sequence of items on several threads, results in order, with a bound on what is in flight.
//!
//! The calling thread takes items from `produce` and gives results to `consume`, which may use things that belong to one
//! thread (HDF5). In between, items wait in a queue for whoever is free to `work` on them: the other threads, and the
//! calling one when it has nothing to produce or consume. So N threads are N, and one thread is a plain loop.
//!
//! Threads are started as items come, so there are never more than items. Where the system refuses one the run goes on
//! with those it has.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Builder};

use etalon_metrics::Task;

/// Runs every item of `produce` through `work` on `threads` threads and gives the results to `consume` in the order of
/// production. At most `in_flight` items are between production and consumption. The first error ends the run.
///
/// `state` makes what a thread keeps between items.
pub(crate) fn run<T: Send, R: Send, S, E: Send>(
    threads: usize,
    in_flight: usize,
    state: impl Fn() -> S + Sync,
    mut produce: impl FnMut() -> Result<Option<T>, E>,
    work: impl Fn(&mut S, T) -> Result<R, E> + Sync,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let queue = Queue::default();
    let (results, arrived) = channel();
    thread::scope(|scope| {
        let _closer = CloseOnDrop(&queue);
        let start = || {
            let (results, queue, state, work) = (results.clone(), &queue, &state, &work);
            Builder::new().spawn_scoped(scope, move || serve(queue, &results, state, work))
        };
        let (mut helpers, mut most_helpers) = (0, threads.max(1) - 1);
        let mut own_state = None;
        let mut order = Order {
            next_in: 0,
            next_out: 0,
            waiting: BTreeMap::new(),
        };
        let mut exhausted = false;
        loop {
            while !exhausted && order.in_flight() < in_flight.max(1) {
                match produce()? {
                    Some(item) => queue.push((order.take_number(), item)),
                    None => exhausted = true,
                }
                if helpers < most_helpers.min(order.in_flight()) {
                    match start() {
                        Ok(_) => helpers += 1,
                        Err(_) => most_helpers = helpers,
                    }
                }
            }
            collect(&arrived, &mut order);
            if let Some(result) = order.next() {
                consume(result?)?;
            } else if order.in_flight() == 0 {
                return Ok(());
            } else if let Some((number, item)) = queue.try_pop() {
                let own_state = own_state.get_or_insert_with(&state);
                order.waiting.insert(number, work(own_state, item));
            } else {
                receive(&arrived, &mut order);
            }
        }
    })
}

/// Does all of `tasks` on `threads` threads, and returns the first error.
pub(crate) fn run_tasks(threads: usize, tasks: Vec<Task<'_>>) -> Result<(), etalon_metrics::Error> {
    let mut tasks = tasks.into_iter();
    let work = |_: &mut (), task: Task<'_>| task();
    run(threads, threads, || (), || Ok(tasks.next()), work, Ok)
}

/// Results by number, until it is their turn.
struct Order<R> {
    next_in: u64,
    next_out: u64,
    waiting: BTreeMap<u64, R>,
}

impl<R> Order<R> {
    fn in_flight(&self) -> usize {
        (self.next_in - self.next_out) as usize
    }

    fn take_number(&mut self) -> u64 {
        self.next_in += 1;
        self.next_in - 1
    }

    fn next(&mut self) -> Option<R> {
        let result = self.waiting.remove(&self.next_out)?;
        self.next_out += 1;
        Some(result)
    }
}

/// A result, or the panic that came instead.
type Outcome<R, E> = (u64, thread::Result<Result<R, E>>);

fn serve<T, R, S, E>(
    queue: &Queue<(u64, T)>,
    results: &Sender<Outcome<R, E>>,
    state: &impl Fn() -> S,
    work: &impl Fn(&mut S, T) -> Result<R, E>,
) {
    let mut state = state();
    while let Some((number, item)) = queue.pop() {
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut state, item)));
        let failed = outcome.is_err();
        if results.send((number, outcome)).is_err() || failed {
            return;
        }
    }
}

fn collect<R, E>(arrived: &Receiver<Outcome<R, E>>, order: &mut Order<Result<R, E>>) {
    for outcome in arrived.try_iter() {
        file(outcome, order);
    }
}

/// Waits for one result. All items that are in flight and not in the queue are with another thread.
fn receive<R, E>(arrived: &Receiver<Outcome<R, E>>, order: &mut Order<Result<R, E>>) {
    if let Ok(outcome) = arrived.recv() {
        file(outcome, order);
    }
}

fn file<R, E>((number, outcome): Outcome<R, E>, order: &mut Order<Result<R, E>>) {
    match outcome {
        Ok(result) => {
            order.waiting.insert(number, result);
        }
        Err(panic) => resume_unwind(panic),
    }
}

/// Items for whoever is free.
struct Queue<T> {
    items: Mutex<(VecDeque<T>, bool)>,
    changed: Condvar,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            items: Mutex::new((VecDeque::new(), false)),
            changed: Condvar::new(),
        }
    }
}

impl<T> Queue<T> {
    fn push(&self, item: T) {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .push_back(item);
        self.changed.notify_one();
    }

    fn try_pop(&self) -> Option<T> {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .pop_front()
    }

    /// The next item, as soon as there is one; `None` once the queue is closed.
    fn pop(&self) -> Option<T> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match (items.1, items.0.pop_front()) {
                (true, _) => return None,
                (false, Some(item)) => return Some(item),
                (false, None) => {
                    items = self
                        .changed
                        .wait(items)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }
}

/// Lets the threads go, however the run ends.
struct CloseOnDrop<'a, T>(&'a Queue<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0
            .items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1 = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn count_to(end: u64) -> impl FnMut() -> Result<Option<u64>, String> {
        let mut next = 0;
        move || {
            next += 1;
            Ok((next <= end).then_some(next - 1))
        }
    }

    #[test]
    fn results_come_in_order_and_never_more_are_in_flight_than_allowed() {
        for threads in 1..=4 {
            let (begun, done, most) = (
                AtomicUsize::new(0),
                AtomicUsize::new(0),
                AtomicUsize::new(0),
            );
            let mut seen = Vec::new();
            let mut source = count_to(500);
            run(
                threads,
                5,
                || (),
                || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    source()
                },
                |(), item| {
                    let in_flight = begun.load(Ordering::SeqCst) - done.load(Ordering::SeqCst);
                    most.fetch_max(in_flight, Ordering::SeqCst);
                    if item % 7 == 0 {
                        thread::yield_now();
                    }
                    Ok(item * 2)
                },
                |result| {
                    done.fetch_add(1, Ordering::SeqCst);
                    seen.push(result);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(
                seen,
                (0..500).map(|item| item * 2).collect::<Vec<_>>(),
                "{threads}"
            );
            // One more than five: the production that found nothing.
            assert!(most.load(Ordering::SeqCst) <= 6, "{threads}");
        }
    }

    #[test]
    fn the_first_error_ends_the_run() {
        let work = |(): &mut (), item| {
            if item == 50 {
                Err("fifty".to_owned())
            } else {
                Ok(item)
            }
        };
        let mut last = 0;
        let outcome = run(
            3,
            8,
            || (),
            count_to(1000),
            work,
            |item| {
                last = item;
                Ok(())
            },
        );
        assert_eq!(outcome.unwrap_err(), "fifty");
        assert_eq!(last, 49);
    }

    #[test]
    #[should_panic(expected = "worker")]
    fn a_panic_of_a_worker_reaches_the_caller() {
        let caller = thread::current().id();
        let work = |(): &mut (), item: u64| {
            // The calling thread leaves the work to the other one, so that the panic has to travel.
            if thread::current().id() == caller {
                thread::sleep(std::time::Duration::from_millis(20));
            } else {
                panic!("worker");
            }
            Ok::<u64, String>(item)
        };
        let _ = run(2, 4, || (), count_to(100), work, |_| Ok(()));
    }
}
