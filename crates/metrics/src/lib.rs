//! Numbers from two arrays: what a loss does to the values, and to the science that is made of them.
//!
//! No files, no HDF5, no threads. A metric is one file: its definition, where it comes from, a function from arrays to
//! numbers, and a `static METRIC` that [`METRICS`] lists. Names, helps and tests of the command and of the Python package
//! are derived from that table.
//!
//! Data come as [`Frames`], whole frames at a time and in order, so that a dataset larger than memory can be measured.
//! A [`Pass`] goes over them once or more often and yields an [`Outcome`]; metrics that need the same sums share one.
//! [`evaluate`] runs the passes that a list of metrics needs.
//!
//! Conventions that hold everywhere: A is the original, B what was decoded, e = B − A in f64, never in an unsigned
//! type; elements that are not valid (masked, or NaN in A) are left out of every metric; sums are f64.

mod block_sums;
mod blocks;
mod distribution;
mod error_acf;
mod errors;
mod evaluate;
mod frames;
mod limit;
mod lossless;
mod mask;
mod max_abs;
mod metric;
mod moments;
mod order_key;
mod outcome;
mod pearson;
mod pointwise_relative;
mod poisson_entropy;
mod preview;
mod psnr;
mod range_relative;
mod robust_range;
mod settings;
mod sigma_relative;
mod squared_error;
mod sum;
mod table;
mod value_counts;

pub use error_acf::ErrorAcf;
pub use errors::Error;
pub use evaluate::{FrameSource, evaluate, passes};
pub use frames::{Frames, Values};
pub use limit::{Limit, Verdict};
pub use lossless::entropy;
pub use metric::{Accumulator, Metric, Pass, Shape, Started};
pub use moments::Moments;
pub use outcome::{Curve, Image, Outcome};
pub use poisson_entropy::poisson_entropy;
pub use psnr::psnr;
pub use settings::{Noise, Settings};
pub use table::{METRICS, metric_named, profile};
