//! What segmentation by Otsu's threshold makes of a chunk before and after: thresholds and the Dice of the masks.
//!
//! The threshold maximises the variance between the two classes, (m_T w − m)² / (w (1 − w)), over a histogram: of every
//! integer value where the chunk's range is below 2²⁰, otherwise of 256 bins over the range with their centres as
//! values. These are the conventions of scikit-image's `threshold_otsu`. A mask is `value > threshold`; NaN, infinities,
//! masked and fill values belong to no mask.

use crate::Layout;
use crate::kernels::quantise::Sample;
use crate::numbers::{ExactValues, load};

const FLOAT_BINS: usize = 256;
const MOST_INTEGER_BINS: f64 = (1u64 << 20) as f64;

/// Thresholds and overlap of the masks of one chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Otsu {
    /// Threshold of the original.
    pub threshold_before: f64,
    /// Threshold derived from the decoded values.
    pub threshold_after: f64,
    /// Dice of the masks of original and decoded values, both at the original's threshold.
    pub dice_frozen: f64,
    /// The same, with the decoded values at their own threshold.
    pub dice_derived: f64,
}

/// The original of a comparison.
pub(super) struct Original<T> {
    values: Vec<T>,
    threshold: f64,
}

impl<T: Sample> Original<T> {
    pub(super) fn new(layout: &Layout, bytes: &[u8], exact: &ExactValues<T>) -> Self {
        let mut values = vec![T::default(); bytes.len() / T::BYTES];
        load(bytes, layout.element.order, &mut values);
        Self {
            threshold: threshold(&values, exact),
            values,
        }
    }

    pub(super) fn compare(&self, decoded: &[T], exact: &ExactValues<T>) -> Otsu {
        let after = threshold(decoded, exact);
        Otsu {
            threshold_before: self.threshold,
            threshold_after: after,
            dice_frozen: dice(&self.values, self.threshold, decoded, self.threshold, exact),
            dice_derived: dice(&self.values, self.threshold, decoded, after, exact),
        }
    }
}

/// Otsu's threshold; 0 where there is no value.
fn threshold<T: Sample>(values: &[T], exact: &ExactValues<T>) -> f64 {
    let kept = || {
        let kept = values.iter().filter(|value| !exact.contains(**value));
        kept.map(|value| value.to_f64())
    };
    let (low, high) = kept().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let span = high - low;
    if span <= 0.0 || !span.is_finite() {
        return if low.is_finite() { low } else { 0.0 };
    }
    if !T::FLOAT && span < MOST_INTEGER_BINS {
        let mut counts = vec![0u64; span as usize + 1];
        kept().for_each(|value| counts[(value - low) as usize] += 1);
        return low + best_split(&counts) as f64;
    }
    let width = span / FLOAT_BINS as f64;
    let mut counts = vec![0u64; FLOAT_BINS];
    kept().for_each(|value| {
        counts[(((value - low) / width) as usize).min(FLOAT_BINS - 1)] += 1;
    });
    low + (best_split(&counts) as f64 + 0.5) * width
}

/// The last bin of the lower class where the variance between the classes is largest; the first of equals.
fn best_split(counts: &[u64]) -> usize {
    let weighted = |(bin, &count): (usize, &u64)| bin as f64 * count as f64;
    let total: u64 = counts.iter().sum();
    let moment: f64 = counts.iter().enumerate().map(weighted).sum();
    let (mut below, mut moment_below) = (0, 0.0);
    let (mut best, mut largest) = (0, -1.0);
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        below += count;
        moment_below += weighted((bin, count));
        if below == total {
            break; // no class above
        }
        let (lower, upper) = (below as f64, (total - below) as f64);
        let distance = moment_below / lower - (moment - moment_below) / upper;
        let between = lower * upper * distance * distance;
        if between > largest {
            (best, largest) = (bin, between);
        }
    }
    best
}

/// 2 |A ∩ B| / (|A| + |B|) of two masks; 1 where both are empty.
fn dice<T: Sample>(
    before: &[T],
    threshold_before: f64,
    after: &[T],
    threshold_after: f64,
    exact: &ExactValues<T>,
) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (&before, &after) in before.iter().zip(after) {
        let a = before.to_f64() > threshold_before && !exact.contains(before);
        let b = after.to_f64() > threshold_after && !exact.contains(after);
        both += u64::from(a && b);
        sum += u64::from(a) + u64::from(b);
    }
    if sum == 0 {
        return 1.0;
    }
    2.0 * both as f64 / sum as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    #[test]
    fn thresholds_are_those_of_scikit_image() {
        // skimage.filters.threshold_otsu(np.arange(4000) % 97 + 150 * (np.arange(4000) % 3 == 0)) of 0.26.0: 96
        let values: Vec<u16> = (0..4000u32)
            .map(|i| (i % 97 + 150 * u32::from(i % 3 == 0)) as u16)
            .collect();
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![4000]);
        let exact = ExactValues::new(&"quantise:otsu=1".parse().unwrap(), &layout).unwrap();
        assert_eq!(threshold(&values, &exact), 96.0);
    }
}
