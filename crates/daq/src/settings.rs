//! What a writer is asked for, and what follows from it for every frame.

use std::time::Duration;

use etalon_codec::codecs::bitshuffle;
use etalon_codec::{Element, ElementClass, Filter, Layout, Spec};
use etalon_measure::live_file::FrameFormat;

use crate::error::Error;
use crate::state::SPARE_CHUNKS;

/// What happens to a frame while all buffers are in use: the encoders or the disk are slower than the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The producer waits.
    Wait,
    /// The frame is lost: counted, named, and the producer is told.
    Drop,
}

/// What a writer is asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Codec and its settings.
    pub spec: Spec,
    /// For a codec that loses: the bitshuffle stream that the values with the loss in them are stored in (standard
    /// mode). Without it frames are stored in the codec's own format.
    pub stream: Option<Spec>,
    /// Element type of the frames.
    pub element: Element,
    /// Extents of a frame, slowest first.
    pub frame_shape: Vec<usize>,
    /// Threads that encode.
    pub encoders: usize,
    /// Buffers for frames: those that producers fill, that wait, and that are being encoded.
    pub frame_buffers: usize,
    /// What happens when no buffer is free.
    pub when_full: WhenFull,
    /// Readers see a frame no later than this after it was written, and it survives the end of this process from then
    /// on.
    pub flush_after: Duration,
    /// Number of the first frame: the frame with this number becomes index 0.
    pub first_number: u64,
    /// One more than the highest index; a number beyond is a mistake.
    pub most_frames: u64,
    /// What is left free on the disk, so that the file can be closed.
    pub spare_bytes: u64,
}

impl Settings {
    /// Settings for frames of these extents; `bitshuffle` as SPEC is what all readers know.
    pub fn new(spec: Spec, element: Element, frame_shape: &[usize]) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            spec,
            stream: None,
            element,
            frame_shape: frame_shape.to_vec(),
            encoders: cores,
            frame_buffers: 2 * cores + 8,
            when_full: WhenFull::Wait,
            flush_after: Duration::from_millis(500),
            first_number: 0,
            most_frames: 1 << 24,
            spare_bytes: 16 << 20,
        }
    }

    /// What [`LiveFile::create`](etalon_measure::live_file::LiveFile::create) has to know, for a sink that has one inside.
    pub fn file_format(&self) -> Result<FrameFormat, Error> {
        Ok(Format::of(self)?.of_file())
    }
}

/// Settings that go together, with what encoders and file need to know.
pub(crate) struct Format {
    pub(crate) spec: Spec,
    /// A chunk is one frame.
    pub(crate) layout: Layout,
    pub(crate) frame_bytes: usize,
    /// Whether the loss goes into the values, and these into a stream that all readers know.
    pub(crate) is_standard: bool,
    pub(crate) filter: &'static Filter,
    pub(crate) cd_values: Vec<u32>,
    /// Size of a buffer that every encoded frame fits in.
    pub(crate) bound: usize,
}

/// More dimensions than HDF5 has with that of the frames.
const MOST_DIMENSIONS: usize = 31;

impl Format {
    pub(crate) fn of(settings: &Settings) -> Result<Self, Error> {
        check_counts(settings)?;
        check_element(&settings.element)?;
        let mut shape = vec![1];
        shape.extend(&settings.frame_shape);
        let layout = Layout {
            element: settings.element,
            shape,
            fill: None,
        };
        let frame_bytes = layout
            .chunk_bytes()
            .filter(|&bytes| bytes > 0 && bytes <= u32::MAX as usize)
            .ok_or(Error::settings("a frame has 1 byte to 4 GiB"))?;
        let spec = settings.spec.clone();
        if let Some(stream) = &settings.stream {
            check_stream(&spec, stream)?;
            // Refuses what does not go together with the element type.
            (spec.codec().filter.cd_values)(&spec, &layout)?;
        }
        let stored = settings.stream.as_ref().unwrap_or(&spec);
        let filter = stored.codec().filter;
        let cd_values = (filter.cd_values)(stored, &layout)?;
        let bound = (filter.bound)(&cd_values, frame_bytes)?;
        check_memory(settings, frame_bytes, bound)?;
        Ok(Self {
            is_standard: settings.stream.is_some(),
            spec,
            layout,
            frame_bytes,
            filter,
            cd_values,
            bound,
        })
    }

    /// What the file has to know.
    pub(crate) fn of_file(&self) -> FrameFormat {
        let codec = self.spec.codec();
        FrameFormat {
            element: self.layout.element,
            frame_shape: self.layout.shape[1..].iter().map(|&e| e as u64).collect(),
            filter_id: self.filter.id,
            cd_values: self.cd_values.clone(),
            codec: codec.name,
            parameters: self.spec.to_string(),
            loss: match (codec.lossless, self.is_standard) {
                (true, _) => None,
                (false, true) => Some("standard"),
                (false, false) => Some("max"),
            },
        }
    }
}

/// What a dataset of frames can be of.
fn check_element(element: &Element) -> Result<(), Error> {
    match (element.class, element.bytes) {
        (ElementClass::Unsigned | ElementClass::Signed, _) | (ElementClass::Float, 4 | 8) => Ok(()),
        _ => Err(Error::settings(
            "frames are of integers, or of floats of 4 or 8 bytes",
        )),
    }
}

/// Asks for the memory of all buffers, and gives it back: nothing of a writer is made that cannot be made whole.
fn check_memory(settings: &Settings, frame_bytes: usize, bound: usize) -> Result<(), Error> {
    let of_frames = settings.frame_buffers.saturating_mul(frame_bytes);
    let needed = of_frames.saturating_add((settings.encoders + SPARE_CHUNKS).saturating_mul(bound));
    let asked = Vec::<u8>::new().try_reserve_exact(needed);
    asked.map_err(|_| Error::Settings(format!("there is no memory for buffers of {needed} bytes")))
}

fn check_counts(settings: &Settings) -> Result<(), Error> {
    if settings.frame_shape.is_empty() || settings.frame_shape.len() > MOST_DIMENSIONS {
        return Err(Error::settings("a frame has 1 to 31 dimensions"));
    }
    let counts = [
        (settings.encoders as u64, 1 << 10),
        (settings.frame_buffers as u64, 1 << 16),
        // There is a bit for each.
        (settings.most_frames, 1 << 32),
    ];
    if counts
        .iter()
        .any(|(count, most)| !(1..=*most).contains(count))
    {
        return Err(Error::settings(
            "there are 1 to 1024 encoders, 1 to 65536 frame buffers, and 1 to 2^32 frames",
        ));
    }
    if settings
        .first_number
        .checked_add(settings.most_frames)
        .is_none()
    {
        return Err(Error::settings("frame numbers are below 2^64 - 1"));
    }
    Ok(())
}

fn check_stream(spec: &Spec, stream: &Spec) -> Result<(), Error> {
    if stream.codec().filter.id != bitshuffle::FILTER.id {
        return Err(Error::settings(
            "the stream is bitshuffle with settings: what readers without Etalon know",
        ));
    }
    if spec.codec().lossless {
        return Err(Error::settings(
            "a stream is for codecs that lose; a lossless one needs none",
        ));
    }
    Ok(())
}
