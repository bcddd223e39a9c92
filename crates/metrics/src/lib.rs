//! Numbers from two arrays: what a loss does to the values, and to the science that is made of them.
//!
//! No files, no HDF5, no threads. A metric is one file: its definition, where it comes from, a function from arrays to
//! numbers, and a `static METRIC` that [`METRICS`] lists. Names, helps and tests of the command and of the Python package
//! are derived from that table.
//!
//! Data come as [`Frames`], whole frames at a time and in order, so that a dataset larger than memory can be measured.
//! A [`Pass`] goes over them once or more often and yields an [`Outcome`]; metrics that need the same sums share one.
//! [`evaluate`] runs the passes that a list of metrics needs, [`evaluate_on`] on threads that the caller has.
//!
//! Conventions that hold everywhere: A is the original, B what was decoded, e = B − A in f64, never in an unsigned
//! type; elements that are not valid (masked, or NaN in A) are left out of every metric; sums are f64.

mod azimuthal;
mod azimuthal_difference;
mod block_sums;
mod blocks;
mod cell;
mod components;
mod correlation;
mod disks;
mod distribution;
mod edge;
mod edge_fit;
mod error_acf;
mod errors;
mod evaluate;
mod filtered_back_projection;
mod fit;
mod fourier;
mod frames;
mod frc;
mod frequency_rings;
mod fsc;
mod g2;
mod g2_by_frame;
mod geometry;
mod half_sets;
mod laue_group;
mod limit;
mod lossless;
mod mask;
mod max_abs;
mod mean_frame;
mod merging;
mod merging_resolution;
mod merging_table;
mod metric;
mod moments;
mod ms_ssim;
mod multi_tau;
mod order_key;
mod otsu;
mod outcome;
mod peak_finder;
mod peak_intensities;
mod peak_matching;
mod peaks;
mod pearson;
mod pointwise_relative;
mod poisson_entropy;
mod power_spectrum;
mod preview;
mod psnr;
mod radial_model;
mod range_relative;
mod region_frames;
mod region_pixels;
mod regions;
mod relaxation;
mod residual_entropy;
mod ring_correlation;
mod ring_threshold;
mod robust_range;
mod segmentation;
mod settings;
mod sigma_relative;
mod sinograms;
mod slices;
mod small_integers;
mod squared_error;
mod ssim;
mod ssim_map;
mod sum;
mod table;
mod tomography;
mod tomography_edge;
mod tomography_frc;
mod tomography_masks;
mod two_time;
mod value_counts;
mod virtual_images;

pub use azimuthal::{Azimuthal, azimuthal};
pub use azimuthal_difference::{AzimuthalDifference, differences};
pub use cell::spacings;
pub use components::Components;
pub use correlation::Correlation;
pub use edge::{Edge, EdgeSettings, edge};
pub use edge_fit::{EdgeProfile, edge_profile};
pub use error_acf::ErrorAcf;
pub use errors::Error;
pub use evaluate::{FrameSource, Task, Workers, evaluate, evaluate_on, passes, with_data_range};
pub use filtered_back_projection::{Filter, FilteredBackProjection};
pub use fit::{Fit, fit};
pub use fourier::Window;
pub use frames::{Frames, Values};
pub use frc::{FrcSettings, Halves};
pub use geometry::{Geometry, RadialBins, radii};
pub use laue_group::LaueGroup;
pub use limit::{Limit, Verdict};
pub use lossless::entropy;
pub use merging::{
    Merging, MergingSettings, MergingShell, Reflections, Weights, merging, merging_by_shell,
};
pub use merging_resolution::cc_half_resolution;
pub use merging_table::{MergingColumns, MergingTable};
pub use metric::{Accumulator, Metric, Part, Pass, Shape, Started};
pub use moments::Moments;
pub use ms_ssim::ms_ssim;
pub use multi_tau::{G2, MultiTau};
pub use otsu::otsu_threshold;
pub use outcome::{Curve, Image, Outcome};
pub use peak_finder::{Peak, PeakFinder};
pub use peak_matching::{PeakPair, match_peaks};
pub use peaks::PeakSettings;
pub use poisson_entropy::poisson_entropy;
pub use psnr::psnr;
pub use radial_model::{ModelSums, radial_model};
pub use regions::Region;
pub use relaxation::{Relaxation, relaxation};
pub use ring_correlation::{RingCorrelation, frc, fsc};
pub use ring_threshold::RingThreshold;
pub use segmentation::{Overlap, Segmentation};
pub use settings::{Noise, Settings};
pub use sinograms::Tomography;
pub use ssim_map::{SsimMap, ssim_map};
pub use table::{METRICS, metric_named, profile};

pub use virtual_images::Stem;
