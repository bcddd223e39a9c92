//! E2: max |e| / (max A − min A), NaN where A is constant and e is 0.
//!
//! The definition of LibPressio's `error_stat` (`value_range_rel`). Reference: numpy.

use crate::metric::Metric;
use crate::moments::{self, Moments};
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E2",
    name: "rel",
    about: "largest |e| relative to the range of the original, max |e| / (max A − min A)",
    values: &[("max_relative_error", "1")],
    curves: &[],
    needs: &[],
    pass: &moments::PASS,
};

/// Adds the number of E2.
pub(crate) fn describe(moments: &Moments, outcome: &mut Outcome) {
    let range = moments.max - moments.min;
    outcome.value(
        "max_relative_error",
        moments.defined(moments.max_abs / range),
    );
}
