//! Where every buffer is: what producers, encoders and the file's thread know of each other.
//!
//! One lock around a few counters and lists; it is held for the moves between them and never while frames are filled,
//! encoded or written. All memory is taken by [`State::new`].
//!
//! Frames get a ticket when they are submitted and are written in the order of tickets. An encoder takes a chunk buffer
//! first and the oldest frame then, so the oldest frame always has a buffer and the order cannot block itself.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use etalon_codec::Certificate;

use crate::buffer::Buffer;
use crate::error::Error;
use crate::latency::Latencies;
use crate::lost::LostFrames;
use crate::settings::{Format, Settings, WhenFull};
use crate::statistics::Statistics;

/// A frame on its way to an encoder.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) buffer: Buffer,
    pub(crate) number: u64,
    pub(crate) timestamp_ns: u64,
    pub(crate) ticket: u64,
    pub(crate) submitted: Instant,
}

/// An encoded frame on its way to the file.
pub(crate) struct EncodedFrame {
    pub(crate) buffer: Buffer,
    /// Bytes of the buffer and what was lost; why not, where the codec refuses.
    pub(crate) outcome: Result<(usize, Certificate), String>,
    pub(crate) number: u64,
    pub(crate) timestamp_ns: u64,
    pub(crate) submitted: Instant,
}

/// Why a frame is lost.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    WithoutBuffer,
    Refused,
    File,
    Abandoned,
}

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) format: Format,
    pub(crate) first_number: u64,
    most_frames: u64,
    when_full: WhenFull,
    state: Mutex<State>,
    /// A frame buffer is free, or nobody will get one any more.
    pub(crate) frame_freed: Condvar,
    /// There may be work for an encoder.
    pub(crate) work: Condvar,
    /// There may be work for the file's thread.
    pub(crate) encoded: Condvar,
}

pub(crate) struct State {
    free_frames: Vec<Buffer>,
    frame_buffers: usize,
    /// Numbers of the frames that producers are filling.
    held: Vec<u64>,
    queue: VecDeque<Frame>,
    free_chunks: Vec<Buffer>,
    /// Encoded frames by ticket, modulo their number.
    done: Vec<Option<EncodedFrame>>,
    next_ticket: u64,
    next_written: u64,
    /// One bit for every index that was used.
    seen: Vec<u64>,
    rows: u64,
    first_frame: Option<Instant>,
    last_written: Option<Instant>,
    pub(crate) is_closed: bool,
    pub(crate) failure: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) lost: LostFrames,
    pub(crate) certificate: Certificate,
    latencies: Latencies,
    pub(crate) counts: Statistics,
}

/// Chunk buffers beyond those that encoders work on: what waits for a disk that is busy for a moment.
pub(crate) const SPARE_CHUNKS: usize = 4;

impl State {
    fn new(settings: &Settings, format: &Format) -> Self {
        let chunks = settings.encoders + SPARE_CHUNKS;
        let buffers = |count: usize, len| (0..count).map(move |_| Buffer::new(len)).collect();
        Self {
            free_frames: buffers(settings.frame_buffers, format.frame_bytes),
            frame_buffers: settings.frame_buffers,
            held: Vec::with_capacity(settings.frame_buffers),
            queue: VecDeque::with_capacity(settings.frame_buffers),
            free_chunks: buffers(chunks, format.bound),
            done: (0..chunks).map(|_| None).collect(),
            next_ticket: 0,
            next_written: 0,
            seen: vec![0; settings.most_frames.div_ceil(64) as usize],
            rows: 0,
            first_frame: None,
            last_written: None,
            is_closed: false,
            failure: None,
            refusal: None,
            lost: LostFrames::new(),
            certificate: Certificate::default(),
            latencies: Latencies::new(),
            counts: Statistics::default(),
        }
    }

    pub(crate) fn lose(&mut self, number: u64, reason: Loss) {
        self.lost.add(number);
        let counts = &mut self.counts;
        *match reason {
            Loss::WithoutBuffer => &mut counts.lost_without_buffer,
            Loss::Refused => &mut counts.lost_refused,
            Loss::File => &mut counts.lost_by_file,
            Loss::Abandoned => &mut counts.lost_abandoned,
        } += 1;
    }

    /// A producer is done with a frame that it held; whether it is counted nowhere else yet.
    fn give_back(&mut self, number: u64) -> bool {
        let at = self.held.iter().position(|&held| held == number);
        at.map(|at| self.held.swap_remove(at)).is_some()
    }

    /// Frames that producers still hold will not be in the file.
    pub(crate) fn lose_held(&mut self) {
        while let Some(number) = self.held.pop() {
            self.lose(number, Loss::Abandoned);
        }
    }

    /// Marks an index as used; whether it was not before.
    fn mark(&mut self, index: u64) -> bool {
        let (word, bit) = (&mut self.seen[(index / 64) as usize], 1 << (index % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        self.rows = self.rows.max(index + 1);
        is_new
    }

    /// The oldest frame and a buffer for its chunk, where both are there.
    pub(crate) fn take_work(&mut self) -> Option<(Frame, Buffer)> {
        let buffer = self.free_chunks.pop()?;
        match self.queue.pop_front() {
            Some(frame) => Some((frame, buffer)),
            None => {
                self.free_chunks.push(buffer);
                None
            }
        }
    }

    pub(crate) fn has_no_more_work(&self) -> bool {
        self.is_closed && self.queue.is_empty()
    }

    pub(crate) fn put_encoded(&mut self, ticket: u64, frame: EncodedFrame) {
        let slots = self.done.len() as u64;
        self.done[(ticket % slots) as usize] = Some(frame);
    }

    /// The frame whose turn it is, where it is encoded.
    pub(crate) fn take_encoded(&mut self) -> Option<EncodedFrame> {
        let slots = self.done.len() as u64;
        let frame = self.done[(self.next_written % slots) as usize].take()?;
        self.next_written += 1;
        Some(frame)
    }

    pub(crate) fn has_no_more_to_write(&self) -> bool {
        self.is_closed && self.next_written == self.next_ticket
    }

    pub(crate) fn put_free_frame(&mut self, buffer: Buffer) {
        self.free_frames.push(buffer);
    }

    pub(crate) fn put_free_chunk(&mut self, buffer: Buffer) {
        self.free_chunks.push(buffer);
    }

    /// Counts a frame that is in the file.
    pub(crate) fn add_written(&mut self, frame: &EncodedFrame, raw_bytes: usize) {
        let now = Instant::now();
        self.last_written = Some(now);
        self.latencies.add(now - frame.submitted);
        if let Ok((len, certificate)) = &frame.outcome {
            self.counts.frames_written += 1;
            self.counts.bytes_in += raw_bytes as u64;
            self.counts.bytes_stored += *len as u64;
            self.certificate.merge(certificate);
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let counts = &self.counts;
        let since_first = self.last_written.zip(self.first_frame);
        let seconds = since_first.map_or(0.0, |(last, first)| (last - first).as_secs_f64());
        let rate = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        Statistics {
            struct_bytes: size_of::<Statistics>(),
            frames_lost: self.lost.count(),
            buffers_in_use: (self.frame_buffers - self.free_frames.len()) as u64,
            queue_frames: self.queue.len() as u64,
            chunks_in_use: (self.done.len() - self.free_chunks.len()) as u64,
            seconds,
            frames_per_second: rate(counts.frames_written as f64),
            gigabytes_per_second: rate(counts.bytes_in as f64) / 1e9,
            ratio: counts.bytes_in as f64 / counts.bytes_stored.max(1) as f64,
            worst_error: self.certificate.loss.max_abs_error,
            latency_p50: self.latencies.quantile(0.5).as_secs_f64(),
            latency_p99: self.latencies.quantile(0.99).as_secs_f64(),
            latency_max: self.latencies.longest().as_secs_f64(),
            ..*counts
        }
    }
}

impl Shared {
    pub(crate) fn new(settings: &Settings, format: Format) -> Self {
        Self {
            first_number: settings.first_number,
            most_frames: settings.most_frames,
            when_full: settings.when_full,
            state: Mutex::new(State::new(settings, &format)),
            format,
            frame_freed: Condvar::new(),
            work: Condvar::new(),
            encoded: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free buffer for the frame with this number, which is counted from here on.
    pub(crate) fn take_free_frame(&self, number: u64) -> Result<Buffer, Error> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        let index = number.checked_sub(self.first_number);
        let index = index.filter(|&index| index < self.most_frames);
        if !index.is_some_and(|index| state.mark(index)) {
            return Err(Error::Number(number));
        }
        state.counts.frames_in += 1;
        state.first_frame.get_or_insert_with(Instant::now);
        loop {
            if let Some(failure) = state.failure.clone() {
                state.lose(number, Loss::File);
                return Err(Error::File(failure));
            }
            if state.is_closed {
                state.lose(number, Loss::Abandoned);
                return Err(Error::Closed);
            }
            if let Some(buffer) = state.free_frames.pop() {
                state.held.push(number);
                return Ok(buffer);
            }
            if self.when_full == WhenFull::Drop {
                state.lose(number, Loss::WithoutBuffer);
                return Err(Error::Dropped(number));
            }
            state = wait(&self.frame_freed, state);
        }
    }

    /// Queues a frame that a producer has filled.
    pub(crate) fn submit(
        &self,
        buffer: Buffer,
        number: u64,
        timestamp_ns: u64,
    ) -> Result<(), Error> {
        let mut state = self.lock();
        let refusal = match (&state.failure, state.is_closed) {
            (Some(failure), _) => Some((Loss::File, Error::File(failure.clone()))),
            (None, true) => Some((Loss::Abandoned, Error::Closed)),
            (None, false) => None,
        };
        let is_held = state.give_back(number);
        if let Some((loss, error)) = refusal {
            state.put_free_frame(buffer);
            if is_held {
                state.lose(number, loss);
            }
            self.frame_freed.notify_one();
            return Err(error);
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.push_back(Frame {
            buffer,
            number,
            timestamp_ns,
            ticket,
            submitted: Instant::now(),
        });
        self.work.notify_one();
        Ok(())
    }

    /// Takes back a buffer that holds no frame.
    pub(crate) fn abandon(&self, buffer: Buffer, number: u64) {
        let mut state = self.lock();
        state.put_free_frame(buffer);
        if state.give_back(number) {
            state.lose(number, Loss::Abandoned);
        }
        self.frame_freed.notify_one();
    }

    /// No frame is taken from here on, and all threads end when what was submitted is done.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.frame_freed.notify_all();
        self.work.notify_all();
        self.encoded.notify_all();
    }
}

/// Waits until something may have changed.
pub(crate) fn wait<'a>(changed: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    changed.wait(state).unwrap_or_else(PoisonError::into_inner)
}
