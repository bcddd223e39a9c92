//! Predictions within the bounds of neighbours, and bins that tell where these are alike.
//!
//! In pseudo-code, for every number of a line with neighbours n:
//!
//! ```text
//! low, high  = smallest and largest n
//! prediction = nearest to it from low to high
//! range      = spread of high − low, as of residuals
//! bin        = range > 0 ? min(bin, 95) : 96 + min(bin / 2, 31)
//! ```

use super::levels::{Level, levels};
use super::predict::{BINS, BLOCK, spread};
use super::predict_expect::{Cell, part};

/// The most neighbours that bound a prediction.
pub(crate) const MOST_BOUNDS: usize = 9;
/// The first bin of numbers whose neighbours are alike; these bins are twice as wide as others.
const FIRST_FLAT: u8 = 96;

/// What predictions are bounded by. All slices are padded.
pub(crate) struct Within<'a, C> {
    /// At least one.
    pub near: &'a [&'a [C]],
    /// What predictions are corrections to.
    pub base: &'a [C],
    /// Of the corrections; where there are some, an integer is half a step above the fraction of zero.
    pub fraction_bits: u32,
    pub low_bits: u32,
}

/// Bounds as many predictions as there is room for.
pub(crate) fn bound<C: Cell>(
    level: Level,
    within: &Within<C>,
    predictions: &mut [i32],
    ranges: &mut [C],
) {
    let len = predictions.len();
    assert!(len.is_multiple_of(BLOCK) && ranges.len() == len && within.base.len() >= len);
    assert!(within.near.iter().all(|near| near.len() >= len) && within.low_bits < 32);
    bound_any(level, within, predictions, ranges);
}

levels!(
    fn bound_any<C: Cell>(within: &Within<C>, predictions: &mut [i32], ranges: &mut [C]) = bound_kernel
);

#[inline(always)]
fn bound_kernel<C: Cell>(within: &Within<C>, predictions: &mut [i32], ranges: &mut [C]) {
    let Some((first, others)) = within.near.split_first() else {
        return;
    };
    let &Within {
        fraction_bits,
        low_bits,
        ..
    } = within;
    let half = (1 << fraction_bits) >> 1;
    let blocks = predictions.as_chunks_mut::<BLOCK>().0.iter_mut();
    for (block, (predictions, ranges)) in blocks.zip(ranges.as_chunks_mut::<BLOCK>().0).enumerate()
    {
        let at = block * BLOCK;
        let mut low: [C; BLOCK] = *part(first, at);
        let mut high = low;
        for other in others {
            let other: &[C; BLOCK] = part(other, at);
            for i in 0..BLOCK {
                low[i] = low[i].min(other[i]);
                high[i] = high[i].max(other[i]);
            }
        }
        let base: &[C; BLOCK] = part(within.base, at);
        for i in 0..BLOCK {
            let (low, high, base) = (low[i].get(), high[i].get(), base[i].get());
            let bound = |x: i32| (x.wrapping_sub(base) << fraction_bits).wrapping_add(half);
            // What wraps may be the wrong way round, which `clamp` does not take.
            predictions[i] = predictions[i].max(bound(low)).min(bound(high));
            ranges[i] = C::of(spread(high.wrapping_sub(low), low_bits));
        }
    }
}

#[inline(always)]
fn set_flat_apart_kernel<C: Cell>(ranges: &[C], bins: &mut [u8]) {
    for (bin, range) in bins.iter_mut().zip(ranges) {
        let flat = FIRST_FLAT + (*bin >> 1).min(BINS as u8 - 1 - FIRST_FLAT);
        let other = (*bin).min(FIRST_FLAT - 1);
        *bin = if range.get() == 0 { flat } else { other };
    }
}
levels!(
    /// Gives numbers whose neighbours are alike bins of their own.
    pub(crate) fn set_flat_apart<C: Cell>(ranges: &[C], bins: &mut [u8]) = set_flat_apart_kernel
);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u32, len: usize, shift: u32) -> Vec<i32> {
        let mut state = seed.wrapping_mul(77) + 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state as i32 >> 16) >> shift
        };
        (0..len).map(|_| next()).collect()
    }

    fn run<C: Cell>(level: Level, len: usize, (count, fraction_bits): (usize, u32)) -> Vec<i32> {
        let cells = |seed: u32| -> Vec<C> {
            let numbers = numbers(seed, len + 3, 12 - 4 * (seed % 3));
            numbers.into_iter().map(C::of).collect()
        };
        let near: Vec<Vec<C>> = (0..count as u32).map(|seed| cells(3 * seed)).collect();
        let near: Vec<&[C]> = near.iter().map(|near| &near[1..]).collect();
        let base = cells(50);
        let within = Within {
            near: &near,
            base: &base,
            fraction_bits,
            low_bits: 3 - fraction_bits.min(3),
        };
        let mut predictions = numbers(99, len, 6);
        let mut ranges = vec![C::of(-1); len];
        let mut bins: Vec<u8> = (0..len).map(|i| (i % BINS) as u8).collect();
        let before = predictions.clone();
        bound(level, &within, &mut predictions, &mut ranges);
        set_flat_apart(level, &ranges, &mut bins);
        for i in 0..len {
            let values = near.iter().map(|near| near[i].get());
            let (low, high) = (values.clone().min().unwrap(), values.max().unwrap());
            let scale = 1 << fraction_bits;
            let bound = |x: i32| (x - base[i].get()) * scale + scale / 2;
            assert_eq!(predictions[i], before[i].clamp(bound(low), bound(high)));
            assert_eq!(ranges[i].get(), spread(high - low, within.low_bits));
            assert_eq!(bins[i] >= FIRST_FLAT, ranges[i].get() == 0);
            assert!(usize::from(bins[i]) < BINS);
        }
        let cells = ranges.iter().map(|range| range.get());
        let bins = bins.iter().map(|&bin| i32::from(bin));
        predictions.into_iter().chain(cells).chain(bins).collect()
    }

    #[test]
    fn predictions_are_within_neighbours_at_every_level_and_in_cells_of_both_widths() {
        for len in [0, BLOCK, 2 * BLOCK, 5 * BLOCK] {
            for kind in [(1, 0), (3, 4), (4, 0), (8, 4), (9, 0)] {
                let expected = run::<i32>(Level::SCALAR, len, kind);
                for level in Level::available() {
                    assert!(run::<i32>(level, len, kind) == expected, "{level:?} {len}");
                    assert!(run::<i16>(level, len, kind) == expected, "{level:?} {len}");
                }
            }
        }
    }

    #[test]
    fn bounds_that_wrap_are_some_number() {
        let (low, high) = (vec![i32::MIN; BLOCK], vec![i32::MAX; BLOCK]);
        let within = Within {
            near: &[&low, &high],
            base: &high,
            fraction_bits: 4,
            low_bits: 0,
        };
        let (mut predictions, mut ranges) = (vec![7; BLOCK], vec![0; BLOCK]);
        bound(Level::best(), &within, &mut predictions, &mut ranges);
        let mut scalar = vec![7; BLOCK];
        bound(Level::SCALAR, &within, &mut scalar, &mut ranges);
        assert_eq!(predictions, scalar);
    }
}
