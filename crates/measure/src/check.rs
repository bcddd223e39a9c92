//! Decoding every chunk of a dataset to find the damaged ones.

use std::sync::atomic::AtomicBool;

use crate::dataset::Dataset;
use crate::fault::Fault;

/// A chunk that does not decode.
#[derive(Debug, Clone)]
pub struct DamagedChunk {
    /// Coordinates of its first element.
    pub offset: Vec<u64>,
    /// Why.
    pub reason: String,
}

/// Decodes every chunk of `dataset` on `jobs` threads and returns the damaged ones, in file order.
pub fn damaged_chunks(
    dataset: &Dataset,
    jobs: usize,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<DamagedChunk>, Fault> {
    todo!()
}
