//! T1: Otsu's threshold of original and decoded.
//!
//! The threshold t that maximises the variance between the classes x ≤ t and x > t (N. Otsu, IEEE Trans. SMC 9 (1979)
//! 62), here n₁ n₂ (mean₁ − mean₂)², the first of several maxima. Integers: every value is a bin of its own. Floats:
//! 256 bins of equal width from the least to the greatest value, the last closed on both sides, and t is the centre of a
//! bin, as numpy's `histogram` and scikit-image's `threshold_otsu` have it. Values that are not finite are left out.
//! Original and decoded have histograms, and ranges, of their own. Constant data: t is their value.
//!
//! scikit-image counts in f32 and, for f32 data, rounds bin edges to f32: values on an edge may fall into the next bin.

use std::any::Any;
use std::collections::BTreeMap;

use crate::frames::{Sample, for_values};
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::{Error, Frames, Outcome, Settings, Values};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "T1",
    name: "otsu",
    about: "Otsu's threshold of original and decoded",
    values: &[
        ("otsu_threshold", "data"),
        ("otsu_threshold_decoded", "data"),
        ("otsu_threshold_change", "data"),
    ],
    curves: &[],
    needs: &[],
    pass: &Pass {
        name: "otsu",
        mergeable: true,
        per_chunk: false,
        sample: Part::Frames,
        needs_range: false,
        splits: false,
        start,
    },
};

/// Otsu's threshold of bins in ascending order, (value, count); NaN of nothing.
pub fn otsu_threshold(bins: &[(f64, u64)]) -> f64 {
    let total: u64 = bins.iter().map(|(_, count)| count).sum();
    // About the first value, so that large offsets cost no digits.
    let origin = bins.first().map_or(f64::NAN, |(value, _)| *value);
    let weighted = |(value, count): &(f64, u64)| (value - origin) * *count as f64;
    let total_sum: f64 = bins.iter().map(weighted).sum();
    let (mut count, mut sum) = (0, 0.0);
    let (mut best, mut threshold) = (f64::NEG_INFINITY, origin);
    for bin in bins {
        count += bin.1;
        sum += weighted(bin);
        if count == 0 || count == total {
            continue;
        }
        let (below, above) = (count as f64, (total - count) as f64);
        let distance = sum / below - (total_sum - sum) / above;
        let variance = below * above * distance * distance;
        if variance > best {
            (best, threshold) = (variance, bin.0);
        }
    }
    threshold
}

/// The histogram that a threshold is found in; floats need a round over the data for their range first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Histogram {
    /// Nothing was seen.
    Empty,
    /// Counts of values by their key in order.
    Integers(BTreeMap<i128, u64>),
    /// Least and greatest value.
    Range(f64, f64),
    /// Counts between the edges.
    Floats { edges: Vec<f64>, counts: Vec<u64> },
}

/// Bins of floats.
const BINS: usize = 256;

impl Histogram {
    /// Adds the valid elements.
    pub(crate) fn add(&mut self, values: &Values<'_>, valid: Option<&[bool]>) {
        let counts = |at: &usize| valid.is_none_or(|valid| valid[*at]);
        if values.is_integer() {
            self.add_integers(values, counts);
            return;
        }
        for_values!(values, |slice| {
            let valid = (0..slice.len()).filter(counts);
            let finite = valid.map(|at| slice[at].to_f64()).filter(|v| v.is_finite());
            match self {
                Histogram::Floats { edges, counts } => {
                    finite.for_each(|value| counts[bin_of(edges, value)] += 1);
                }
                _ => finite.for_each(|value| self.widen(value, value)),
            }
        });
    }

    fn add_integers(&mut self, values: &Values<'_>, valid: impl Fn(&usize) -> bool) {
        if *self == Histogram::Empty {
            *self = Histogram::Integers(BTreeMap::new());
        }
        let Histogram::Integers(histogram) = self else {
            return;
        };
        macro_rules! count {
            ($slice:expr) => {{
                // Narrow ranges are counted in a table, and the table goes into the map.
                let valid = || {
                    (0..$slice.len())
                        .filter(&valid)
                        .map(|at| $slice[at] as i128)
                };
                let (Some(least), Some(most)) = (valid().min(), valid().max()) else {
                    return;
                };
                if most - least < (1 << 16).max($slice.len() as i128) {
                    let mut table = vec![0u64; (most - least + 1) as usize];
                    valid().for_each(|value| table[(value - least) as usize] += 1);
                    let seen = table.iter().enumerate().filter(|(_, count)| **count > 0);
                    seen.for_each(|(at, count)| {
                        *histogram.entry(least + at as i128).or_default() += count;
                    });
                } else {
                    valid().for_each(|value| *histogram.entry(value).or_default() += 1);
                }
            }};
        }
        match values {
            Values::I8(slice) => count!(slice),
            Values::U8(slice) => count!(slice),
            Values::I16(slice) => count!(slice),
            Values::U16(slice) => count!(slice),
            Values::I32(slice) => count!(slice),
            Values::U32(slice) => count!(slice),
            Values::I64(slice) => count!(slice),
            Values::U64(slice) => count!(slice),
            Values::F32(_) | Values::F64(_) => {}
        }
    }

    fn widen(&mut self, least: f64, most: f64) {
        *self = match self {
            Histogram::Range(a, b) => Histogram::Range(a.min(least), b.max(most)),
            _ => Histogram::Range(least, most),
        };
    }

    /// Adds another part of the same round.
    pub(crate) fn merge(&mut self, other: Histogram) {
        match (&mut *self, other) {
            (_, Histogram::Empty) => {}
            (Histogram::Integers(mine), Histogram::Integers(theirs)) => {
                for (value, count) in theirs {
                    *mine.entry(value).or_default() += count;
                }
            }
            (Histogram::Floats { counts: mine, .. }, Histogram::Floats { counts, .. }) => {
                mine.iter_mut().zip(counts).for_each(|(a, b)| *a += b);
            }
            (Histogram::Range(..), Histogram::Range(least, most)) => self.widen(least, most),
            (_, other) => *self = other,
        }
    }

    /// Whether the values are needed once more, to be counted.
    pub(crate) fn again(&mut self) -> bool {
        let Histogram::Range(least, most) = *self else {
            return false;
        };
        if least == most {
            return false;
        }
        let step = (most - least) / BINS as f64;
        let mut edges: Vec<f64> = (0..=BINS).map(|bin| bin as f64 * step + least).collect();
        edges[BINS] = most;
        let counts = vec![0; BINS];
        *self = Histogram::Floats { edges, counts };
        true
    }

    /// Otsu's threshold; NaN of nothing.
    pub(crate) fn threshold(&self) -> f64 {
        let bins: Vec<(f64, u64)> = match self {
            Histogram::Empty => Vec::new(),
            Histogram::Integers(counts) => counts.iter().map(|(v, n)| (*v as f64, *n)).collect(),
            Histogram::Range(least, _) => vec![(*least, 1)],
            Histogram::Floats { edges, counts } => {
                let centres = edges.windows(2).map(|edge| (edge[0] + edge[1]) / 2.0);
                centres.zip(counts.iter().copied()).collect()
            }
        };
        otsu_threshold(&bins)
    }
}

/// The bin of a value between the first and the last edge.
fn bin_of(edges: &[f64], value: f64) -> usize {
    let (first, last) = (edges[0], edges[BINS]);
    let guess = (value - first) / (last - first) * BINS as f64;
    let bin = (guess as usize).min(BINS - 1);
    // The edges decide, not the rounding of the division.
    if value < edges[bin] {
        bin - 1
    } else if bin + 1 < BINS && value >= edges[bin + 1] {
        bin + 1
    } else {
        bin
    }
}

/// Histograms of both datasets.
#[derive(Debug)]
pub(crate) struct Histograms {
    pub(crate) original: Histogram,
    pub(crate) decoded: Histogram,
    /// Whether values are counted, and what only had its range taken was constant.
    counting: bool,
}

fn start(_settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Histograms::new()))
}

impl Histograms {
    pub(crate) fn new() -> Self {
        Self {
            original: Histogram::Empty,
            decoded: Histogram::Empty,
            counting: false,
        }
    }

    pub(crate) fn add_frames(&mut self, frames: &Frames<'_>) {
        let pairs = [
            (&mut self.original, &frames.original),
            (&mut self.decoded, &frames.decoded),
        ];
        for (histogram, values) in pairs {
            let counted = matches!(histogram, Histogram::Floats { .. });
            if counted || !self.counting {
                histogram.add(values, frames.valid);
            }
        }
    }

    /// Whether the values are needed once more for the histograms.
    pub(crate) fn need_again(&mut self) -> bool {
        let original = self.original.again();
        let decoded = self.decoded.again();
        self.counting = original || decoded;
        self.counting
    }
}

impl Accumulator for Histograms {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.add_frames(frames);
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Histograms = same(other);
        self.original.merge(other.original);
        self.decoded.merge(other.decoded);
        Ok(())
    }

    fn again(&mut self) -> Result<bool, Error> {
        Ok(self.need_again())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let original = self.original.threshold();
        let decoded = self.decoded.threshold();
        let mut outcome = Outcome::default();
        outcome.value("otsu_threshold", original);
        outcome.value("otsu_threshold_decoded", decoded);
        outcome.value("otsu_threshold_change", decoded - original);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
