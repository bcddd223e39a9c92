//! A row of `etalon bench`.

use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;

/// One dataset stored by one codec. Names that `etalon measure` has too mean the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchRow {
    /// The file, or what was simulated.
    pub file: String,
    /// Path in the file.
    pub dataset: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// Shape of a chunk.
    pub chunk: Vec<u64>,
    /// The codec as a SPEC.
    pub codec: String,
    /// Whether it promises every bit.
    pub lossless: bool,
    /// `h5py` or `memory`.
    pub route: String,
    /// `wall` or `cpu`.
    pub clock: String,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Raw over stored bytes.
    pub ratio: f64,
    /// Ratio over that of the zeroth-order entropy.
    pub fraction_of_bound: Option<f64>,
    /// Bytes of raw data in the measured chunks.
    pub raw_bytes: u64,
    /// Bytes of the measured chunks as stored.
    pub stored_bytes: u64,
    /// Chunks that an optional filter left as they were.
    pub unfiltered_chunks: usize,
    /// 10⁹ bytes of raw data a second, one thread, median over the runs.
    pub encode_gbps: Option<f64>,
    /// The same for decoding.
    pub decode_gbps: Option<f64>,
    /// The larger coefficient of variation of the two.
    pub cv: Option<f64>,
    /// That of the encoding times.
    pub encode_cv: Option<f64>,
    /// That of the decoding times.
    pub decode_cv: Option<f64>,
    /// Largest difference between a decoded value and the raw one.
    pub max_abs_error: Option<f64>,
    /// Largest error that the settings allow, where they name one.
    pub bound: Option<f64>,
    /// Number of runs.
    pub runs: usize,
    /// Chunks that were measured.
    pub measured_chunks: usize,
    /// Chunks that the dataset has.
    pub total_chunks: usize,
    /// What the data allow.
    pub bounds: Option<Bounds>,
}

impl BenchRow {
    /// Whether the values that came back keep what the codec promises.
    pub fn holds(&self) -> bool {
        if self.refused.is_some() {
            return true;
        }
        match (self.lossless, self.bound, self.max_abs_error) {
            (true, _, error) => error == Some(0.0),
            (false, Some(bound), error) => error.is_some_and(|error| error <= bound),
            (false, None, _) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_checked_and_refusals_break_none() {
        let row = |lossless, bound, max_abs_error| BenchRow {
            lossless,
            bound,
            max_abs_error,
            ..BenchRow::default()
        };
        assert!(row(true, None, Some(0.0)).holds() && !row(true, None, Some(1.0)).holds());
        assert!(row(false, Some(1.0), Some(1.0)).holds());
        assert!(!row(false, Some(1.0), Some(1.5)).holds());
        assert!(!row(false, Some(1.0), None).holds() && row(false, None, Some(9.0)).holds());
        let refused = BenchRow {
            refused: Some("no integers".into()),
            ..row(true, None, None)
        };
        assert!(refused.holds());
    }
}
