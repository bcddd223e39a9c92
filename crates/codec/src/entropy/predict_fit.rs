//! Weights by least squares: which linear function of some features is nearest to a target.
//!
//! A sample is a row of features and its target. Rows count by the inverse square of their own scale, so that bright
//! or rough regions, where everything is far from everything, do not decide for the others.

use super::predict_fewer::{Products, fewer};
use super::predict_measure::bits_of;
use crate::kernels::levels::Level;
use crate::kernels::predict_fit::{WIDTH, accumulate, products};

/// Relative ridge: keeps features that say the same apart.
const RIDGE: f64 = 1e-6;
/// Samples are far off where the mean square of residuals is so many times the median; of a normal distribution it is 2.2
/// times as large.
const HEAVY_TAIL: f32 = 5.0;
/// Squares up to so many times the median are near.
const NEAR: f32 = 4.0;

/// Samples of up to `WIDTH − 2` features.
#[derive(Default)]
pub(crate) struct Samples {
    /// Per sample: features, 1, target, zeros.
    rows: Vec<[f32; WIDTH]>,
    scales: Vec<f32>,
    /// Scratch.
    squares: Vec<f32>,
    ordered: Vec<f32>,
}

impl Samples {
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a sample.
    pub(crate) fn push(&mut self, features: impl Iterator<Item = f32>, target: f32) {
        let mut row = [0.0; WIDTH];
        let mut count = 0;
        for (place, feature) in row.iter_mut().zip(features) {
            *place = feature;
            count += 1;
        }
        row[count] = 1.0;
        row[count + 1] = target;
        self.rows.push(row);
    }

    /// The weights of `count` features and the constant, in that order.
    ///
    /// The scale of a sample is the mean magnitude of its features and `least`.
    pub(crate) fn fit(&mut self, count: usize, least: f32) -> [f64; WIDTH] {
        self.scale(count, least);
        self.weights_by(&self.scales, count)
    }

    /// Scales samples as [`Self::fit`] does.
    pub(crate) fn scale(&mut self, count: usize, least: f32) {
        self.scales.clear();
        for row in &mut self.rows {
            let sum: f32 = row[..count].iter().map(|feature| feature.abs()).sum();
            let scale = sum / count.max(1) as f32 + least;
            self.scales.push(1.0 / (scale * scale));
        }
    }

    /// Weights nearer to most samples than those found before, where some samples are far off: these count by the inverse
    /// square of their residuals. `None` where there are none.
    pub(crate) fn refit(&mut self, count: usize, weights: &[f64; WIDTH]) -> Option<[f64; WIDTH]> {
        let mut scales = std::mem::take(&mut self.squares);
        let is_heavy = self.near_scales(count, weights, &mut scales);
        let weights = is_heavy.then(|| self.weights_by(&scales, count));
        self.squares = scales;
        weights
    }

    /// What samples count for where those far off count for less; whether there are such.
    fn near_scales(
        &mut self,
        count: usize,
        weights: &[f64; WIDTH],
        squares: &mut Vec<f32>,
    ) -> bool {
        self.residuals(count, weights, squares);
        for (residual, scale) in squares.iter_mut().zip(&self.scales) {
            *residual = residual.powi(2) * scale;
        }
        let near = NEAR * self.median_of(squares);
        let mean = squares.iter().sum::<f32>() / squares.len().max(1) as f32;
        // What samples count for takes the place of their squares.
        for (square, scale) in squares.iter_mut().zip(&self.scales) {
            *square = match near > 0.0 {
                true => scale / (*square / near).max(1.0),
                false => *scale,
            };
        }
        near > 0.0 && NEAR * mean >= HEAVY_TAIL * near
    }

    /// Weights near to those given, of as few features as leave the sum of squares no larger than by a fraction of itself.
    /// Samples far off count for less, as in [`Self::refit`].
    pub(crate) fn fewer(
        &mut self,
        count: usize,
        weights: &[f64; WIDTH],
        growth: f64,
    ) -> [f64; WIDTH] {
        let mut scales = std::mem::take(&mut self.squares);
        self.near_scales(count, weights, &mut scales);
        let mut products = [[0.0; WIDTH]; WIDTH];
        accumulate(Level::best(), &self.rows, &scales, count + 2, &mut products);
        self.squares = scales;
        add_ridge(&mut products, count + 1);
        let found = fewer(&products, count, growth);
        if found.iter().all(|weight| weight.is_finite()) {
            found
        } else {
            *weights
        }
    }

    fn median_of(&mut self, values: &[f32]) -> f32 {
        self.ordered.clear();
        self.ordered.extend(values);
        let middle = values.len() / 2;
        if values.is_empty() {
            return 0.0;
        }
        *self
            .ordered
            .select_nth_unstable_by(middle, f32::total_cmp)
            .1
    }

    /// The weights where samples count for so much.
    fn weights_by(&self, scales: &[f32], count: usize) -> [f64; WIDTH] {
        let mut products = [[0.0; WIDTH]; WIDTH];
        accumulate(Level::best(), &self.rows, scales, count + 2, &mut products);
        solve(&mut products, count + 1)
    }

    /// The differences of targets and what the weights of `count` features make of them.
    pub(crate) fn residuals(&self, count: usize, weights: &[f64; WIDTH], residuals: &mut Vec<f32>) {
        let mut factors = [0.0; WIDTH];
        for (factor, &weight) in factors[..=count].iter_mut().zip(weights) {
            *factor = -weight as f32;
        }
        factors[count + 1] = 1.0;
        residuals.clear();
        residuals.resize(self.rows.len(), 0.0);
        products(Level::best(), &self.rows, count + 2, &factors, residuals);
    }

    /// The targets for `count` features.
    pub(crate) fn targets(&self, count: usize) -> impl Iterator<Item = f32> + Clone {
        self.rows.iter().map(move |row| row[count + 1])
    }
}

/// How often weights are looked for that are nearer to most samples, and the part of the bits that they have to save: they
/// are fitted to fewer samples.
const REFITS: usize = 3;
const REFIT_WORTH: f64 = 0.02;
/// The weights with which residuals take the fewest bits, and those residuals: the weights of least squares, whose
/// residuals are given, or those that samples far off have less to say about.
pub(super) fn refined(
    samples: &mut Samples,
    count: usize,
    least_squares: [f64; WIDTH],
    residuals: &mut Vec<f32>,
) -> [f64; WIDTH] {
    let bits = bits_of(residuals.iter().copied());
    let mut best = (least_squares, (1.0 - REFIT_WORTH) * bits);
    let mut weights = least_squares;
    for _ in 0..REFITS {
        let Some(nearer) = samples.refit(count, &weights) else {
            break;
        };
        weights = nearer;
        samples.residuals(count, &weights, residuals);
        let bits = bits_of(residuals.iter().copied());
        if bits < best.1 {
            best = (weights, bits);
        }
    }
    samples.residuals(count, &best.0, residuals);
    best.0
}

/// Adds the ridge to the products of so many features with themselves, and returns it.
fn add_ridge(products: &mut Products, unknowns: usize) -> f64 {
    let trace: f64 = (0..unknowns).map(|i| products[i][i]).sum();
    let ridge = RIDGE * trace / unknowns as f64 + f64::MIN_POSITIVE;
    for (i, row) in products.iter_mut().enumerate().take(unknowns) {
        row[i] += ridge;
    }
    ridge
}

/// Solves for the last column by Cholesky's elimination; a feature that says nothing gets no weight.
fn solve(products: &mut [[f64; WIDTH]; WIDTH], unknowns: usize) -> [f64; WIDTH] {
    let ridge = add_ridge(products, unknowns);
    for pivot in 0..unknowns {
        let row = products[pivot];
        if row[pivot] <= 0.5 * ridge {
            continue;
        }
        for other in products.iter_mut().take(unknowns).skip(pivot + 1) {
            let factor = other[pivot] / row[pivot];
            for column in pivot..=unknowns {
                other[column] -= factor * row[column];
            }
        }
    }
    let mut weights = [0.0; WIDTH];
    for i in (0..unknowns).rev() {
        let known: f64 = (i + 1..unknowns).map(|j| products[i][j] * weights[j]).sum();
        let weight = (products[i][unknowns] - known) / products[i][i];
        weights[i] = if products[i][i] > 0.5 * ridge && weight.is_finite() {
            weight
        } else {
            0.0
        };
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_function_is_found_again() {
        let mut samples = Samples::default();
        for i in 0..500 {
            let features = [(i % 17) as f32, (i % 29) as f32 - 5.0, 0.0];
            let target = 0.5 * features[0] - 2.0 * features[1] + 3.0;
            samples.push(features.into_iter(), target);
        }
        let weights = samples.fit(3, 1.0);
        for (weight, expected) in weights.iter().zip([0.5, -2.0, 0.0, 3.0]) {
            assert!((weight - expected).abs() < 1e-3, "{weights:?}");
        }
        let mut residuals = Vec::new();
        samples.residuals(3, &weights, &mut residuals);
        assert!(residuals.len() == 500 && residuals.iter().all(|r| r.abs() < 0.01));
    }
}
