//! T4: Fourier ring correlation of slices from even and from odd projections, and the resolution that it gives.
//!
//! A and A' are the slices of the original's even and odd projections, C and C' those of what was decoded. As for images
//! ([`frc`](mod@crate::frc)) there are AA' (`original`), CC' (`decoded`), and the mean of CA' and AC' (`cross`), which artefacts
//! that both halves share cannot inflate: it is the one to limit. An error that is independent of the data and has the
//! power E, in the ring, beside P of a half lowers it to AA' · √(P/(P+E)).
//!
//! - A half has half of the projections: its resolution is less than that of the slice. The shift is what counts: in
//!   percent of the length, positive where the resolution is worse.
//! - The resolution is the half-bit one, NaN where the correlation never falls below. For the shift the last ring then stands
//!   for it, so that a loss of resolution cannot go unseen; where both never fall, the shift is 0.
//! - Both halves are cut off by the same circle. With `frc.window = "hann"`, as it is if not given, slices are multiplied
//!   by 0.5 + 0.5 cos(πr/R), r from the axis and R the circle's radius, so that its rim does not correlate.
//! - The correlation is the mean over slices, ring by ring.
//!
//! Reference: rings and correlations are those of [`ring_correlation`](crate::ring_correlation); scikit-image's `iradon`.

use rustfft::num_complex::Complex64;

use crate::Outcome;
use crate::fourier::{Spectra, Window};
use crate::frc::{FrcSettings, thresholds};
use crate::metric::Metric;
use crate::ring_correlation::{RingCorrelation, four_fold};
use crate::ring_threshold::RingThreshold;
use crate::slices::{Slice, radius_squared};
use crate::ssim::mean;
use crate::tomography::PASS;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "T4",
    name: "tomography_frc",
    about: "Fourier ring correlation of slices from even and odd projections: half-bit resolution and its shift",
    values: &[
        ("reconstruction_frc_half_bit_original", "px"),
        ("reconstruction_frc_half_bit_decoded", "px"),
        ("reconstruction_frc_half_bit_cross", "px"),
        ("reconstruction_frc_half_bit_shift", "%"),
        ("reconstruction_frc_half_bit_cross_shift", "%"),
    ],
    curves: &["reconstruction_frc"],
    needs: &["tomography.angle_range_deg or tomography.angles_deg"],
    pass: &PASS,
};

const THRESHOLD: RingThreshold = RingThreshold::HalfBit;

/// Correlations of slices so far.
#[derive(Debug)]
pub(crate) struct SliceCorrelations {
    settings: FrcSettings,
    /// Of each slice: original, decoded, across, and across the other way.
    slices: Vec<[RingCorrelation; 4]>,
}

impl SliceCorrelations {
    pub(crate) fn new(settings: FrcSettings) -> Self {
        Self {
            settings,
            slices: Vec::new(),
        }
    }

    /// Takes a slice of the original and of what was decoded.
    pub(crate) fn add(&mut self, original: &Slice, decoded: &Slice, columns: usize) {
        let shape = [1, columns, columns];
        let weights = weights(columns, self.settings.window);
        let spectra = |a: &[f64], c: &[f64]| {
            let pairs = a.iter().zip(c).zip(&weights);
            let packed = pairs.map(|((a, c), weight)| Complex64::new(*a, *c) * weight);
            Spectra::of(packed.collect(), shape, Window::None)
        };
        let even = spectra(&original.even, &decoded.even);
        let odd = spectra(&original.odd, &decoded.odd);
        self.slices.push(four_fold(&even, &odd, shape));
    }

    /// Adds the numbers and the curve.
    pub(crate) fn describe(&self, outcome: &mut Outcome) {
        let Some([first, ..]) = self.slices.first() else {
            return;
        };
        let over_slices = |pairs: &[usize]| RingCorrelation {
            correlation: (0..first.correlation.len())
                .map(|ring| {
                    let of_slice = |four: &[RingCorrelation; 4], pair: usize| {
                        four[pair].correlation[ring] // −1 to 1, or NaN
                    };
                    let slices = self.slices.iter();
                    mean(slices.flat_map(|four| pairs.iter().map(move |at| of_slice(four, *at))))
                })
                .collect(),
            ..first.clone()
        };
        let original = over_slices(&[0]);
        let mut curve = thresholds(&original, self.settings.sigmas);
        let before = original.resolved(THRESHOLD);
        let kinds = [
            ("original", over_slices(&[0]), None),
            ("decoded", over_slices(&[1]), Some("shift")),
            ("cross", over_slices(&[2, 3]), Some("cross_shift")),
        ];
        for (kind, correlation, shift) in kinds {
            let length = 1.0 / correlation.crossing(THRESHOLD);
            outcome.value(&format!("reconstruction_frc_half_bit_{kind}"), length);
            if let Some(shift) = shift {
                let change = 100.0 * (before / correlation.resolved(THRESHOLD) - 1.0);
                outcome.value(&format!("reconstruction_frc_half_bit_{shift}"), change);
            }
            curve = curve.with(kind, correlation.correlation);
        }
        outcome.curve("reconstruction_frc", curve);
    }
}

/// What the pixels of a slice are multiplied by.
fn weights(columns: usize, window: Window) -> Vec<f64> {
    let radius = (columns / 2).max(1) as f64;
    let weight = |pixel: usize| {
        let from_axis = (radius_squared(pixel, columns) as f64).sqrt() / radius;
        match window {
            Window::None => 1.0,
            Window::Hann => 0.5 + 0.5 * (std::f64::consts::PI * from_axis.min(1.0)).cos(),
        }
    };
    (0..columns * columns).map(weight).collect()
}
