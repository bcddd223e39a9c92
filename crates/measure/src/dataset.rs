//! One dataset of an open file: what it holds, how it is stored, and its chunks.

use etalon_codec::Element;

use crate::fault::Fault;

/// How HDF5 lays out a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Inside the object header.
    Compact,
    /// One piece of the file.
    Contiguous,
    /// One piece of other files.
    External,
    /// Chunks of this shape.
    Chunked(Vec<u64>),
    /// Made of other datasets.
    Virtual,
}

/// A filter of a dataset's pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFilter {
    /// Filter id.
    pub id: i32,
    /// Name as stored in the file or known to HDF5, empty if neither.
    pub name: String,
    /// Client data.
    pub cd_values: Vec<u32>,
    /// Whether the filter may be skipped for a chunk.
    pub optional: bool,
}

/// A chunk as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Coordinates of its first element.
    pub offset: Vec<u64>,
    /// Bit i is set if filter i was skipped for this chunk.
    pub filter_mask: u32,
    /// Bytes in the file.
    pub stored_bytes: u64,
}

/// A dataset. It holds the file open.
pub struct Dataset {
    /// Path of the first link by which it was found.
    pub path: String,
    /// Element type as numpy writes it (`<u2`, `>f4`, `|V12`; `object` for variable length).
    pub dtype: String,
    /// Element type for a codec; `None` where elements have no fixed size in the dataset (variable length, references).
    pub element: Option<Element>,
    /// Extents; empty for a scalar or null dataspace.
    pub shape: Vec<u64>,
    /// Largest extents, `None` for unlimited.
    pub max_shape: Vec<Option<u64>>,
    /// How it is laid out.
    pub layout: Layout,
    /// The filters, in the order in which they were applied.
    pub filters: Vec<StoredFilter>,
    /// The fill value's bytes in the file's type, where one is set.
    pub fill_value: Option<Vec<u8>>,
    /// Bytes of its data in the file.
    pub stored_bytes: u64,
}

impl Dataset {
    /// Decoded size of all elements.
    pub fn raw_bytes(&self) -> u64 {
        todo!()
    }

    /// The chunks that exist in the file, in the order of the index; none unless chunked.
    pub fn stored_chunks(&self) -> Result<Vec<StoredChunk>, Fault> {
        todo!()
    }

    /// Reads a chunk as it lies in the file into `bytes`.
    pub fn read_stored(&self, chunk: &StoredChunk, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        todo!()
    }
}
