//! R1 and R3 as functions: the correlation of two images or volumes by spatial frequency.
//!
//! FRC = Re Σ F₁F₂* / √(Σ|F₁|² Σ|F₂|²) over a ring, with its sign; on shells of three axes it is the FSC. Saxton & Baumeister,
//! J. Microsc. 127 (1982) 127; van Heel, Ultramicroscopy 21 (1987) 95. Rings are those of
//! [`frequency_rings`](crate::frequency_rings), the mean is not subtracted. Reference: `two_frc` of frc 0.1.1 (DIPlib), which
//! has floor rings and no window; miplib takes |·| of the numerator.

use crate::fourier::{Spectra, Window};
use crate::frequency_rings::FrequencyRings;
use crate::ring_threshold::RingThreshold;

/// A correlation by ring.
#[derive(Debug, Clone, PartialEq)]
pub struct RingCorrelation {
    /// Frequencies of the rings in 1/px.
    pub frequencies: Vec<f64>,
    /// Elements of the rings, in all of the transform.
    pub counts: Vec<u64>,
    /// The correlations, −1 to 1; NaN where an array has nothing at this frequency.
    pub correlation: Vec<f64>,
}

impl RingCorrelation {
    /// Frequency in 1/px at which it falls below a threshold.
    pub fn crossing(&self, threshold: RingThreshold) -> f64 {
        threshold.crossing(&self.correlation, &self.counts, &self.frequencies)
    }

    /// Frequency in 1/px up to which it stays above a threshold: the crossing, or that of the last ring where it never falls
    /// below; NaN where it begins below.
    pub fn resolved(&self, threshold: RingThreshold) -> f64 {
        threshold.resolved(&self.correlation, &self.counts, &self.frequencies)
    }
}

/// FRC of two images of rows · columns pixels.
pub fn frc(a: &[f64], b: &[f64], rows: usize, columns: usize, window: Window) -> RingCorrelation {
    fsc(a, b, [1, rows, columns], window)
}

/// FSC of two volumes of extents (slowest first) `shape`.
pub fn fsc(a: &[f64], b: &[f64], shape: [usize; 3], window: Window) -> RingCorrelation {
    within(&Spectra::new(a, b, shape, window), shape)
}

/// The correlation of the two arrays of one transform.
pub(crate) fn within(spectra: &Spectra, shape: [usize; 3]) -> RingCorrelation {
    correlations(shape, [[0, 1]], |at, opposite| spectra.at(at, opposite))
        .into_iter()
        .next()
        .expect("one pair")
}

/// Correlations of the pairs (A, A'), (C, C'), (C, A') and (A, C') for A, C in one transform and A', C' in the other.
pub(crate) fn four_fold(
    first: &Spectra,
    second: &Spectra,
    shape: [usize; 3],
) -> [RingCorrelation; 4] {
    correlations(shape, [[0, 2], [1, 3], [1, 2], [0, 3]], |at, opposite| {
        let ([a, c], [a2, c2]) = (first.at(at, opposite), second.at(at, opposite));
        [a, c, a2, c2]
    })
}

/// Correlations of pairs of arrays whose transforms `elements` yields.
fn correlations<const ARRAYS: usize, const PAIRS: usize>(
    shape: [usize; 3],
    pairs: [[usize; 2]; PAIRS],
    elements: impl Fn(usize, usize) -> [rustfft::num_complex::Complex64; ARRAYS],
) -> [RingCorrelation; PAIRS] {
    let rings = FrequencyRings::new(shape);
    let mut counts = vec![0; rings.count()];
    let mut powers = vec![[0.0; ARRAYS]; rings.count()];
    let mut products = vec![[0.0; PAIRS]; rings.count()];
    rings.for_each(|at, opposite, ring| {
        let values = elements(at, opposite);
        counts[ring] += 1;
        for (power, value) in powers[ring].iter_mut().zip(&values) {
            *power += value.norm_sqr();
        }
        for (product, [left, right]) in products[ring].iter_mut().zip(pairs) {
            *product += values[left].re * values[right].re + values[left].im * values[right].im;
        }
    });
    std::array::from_fn(|pair| {
        let [left, right] = pairs[pair];
        let sums = products.iter().zip(&powers);
        RingCorrelation {
            frequencies: rings.frequencies(),
            counts: counts.clone(),
            correlation: sums
                .map(|(product, power)| product[pair] / (power[left] * power[right]).sqrt())
                .collect(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mix = |at: u64| (at ^ at >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (0..count as u64)
            .map(|at| mix(mix((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed)))
            .map(|bits| (bits >> 11) as f64 / (1u64 << 53) as f64)
            .collect()
    }

    #[test]
    fn an_image_correlates_with_itself_and_its_negative_with_the_opposite_sign() {
        let a = noise(33 * 40, 1);
        let negative: Vec<f64> = a.iter().map(|value| 3.0 - 2.0 * value).collect();
        for (b, expected) in [(&a, 1.0), (&negative, -1.0)] {
            let found = frc(&a, b, 33, 40, Window::None);
            assert_eq!(found.correlation.len(), 15);
            assert!(
                found
                    .correlation
                    .iter()
                    .all(|value| (value - expected).abs() < 1e-12)
            );
        }
    }

    #[test]
    fn independent_noise_has_a_correlation_of_one_over_root_n() {
        let found = frc(&noise(65536, 1), &noise(65536, 2), 256, 256, Window::None);
        let scaled = found.correlation.iter().zip(&found.counts);
        // Half of the elements are independent: the variance is 2/N · 1/2 = 1/N for the real part.
        let mean: f64 = scaled
            .map(|(value, &count)| value * value * count as f64)
            .sum::<f64>()
            / 127.0;
        assert!((0.6..1.5).contains(&mean), "{mean}");
    }

    #[test]
    fn a_constant_image_has_no_correlation() {
        let found = frc(&[1.0; 64], &[2.0; 64], 8, 8, Window::None);
        assert!(found.correlation.iter().all(|value| value.is_nan()));
        assert!(
            frc(&[1.0], &[1.0], 1, 1, Window::Hann)
                .correlation
                .is_empty()
        );
    }

    #[test]
    fn shells_of_a_volume_of_one_plane_are_rings() {
        let (a, b) = (noise(400, 5), noise(400, 6));
        let flat = frc(&a, &b, 20, 20, Window::Hann);
        assert_eq!(fsc(&a, &b, [20, 1, 20], Window::Hann).correlation.len(), 9);
        let turned = fsc(&a, &b, [20, 20, 1], Window::Hann);
        for (flat, turned) in flat.correlation.iter().zip(&turned.correlation) {
            assert!((flat - turned).abs() < 1e-12);
        }
    }
}
