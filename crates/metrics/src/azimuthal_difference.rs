//! Q2: how far I(q) moved, in its own standard deviations.
//!
//! z = (I_B − I_A)/σ_A by ring: rms, largest |z| and χ²/N = mean z². R = Σ|I_B − I_A|/Σ|I_A| and
//! Rwp = √(Σ w (I_B − I_A)²/Σ w I_A²) with w = 1/σ_A², as powder diffraction has them (Toby 2006, Powder Diffraction 21, 67).
//! N is the number of rings with pixels. Over all frames together, and rms and largest |z| of each frame as a curve.
//!
//! Reference: numpy on the curves of Q1.

use std::collections::BTreeMap;

use crate::Azimuthal;
use crate::azimuthal;
use crate::geometry::RadialBins;
use crate::metric::Metric;
use crate::outcome::{Curve, Outcome};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "Q2",
    name: "iq_difference",
    about: "z = ΔI(q)/σ: rms, largest and χ²/N; R = Σ|ΔI|/ΣI and Rwp",
    values: &[
        ("iq_z_rms", "σ"),
        ("iq_z_max", "σ"),
        ("iq_chi2", "1"),
        ("iq_r", "1"),
        ("iq_rwp", "1"),
    ],
    curves: &["iq_z", "iq_z_by_frame"],
    needs: &["geometry.center"],
    pass: &azimuthal::PASS,
};

/// How far I(q) moved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AzimuthalDifference {
    /// z by ring; NaN where a ring has no pixels.
    pub z: Vec<f64>,
    /// √(mean z²).
    pub z_rms: f64,
    /// Largest |z|.
    pub z_max: f64,
    /// mean z².
    pub chi2: f64,
    /// Σ|ΔI|/Σ|I_A|.
    pub r: f64,
    /// √(Σ w ΔI²/Σ w I_A²).
    pub rwp: f64,
}

/// Compares the averages of A and B.
pub fn differences(averages: &Azimuthal) -> AzimuthalDifference {
    let mut z = Vec::with_capacity(averages.original.len());
    let (mut rings, mut squares, mut largest) = (0.0, 0.0, f64::NAN);
    let (mut absolute, mut total, mut weighted_total) = (0.0, 0.0, 0.0);
    let pairs = averages.original.iter().zip(&averages.decoded);
    for ((a, b), sigma) in pairs.zip(&averages.sigma) {
        let (change, deviation) = (b - a, (b - a) / sigma);
        z.push(deviation);
        if sigma.is_nan() {
            continue;
        }
        rings += 1.0;
        squares += deviation * deviation;
        largest = deviation.abs().max(largest);
        absolute += change.abs();
        total += a.abs();
        weighted_total += (a / sigma) * (a / sigma);
    }
    let chi2: f64 = squares / rings;
    AzimuthalDifference {
        z,
        z_rms: chi2.sqrt(),
        z_max: largest,
        chi2,
        r: absolute / total,
        rwp: (squares / weighted_total).sqrt(),
    }
}

/// Adds the numbers and curves of Q2.
pub(crate) fn describe(
    averages: &Azimuthal,
    bins: &RadialBins,
    by_frame: &BTreeMap<usize, [f64; 2]>,
    outcome: &mut Outcome,
) {
    let difference = differences(averages);
    outcome.value("iq_z_rms", difference.z_rms);
    outcome.value("iq_z_max", difference.z_max);
    outcome.value("iq_chi2", difference.chi2);
    outcome.value("iq_r", difference.r);
    outcome.value("iq_rwp", difference.rwp);
    let z = Curve::new(bins.label, "ΔI/σ", bins.centers.clone()).with("z", difference.z);
    outcome.curve("iq_z", z);
    let frames = by_frame.keys().map(|&frame| frame as f64).collect();
    let column = |at: usize| by_frame.values().map(|numbers| numbers[at]).collect();
    let curve = Curve::new("frame", "ΔI/σ", frames)
        .with("rms", column(0))
        .with("max", column(1));
    outcome.curve("iq_z_by_frame", curve);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_their_definitions() {
        let averages = Azimuthal {
            original: vec![10.0, f64::NAN, 20.0],
            decoded: vec![11.0, f64::NAN, 16.0],
            sigma: vec![1.0, f64::NAN, 2.0],
            pixels: vec![5.0, 0.0, 5.0],
        };
        let difference = differences(&averages);
        assert_eq!(difference.z[0], 1.0);
        assert!(difference.z[1].is_nan());
        assert_eq!(difference.z_max, 2.0);
        assert_eq!(difference.chi2, 2.5);
        assert_eq!(difference.r, 5.0 / 30.0);
        assert_eq!(difference.rwp, (5.0f64 / 200.0).sqrt());
    }

    #[test]
    fn no_rings_give_nan() {
        let difference = differences(&Azimuthal::default());
        assert!(difference.z_rms.is_nan() && difference.z_max.is_nan() && difference.r.is_nan());
    }
}
