//! Where chunks are: at offsets of a file, or in memory that HDF5 has read them into.

use std::fs::File;
use std::os::unix::fs::FileExt;

use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// The list of a dataset's chunks, as HDF5 tells it.
#[derive(FromPyObject)]
pub(crate) struct ChunkList<'py> {
    /// n × rank: the first element of each chunk.
    origins: PyReadonlyArray2<'py, u64>,
    /// Bytes from the beginning of the file; [`ABSENT`] for a chunk that was never written.
    offsets: PyReadonlyArray1<'py, u64>,
    /// Bytes in the file.
    sizes: PyReadonlyArray1<'py, u64>,
    /// Bits of filters that were left out.
    masks: PyReadonlyArray1<'py, u32>,
    /// A path to read from.
    path: Option<String>,
    /// The chunks themselves, where there is no path.
    streams: Option<Vec<PyBackedBytes>>,
}

/// Offset of a chunk that is not in the file.
const ABSENT: u64 = u64::MAX;

/// The same without Python.
pub(crate) struct Chunks<'a> {
    pub(crate) rank: usize,
    origins: &'a [u64],
    offsets: &'a [u64],
    sizes: &'a [u64],
    masks: &'a [u32],
    source: Source<'a>,
}

enum Source<'a> {
    File { file: File, len: u64 },
    Memory(&'a [PyBackedBytes]),
}

impl ChunkList<'_> {
    pub(crate) fn chunks(&self) -> PyResult<Chunks<'_>> {
        let source = match (&self.path, &self.streams) {
            (Some(path), _) => {
                let file = File::open(path)?;
                let len = file.metadata()?.len();
                Source::File { file, len }
            }
            (None, streams) => Source::Memory(streams.as_deref().unwrap_or_default()),
        };
        Ok(Chunks {
            rank: self.origins.as_array().ncols(),
            origins: self.origins.as_slice()?,
            offsets: self.offsets.as_slice()?,
            sizes: self.sizes.as_slice()?,
            masks: self.masks.as_slice()?,
            source,
        })
    }
}

impl Chunks<'_> {
    pub(crate) fn count(&self) -> usize {
        self.offsets.len()
    }

    pub(crate) fn origin(&self, chunk: usize) -> Vec<usize> {
        let origin = &self.origins[chunk * self.rank..][..self.rank];
        origin.iter().map(|&element| element as usize).collect()
    }

    pub(crate) fn mask(&self, chunk: usize) -> u32 {
        self.masks[chunk]
    }

    /// The bytes of a chunk, through `memory` where they are in a file; `None` where it was never written.
    pub(crate) fn stored<'m>(
        &'m self,
        chunk: usize,
        memory: &'m mut Vec<u8>,
    ) -> Result<Option<&'m [u8]>, String> {
        let (offset, size) = (self.offsets[chunk], self.sizes[chunk]);
        if offset == ABSENT {
            return Ok(None);
        }
        let (file, len) = match &self.source {
            Source::Memory(streams) => return Ok(Some(&streams[chunk])),
            Source::File { file, len } => (file, *len),
        };
        // The size is what the file claims: nothing is allocated that the file cannot hold.
        if offset.checked_add(size).is_none_or(|end| end > len) {
            return Err(format!(
                "its {size} bytes at offset {offset} lie beyond the end of the file"
            ));
        }
        let size = size as usize;
        if memory.len() < size {
            memory.resize(size, 0);
        }
        file.read_exact_at(&mut memory[..size], offset)
            .map_err(|error| error.to_string())?;
        Ok(Some(&memory[..size]))
    }
}
