//! E8 and E10: how far the distributions of the values are apart, whatever pixel they are in.
//!
//! E8: the Kolmogorov–Smirnov distance D = sup |F_A − F_B| of the empirical distribution functions, exact. No p-value: with
//! a million pixels it is 0 for losses that nobody sees. E10: the earth mover's distance W₁ = ∫ |F_A − F_B| dx, exact.
//! References: scipy `ks_2samp(a, b).statistic`, `wasserstein_distance(a, b)`.
//!
//! Both are NaN where a decoded value is NaN; W₁ where one is infinite.

use std::any::Any;

use crate::frames::for_values;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::order_key::{KeyKind, Ordered};
use crate::sum::Sum;
use crate::value_counts::{Entry, ValueCounts, walk};
use crate::{Error, Frames, Outcome, Settings, Values};

/// The row of E8.
pub(crate) static KS: Metric = Metric {
    id: "E8",
    name: "ks",
    about: "Kolmogorov–Smirnov distance of the values' distributions, sup |F_A − F_B|",
    values: &[("ks_distance", "1")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

/// The row of E10.
pub(crate) static EARTH_MOVER: Metric = Metric {
    id: "E10",
    name: "earth_mover",
    about: "earth mover's distance of the values' distributions, ∫ |F_A − F_B| dx",
    values: &[("earth_mover_distance", "data")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "distribution",
    mergeable: true,
    per_chunk: true,
    sample: Part::Elements,
    needs_range: false,
    splits: false,
    start,
};

struct Distributions {
    original: ValueCounts,
    decoded: ValueCounts,
}

fn start(settings: &Settings, _shape: Shape) -> Started {
    let counts = ValueCounts::new("ks, earth_mover", settings.memory_bytes, 2);
    Ok(Box::new(Distributions {
        original: counts.clone(),
        decoded: counts,
    }))
}

impl Accumulator for Distributions {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        let (a, b, valid) = (frames.original, frames.decoded, frames.valid);
        if std::mem::discriminant(&a) != std::mem::discriminant(&b) {
            // Keys of different types cannot be compared.
            count(&mut self.original, &a.to_f64(0..a.len()), valid)?;
            return count(&mut self.decoded, &b.to_f64(0..b.len()), valid);
        }
        count_values(&mut self.original, a, valid)?;
        count_values(&mut self.decoded, b, valid)
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Distributions = same(other);
        self.original.merge(other.original)?;
        self.decoded.merge(other.decoded)
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let kind = self.original.kind();
        let not_a_number = self.original.not_a_number + self.decoded.not_a_number > 0;
        let take = |counts: &mut ValueCounts| {
            std::mem::replace(counts, ValueCounts::new("ks, earth_mover", None, 1)).sorted()
        };
        let (original, decoded) = (take(&mut self.original)?, take(&mut self.decoded)?);
        let (ks, earth_mover) = match kind {
            Some(kind) if !not_a_number && !original.is_empty() => {
                distances(kind, &original, &decoded)
            }
            _ => (f64::NAN, f64::NAN),
        };
        let mut outcome = Outcome::default();
        outcome.value("ks_distance", ks);
        outcome.value("earth_mover_distance", earth_mover);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Counts the valid elements.
pub(crate) fn count_values(
    counts: &mut ValueCounts,
    values: Values<'_>,
    valid: Option<&[bool]>,
) -> Result<(), Error> {
    for_values!(values, |slice| count(counts, slice, valid))
}

fn count<T: Ordered>(
    counts: &mut ValueCounts,
    values: &[T],
    valid: Option<&[bool]>,
) -> Result<(), Error> {
    match valid {
        None => counts.add(values.iter().copied()),
        Some(valid) => {
            let pairs = values.iter().zip(valid);
            counts.add(pairs.filter(|(_, valid)| **valid).map(|(value, _)| *value))
        }
    }
}

/// D and W₁ of as many values on either side.
fn distances(kind: KeyKind, original: &[Entry], decoded: &[Entry]) -> (f64, f64) {
    let count: u64 = original.iter().map(|entry| entry.1).sum();
    let (mut ahead, mut most) = (0i64, 0i64);
    let mut area = Sum::default();
    let mut before = None;
    walk(original, decoded, |key, count_a, count_b| {
        let value = (kind.value)(key);
        if let (Some(before), true) = (before, ahead != 0) {
            area.add(ahead.abs() as f64 * (value - before));
        }
        before = Some(value);
        ahead += count_a as i64 - count_b as i64;
        most = most.max(ahead.abs());
    });
    let area = area.value();
    let finite = if area.is_finite() { area } else { f64::NAN };
    (most as f64 / count as f64, finite / count as f64)
}
