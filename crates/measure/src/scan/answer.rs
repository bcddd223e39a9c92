//! What a scan found.

use std::collections::BTreeMap;

use etalon_metrics::Noise;
use serde::Serialize;

use super::guarantee::Class;
use super::point::Point;
use crate::measure::Row;
use crate::requirement::Requirement;

/// What a scan found.
#[derive(Debug, Serialize)]
pub struct Scan {
    /// Path of the dataset.
    pub dataset: String,
    /// Its element type as numpy writes it.
    pub dtype: String,
    /// Its extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// What was required.
    pub requirement: Requirement,
    /// Optional limits that do not count for these data, and remarks.
    pub notes: Vec<String>,
    /// The model of the detector's noise, and whether it was estimated here.
    pub noise: Noise,
    /// Whether the model was estimated.
    pub noise_is_estimated: bool,
    /// What was looked at.
    pub sample: Looked,
    /// Everything that was tried, in the order of trial.
    pub points: Vec<Point>,
    /// The answer.
    pub chosen: Chosen,
    /// What the answer was verified on.
    pub verified: Verified,
    /// The chosen point and the best of every codec, with curves and pictures, as `etalon measure` has them.
    pub datasets: Vec<Row>,
}

/// How much of the dataset was looked at.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Looked {
    /// Chunks of the dataset.
    pub total_chunks: usize,
    /// Chunks that settings were tried on.
    pub searched_chunks: usize,
    /// Their bytes of raw data.
    pub searched_bytes: u64,
    /// Chunks kept back to verify.
    pub held_out_chunks: usize,
}

/// The working point.
#[derive(Debug, Clone, Serialize)]
pub struct Chosen {
    /// As a SPEC.
    pub spec: String,
    /// Raw over stored bytes, on the sample.
    pub ratio: f64,
    /// What the metrics say, on the sample.
    pub metrics: BTreeMap<String, f64>,
    /// What is promised, by limit.
    pub classes: Vec<(String, Class)>,
    /// Why it is this one, where it is lossless although loss was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the chosen point was verified on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verified {
    /// Chunks that no setting was looked for on.
    pub chunks: usize,
    /// Whether every limit is kept there.
    pub holds: bool,
    /// What the metrics say there.
    pub metrics: BTreeMap<String, f64>,
}

impl Verified {
    /// Every limit holds, on data that settings were looked for on.
    pub(crate) fn of_nothing() -> Self {
        Self {
            holds: true,
            ..Self::default()
        }
    }
}
