//! Loops of the linear predictor: weighted sums of neighbours, expected spread, and residuals to symbols and back.
//!
//! All arithmetic is on `i32` and wraps, so that encoder and decoder agree on every CPU and whatever a damaged payload
//! says. Slices that are read or written in blocks are as long as [`padded`] says; what lies beyond the numbers of a
//! line is computed and never used.
//!
//! In pseudo-code, for every number x of a line, with neighbours f and spreads a of the neighbours' residuals:
//!
//! ```text
//! prediction = base + ((bias + Σ weight · f) >> shift)
//! residual   = x − prediction, its sign turned where the model has sides and bit shift − 1 of the sum is set;  low = its low bits;  z = zigzag of the others;  symbol = z, or a bucket of large z
//! bin        = logarithm of the expected spread (Σ weight · a) >> 10, eight bins to an octave
//! ```

use super::predict_expect::Cell;
use crate::kernels::levels::{Level, levels};

/// Numbers that are computed at once.
pub(crate) const BLOCK: usize = 32;
/// Bins of expected spread.
pub(crate) const BINS: usize = 128;
/// Symbols that stand for themselves; symbol `DIRECT + j` is a bucket of 2^j numbers.
pub(crate) const DIRECT: u32 = 96;
/// Residuals have a spread of up to here, in units of 1/16 of the step of a symbol.
pub(super) const LARGEST_SPREAD: i32 = 32767;
/// Fraction bits of the weights of spreads.
pub(super) const SPREAD_SHIFT: u32 = 10;

/// The length of a slice that holds `len` numbers and is read in blocks.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(BLOCK)
}

/// Fraction bits of the weighted sums that [`sides`] takes.
pub(crate) const SIDE_BITS: u32 = 4;

#[inline(always)]
fn sides_kernel<C: Cell>(
    base: &[C],
    center: i32,
    predictions: &mut [i32],
    sides: &mut [i32],
    distances: &mut [C],
) {
    let out = sides.iter_mut().zip(distances);
    for ((prediction, (side, distance)), &base) in predictions.iter_mut().zip(out).zip(base) {
        let sum = *prediction;
        *side = -(sum >> (SIDE_BITS - 1) & 1);
        *distance = C::of((2 * (sum & ((1 << SIDE_BITS) - 1)) - ((1 << SIDE_BITS) - 1)).abs());
        let base = base.get().wrapping_add(center);
        *prediction = base.wrapping_add(sum >> SIDE_BITS);
    }
}
levels!(
    /// Predictions of weighted sums that have [`SIDE_BITS`] fraction bits; their sides, −1 where the sum is not below the
    /// middle of its step, otherwise 0; and their distances from that middle, in 1/32 of a step. Cells of the base lack the
    /// center.
    pub(crate) fn sides<C: Cell>(base: &[C], center: i32, predictions: &mut [i32], sides: &mut [i32], distances: &mut [C]) = sides_kernel
);

#[inline(always)]
fn mirror_kernel(predictions: &[i32], sides: &[i32], numbers: &mut [i32]) {
    for ((x, &prediction), &side) in numbers.iter_mut().zip(predictions).zip(sides) {
        let residual = x.wrapping_sub(prediction);
        *x = prediction.wrapping_add((residual ^ side).wrapping_sub(side));
    }
}
levels!(
    /// Turns the sign of residuals whose side is −1; doing it twice changes nothing.
    pub(crate) fn mirror(predictions: &[i32], sides: &[i32], numbers: &mut [i32]) = mirror_kernel
);

/// Numbers up to here have a root within the largest spread.
pub(super) const LARGEST_SQUARE: i32 = (1 << 22) - 1;
/// 2²³: adding it to an f32 below rounds that to an integer, ties to even, and leaves it in the low bits.
pub(super) const ROUND: f32 = 8_388_608.0;

/// 16 √max(x, 0), rounded down.
///
/// f32 holds 256 x exactly and rounds its root correctly, and rounding that to an integer gives the one below or the one
/// above: the square tells.
#[inline(always)]
pub(crate) fn root(x: i32) -> i32 {
    let x = x.clamp(0, LARGEST_SQUARE);
    let rounded = ((x as f32) * 256.0).sqrt() + ROUND;
    let root = (rounded.to_bits() & 0xffff) as i32;
    root - i32::from(root * root > x << 8)
}

/// Eight bins to an octave.
#[inline(always)]
pub(super) fn bin(sum: i32) -> u8 {
    // Below 2²⁴ a float has the bits of the integer: its exponent is the logarithm.
    let z = (sum >> SPREAD_SHIFT).max(0) + 8;
    let eighths = ((z as f32).to_bits() >> 20) as i32 - ((127 + 3) << 3);
    eighths.min(BINS as i32 - 1) as u8
}

/// Spread of a residual in units of 2^(low_bits − 4).
#[inline(always)]
pub(crate) fn spread(residual: i32, low_bits: u32) -> i32 {
    let magnitude = residual.unsigned_abs();
    let scaled = if low_bits >= 4 {
        magnitude >> (low_bits - 4)
    } else {
        magnitude.min(LARGEST_SPREAD as u32) << (4 - low_bits)
    };
    scaled.min(LARGEST_SPREAD as u32) as i32
}

/// What a line leaves for the lines after it.
pub(crate) struct Left<'a, C> {
    /// The numbers without `center`, their distance from the prediction limited.
    pub values: &'a mut [C],
    pub center: i32,
    /// Spreads of the residuals, or nothing.
    pub spreads: &'a mut [C],
}

#[inline(always)]
pub(super) fn leave_kernel<C: Cell>(
    numbers: &[i32],
    predictions: &[i32],
    limit: i32,
    low_bits: u32,
    left: Left<C>,
) -> bool {
    let Left {
        values,
        center,
        spreads,
    } = left;
    let mut lost = 0;
    let limited = |x: i32, prediction: i32| x.wrapping_sub(prediction).clamp(-limit, limit);
    let mut cell = |residual: i32, prediction: i32| {
        let number = prediction.wrapping_add(residual).wrapping_sub(center);
        lost |= number ^ C::of(number).get();
        C::of(number)
    };
    let pairs = numbers.iter().zip(predictions).zip(values.iter_mut());
    if spreads.is_empty() {
        for ((&x, &prediction), value) in pairs {
            *value = cell(limited(x, prediction), prediction);
        }
    } else {
        for (((&x, &prediction), value), left) in pairs.zip(spreads) {
            let residual = limited(x, prediction);
            *value = cell(residual, prediction);
            *left = C::of(spread(residual, low_bits));
        }
    }
    lost == 0
}
levels!(
    pub(super) fn leave_any<C: Cell>(numbers: &[i32], predictions: &[i32], limit: i32, low_bits: u32, left: Left<C>) -> bool
        = leave_kernel
);

/// Values and spreads of a line, from its numbers and their predictions. False where a value is no cell.
pub(crate) fn leave<C: Cell>(
    level: Level,
    numbers: &[i32],
    predictions: &[i32],
    limit: i32,
    low_bits: u32,
    left: Left<C>,
) -> bool {
    let len = numbers.len();
    assert!(predictions.len() == len && left.values.len() == len && limit >= 0);
    assert!(left.spreads.len() == len || left.spreads.is_empty());
    C::leave(level, numbers, predictions, limit, low_bits, left)
}

/// Splits residuals; returns the largest zigzag.
#[inline(always)]
fn split_kernel(
    numbers: &[i32],
    predictions: &[i32],
    low_bits: u32,
    zigzags: &mut [u32],
    symbols: &mut [u8],
    lows: &mut [u32],
) -> u32 {
    let mask = (1u32 << low_bits) - 1;
    let mut largest = 0;
    let pairs = numbers.iter().zip(predictions);
    let out = zigzags.iter_mut().zip(symbols).zip(lows);
    for ((&x, &prediction), ((zigzag, symbol), low)) in pairs.zip(out) {
        let residual = x.wrapping_sub(prediction);
        let high = residual >> low_bits;
        let z = ((high << 1) ^ (high >> 31)) as u32;
        *zigzag = z;
        *symbol = z.min(255) as u8;
        *low = residual as u32 & mask;
        largest = largest.max(z);
    }
    largest
}
levels!(
    /// Residuals to zigzags, symbols that hold those below 255, and low bits, of which there are at most 31. Returns
    /// the largest zigzag.
    pub(crate) fn split(numbers: &[i32], predictions: &[i32], low_bits: u32, zigzags: &mut [u32], symbols: &mut [u8], lows: &mut [u32]) -> u32
        = split_kernel
);

/// Low bits of residuals, in as few bytes as hold them.
pub(crate) trait Low: Copy {
    fn bits(self) -> u32;
}
macro_rules! low {
    ($($bytes:literal $type:ty),+) => { $(
        impl Low for [u8; $bytes] {
            #[inline(always)]
            fn bits(self) -> u32 {
                u32::from(<$type>::from_le_bytes(self))
            }
        }
    )+ };
}
low!(1 u8, 2 u16, 4 u32);

impl Low for u32 {
    #[inline(always)]
    fn bits(self) -> u32 {
        self
    }
}

#[inline(always)]
fn join_kernel<L: Low>(
    predictions: &[i32],
    symbols: &[u8],
    lows: &[L],
    low_bits: u32,
    numbers: &mut [i32],
) -> u8 {
    let mut largest = 0;
    let parts = symbols.iter().zip(lows);
    for ((&prediction, (&symbol, &low)), x) in predictions.iter().zip(parts).zip(numbers) {
        let z = u32::from(symbol);
        let high = (z >> 1) ^ (z & 1).wrapping_neg();
        let residual = (high << low_bits) | low.bits();
        *x = prediction.wrapping_add(residual as i32);
        largest = largest.max(symbol);
    }
    largest
}
levels!(
    /// Numbers from predictions, symbols that stand for themselves, and low bits. Returns the largest symbol.
    pub(crate) fn join<L: Low>(predictions: &[i32], symbols: &[u8], lows: &[L], low_bits: u32, numbers: &mut [i32]) -> u8
        = join_kernel
);

#[inline(always)]
fn join_high_kernel(predictions: &[i32], symbols: &[u8], numbers: &mut [i32]) -> u8 {
    let mut largest = 0;
    for ((&prediction, &symbol), x) in predictions.iter().zip(symbols).zip(numbers) {
        let z = u32::from(symbol);
        *x = prediction.wrapping_add(((z >> 1) ^ (z & 1).wrapping_neg()) as i32);
        largest = largest.max(symbol);
    }
    largest
}
levels!(
    /// [`join`] where there are no low bits.
    pub(crate) fn join_high(predictions: &[i32], symbols: &[u8], numbers: &mut [i32]) -> u8
        = join_high_kernel
);

/// A fifth, as a multiple of 2^-8.
pub(super) const MEAN_OF_FIVE: i32 = 51;
pub(super) const MEAN_SHIFT: u32 = 8;

#[inline(always)]
pub(super) fn blur_kernel<C: Cell>(spreads: &[C], averages: &mut [C]) {
    let len = averages.len();
    // Five slices of one length: the compiler then adds them up lane by lane.
    let [a, b, c, d, e] = std::array::from_fn(|shift| &spreads[shift..shift + len]);
    for i in 0..len {
        let sum = a[i].get() + b[i].get() + c[i].get() + d[i].get() + e[i].get();
        let average = averages[i].get();
        let mean = (MEAN_OF_FIVE * sum) >> MEAN_SHIFT;
        averages[i] = C::of(average + ((mean - average + 2) >> 2));
    }
}
levels!(
    pub(super) fn blur_any<C: Cell>(spreads: &[C], averages: &mut [C]) = blur_kernel
);

/// Moves each average a quarter of the way to the mean of five spreads, of which the first is two before it.
pub(crate) fn blur<C: Cell>(level: Level, spreads: &[C], averages: &mut [C]) {
    C::blur(level, spreads, averages);
}

#[inline(always)]
fn average_kernel<C: Cell, A: Cell>(
    numbers: &[C],
    fraction_bits: u32,
    gain: i32,
    averages: &mut [A],
) {
    for (&x, average) in numbers.iter().zip(averages) {
        let old = average.get();
        let distance = (x.get() << fraction_bits).wrapping_sub(old);
        let step = distance.wrapping_mul(gain).wrapping_add(128) >> 8;
        *average = A::of(old.wrapping_add(step));
    }
}
levels!(
    /// Moves each average `gain` / 256 of the way to its number, which has `fraction_bits` fewer fraction bits.
    pub(crate) fn average<C: Cell, A: Cell>(numbers: &[C], fraction_bits: u32, gain: i32, averages: &mut [A]) = average_kernel
);

#[inline(always)]
fn rounded_kernel<C: Cell>(averages: &[i32], fraction_bits: u32, numbers: &mut [C]) {
    let half = (1 << fraction_bits) >> 1;
    for (&average, x) in averages.iter().zip(numbers) {
        *x = C::of(average.wrapping_add(half) >> fraction_bits);
    }
}
levels!(
    /// Averages without their fraction bits, rounded.
    pub(crate) fn rounded<C: Cell>(averages: &[i32], fraction_bits: u32, numbers: &mut [C]) = rounded_kernel
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_of_integer_arithmetic() {
        let near = |x: i64| [x - 1, x, x + 1];
        let squares = (0..=2048i64).flat_map(|i| near(i * i));
        let others = (0..3000i64).map(|i| i * i * 37 % 4_400_000);
        let numbers: Vec<i32> = squares.chain(others).map(|x| x as i32).collect();
        let expected = |x: i32| (256 * u64::from(x.clamp(0, LARGEST_SQUARE) as u32)).isqrt() as i32;
        assert!(numbers.iter().all(|&x| root(x) == expected(x)));
    }

    /// Numbers of all magnitudes.
    fn numbers(len: usize, seed: u32) -> Vec<i32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        (0..len).map(|_| next() as i32 >> (next() >> 27)).collect()
    }

    /// What a line leaves, and averages of the spreads, as numbers.
    fn left<C: Cell>(level: Level, len: usize, limit: i32, low_bits: u32) -> [Vec<i32>; 3] {
        let center = 9000;
        let small = |seed: u32| numbers(len, seed).into_iter().map(|x| x % 10_000 + center);
        let (x, predictions): (Vec<i32>, Vec<i32>) = (small(5).collect(), small(6).collect());
        let (mut values, mut spreads) = (vec![C::default(); len], vec![C::default(); len]);
        let left = Left {
            values: &mut values,
            center,
            spreads: &mut spreads,
        };
        assert!(leave(level, &x, &predictions, limit, low_bits, left));
        let mut averages: Vec<C> = numbers(len.saturating_sub(4), 9)
            .into_iter()
            .map(|x| C::of(x & 0x7fff))
            .collect();
        blur(level, &spreads, &mut averages);
        [values, spreads, averages].map(|cells| cells.into_iter().map(C::get).collect())
    }

    #[test]
    fn cells_of_both_widths_leave_the_same_at_every_level() {
        for (len, limit, low_bits) in [(4, 9, 0), (37, 2000, 3), (64, i32::MAX, 4), (135, 700, 9)] {
            let mut expected = left::<i32>(Level::SCALAR, len, limit, low_bits);
            expected[0]
                .iter_mut()
                .for_each(|value| *value = i32::from(*value as i16));
            for level in Level::available() {
                assert!(
                    left::<i32>(level, len, limit, low_bits) == expected,
                    "{level:?} {len}"
                );
                assert!(
                    left::<i16>(level, len, limit, low_bits) == expected,
                    "{level:?} {len}"
                );
            }
        }
        for level in Level::available() {
            for far in [0, 31, 40] {
                let mut x = [0; 41];
                x[far] = 40_000;
                let left = Left {
                    values: &mut [0i16; 41],
                    center: 0,
                    spreads: &mut [0; 41],
                };
                assert!(
                    !leave(level, &x, &[0; 41], i32::MAX, 2, left),
                    "{level:?} {far}"
                );
            }
        }
    }

    #[test]
    fn every_level_gives_the_same() {
        for len in [0usize, 1, 15, 16, 17, 33, 130] {
            let run = |level: Level| {
                let predictions = numbers(len, 3);
                let x = numbers(len, 77);
                let (mut values, mut spreads) = (vec![0; len], vec![0; len]);
                let left = Left {
                    values: &mut values,
                    center: 5,
                    spreads: &mut spreads,
                };
                assert!(leave::<i32>(level, &x, &predictions, 1 << 20, 3, left));
                let (mut zigzags, mut symbols) = (vec![0; len], vec![0; len]);
                let mut lows = vec![0; len];
                let largest = split(
                    level,
                    &x,
                    &predictions,
                    5,
                    &mut zigzags,
                    &mut symbols,
                    &mut lows,
                );
                let mut back = vec![0; len];
                join(level, &predictions, &symbols, &lows, 5, &mut back);
                let mut averages = vec![5; len.saturating_sub(4)];
                if len >= 4 {
                    blur(level, &spreads, &mut averages);
                }
                average(
                    level,
                    &x,
                    4,
                    85,
                    &mut lows.iter().map(|&low| low as i32).collect::<Vec<_>>(),
                );
                (values, spreads, zigzags, symbols, largest, back, averages)
            };
            let expected = run(Level::SCALAR);
            for level in Level::available() {
                assert!(run(level) == expected, "{level:?} {len}");
            }
            let (_, _, zigzags, symbols, _, back, _) = expected;
            let (predictions, x) = (numbers(len, 3), numbers(len, 77));
            for i in 0..len {
                let residual = x[i].wrapping_sub(predictions[i]) >> 5;
                assert_eq!(zigzags[i], ((residual << 1) ^ (residual >> 31)) as u32);
                assert!(symbols[i] == 255 || back[i] == x[i]);
            }
        }
    }

    #[test]
    fn sides_are_those_of_the_sum_at_every_level() {
        for len in [0usize, 1, 15, 16, 17, 33, 130] {
            let (sums, base, x) = (numbers(len, 3), numbers(len, 5), numbers(len, 7));
            for level in Level::available() {
                let (mut predictions, mut found) = (sums.clone(), vec![0; len]);
                let mut distances = vec![0; len];
                sides(
                    level,
                    &base,
                    0,
                    &mut predictions,
                    &mut found,
                    &mut distances,
                );
                let mut mirrored = x.clone();
                mirror(level, &predictions, &found, &mut mirrored);
                for i in 0..len {
                    let sixteenths = sums[i].rem_euclid(16);
                    assert_eq!(predictions[i], base[i].wrapping_add(sums[i].div_euclid(16)));
                    assert_eq!(found[i], if sixteenths < 8 { 0 } else { -1 });
                    assert_eq!(distances[i], (2 * sixteenths - 15).abs());
                    let residual = x[i].wrapping_sub(predictions[i]);
                    let turned = if sixteenths < 8 {
                        residual
                    } else {
                        residual.wrapping_neg()
                    };
                    assert_eq!(
                        mirrored[i].wrapping_sub(predictions[i]),
                        turned,
                        "{level:?} {len}"
                    );
                }
                mirror(level, &predictions, &found, &mut mirrored);
                assert!(mirrored == x);
            }
        }
    }
}
