//! Ratio against occupancy: the law `ratio = prefactor × (1 − sparsity)^exponent`, fitted by least squares to the
//! logarithms, as the 4D-STEM paper (arXiv 2604.06221) reports it. An exponent near −1 means that the bytes stored
//! are in proportion to the pixels that are not zero.

use serde::Serialize;

/// Fewest data sets that a fit of two parameters says something about.
const LEAST_POINTS: usize = 3;

/// A fitted law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PowerLaw {
    /// Slope of log ratio over log (1 − sparsity).
    pub exponent: f64,
    /// Ratio of data without zeros, by the law.
    pub prefactor: f64,
    /// Share of the variance of log ratio that the law explains.
    pub r_squared: f64,
    /// Data sets fitted.
    pub points: usize,
}

/// Fits pairs of sparsity and ratio; `None` for fewer than three of them, or where all are equally sparse or of one
/// ratio. Data of nothing but zeros have no place on the axis and are left out.
pub fn fit(points: impl IntoIterator<Item = (f64, f64)>) -> Option<PowerLaw> {
    let usable = points
        .into_iter()
        .filter(|(sparsity, ratio)| *sparsity < 1.0 && *ratio > 0.0);
    let logs: Vec<(f64, f64)> = usable
        .map(|(sparsity, ratio)| ((1.0 - sparsity).ln(), ratio.ln()))
        .collect();
    if logs.len() < LEAST_POINTS {
        return None;
    }
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = logs.iter().map(|point| point.1).sum::<f64>() / count;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in logs.iter().map(|(x, y)| (x - mean_x, y - mean_y)) {
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    // Below this the points differ by rounding alone.
    if xx <= 1e-20 || yy <= 1e-20 {
        return None;
    }
    let exponent = xy / xx;
    Some(PowerLaw {
        exponent,
        prefactor: (mean_y - exponent * mean_x).exp(),
        r_squared: xy * xy / (xx * yy),
        points: logs.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_law_is_found() {
        let law = |sparsity: f64| (sparsity, 2.52 * (1.0 - sparsity).powf(-0.9));
        let fitted = fit([0.0, 0.495, 0.8, 0.928].map(law)).unwrap();
        assert!((fitted.exponent + 0.9).abs() < 1e-12 && (fitted.prefactor - 2.52).abs() < 1e-12);
        assert!((fitted.r_squared - 1.0).abs() < 1e-12 && fitted.points == 4);
    }

    #[test]
    fn too_little_is_no_law() {
        assert_eq!(fit([(0.1, 2.0), (0.5, 3.0)]), None);
        assert_eq!(fit([(0.5, 2.0), (0.5, 3.0), (0.5, 4.0)]), None);
        assert_eq!(fit([(0.1, 2.0), (0.5, 3.0), (1.0, 900.0)]), None);
        assert_eq!(fit([(0.1, 1.0), (0.5, 1.0), (0.9, 1.0)]), None);
    }

    #[test]
    fn scatter_lowers_r_squared() {
        // log ratio 0, 1, 0 over log (1 − s) of 0, −1, −2: no slope, nothing explained.
        let e = std::f64::consts::E;
        let points = [(0.0, 1.0), (1.0 - 1.0 / e, e), (1.0 - 1.0 / (e * e), 1.0)];
        let fitted = fit(points).unwrap();
        assert!(fitted.exponent.abs() < 1e-12 && fitted.r_squared < 1e-12);
    }
}
