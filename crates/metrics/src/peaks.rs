//! X1: number of Bragg peaks that peakfinder8 finds in original and decoded, with the settings of the search and the pass
//! that X2 and X3 share.
//!
//! The search is described in `peak_finder`. Original and decoded are searched with the same settings and the same valid
//! pixels, each with ring statistics of its own.

use std::any::Any;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::outcome::Curve;
use crate::peak_finder::{Peak, PeakFinder};
use crate::{Error, Frames, Outcome, Settings, peak_intensities, peak_matching};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "X1",
    name: "peaks",
    about: "Bragg peaks that peakfinder8 finds in original and decoded, all and by frame",
    values: &[
        ("peaks_found", "peaks"),
        ("peaks_found_decoded", "peaks"),
        ("peaks_per_frame", "peaks"),
        ("peaks_per_frame_decoded", "peaks"),
    ],
    curves: &["peaks_by_frame"],
    needs: &["geometry.center"],
    pass: &PASS,
};

/// The pass of X1 to X3.
pub(crate) static PASS: Pass = Pass {
    name: "peaks",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

/// How peaks are found and matched. Defaults of the search are like those of CrystFEL's peakfinder8 as far as its manual gives
/// them; the threshold is 0, since 800 are ADU of one
/// detector. `match_px` and `hit_peaks` are ours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeakSettings {
    /// Standard deviations of the ring that a pixel, and of the background that a peak, has to be above.
    pub snr: f64,
    /// Value that a pixel of a peak has to be above, in data units.
    pub threshold: f64,
    /// Least number of pixels of a peak.
    pub min_pixels: usize,
    /// Greatest number of pixels of a peak.
    pub max_pixels: usize,
    /// Half the radius of the disc that the background is taken from, in pixels.
    pub background_radius: f64,
    /// Least distance of a pixel from the beam, in pixels.
    pub min_radius: f64,
    /// Greatest distance of a pixel from the beam, in pixels; any where not given.
    pub max_radius: Option<f64>,
    /// Greatest distance of two peaks that are the same one, in pixels.
    pub match_px: f64,
    /// Number of peaks from which on a frame is a hit.
    pub hit_peaks: usize,
}

impl Default for PeakSettings {
    fn default() -> Self {
        Self {
            snr: 5.0,
            threshold: 0.0,
            min_pixels: 2,
            max_pixels: 200,
            background_radius: 3.0,
            min_radius: 0.0,
            max_radius: None,
            match_px: 2.0,
            hit_peaks: 10,
        }
    }
}

impl PeakSettings {
    /// Whether the settings make sense.
    pub(crate) fn check(&self, metric: &'static str) -> Result<(), Error> {
        let max_radius = self.max_radius.unwrap_or(f64::INFINITY);
        let rules = [
            (self.snr > 0.0, "peaks.snr is above 0"),
            (!self.threshold.is_nan(), "peaks.threshold is a number"),
            (
                0 < self.min_pixels && self.min_pixels <= self.max_pixels,
                "peaks.min_pixels is at least 1 and at most peaks.max_pixels",
            ),
            (
                (0.5..=1000.0).contains(&self.background_radius),
                "peaks.background_radius is from 0.5 to 1000 pixels",
            ),
            (
                self.min_radius <= max_radius,
                "peaks.min_radius is at most peaks.max_radius",
            ),
            (
                self.match_px >= 0.0 && self.match_px.is_finite(),
                "peaks.match_px is 0 or more pixels",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, rule)) => Err(Error::Unsuitable {
                metric,
                reason: (*rule).to_owned(),
            }),
        }
    }
}

/// What is kept of a frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct FramePeaks {
    /// Peaks of the original.
    pub(crate) original: usize,
    /// Peaks of what was decoded.
    pub(crate) decoded: usize,
    /// Peaks found in both.
    pub(crate) matched: Vec<MatchedPeak>,
}

/// A peak found in both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MatchedPeak {
    /// Distance of the two centres in pixels.
    pub(crate) shift_px: f64,
    /// Intensities in original and decoded.
    pub(crate) intensity: [f64; 2],
    /// I/σ in original and decoded.
    pub(crate) snr: [f64; 2],
}

struct ByFrame {
    finder: PeakFinder,
    settings: Settings,
    frames: BTreeMap<usize, FramePeaks>,
    /// Memory that the matched peaks take, in bytes.
    bytes: usize,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let (rows, columns) = (shape.rows, shape.columns);
    let peaks = &settings.peaks;
    Ok(Box::new(ByFrame {
        finder: PeakFinder::new(peaks, &settings.geometry, rows, columns, METRIC.name)?,
        settings: settings.clone(),
        frames: BTreeMap::new(),
        bytes: 0,
    }))
}

/// Peaks of a frame in original and decoded.
fn frame_peaks(original: &[Peak], decoded: &[Peak], match_px: f64) -> FramePeaks {
    let pairs = peak_matching::match_peaks(original, decoded, match_px);
    let matched = pairs.into_iter().map(|pair| {
        let (a, b) = (&original[pair.original], &decoded[pair.decoded]);
        MatchedPeak {
            shift_px: pair.distance_px,
            intensity: [a.intensity, b.intensity],
            snr: [a.snr, b.snr],
        }
    });
    FramePeaks {
        original: original.len(),
        decoded: decoded.len(),
        matched: matched.collect(),
    }
}

impl ByFrame {
    /// Says so before the matched peaks of very many frames take all memory.
    fn check_memory(&self) -> Result<(), Error> {
        let limit = self.settings.memory_bytes.unwrap_or(1 << 30);
        if self.bytes as u64 <= limit {
            return Ok(());
        }
        Err(Error::Unsuitable {
            metric: METRIC.name,
            reason: format!(
                "matched peaks take more than {limit} bytes: raise memory_bytes or peaks.snr, or measure fewer frames"
            ),
        })
    }
}

impl Accumulator for ByFrame {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            let original = self.finder.find(&frame.original, frame.valid);
            let decoded = self.finder.find(&frame.decoded, frame.valid);
            let peaks = frame_peaks(&original, &decoded, self.settings.peaks.match_px);
            self.bytes += size_of_val(peaks.matched.as_slice());
            self.frames.insert(frame.index, peaks);
        }
        self.check_memory()
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: ByFrame = same(other);
        self.frames.extend(other.frames);
        self.bytes += other.bytes;
        self.check_memory()
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        describe(&self.frames, &mut outcome);
        peak_matching::describe(&self.frames, self.settings.peaks.hit_peaks, &mut outcome);
        let matched = self.frames.values().flat_map(|frame| &frame.matched);
        let intensities = matched.copied().collect::<Vec<_>>();
        peak_intensities::describe(&intensities, &mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Adds the numbers and the curve of X1.
fn describe(frames: &BTreeMap<usize, FramePeaks>, outcome: &mut Outcome) {
    let original: Vec<f64> = frames.values().map(|f| f.original as f64).collect();
    let decoded: Vec<f64> = frames.values().map(|f| f.decoded as f64).collect();
    let number = frames.len() as f64;
    let (sum, sum_decoded) = (original.iter().sum::<f64>(), decoded.iter().sum::<f64>());
    outcome.value("peaks_found", sum);
    outcome.value("peaks_found_decoded", sum_decoded);
    outcome.value("peaks_per_frame", sum / number);
    outcome.value("peaks_per_frame_decoded", sum_decoded / number);
    let x = frames.keys().map(|frame| *frame as f64).collect();
    let curve = Curve::new("frame", "peaks", x)
        .with("original", original)
        .with("decoded", decoded);
    outcome.curve("peaks_by_frame", curve);
}
