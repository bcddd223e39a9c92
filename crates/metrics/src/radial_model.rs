//! Q3: how much of a frame is its azimuthal average, 2D → 1D → 2D.
//!
//! The average I(q) of a frame, interpolated linearly between the middles of rings to every pixel (constant beyond the first
//! and last), is the model m. Over the valid pixels inside the range: χ²/N = mean (A − m)²/σ² with
//! σ² = gain · max(m − offset, 0) + read² of the model, so that Poisson rings give 1; R = Σ|A − m|/Σ|A|; Pearson's
//! correlation of A with m. Sums run over all frames, each with the model of its own. Pixels where σ² is 0 are left out of
//! χ². The same of what was decoded as `…_decoded`.
//!
//! Reference: numpy, and pyFAI for I(q).

use std::any::Any;

use crate::azimuthal::azimuthal;
use crate::geometry::RadialBins;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::settings::Noise;
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "Q3",
    name: "radial_model",
    about: "frames beside their azimuthal average: χ²/N, R and correlation",
    values: &[
        ("radial_chi2", "1"),
        ("radial_r", "1"),
        ("radial_correlation", "1"),
        ("radial_chi2_decoded", "1"),
        ("radial_r_decoded", "1"),
        ("radial_correlation_decoded", "1"),
    ],
    curves: &[],
    needs: &["geometry.center"],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "radial_model",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

/// Sums over pixels of a frame and its model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModelSums {
    count: f64,
    chi2_count: f64,
    chi2: f64,
    absolute: f64,
    total: f64,
    mean: [f64; 2],
    squares: [f64; 2],
    product: f64,
}

impl ModelSums {
    /// Takes a pixel and its model.
    fn add(&mut self, value: f64, model: f64, noise: &Noise) {
        let variance = noise.gain * (model - noise.offset).max(0.0) + noise.read * noise.read;
        if variance > 0.0 {
            self.chi2_count += 1.0;
            self.chi2 += (value - model) * (value - model) / variance;
        }
        self.absolute += (value - model).abs();
        self.total += value.abs();
        // Welford: the means move with every pixel, so that squares do not cancel.
        self.count += 1.0;
        let from = [value - self.mean[0], model - self.mean[1]];
        self.mean[0] += from[0] / self.count;
        self.mean[1] += from[1] / self.count;
        self.squares[0] += from[0] * (value - self.mean[0]);
        self.squares[1] += from[1] * (model - self.mean[1]);
        self.product += from[0] * (model - self.mean[1]);
    }

    /// Takes the sums of other pixels (Chan, Golub and LeVeque 1979).
    fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        let count = self.count + other.count;
        let weight = self.count * other.count / count;
        let apart = [other.mean[0] - self.mean[0], other.mean[1] - self.mean[1]];
        for (axis, apart) in apart.iter().enumerate() {
            self.squares[axis] += other.squares[axis] + apart * apart * weight;
            self.mean[axis] += apart * other.count / count;
        }
        self.product += other.product + apart[0] * apart[1] * weight;
        self.count = count;
        self.chi2_count += other.chi2_count;
        self.chi2 += other.chi2;
        self.absolute += other.absolute;
        self.total += other.total;
    }

    /// χ²/N.
    pub fn chi2(&self) -> f64 {
        self.chi2 / self.chi2_count
    }

    /// Σ|A − m|/Σ|A|.
    pub fn r(&self) -> f64 {
        self.absolute / self.total
    }

    /// Pearson's correlation; NaN where frame or model are constant.
    pub fn correlation(&self) -> f64 {
        self.product / (self.squares[0] * self.squares[1]).sqrt()
    }
}

/// Compares a frame with its azimuthal average.
pub fn radial_model(
    values: &[f64],
    valid: Option<&[bool]>,
    bins: &RadialBins,
    noise: &Noise,
) -> ModelSums {
    let averages = azimuthal(values, values, valid, bins, noise);
    let knots: Vec<(f64, f64)> = bins
        .centers
        .iter()
        .copied()
        .zip(averages.original)
        .filter(|(_, average)| !average.is_nan())
        .collect();
    let outside = bins.centers.len();
    let mut sums = ModelSums::default();
    for (at, &value) in values.iter().enumerate() {
        let inside = (bins.of_pixel[at] as usize) < outside;
        if inside && valid.is_none_or(|valid| valid[at]) && !value.is_nan() {
            sums.add(value, interpolated(&knots, bins.coordinate[at]), noise);
        }
    }
    sums
}

/// Linear between knots, constant beyond them.
fn interpolated(knots: &[(f64, f64)], at: f64) -> f64 {
    let next = knots.partition_point(|knot| knot.0 <= at);
    if next == 0 {
        return knots.first().map_or(f64::NAN, |knot| knot.1);
    }
    let (x0, y0) = knots[next - 1];
    match knots.get(next) {
        Some((x1, y1)) => y0 + (y1 - y0) / (x1 - x0) * (at - x0),
        None => y0,
    }
}

struct Models {
    bins: RadialBins,
    noise: Noise,
    original: ModelSums,
    decoded: ModelSums,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    Ok(Box::new(Models {
        bins: RadialBins::of(&settings.geometry, shape, METRIC.name)?,
        noise: settings.noise,
        original: ModelSums::default(),
        decoded: ModelSums::default(),
    }))
}

impl Accumulator for Models {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            let sums = |values: &[f64]| radial_model(values, frame.valid, &self.bins, &self.noise);
            let (original, decoded) = (sums(&frame.original), sums(&frame.decoded));
            self.original.merge(&original);
            self.decoded.merge(&decoded);
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Models = same(other);
        self.original.merge(&other.original);
        self.decoded.merge(&other.decoded);
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        for (sums, suffix) in [(&self.original, ""), (&self.decoded, "_decoded")] {
            outcome.value(&format!("radial_chi2{suffix}"), sums.chi2());
            outcome.value(&format!("radial_r{suffix}"), sums.r());
            outcome.value(&format!("radial_correlation{suffix}"), sums.correlation());
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
