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

mod azimuthal;
mod azimuthal_difference;
mod errors;
mod evaluate;
mod frames;
mod geometry;
mod max_abs;
mod metric;
mod moments;
mod outcome;
mod radial_model;
mod settings;
mod table;

pub use azimuthal::{Azimuthal, azimuthal};
pub use azimuthal_difference::{AzimuthalDifference, differences};
pub use errors::Error;
pub use evaluate::{FrameSource, evaluate, passes};
pub use frames::{Frames, Values};
pub use geometry::{Geometry, RadialBins, radii};
pub use metric::{Accumulator, Metric, Pass, Shape, Started};
pub use moments::Moments;
pub use outcome::{Curve, Image, Outcome};
pub use radial_model::{ModelSums, radial_model};
pub use settings::{Noise, Settings};
pub use table::{METRICS, metric_named, profile};
