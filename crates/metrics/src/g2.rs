//! C1: the intensity autocorrelation g₂(τ) of X-ray photon correlation spectroscopy, normalised symmetrically.
//!
//! g₂(τ) = ⟨I(t) I(t+τ)⟩ / (⟨I(t)⟩ ⟨I(t+τ)⟩), every mean over the pixels of a region and the same pairs of frames.
//! Reference: scikit-beam's `multi_tau_auto_corr`, one level or several; as there a missing frame takes part in no pair.
//! scikit-beam cuts all curves where one region has no intensity; here that region is NaN.

use crate::correlation::{self, Correlation, CurvePair};
use crate::metric::Metric;
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "C1",
    name: "g2",
    about: "intensity autocorrelation over time by region: its largest and rms change, lag 0 left out",
    values: &[("g2_max_change", "1"), ("g2_rms_change", "1")],
    curves: &["g2"],
    needs: &[],
    pass: &correlation::PASS,
};

/// Adds the numbers of C1.
pub(crate) fn describe(pair: &CurvePair, settings: &Correlation, outcome: &mut Outcome) {
    let (largest, rms) = pair.change(|curve| &curve.symmetric);
    outcome.value("g2_max_change", largest);
    outcome.value("g2_rms_change", rms);
    outcome.curve("g2", pair.plot(settings, "g₂", |curve| &curve.symmetric));
}
