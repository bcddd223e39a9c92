//! A dataset as a sequence of decoded chunks: loading needs HDF5 and is done one at a time, decoding does not.

use crate::dataset::Dataset;
use crate::fault::Fault;

/// A dataset cut into chunks: its own, or others where it has none or is asked for others.
pub struct ChunkSource<'a> {
    dataset: &'a Dataset,
}

/// A chunk between loading and decoding. Reused from chunk to chunk.
#[derive(Default)]
pub struct Loaded {}

/// Decodes what a [`ChunkSource`] loads, on any thread: one per thread.
pub struct Decoder {}

impl<'a> ChunkSource<'a> {
    /// The chunks of `dataset`; of shape `chunk` if given, else its own, else of a default shape.
    pub fn new(dataset: &'a Dataset, chunk: Option<&[u64]>) -> Result<Self, Fault> {
        todo!()
    }

    /// Number of chunks that hold data.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Decoded bytes of every chunk: whole chunks, also at the edge.
    pub fn chunk_bytes(&self) -> usize {
        todo!()
    }

    /// The chunk shape.
    pub fn chunk_shape(&self) -> &[u64] {
        todo!()
    }

    /// Coordinates of the first element of chunk `index`.
    pub fn offset(&self, index: usize) -> Vec<u64> {
        todo!()
    }

    /// Reads chunk `index` from the file.
    pub fn load(&self, index: usize, loaded: &mut Loaded) -> Result<(), Fault> {
        todo!()
    }

    /// A decoder for what `load` reads.
    pub fn decoder(&self) -> Decoder {
        todo!()
    }

    /// Loads and decodes chunk `index`.
    pub fn read(&self, index: usize) -> Result<Vec<u8>, Fault> {
        todo!()
    }
}

impl Decoder {
    /// Decodes a chunk into `raw`, which has `chunk_bytes`.
    pub fn decode(&mut self, loaded: &Loaded, raw: &mut [u8]) -> Result<(), Fault> {
        todo!()
    }
}
