//! Rows of `etalon measure`: one dataset stored by one method.

use std::collections::BTreeMap;

use etalon_codec::{Error, Layout};
use serde::Serialize;

use crate::method::Method;
use crate::speed::{RawChunk, Speed, measure_speed};

/// Raw data that is measured of a dataset, unless all of it is asked for.
pub const DEFAULT_SAMPLE_BYTES: u64 = 256 << 20;
/// Fewest runs that have a meaningful median and variation.
pub const LEAST_RUNS: usize = 5;

/// A dataset, as far as a row names it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Path in the file.
    pub dataset: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Element type, shape of a chunk and fill value.
    pub layout: Layout,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// Chunks of the dataset, measured or not.
    pub total_chunks: usize,
}

/// One dataset stored by one method.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Path in the file.
    pub dataset: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// The method, as a SPEC.
    pub codec: String,
    /// Whether the method promises every bit.
    pub lossless: bool,
    /// Raw over stored bytes.
    pub ratio: f64,
    /// Bytes of raw data in the measured chunks.
    pub raw_bytes: u64,
    /// Bytes of the measured chunks as stored.
    pub stored_bytes: u64,
    /// 10⁹ bytes of raw data a second, one thread, median over the runs.
    pub encode_gbps: f64,
    /// The same for decoding.
    pub decode_gbps: f64,
    /// The larger coefficient of variation of the two.
    pub cv: f64,
    /// That of the encoding times.
    pub encode_cv: f64,
    /// That of the decoding times.
    pub decode_cv: f64,
    /// Largest difference between a decoded value and the raw one.
    pub max_abs_error: f64,
    /// Number of runs.
    pub runs: usize,
    /// Chunks that were measured.
    pub measured_chunks: usize,
    /// Chunks that the dataset has.
    pub total_chunks: usize,
    /// Further metrics by name.
    pub metrics: BTreeMap<String, f64>,
    /// The same by chunk, where asked for.
    pub chunks: Vec<ChunkRow>,
}

/// One chunk stored by one method.
#[derive(Debug, Clone, Serialize)]
pub struct ChunkRow {
    /// Coordinates of the chunk's first element.
    pub chunk: Vec<u64>,
    /// Raw over stored bytes.
    pub ratio: f64,
    /// Bytes of raw data.
    pub raw_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// 10⁹ bytes of raw data a second, median over the runs.
    pub encode_gbps: f64,
    /// The same for decoding.
    pub decode_gbps: f64,
    /// Largest difference between a decoded value and the raw one.
    pub max_abs_error: f64,
}

impl Row {
    /// Whether what was measured keeps what the method promises.
    pub fn holds(&self) -> bool {
        !self.lossless || self.max_abs_error == 0.0
    }
}

/// Measures `method` on chunks of a dataset; `progress` is called after each run.
pub fn measure(
    subject: &Subject,
    method: &Method,
    chunks: &[RawChunk],
    runs: usize,
    per_chunk: bool,
    progress: impl FnMut(),
) -> Result<Row, Error> {
    let measured = measure_speed(method, &subject.layout, chunks, runs, progress)?;
    let total = measured.total;
    let chunk_rows = chunks
        .iter()
        .zip(&measured.chunks)
        .map(|(chunk, speed)| chunk_row(chunk, speed));
    Ok(Row {
        dataset: subject.dataset.clone(),
        dtype: subject.dtype.clone(),
        shape: subject.shape.clone(),
        codec: method.to_string(),
        lossless: method.is_lossless(),
        ratio: total.ratio(),
        raw_bytes: total.raw_bytes,
        stored_bytes: total.stored_bytes,
        encode_gbps: total.encode_gbps,
        decode_gbps: total.decode_gbps,
        cv: total.encode_cv.max(total.decode_cv),
        encode_cv: total.encode_cv,
        decode_cv: total.decode_cv,
        max_abs_error: total.max_abs_error,
        runs,
        measured_chunks: chunks.len(),
        total_chunks: subject.total_chunks,
        metrics: BTreeMap::new(),
        chunks: if per_chunk {
            chunk_rows.collect()
        } else {
            Vec::new()
        },
    })
}

fn chunk_row(chunk: &RawChunk, speed: &Speed) -> ChunkRow {
    ChunkRow {
        chunk: chunk.offset.clone(),
        ratio: speed.ratio(),
        raw_bytes: speed.raw_bytes,
        stored_bytes: speed.stored_bytes,
        encode_gbps: speed.encode_gbps,
        decode_gbps: speed.decode_gbps,
        max_abs_error: speed.max_abs_error,
    }
}

/// Which of `count` chunks to measure when `limit` may be: the middle one of each of `limit` equal strata, so that
/// every part of a scan is seen and the choice is the same each time.
pub fn stratified(count: usize, limit: usize) -> Vec<usize> {
    if limit >= count {
        return (0..count).collect();
    }
    let limit = limit.max(1);
    (0..limit)
        .map(|stratum| (2 * stratum + 1) * count / (2 * limit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all_chunks() {
        assert_eq!(stratified(3, 5), [0, 1, 2]);
        assert_eq!(stratified(100, 4), [12, 37, 62, 87]);
        assert_eq!(stratified(7, 0), [3]);
        assert!(stratified(0, 4).is_empty());
        for (count, limit) in [(10, 9), (1000, 7), (17, 16)] {
            let sample = stratified(count, limit);
            assert!(sample.windows(2).all(|pair| pair[0] < pair[1]) && sample.len() == limit);
            assert!(*sample.last().unwrap() < count);
        }
    }
}
