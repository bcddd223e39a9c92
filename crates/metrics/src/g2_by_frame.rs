//! C2: g₂(τ) normalised frame by frame, as at the ESRF.
//!
//! g₂(τ) = Σₜ⟨I(t) I(t+τ)⟩ / Σₜ⟨I(t)⟩⟨I(t+τ)⟩, means over the pixels of a region. Reference: dynamix's
//! `py_dense_correlator` with linear lags (which computes in f32). It differs from C1 by 1e-4 to 4e-4 on steady data, and
//! by more where the beam fluctuates.

use crate::correlation::{self, Correlation, CurvePair};
use crate::metric::Metric;
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "C2",
    name: "g2_by_frame",
    about: "intensity autocorrelation normalised frame by frame (ESRF): its largest and rms change",
    values: &[
        ("g2_by_frame_max_change", "1"),
        ("g2_by_frame_rms_change", "1"),
    ],
    curves: &["g2_by_frame"],
    needs: &[],
    pass: &correlation::PASS,
};

/// Adds the numbers of C2.
pub(crate) fn describe(pair: &CurvePair, settings: &Correlation, outcome: &mut Outcome) {
    let (largest, rms) = pair.change(|curve| &curve.by_frame);
    outcome.value("g2_by_frame_max_change", largest);
    outcome.value("g2_by_frame_rms_change", rms);
    let plot = pair.plot(settings, "g₂ by frame", |curve| &curve.by_frame);
    outcome.curve("g2_by_frame", plot);
}
