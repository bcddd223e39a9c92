//! Small frames and a file that is made up.

#![allow(unreachable_pub, dead_code)] // Each test program uses a part.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use etalon_daq::{Ending, FrameRecord, Settings, Sink};

pub const FRAME_BYTES: usize = 4096;

/// Two encoders and four buffers for frames of bytes.
pub fn settings() -> Settings {
    let spec = "bitshuffle".parse().unwrap();
    let mut settings = Settings::new(spec, "u1".parse().unwrap(), &[64, 64]);
    (settings.encoders, settings.frame_buffers) = (2, 4);
    settings
}

/// A frame that begins with its number.
pub fn frame(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..64].fill(number as u8);
    bytes
}

/// The number of a frame as it was encoded.
pub fn number_of(stored: &[u8]) -> u64 {
    let filter = etalon_codec::Filter::by_id(32008).unwrap();
    let layout = etalon_codec::Layout {
        element: "u1".parse().unwrap(),
        shape: vec![1, 64, 64],
        fill: None,
    };
    let values = (filter.cd_values)(&"bitshuffle".parse().unwrap(), &layout).unwrap();
    let mut decoded = vec![0; FRAME_BYTES];
    (filter.decode)(
        &mut etalon_codec::Context::new(),
        &values,
        stored,
        &mut decoded,
    )
    .unwrap();
    let number = u64::from_le_bytes(decoded[..8].try_into().unwrap());
    assert_eq!(decoded, frame(number));
    number
}

/// What a [`Memory`] was given.
#[derive(Default)]
pub struct Seen {
    pub frames: Vec<(FrameRecord, Vec<u8>)>,
    pub flushes: u64,
    pub flushed: usize,
    pub ending: Option<Ending>,
}

/// A file that is a list in memory.
#[derive(Default, Clone)]
pub struct Memory {
    seen: Arc<Mutex<Seen>>,
    takes: Duration,
    fails_at: Option<usize>,
    panics_at: Option<usize>,
}

impl Memory {
    pub fn slow(takes: Duration) -> Self {
        Self {
            takes,
            ..Self::default()
        }
    }

    pub fn failing_at(count: usize) -> Self {
        Self {
            fails_at: Some(count),
            ..Self::default()
        }
    }

    pub fn panicking_at(count: usize) -> Self {
        Self {
            panics_at: Some(count),
            ..Self::default()
        }
    }

    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.clone())
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Memory {
    fn write(&mut self, frame: &FrameRecord, stored: &[u8]) -> Result<(), String> {
        thread::sleep(self.takes);
        let count = self.seen().frames.len();
        if self.fails_at == Some(count) {
            return Err("no space".into());
        }
        if self.panics_at == Some(count) {
            panic!("a sink that panics");
        }
        self.seen().frames.push((*frame, stored.to_vec()));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        let mut seen = self.seen();
        seen.flushes += 1;
        seen.flushed = seen.frames.len();
        Ok(())
    }

    fn finish(self: Box<Self>, ending: &Ending) -> Result<(), String> {
        self.seen().ending = Some(ending.clone());
        Ok(())
    }
}
