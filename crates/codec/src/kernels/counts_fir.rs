//! A pixel estimated from rows above, and the bin of that estimate; `codecs/counts_fir.rs` says what for.

#[cfg(target_arch = "x86_64")]
use super::counts_avx512;
#[cfg(target_arch = "x86_64")]
use super::levels::InstructionSet;
use super::levels::{Level, levels};
use super::pixels::Word;

/// Values that an estimate is made of.
pub(crate) const FEATURES: usize = 16;
/// Cells in front of and behind the pixels of a row of state.
pub(crate) const HALO: usize = 6;
/// Bits of the fraction of a linear estimate.
pub(crate) const FRACTION_BITS: u32 = 10;
/// Bins have numbers below this.
pub(crate) const BINS: usize = 256;
/// The bin of special pixels.
pub(crate) const SPECIAL_BIN: u8 = 255;

/// The rows that estimates are made of, each with [`HALO`] cells before its first pixel and behind its last.
#[derive(Clone, Copy)]
pub(crate) struct Above<'a> {
    /// The row above, the one above that, and the one above that.
    pub(crate) rows: [&'a [i32]; 3],
    /// Averages of columns.
    pub(crate) columns: &'a [i32],
}

/// Weights of the features, and what is added.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weights {
    pub(crate) of: [i32; FEATURES],
    pub(crate) bias: i32,
}

/// The sum of 14 averages around each pixel, the middle one twice, over 128.
#[inline(always)]
fn around_kernel(columns: &[i32], around: &mut [i32]) {
    let pixels = around.len();
    let columns = &columns[..pixels + 2 * HALO];
    let (a, b, c, d) = (
        &columns[..pixels],
        &columns[1..1 + pixels],
        &columns[2..2 + pixels],
        &columns[3..3 + pixels],
    );
    let (e, f, g, h) = (
        &columns[4..4 + pixels],
        &columns[5..5 + pixels],
        &columns[6..6 + pixels],
        &columns[7..7 + pixels],
    );
    let (i, j, k, l) = (
        &columns[8..8 + pixels],
        &columns[9..9 + pixels],
        &columns[10..10 + pixels],
        &columns[11..11 + pixels],
    );
    let m = &columns[12..12 + pixels];
    for x in 0..pixels {
        let first = a[x]
            .wrapping_add(b[x])
            .wrapping_add(c[x])
            .wrapping_add(d[x]);
        let second = e[x]
            .wrapping_add(f[x])
            .wrapping_add(g[x])
            .wrapping_add(g[x]);
        let third = h[x]
            .wrapping_add(i[x])
            .wrapping_add(j[x])
            .wrapping_add(k[x]);
        let sum = first.wrapping_add(second).wrapping_add(third);
        around[x] = sum.wrapping_add(l[x]).wrapping_add(m[x]) >> 7;
    }
}
levels!(pub(crate) fn around(columns: &[i32], around: &mut [i32]) = around_kernel);

/// Estimates of a row; `estimates` holds what [`around`] made.
#[inline(always)]
fn estimate_kernel(above: Above, weights: &Weights, estimates: &mut [i32]) {
    let pixels = estimates.len();
    let [first, second, third] = above.rows.map(|row| &row[..pixels + 2 * HALO]);
    let tap = |row: &[i32], x: usize, weight: usize| row[x].wrapping_mul(weights.of[weight]);
    let (p0, p1, p2) = (&first[3..], &first[4..], &first[5..]);
    let (p3, p4, p5, p6) = (&first[6..], &first[7..], &first[8..], &first[9..]);
    let (q0, q1, q2, q3, q4) = (
        &second[4..],
        &second[5..],
        &second[6..],
        &second[7..],
        &second[8..],
    );
    let (r0, r1, r2) = (&third[5..], &third[6..], &third[7..]);
    let taps = [p0, p1, p2, p3, p4, p5, p6, q0, q1, q2, q3, q4, r0, r1, r2].map(|t| &t[..pixels]);
    for (x, estimate) in estimates.iter_mut().enumerate() {
        let mut sum = weights.bias;
        for (weight, taps) in taps.iter().enumerate() {
            sum = sum.wrapping_add(tap(taps, x, weight));
        }
        *estimate = sum.wrapping_add(estimate.wrapping_mul(weights.of[FEATURES - 1]));
    }
}
levels!(pub(crate) fn estimate(above: Above, weights: &Weights, estimates: &mut [i32]) = estimate_kernel);

/// One equation: its features and a 1, its target, and zeros that fill up registers.
#[derive(Clone, Copy)]
pub(crate) struct Equation {
    pub(crate) terms: [f64; 24],
    pub(crate) weight: f64,
}

impl Equation {
    /// The features of one pixel, without a target.
    #[inline(always)]
    pub(crate) fn of(above: Above, x: usize, around: i32) -> Self {
        let [first, second, third] = above.rows;
        let mut terms = [0.0; 24];
        let rows = [
            (&first[x + 3..x + 10], 0),
            (&second[x + 4..x + 9], 7),
            (&third[x + 5..x + 8], 12),
        ];
        for (taps, start) in rows {
            for (term, &tap) in terms[start..].iter_mut().zip(taps) {
                *term = f64::from(tap);
            }
        }
        terms[FEATURES - 1] = f64::from(around);
        terms[FEATURES] = 1.0;
        Self { terms, weight: 1.0 }
    }

    #[inline(always)]
    pub(crate) fn set_target(&mut self, target: f64, weight: f64) {
        self.terms[FEATURES + 1] = target;
        self.weight = weight;
    }
}

/// Adds equations, in order, to the normal equations.
#[inline(always)]
fn add_equations_kernel(equations: &[Equation], sums: &mut [[f64; FEATURES + 2]; FEATURES + 1]) {
    // A row of sums stays in registers while a batch is in the L1 cache.
    for batch in equations.chunks(64) {
        for (i, row) in sums.iter_mut().enumerate() {
            let mut cells = [0.0; 24];
            cells[..FEATURES + 2].copy_from_slice(row);
            for equation in batch {
                let weighted = equation.terms[i] * equation.weight;
                for (cell, &term) in cells.iter_mut().zip(&equation.terms) {
                    *cell += weighted * term;
                }
            }
            row.copy_from_slice(&cells[..FEATURES + 2]);
        }
    }
}
levels!(pub(crate) fn add_equations(
    equations: &[Equation],
    sums: &mut [[f64; FEATURES + 2]; FEATURES + 1],
) = add_equations_kernel);

/// Bins of estimates of roots: eight to an octave of e + 64.
#[inline(always)]
fn root_bins_kernel(estimates: &[i32], bins: &mut [u8]) {
    for (bin, &estimate) in bins.iter_mut().zip(estimates) {
        // Below 2²⁴ a float has the bits of the integer: its exponent is the logarithm.
        let z = estimate.clamp(0, 1 << 22) + 64;
        let eighths = ((z as f32).to_bits() >> 20) as i32 - ((127 + 6) << 3);
        *bin = eighths.min(126) as u8;
    }
}
levels!(pub(crate) fn root_bins(estimates: &[i32], bins: &mut [u8]) = root_bins_kernel);

/// Bins of linear estimates: four to an octave of e + 102, times the quarter of the fraction where e is small. What is
/// left of the estimates is their whole part, at most `limit`.
#[inline(always)]
fn value_bins_kernel(estimates: &mut [i32], limit: i32, bins: &mut [u8]) {
    for (bin, estimate) in bins.iter_mut().zip(estimates) {
        let e = (*estimate).max(0);
        let z = e.min((1 << 24) - 1024) + 102;
        let quarters = ((z as f32).to_bits() >> 21) as i32 - ((127 + 6) << 2);
        // 2¹⁶ is 64 pixels' worth: 40 quarters of octaves above 2⁶.
        let small = quarters * 4 + (e >> (FRACTION_BITS - 2) & 3);
        let large = 160 + quarters - 40;
        *bin = (if quarters < 40 { small } else { large }) as u8;
        *estimate = (e >> FRACTION_BITS).min(limit);
    }
}
levels!(pub(crate) fn value_bins(estimates: &mut [i32], limit: i32, bins: &mut [u8]) = value_bins_kernel);

/// 64 times the roots of values up to 255, rounded, and of 255 for larger ones.
#[inline(always)]
fn roots_kernel<W: Word>(words: &[W], origin: W, roots: &mut [i32]) {
    for (root, &word) in roots.iter_mut().zip(words) {
        let value = word.minus(origin).value().min(255) as i32;
        // Floats from 2²³ on are whole, so adding that rounds, and the low bits are the number: a cast would saturate,
        // which compiles to code for one number at a time.
        let rounded = (value as f32).sqrt() * 64.0 + (1u32 << 23) as f32;
        *root = (rounded.to_bits() & 0xffff) as i32;
    }
}
levels!(pub(crate) fn roots<W: Word>(words: &[W], origin: W, roots: &mut [i32]) = roots_kernel);

/// Values up to `limit`.
#[inline(always)]
fn values_kernel<W: Word>(words: &[W], origin: W, limit: i32, values: &mut [i32]) {
    for (value, &word) in values.iter_mut().zip(words) {
        *value = word.minus(origin).value().min(limit as u32) as i32;
    }
}
levels!(pub(crate) fn values<W: Word>(words: &[W], origin: W, limit: i32, values: &mut [i32]) = values_kernel);

/// Moves averages an eighth towards the values times 2^`gain`.
#[inline(always)]
fn follow_kernel(values: &[i32], gain: u32, averages: &mut [i32]) {
    for (average, &value) in averages.iter_mut().zip(values) {
        *average += ((value << gain) - *average + 4) >> 3;
    }
}
levels!(pub(crate) fn follow(values: &[i32], gain: u32, averages: &mut [i32]) = follow_kernel);

/// Differences of values and whole estimates.
#[inline(always)]
fn differences_kernel<W: Word>(words: &[W], origin: W, bases: &[i32], differences: &mut [i32]) {
    for ((difference, &word), &base) in differences.iter_mut().zip(words).zip(bases) {
        *difference = (word.minus(origin).value() as i32).wrapping_sub(base);
    }
}
levels!(pub(crate) fn differences<W: Word>(
    words: &[W], origin: W, bases: &[i32], differences: &mut [i32]
) = differences_kernel);

/// Words of whole estimates and differences from them, zigzag: 0, −1, 1, −2, … are the symbols 0, 1, 2, 3, …
#[inline(always)]
fn words_of_differences_kernel<W: Word>(symbols: &[u8], origin: W, bases: &[i32], words: &mut [W]) {
    for ((word, &symbol), &base) in words.iter_mut().zip(symbols).zip(bases) {
        let z = i32::from(symbol);
        let difference = (z >> 1) ^ -(z & 1);
        *word = W::new(base.wrapping_add(difference) as u32).plus(origin);
    }
}
levels!(pub(crate) fn words_of_differences<W: Word>(
    symbols: &[u8], origin: W, bases: &[i32], words: &mut [W]
) = words_of_differences_kernel);

/// Words that are their symbols.
#[inline(always)]
fn words_of_symbols_kernel<W: Word>(symbols: &[u8], origin: W, words: &mut [W]) {
    for (word, &symbol) in words.iter_mut().zip(symbols) {
        *word = W::new(u32::from(symbol)).plus(origin);
    }
}
levels!(pub(crate) fn words_of_symbols<W: Word>(symbols: &[u8], origin: W, words: &mut [W]) = words_of_symbols_kernel);

/// Symbols of values, those from 255 on as 255.
#[inline(always)]
fn symbols_of_words_kernel<W: Word>(words: &[W], origin: W, symbols: &mut [u8]) {
    for (symbol, &word) in symbols.iter_mut().zip(words) {
        *symbol = word.minus(origin).saturated();
    }
}
levels!(pub(crate) fn symbols_of_words<W: Word>(words: &[W], origin: W, symbols: &mut [u8]) = symbols_of_words_kernel);

/// Symbols of differences, zigzag, those from 255 on as 255; and 0 in the bin [`SPECIAL_BIN`].
#[inline(always)]
fn symbols_of_differences_kernel(differences: &[i32], bins: &[u8], symbols: &mut [u8]) {
    for ((symbol, &difference), &bin) in symbols.iter_mut().zip(differences).zip(bins) {
        let zigzag = ((difference << 1) ^ (difference >> 31)) as u32;
        let saturated = zigzag.min(255) as u8;
        *symbol = if bin == SPECIAL_BIN { 0 } else { saturated };
    }
}
levels!(pub(crate) fn symbols_of_differences(
    differences: &[i32], bins: &[u8], symbols: &mut [u8]
) = symbols_of_differences_kernel);

/// Where a table of `width` symbols for each bin has these.
#[inline(always)]
fn places_in_table_kernel(width: u16, bins: &[u8], symbols: &[u8], places: &mut [u16]) {
    for ((place, &bin), &symbol) in places.iter_mut().zip(bins).zip(symbols) {
        *place = u16::from(bin)
            .wrapping_mul(width)
            .wrapping_add(u16::from(symbol));
    }
}
levels!(pub(crate) fn places_in_table(
    width: u16, bins: &[u8], symbols: &[u8], places: &mut [u16]
) = places_in_table_kernel);

#[inline(always)]
fn places_from_kernel(symbols: &[u8], direct: u8, places: &mut [u32]) -> usize {
    /// Symbols that are compared at once; few blocks have one of the sought.
    const BLOCK: usize = 64;
    let places = &mut places[..symbols.len()];
    let mut count = 0;
    for (number, block) in symbols.chunks(BLOCK).enumerate() {
        let largest = match block.first_chunk::<BLOCK>() {
            Some(block) => block.iter().fold(0, |largest, &symbol| symbol.max(largest)),
            None => u8::MAX,
        };
        if largest < direct {
            continue;
        }
        for (i, &symbol) in block.iter().enumerate() {
            places[count.min(number * BLOCK + i)] = (number * BLOCK + i) as u32;
            count += usize::from(symbol >= direct);
        }
    }
    count
}
levels!(fn places_portable(symbols: &[u8], direct: u8, places: &mut [u32]) -> usize = places_from_kernel);

/// Sets the first of `places`, of which there are as many as symbols, to where symbols are `direct` or more; returns
/// their number.
pub(crate) fn places_from(level: Level, symbols: &[u8], direct: u8, places: &mut [u32]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if matches!(
        level.instruction_set(),
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni
    ) {
        // SAFETY: `level` exists, so the CPU has the instructions.
        #[allow(unsafe_code)]
        return unsafe { counts_avx512::places_from(symbols, direct, places) };
    }
    places_portable(level, symbols, direct, places)
}

/// Raises marks to the symbols of their pixels.
#[inline(always)]
fn raise_kernel(symbols: &[u8], marks: &mut [u8]) {
    for (mark, &symbol) in marks.iter_mut().zip(symbols) {
        *mark = symbol.max(*mark);
    }
}
levels!(pub(crate) fn raise(symbols: &[u8], marks: &mut [u8]) = raise_kernel);

/// The entry of each bin in a table.
pub(crate) fn look_up(level: Level, table: &[u8; BINS], bins: &[u8], found: &mut [u8]) {
    assert_eq!(bins.len(), found.len());
    #[cfg(target_arch = "x86_64")]
    if level.instruction_set() == InstructionSet::Avx512Gfni {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths agree.
        #[allow(unsafe_code)]
        unsafe {
            counts_avx512::look_up_256(table, bins, found);
        }
        return;
    }
    let _ = level;
    for (found, &bin) in found.iter_mut().zip(bins) {
        *found = table[usize::from(bin)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without pattern.
    fn drawn(len: usize, seed: u32, bits: u32) -> Vec<i32> {
        let mut state = seed;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as i32 >> (32 - bits)
        };
        (0..len).map(|_| draw()).collect()
    }

    #[test]
    fn every_level_estimates_what_the_scalar_code_does() {
        for pixels in (1..70).chain([1000]) {
            for bits in [8, 16, 32] {
                let row = |seed| drawn(pixels + 2 * HALO, seed, bits);
                let (a, b, c, columns) = (row(1), row(2), row(3), row(4));
                let above = Above {
                    rows: [&a, &b, &c],
                    columns: &columns,
                };
                let mut weights = Weights::default();
                weights.of.copy_from_slice(&drawn(FEATURES, 5, 16));
                weights.bias = -77;
                let run = |level| {
                    let (mut estimates, mut bins) = (vec![0; pixels], vec![0; pixels]);
                    around(level, above.columns, &mut estimates);
                    estimate(level, above, &weights, &mut estimates);
                    root_bins(level, &estimates, &mut bins);
                    let roots = (estimates.clone(), bins.clone());
                    value_bins(level, &mut estimates, 1 << 18, &mut bins);
                    (roots, estimates, bins)
                };
                let expected = run(Level::SCALAR);
                for level in Level::available() {
                    assert_eq!(run(level), expected, "{level:?} {pixels} {bits}");
                }
            }
        }
    }

    #[test]
    fn roots_are_those_of_integer_arithmetic() {
        let words: Vec<u16> = (0..300).collect();
        for level in Level::available() {
            let mut made = vec![0; 300];
            roots(level, &words, 0, &mut made);
            for (value, &root) in made.iter().enumerate() {
                let exact = ((16384 * value.min(255)).isqrt() + 1) >> 1;
                assert_eq!(root as usize, exact, "{level:?} {value}");
            }
        }
    }

    #[test]
    fn bins_of_roots_are_eighths_of_octaves() {
        let mut bins = [0; 5];
        root_bins(
            Level::SCALAR,
            &[0, 16384, -5, i32::MAX, i32::MIN],
            &mut bins,
        );
        assert_eq!(bins, [0, 64, 0, 126, 0]);
    }

    #[test]
    fn bins_of_values_rise_with_them_and_end_below_256() {
        let mut last = 0;
        for e in (0..1 << 10).map(|i: i32| i * i * i / 8) {
            let (mut estimate, mut bin) = ([e], [0]);
            value_bins(Level::SCALAR, &mut estimate, i32::MAX, &mut bin);
            let spread = if bin[0] < 160 {
                bin[0] / 4
            } else {
                bin[0] - 120
            };
            assert!(spread >= last, "{e}");
            last = spread;
        }
        assert!(last > 60 && last < 80, "{last}");
    }

    #[test]
    fn every_level_makes_the_same_symbols() {
        for pixels in (0..140).chain([1000]) {
            let differences = drawn(pixels, 6, 10);
            let bins: Vec<u8> = drawn(pixels, 7, 8).iter().map(|&bin| bin as u8).collect();
            let words: Vec<u16> = drawn(pixels, 8, 9).iter().map(|&w| w as u16).collect();
            let table: [u8; BINS] = std::array::from_fn(|i| (i * 77 % 251) as u8);
            let expected: Vec<u8> = differences
                .iter()
                .zip(&bins)
                .map(|(&d, &bin)| match bin {
                    SPECIAL_BIN => 0,
                    _ => (if d < 0 { -2 * d - 1 } else { 2 * d }).min(255) as u8,
                })
                .collect();
            for level in Level::available() {
                let mut made = vec![0xcc; pixels];
                symbols_of_differences(level, &differences, &bins, &mut made);
                assert_eq!(made, expected, "{level:?} {pixels}");
                for direct in [1, 96, 200] {
                    let mut places = vec![0; pixels + 1];
                    let count = places_from(level, &made, direct, &mut places);
                    let is_large = |&x: &u32| made[x as usize] >= direct;
                    let sought: Vec<u32> = (0..pixels as u32).filter(is_large).collect();
                    assert_eq!(places[..count], sought, "{level:?} {pixels} {direct}");
                }
                symbols_of_words(level, &words, 65535, &mut made);
                let saturated = words
                    .iter()
                    .map(|&w| ((u32::from(w) + 1) & 0xffff).min(255));
                assert!(made.iter().map(|&s| u32::from(s)).eq(saturated));
                look_up(level, &table, &bins, &mut made);
                let entries = bins.iter().map(|&bin| table[usize::from(bin)]);
                let mut raised = expected.clone();
                raise(level, &made, &mut raised);
                let largest = made.iter().zip(&expected).map(|(a, b)| a.max(b));
                assert!(raised.iter().eq(largest), "{level:?} {pixels}");
                assert!(made.iter().copied().eq(entries), "{level:?} {pixels}");
            }
        }
    }

    #[test]
    fn every_level_adds_the_same_equations() {
        let equations: Vec<Equation> = (0..150)
            .map(|seed| {
                let numbers = drawn(FEATURES + 3, seed, 12);
                let number = |i: usize| f64::from(numbers[i]);
                let terms = |i: usize| if i < FEATURES + 2 { number(i) } else { 0.0 };
                Equation {
                    terms: std::array::from_fn(terms),
                    weight: number(18),
                }
            })
            .collect();
        let sums = |level| {
            let mut sums = [[1.0; FEATURES + 2]; FEATURES + 1];
            add_equations(level, &equations, &mut sums);
            sums
        };
        let mut expected = [[1.0; FEATURES + 2]; FEATURES + 1];
        for Equation { terms, weight } in &equations {
            for (row, factor) in expected.iter_mut().zip(terms) {
                for (cell, term) in row.iter_mut().zip(terms) {
                    *cell += factor * weight * term;
                }
            }
        }
        for level in Level::available() {
            assert_eq!(sums(level), expected, "{level:?}");
        }
    }
}
