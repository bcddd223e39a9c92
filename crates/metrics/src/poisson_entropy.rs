//! The entropy of the Poisson distribution, which no lossless codec of photon counts can beat on average.
//!
//! H(λ) = (λ(1 − ln λ) + e^−λ Σ λᵏ ln k!/k!)/ln 2 bits, summed up to λ = 100; above, the expansion
//! ½ log₂(2πeλ) − (1/(12λ) + 1/(24λ²))/ln 2, whose error there is below 1e-7 bit. Reference: −Σ p log₂ p of
//! `scipy.stats.poisson.pmf`; its `entropy()` warns at λ = 10⁴ that its sum did not converge, and is 0.0036 bit short.

use std::f64::consts::{E, LN_2, PI};

/// Entropy in bits of a Poisson distribution of mean `lambda`; NaN where that is negative or NaN.
pub fn poisson_entropy(lambda: f64) -> f64 {
    if lambda == 0.0 {
        return 0.0;
    }
    if lambda.is_nan() || lambda < 0.0 {
        return f64::NAN;
    }
    if lambda > 100.0 {
        let small = (1.0 / 12.0 + 1.0 / (24.0 * lambda)) / lambda;
        return 0.5 * (2.0 * PI * E * lambda).log2() - small / LN_2;
    }
    let (mut log_factorial, mut probability, mut sum) = (0.0, (-lambda).exp(), 0.0);
    // Beyond 20 standard deviations and 40 counts, terms are below 1e-17.
    let last = (lambda + 20.0 * lambda.sqrt() + 40.0) as u32;
    for count in 1..=last {
        probability *= lambda / f64::from(count);
        log_factorial += f64::from(count).ln();
        sum += probability * log_factorial;
    }
    (lambda * (1.0 - lambda.ln()) + sum) / LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_are_those_of_the_sum() {
        let table = [
            (0.1, 0.482),
            (1.0, 1.882),
            (5.0, 3.180),
            (20.0, 4.202),
            (100.0, 5.368),
            (1000.0, 7.030),
            (1e4, 8.691),
        ];
        for (lambda, bits) in table {
            let found = poisson_entropy(lambda);
            assert!((found - bits).abs() < 1e-3, "{lambda}: {found}");
        }
    }

    #[test]
    fn sum_and_expansion_meet() {
        let (below, above) = (poisson_entropy(100.0), poisson_entropy(100.0 + 1e-9));
        assert!((below - above).abs() < 1e-6, "{below} {above}");
        assert!(poisson_entropy(-1.0).is_nan());
    }
}
