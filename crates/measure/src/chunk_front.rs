//! The first bytes of chunks, read from the file itself: HDF5 reads chunks whole.
//!
//! HDF5 tells where a chunk lies, but versions differ in whether that counts from the start of the file or from the end
//! of its user block, and drivers may keep one HDF5 file in many. So a chunk is read both ways first, and only what
//! agrees is believed; else chunks are read whole.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::anyhow;
use etalon_codec::Stream;

use crate::dataset::{Dataset, StoredChunk};
use crate::fault::{Blame, Fault};
use crate::hdf5::file;

/// Reads the beginnings of a dataset's chunks.
pub(crate) struct Fronts<'a> {
    dataset: &'a Dataset,
    direct: Option<Direct>,
}

/// A file in which chunks have been found where HDF5 says.
struct Direct {
    file: File,
    file_bytes: u64,
    /// Where the addresses count from.
    base: u64,
}

impl<'a> Fronts<'a> {
    /// For `chunks` of `dataset`.
    pub(crate) fn new(dataset: &'a Dataset, chunks: &[StoredChunk]) -> Self {
        Self {
            dataset,
            direct: chunks
                .first()
                .and_then(|probe| Direct::agreeing(dataset, probe)),
        }
    }

    /// Reads at least the first [`Stream::FRONT_BYTES`] of a chunk, or all of it where it is shorter.
    pub(crate) fn read(&self, chunk: &StoredChunk, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(direct) = &self.direct else {
            return self.dataset.read_stored(&chunk.offset, bytes).map(drop);
        };
        let end = direct
            .start(chunk)
            .and_then(|start| start.checked_add(chunk.stored_bytes));
        if end.is_none_or(|end| end > direct.file_bytes) {
            return Err(Fault::Input(anyhow!(
                "the chunk reaches beyond the end of the file, which has {} bytes",
                direct.file_bytes
            )));
        }
        let len = chunk.stored_bytes.min(Stream::FRONT_BYTES as u64);
        bytes.resize(len as usize, 0);
        direct
            .read(chunk, bytes)
            .input(|| "the chunk cannot be read".into())
    }
}

impl Direct {
    /// The file of `dataset`, if `probe` is found in it as HDF5 reads it, in one place only.
    fn agreeing(dataset: &Dataset, probe: &StoredChunk) -> Option<Self> {
        let file = File::open(file::name(&dataset.file).ok()?).ok()?;
        let file_bytes = file.metadata().ok()?.len();
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        dataset.read_stored(&probe.offset, &mut expected).ok()?;
        found.resize(expected.len(), 0);
        let mut bases = vec![0, file::userblock(&dataset.file).ok()?];
        bases.dedup();
        let mut direct = Self {
            file,
            file_bytes,
            base: 0,
        };
        bases.retain(|&base| {
            direct.base = base;
            direct.read(probe, &mut found).is_ok() && found == expected
        });
        let &[base] = bases.as_slice() else {
            return None;
        };
        Some(Self { base, ..direct })
    }

    fn start(&self, chunk: &StoredChunk) -> Option<u64> {
        chunk.address.checked_add(self.base)
    }

    fn read(&self, chunk: &StoredChunk, bytes: &mut [u8]) -> std::io::Result<()> {
        let start = self.start(chunk).unwrap_or(u64::MAX);
        self.file.read_exact_at(bytes, start)
    }
}
