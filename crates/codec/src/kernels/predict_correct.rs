//! A whole line from residuals of 16 bits, where spreads are of no interest: predictions, numbers and what is remembered
//! of them in one pass over cells of 16 bits.
//!
//! ```text
//! number     = base + ((bias + Σ weight · tap) >> shift) + residual
//! remembered = the same with the residual limited
//! ```
//!
//! What cells leave out of numbers, the center, is in the base and in the number, so it cancels out.

use super::levels::{Level, levels};
use super::predict::BLOCK;
#[cfg(target_arch = "x86_64")]
use super::predict_expect::is_narrow_faster;
use super::predict_expect::{Expect, MOST_SLICES};

/// Numbers whose distance from the prediction is not limited: that of a residual of 16 bits.
pub(crate) const NO_LIMIT: i32 = 1 << 15;

/// The cells of `len` numbers and, with a limit below [`NO_LIMIT`], of what is remembered. False where one is no cell.
/// Residuals and cells have room for whole blocks; what lies beyond the numbers is of no meaning.
pub(crate) fn correct(
    level: Level,
    e: &Expect<i16>,
    limit: i32,
    residuals: &[i16],
    len: usize,
    numbers: &mut [i16],
    remembered: &mut [i16],
) -> bool {
    let padded = len.next_multiple_of(BLOCK);
    assert!(residuals.len() >= padded && numbers.len() >= padded && e.base.len() >= padded);
    assert!(limit >= NO_LIMIT || (limit >= 0 && remembered.len() >= padded));
    assert!(e.taps.len() == e.weights.len() && e.taps.len() <= MOST_SLICES && e.shift < 32);
    assert!(e.taps.iter().all(|tap| tap.len() >= padded));
    #[cfg(target_arch = "x86_64")]
    if is_narrow_faster(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths have been checked.
        #[allow(unsafe_code)]
        return unsafe {
            super::predict_correct_avx512::correct(e, limit, residuals, len, numbers, remembered)
        };
    }
    correct_any(level, e, limit, residuals, len, numbers, remembered)
}

levels!(
    fn correct_any(e: &Expect<i16>, limit: i32, residuals: &[i16], len: usize, numbers: &mut [i16], remembered: &mut [i16]) -> bool
        = correct_kernel
);

#[inline(always)]
fn correct_kernel(
    e: &Expect<i16>,
    limit: i32,
    residuals: &[i16],
    len: usize,
    numbers: &mut [i16],
    remembered: &mut [i16],
) -> bool {
    let mut lost = 0;
    let mut cell = |number: i32| {
        lost |= number ^ i32::from(number as i16);
        number as i16
    };
    for i in 0..len {
        let products = e.taps.iter().zip(e.weights);
        let sum = products.fold(e.bias, |sum, (tap, weight)| {
            sum.wrapping_add(weight.wrapping_mul(tap[i].into()))
        });
        let prediction = i32::from(e.base[i]).wrapping_add(sum >> e.shift);
        let residual = i32::from(residuals[i]);
        numbers[i] = cell(prediction.wrapping_add(residual));
        if limit < NO_LIMIT {
            remembered[i] = cell(prediction.wrapping_add(residual.clamp(-limit, limit)));
        }
    }
    lost == 0
}

#[inline(always)]
fn residuals_kernel(symbols: &[u8], low_bits: u32, lows: &[u8], residuals: &mut [i16]) -> u8 {
    let mut largest = 0;
    let high = |symbol: u8| {
        let z = i16::from(symbol);
        (z >> 1) ^ -(z & 1)
    };
    if low_bits == 0 {
        for (&symbol, residual) in symbols.iter().zip(residuals) {
            *residual = high(symbol);
            largest = largest.max(symbol);
        }
    } else if low_bits <= 8 {
        for ((&symbol, &low), residual) in symbols.iter().zip(lows).zip(residuals) {
            *residual = high(symbol) << low_bits | i16::from(low);
            largest = largest.max(symbol);
        }
    } else {
        let lows = lows.as_chunks().0;
        for ((&symbol, &low), residual) in symbols.iter().zip(lows).zip(residuals) {
            *residual = high(symbol) << low_bits | i16::from_le_bytes(low);
            largest = largest.max(symbol);
        }
    }
    largest
}
levels!(
    /// Residuals of symbols that stand for themselves and low bits, of which there are at most [`MOST_LOW_BITS`], in a
    /// byte each or, above 8, in two. Returns the largest symbol.
    pub(crate) fn residuals(symbols: &[u8], low_bits: u32, lows: &[u8], residuals: &mut [i16]) -> u8 = residuals_kernel
);

/// With so many low bits residuals of symbols that stand for themselves have 16 bits: 48 · 2⁹ is below 2¹⁵.
pub(crate) const MOST_LOW_BITS: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::predict::DIRECT;

    /// Numbers of all magnitudes up to 13 bits.
    fn cells(len: usize, seed: u32) -> Vec<i16> {
        let mut state = seed.wrapping_mul(77) + 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state as i32 >> 18) >> (state >> 12 & 15)) as i16
        };
        (0..len).map(|_| next()).collect()
    }

    fn run(level: Level, len: usize, count: usize, limit: i32, far: bool) -> [Vec<i16>; 2] {
        let padded = len.next_multiple_of(BLOCK);
        let taps: Vec<Vec<i16>> = (0..count as u32).map(|i| cells(padded + 3, i)).collect();
        let taps: Vec<&[i16]> = taps.iter().map(|tap| &tap[1..]).collect();
        let weights: Vec<i32> = (0..count).map(|i| [300, -17, 9000, -5000][i % 4]).collect();
        let base = cells(padded, 99);
        let mut residuals = cells(padded, 7);
        // Beyond the line there may be anything.
        residuals[len..].fill(i16::MAX);
        if far {
            residuals[len / 2] = if base[len / 2] < 0 {
                i16::MIN
            } else {
                i16::MAX
            };
            residuals[len / 2] -= base[len / 2].signum();
        }
        let e = Expect {
            taps: &taps,
            weights: &weights,
            bias: 99,
            shift: 14,
            base: &base,
            center: 24_000,
            spreads: &[],
            spread_weights: &[],
            spread_bias: 0,
            root: 0,
        };
        let (mut numbers, mut kept) = (vec![0xcc; padded], vec![0xcc; padded]);
        let are_cells = correct(level, &e, limit, &residuals, len, &mut numbers, &mut kept);
        assert!(are_cells != far, "{level:?} {len} {count} {limit}");
        numbers.truncate(len);
        kept.truncate(len);
        [numbers, kept]
    }

    #[test]
    fn every_level_corrects_alike_and_tells_what_is_no_cell() {
        for len in [1, 31, 32, 33, 130] {
            for (count, limit) in [(0, 7), (1, NO_LIMIT), (8, 500), (16, i32::MAX), (34, 0)] {
                let expected = run(Level::SCALAR, len, count, limit, false);
                for level in Level::available() {
                    let found = run(level, len, count, limit, false);
                    assert!(found == expected, "{level:?} {len} {count} {limit}");
                }
            }
        }
        let is_far = |base: i16| base.unsigned_abs() > 200;
        for len in (1..200).filter(|&len| is_far(cells(256, 99)[len / 2])) {
            for level in Level::available() {
                run(level, len, 0, NO_LIMIT, true);
            }
        }
    }

    #[test]
    fn residuals_are_those_of_wider_numbers() {
        let symbols: Vec<u8> = (0..DIRECT as u8).chain(5..40).collect();
        for low_bits in [0, 1, 4, 8, MOST_LOW_BITS] {
            let low = |i: usize| (i * 37) as u32 & ((1 << low_bits) - 1);
            let lows: Vec<u8> = (0..symbols.len())
                .flat_map(|i| low(i).to_le_bytes()[..if low_bits > 8 { 2 } else { 1 }].to_vec())
                .collect();
            let expected = symbols.iter().enumerate().map(|(i, &symbol)| {
                let z = i32::from(symbol);
                ((z >> 1) ^ -(z & 1)) << low_bits | low(i) as i32
            });
            let expected: Vec<i32> = expected.collect();
            for level in Level::available() {
                let mut found = vec![0; symbols.len()];
                let largest = residuals(level, &symbols, low_bits, &lows, &mut found);
                assert_eq!(u32::from(largest), DIRECT - 1);
                let found: Vec<i32> = found.into_iter().map(i32::from).collect();
                assert!(found == expected, "{level:?} {low_bits}");
            }
        }
    }
}
