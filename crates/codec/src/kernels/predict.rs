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

use crate::kernels::levels::levels;

/// Numbers that are computed at once.
pub(crate) const BLOCK: usize = 16;
/// Bins of expected spread.
pub(crate) const BINS: usize = 128;
/// Symbols that stand for themselves; symbol `DIRECT + j` is a bucket of 2^j numbers.
pub(crate) const DIRECT: u32 = 96;
/// Residuals have a spread of up to here, in units of 1/16 of the step of a symbol.
const LARGEST_SPREAD: i32 = 32767;
/// Fraction bits of the weights of spreads.
const SPREAD_SHIFT: u32 = 10;

/// The length of a slice that holds `len` numbers and is read in blocks.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(BLOCK)
}

/// Blocks whose sums are formed together, so that a weight is fetched once for all.
const TOGETHER: usize = 4 * BLOCK;

#[inline(always)]
fn part<const N: usize>(numbers: &[i32], at: usize) -> &[i32; N] {
    numbers[at..].first_chunk().expect("padded")
}

/// `start + Σ weight · tap`, of the numbers from `at` on.
#[inline(always)]
fn sums<const N: usize>(taps: &[&[i32]], weights: &[i32], start: i32, at: usize) -> [i32; N] {
    let mut sums = [start; N];
    for (tap, &weight) in taps.iter().zip(weights) {
        let tap = part::<N>(tap, at);
        for i in 0..N {
            sums[i] = sums[i].wrapping_add(weight.wrapping_mul(tap[i]));
        }
    }
    sums
}

#[inline(always)]
fn predict_kernel(
    taps: &[&[i32]],
    weights: &[i32],
    bias: i32,
    shift: u32,
    base: &[i32],
    out: &mut [i32],
) {
    let mut at = 0;
    while at + TOGETHER <= out.len() {
        predict_part::<TOGETHER>(taps, weights, bias, shift, base, (out, at));
        at += TOGETHER;
    }
    if at + TOGETHER / 2 <= out.len() {
        predict_part::<{ TOGETHER / 2 }>(taps, weights, bias, shift, base, (out, at));
        at += TOGETHER / 2;
    }
    if at < out.len() {
        predict_part::<BLOCK>(taps, weights, bias, shift, base, (out, at));
    }
}

/// The `N` predictions from `at` on.
#[inline(always)]
fn predict_part<const N: usize>(
    taps: &[&[i32]],
    weights: &[i32],
    bias: i32,
    shift: u32,
    base: &[i32],
    (out, at): (&mut [i32], usize),
) {
    let sums = sums::<N>(taps, weights, bias, at);
    let (base, out) = (part::<N>(base, at), &mut out[at..at + N]);
    for i in 0..N {
        out[i] = base[i].wrapping_add(sums[i] >> shift);
    }
}
levels!(
    /// `out = base + ((bias + Σ weight · tap) >> shift)`; all slices but the weights padded.
    pub(crate) fn predict(taps: &[&[i32]], weights: &[i32], bias: i32, shift: u32, base: &[i32], out: &mut [i32])
        = predict_kernel
);

/// Fraction bits of the weighted sums that [`sides`] takes.
pub(crate) const SIDE_BITS: u32 = 4;

#[inline(always)]
fn sides_kernel(base: &[i32], predictions: &mut [i32], sides: &mut [i32], distances: &mut [i32]) {
    let out = sides.iter_mut().zip(distances);
    for ((prediction, (side, distance)), &base) in predictions.iter_mut().zip(out).zip(base) {
        let sum = *prediction;
        *side = -(sum >> (SIDE_BITS - 1) & 1);
        *distance = (2 * (sum & ((1 << SIDE_BITS) - 1)) - ((1 << SIDE_BITS) - 1)).abs();
        *prediction = base.wrapping_add(sum >> SIDE_BITS);
    }
}
levels!(
    /// Predictions of weighted sums that have [`SIDE_BITS`] fraction bits; their sides, −1 where the sum is not below the
    /// middle of its step, otherwise 0; and their distances from that middle, in 1/32 of a step.
    pub(crate) fn sides(base: &[i32], predictions: &mut [i32], sides: &mut [i32], distances: &mut [i32]) = sides_kernel
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
const LARGEST_SQUARE: i32 = (1 << 22) - 1;
/// 2²³: adding it to an f32 below rounds that to an integer, ties to even, and leaves it in the low bits.
const ROUND: f32 = 8_388_608.0;

/// 16 √max(x, 0), rounded down.
///
/// f32 holds 256 x exactly and rounds its root correctly, and rounding that to an integer gives the one below or the one
/// above: the square tells.
#[inline(always)]
fn root(x: i32) -> i32 {
    let x = x.clamp(0, LARGEST_SQUARE);
    let rounded = ((x as f32) * 256.0).sqrt() + ROUND;
    let root = (rounded.to_bits() & 0xffff) as i32;
    root - i32::from(root * root > x << 8)
}

#[inline(always)]
fn roots_kernel(numbers: &[i32], roots: &mut [i32]) {
    for (root_of, &x) in roots.iter_mut().zip(numbers) {
        *root_of = root(x);
    }
}
levels!(
    /// `roots = 16 √max(x, 0)`, rounded down and limited.
    pub(crate) fn roots(numbers: &[i32], roots: &mut [i32]) = roots_kernel
);

/// Eight bins to an octave.
#[inline(always)]
fn bin(sum: i32) -> u8 {
    // Below 2²⁴ a float has the bits of the integer: its exponent is the logarithm.
    let z = (sum >> SPREAD_SHIFT).max(0) + 8;
    let eighths = ((z as f32).to_bits() >> 20) as i32 - ((127 + 3) << 3);
    eighths.min(BINS as i32 - 1) as u8
}

#[inline(always)]
fn bins_kernel(taps: &[&[i32]], weights: &[i32], bias: i32, bins: &mut [u8]) {
    let mut at = 0;
    while at + TOGETHER <= bins.len() {
        bins_part::<TOGETHER>(taps, weights, bias, (bins, at));
        at += TOGETHER;
    }
    if at + TOGETHER / 2 <= bins.len() {
        bins_part::<{ TOGETHER / 2 }>(taps, weights, bias, (bins, at));
        at += TOGETHER / 2;
    }
    if at < bins.len() {
        bins_part::<BLOCK>(taps, weights, bias, (bins, at));
    }
}

/// The `N` bins from `at` on.
#[inline(always)]
fn bins_part<const N: usize>(
    taps: &[&[i32]],
    weights: &[i32],
    bias: i32,
    (bins, at): (&mut [u8], usize),
) {
    let sums = sums::<N>(taps, weights, bias, at);
    for (place, sum) in bins[at..at + N].iter_mut().zip(sums) {
        *place = bin(sum);
    }
}
levels!(
    /// Bins of the expected spread; all slices but the weights padded.
    pub(crate) fn bins(taps: &[&[i32]], weights: &[i32], bias: i32, bins: &mut [u8]) = bins_kernel
);

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
pub(crate) struct Left<'a> {
    /// The numbers, their distance from the prediction limited.
    pub values: &'a mut [i32],
    /// Spreads of the residuals.
    pub spreads: &'a mut [i32],
}

#[inline(always)]
fn leave_kernel(numbers: &[i32], predictions: &[i32], limit: i32, low_bits: u32, left: Left) {
    let Left { values, spreads } = left;
    let pairs = numbers.iter().zip(predictions);
    for ((&x, &prediction), (value, left)) in pairs.zip(values.iter_mut().zip(spreads)) {
        let residual = x.wrapping_sub(prediction).clamp(-limit, limit);
        *value = prediction.wrapping_add(residual);
        *left = spread(residual, low_bits);
    }
}
levels!(
    /// Values and spreads of a line, from its numbers and their predictions.
    pub(crate) fn leave(numbers: &[i32], predictions: &[i32], limit: i32, low_bits: u32, left: Left) = leave_kernel
);

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

#[inline(always)]
fn blur_kernel(spreads: &[i32], averages: &mut [i32]) {
    let len = averages.len();
    // Five slices of one length: the compiler then adds them up lane by lane.
    let [a, b, c, d, e] = std::array::from_fn(|shift| &spreads[shift..shift + len]);
    for i in 0..len {
        let sum = a[i] + b[i] + c[i] + d[i] + e[i];
        averages[i] += (((51 * sum) >> 8) - averages[i] + 2) >> 2;
    }
}
levels!(
    /// Moves each average a quarter of the way to the mean of five spreads, of which the first is two before it.
    pub(crate) fn blur(spreads: &[i32], averages: &mut [i32]) = blur_kernel
);

#[inline(always)]
fn average_kernel(numbers: &[i32], fraction_bits: u32, gain: i32, averages: &mut [i32]) {
    for (&x, average) in numbers.iter().zip(averages) {
        let distance = (x << fraction_bits).wrapping_sub(*average);
        *average = average.wrapping_add(distance.wrapping_mul(gain).wrapping_add(128) >> 8);
    }
}
levels!(
    /// Moves each average `gain` / 256 of the way to its number, which has `fraction_bits` fewer fraction bits.
    pub(crate) fn average(numbers: &[i32], fraction_bits: u32, gain: i32, averages: &mut [i32]) = average_kernel
);

#[inline(always)]
fn rounded_kernel(averages: &[i32], fraction_bits: u32, numbers: &mut [i32]) {
    let half = (1 << fraction_bits) >> 1;
    for (&average, x) in averages.iter().zip(numbers) {
        *x = average.wrapping_add(half) >> fraction_bits;
    }
}
levels!(
    /// Averages without their fraction bits, rounded.
    pub(crate) fn rounded(averages: &[i32], fraction_bits: u32, numbers: &mut [i32]) = rounded_kernel
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    #[test]
    fn roots_are_those_of_integer_arithmetic() {
        let near = |x: i64| [x - 1, x, x + 1];
        let squares = (0..=2048i64).flat_map(|i| near(i * i));
        let others = (0..3000i64).map(|i| i * i * 37 % 4_400_000);
        let numbers: Vec<i32> = squares.chain(others).map(|x| x as i32).collect();
        let expected = |x: i32| (256 * u64::from(x.clamp(0, LARGEST_SQUARE) as u32)).isqrt() as i32;
        for level in Level::available() {
            let mut found = vec![0; numbers.len()];
            roots(level, &numbers, &mut found);
            assert!(
                found
                    .iter()
                    .zip(&numbers)
                    .all(|(&root, &x)| root == expected(x))
            );
        }
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

    #[test]
    fn every_level_gives_the_same() {
        for len in [0usize, 1, 15, 16, 17, 33, 130] {
            let taps: Vec<Vec<i32>> = (0..5).map(|i| numbers(padded(len) + 8, i)).collect();
            let taps: Vec<&[i32]> = taps.iter().map(|tap| &tap[1..]).collect();
            let weights = [3000, -17, 32767, -32768, 1];
            let run = |level: Level| {
                let mut predictions = vec![0; padded(len)];
                predict(level, &taps, &weights, 99, 14, taps[0], &mut predictions);
                let mut found = vec![0; padded(len)];
                bins(level, &taps, &weights, -7, &mut found);
                let x = numbers(len, 77);
                let (mut values, mut spreads) = (vec![0; len], vec![0; len]);
                let left = Left {
                    values: &mut values,
                    spreads: &mut spreads,
                };
                leave(level, &x, &predictions, 1 << 20, 3, left);
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
                (
                    predictions[..len].to_vec(),
                    found,
                    values,
                    spreads,
                    zigzags,
                    symbols,
                    largest,
                    back,
                    averages,
                )
            };
            let expected = run(Level::SCALAR);
            for level in Level::available() {
                assert!(run(level) == expected, "{level:?} {len}");
            }
            let (predictions, .., zigzags, symbols, _, back, _) = expected;
            let x = numbers(len, 77);
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
                sides(level, &base, &mut predictions, &mut found, &mut distances);
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
