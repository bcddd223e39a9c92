//! X3: whether the peaks found again have the same intensities.
//!
//! Of the matched pairs of X2 over all frames, each peak with the intensity that X1 gives it in its own data (its own
//! pixels, its own background): R_I = Σ|I_A − I_B|/Σ I_A; Pearson's r of I and of ln I; slope and intercept of the least
//! squares line I_B = slope · I_A + intercept; relative change of the mean I/σ, which is the SNR of X1. Bias by
//! intensity: the pairs in the order of I_A in ten parts whose sizes differ by one at most, the larger ones first (numpy's
//! `array_split`), Σ(I_B − I_A)/Σ I_A of each. Numbers over nothing are NaN. Reference: scipy's `linregress` and `pearsonr`.

use crate::outcome::Curve;
use crate::peaks::{self, MatchedPeak};
use crate::{Metric, Outcome};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "X3",
    name: "peak_intensities",
    about: "intensities of the peaks found again: R_I, correlation, slope, bias by intensity, change of I/sigma",
    values: &[
        ("peak_r_intensity", "1"),
        ("peak_intensity_correlation", "1"),
        ("peak_log_intensity_correlation", "1"),
        ("peak_intensity_slope", "1"),
        ("peak_intensity_intercept", "data"),
        ("peak_i_over_sigma_change", "1"),
    ],
    curves: &["peak_bias"],
    needs: &["geometry.center"],
    pass: &peaks::PASS,
};

/// Parts that the bias is given for.
const PARTS: usize = 10;

/// Adds the numbers and the curve of X3.
pub(crate) fn describe(peaks: &[MatchedPeak], outcome: &mut Outcome) {
    let [a, b] = [0, 1].map(|of| {
        peaks
            .iter()
            .map(|peak| peak.intensity[of])
            .collect::<Vec<_>>()
    });
    let difference: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum();
    outcome.value("peak_r_intensity", difference / a.iter().sum::<f64>());
    let line = Line::of(&a, &b);
    outcome.value("peak_intensity_correlation", line.correlation());
    let logarithms = |of: &[f64]| of.iter().map(|value| value.ln()).collect::<Vec<_>>();
    let correlation = Line::of(&logarithms(&a), &logarithms(&b)).correlation();
    outcome.value("peak_log_intensity_correlation", correlation);
    outcome.value("peak_intensity_slope", line.slope());
    outcome.value(
        "peak_intensity_intercept",
        line.mean[1] - line.slope() * line.mean[0],
    );
    let [snr, snr_decoded] = [0, 1].map(|of| peaks.iter().map(|peak| peak.snr[of]).sum::<f64>());
    outcome.value("peak_i_over_sigma_change", (snr_decoded - snr) / snr);
    outcome.curve("peak_bias", bias(peaks));
}

/// Means and products about them.
struct Line {
    mean: [f64; 2],
    /// Σ(a − ā)², Σ(b − b̄)², Σ(a − ā)(b − b̄).
    products: [f64; 3],
}

impl Line {
    fn of(a: &[f64], b: &[f64]) -> Self {
        let mean = [a, b].map(|values| values.iter().sum::<f64>() / values.len() as f64);
        let mut products = [0.0; 3];
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (a - mean[0], b - mean[1]);
            products[0] += a * a;
            products[1] += b * b;
            products[2] += a * b;
        }
        Self { mean, products }
    }

    fn correlation(&self) -> f64 {
        self.products[2] / (self.products[0].sqrt() * self.products[1].sqrt())
    }

    fn slope(&self) -> f64 {
        self.products[2] / self.products[0]
    }
}

/// Bias over the mean intensity of parts with equally many peaks.
fn bias(peaks: &[MatchedPeak]) -> Curve {
    let mut pairs: Vec<[f64; 2]> = peaks.iter().map(|peak| peak.intensity).collect();
    pairs.sort_by(|x, y| x[0].total_cmp(&y[0]).then(x[1].total_cmp(&y[1])));
    let (mut mean, mut bias) = (Vec::new(), Vec::new());
    let mut left = pairs.as_slice();
    for part in 0..PARTS {
        let size = pairs.len() / PARTS + usize::from(part < pairs.len() % PARTS);
        let (these, rest) = left.split_at(size);
        left = rest;
        if these.is_empty() {
            continue;
        }
        let sum = |of: fn(&[f64; 2]) -> f64| these.iter().map(of).sum::<f64>();
        let total = sum(|pair| pair[0]);
        mean.push(total / these.len() as f64);
        bias.push(sum(|pair| pair[1] - pair[0]) / total);
    }
    Curve::new("intensity / data units", "relative bias", mean).with("bias", bias)
}
