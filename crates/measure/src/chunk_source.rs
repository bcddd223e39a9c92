//! A dataset as a sequence of decoded chunks. Loading needs HDF5 and is done one chunk at a time; decoding does not.
//!
//! Where the chunks are the dataset's own and its filters are known ([`Pipeline`]), a chunk is loaded as it lies in the
//! file. Otherwise HDF5 reads the chunk's box: that serves datasets without chunks, other chunk shapes, and filters that
//! HDF5 has or finds as plugins, at the price of decoding under HDF5's lock.

use std::collections::BTreeSet;

use anyhow::anyhow;
use etalon_codec::{Element, Layout as CodecLayout};

use crate::chunk_shape::{Grid, bytes_of, default_chunk};
use crate::dataset::{Dataset, Layout};
use crate::fault::{Blame, Fault};
use crate::hdf5::chunk;
use crate::hdf5::dataset::OpenDataset;
use crate::pipeline::{Pipeline, Workspace};

/// Most memory that HDF5 may use to decode each chunk once where chunk shapes differ.
const LARGEST_CACHE_BYTES: u64 = 96 << 20;

/// A dataset cut into chunks: its own, or others where it has none or is asked for others.
pub struct ChunkSource<'a> {
    dataset: &'a Dataset,
    open: OpenDataset,
    grid: Grid,
    chunk_shape: Vec<u64>,
    chunk_bytes: usize,
    /// Numbers in the grid of the chunks that hold data.
    numbers: Vec<u64>,
    /// The same, ascending.
    sorted_numbers: Vec<u64>,
    pipeline: Option<Pipeline>,
}

/// A chunk between loading and decoding. Reused from chunk to chunk.
#[derive(Default)]
pub struct Loaded {
    bytes: Vec<u8>,
    filter_mask: u32,
    is_raw: bool,
}

/// Decodes what a [`ChunkSource`] loads, on any thread: one per thread.
pub struct Decoder {
    pipeline: Option<Pipeline>,
    workspace: Workspace,
    chunk_bytes: usize,
}

impl<'a> ChunkSource<'a> {
    /// The chunks of `dataset`; of shape `chunk` if given, else its own, else of [`default_chunk`]'s.
    pub fn new(dataset: &'a Dataset, chunk: Option<&[u64]>) -> Result<Self, Fault> {
        let own = dataset.chunk_shape();
        let is_own = own.is_some() && chunk.is_none_or(|chunk| Some(chunk) == own);
        let chunk_shape = match chunk.or(own) {
            Some(chunk) => chunk.to_vec(),
            None => default_chunk(&dataset.shape, dataset.open.element_bytes),
        };
        let grid = Grid::new(&dataset.shape, &chunk_shape);
        let cache = if is_own {
            None
        } else {
            cache_bytes(dataset, &chunk_shape)
        };
        let open = OpenDataset::open(&dataset.file, &dataset.path, cache)
            .input(|| format!("cannot open dataset {}", dataset.path))?;
        let numbers = if is_own {
            own_numbers(dataset, &grid)?
        } else {
            touched_numbers(dataset, &grid)?
        };
        let mut sorted_numbers = numbers.clone();
        sorted_numbers.sort_unstable();
        Ok(Self {
            chunk_bytes: bytes_of(&chunk_shape, dataset.open.element_bytes).ok_or_else(|| {
                Fault::Input(anyhow!("{}: chunks of {chunk_shape:?}", dataset.path))
            })?,
            pipeline: if is_own {
                Pipeline::of(&dataset.filters)
            } else {
                None
            },
            numbers,
            sorted_numbers,
            dataset,
            open,
            grid,
            chunk_shape,
        })
    }

    /// Number of chunks that hold data.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Decoded bytes of every chunk: whole chunks, also at the edge.
    pub fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// The chunk shape.
    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// The dataset's extents cut into chunks.
    pub(crate) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The number of chunk `index` in that grid.
    pub(crate) fn number(&self, index: usize) -> u64 {
        self.numbers[index]
    }

    /// Whether the chunk with this number in the grid holds data.
    pub(crate) fn holds(&self, number: u64) -> bool {
        self.sorted_numbers.binary_search(&number).is_ok()
    }

    /// The value of elements that were never written.
    pub(crate) fn fill_value(&self) -> Vec<u8> {
        let fill = self.dataset.fill_value.clone();
        fill.unwrap_or_else(|| vec![0; self.open.element_bytes])
    }

    /// What a codec has to know of every chunk, whose elements are of type `element`.
    pub fn layout(&self, element: Element) -> CodecLayout {
        CodecLayout {
            element,
            shape: self
                .chunk_shape
                .iter()
                .map(|&extent| extent as usize)
                .collect(),
            fill: self.dataset.fill_value.clone(),
        }
    }

    /// Coordinates of the first element of chunk `index`.
    pub fn offset(&self, index: usize) -> Vec<u64> {
        self.grid.offset(self.numbers[index])
    }

    /// Extents of the part of chunk `index` that lies inside the dataset.
    pub fn inside(&self, index: usize) -> Vec<u64> {
        self.grid.inside(&self.offset(index))
    }

    /// Decoded bytes of that part.
    pub fn inside_bytes(&self, index: usize) -> u64 {
        self.inside(index).iter().product::<u64>() * self.open.element_bytes as u64
    }

    /// Coordinates of the chunks that hold data and share elements with the box at `offset` of `extents`.
    pub(crate) fn chunks_in(&self, offset: &[u64], extents: &[u64]) -> Vec<Vec<u64>> {
        let touching = self.grid.touching(offset, extents).into_iter();
        touching
            .filter(|number| self.holds(*number))
            .map(|number| self.grid.offset(number))
            .collect()
    }

    /// Extents of the dataset.
    pub(crate) fn dataset_shape(&self) -> &[u64] {
        &self.dataset.shape
    }

    /// Reads chunk `index` from the file.
    pub fn load(&self, index: usize, loaded: &mut Loaded) -> Result<(), Fault> {
        self.load_at(&self.offset(index), loaded)
    }

    /// Reads the chunk whose first element is at `offset`.
    pub(crate) fn load_at(&self, offset: &[u64], loaded: &mut Loaded) -> Result<(), Fault> {
        let outcome = if self.pipeline.is_some() {
            chunk::read(&self.open, offset, &mut loaded.bytes).map(|filter_mask| {
                loaded.filter_mask = filter_mask;
                loaded.is_raw =
                    self.dataset.leaves_edge_chunks_unfiltered && self.grid.is_cut(offset);
            })
        } else {
            loaded.is_raw = true;
            loaded.bytes.resize(self.chunk_bytes, 0);
            let inside = self.grid.inside(offset);
            if inside != self.chunk_shape {
                pad(&mut loaded.bytes, self.dataset.fill_value.as_deref());
            }
            self.open
                .read_box(offset, &inside, &self.chunk_shape, &mut loaded.bytes)
        };
        outcome.input(|| {
            format!(
                "{}: the chunk at {offset:?} cannot be read",
                self.dataset.path
            )
        })
    }

    /// Reads the chunk with this number in the grid; one that holds no data has the fill value.
    pub(crate) fn load_or_fill(&self, number: u64, loaded: &mut Loaded) -> Result<(), Fault> {
        if self.holds(number) {
            return self.load_at(&self.grid.offset(number), loaded);
        }
        loaded.is_raw = true;
        loaded.bytes.resize(self.chunk_bytes, 0);
        pad(&mut loaded.bytes, self.dataset.fill_value.as_deref());
        Ok(())
    }

    /// A decoder for what `load` reads.
    pub fn decoder(&self) -> Decoder {
        Decoder {
            pipeline: self.pipeline.clone(),
            workspace: Workspace::default(),
            chunk_bytes: self.chunk_bytes,
        }
    }

    /// Loads and decodes chunk `index`.
    pub fn read(&self, index: usize) -> Result<Vec<u8>, Fault> {
        let (mut loaded, mut raw) = (Loaded::default(), Vec::new());
        self.load(index, &mut loaded)?;
        self.decoder()
            .decode(&mut loaded, &mut raw)
            .map_err(|error| self.damaged(index, error))?;
        Ok(raw)
    }

    /// What to report where chunk `index` does not decode.
    pub(crate) fn damaged(&self, index: usize, error: anyhow::Error) -> Fault {
        let text = format!(
            "{}: the chunk at {:?} is damaged",
            self.dataset.path,
            self.offset(index)
        );
        Fault::Input(error.context(text))
    }
}

impl Decoder {
    /// Decodes a chunk into `raw`, which takes the size of a chunk. `loaded` is then good for the next chunk only.
    pub fn decode(&mut self, loaded: &mut Loaded, raw: &mut Vec<u8>) -> anyhow::Result<()> {
        if loaded.is_raw && loaded.bytes.len() == self.chunk_bytes {
            std::mem::swap(&mut loaded.bytes, raw);
            return Ok(());
        }
        raw.resize(self.chunk_bytes, 0);
        let unfiltered = Pipeline::default();
        let pipeline = self
            .pipeline
            .as_ref()
            .filter(|_| !loaded.is_raw)
            .unwrap_or(&unfiltered);
        pipeline.decode(&mut self.workspace, &loaded.bytes, loaded.filter_mask, raw)
    }
}

/// The dataset's own chunks, in the order of the index.
fn own_numbers(dataset: &Dataset, grid: &Grid) -> Result<Vec<u64>, Fault> {
    // A chunk outside the extents can be left behind when a dataset shrinks; it holds no data.
    let is_inside = |offset: &[u64]| {
        offset
            .iter()
            .zip(&dataset.shape)
            .all(|(start, extent)| start < extent)
    };
    let chunks = dataset.stored_chunks()?;
    let inside = chunks.iter().filter(|chunk| is_inside(&chunk.offset));
    Ok(inside.map(|chunk| grid.number(&chunk.offset)).collect())
}

/// Chunks of `grid` that hold something that was written.
fn touched_numbers(dataset: &Dataset, grid: &Grid) -> Result<Vec<u64>, Fault> {
    if dataset.is_null {
        return Ok(Vec::new());
    }
    if let Layout::Chunked(shape) = &dataset.layout {
        let own = Grid::new(&dataset.shape, shape);
        let numbers = own_numbers(dataset, &own)?.into_iter();
        let touched: BTreeSet<u64> = numbers
            .flat_map(|number| grid.touching(&own.offset(number), shape))
            .collect();
        return Ok(touched.into_iter().collect());
    }
    let is_written = match dataset.layout {
        Layout::Contiguous => dataset
            .open
            .is_allocated()
            .input(|| format!("{}: no storage status", dataset.path))?,
        _ => true,
    };
    Ok(if is_written {
        (0..grid.len()).collect()
    } else {
        Vec::new()
    })
}

/// Enough for HDF5 to decode each of the dataset's chunks once while boxes of another shape are read in order: the
/// chunks that a row of boxes along the first dimension touches.
fn cache_bytes(dataset: &Dataset, chunk: &[u64]) -> Option<usize> {
    let own = dataset.chunk_shape()?;
    let rows = chunk[0].div_ceil(own[0]) + 1;
    let others = dataset
        .shape
        .iter()
        .zip(own)
        .skip(1)
        .map(|(extent, own)| extent.div_ceil(*own));
    let chunk_bytes = own.iter().product::<u64>() * dataset.open.element_bytes as u64;
    let bytes = others
        .fold(rows, u64::saturating_mul)
        .saturating_mul(chunk_bytes);
    Some(bytes.min(LARGEST_CACHE_BYTES) as usize)
}

/// What lies beyond the edge is never read as data; the fill value compresses best with what HDF5 itself puts there.
fn pad(bytes: &mut [u8], fill_value: Option<&[u8]>) {
    match fill_value {
        Some(fill) => bytes
            .chunks_exact_mut(fill.len())
            .for_each(|element| element.copy_from_slice(fill)),
        None => bytes.fill(0),
    }
}
