//! T3: what a loss in projections does to reconstructed slices.
//!
//! Slices of original and decoded are reconstructed by the same filtered back-projection, and compared within the circle
//! that all projections see. The error is the standard deviation of their difference; the noise is the original's own,
//! from slices of its even and its odd projections: their difference has twice the standard deviation that the slice of
//! all has. Sums are over all slices. Settings: `sinograms::Tomography`.
//!
//! An error that is independent of the data, and has the width of ε σ of the counting noise, yields error/noise = ε/√12
//! in any linear reconstruction. Where angles are too few for the halves, edges of the object differ between them too, and
//! the ratio comes out too small: by 6 % with 180 projections of 128 columns, by 1 % with 360.
//!
//! SSIM is that of [`ssim`](mod@crate::ssim) over windows within the circle, averaged over slices; L is the robust range of the
//! original slice within it.
//!
//! References: scikit-image's `iradon` and `structural_similarity`.

use std::any::Any;

use crate::frc::FrcSettings;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::outcome::Image;
use crate::robust_range::range_of_values;
use crate::slices::{Scans, in_circle};
use crate::ssim::mean;
use crate::ssim_map::ssim_map;
use crate::tomography_frc::SliceCorrelations;
use crate::tomography_masks::SliceMasks;
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "T3",
    name: "tomography",
    about: "error of reconstructed slices, in units of their own noise too, and their SSIM",
    values: &[
        ("reconstruction_error_over_noise", "1"),
        ("reconstruction_noise", "1/px"),
        ("reconstruction_rmse", "1/px"),
        ("reconstruction_mean_error", "1/px"),
        ("reconstruction_ssim", "1"),
    ],
    curves: &[],
    needs: &["tomography.angle_range_deg or tomography.angles_deg"],
    pass: &PASS,
};

/// What reconstructs slices, and compares them, their halves and their masks.
pub(crate) static PASS: Pass = Pass {
    name: "tomography",
    mergeable: false,
    per_chunk: false,
    sample: Part::Slices,
    needs_range: false,
    splits: false,
    start,
};

struct Progress {
    scans: Scans,
    frc: FrcSettings,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    Ok(Box::new(Progress {
        scans: Scans::new(METRIC.name, settings, shape)?,
        frc: settings.frc,
    }))
}

/// Sums over the pixels within the circle.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    value: f64,
    square: f64,
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.value += value;
        self.square += value * value;
    }

    fn mean(&self) -> f64 {
        self.value / self.count
    }

    fn mean_square(&self) -> f64 {
        self.square / self.count
    }

    fn deviation(&self) -> f64 {
        (self.mean_square() - self.mean().powi(2)).max(0.0).sqrt()
    }
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.scans.add(frames);
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let columns = self.scans.columns;
        let (mut noise, mut error) = (Sums::default(), Sums::default());
        let mut similarity = Vec::new();
        let mut correlations = SliceCorrelations::new(self.frc);
        let mut masks = SliceMasks::default();
        let mut outcome = Outcome::default();
        for [original, decoded] in self.scans.slices() {
            for pixel in (0..original.all.len()).filter(|pixel| in_circle(*pixel, columns)) {
                noise.add((original.even[pixel] - original.odd[pixel]) / 2.0);
                error.add(decoded.all[pixel] - original.all[pixel]);
            }
            if similarity.is_empty() {
                show(&mut outcome, &original.all, &decoded.all, columns);
            }
            similarity.push(slice_ssim(&original.all, &decoded.all, columns));
            correlations.add(&original, &decoded, columns);
            masks.add(&original.all, &decoded.all, columns);
        }
        let ratio = error.deviation() / noise.deviation();
        outcome.value("reconstruction_error_over_noise", ratio);
        outcome.value("reconstruction_noise", noise.deviation());
        outcome.value("reconstruction_rmse", error.mean_square().sqrt());
        outcome.value("reconstruction_mean_error", error.mean());
        outcome.value("reconstruction_ssim", mean(similarity.into_iter()));
        correlations.describe(&mut outcome);
        masks.describe(&mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// SSIM of two slices over the windows within the circle; L is the robust range of the original there.
fn slice_ssim(original: &[f64], decoded: &[f64], columns: usize) -> f64 {
    let inside: Vec<bool> = (0..original.len())
        .map(|pixel| in_circle(pixel, columns))
        .collect();
    let values = original.iter().zip(&inside).filter(|(_, inside)| **inside);
    let data_range = range_of_values(values.map(|(value, _)| *value).collect());
    // Without a range nothing stabilises the ratios: what is left is rounding.
    if data_range == 0.0 {
        return f64::NAN;
    }
    let map = ssim_map(original, decoded, Some(&inside), columns, data_range);
    mean(map.ssim.into_iter())
}

/// Adds pictures of the slice and of its error.
fn show(outcome: &mut Outcome, original: &[f64], decoded: &[f64], columns: usize) {
    let difference: Vec<f64> = original.iter().zip(decoded).map(|(a, b)| b - a).collect();
    for (name, label, slice) in [
        ("reconstruction", "attenuation / px⁻¹", original),
        (
            "reconstruction_error",
            "attenuation / px⁻¹, decoded − original",
            &difference,
        ),
    ] {
        let image = thumbnail(slice, columns, label);
        outcome.images.insert(name.to_owned(), image);
    }
}

/// A slice as a picture of at most 256 · 256 means.
fn thumbnail(slice: &[f64], columns: usize, label: &str) -> Image {
    const SIDE: usize = 256;
    let step = columns.div_ceil(SIDE);
    let side = columns.div_ceil(step);
    let mut sums = vec![(0.0, 0.0); side * side];
    for (pixel, value) in slice.iter().enumerate() {
        let sum: &mut (f64, f64) =
            &mut sums[pixel / columns / step * side + pixel % columns / step];
        *sum = (sum.0 + value, sum.1 + 1.0);
    }
    let values = sums.iter().map(|(sum, count)| (sum / count) as f32);
    Image {
        rows: side,
        columns: side,
        label: label.to_owned(),
        values: values.collect(),
    }
}
