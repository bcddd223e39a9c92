//! C3: contrast, relaxation rate and baseline of speckle dynamics, and what a loss does to them.
//!
//! b·exp(−2Γτ) + o is fitted to g₂ (C1) of each region by Levenberg and Marquardt, all lags of the same weight, lag 0
//! left out since it holds the counting noise. Changes are in percent of the original's value, and in standard deviations
//! of the original's fit (its covariance scaled by the reduced χ²). Γ is in 1/s where the frame time is known, per frame
//! otherwise. Of several regions the values are means, and the changes those of the region that changes most.
//! References: scipy's `curve_fit`, whose default is the scaled covariance; scikit-beam's `auto_corr_scat_factor`.

use crate::correlation::{self, Correlation, CurvePair};
use crate::fit::fit;
use crate::metric::Metric;
use crate::multi_tau::G2;
use crate::outcome::{Curve, Outcome};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "C3",
    name: "relaxation",
    about: "contrast, relaxation rate and baseline of a fit b·exp(−2Γτ) + o to g₂, and their changes",
    values: &[
        ("contrast", "1"),
        ("contrast_decoded", "1"),
        ("contrast_change_percent", "%"),
        ("contrast_change_sigma", "σ"),
        ("relaxation_rate", "1/s"),
        ("relaxation_rate_decoded", "1/s"),
        ("relaxation_rate_change_percent", "%"),
        ("relaxation_rate_change_sigma", "σ"),
        ("baseline", "1"),
        ("baseline_decoded", "1"),
        ("baseline_change_percent", "%"),
        ("baseline_change_sigma", "σ"),
    ],
    curves: &["relaxation_by_region"],
    needs: &[],
    pass: &correlation::PASS,
};

/// What is fitted, in the order of the model's parameters.
const NAMES: [&str; 3] = ["contrast", "relaxation_rate", "baseline"];

/// A fitted relaxation: contrast, rate and baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relaxation {
    /// b, Γ and o; NaN where there was nothing to fit.
    pub parameters: [f64; 3],
    /// Their standard deviations.
    pub errors: [f64; 3],
}

/// b·exp(−2Γτ) + o.
fn model(parameters: &[f64], lag: f64) -> f64 {
    parameters[0] * (-2.0 * parameters[1] * lag).exp() + parameters[2]
}

/// Fits a relaxation to g₂ at ascending lags, which are above 0.
pub fn relaxation(lags: &[f64], g2: &[f64]) -> Relaxation {
    let found = start(lags, g2).and_then(|start| fit(model, lags, g2, None, &start));
    let Some(found) = found else {
        return Relaxation {
            parameters: [f64::NAN; 3],
            errors: [f64::NAN; 3],
        };
    };
    let scale = found.reduced_chi_squared.sqrt();
    Relaxation {
        parameters: std::array::from_fn(|at| found.parameters[at]),
        errors: std::array::from_fn(|at| found.errors[at] * scale),
    }
}

/// Where the fit begins: the ends of the curve, and the lag at which half of the way is gone.
fn start(lags: &[f64], g2: &[f64]) -> Option<[f64; 3]> {
    let (first, last) = (*g2.first()?, *g2.last()?);
    let half = g2
        .iter()
        .position(|value| (value - last).abs() <= (first - last).abs() / 2.0)?;
    let rate = std::f64::consts::LN_2 / (2.0 * lags[half]);
    (first != last).then_some([first - last, rate, last])
}

fn relaxation_of(curve: &G2, settings: &Correlation) -> Relaxation {
    let points = curve.lags.iter().zip(&curve.symmetric);
    let points = points.filter(|(lag, value)| **lag > 0 && value.is_finite());
    let (lags, values): (Vec<f64>, Vec<f64>) = points
        .map(|(lag, value)| (*lag as f64 * settings.frame_time(), *value))
        .unzip();
    relaxation(&lags, &values)
}

/// Adds the numbers of C3.
pub(crate) fn describe(pair: &CurvePair, settings: &Correlation, outcome: &mut Outcome) {
    let fitted = |curves: &[G2]| -> Vec<Relaxation> {
        let curves = curves.iter();
        curves.map(|curve| relaxation_of(curve, settings)).collect()
    };
    let (original, decoded) = (fitted(&pair.original), fitted(&pair.decoded));
    let regions = (0..original.len()).map(|region| region as f64).collect();
    let mut by_region = Curve::new("region", "contrast, rate and baseline", regions);
    for (at, name) in NAMES.iter().enumerate() {
        let values = |of: &[Relaxation]| -> Vec<f64> {
            of.iter().map(|region| region.parameters[at]).collect()
        };
        let (a, b) = (values(&original), values(&decoded));
        let changes = |unit: fn(&Relaxation, usize) -> f64| {
            let pairs = a.iter().zip(&b).zip(&original);
            largest(pairs.map(|((a, b), region)| (b - a) / unit(region, at)))
        };
        let percent = changes(|region, at| region.parameters[at].abs() / 100.0);
        outcome.value(&format!("{name}_change_percent"), percent);
        let sigma = changes(|region, at| region.errors[at]);
        outcome.value(&format!("{name}_change_sigma"), sigma);
        outcome.value(name, mean(&a));
        outcome.value(&format!("{name}_decoded"), mean(&b));
        let errors = original.iter().map(|region| region.errors[at]).collect();
        by_region = by_region
            .with(&format!("{name} original"), a)
            .with(&format!("{name} decoded"), b)
            .with(&format!("{name} error"), errors);
    }
    outcome.curve("relaxation_by_region", by_region);
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The value of the largest magnitude; NaN where one is.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values
        .reduce(|a, b| {
            if b.is_nan() || b.abs() > a.abs() {
                b
            } else {
                a
            }
        })
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_without_noise_yields_its_parameters() {
        let lags: Vec<f64> = (1..60).map(f64::from).collect();
        for truth in [[0.33, 0.02, 1.0], [0.1, 0.5, 1.02], [-0.2, 0.05, 1.3]] {
            let g2: Vec<f64> = lags.iter().map(|lag| model(&truth, *lag)).collect();
            let found = relaxation(&lags, &g2);
            for (found, truth) in found.parameters.iter().zip(truth) {
                assert!((found - truth).abs() < 1e-8, "{found} is not {truth}");
            }
        }
    }

    #[test]
    fn what_does_not_relax_has_no_fit() {
        for g2 in [&[][..], &[1.0], &[1.0, 1.0, 1.0, 1.0], &[1.3, 1.1]] {
            let lags: Vec<f64> = (0..g2.len()).map(|at| at as f64 + 1.0).collect();
            assert!(relaxation(&lags, g2).parameters[0].is_nan(), "{g2:?}");
        }
    }
}
