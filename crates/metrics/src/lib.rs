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
mod components;
mod correlation;
mod distribution;
mod error_acf;
mod errors;
mod evaluate;
mod filtered_back_projection;
mod fit;
mod frames;
mod g2;
mod g2_by_frame;
mod limit;
mod max_abs;
mod metric;
mod moments;
mod multi_tau;
mod otsu;
mod outcome;
mod preview;
mod region_frames;
mod region_pixels;
mod regions;
mod relaxation;
mod segmentation;
mod settings;
mod sinograms;
mod table;
mod tomography;
mod two_time;

pub use components::Components;
pub use correlation::Correlation;
mod lossless;
mod mask;
mod max_abs;
mod metric;
mod moments;
mod order_key;
mod outcome;
mod pearson;
mod pointwise_relative;
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
pub use filtered_back_projection::{Filter, FilteredBackProjection};
pub use fit::{Fit, fit};
pub use frames::{Frames, Values};
pub use limit::{Limit, Verdict};
pub use lossless::entropy;
pub use metric::{Accumulator, Metric, Pass, Shape, Started};
pub use moments::Moments;
pub use multi_tau::{G2, MultiTau};
pub use otsu::otsu_threshold;
pub use outcome::{Curve, Image, Outcome};
pub use psnr::psnr;
pub use regions::Region;
pub use relaxation::{Relaxation, relaxation};
pub use segmentation::{Overlap, Segmentation};
pub use settings::Settings;
pub use settings::{Noise, Settings};
pub use sinograms::Tomography;
pub use table::{METRICS, metric_named, profile};
