//! Which of the values that a dataset was made of, one after the other, an original has.
//!
//! A dataset that lost several times has a record of each time (`provenance`). Beside the source of the latest record only
//! that loss counts; beside an earlier source all since then add up. The digests in the records tell which source it is.

use std::sync::atomic::AtomicBool;

use crate::chunk_source::{ChunkSource, Loaded};
use crate::dataset::Dataset;
use crate::fault::Fault;
use crate::provenance::{Earlier, Source};
use crate::source_digest::{Sha, chunk_digest, dataset_digest, hexadecimal};
use crate::value_copy::check;

/// Finds the source that `original` has the values of.
pub(crate) struct Digests<'a> {
    original: &'a Dataset,
    stop: &'a AtomicBool,
    /// By the chunk shape that they were made with.
    known: Vec<(Vec<u64>, String)>,
}

impl<'a> Digests<'a> {
    /// `digest` is that of the original in chunks of shape `chunk`.
    pub(crate) fn new(
        original: &'a Dataset,
        stop: &'a AtomicBool,
        chunk: &[u64],
        digest: String,
    ) -> Self {
        Self {
            original,
            stop,
            known: vec![(chunk.to_vec(), digest)],
        }
    }

    /// The place in `earlier` of the record that was made of the original.
    pub(crate) fn find(&mut self, earlier: &[Earlier]) -> Result<Option<usize>, Fault> {
        for (place, earlier) in earlier.iter().enumerate() {
            if self.is_of(&earlier.source)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn is_of(&mut self, source: &Source) -> Result<bool, Fault> {
        let chunk = &source.sha256_chunk;
        let is_possible = chunk.len() == self.original.shape.len() && !chunk.contains(&0);
        if source.sha256.is_empty() || !is_possible {
            return Ok(false);
        }
        if let Some((_, known)) = self.known.iter().find(|(known, _)| known == chunk) {
            return Ok(*known == source.sha256);
        }
        let digest = digest(self.original, chunk, self.stop)?;
        let is_equal = digest == source.sha256;
        self.known.push((chunk.clone(), digest));
        Ok(is_equal)
    }
}

/// The digest of a dataset in chunks of shape `chunk`.
fn digest(dataset: &Dataset, chunk: &[u64], stop: &AtomicBool) -> Result<String, Fault> {
    let source = ChunkSource::new(dataset, Some(chunk))?;
    let (mut decoder, mut loaded, mut raw) = (source.decoder(), Loaded::default(), Vec::new());
    let mut digests: Vec<(u64, Sha)> = Vec::with_capacity(source.len());
    for index in 0..source.len() {
        check(stop)?;
        source.load(index, &mut loaded)?;
        let decoded = decoder.decode(&mut loaded, &mut raw);
        decoded.map_err(|error| source.damaged(index, error))?;
        let element = dataset.open.element_bytes;
        let digest = chunk_digest(&raw, chunk, &source.inside(index), element);
        digests.push((source.number(index), digest));
    }
    let fill = source.fill_value();
    Ok(hexadecimal(&dataset_digest(
        source.grid(),
        &mut digests,
        &fill,
    )))
}
