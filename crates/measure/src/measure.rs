//! Rows of `etalon measure`: one dataset stored by one method.

use std::collections::BTreeMap;

use etalon_codec::Layout;
use etalon_metrics::{Curve, Image, Limit, Outcome, Verdict};
use serde::Serialize;

use crate::dataset::{Dataset, StoredFilter};
use crate::method::Method;
use crate::pipeline_spec::pipeline_spec;
use crate::speed::{Measured, RawChunk, Speed, measure_speeds};

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

/// One dataset stored by one method, or one dataset beside another.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// Path in the file.
    pub dataset: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// The method as a SPEC; of a stored dataset its filters.
    pub codec: String,
    /// Whether the method promises every bit.
    pub lossless: bool,
    /// Raw over stored bytes.
    pub ratio: f64,
    /// Bytes of raw data in the measured chunks.
    pub raw_bytes: u64,
    /// Bytes of the measured chunks as stored.
    pub stored_bytes: u64,
    /// 10⁹ bytes of raw data a second, one thread, median over the runs; `None` where nothing was timed.
    pub encode_gbps: Option<f64>,
    /// The same for decoding.
    pub decode_gbps: Option<f64>,
    /// The larger coefficient of variation of the two.
    pub cv: Option<f64>,
    /// That of the encoding times.
    pub encode_cv: Option<f64>,
    /// That of the decoding times.
    pub decode_cv: Option<f64>,
    /// Largest difference between a decoded value and the raw one; `None` where nothing was compared.
    pub max_abs_error: Option<f64>,
    /// Why the method does not take this dataset: nothing else was measured then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Number of runs.
    pub runs: usize,
    /// Chunks that were measured.
    pub measured_chunks: usize,
    /// Chunks that the dataset has.
    pub total_chunks: usize,
    /// Further metrics by name; NaN where one is not defined for these data.
    pub metrics: BTreeMap<String, f64>,
    /// Curves of the metrics by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<String, Curve>,
    /// Pictures of the metrics by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, Image>,
    /// Limits on the numbers, and whether they are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// What a reader of the numbers has to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The same by chunk, where asked for.
    pub chunks: Vec<ChunkRow>,
}

/// One chunk stored by one method.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChunkRow {
    /// Coordinates of the chunk's first element.
    pub chunk: Vec<u64>,
    /// Raw over stored bytes; `None` where the chunk was not encoded.
    pub ratio: Option<f64>,
    /// Bytes of raw data.
    pub raw_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: Option<u64>,
    /// 10⁹ bytes of raw data a second, median over the runs.
    pub encode_gbps: Option<f64>,
    /// The same for decoding.
    pub decode_gbps: Option<f64>,
    /// Largest difference between a decoded value and the raw one.
    pub max_abs_error: Option<f64>,
    /// Further metrics by name.
    pub metrics: BTreeMap<String, f64>,
}

impl ChunkRow {
    /// Largest |e|, by whoever measured it.
    pub fn error(&self) -> Option<f64> {
        let metric = self.metrics.get("max_abs_error").copied();
        self.max_abs_error.or(metric)
    }
}

impl Row {
    /// Whether what was measured keeps what the method promises, and every limit.
    pub fn holds(&self) -> bool {
        if self.verdicts.iter().any(|verdict| !verdict.holds) {
            return false;
        }
        !self.lossless || self.refused.is_some() || self.max_abs_error == Some(0.0)
    }

    /// Takes what metrics say of the dataset, and judges it.
    pub fn take(&mut self, outcome: Outcome, limits: &[Limit]) {
        self.verdicts = limits.iter().map(|limit| limit.judge(&outcome)).collect();
        self.metrics = outcome.values;
        self.curves = outcome.curves;
        self.images = outcome.images;
        self.notes.extend(outcome.notes);
    }
}

/// Measures `methods` on chunks of a dataset, one row each; `progress` is called after each run of each method. A method
/// that refuses the dataset has a row that says why.
pub fn measure(
    subject: &Subject,
    methods: &[Method],
    chunks: &[RawChunk],
    runs: usize,
    per_chunk: bool,
    progress: impl FnMut(),
) -> Vec<Row> {
    let measured = measure_speeds(methods, &subject.layout, chunks, runs, progress);
    let rows = methods.iter().zip(measured).map(|(method, measured)| {
        let row = Row {
            dataset: subject.dataset.clone(),
            dtype: subject.dtype.clone(),
            shape: subject.shape.clone(),
            codec: method.to_string(),
            lossless: method.is_lossless(),
            total_chunks: subject.total_chunks,
            ..Row::default()
        };
        match measured {
            Ok(measured) => timed(row, &measured, chunks, runs, per_chunk),
            Err(error) => Row {
                refused: Some(error.to_string()),
                ..row
            },
        }
    });
    rows.collect()
}

fn timed(row: Row, measured: &Measured, chunks: &[RawChunk], runs: usize, per_chunk: bool) -> Row {
    let total = &measured.total;
    let chunk_rows = chunks.iter().zip(&measured.chunks);
    Row {
        raw_bytes: total.raw_bytes,
        stored_bytes: total.stored_bytes,
        ratio: total.ratio(),
        encode_gbps: Some(total.encode_gbps),
        decode_gbps: Some(total.decode_gbps),
        cv: Some(total.encode_cv.max(total.decode_cv)),
        encode_cv: Some(total.encode_cv),
        decode_cv: Some(total.decode_cv),
        max_abs_error: Some(total.max_abs_error),
        runs,
        notes: fallback_note(&row, measured),
        measured_chunks: chunks.len(),
        chunks: match per_chunk {
            true => chunk_rows
                .map(|(chunk, speed)| chunk_row(chunk, speed))
                .collect(),
            false => Vec::new(),
        },
        ..row
    }
}

/// Why an error is smaller, or a ratio lower, than the setting lets expect.
fn fallback_note(row: &Row, measured: &Measured) -> Vec<String> {
    let (count, all) = (measured.fallbacks, measured.chunks.len());
    let note = || {
        let codec = &row.codec;
        format!("{codec} fell back to a finer setting or to no loss in {count} of {all} chunks")
    };
    let is_told = count > 0 && !row.lossless;
    is_told.then(note).into_iter().collect()
}

/// The row of a dataset as it lies in a file: what metrics say of it is added with [`Row::take`].
pub fn stored(dataset: &Dataset) -> Row {
    let filters = dataset.filters.iter();
    let spec = pipeline_spec(filters.map(|filter| {
        let StoredFilter {
            id,
            name,
            cd_values,
            ..
        } = filter;
        (*id, name.as_str(), cd_values.as_slice())
    }));
    let (raw_bytes, stored_bytes) = (dataset.raw_bytes(), dataset.stored_bytes);
    Row {
        dataset: dataset.path.clone(),
        dtype: dataset.dtype.clone(),
        shape: dataset.shape.clone(),
        codec: spec,
        ratio: raw_bytes as f64 / stored_bytes as f64,
        raw_bytes,
        stored_bytes,
        ..Row::default()
    }
}

fn chunk_row(chunk: &RawChunk, speed: &Speed) -> ChunkRow {
    ChunkRow {
        chunk: chunk.offset.clone(),
        ratio: Some(speed.ratio()),
        raw_bytes: speed.raw_bytes,
        stored_bytes: Some(speed.stored_bytes),
        encode_gbps: Some(speed.encode_gbps),
        decode_gbps: Some(speed.decode_gbps),
        max_abs_error: Some(speed.max_abs_error),
        metrics: BTreeMap::new(),
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
