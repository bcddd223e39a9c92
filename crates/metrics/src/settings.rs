//! What the metrics have to be told: geometry, gain, regions, limits. One structure for all, as a TOML file holds it.

use serde::{Deserialize, Serialize};

use crate::{
    Correlation, EdgeSettings, ErrorAcf, FrcSettings, Geometry, MergingTable, PeakSettings, Region,
    Segmentation, Stem, Tomography,
};

/// Everything that metrics can be told. All of it is optional; a metric says what it misses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Values that are not data, as `-1` and `-2`; excluded, and checked to be kept.
    pub mask: Vec<f64>,
    /// The edge of knife-edge and MTF.
    pub edge: EdgeSettings,
    /// Half data sets of FRC and FSC.
    pub frc: FrcSettings,
    /// L of PSNR and SSIM; the range from p0.1 to p99.9 of the original, over the whole dataset, where not given.
    pub data_range: Option<f64>,
    /// Lags of the error's autocorrelation.
    pub error_acf: ErrorAcf,
    /// The detector's noise.
    pub noise: Noise,
    /// Where the beam hits the detector.
    pub geometry: Geometry,
    /// Memory that values and frames which a metric has to keep may take, in bytes; 1 GiB where not given.
    pub memory_bytes: Option<u64>,
    /// Search for Bragg peaks.
    pub peaks: PeakSettings,
    /// The table of reflections whose intensities are measured.
    pub merging: MergingTable,
    /// Regions of interest, in any order; the whole frame where none is given.
    pub regions: Vec<Region>,
    /// Correlation over time.
    pub correlation: Correlation,
    /// Foreground and background.
    pub segmentation: Segmentation,
    /// Layout of a scan with an electron beam.
    pub stem: Stem,
    /// Layout of a tomographic scan.
    pub tomography: Tomography,
}

/// Noise of a detector: σ² = gain · max(A − offset, 0) + read², at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Data units per photon.
    pub gain: f64,
    /// Value of no photon, in data units.
    pub offset: f64,
    /// Standard deviation of the read noise, in data units.
    pub read: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            gain: 1.0,
            offset: 0.0,
            read: 0.0,
        }
    }
}
