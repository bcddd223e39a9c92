//! Correlation over time of original and decoded: the pass that g₂ and what is fitted to it are made of.
//!
//! Frames are needed in order, and two sets of pixels cannot be merged: what lies on either side of a cut correlates.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::metric::{Accumulator, Part, Pass, Shape, Started};
use crate::multi_tau::{G2, MultiTau};
use crate::region_frames::{RegionFrames, Use};
use crate::{Error, Frames, Outcome, Settings, g2, g2_by_frame, relaxation};

/// The pass.
pub(crate) static PASS: Pass = Pass {
    name: "correlation",
    mergeable: false,
    per_chunk: false,
    sample: Part::Run,
    needs_range: false,
    splits: false,
    start,
};

/// How frames are correlated over time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Correlation {
    /// Time from one frame to the next in seconds; where not given times are in frames, and rates per frame.
    pub frame_time_s: Option<f64>,
    /// Lags at the finest level, 0 included; even. Memory grows with it.
    pub buffers: usize,
    /// Levels, each with twice the lags of the one before; 1 for linear lags. As many as keep the longest lag below a
    /// quarter of the frames where not given.
    pub levels: Option<usize>,
    /// The longest lag that is looked at, in frames.
    pub max_lag_frames: Option<usize>,
    /// Most frames on a side of the two-time map; of more, every so many-th is taken.
    pub two_time_frames: usize,
}

impl Default for Correlation {
    fn default() -> Self {
        Self {
            frame_time_s: None,
            buffers: 16,
            levels: None,
            max_lag_frames: None,
            two_time_frames: 128,
        }
    }
}

impl Correlation {
    /// Levels for so many frames.
    pub fn levels_for(&self, frames: usize) -> usize {
        self.levels.unwrap_or_else(|| {
            let longest = |levels: usize| (self.buffers - 1) << (levels - 1);
            (1..32)
                .take_while(|levels| *levels == 1 || longest(*levels) * 4 < frames)
                .count()
        })
    }

    /// What an axis of lags is called.
    pub(crate) fn lag_label(&self) -> &'static str {
        match self.frame_time_s {
            Some(_) => "lag / s",
            None => "lag / frames",
        }
    }

    /// Time from one frame to the next, 1 where not known.
    pub(crate) fn frame_time(&self) -> f64 {
        self.frame_time_s.unwrap_or(1.0)
    }

    fn check(&self) -> Result<(), Error> {
        let unsuitable = |reason: &str| {
            Err(Error::Unsuitable {
                metric: g2::METRIC.name,
                reason: reason.to_owned(),
            })
        };
        if self.buffers < 2 || !self.buffers.is_multiple_of(2) {
            return unsuitable("correlation.buffers has to be even and at least 2");
        }
        if self
            .levels
            .is_some_and(|levels| !(1..=32).contains(&levels))
        {
            return unsuitable("correlation.levels has to be 1 to 32");
        }
        if self.frame_time().partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return unsuitable("correlation.frame_time_s has to be positive");
        }
        Ok(())
    }
}

/// Both datasets, correlated.
#[derive(Debug)]
struct Correlating {
    settings: Correlation,
    levels: usize,
    frames: RegionFrames,
    original: MultiTau,
    decoded: MultiTau,
    taken: usize,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let correlation = settings.correlation;
    correlation.check()?;
    if shape.frames < 2 {
        return Err(Error::Unsuitable {
            metric: g2::METRIC.name,
            reason: "correlation over time needs at least two frames".to_owned(),
        });
    }
    let frames = RegionFrames::new(settings, shape);
    let levels = correlation.levels_for(shape.frames);
    let empty = MultiTau::new(&frames.selection.bounds, levels, correlation.buffers);
    let bytes = 16 * levels * correlation.buffers * frames.selection.pixels.len();
    check_memory(settings, g2::METRIC.name, bytes)?;
    Ok(Box::new(Correlating {
        settings: correlation,
        levels,
        frames,
        original: empty.clone(),
        decoded: empty,
        taken: 0,
    }))
}

/// Refuses what needs more memory than is allowed.
pub(crate) fn check_memory(
    settings: &Settings,
    metric: &'static str,
    bytes: usize,
) -> Result<(), Error> {
    match settings.memory_bytes {
        Some(allowed) if bytes as u64 > allowed => Err(Error::Unsuitable {
            metric,
            reason: format!(
                "{bytes} bytes are needed and {allowed} allowed: give smaller regions, or fewer lags or frames"
            ),
        }),
        _ => Ok(()),
    }
}

impl Correlating {
    /// Begins anew, with frames so far missing.
    fn restart(&mut self, missing: usize) {
        let bounds = &self.frames.selection.bounds;
        self.original = MultiTau::new(bounds, self.levels, self.settings.buffers);
        self.decoded = self.original.clone();
        for _ in 0..missing {
            self.original.put(false, |_| {});
            self.decoded.put(false, |_| {});
        }
    }
}

impl Accumulator for Correlating {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for at in 0..frames.count {
            let range = at * frames.frame_len()..(at + 1) * frames.frame_len();
            let good = match self.frames.next(frames.valid.map(|valid| &valid[range])) {
                Use::Leave => continue,
                Use::Missing => false,
                Use::Take => true,
                Use::TakeFirst => {
                    self.restart(self.taken);
                    true
                }
            };
            let pixels = &self.frames;
            self.original.put(good, |into| {
                pixels.gather(frames.original, frames, at, into)
            });
            self.decoded
                .put(good, |into| pixels.gather(frames.decoded, frames, at, into));
            self.taken += 1;
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn again(&mut self) -> Result<bool, Error> {
        let again = self.frames.again();
        if again {
            self.taken = 0;
            self.restart(0);
        }
        Ok(again)
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut pair = CurvePair {
            original: self.original.g2(),
            decoded: self.decoded.g2(),
        };
        if let Some(longest) = self.settings.max_lag_frames {
            let curves = pair.original.iter_mut().chain(&mut pair.decoded);
            curves.for_each(|curve| curve.truncate(longest));
        }
        let mut outcome = Outcome::default();
        g2::describe(&pair, &self.settings, &mut outcome);
        g2_by_frame::describe(&pair, &self.settings, &mut outcome);
        relaxation::describe(&pair, &self.settings, &mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// g₂ of original and decoded, by region.
#[derive(Debug, Clone)]
pub(crate) struct CurvePair {
    pub(crate) original: Vec<G2>,
    pub(crate) decoded: Vec<G2>,
}

impl CurvePair {
    /// Largest and root mean square difference of a curve over all regions, lag 0 left out: it holds the counting noise.
    pub(crate) fn change(&self, curve: fn(&G2) -> &[f64]) -> (f64, f64) {
        let (mut largest, mut squares, mut count) = (f64::NAN, 0.0, 0.0);
        for (original, decoded) in self.original.iter().zip(&self.decoded) {
            let values = curve(original).iter().zip(curve(decoded));
            for ((a, b), lag) in values.zip(&original.lags) {
                if *lag > 0 && a.is_finite() {
                    largest = (b - a).abs().max(largest);
                    squares += (b - a) * (b - a);
                    count += 1.0;
                }
            }
        }
        (largest, (squares / count).sqrt())
    }

    /// A curve of every region, of both datasets.
    pub(crate) fn plot(
        &self,
        settings: &Correlation,
        y_label: &str,
        curve: fn(&G2) -> &[f64],
    ) -> crate::Curve {
        let lags = self.original.first().map_or(&[][..], |first| &first.lags);
        let time = settings.frame_time();
        let x = lags.iter().map(|lag| *lag as f64 * time).collect();
        let mut plot = crate::Curve::new(settings.lag_label(), y_label, x);
        for (region, (original, decoded)) in self.original.iter().zip(&self.decoded).enumerate() {
            for (name, values) in [("original", original), ("decoded", decoded)] {
                plot = plot.with(&format!("region {region} {name}"), curve(values).to_vec());
            }
        }
        plot
    }
}
