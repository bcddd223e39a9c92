//! Q1: the azimuthal average I(q).
//!
//! I = Σ I/N and σ = √(Σ σ²)/N over the valid pixels of a ring and over all frames. Rings have equal width, a pixel belongs
//! to the ring of its centre ([`RadialBins`]); nothing is split or corrected for polarisation or solid angle. σ² of a pixel
//! is that of the noise settings. Rings without pixels are NaN.
//!
//! Reference: pyFAI `integrate1d` with `method=("no", "csr", "cython")` and `correctSolidAngle=False`. Its defaults differ:
//! they split pixels and correct for the solid angle. pyFAI finds rings in single precision, so that a pixel closer to an
//! edge than 10⁻⁶ of its radius can lie in the next one.

use std::any::Any;
use std::collections::BTreeMap;

use crate::frames::{Sample, for_values};
use crate::geometry::{Bin, RadialBins};
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::outcome::Curve;
use crate::settings::Noise;
use crate::{Error, Frames, Outcome, Settings, azimuthal_difference};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "Q1",
    name: "iq",
    about: "azimuthal average I(q) of all frames, and its largest change relative to that of the original",
    values: &[("iq_max_relative_change", "1")],
    curves: &["iq", "iq_pixels"],
    needs: &["geometry.center"],
    pass: &PASS,
};

/// The pass of Q1 and Q2.
pub(crate) static PASS: Pass = Pass {
    name: "azimuthal",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

/// Sums over a ring: A, B, σ² of A, pixels. Together, as they are added together.
type Ring = [f64; 4];

/// I(q) of A and B.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Azimuthal {
    /// I of the original by ring.
    pub original: Vec<f64>,
    /// I of what was decoded.
    pub decoded: Vec<f64>,
    /// σ of the original's I.
    pub sigma: Vec<f64>,
    /// Valid pixels.
    pub pixels: Vec<f64>,
}

/// Sums over rings, of all frames and of each.
struct Sums {
    bins: RadialBins,
    noise: Noise,
    all: Vec<Ring>,
    by_frame: BTreeMap<usize, [f64; 2]>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let bins = RadialBins::of(&settings.geometry, shape, METRIC.name)?;
    Ok(Box::new(Sums {
        all: vec![Ring::default(); bins.centers.len()],
        bins,
        noise: settings.noise,
        by_frame: BTreeMap::new(),
    }))
}

/// I(q) of two frames of f64. `valid`: which pixels count.
pub fn azimuthal(
    original: &[f64],
    decoded: &[f64],
    valid: Option<&[bool]>,
    bins: &RadialBins,
    noise: &Noise,
) -> Azimuthal {
    averages(&sum_rings(original, decoded, valid, bins, noise))
}

/// Sums over the rings of one frame.
fn sum_rings<A: Sample, B: Sample>(
    a: &[A],
    b: &[B],
    valid: Option<&[bool]>,
    bins: &RadialBins,
    noise: &Noise,
) -> Vec<Ring> {
    let rings = bins.centers.len();
    // Neighbours often share a ring, and a sum waits for the one before it: even and odd pixels have sums of their own.
    let (mut even, mut odd) = (
        vec![Ring::default(); rings + 1],
        vec![Ring::default(); rings + 1],
    );
    let pairs = a.chunks_exact(2).zip(b.chunks_exact(2));
    let places = bins.of_pixel.chunks_exact(2);
    match valid {
        None => {
            for ((a, b), at) in pairs.zip(places) {
                add_pixel(&mut even, at[0], a[0], b[0], noise);
                add_pixel(&mut odd, at[1], a[1], b[1], noise);
            }
        }
        Some(valid) => {
            let outside = rings as Bin;
            let place = |at: Bin, valid: bool| if valid { at } else { outside };
            for (((a, b), at), valid) in pairs.zip(places).zip(valid.chunks_exact(2)) {
                add_pixel(&mut even, place(at[0], valid[0]), a[0], b[0], noise);
                add_pixel(&mut odd, place(at[1], valid[1]), a[1], b[1], noise);
            }
        }
    }
    if let (Some(last), 1) = (a.len().checked_sub(1), a.len() % 2)
        && valid.is_none_or(|valid| valid[last])
    {
        add_pixel(&mut even, bins.of_pixel[last], a[last], b[last], noise);
    }
    add_rings(&mut even, &odd);
    even.truncate(rings);
    even
}

#[inline(always)]
fn add_pixel<A: Sample, B: Sample>(rings: &mut [Ring], at: Bin, a: A, b: B, noise: &Noise) {
    let (a, b) = (a.to_f64(), b.to_f64());
    let ring = &mut rings[at as usize];
    ring[0] += a;
    ring[1] += b;
    ring[2] += variance(noise, a);
    ring[3] += 1.0;
}

/// σ² of a value by the noise settings: at least 1.
#[inline(always)]
pub(crate) fn variance(noise: &Noise, value: f64) -> f64 {
    (noise.gain * (value - noise.offset).max(0.0) + noise.read * noise.read).max(1.0)
}

fn add_rings(sums: &mut [Ring], more: &[Ring]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum += more;
        }
    }
}

/// Averages of sums.
fn averages(rings: &[Ring]) -> Azimuthal {
    let mut averages = Azimuthal::default();
    for [a, b, variance, pixels] in rings {
        averages.original.push(a / pixels);
        averages.decoded.push(b / pixels);
        averages.sigma.push(variance.sqrt() / pixels);
        averages.pixels.push(*pixels);
    }
    averages
}

impl Accumulator for Sums {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        let len = frames.frame_len();
        for_values!(frames.original, |a| for_values!(frames.decoded, |b| {
            for at in 0..frames.count {
                let range = at * len..(at + 1) * len;
                let valid = frames.valid.map(|valid| &valid[range.clone()]);
                let rings = sum_rings(&a[range.clone()], &b[range], valid, &self.bins, &self.noise);
                let difference = azimuthal_difference::differences(&averages(&rings));
                self.by_frame
                    .insert(frames.first + at, [difference.z_rms, difference.z_max]);
                add_rings(&mut self.all, &rings);
            }
        }));
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Sums = same(other);
        add_rings(&mut self.all, &other.all);
        self.by_frame.extend(other.by_frame);
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let averages = averages(&self.all);
        describe(&averages, &self.bins, &mut outcome);
        azimuthal_difference::describe(&averages, &self.bins, &self.by_frame, &mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Adds the number and the curve of Q1.
fn describe(averages: &Azimuthal, bins: &RadialBins, outcome: &mut Outcome) {
    let pairs = averages.original.iter().zip(&averages.decoded);
    let change = pairs
        .filter(|(a, _)| **a != 0.0)
        .map(|(a, b)| ((b - a) / a).abs())
        .fold(f64::NAN, f64::max);
    outcome.value("iq_max_relative_change", change);
    let curve = Curve::new(
        bins.label,
        "mean intensity of a pixel",
        bins.centers.clone(),
    )
    .with("original", averages.original.clone())
    .with("decoded", averages.decoded.clone())
    .with("sigma", averages.sigma.clone());
    outcome.curve("iq", curve);
    let pixels = Curve::new(bins.label, "pixels in a ring", bins.centers.clone());
    outcome.curve("iq_pixels", pixels.with("pixels", averages.pixels.clone()));
}
