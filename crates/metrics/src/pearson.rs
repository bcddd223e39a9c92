//! E7: Pearson's r = Σ(A − Ā)(B − B̄) / √(Σ(A − Ā)² Σ(B − B̄)²), NaN where either is constant.
//!
//! References: scipy `pearsonr`, xskillscore `pearson_r`.

use crate::metric::Metric;
use crate::moments::{self, Moments};
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E7",
    name: "pearson",
    about: "Pearson's correlation of original and decoded",
    values: &[("pearson", "1")],
    curves: &[],
    needs: &[],
    pass: &moments::PASS,
};

/// Adds the number of E7.
pub(crate) fn describe(moments: &Moments, outcome: &mut Outcome) {
    let pair = &moments.pair;
    // The product of the roots, because the root of the product overflows first.
    let r = pair.products / (pair.squares_a.sqrt() * pair.squares_b.sqrt());
    outcome.value("pearson", r.clamp(-1.0, 1.0));
}
