//! The columns of a catalogue. docs/CATALOGUE.md has them for readers.

use etalon_metrics::METRICS;

/// What a column holds; any value may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64-bit float.
    Number,
    /// 64-bit integer.
    Count,
    /// True or false.
    Flag,
}

use Kind::{Count, Flag, Number, Text};

/// Names and kinds, without those of metrics.
pub static COLUMNS: &[(&str, Kind)] = &[
    ("file", Text),
    ("file_bytes", Count),
    ("file_mtime_ns", Count),
    ("error", Text),
    ("dataset", Text),
    ("dtype", Text),
    ("shape", Text),
    ("chunk", Text),
    ("chunks", Count),
    ("damaged_chunks", Count),
    ("spec", Text),
    ("codec", Text),
    ("lossy", Flag),
    ("guarantee", Text),
    ("bound_asked", Number),
    ("bound_unit", Text),
    ("max_abs_error", Number),
    ("max_sigma_error", Number),
    ("mean_error", Number),
    ("rms_error", Number),
    ("exceptions", Count),
    ("synthetic_background", Flag),
    ("losses", Count),
    ("raw_bytes", Count),
    ("stored_bytes", Count),
    ("ratio", Number),
    ("loss_spec", Text),
    ("definition", Text),
    ("technique", Text),
    ("sample_name", Text),
    ("beamline", Text),
    ("proposal", Text),
    ("start_time", Text),
    ("end_time", Text),
    ("process", Text),
    ("process_program", Text),
    ("process_version", Text),
    ("process_date", Text),
    ("process_sequence_index", Count),
    ("source_file", Text),
    ("source_sha256", Text),
    ("result_file", Text),
    ("holds", Flag),
    ("recorded_metrics", Text),
    ("catalogue_version", Count),
];

/// What a change of the columns' meaning raises: rows of other versions are read anew.
pub const VERSION: u64 = 1;

/// The column of a metric's number.
pub fn metric_column(name: &str) -> String {
    format!("metric_{name}")
}

/// All columns in order: those above, then every number that a metric yields.
pub fn all_columns() -> Vec<(String, Kind)> {
    let fixed = COLUMNS.iter().map(|&(name, kind)| (name.to_owned(), kind));
    let numbers = METRICS.iter().flat_map(|metric| metric.values);
    let metrics = numbers.map(|(name, _)| (metric_column(name), Number));
    let mut columns: Vec<(String, Kind)> = Vec::new();
    for column in fixed.chain(metrics) {
        if !columns.iter().any(|(name, _)| *name == column.0) {
            columns.push(column);
        }
    }
    columns
}
