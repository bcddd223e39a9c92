//! E4: the error in units of the noise, max and root mean square of |e|/σ.
//!
//! σ² = gain · max(A − offset, 0) + read², at least 1, in data units ([`crate::Settings::noise`]): Poisson noise of the
//! original. A quantiser of step ε·σ has rms ε/√12. Reference: numpy.

use crate::metric::Metric;
use crate::moments::{self, Moments};
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E4",
    name: "sigma",
    about: "largest and rms |e|/σ, σ² = gain·max(A − offset, 0) + read², at least 1",
    values: &[("max_sigma_error", "σ"), ("rms_sigma_error", "σ")],
    curves: &[],
    needs: &[],
    pass: &moments::PASS,
};

/// Adds the numbers of E4.
pub(crate) fn describe(moments: &Moments, outcome: &mut Outcome) {
    let max = moments.max_sigma_squared.sqrt();
    outcome.value("max_sigma_error", moments.defined(max));
    outcome.value("rms_sigma_error", moments.mean_sigma_squared().sqrt());
}
