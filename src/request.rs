//! What a program asks for: SPEC, stream, element type and shape, from C to the codecs' words.

use std::ffi::{c_char, c_void};

use etalon_codec::codecs::bitshuffle;
use etalon_codec::{Element, Filter, Layout, Spec};

use crate::guard::{bytes, is_chunk_size, text};
use crate::status::Failure;

/// HDF5's limit.
const MAX_DIMENSIONS: usize = 32;

/// A request that goes together.
pub(crate) struct Request {
    /// The codec.
    pub(crate) spec: Spec,
    /// The chunks.
    pub(crate) layout: Layout,
    /// Size of a chunk.
    pub(crate) chunk_bytes: usize,
    /// Whether the codec's loss goes into the values, and these into a stream that all readers know.
    pub(crate) is_standard: bool,
    /// The filter whose stream is written.
    pub(crate) filter: &'static Filter,
    /// Its complete `cd_values`.
    pub(crate) cd_values: Vec<u32>,
    /// The values that a user passes where the filter can complete them.
    pub(crate) user_values: Vec<u32>,
}

/// The arguments of C that make a request.
pub(crate) struct Arguments {
    pub(crate) spec: *const c_char,
    pub(crate) stream: *const c_char,
    pub(crate) element: *const c_char,
    pub(crate) dimensions: usize,
    pub(crate) shape: *const usize,
    pub(crate) fill: *const c_void,
}

impl Arguments {
    /// Reads and checks them.
    ///
    /// # Safety
    /// Each pointer is NULL or points to what the header says, for the time of the call.
    pub(crate) unsafe fn read(&self) -> Result<Request, Failure> {
        // SAFETY: the caller's promise, for each of the four.
        let spec: Spec = unsafe { text("spec", self.spec) }?.parse()?;
        // SAFETY: as above.
        let layout = unsafe { self.layout() }?;
        let chunk_bytes = layout
            .chunk_bytes()
            .filter(|&len| is_chunk_size(len))
            .ok_or(Failure::Settings(
                "a chunk of this shape is empty or larger than memory",
            ))?;
        let stream = if self.stream.is_null() {
            None
        } else {
            // SAFETY: as above.
            Some(unsafe { text("stream", self.stream) }?.parse::<Spec>()?)
        };
        if let Some(stream) = &stream {
            check_stream(&spec, stream)?;
            // Refuses what does not go together with the element type.
            (spec.codec().filter.cd_values)(&spec, &layout)?;
        }
        let is_standard = stream.is_some();
        let stored = stream.as_ref().unwrap_or(&spec);
        let filter = stored.codec().filter;
        let cd_values = (filter.cd_values)(stored, &layout)?;
        let user_values = (filter.user_values)(stored)?;
        Ok(Request {
            spec,
            layout,
            chunk_bytes,
            is_standard,
            filter,
            cd_values,
            user_values,
        })
    }

    /// # Safety
    /// As for `read`.
    unsafe fn layout(&self) -> Result<Layout, Failure> {
        // SAFETY: the caller's promise.
        let element: Element = unsafe { text("element", self.element) }?.parse()?;
        if self.dimensions == 0 || self.dimensions > MAX_DIMENSIONS {
            return Err(Failure::Settings("a chunk has 1 to 32 dimensions"));
        }
        if self.shape.is_null() {
            return Err(Failure::Null("shape"));
        }
        let extents = 0..self.dimensions;
        // SAFETY: the caller's promise: as many extents are there.
        let shape = extents.map(|i| unsafe { self.shape.add(i).read_unaligned() });
        let fill = if self.fill.is_null() {
            None
        } else {
            // SAFETY: the caller's promise: one element is there.
            Some(unsafe { bytes("fill", self.fill, element.bytes) }?.to_vec())
        };
        Ok(Layout {
            element,
            shape: shape.collect(),
            fill,
        })
    }
}

fn check_stream(spec: &Spec, stream: &Spec) -> Result<(), Failure> {
    if stream.codec().filter.id != bitshuffle::FILTER.id {
        return Err(Failure::Settings(
            "stream is NULL, or bitshuffle with settings: what readers without Etalon know",
        ));
    }
    if spec.codec().lossless {
        return Err(Failure::Settings(
            "stream is for codecs that lose; give NULL with a lossless one",
        ));
    }
    Ok(())
}
