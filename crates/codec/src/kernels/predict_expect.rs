//! Predictions and expected spreads: two weighted sums for every number of a line, see `predict.rs`.
//!
//! What is remembered of a number is a *cell*: an `i32`, or the `i16` that it is above a `center` where all numbers are
//! so near to each other. Cells of 16 bits are half as long, and processors multiply two pairs of them at once; what
//! comes out is the same.

use super::levels::{InstructionSet, Level, levels};
use super::predict::{self, BLOCK, Left, bin, root};
#[cfg(target_arch = "x86_64")]
use super::{predict_expect_avx512, predict_leave_avx512};

/// Blocks whose sums are formed together, so that a weight is fetched once for all.
const TOGETHER: usize = 2 * BLOCK;
/// The most slices there are for a sum.
pub(super) const MOST_SLICES: usize = 40;

/// A number that is remembered.
pub(crate) trait Cell: Copy + Default + Ord + 'static {
    /// The number.
    fn get(self) -> i32;
    /// The cell of a number, of which high bits may be lost.
    fn of(number: i32) -> Self;
    /// See [`expect`].
    fn expect(level: Level, e: &Expect<Self>, predictions: &mut [i32], bins: &mut [u8]) {
        expect_any(level, e, predictions, bins);
    }
    /// See [`predict::leave`].
    fn leave(
        level: Level,
        numbers: &[i32],
        predictions: &[i32],
        limit: i32,
        low_bits: u32,
        left: Left<Self>,
    ) -> bool {
        predict::leave_any(level, numbers, predictions, limit, low_bits, left)
    }
    /// See [`predict::blur`].
    fn blur(level: Level, spreads: &[Self], averages: &mut [Self]) {
        predict::blur_any(level, spreads, averages);
    }
}

impl Cell for i32 {
    #[inline(always)]
    fn get(self) -> i32 {
        self
    }

    #[inline(always)]
    fn of(number: i32) -> Self {
        number
    }
}

impl Cell for i16 {
    #[inline(always)]
    fn get(self) -> i32 {
        self.into()
    }

    #[inline(always)]
    fn of(number: i32) -> Self {
        number as Self
    }

    fn expect(level: Level, e: &Expect<Self>, predictions: &mut [i32], bins: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if is_narrow_faster(level) {
            // SAFETY: `level` exists, so the CPU has the instructions; `expect` has checked the lengths.
            #[allow(unsafe_code)]
            unsafe {
                predict_expect_avx512::expect(e, predictions, bins);
            }
            return;
        }
        expect_any(level, e, predictions, bins);
    }

    fn leave(
        level: Level,
        numbers: &[i32],
        predictions: &[i32],
        limit: i32,
        low_bits: u32,
        left: Left<Self>,
    ) -> bool {
        #[cfg(target_arch = "x86_64")]
        if is_narrow_faster(level) && !left.spreads.is_empty() {
            // SAFETY: `level` exists, so the CPU has the instructions.
            #[allow(unsafe_code)]
            return unsafe {
                predict_leave_avx512::leave(numbers, predictions, limit, low_bits, left)
            };
        }
        predict::leave_any(level, numbers, predictions, limit, low_bits, left)
    }

    fn blur(level: Level, spreads: &[Self], averages: &mut [Self]) {
        #[cfg(target_arch = "x86_64")]
        if is_narrow_faster(level) {
            // SAFETY: `level` exists, so the CPU has the instructions.
            #[allow(unsafe_code)]
            unsafe {
                predict_leave_avx512::blur(spreads, averages);
            }
            return;
        }
        predict::blur_any(level, spreads, averages);
    }
}

/// Whether cells of 16 bits are faster than those of 32: where an instruction adds up their products in pairs.
pub(crate) fn is_narrow_faster(level: Level) -> bool {
    level.instruction_set() == InstructionSet::Avx512Gfni
}

/// What a line is predicted from. All slices are padded, and weights have 16 bits.
pub(crate) struct Expect<'a, C> {
    pub taps: &'a [&'a [C]],
    pub weights: &'a [i32],
    pub bias: i32,
    pub shift: u32,
    pub base: &'a [C],
    /// What cells leave out of numbers.
    pub center: i32,
    pub spreads: &'a [&'a [C]],
    pub spread_weights: &'a [i32],
    pub spread_bias: i32,
    /// Which of the spreads is the root of the prediction; the slice in its place is not looked at. Where there are no
    /// spreads, bins stay as they are.
    pub root: usize,
}

/// `prediction = base + center + ((bias + Σ weight · tap) >> shift)` and the bins of the expected spread, of as many
/// numbers as there is room for.
pub(crate) fn expect<C: Cell>(
    level: Level,
    e: &Expect<C>,
    predictions: &mut [i32],
    bins: &mut [u8],
) {
    let len = bins.len();
    assert!(len.is_multiple_of(BLOCK) && predictions.len() == len && e.base.len() >= len);
    assert!(e.taps.len() == e.weights.len() && e.taps.len() <= MOST_SLICES && e.shift < 32);
    assert!(e.spreads.len() == e.spread_weights.len() && e.spreads.len() <= MOST_SLICES);
    assert!(e.taps.iter().all(|tap| tap.len() >= len));
    assert!(e.spreads.is_empty() || e.root < e.spreads.len());
    let mut others = e.spreads.iter().enumerate();
    assert!(others.all(|(place, spreads)| place == e.root || spreads.len() >= len));
    C::expect(level, e, predictions, bins);
}

levels!(
    fn expect_any<C: Cell>(e: &Expect<C>, predictions: &mut [i32], bins: &mut [u8]) = expect_kernel
);

#[inline(always)]
fn expect_kernel<C: Cell>(e: &Expect<C>, predictions: &mut [i32], bins: &mut [u8]) {
    let mut at = 0;
    while at + TOGETHER <= bins.len() {
        expect_part::<C, TOGETHER>(e, predictions, bins, at);
        at += TOGETHER;
    }
    if at < bins.len() {
        expect_part::<C, BLOCK>(e, predictions, bins, at);
    }
}

/// The `N` predictions and bins from `at` on.
#[inline(always)]
fn expect_part<C: Cell, const N: usize>(
    e: &Expect<C>,
    predictions: &mut [i32],
    bins: &mut [u8],
    at: usize,
) {
    let mut sums = [e.bias; N];
    for (tap, &weight) in e.taps.iter().zip(e.weights) {
        add(&mut sums, part(tap, at), weight);
    }
    let (base, predictions) = (part::<C, N>(e.base, at), &mut predictions[at..at + N]);
    let mut roots = [0; N];
    for i in 0..N {
        let prediction = base[i].get().wrapping_add(e.center);
        predictions[i] = prediction.wrapping_add(sums[i] >> e.shift);
        roots[i] = root(predictions[i]);
    }
    if !e.spreads.is_empty() {
        bins_part(e, &roots, bins, at);
    }
}

/// The `N` bins from `at` on.
#[inline(always)]
fn bins_part<C: Cell, const N: usize>(e: &Expect<C>, roots: &[i32; N], bins: &mut [u8], at: usize) {
    let mut sums = [e.spread_bias; N];
    for (place, (spreads, &weight)) in e.spreads.iter().zip(e.spread_weights).enumerate() {
        if place == e.root {
            add(&mut sums, roots, weight);
        } else {
            add(&mut sums, part(spreads, at), weight);
        }
    }
    for (place, sum) in bins[at..at + N].iter_mut().zip(sums) {
        *place = bin(sum);
    }
}

/// The bins alone, of predictions that are known.
pub(crate) fn expected_bins<C: Cell>(
    level: Level,
    e: &Expect<C>,
    predictions: &[i32],
    bins: &mut [u8],
) {
    assert!(bins.len().is_multiple_of(BLOCK) && predictions.len() == bins.len());
    bins_any(level, e, predictions, bins);
}

levels!(
    fn bins_any<C: Cell>(e: &Expect<C>, predictions: &[i32], bins: &mut [u8]) = bins_kernel
);

#[inline(always)]
fn bins_kernel<C: Cell>(e: &Expect<C>, predictions: &[i32], bins: &mut [u8]) {
    let (blocks, _) = predictions.as_chunks::<BLOCK>();
    for (index, predictions) in blocks.iter().enumerate() {
        bins_part(e, &predictions.map(root), bins, index * BLOCK);
    }
}

#[inline(always)]
pub(super) fn part<C, const N: usize>(cells: &[C], at: usize) -> &[C; N] {
    cells[at..].first_chunk().expect("padded")
}

/// Adds `weight · tap` to sums.
#[inline(always)]
fn add<C: Cell, const N: usize>(sums: &mut [i32; N], tap: &[C; N], weight: i32) {
    for i in 0..N {
        sums[i] = sums[i].wrapping_add(weight.wrapping_mul(tap[i].get()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of all magnitudes up to 16 bits.
    fn cells(len: usize, seed: u32, least: i16) -> Vec<i16> {
        let mut state = seed.wrapping_mul(77) + 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state as i32 >> 16) >> (state >> 12 & 15)) as i16
        };
        (0..len).map(|_| next().max(least)).collect()
    }

    fn run<C: Cell>(level: Level, len: usize, count: usize, shift: u32) -> (Vec<i32>, Vec<u8>) {
        let slices = |count: usize, seed: u32, least: i16| -> Vec<Vec<C>> {
            let cells = (0..count).map(|i| cells(len + 3, seed + i as u32, least));
            cells
                .map(|cells| cells.into_iter().map(|x| C::of(x.into())).collect())
                .collect()
        };
        let (taps, spreads) = (slices(count, 5, i16::MIN), slices(1 + count % 8, 50, 0));
        let unaligned = |slices: &'static [Vec<C>]| -> Vec<&'static [C]> {
            slices.iter().map(|slice| &slice[1..]).collect()
        };
        let (taps, spreads) = (unaligned(Vec::leak(taps)), unaligned(Vec::leak(spreads)));
        let weight = |i: usize| [300, -17, 32767, -32768, 1, 999, -5000][i % 7];
        let weights: Vec<i32> = (0..count).map(weight).collect();
        let spread_weights: Vec<i32> = (0..spreads.len()).map(|i| weight(i + 3) / 16).collect();
        let zeros = vec![C::default(); len];
        let e = Expect {
            taps: &taps,
            weights: &weights,
            bias: 99 - count as i32,
            shift,
            base: taps.first().unwrap_or(&&zeros[..]),
            center: 24_000,
            spreads: &spreads,
            spread_weights: &spread_weights,
            spread_bias: 700,
            root: spreads.len() - 1 - usize::from(spreads.len() > 3),
        };
        let (mut predictions, mut bins) = (vec![0; len], vec![0xcc; len]);
        expect(level, &e, &mut predictions, &mut bins);
        let mut alone = vec![0xcc; len];
        expected_bins(level, &e, &predictions, &mut alone);
        assert!(alone == bins, "bins alone, {level:?} {len} {count}");
        (predictions, bins)
    }

    #[test]
    fn cells_of_both_widths_give_the_same_at_every_level() {
        for len in [0, BLOCK, 2 * BLOCK, 3 * BLOCK, 5 * BLOCK] {
            for (count, shift) in [(0, 0), (1, 14), (2, 5), (8, 14), (13, 9), (34, 14)] {
                let expected = run::<i32>(Level::SCALAR, len, count, shift);
                for level in Level::available() {
                    let wide = run::<i32>(level, len, count, shift);
                    let narrow = run::<i16>(level, len, count, shift);
                    assert!(wide == expected, "{level:?} {len} {count}");
                    assert!(narrow == expected, "narrow, {level:?} {len} {count}");
                }
            }
        }
    }
}
