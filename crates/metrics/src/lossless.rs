//! L1, L2 and L4: what a lossless codec can hope for, from exact counts of the original's values.
//!
//! L1: different values U, palette bits ⌈log₂ U⌉, the share of the 16 most frequent values (`numpy.unique`), and the step of
//! the values: the greatest common divisor of the differences of integers, the least difference of floats.
//! L2: entropy H₀ = −Σ p log₂ p in bits per element and the bound itemsize · 8 / H₀ on the ratio of any codec that takes
//! elements as independent (scikit-image `shannon_entropy`). Infinite where all elements are equal.
//! L4: share of zeros and of the most frequent value (numpy).

use std::any::Any;

use crate::distribution::count_values;
use crate::frames::for_values;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::order_key::KeyKind;
use crate::sum::Sum;
use crate::value_counts::{Entry, ValueCounts};
use crate::{Error, Frames, Outcome, Settings};

/// The row of L1.
pub(crate) static UNIQUE: Metric = Metric {
    id: "L1",
    name: "unique",
    about: "different values of the original, bits of a palette index, share of the 16 most frequent values, common step",
    values: &[
        ("unique_values", "values"),
        ("palette_bits", "bit"),
        ("top16_fraction", "1"),
        ("value_step", "data"),
    ],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

/// The row of L2.
pub(crate) static ENTROPY: Metric = Metric {
    id: "L2",
    name: "entropy",
    about: "entropy of the original's values in bits per element, and the ratio that it allows",
    values: &[("entropy_bits", "bit"), ("entropy_ratio", "1")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

/// The row of L4.
pub(crate) static SPARSITY: Metric = Metric {
    id: "L4",
    name: "sparsity",
    about: "share of zeros and of the most frequent value in the original",
    values: &[("zero_fraction", "1"), ("mode_fraction", "1")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "lossless",
    mergeable: true,
    per_chunk: true,
    sample: Part::Elements,
    needs_range: false,
    splits: false,
    start,
};

struct Original {
    counts: ValueCounts,
    element_bits: usize,
}

fn start(settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Original {
        counts: ValueCounts::new("unique, entropy, sparsity", settings.memory_bytes, 1),
        element_bits: 0,
    }))
}

impl Accumulator for Original {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.element_bits = for_values!(frames.original, |slice| 8 * size_of_element(slice));
        count_values(&mut self.counts, frames.original, frames.valid)
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Original = same(other);
        self.element_bits = self.element_bits.max(other.element_bits);
        self.counts.merge(other.counts)
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let kind = self.counts.kind();
        let none = ValueCounts::new("unique", None, 1);
        let entries = std::mem::replace(&mut self.counts, none).sorted()?;
        let value = |key| kind.map_or(f64::NAN, |kind| (kind.value)(key));
        let zeros = entries.iter().filter(|entry| value(entry.0) == 0.0);
        let zeros: u64 = zeros.map(|entry| entry.1).sum();
        let mut counts: Vec<u64> = entries.iter().map(|entry| entry.1).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let total = counts.iter().sum::<u64>() as f64;
        let top: u64 = counts.iter().take(16).sum();
        let entropy = entropy(&counts);
        let mut outcome = Outcome::default();
        outcome.value("unique_values", counts.len() as f64);
        outcome.value("palette_bits", palette_bits(counts.len() as u64));
        outcome.value("top16_fraction", top as f64 / total);
        outcome.value(
            "value_step",
            kind.map_or(f64::NAN, |kind| step(kind, &entries)),
        );
        outcome.value("entropy_bits", entropy);
        outcome.value("entropy_ratio", self.element_bits as f64 / entropy);
        outcome.value("zero_fraction", zeros as f64 / total);
        let most = counts.first().copied().unwrap_or(0);
        outcome.value("mode_fraction", most as f64 / total);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

pub(crate) fn size_of_element<T>(_: &[T]) -> usize {
    size_of::<T>()
}

/// The greatest common divisor of the differences of integers, the least difference of floats; NaN for a single value.
fn step(kind: KeyKind, entries: &[Entry]) -> f64 {
    let neighbours = entries.windows(2).map(|pair| (pair[0].0, pair[1].0));
    if kind.is_integer {
        let step = neighbours.fold(0, |step, (low, high)| divisor(step, high - low));
        return if step == 0 { f64::NAN } else { step as f64 };
    }
    let steps = neighbours.map(|(low, high)| (kind.value)(high) - (kind.value)(low));
    steps.fold(f64::NAN, f64::min)
}

/// Greatest common divisor; of 0 and a number, the number.
fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// ⌈log₂ U⌉.
fn palette_bits(unique: u64) -> f64 {
    match unique {
        0 => f64::NAN,
        unique => f64::from(u64::BITS - (unique - 1).leading_zeros()),
    }
}

/// H₀ in bits of counts of values; NaN where there are none.
pub fn entropy(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    if total == 0.0 {
        return f64::NAN;
    }
    let mut sum = Sum::default();
    for &count in counts.iter().filter(|count| **count > 0) {
        let share = count as f64 / total;
        sum.add(share * -share.log2());
    }
    sum.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_equal_counts_is_the_logarithm_of_their_number() {
        assert_eq!(entropy(&[5; 8]), 3.0);
        assert_eq!(entropy(&[7]), 0.0);
        assert!(entropy(&[]).is_nan());
    }

    #[test]
    fn the_step_divides_all_differences() {
        let step_of = |counts: &mut ValueCounts| {
            let kind = counts.kind().unwrap();
            step(kind, &counts.clone().sorted().unwrap())
        };
        let mut counts = ValueCounts::new("unique", None, 1);
        counts.add([-7i32, 5, 5, 1 << 30, 23].into_iter()).unwrap();
        assert_eq!(step_of(&mut counts), 1.0);
        let mut counts = ValueCounts::new("unique", None, 1);
        counts
            .add([3i64, -9, 15, i64::MAX - 1].into_iter())
            .unwrap();
        assert_eq!(step_of(&mut counts), 3.0);
        let mut counts = ValueCounts::new("unique", None, 1);
        counts.add([0.5f32, 2.0, -1.0, 1.25].into_iter()).unwrap();
        assert_eq!(step_of(&mut counts), 0.75);
        let mut counts = ValueCounts::new("unique", None, 1);
        counts.add([4u8, 4].into_iter()).unwrap();
        assert!(step_of(&mut counts).is_nan());
    }

    #[test]
    fn palettes_need_whole_bits() {
        let bits = [1, 2, 3, 4, 5, 256, 257].map(palette_bits);
        assert_eq!(bits, [0.0, 1.0, 2.0, 2.0, 3.0, 8.0, 9.0]);
    }
}
