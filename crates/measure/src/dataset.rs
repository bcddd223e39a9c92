//! One dataset of an open file: what it holds, how it is stored, and its chunks as they lie in the file.

use etalon_codec::Element;

use crate::chunk_shape::bytes_of;
use crate::fault::{Blame, Fault};
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::dataspace::{Extents, extents};
use crate::hdf5::datatype::{self, Anatomy};
use crate::hdf5::{Id, Result as H5Result, chunk, plist};

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
    /// Where it lies in the file, as HDF5 counts.
    pub(crate) address: u64,
    /// Bytes in the file.
    pub stored_bytes: u64,
}

/// A dataset. It holds the file open.
#[derive(Debug)]
pub struct Dataset {
    /// Path of the first link by which it was found.
    pub path: String,
    /// Element type as numpy writes it (`<u2`, `>f4`, `|V12`; `object` for what has no fixed size).
    pub dtype: String,
    /// Element type for a codec; `None` where elements have parts outside the dataset (variable length, references).
    pub element: Option<Element>,
    /// Extents; empty for a scalar or null dataspace.
    pub shape: Vec<u64>,
    /// Largest extents, `None` for unlimited.
    pub max_shape: Vec<Option<u64>>,
    /// Whether the dataspace is null: there is no element.
    pub is_null: bool,
    /// How it is laid out.
    pub layout: Layout,
    /// The filters, in the order in which they are applied.
    pub filters: Vec<StoredFilter>,
    /// The fill value's bytes in the file's type, where one is set.
    pub fill_value: Option<Vec<u8>>,
    /// Bytes of its data in the file.
    pub stored_bytes: u64,
    /// Whether chunks that reach over the edge are stored without filters.
    pub(crate) leaves_edge_chunks_unfiltered: bool,
    pub(crate) anatomy: Anatomy,
    pub(crate) open: OpenDataset,
    pub(crate) file: Id,
}

impl Dataset {
    /// Opens and describes the dataset at `path`.
    pub(crate) fn open(file: &Id, path: &str) -> H5Result<Self> {
        let open = OpenDataset::open(file, path, None)?;
        let Extents {
            shape,
            max_shape,
            is_null,
        } = extents(&open.space)?;
        let anatomy = datatype::anatomy(&open.datatype)?;
        let layout = plist::layout(&open.creation, shape.len())?;
        let (dtype, element) = datatype::element(&open.datatype)?;
        let is_plain = anatomy == Anatomy::Plain;
        Ok(Self {
            path: path.to_owned(),
            dtype: if is_plain { dtype } else { "object".into() },
            element: is_plain.then_some(element),
            filters: plist::filters(&open.creation)?,
            fill_value: match is_plain {
                true => plist::fill_value(&open.creation, &open.datatype, open.element_bytes)?,
                false => None,
            },
            stored_bytes: open.stored_bytes(),
            leaves_edge_chunks_unfiltered: matches!(layout, Layout::Chunked(_))
                && plist::leaves_edge_chunks_unfiltered(&open.creation)?,
            shape,
            max_shape,
            is_null,
            layout,
            anatomy,
            open,
            file: file.clone(),
        })
    }

    /// Decoded size of all elements.
    pub fn raw_bytes(&self) -> u64 {
        if self.is_null {
            return 0;
        }
        let elements = self
            .shape
            .iter()
            .fold(1_u64, |product, &extent| product.saturating_mul(extent));
        elements.saturating_mul(self.open.element_bytes as u64)
    }

    /// The chunk shape, where it is stored in chunks.
    pub fn chunk_shape(&self) -> Option<&[u64]> {
        match &self.layout {
            Layout::Chunked(shape) => Some(shape),
            _ => None,
        }
    }

    /// Decoded size of a chunk, where it can be counted.
    pub(crate) fn chunk_bytes(&self) -> Option<u64> {
        bytes_of(self.chunk_shape()?, self.open.element_bytes).map(|bytes| bytes as u64)
    }

    /// The chunks that exist in the file, in the order of the index; none unless chunked.
    pub fn stored_chunks(&self) -> Result<Vec<StoredChunk>, Fault> {
        if self.chunk_shape().is_none() {
            return Ok(Vec::new());
        }
        chunk::stored_chunks(&self.open)
            .input(|| format!("{}: the index of chunks cannot be read", self.path))
    }

    /// Reads the chunk at `offset` as it lies in the file into `bytes`; returns its filter mask.
    pub fn read_stored(&self, offset: &[u64], bytes: &mut Vec<u8>) -> Result<u32, Fault> {
        chunk::read(&self.open, offset, bytes)
            .input(|| format!("{}: the chunk at {offset:?} cannot be read", self.path))
    }
}
