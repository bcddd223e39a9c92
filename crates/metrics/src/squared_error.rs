//! E5: MSE = Σe²/n, RMSE = √MSE, and the RMSE relative to the original.
//!
//! Two normalisations under two names: `nrmse` by max A − min A, `nrmse_euclid` = ‖e‖/‖A‖. References: scikit-image
//! `mean_squared_error` and `normalized_root_mse` with `normalization="min-max"` and `"euclidean"` (its default).

use crate::metric::Metric;
use crate::moments::{self, Moments};
use crate::outcome::Outcome;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E5",
    name: "rmse",
    about: "mean squared error, its root, and that relative to max A − min A and to the norm of A",
    values: &[
        ("mse", "data²"),
        ("rmse", "data"),
        ("nrmse", "1"),
        ("nrmse_euclid", "1"),
    ],
    curves: &[],
    needs: &[],
    pass: &moments::PASS,
};

/// Adds the numbers of E5.
pub(crate) fn describe(moments: &Moments, outcome: &mut Outcome) {
    let mse = moments.mean_squared_error();
    let mean_square = moments.pair.squares_a / moments.count as f64 + moments.pair.mean_a.powi(2);
    outcome.value("mse", mse);
    outcome.value("rmse", mse.sqrt());
    outcome.value("nrmse", mse.sqrt() / (moments.max - moments.min));
    outcome.value("nrmse_euclid", (mse / mean_square).sqrt());
}
