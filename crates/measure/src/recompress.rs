//! `recompress`: a copy of a file in which datasets are stored by another codec, and everything else is as it was.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use etalon_codec::Spec;

use crate::events::{Event, Observer};
use crate::fault::Fault;

/// How to recompress.
#[derive(Debug, Clone)]
pub struct Options {
    /// Glob patterns of dataset paths to recompress; empty means every dataset of [`LEAST_BYTES`] and more that the
    /// codec takes. Everything else is copied as it is.
    pub datasets: Vec<String>,
    /// Chunk shape to write, for datasets of that rank; others keep theirs.
    pub chunk: Option<Vec<u64>>,
    /// Number of threads, the calling one included.
    pub jobs: usize,
    /// Read everything back and compare before the destination gets its name.
    pub verify: bool,
    /// Replace a destination that exists.
    pub force: bool,
}

/// Datasets below this decoded size stay as they are, unless named.
pub const LEAST_BYTES: u64 = 16 << 10;

/// Writes a copy of `source` to `destination` with datasets stored as `spec` says.
///
/// `stop` is looked at between chunks; once it is true the run ends with [`Fault::Interrupted`] and no destination.
pub fn recompress(
    source: &Path,
    destination: &Path,
    spec: &Spec,
    options: &Options,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Event, Fault> {
    todo!()
}
