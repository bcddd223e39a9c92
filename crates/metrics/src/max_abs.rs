//! E1: the largest and the mean error.
//!
//! max |e|, Σe/n (bias) and Σ|e|/n with e = B − A. Reference: numpy.

use crate::metric::Metric;
use crate::moments::{self, Moments};
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E1",
    name: "abs",
    about: "largest |e|, mean e (bias) and mean |e|, e = decoded − original",
    values: &[
        ("max_abs_error", "data"),
        ("mean_error", "data"),
        ("mean_abs_error", "data"),
    ],
    curves: &[],
    needs: &[],
    pass: &moments::PASS,
};

/// Adds the numbers of E1.
pub(crate) fn describe(moments: &Moments, outcome: &mut Outcome) {
    outcome.value("max_abs_error", moments.defined(moments.max_abs));
    outcome.value("mean_error", moments.mean_error());
    outcome.value("mean_abs_error", moments.mean_abs_error());
}
