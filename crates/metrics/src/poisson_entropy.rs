//! L3: the entropy of photon noise, below which no lossless codec gets that knows no more than each pixel's mean.
//!
//! λ of a pixel is the mean of its valid frames in photons, max(mean − noise.offset, 0)/noise.gain; the entropies of
//! Poisson distributions with those means are averaged over the pixels. The ratio is itemsize · 8 / that average: what a
//! codec reached, divided by this ratio, is the fraction of the bound. λ of one frame alone is the count itself; the
//! more frames, the better. Data that are not counts may be compressed further.
//!
//! Reference: −Σ p log₂ p summed, to 1e-8 bit; scipy `poisson.entropy` equals it up to λ = 1000 and is 4e-3 bit below
//! at λ = 10⁴.

use std::any::Any;
use std::f64::consts::{E, LN_2, TAU};

use crate::frames::for_values;
use crate::lossless::size_of_element;
use crate::mean_frame::MeanFrame;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::sum::Sum;
use crate::{Error, Frames, Noise, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "L3",
    name: "poisson_bound",
    about: "entropy of Poisson noise with each pixel's mean, averaged, and the ratio that it allows",
    values: &[("poisson_entropy_bits", "bit"), ("poisson_ratio", "1")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "poisson_bound",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

/// From this mean on, the expansion for large means is good to 1e-8 bit.
const LARGE_MEAN: f64 = 100.0;
/// Counts of which the probability is summed: 20 standard deviations above the largest mean that is.
const SUMMED_COUNTS: usize = 300;

struct Means {
    noise: Noise,
    element_bits: usize,
    mean: MeanFrame,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    Ok(Box::new(Means {
        noise: settings.noise,
        element_bits: 0,
        mean: MeanFrame::new(shape.rows * shape.columns),
    }))
}

impl Accumulator for Means {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.element_bits = for_values!(frames.original, |slice| 8 * size_of_element(slice));
        for frame in frames.iter() {
            self.mean.add(&frame.original, frame.valid);
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Means = same(other);
        self.element_bits = self.element_bits.max(other.element_bits);
        self.mean += other.mean;
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let Noise { gain, offset, .. } = self.noise;
        let log_factorials = log_factorials();
        let (mut bits, mut pixels) = (Sum::default(), 0u64);
        for mean in self.mean.mean() {
            if !mean.is_nan() {
                let photons = (mean - offset).max(0.0) / gain;
                bits.add(entropy_with(photons, &log_factorials));
                pixels += 1;
            }
        }
        let bits = bits.value() / pixels as f64;
        let mut outcome = Outcome::default();
        outcome.value("poisson_entropy_bits", bits);
        outcome.value("poisson_ratio", self.element_bits as f64 / bits);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Entropy in bits of a Poisson distribution.
pub fn poisson_entropy(mean: f64) -> f64 {
    entropy_with(mean, &log_factorials())
}

/// ln k! of the counts that are summed.
fn log_factorials() -> Vec<f64> {
    let mut sum = Sum::default();
    let logarithms = (0..SUMMED_COUNTS).map(|count| {
        sum.add((count.max(1) as f64).ln());
        sum.value()
    });
    logarithms.collect()
}

/// H = λ − λ ln λ + Σ p_k ln k!, in bits.
fn entropy_with(mean: f64, log_factorials: &[f64]) -> f64 {
    if mean == 0.0 {
        return 0.0;
    }
    if mean >= LARGE_MEAN {
        let inverse = mean.recip();
        let correction = inverse * (1.0 / 12.0 + inverse * (1.0 / 24.0 + inverse * 19.0 / 360.0));
        return ((TAU * E * mean).ln() / 2.0 - correction) / LN_2;
    }
    let mut probability = (-mean).exp();
    let mut sum = 0.0;
    for (count, log_factorial) in log_factorials.iter().enumerate() {
        sum += probability * log_factorial;
        probability *= mean / (count + 1) as f64;
    }
    (mean - mean * mean.ln() + sum) / LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_are_the_sums_over_counts() {
        let known = [
            (0.1, 0.48139414811105247),
            (1.0, 1.8824894320455297),
            (5.0, 3.1802700858533246),
            (20.0, 4.201887394001206),
            (100.0, 5.367815345154745),
            (1000.0, 7.029867442734471),
            (1e4, 8.690939751996867),
        ];
        for (mean, bits) in known {
            assert!((poisson_entropy(mean) - bits).abs() < 1e-8, "{mean}");
        }
        assert_eq!(poisson_entropy(0.0), 0.0);
        assert!(poisson_entropy(f64::NAN).is_nan());
        assert!(poisson_entropy(1e-300) < 1e-290);
    }

    #[test]
    fn the_sum_meets_the_expansion() {
        let below = poisson_entropy(LARGE_MEAN * (1.0 - 1e-15));
        assert!((below - poisson_entropy(LARGE_MEAN)).abs() < 1e-8);
    }
}
