//! The writer as producers see it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use etalon_measure::live_file::LiveFile;

use crate::buffer::Buffer;
use crate::disk::{self, Sink};
use crate::encoder;
use crate::error::Error;
use crate::settings::{Format, Settings};
use crate::state::Shared;
use crate::statistics::Statistics;

/// Takes frames from any thread, encodes them on threads of its own and writes them to one file.
///
/// Frame `n` is at index `n − first_number` of the dataset, whoever brings it and whenever. No signal handler is
/// installed: a program that is asked to stop calls [`Writer::close`].
pub struct Writer {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    encoders: Vec<JoinHandle<()>>,
    disk: JoinHandle<Option<String>>,
}

impl Writer {
    /// Creates the file, which must not exist, and takes all memory that frames will need.
    pub fn create(path: &Path, settings: &Settings) -> Result<Self, Error> {
        let format = Format::of(settings)?;
        let file = LiveFile::create(path, format.of_file(), settings.spare_bytes);
        Self::start(settings, format, Box::new(file.map_err(Error::File)?))
    }

    /// The same with frames going elsewhere.
    pub fn with_sink(settings: &Settings, sink: Box<dyn Sink>) -> Result<Self, Error> {
        Self::start(settings, Format::of(settings)?, sink)
    }

    fn start(settings: &Settings, format: Format, sink: Box<dyn Sink>) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(settings, format));
        let flush_after = settings.flush_after;
        let of_disk = Arc::clone(&shared);
        let disk = spawn("etalon-disk", move || {
            disk::run(&of_disk, sink, flush_after)
        })?;
        let mut encoders = Vec::new();
        for _ in 0..settings.encoders {
            let of_encoder = Arc::clone(&shared);
            match spawn("etalon-encoder", move || encoder::run(&of_encoder)) {
                Ok(thread) => encoders.push(thread),
                Err(error) => {
                    shared.close();
                    return Err(error);
                }
            }
        }
        let threads = Mutex::new(Some(Threads { encoders, disk }));
        Ok(Self { shared, threads })
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.shared.format.frame_bytes
    }

    /// A buffer for the frame with this number. What happens when none is free is in the settings.
    pub fn slot(&self, number: u64) -> Result<Slot, Error> {
        Ok(Slot {
            buffer: Some(self.shared.take_free_frame(number)?),
            shared: Arc::clone(&self.shared),
            number,
        })
    }

    /// Takes a copy of a frame.
    pub fn write(&self, number: u64, timestamp_ns: u64, frame: &[u8]) -> Result<(), Error> {
        self.check_size(frame.len())?;
        let mut slot = self.slot(number)?;
        slot.bytes_mut().copy_from_slice(frame);
        slot.submit(timestamp_ns)
    }

    /// Whether a frame has the size that was agreed.
    pub(crate) fn check_size(&self, given: usize) -> Result<(), Error> {
        let needed = self.frame_bytes();
        if given == needed {
            return Ok(());
        }
        Err(Error::Size { given, needed })
    }

    /// How it is going.
    pub fn statistics(&self) -> Statistics {
        self.shared.lock().statistics()
    }

    /// First and last number of each run of lost frames, and whether these are all.
    pub fn lost(&self) -> (Vec<(u64, u64)>, bool) {
        self.shared.lock().lost.runs()
    }

    /// Why the codec refused the first frame that it refused; such frames are stored losslessly.
    pub fn refusal(&self) -> Option<String> {
        self.shared.lock().refusal.clone()
    }

    /// Writes what was submitted and closes the file. Frames that producers still hold are lost.
    ///
    /// An error means that the file is not as it should be; what could be written is in it. Lost frames are no error
    /// here: they are in [`Writer::statistics`], in [`Writer::lost`] and in the file.
    pub fn close(&self) -> Result<Statistics, Error> {
        self.shared.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = threads.take().ok_or(Error::Closed)?;
        for encoder in threads.encoders {
            // It catches its panics, and has nothing to say.
            let _ = encoder.join();
        }
        let failure = threads
            .disk
            .join()
            .unwrap_or_else(|_| Some("the file's thread panicked".into()));
        match failure {
            None => Ok(self.statistics()),
            Some(failure) => Err(Error::File(failure)),
        }
    }
}

/// Closes the file if nobody did; nobody hears of errors then.
impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map_err(|error| Error::File(format!("a thread cannot be started: {error}")))
}

/// A buffer that a producer fills with one frame. Dropping it without `submit` loses the frame.
pub struct Slot {
    buffer: Option<Buffer>,
    shared: Arc<Shared>,
    number: u64,
}

impl Slot {
    /// The frame, aligned to a page. What it holds is left from another frame.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], Buffer::bytes_mut)
    }

    /// Hands the frame over.
    pub fn submit(mut self, timestamp_ns: u64) -> Result<(), Error> {
        match self.buffer.take() {
            Some(buffer) => self.shared.submit(buffer, self.number, timestamp_ns),
            None => Ok(()),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.shared.abandon(buffer, self.number);
        }
    }
}
