//! The file's thread: the only one that talks to HDF5.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use etalon_measure::live_file::{Ending, FrameRecord, LiveFile};

use crate::state::{EncodedFrame, Loss, Shared, State};

/// Where encoded frames go. Calls come from one thread.
pub trait Sink: Send {
    /// Writes a frame. After the first error no more frames come.
    fn write(&mut self, frame: &FrameRecord, stored: &[u8]) -> Result<(), String>;
    /// Makes readers see what was written.
    fn flush(&mut self) -> Result<(), String>;
    /// Ends it, also after an error.
    fn finish(self: Box<Self>, ending: &Ending) -> Result<(), String>;
}

impl Sink for LiveFile {
    fn write(&mut self, frame: &FrameRecord, stored: &[u8]) -> Result<(), String> {
        self.write(frame, stored)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.flush()
    }

    fn finish(self: Box<Self>, ending: &Ending) -> Result<(), String> {
        (*self).finish(ending)
    }
}

/// Writes frames in the order of tickets until the writer is closed and all are written; returns why the file is not
/// what it should be.
pub(crate) fn run(
    shared: &Shared,
    mut sink: Box<dyn Sink>,
    flush_after: Duration,
) -> Option<String> {
    let mut flush_due = None;
    while let Some(event) = next(shared, flush_due) {
        if let Event::Frame(frame) = event {
            write(shared, &mut *sink, frame);
            flush_due = flush_due.or_else(|| Instant::now().checked_add(flush_after));
        }
        if flush_due.is_some_and(|due| due <= Instant::now()) {
            flush_due = None;
            flush(shared, &mut *sink);
        }
    }
    let (ending, failure) = {
        let mut state = shared.lock();
        state.lose_held();
        (ending(&state), state.failure.clone())
    };
    let finished = caught(|| sink.finish(&ending));
    let mut state = shared.lock();
    if finished.is_ok() {
        state.counts.frames_flushed = state.counts.frames_written;
    }
    let outcome = failure.or(finished.err());
    state.failure = outcome.clone();
    outcome
}

enum Event {
    Frame(EncodedFrame),
    FlushIsDue,
}

/// What to do next; `None` at the end.
fn next(shared: &Shared, flush_due: Option<Instant>) -> Option<Event> {
    let mut state = shared.lock();
    loop {
        if let Some(frame) = state.take_encoded() {
            return Some(Event::Frame(frame));
        }
        if state.has_no_more_to_write() {
            return None;
        }
        let left = flush_due.map(|due| due.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Some(Event::FlushIsDue);
        }
        let forever = Duration::from_secs(3600);
        let waited = shared.encoded.wait_timeout(state, left.unwrap_or(forever));
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn write(shared: &Shared, sink: &mut dyn Sink, frame: EncodedFrame) {
    let has_failed = shared.lock().failure.is_some();
    let record = |certificate| FrameRecord {
        index: frame.number - shared.first_number,
        number: frame.number,
        timestamp_ns: frame.timestamp_ns,
        certificate,
    };
    let written = match &frame.outcome {
        Ok((len, certificate)) if !has_failed => {
            caught(|| sink.write(&record(*certificate), &frame.buffer.bytes()[..*len]))
        }
        _ => Ok(()),
    };
    if written.is_err() {
        // What is in the file already is to be readable whatever happens next.
        let _ = caught(|| sink.flush());
    }
    let mut state = shared.lock();
    match (written, &frame.outcome) {
        (Err(failure), _) => {
            state.failure = Some(failure);
            state.lose(frame.number, Loss::File);
            // Whoever waits for a buffer hears of it.
            shared.frame_freed.notify_all();
        }
        (Ok(()), _) if has_failed => state.lose(frame.number, Loss::File),
        (Ok(()), Err(refusal)) => {
            state.refusal.get_or_insert_with(|| refusal.clone());
            state.lose(frame.number, Loss::Refused);
        }
        (Ok(()), Ok(_)) => state.add_written(&frame, shared.format.frame_bytes),
    }
    state.put_free_chunk(frame.buffer);
    shared.work.notify_one();
}

fn flush(shared: &Shared, sink: &mut dyn Sink) {
    let has_failed = shared.lock().failure.is_some();
    if has_failed {
        return;
    }
    let flushed = caught(|| sink.flush());
    let mut state = shared.lock();
    match flushed {
        Ok(()) => state.counts.frames_flushed = state.counts.frames_written,
        Err(failure) => {
            state.failure = Some(failure);
            shared.frame_freed.notify_all();
        }
    }
}

fn ending(state: &State) -> Ending {
    let (lost, lost_is_complete) = state.lost.runs();
    Ending {
        rows: state.rows(),
        frames_written: state.counts.frames_written,
        frames_lost: state.lost.count(),
        lost,
        lost_is_complete,
        certificate: state.certificate,
    }
}

/// A panic of the sink is an error like any other: the threads that wait for this one must not wait forever.
fn caught<T>(body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err("the file's thread panicked: please report it".to_owned()))
}
