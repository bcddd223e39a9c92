//! Datasets of a file as measuring and inspecting see them: a description, and chunks as stored or decoded.
//!
//! Chunks are read from the file by address, beside the HDF5 library, and decoded without plugins.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use etalon_codec::{ByteOrder, Context, Element, ElementClass, Filter};
use hdf5::types::{FloatSize, IntSize, TypeDescriptor};
use hdf5_metno as hdf5;

use crate::method::{Coder, Method};
use crate::speed::RawChunk;

/// A filter of a dataset.
#[derive(Debug, Clone)]
pub struct StoredFilter {
    /// The id.
    pub id: i32,
    /// The name that the file keeps beside it.
    pub name: String,
    /// Its client data.
    pub cd_values: Vec<u32>,
}

/// A chunk as it lies in the file.
#[derive(Debug, Clone)]
pub struct StoredChunk {
    /// Coordinates of its first element.
    pub offset: Vec<u64>,
    /// Which filters were skipped, by bit.
    pub filter_mask: u32,
    /// Its size in the file in bytes.
    pub stored_bytes: u64,
    address: u64,
}

/// A dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Path in the file.
    pub path: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// The element type.
    pub element: Element,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// Extents of a chunk; of a contiguous dataset, those of the pieces it is measured in.
    pub chunk: Vec<u64>,
    /// Whether it is stored in chunks.
    pub is_chunked: bool,
    /// Its filters, in the order in which they were applied.
    pub filters: Vec<StoredFilter>,
    /// Its chunks; one that was never written is not there.
    pub chunks: Vec<StoredChunk>,
    /// Bytes of all elements.
    pub raw_bytes: u64,
    /// Bytes in the file.
    pub stored_bytes: u64,
}

/// Describes every dataset of `file` whose path `wanted` accepts, in the order of their paths.
pub fn datasets(file: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Dataset>> {
    let opened = hdf5::File::open(file)
        .with_context(|| format!("cannot open {} as HDF5", file.display()))?;
    let mut found = Vec::new();
    collect(&opened, &mut found)?;
    let mut described = Vec::new();
    for dataset in found.iter().filter(|dataset| wanted(&dataset.name())) {
        described.push(
            describe(dataset)
                .with_context(|| format!("{} in {}", dataset.name(), file.display()))?,
        );
    }
    described.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(described)
}

fn collect(group: &hdf5::Group, found: &mut Vec<hdf5::Dataset>) -> Result<()> {
    found.extend(group.datasets()?);
    for child in group.groups()? {
        collect(&child, found)?;
    }
    Ok(())
}

fn describe(dataset: &hdf5::Dataset) -> Result<Dataset> {
    let dtype = dataset.dtype()?;
    let order = match dtype.byte_order() {
        hdf5::datatype::ByteOrder::BigEndian => ByteOrder::Big,
        _ => ByteOrder::Little,
    };
    let (class, letter) = match dtype.to_descriptor() {
        Ok(TypeDescriptor::Unsigned(IntSize::U1 | IntSize::U2 | IntSize::U4 | IntSize::U8)) => {
            (ElementClass::Unsigned, 'u')
        }
        Ok(TypeDescriptor::Integer(_)) => (ElementClass::Signed, 'i'),
        Ok(TypeDescriptor::Float(FloatSize::U4 | FloatSize::U8)) => (ElementClass::Float, 'f'),
        _ => (ElementClass::Other, 'V'),
    };
    let element = Element {
        class,
        bytes: dtype.size(),
        order,
    };
    let sign = if element.bytes == 1 || class == ElementClass::Other {
        '|'
    } else if order == ByteOrder::Big {
        '>'
    } else {
        '<'
    };
    let shape: Vec<u64> = dataset
        .shape()
        .iter()
        .map(|&extent| extent as u64)
        .collect();
    let chunk: Vec<u64> = match dataset.chunk() {
        Some(chunk) => chunk.iter().map(|&extent| extent as u64).collect(),
        None => frame_of(&shape),
    };
    let mut described = Dataset {
        path: dataset.name(),
        dtype: format!("{sign}{letter}{}", element.bytes),
        raw_bytes: shape.iter().product::<u64>() * element.bytes as u64,
        stored_bytes: dataset.storage_size(),
        element,
        shape,
        chunk,
        is_chunked: dataset.is_chunked(),
        filters: dataset.filters().iter().map(stored_filter).collect(),
        chunks: Vec::new(),
    };
    described.chunks = chunks_of(dataset, &described)?;
    Ok(described)
}

/// A contiguous stack of frames is measured frame by frame.
fn frame_of(shape: &[u64]) -> Vec<u64> {
    let mut chunk = shape.to_vec();
    if let [first, _, _, ..] = chunk.as_mut_slice() {
        *first = 1;
    }
    chunk
}

fn stored_filter(filter: &hdf5::filters::Filter) -> StoredFilter {
    let cd_values = match filter {
        hdf5::filters::Filter::Deflate(level) => vec![u32::from(*level)],
        hdf5::filters::Filter::User(_, values) => values.clone(),
        _ => Vec::new(),
    };
    StoredFilter {
        id: filter.id(),
        name: String::new(),
        cd_values,
    }
}

fn chunks_of(dataset: &hdf5::Dataset, described: &Dataset) -> Result<Vec<StoredChunk>> {
    let mut chunks = Vec::new();
    if described.is_chunked {
        dataset.chunks_visit(|chunk| {
            chunks.push(StoredChunk {
                offset: chunk.offset.to_vec(),
                filter_mask: chunk.filter_mask,
                stored_bytes: chunk.size,
                address: chunk.addr,
            });
            0
        })?;
    } else if let Some(address) = dataset.offset() {
        let bytes = described.chunk_bytes() as u64;
        for (at, start) in (0..described.raw_bytes)
            .step_by(bytes.max(1) as usize)
            .enumerate()
        {
            let mut offset = vec![0; described.shape.len()];
            if let Some(first) = offset.first_mut() {
                *first = at as u64 * described.chunk[0];
            }
            chunks.push(StoredChunk {
                offset,
                filter_mask: 0,
                stored_bytes: bytes,
                address: address + start,
            });
        }
    }
    Ok(chunks)
}

impl Dataset {
    /// Bytes of a decoded chunk.
    pub fn chunk_bytes(&self) -> usize {
        self.chunk.iter().product::<u64>() as usize * self.element.bytes
    }
}

/// Reads chunks of one file.
pub struct ChunkReader {
    file: File,
    context: Context,
}

impl ChunkReader {
    /// Opens `file`.
    pub fn open(file: &Path) -> Result<Self> {
        let file = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        Ok(Self {
            file,
            context: Context::new(),
        })
    }

    /// The bytes of a chunk as they lie in the file.
    pub fn stored(&self, chunk: &StoredChunk) -> Result<Vec<u8>> {
        let mut bytes = vec![0; chunk.stored_bytes as usize];
        self.file
            .read_exact_at(&mut bytes, chunk.address)
            .context("the file ends inside a chunk")?;
        Ok(bytes)
    }

    /// A chunk of `dataset`, decoded.
    pub fn decoded(&mut self, dataset: &Dataset, chunk: &StoredChunk) -> Result<RawChunk> {
        let mut bytes = self.stored(chunk)?;
        let raw_len = dataset.chunk_bytes();
        for (at, filter) in dataset.filters.iter().enumerate().rev() {
            if chunk.filter_mask & (1 << at) == 0 {
                bytes = self.undo(filter, &dataset.element, raw_len, bytes)?;
            }
        }
        if bytes.len() != raw_len {
            bail!(
                "decodes to {} bytes where {raw_len} are needed",
                bytes.len()
            );
        }
        Ok(RawChunk {
            offset: chunk.offset.clone(),
            bytes,
        })
    }

    fn undo(
        &mut self,
        filter: &StoredFilter,
        element: &Element,
        raw_len: usize,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>> {
        match filter.id {
            1 => {
                let mut decoded = vec![0; raw_len];
                let gzip = Method::Gzip {
                    level: 0,
                    shuffle: false,
                };
                gzip.coder(element)?.decode(&bytes, &mut decoded)?;
                Ok(decoded)
            }
            2 => {
                let mut decoded = vec![0; bytes.len()];
                Coder::unshuffle(element.bytes, &bytes, &mut decoded);
                Ok(decoded)
            }
            3 => Ok(bytes[..bytes.len().saturating_sub(4)].to_vec()),
            id => {
                let Some(filter_of_ours) = u32::try_from(id).ok().and_then(Filter::by_id) else {
                    bail!("filter {id} is not one that etalon decodes");
                };
                let len = (filter_of_ours.decoded_len)(&filter.cd_values, &bytes)?;
                if len > raw_len {
                    bail!("decodes to {len} bytes where {raw_len} are needed");
                }
                let mut decoded = vec![0; len];
                (filter_of_ours.decode)(
                    &mut self.context,
                    &filter.cd_values,
                    &bytes,
                    &mut decoded,
                )?;
                Ok(decoded)
            }
        }
    }
}
