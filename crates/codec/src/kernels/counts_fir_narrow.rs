//! The kernels of `counts_fir.rs` for numbers of 16 bits, which most counts get by with: four times as many to a register
//! of products.
//!
//! Rows have whole blocks of [`BLOCK`] pixels; what is behind the last pixel of a row is made of whatever is there and
//! never looked at.

use std::ops::{Deref, DerefMut};

use super::counts::for_each_run;
use super::counts_fir::{FEATURES, FRACTION_BITS, Weights};
use super::levels::{InstructionSet, Level, levels};
use super::pixels::Word;
#[cfg(target_arch = "x86_64")]
use super::{counts_fir_avx2, counts_fir_avx512};

/// Pixels that are estimated at once.
pub(crate) const BLOCK: usize = 32;
/// Cells in front of the first pixel of a row and behind its last block.
pub(crate) const HALO: usize = 32;
/// Numbers that a cache line holds: most loads and stores begin with one.
const LINE: usize = 32;
/// The largest value whose averages, 64 times as large, have 16 bits.
pub(crate) const MAX_LIMIT: i32 = i16::MAX as i32 >> 6;

/// Pixels in whole blocks.
pub(crate) fn padded(pixels: usize) -> usize {
    pixels.next_multiple_of(BLOCK)
}

/// Whether a level has products of pairs of such numbers, without which those of 32 bits are no slower.
pub(crate) fn is_faster(level: Level) -> bool {
    match level.instruction_set() {
        InstructionSet::Scalar | InstructionSet::Baseline => false,
        InstructionSet::Avx2 | InstructionSet::Avx512 | InstructionSet::Avx512Gfni => true,
    }
}

/// A row with its halo, whose first pixel begins a cache line.
#[derive(Default)]
pub(crate) struct Row {
    numbers: Vec<i16>,
    start: usize,
    len: usize,
}

impl Row {
    /// Makes it so many zeros.
    pub(crate) fn clear(&mut self, len: usize) {
        self.numbers.clear();
        self.numbers.resize(len + LINE, 0);
        self.start = self.numbers.as_ptr().align_offset(2 * LINE).min(LINE);
        self.len = len;
    }
}

impl Deref for Row {
    type Target = [i16];

    fn deref(&self) -> &[i16] {
        &self.numbers[self.start..][..self.len]
    }
}

impl DerefMut for Row {
    fn deref_mut(&mut self) -> &mut [i16] {
        &mut self.numbers[self.start..][..self.len]
    }
}

/// The rows that estimates are made of, each with [`HALO`] cells before its first pixel and behind its last block.
#[derive(Clone, Copy)]
pub(crate) struct Above<'a> {
    /// The row above, the one above that, and the one above that.
    pub(crate) rows: [&'a [i16]; 3],
    /// Averages of columns.
    pub(crate) columns: &'a [i16],
}

/// What is estimated: roots, or values up to a limit.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Roots,
    Values { limit: i32 },
}

/// Sets the bins of a row, and what special pixels of it are taken for: of values that is also the base of differences.
/// Averages are not negative.
pub(crate) fn expect(
    level: Level,
    kind: Kind,
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pixels = bins.len();
    assert!(pixels.is_multiple_of(BLOCK) && expected.len() == pixels);
    for row in above.rows.iter().chain([&above.columns]) {
        assert!(row.len() == pixels + 2 * HALO);
    }
    match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512Gfni => unsafe {
            use counts_fir_avx512::{expect_roots, expect_values};
            match kind {
                Kind::Roots => expect_roots(above, weights, expected, bins),
                Kind::Values { limit } => expect_values(limit, above, weights, expected, bins),
            }
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx2 | InstructionSet::Avx512 => unsafe {
            use counts_fir_avx2::{expect_roots, expect_values};
            match kind {
                Kind::Roots => expect_roots(above, weights, expected, bins),
                Kind::Values { limit } => expect_values(limit, above, weights, expected, bins),
            }
        },
        _ => expect_portable(kind, above, weights, expected, bins),
    }
}

fn expect_portable(
    kind: Kind,
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let mut estimates = [0; BLOCK];
    let blocks = expected.chunks_exact_mut(BLOCK);
    for (block, (expected, bins)) in blocks.zip(bins.chunks_exact_mut(BLOCK)).enumerate() {
        estimate(above, weights, block * BLOCK, &mut estimates);
        for ((&e, expected), bin) in estimates.iter().zip(expected).zip(bins) {
            let made = match kind {
                Kind::Roots => root_bin(e),
                Kind::Values { limit } => value_bin(e, limit),
            };
            (*expected, *bin) = made;
        }
    }
}

/// Estimates of the block that begins with pixel `first`.
#[inline(always)]
fn estimate(above: Above, weights: &Weights, first: usize, estimates: &mut [i32; BLOCK]) {
    const TAPS: [(usize, usize); 3] = [(3, 7), (2, 5), (1, 3)];
    let start = first + HALO;
    let mut around = [0; BLOCK];
    for tap in (start - 6..start + 7).chain([start]) {
        for (sum, &value) in around.iter_mut().zip(&above.columns[tap..tap + BLOCK]) {
            *sum += i32::from(value);
        }
    }
    estimates.fill(weights.bias);
    add_tap(
        &around.map(|sum| (sum >> 7) as i16),
        weights.of[FEATURES - 1],
        estimates,
    );
    let mut weight = weights.of.iter();
    for (row, (reach, count)) in above.rows.iter().zip(TAPS) {
        for (&weight, tap) in weight.by_ref().take(count).zip(start - reach..) {
            add_tap(&row[tap..], weight, estimates);
        }
    }
}

/// Weights are numbers of 16 bits, which some processors multiply without widening them.
#[inline(always)]
fn add_tap(values: &[i16], weight: i32, sums: &mut [i32; BLOCK]) {
    let weight = weight as i16;
    for (sum, &value) in sums.iter_mut().zip(&values[..BLOCK]) {
        *sum = sum.wrapping_add(i32::from(value) * i32::from(weight));
    }
}

/// What a special pixel is taken for, and the bin: eight to an octave of e + 64.
#[inline(always)]
fn root_bin(e: i32) -> (i16, u8) {
    let z = e.clamp(0, 1 << 22) + 64;
    let eighths = ((z as f32).to_bits() >> 20) as i32 - ((127 + 6) << 3);
    ((e >> 8).clamp(0, 1024) as i16, eighths.min(126) as u8)
}

/// The base, and the bin: four to an octave of e + 102, times the quarter of the fraction where e is small.
#[inline(always)]
fn value_bin(e: i32, limit: i32) -> (i16, u8) {
    let e = e.max(0);
    let z = e.min((1 << 24) - 1024) + 102;
    let quarters = ((z as f32).to_bits() >> 21) as i32 - ((127 + 6) << 2);
    let small = quarters * 4 + (e >> (FRACTION_BITS - 2) & 3);
    let bin = if quarters < 40 { small } else { 120 + quarters };
    ((e >> FRACTION_BITS).min(limit) as i16, bin as u8)
}

/// 64 times the roots of bytes, rounded.
#[inline(always)]
fn roots_kernel(bytes: &[u8], roots: &mut [i16]) {
    for (root, &byte) in roots.iter_mut().zip(bytes) {
        // Floats from 2²³ on are whole, so adding that rounds.
        let rounded = f32::from(byte).sqrt() * 64.0 + (1u32 << 23) as f32;
        *root = rounded.to_bits() as i16;
    }
}
levels!(fn roots(bytes: &[u8], roots: &mut [i16]) = roots_kernel);

/// Makes the next row of roots of bytes, or of what is expected where `special` has a bit, and moves averages an eighth
/// towards 8 times them. Both have a halo on both sides, which becomes the first pixel and the last. `special` has whole
/// blocks, or nothing.
pub(crate) fn learn_roots(
    level: Level,
    (bytes, special): (&[u8], &[u8]),
    expected: &[i16],
    (row, averages): (&mut [i16], &mut [i16]),
) {
    let pixels = bytes.len();
    assert!(pixels > 0 && expected.len() >= padded(pixels));
    assert!(row.len() == padded(pixels) + 2 * HALO && averages.len() == row.len());
    match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; behind the halo are all blocks.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni => unsafe {
            let inner = (&mut row[HALO..], &mut averages[HALO..]);
            counts_fir_avx512::learn_roots(&ROOTS, (bytes, special), expected, inner);
            repeat_ends(row, pixels);
            repeat_ends(averages, pixels);
        },
        _ => {
            let inner = &mut row[HALO..HALO + pixels];
            roots(level, bytes, inner);
            select(special, expected, inner);
            repeat_ends(row, pixels);
            follow(level, row, 3, averages);
        }
    }
}

/// Makes the cells around a row of so many pixels its first and its last.
pub(crate) fn repeat_ends(row: &mut [i16], pixels: usize) {
    let (first, last) = (row[HALO], row[HALO + pixels - 1]);
    row[..HALO].fill(first);
    row[HALO + pixels..].fill(last);
}

/// 64 times the roots of bytes, rounded.
#[cfg(target_arch = "x86_64")]
static ROOTS: [i16; 256] = {
    let mut roots = [0; 256];
    let (mut value, mut doubled) = (0i64, 0i64);
    while value < 256 {
        // The largest number whose square is not above 16384 · value; twice that is rounded.
        while (doubled + 1) * (doubled + 1) <= 16384 * value {
            doubled += 1;
        }
        roots[value as usize] = ((doubled + 1) >> 1) as i16;
        value += 1;
    }
    roots
};

/// Values up to `limit`.
#[inline(always)]
fn values_kernel<W: Word>(words: &[W], origin: W, limit: i32, values: &mut [i16]) {
    for (value, &word) in values.iter_mut().zip(words) {
        *value = word.minus(origin).value().min(limit as u32) as i16;
    }
}
levels!(pub(crate) fn values<W: Word>(words: &[W], origin: W, limit: i32, values: &mut [i16]) = values_kernel);

/// Moves averages an eighth towards the values times 2^`gain`.
#[inline(always)]
fn follow_kernel(values: &[i16], gain: u32, averages: &mut [i16]) {
    for (average, &value) in averages.iter_mut().zip(values) {
        let way = (value << gain).wrapping_sub(*average).wrapping_add(4);
        *average = average.wrapping_add(way >> 3);
    }
}
levels!(pub(crate) fn follow(values: &[i16], gain: u32, averages: &mut [i16]) = follow_kernel);

/// Takes `others` where `mask` has a bit, the lowest bit of a byte for the first of eight numbers.
pub(crate) fn select(mask: &[u8], others: &[i16], numbers: &mut [i16]) {
    for_each_run(mask, numbers.len().min(others.len()), |run| {
        numbers[run.clone()].copy_from_slice(&others[run]);
    });
}

/// Differences of values and whole estimates.
#[inline(always)]
fn differences_kernel<W: Word>(words: &[W], origin: W, bases: &[i16], differences: &mut [i32]) {
    for ((difference, &word), &base) in differences.iter_mut().zip(words).zip(bases) {
        *difference = (word.minus(origin).value() as i32).wrapping_sub(i32::from(base));
    }
}
levels!(pub(crate) fn differences<W: Word>(
    words: &[W], origin: W, bases: &[i16], differences: &mut [i32]
) = differences_kernel);

/// Words of whole estimates and differences from them, zigzag: 0, −1, 1, −2, … are the symbols 0, 1, 2, 3, …
#[inline(always)]
fn words_of_differences_kernel<W: Word>(symbols: &[u8], origin: W, bases: &[i16], words: &mut [W]) {
    for ((word, &symbol), &base) in words.iter_mut().zip(symbols).zip(bases) {
        let z = i16::from(symbol);
        let difference = (z >> 1) ^ -(z & 1);
        *word = W::new(i32::from(base.wrapping_add(difference)) as u32).plus(origin);
    }
}
levels!(pub(crate) fn words_of_differences<W: Word>(
    symbols: &[u8], origin: W, bases: &[i16], words: &mut [W]
) = words_of_differences_kernel);

#[cfg(test)]
mod tests {
    use super::super::counts_fir as wide;
    use super::*;

    /// Numbers without pattern, from 0 up to `end`.
    fn drawn(len: usize, seed: u32, end: u32) -> Vec<i16> {
        let mut state = seed;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) % end) as i16
        };
        (0..len).map(|_| draw()).collect()
    }

    /// The same row for the kernels of 32 bits.
    fn widened(row: &[i16], pixels: usize) -> Vec<i32> {
        let first = HALO - wide::HALO;
        let row = &row[first..first + pixels + 2 * wide::HALO];
        row.iter().map(|&number| i32::from(number)).collect()
    }

    /// Bases and bins by the kernels of 32 bits.
    fn expected(kind: Kind, above: Above, weights: &Weights, pixels: usize) -> (Vec<i16>, Vec<u8>) {
        let [first, second, third] = above.rows.map(|row| widened(row, pixels));
        let columns = widened(above.columns, pixels);
        let wide_above = wide::Above {
            rows: [&first, &second, &third],
            columns: &columns,
        };
        let (mut estimates, mut bins) = (vec![0; pixels], vec![0; pixels]);
        wide::around(Level::SCALAR, &columns, &mut estimates);
        wide::estimate(Level::SCALAR, wide_above, weights, &mut estimates);
        match kind {
            Kind::Roots => {
                wide::root_bins(Level::SCALAR, &estimates, &mut bins);
                let root = |e: &mut i32| *e = (*e >> 8).clamp(0, 1024);
                estimates.iter_mut().for_each(root);
            }
            Kind::Values { limit } => {
                wide::value_bins(Level::SCALAR, &mut estimates, limit, &mut bins);
            }
        }
        let bases = estimates.iter().map(|&base| base as i16).collect();
        (bases, bins)
    }

    #[test]
    fn every_level_expects_what_32_bits_do() {
        let kinds = [
            (Kind::Roots, 1025, 8193),
            (Kind::Roots, 90, 700),
            (Kind::Values { limit: MAX_LIMIT }, 512, 32_705),
            (Kind::Values { limit: 40 }, 41, 2600),
        ];
        for pixels in [32, 64, 480] {
            for ((kind, values, averages), seed) in kinds.into_iter().zip([1u32, 2, 3, 4]) {
                for weight_bits in [6, 9, 16] {
                    let row = |at: u32| drawn(pixels + 2 * HALO, seed + 10 * at, values);
                    let (a, b, c) = (row(1), row(2), row(3));
                    let columns = drawn(pixels + 2 * HALO, seed, averages);
                    let above = Above {
                        rows: [&a, &b, &c],
                        columns: &columns,
                    };
                    let mut weights = Weights::default();
                    let of = drawn(FEATURES, seed + 9, 1 << weight_bits);
                    for (weight, drawn) in weights.of.iter_mut().zip(of) {
                        *weight = i32::from(drawn.wrapping_sub(1 << (weight_bits - 1)));
                    }
                    weights.bias = if weight_bits == 16 { i32::MAX - 9 } else { -77 };
                    let known = expected(kind, above, &weights, pixels);
                    for level in Level::available() {
                        let (mut bases, mut bins) = (vec![-1; pixels], vec![0xcc; pixels]);
                        expect(level, kind, above, &weights, &mut bases, &mut bins);
                        let made = (bases, bins);
                        assert!(made == known, "{level:?} {pixels} {seed} {weight_bits}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_of_roots_are_those_of_integer_arithmetic_at_every_level() {
        let bytes: Vec<u8> = (0..=255).chain(0..70).collect();
        let mask: Vec<u8> = (0..44).map(|i| [0, 255, 0x81, 0x7e, 0][i % 5]).collect();
        for level in Level::available() {
            for (len, groups) in [(1, 4), (31, 4), (32, 0), (100, 16), (326, 44), (326, 0)] {
                let (bytes, special) = (&bytes[..len], &mask[..groups]);
                let expected = drawn(padded(len), 3, 1025);
                let mut averages = drawn(padded(len) + 2 * HALO, 4, 8193);
                let before = averages.clone();
                let mut row = vec![-1; averages.len()];
                learn_roots(
                    level,
                    (bytes, special),
                    &expected,
                    (&mut row, &mut averages),
                );
                for (x, &byte) in bytes.iter().enumerate() {
                    let is_special = special
                        .get(x / 8)
                        .is_some_and(|bits| bits >> (x % 8) & 1 == 1);
                    let doubled = (16384 * u64::from(byte)).isqrt() as i16;
                    let known = if is_special {
                        expected[x]
                    } else {
                        (doubled + 1) >> 1
                    };
                    assert_eq!(row[HALO + x], known, "{level:?} {len} {x}");
                    let old = before[HALO + x];
                    let moved = old + ((8 * known - old + 4) >> 3);
                    assert_eq!(averages[HALO + x], moved, "{level:?} {len} {x}");
                }
                assert!(row[..HALO].iter().all(|&cell| cell == row[HALO]));
                assert!(
                    row[HALO + len..]
                        .iter()
                        .all(|&cell| cell == row[HALO + len - 1])
                );
            }
        }
    }

    #[test]
    fn averages_and_differences_are_those_of_32_bits_at_every_level() {
        let (values, averages) = (drawn(300, 1, 512), drawn(300, 2, 32_705));
        let words: Vec<u16> = (0..300).map(|i| i * 219).collect();
        let symbols: Vec<u8> = (0..300).map(|i| i as u8).collect();
        let as_wide = |row: &[i16]| -> Vec<i32> { row.iter().map(|&x| i32::from(x)).collect() };
        let (wide_values, mut wide_averages) = (as_wide(&values), as_wide(&averages));
        wide::follow(Level::SCALAR, &wide_values, 6, &mut wide_averages);
        let (mut known, mut known_words) = (vec![0; 300], vec![0u16; 300]);
        wide::differences(Level::SCALAR, &words, 9, &wide_values, &mut known);
        wide::words_of_differences(Level::SCALAR, &symbols, 9, &wide_values, &mut known_words);
        for level in Level::available() {
            let mut moved = averages.clone();
            follow(level, &values, 6, &mut moved);
            assert_eq!(as_wide(&moved), wide_averages, "{level:?}");
            let (mut made, mut made_words) = (vec![0; 300], vec![0u16; 300]);
            differences(level, &words, 9, &values, &mut made);
            words_of_differences(level, &symbols, 9, &values, &mut made_words);
            assert!((made, made_words) == (known.clone(), known_words.clone()));
        }
    }

    #[test]
    fn numbers_are_taken_where_the_mask_has_a_bit() {
        let others: Vec<i16> = (1000..1150).collect();
        let mask: Vec<u8> = (0..19).map(|i| [0, 255, 0x81, 0x7e, 0][i % 5]).collect();
        let mut numbers: Vec<i16> = (0..150).collect();
        select(&mask, &others, &mut numbers);
        for (x, &number) in numbers.iter().enumerate() {
            let is_set = mask[x / 8] >> (x % 8) & 1 == 1;
            assert_eq!(number as usize, x + if is_set { 1000 } else { 0 });
        }
    }
}
