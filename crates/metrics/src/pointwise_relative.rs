//! E3: max |e|/|A| where A ≠ 0, and the number of elements with e ≠ 0 where A = 0.
//!
//! LibPressio's `max_pw_rel_error` passes over A = 0 too, and says nothing of errors there. NaN where A is 0 everywhere.
//! Reference: numpy.

use crate::metric::Metric;
use crate::moments::{self, Moments};
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E3",
    name: "pw",
    about: "largest |e|/|A| where A ≠ 0, and how many elements with A = 0 changed",
    values: &[("max_pointwise_error", "1"), ("errors_at_zero", "elements")],
    curves: &[],
    needs: &[],
    pass: &moments::PASS,
};

/// Adds the numbers of E3.
pub(crate) fn describe(moments: &Moments, outcome: &mut Outcome) {
    let max = moments.max_pointwise;
    let max = if max < 0.0 { f64::NAN } else { max };
    outcome.value("max_pointwise_error", moments.defined(max));
    outcome.value("errors_at_zero", moments.errors_at_zero as f64);
}
