//! The interface for C: `include/etalon_daq.h` is generated from this file and is its documentation.

#![allow(unsafe_code)] // C calls us with pointers.

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use etalon_codec::{Element, Spec};

use crate::guard::{Failure, guarded, last_error, place, reference, text};
use crate::{Error, Settings, Slot, Statistics, WhenFull, Writer};

/// Version of the binary interface that this header describes; that of a library is `etalon_daq_abi_version()`.
pub const ETALON_DAQ_ABI_VERSION: u32 = 0;

/// Done: outputs are written.
pub const ETALON_DAQ_OK: c_int = 0;
/// A pointer that must not be NULL is.
pub const ETALON_DAQ_NULL: c_int = 1;
/// The frame has another size than was agreed.
pub const ETALON_DAQ_SIZE: c_int = 2;
/// Settings contradict each other, are unknown, or do not fit the frames.
pub const ETALON_DAQ_SETTINGS: c_int = 3;
/// The frame's number was used before, or is out of range.
pub const ETALON_DAQ_NUMBER: c_int = 4;
/// The frame is lost because no buffer was free (ETALON_DAQ_DROP). It is counted and named.
pub const ETALON_DAQ_DROPPED: c_int = 5;
/// The file cannot be written. Frames from here on are lost, counted and named.
pub const ETALON_DAQ_FILE: c_int = 6;
/// The writer has been closed.
pub const ETALON_DAQ_CLOSED: c_int = 7;
/// There is no item with this index, or no buffer at this address.
pub const ETALON_DAQ_INDEX: c_int = 8;
/// The library is at fault: please report it.
pub const ETALON_DAQ_INTERNAL: c_int = 9;

/// While no buffer is free, the producer waits.
pub const ETALON_DAQ_WAIT: u32 = 0;
/// While no buffer is free, frames are lost, counted and named.
pub const ETALON_DAQ_DROP: u32 = 1;

/// What a writer is asked for. Set all of it to 0 first: 0 stands for the default where there is one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DaqSettings {
    /// sizeof(etalon_daq_settings)
    pub struct_bytes: usize,
    /// Codec and settings, as in "bitshuffle:compressor=zstd,level=1" or "noise:sigma=0.5".
    pub spec: *const c_char,
    /// NULL, or for a codec that loses, "bitshuffle" with settings: the loss is then put into the values, and these into
    /// a stream that every reader of bitshuffle reads (standard mode).
    pub stream: *const c_char,
    /// Element type as numpy writes it: "u2", "<i4", "float32".
    pub element: *const c_char,
    /// Extents of a frame, slowest first.
    pub frame_shape: *const usize,
    /// How many extents.
    pub dimensions: usize,
    /// Threads that encode; 0 for one per core.
    pub encoders: u32,
    /// Buffers for frames: those that producers fill, that wait, and that are being encoded; 0 for 8 and 2 per core.
    pub frame_buffers: u32,
    /// ETALON_DAQ_WAIT or ETALON_DAQ_DROP.
    pub when_full: u32,
    /// Readers see a frame no later than so many milliseconds after it was written, and it survives the end of the
    /// program from then on; 0 for 500.
    pub flush_after_ms: u32,
    /// The frame with this number becomes index 0.
    pub first_number: u64,
    /// One more than the highest index; 0 for 2^24.
    pub most_frames: u64,
    /// What is left free on the disk, so that the file can be closed; 0 for 16 MiB.
    pub spare_bytes: u64,
}

/// A file that frames are written to.
pub struct Daq {
    writer: Writer,
    /// Buffers that C has.
    slots: Mutex<Vec<Slot>>,
}

impl DaqSettings {
    /// # Safety
    /// Pointers are NULL or point to what the header says.
    unsafe fn read(&self) -> Result<Settings, Failure> {
        if self.struct_bytes < size_of::<Self>() {
            return Err(Error::settings("struct_bytes is sizeof(etalon_daq_settings)").into());
        }
        // SAFETY: the caller's promise, for the three texts.
        let (spec, element) = unsafe { (text("spec", self.spec)?, text("element", self.element)?) };
        let spec: Spec = spec.parse().map_err(Error::from)?;
        let element: Element = element.parse().map_err(Error::from)?;
        if self.frame_shape.is_null() {
            return Err(Failure::Null("frame_shape"));
        }
        let extents = 0..self.dimensions.min(64);
        // SAFETY: the caller's promise: as many extents are there.
        let shape = extents.map(|i| unsafe { self.frame_shape.add(i).read_unaligned() });
        let mut settings = Settings::new(spec, element, &shape.collect::<Vec<_>>());
        if !self.stream.is_null() {
            // SAFETY: as above.
            let stream = unsafe { text("stream", self.stream) }?;
            settings.stream = Some(stream.parse().map_err(Error::from)?);
        }
        settings.when_full = match self.when_full {
            ETALON_DAQ_WAIT => WhenFull::Wait,
            ETALON_DAQ_DROP => WhenFull::Drop,
            _ => {
                return Err(
                    Error::settings("when_full is ETALON_DAQ_WAIT or ETALON_DAQ_DROP").into(),
                );
            }
        };
        settings.first_number = self.first_number;
        self.read_counts(&mut settings);
        Ok(settings)
    }

    /// Numbers that are not 0 replace defaults.
    fn read_counts(&self, settings: &mut Settings) {
        let or = |given: u64, default: u64| if given == 0 { default } else { given };
        settings.encoders = or(self.encoders.into(), settings.encoders as u64) as usize;
        settings.frame_buffers =
            or(self.frame_buffers.into(), settings.frame_buffers as u64) as usize;
        settings.most_frames = or(self.most_frames, settings.most_frames);
        settings.spare_bytes = or(self.spare_bytes, settings.spare_bytes);
        if self.flush_after_ms != 0 {
            settings.flush_after = Duration::from_millis(self.flush_after_ms.into());
        }
    }
}

/// The version of the binary interface of the library that is loaded. A program built against another
/// `ETALON_DAQ_ABI_VERSION` must not go on.
///
/// Thread-safe; never fails.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_daq_abi_version() -> u32 {
    ETALON_DAQ_ABI_VERSION
}

/// A sentence about the last failure in this thread, "" before the first. It stays until the next failure.
///
/// Thread-safe; never fails.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_daq_last_error() -> *const c_char {
    last_error()
}

/// Creates a file, starts the threads that encode and write, and takes all memory that frames will need.
///
/// - `path`: the file, which must not exist
/// - `daq`: where the writer goes; close it with `etalon_daq_close`, free it with `etalon_daq_free`
///
/// Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_SETTINGS or ETALON_DAQ_FILE.
///
/// # Safety
/// Pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_create(
    path: *const c_char,
    settings: *const DaqSettings,
    daq: *mut *mut Daq,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (path, settings, place) = unsafe {
            (
                text("path", path)?,
                reference("settings", settings)?.read()?,
                place("daq", daq)?,
            )
        };
        let writer = Writer::create(Path::new(path), &settings)?;
        let slots = Mutex::new(Vec::with_capacity(settings.frame_buffers));
        place.write(Box::into_raw(Box::new(Daq { writer, slots })));
        Ok(())
    })
}

/// Size of a frame in bytes; 0 for NULL.
///
/// Thread-safe; never fails.
///
/// # Safety
/// `daq` is NULL or a writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_frame_bytes(daq: *const Daq) -> usize {
    // SAFETY: the caller's promise.
    unsafe { daq.as_ref() }.map_or(0, |daq| daq.writer.frame_bytes())
}

/// A buffer of `etalon_daq_frame_bytes` for the frame with this number, aligned to 4096 bytes. It holds what is left
/// of another frame.
///
/// - `buffer`: where the buffer's address goes; give it back with `etalon_daq_submit` or `etalon_daq_abandon`
///
/// Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_NUMBER, ETALON_DAQ_DROPPED, ETALON_DAQ_FILE or ETALON_DAQ_CLOSED.
///
/// # Safety
/// `daq` is NULL or a writer; an address can be written to `buffer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_take(
    daq: *const Daq,
    number: u64,
    buffer: *mut *mut c_void,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (daq, place) = unsafe { (reference("daq", daq)?, place("buffer", buffer)?) };
        let mut slot = daq.writer.slot(number)?;
        place.write(slot.bytes_mut().as_mut_ptr().cast());
        daq.lock().push(slot);
        Ok(())
    })
}

/// Hands over the frame in a buffer that `etalon_daq_take` gave.
///
/// - `timestamp_ns`: nanoseconds since 1970
///
/// Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_INDEX (no such buffer), ETALON_DAQ_FILE or ETALON_DAQ_CLOSED;
/// the buffer is given back also then, except with the first two.
///
/// # Safety
/// `daq` is NULL or a writer; nobody uses the buffer any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_submit(
    daq: *const Daq,
    buffer: *const c_void,
    timestamp_ns: u64,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let slot = unsafe { reference("daq", daq)? }.find(buffer)?;
        Ok(slot.submit(timestamp_ns)?)
    })
}

/// Gives back a buffer without a frame: the frame is lost, counted and named.
///
/// Thread-safe. Fails with ETALON_DAQ_NULL or ETALON_DAQ_INDEX (no such buffer).
///
/// # Safety
/// As for `etalon_daq_submit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_abandon(daq: *const Daq, buffer: *const c_void) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        drop(unsafe { reference("daq", daq)? }.find(buffer)?);
        Ok(())
    })
}

/// Takes a copy of a frame: `etalon_daq_take`, memcpy and `etalon_daq_submit`.
///
/// Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_SIZE, ETALON_DAQ_NUMBER, ETALON_DAQ_DROPPED, ETALON_DAQ_FILE or
/// ETALON_DAQ_CLOSED.
///
/// # Safety
/// `daq` is NULL or a writer; `frame_bytes` bytes can be read at `frame`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_write(
    daq: *const Daq,
    number: u64,
    timestamp_ns: u64,
    frame: *const c_void,
    frame_bytes: usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let writer = &unsafe { reference("daq", daq)? }.writer;
        if frame.is_null() {
            return Err(Failure::Null("frame"));
        }
        writer.check_size(frame_bytes)?;
        // SAFETY: not NULL, a length that fits a frame, and for the rest the caller's promise.
        let frame = unsafe { std::slice::from_raw_parts(frame.cast(), frame_bytes) };
        Ok(writer.write(number, timestamp_ns, frame)?)
    })
}

/// How the writer is doing.
///
/// - `statistics_bytes`: sizeof(etalon_daq_statistics)
///
/// Thread-safe. Fails with ETALON_DAQ_NULL.
///
/// # Safety
/// `daq` is NULL or a writer; `statistics_bytes` bytes can be written to `statistics`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_get_statistics(
    daq: *const Daq,
    statistics_bytes: usize,
    statistics: *mut Statistics,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let daq = unsafe { reference("daq", daq)? };
        if statistics.is_null() {
            return Err(Failure::Null("statistics"));
        }
        let mut current = daq.writer.statistics();
        current.struct_bytes = statistics_bytes.min(size_of::<Statistics>());
        let source: *const Statistics = &current;
        // SAFETY: no more than both sides have.
        unsafe {
            statistics
                .cast::<u8>()
                .copy_from(source.cast(), current.struct_bytes)
        };
        Ok(())
    })
}

/// The numbers of lost frames, as runs in ascending order.
///
/// - `index`: 0 for the first run
/// - `first`, `last`: the first and the last number of the run
///
/// At most 2000 runs are kept; `frames_lost` counts all. Thread-safe. Fails with ETALON_DAQ_NULL or ETALON_DAQ_INDEX.
///
/// # Safety
/// `daq` is NULL or a writer; numbers can be written to `first` and `last`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_lost(
    daq: *const Daq,
    index: usize,
    first: *mut u64,
    last: *mut u64,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (daq, first, last) = unsafe {
            (
                reference("daq", daq)?,
                place("first", first)?,
                place("last", last)?,
            )
        };
        let (runs, _) = daq.writer.lost();
        let run = runs.get(index).ok_or(Failure::Index)?;
        first.write(run.0);
        last.write(run.1);
        Ok(())
    })
}

/// Writes what was submitted and closes the file. Frames in buffers that were not given back are lost. Lost frames are
/// no failure here: `etalon_daq_get_statistics` counts them.
///
/// Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_FILE (what could be written is in the file) or ETALON_DAQ_CLOSED.
///
/// # Safety
/// `daq` is NULL or a writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_close(daq: *const Daq) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        unsafe { reference("daq", daq)? }.writer.close()?;
        Ok(())
    })
}

/// Frees a writer with all buffers; NULL is nothing to free. What is not closed is closed, and nobody hears of failures.
///
/// No other call with this writer may go on. Never fails.
///
/// # Safety
/// `daq` is NULL, or a writer that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_daq_free(daq: *mut Daq) {
    guarded(|| {
        if !daq.is_null() {
            // SAFETY: it came from `Box::into_raw`, and the caller gives it up.
            drop(unsafe { Box::from_raw(daq) });
        }
        Ok(())
    });
}

impl Daq {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buffer that C has at this address.
    fn find(&self, buffer: *const c_void) -> Result<Slot, Failure> {
        if buffer.is_null() {
            return Err(Failure::Null("buffer"));
        }
        let mut slots = self.lock();
        let at = slots
            .iter_mut()
            .position(|slot| std::ptr::eq(slot.bytes_mut().as_ptr().cast(), buffer));
        Ok(slots.swap_remove(at.ok_or(Failure::Index)?))
    }
}
