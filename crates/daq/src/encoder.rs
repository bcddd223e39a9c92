//! An encoder's thread: frame after frame, with memory of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use etalon_codec::codecs::bitshuffle;
use etalon_codec::{Certificate, Chunk, Context, Error, frame, round};

use crate::settings::Format;
use crate::state::{EncodedFrame, Frame, Shared, wait};

/// Encodes frames until the writer is closed and the queue is empty.
pub(crate) fn run(shared: &Shared) {
    let mut encoder = Encoder::new(&shared.format);
    let mut state = shared.lock();
    loop {
        let Some((frame, mut buffer)) = state.take_work() else {
            if state.has_no_more_work() {
                // The others may wait for a chunk buffer for a frame that is gone.
                shared.work.notify_all();
                return;
            }
            state = wait(&shared.work, state);
            continue;
        };
        let has_failed = state.failure.is_some();
        drop(state);
        let outcome = match has_failed {
            // The file's thread counts it as lost.
            true => Ok((0, Certificate::default())),
            false => encoder.encode(&frame, buffer.bytes_mut()),
        };
        let refusal = encoder.context.take_refusal();
        state = shared.lock();
        state.refusal = state.refusal.take().or(refusal);
        let Frame {
            buffer: frame_buffer,
            number,
            timestamp_ns,
            ticket,
            submitted,
        } = frame;
        state.put_free_frame(frame_buffer);
        let encoded = EncodedFrame {
            buffer,
            outcome,
            number,
            timestamp_ns,
            submitted,
        };
        state.put_encoded(ticket, encoded);
        shared.frame_freed.notify_one();
        shared.encoded.notify_one();
    }
}

struct Encoder<'a> {
    format: &'a Format,
    context: Context,
    /// In standard mode, the values with the loss in them.
    rounded: Vec<u8>,
}

impl<'a> Encoder<'a> {
    fn new(format: &'a Format) -> Self {
        let rounded_bytes = if format.is_standard {
            format.frame_bytes
        } else {
            0
        };
        Self {
            format,
            context: Context::new(),
            rounded: vec![0; rounded_bytes],
        }
    }

    /// Encodes into the front of `stored`; returns how many bytes, and what was lost.
    fn encode(&mut self, frame: &Frame, stored: &mut [u8]) -> Result<(usize, Certificate), String> {
        let encode = AssertUnwindSafe(|| self.encode_values(frame.buffer.bytes(), stored));
        match catch_unwind(encode) {
            Ok(Ok(encoded)) => Ok(encoded),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                self.context = Context::new();
                Err("the codec panicked: please report it".to_owned())
            }
        }
    }

    fn encode_values(
        &mut self,
        raw: &[u8],
        stored: &mut [u8],
    ) -> Result<(usize, Certificate), Error> {
        let format = self.format;
        let (mut values, mut certificate) = (raw, Certificate::default());
        if format.is_standard {
            let chunk = Chunk {
                spec: &format.spec,
                layout: &format.layout,
                bytes: raw,
            };
            certificate = round(&mut self.context, &chunk, &mut self.rounded)?;
            values = &self.rounded;
        }
        let len = (format.filter.encode)(&mut self.context, &format.cd_values, values, stored)?;
        if format.filter.id != bitshuffle::FILTER.id {
            certificate = frame::inspect(&stored[..len])?
                .certificate
                .unwrap_or_default();
        }
        Ok((len, certificate))
    }
}
