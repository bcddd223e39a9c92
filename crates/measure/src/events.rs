//! What a recompression reports while it runs. [`Event`] is one JSON line of `etalon recompress --json`.

use serde::Serialize;

/// A step of a recompression.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The source is understood and the work begins.
    Start {
        /// The source file.
        source: String,
        /// The file that will be written.
        destination: String,
        /// The codec's settings.
        codec: String,
        /// Number of datasets that will be recompressed.
        datasets: usize,
        /// Decoded size of all their elements, written or not.
        raw_bytes: u64,
        /// Stored size of those in the source.
        source_bytes: u64,
        /// What may end the run early, such as a disk that is nearly full.
        warnings: Vec<String>,
    },
    /// A dataset is recompressed, and checked unless checking is off.
    Dataset {
        /// Its path.
        dataset: String,
        /// Its decoded size without chunks that were never written.
        raw_bytes: u64,
        /// Its stored size in the source.
        source_bytes: u64,
        /// Its stored size in the destination.
        stored_bytes: u64,
        /// `raw_bytes` over `stored_bytes`.
        ratio: f64,
        /// Number of chunks written.
        chunks: usize,
        /// The chunk shape written.
        chunk: Vec<u64>,
        /// Time for encoding and checking.
        seconds: f64,
        /// Largest error: what a codec that loses recorded, otherwise the difference of what was read back; absent if
        /// neither is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_abs_error: Option<f64>,
    },
    /// The destination stands under its name.
    Done {
        /// Number of datasets that were recompressed.
        datasets: usize,
        /// Decoded size of those.
        raw_bytes: u64,
        /// Their stored size in the source.
        source_bytes: u64,
        /// Their stored size in the destination.
        stored_bytes: u64,
        /// `raw_bytes` over `stored_bytes`.
        ratio: f64,
        /// Size of the source file.
        source_file_bytes: u64,
        /// Size of the destination file.
        file_bytes: u64,
        /// Time for everything.
        seconds: f64,
        /// The largest of all datasets; absent if not known for each.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_abs_error: Option<f64>,
        /// What a careful reader should know, such as references that led nowhere.
        warnings: Vec<String>,
    },
    /// The run failed; there is no destination file.
    Error {
        /// What went wrong.
        message: String,
        /// The exit code of the command.
        exit_code: u8,
    },
}

/// What is being done to the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Datasets that stay as they are are being copied.
    Copy,
    /// Chunks are being encoded.
    Encode,
    /// Chunks are being read back and compared.
    Verify,
}

/// Follows a recompression. Called on the thread that started it.
pub trait Observer {
    /// A step was taken.
    fn event(&mut self, event: &Event);

    /// `bytes` more decoded bytes of `dataset` are through `phase`. [`Phase::Copy`] counts stored bytes where chunks are
    /// copied as they are.
    fn advance(&mut self, phase: Phase, dataset: &str, bytes: u64) {
        let _ = (phase, dataset, bytes);
    }
}

/// Follows nothing.
impl Observer for () {
    fn event(&mut self, _: &Event) {}
}
