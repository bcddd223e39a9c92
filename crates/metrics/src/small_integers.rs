//! The sums over elements of 8 and 16 bits, in integers: exact whatever the order, so that the compiler may use whole vectors.
//!
//! With e = B − A, Σ AB is (Σ A² + Σ B² − Σ e²) / 2, and a square of 16 bits fits into 32. Sums of squares are kept as those
//! of their lower and upper halves, which a block cannot carry beyond 32 bits either.
//!
//! An element that is masked becomes A = B = the first valid value of its block: no error, no new extreme, and known
//! squares that are taken off again. That is cheaper than moving the valid ones together.

use multiversion::multiversion;

use crate::block_sums::{BlockSums, larger};
use crate::moments::PairMoments;
use crate::settings::Noise;

/// Elements of a block, so that all its arrays stay in the first-level cache. Sums of 32 bits hold up to 2¹⁵.
const BLOCK: usize = 512;
const LANES: usize = 8;

/// Elements of a block that do not count, and what stands in their place.
#[derive(Debug, Clone, Copy)]
struct Masked {
    count: usize,
    value: i32,
}

/// A block, or less at the end, and memory for what is made of it.
struct Block {
    len: usize,
    masked: Masked,
    a: [i32; BLOCK],
    b: [i32; BLOCK],
    e: [i32; BLOCK],
    /// (e/σ)².
    squared: [f64; BLOCK],
}

/// Calls `take` with the sums over each block that has a valid element, and their number. `take` gives the largest |e|/|A|
/// so far.
pub(crate) fn for_each_sums<T: Copy + Into<i32>>(
    original: &[T],
    decoded: &[T],
    valid: Option<&[bool]>,
    noise: Noise,
    mut take: impl FnMut(&BlockSums, usize) -> f64,
) {
    let mut largest_ratio = take(&BlockSums::default(), 0);
    let mut block = Block::new();
    let pairs = original.chunks(BLOCK).zip(decoded.chunks(BLOCK));
    for (at, (original, decoded)) in pairs.enumerate() {
        block.len = original.len();
        widen(original, &mut block.a);
        widen(decoded, &mut block.b);
        if let Some(valid) = valid {
            let valid = &valid[at * BLOCK..at * BLOCK + block.len];
            let Some(first) = valid.iter().position(|valid| *valid) else {
                continue;
            };
            let value = block.a[first];
            let count = fill_masked(valid, value, &mut block.a, &mut block.b);
            block.masked = Masked { count, value };
        }
        let found = block_sums(&mut block, noise, largest_ratio);
        largest_ratio = take(&found, block.len - block.masked.count);
    }
}

impl Block {
    fn new() -> Self {
        Self {
            len: 0,
            masked: Masked { count: 0, value: 0 },
            a: [0; BLOCK],
            b: [0; BLOCK],
            e: [0; BLOCK],
            squared: [0.0; BLOCK],
        }
    }
}

#[multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512vl+avx512dq+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn widen<'a, T: Copy + Into<i32>>(from: &'a [T], into: &'a mut [i32]) {
    for (into, value) in into.iter_mut().zip(from) {
        *into = (*value).into();
    }
}

/// Puts `value` in place of what is not valid; how many that are.
#[multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512vl+avx512dq+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn fill_masked<'a>(valid: &'a [bool], value: i32, a: &'a mut [i32], b: &'a mut [i32]) -> usize {
    let mut count = 0;
    for ((valid, a), b) in valid.iter().zip(a).zip(b) {
        *a = if *valid { *a } else { value };
        *b = if *valid { *b } else { value };
        count += u32::from(!*valid);
    }
    count as usize
}

#[multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512vl+avx512dq+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn block_sums(block: &mut Block, noise: Noise, largest_ratio: f64) -> BlockSums {
    let len = block.len;
    let (a, b, e) = (&block.a[..len], &block.b[..len], &mut block.e[..len]);
    for ((e, a), b) in e.iter_mut().zip(a).zip(b) {
        *e = b - a;
    }
    let e = &block.e[..len];
    let mut sums = BlockSums::default();
    let [sum_a, error] = add_extremes(&mut sums, a, e);
    let squares_e = sum_of_squares(e);
    sums.squares = squares_e as f64;
    let squares = [sum_of_squares(a), sum_of_squares(b), squares_e];
    sums.pair = pair_moments(len, block.masked, [sum_a, error], squares);
    sums.max_pointwise = largest_ratio;
    if has_larger_ratio(a, e, largest_ratio) {
        sums.max_pointwise = max_ratio(a, e);
    }
    add_sigma(&mut sums, a, e, noise, &mut block.squared[..len]);
    sums
}

/// Σ A and Σ e, and what else needs neither squares nor divisions.
#[inline(always)]
fn add_extremes(sums: &mut BlockSums, a: &[i32], e: &[i32]) -> [i64; 2] {
    let (mut min, mut max, mut sum) = (i32::MAX, i32::MIN, 0);
    for &a in a {
        min = if a < min { a } else { min };
        max = if a > max { a } else { max };
        sum += a;
    }
    (sums.min, sums.max) = (f64::from(min), f64::from(max));
    let (mut max_abs, mut error, mut abs, mut at_zero) = (0, 0, 0, 0);
    for (&a, &e) in a.iter().zip(e) {
        max_abs = if e.abs() > max_abs { e.abs() } else { max_abs };
        error += e;
        abs += e.abs();
        at_zero += i32::from((a == 0) & (e != 0));
    }
    sums.max_abs = f64::from(max_abs);
    (sums.error, sums.abs) = (f64::from(error), f64::from(abs));
    sums.errors_at_zero = f64::from(at_zero);
    [i64::from(sum), i64::from(error)]
}

/// Σ x² of less than 2¹⁶ numbers of at most 16 bits and a sign.
#[inline(always)]
fn sum_of_squares(values: &[i32]) -> i64 {
    let (mut low, mut high) = (0_u32, 0_u32);
    for &value in values {
        let square = value.wrapping_mul(value) as u32;
        low = low.wrapping_add(square & 0xffff);
        high = high.wrapping_add(square >> 16);
    }
    i64::from(low) + (i64::from(high) << 16)
}

/// Means and central moments of the valid elements from Σ A and Σ e, and the squares of A, B and e.
#[inline(always)]
fn pair_moments(
    len: usize,
    masked: Masked,
    [sum_a, error]: [i64; 2],
    [squares_a, squares_b, squares_e]: [i64; 3],
) -> PairMoments {
    let (left_out, value) = (masked.count as i64, i64::from(masked.value));
    let count = len as i64 - left_out;
    let sum_a = sum_a - left_out * value;
    let sum_b = sum_a + error;
    let [squares_a, squares_b] =
        [squares_a, squares_b].map(|squares| squares - left_out * value * value);
    let products = (squares_a + squares_b - squares_e) / 2;
    // n Σ xy − Σx Σy is below n² · 2³², and exact.
    let central = |products: i64, x: i64, y: i64| (count * products - x * y) as f64 / count as f64;
    PairMoments {
        count: count as f64,
        mean_a: sum_a as f64 / count as f64,
        mean_b: sum_b as f64 / count as f64,
        squares_a: central(squares_a, sum_a, sum_a),
        squares_b: central(squares_b, sum_b, sum_b),
        products: central(products, sum_a, sum_b),
    }
}

/// Whether an |e|/|A| is above `largest_ratio`, without a division.
#[inline(always)]
fn has_larger_ratio(a: &[i32], e: &[i32], largest_ratio: f64) -> bool {
    // Different quotients of numbers of 16 bits differ by more than 2⁻³² of them, far more than rounding.
    let limit = if largest_ratio > 0.0 {
        largest_ratio * (1.0 + 1e-12)
    } else {
        largest_ratio
    };
    let mut above = 0_u64;
    for (a, e) in a.iter().zip(e) {
        let is_above = f64::from(e.abs()) > limit * f64::from(a.abs());
        above |= u64::from(is_above & (*a != 0));
    }
    above != 0
}

/// The largest |e|/|A|; at least one A is not 0.
#[inline(always)]
fn max_ratio(a: &[i32], e: &[i32]) -> f64 {
    let mut max = -1.0;
    for (a, e) in a.iter().zip(e) {
        if *a != 0 {
            max = larger(max, f64::from(e.abs()) / f64::from(a.abs()));
        }
    }
    max
}

#[inline(always)]
fn add_sigma(sums: &mut BlockSums, a: &[i32], e: &[i32], noise: Noise, squared: &mut [f64]) {
    let Noise { gain, offset, read } = noise;
    for ((squared, a), e) in squared.iter_mut().zip(a).zip(e) {
        let variance = gain * larger(0.0, f64::from(*a) - offset) + read * read;
        let e = f64::from(*e);
        *squared = e * e / larger(1.0, variance);
    }
    let (groups, rest) = squared.as_chunks::<LANES>();
    let (mut max, mut sum) = ([0.0; LANES], [0.0; LANES]);
    for group in groups {
        for lane in 0..LANES {
            max[lane] = larger(max[lane], group[lane]);
            sum[lane] += group[lane];
        }
    }
    for (max, sum) in max.iter().zip(&sum).chain(rest.iter().zip(rest)) {
        sums.max_sigma_squared = larger(sums.max_sigma_squared, *max);
        sums.sigma_squares += sum;
    }
}

#[cfg(test)]
mod tests {
    use crate::{Frames, Moments, Noise, Values};

    fn moments(original: Values<'_>, decoded: Values<'_>, valid: Option<&[bool]>) -> Moments {
        let noise = Noise {
            gain: 1.7,
            offset: 3.0,
            read: 0.5,
        };
        let mut moments = Moments::new(noise);
        moments.add_frames(&Frames {
            original,
            decoded,
            valid,
            first: 0,
            count: 1,
            rows: 1,
            columns: original.len(),
        });
        moments
    }

    /// What the sums in f64 yield is what those in integers yield.
    fn agree(what: &str, integers: Moments, floats: Moments) {
        let exact = |sums: &Moments| {
            let extremes = [sums.min, sums.max, sums.max_abs, sums.max_pointwise];
            (sums.count, extremes, sums.errors_at_zero)
        };
        assert_eq!(exact(&integers), exact(&floats), "{what}");
        let rounded = |sums: &Moments| {
            let pair = &sums.pair;
            [
                sums.mean_error(),
                sums.mean_abs_error(),
                sums.mean_squared_error(),
                sums.mean_sigma_squared(),
                sums.max_sigma_squared,
                pair.mean_a,
                pair.mean_b,
                pair.squares_a,
                pair.squares_b,
                pair.products,
            ]
        };
        for (integer, float) in rounded(&integers).into_iter().zip(rounded(&floats)) {
            let close = (integer - float).abs() <= 1e-12 * float.abs();
            let undefined = integer.is_nan() && float.is_nan();
            assert!(close || undefined, "{what}: {integer} {float}");
        }
    }

    /// Numbers of all sizes up to 16 bits, with zeros and both ends of the type among them.
    fn scattered(len: u64, seed: u64) -> Vec<u16> {
        let random = |at: u64| (at + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        (0..len)
            .map(|at| match random(at) % 7 {
                0 => 0,
                1 => u16::MAX,
                2 => 1 << 15,
                bits => (random(at + len) as u16) >> (2 * bits),
            })
            .collect()
    }

    macro_rules! agrees {
        ($($variant:ident $type:ty;)*) => {$(
            for len in [1, 7, 8, 511, 512, 513, 5000] {
                let typed = |seed| -> Vec<$type> {
                    scattered(len, seed).iter().map(|&value| value as $type).collect()
                };
                let (a, b) = (typed(1), typed(99));
                let wide = |values: &[$type]| -> Vec<f64> {
                    values.iter().map(|&value| f64::from(value)).collect()
                };
                let (a_f64, b_f64) = (wide(&a), wide(&b));
                let valid: Vec<bool> = (0..len).map(|at| at / 600 != 1 && at % 3 != 0).collect();
                for valid in [None, Some(&valid[..])] {
                    agree(
                        &format!("{} {len} masked {}", stringify!($variant), valid.is_some()),
                        moments(Values::$variant(&a), Values::$variant(&b), valid),
                        moments(Values::F64(&a_f64), Values::F64(&b_f64), valid),
                    );
                }
            }
        )*};
    }

    #[test]
    fn sums_in_integers_are_those_in_f64() {
        agrees! { I8 i8; U8 u8; I16 i16; U16 u16; }
    }

    #[test]
    fn a_later_block_with_a_larger_ratio_counts_and_an_equal_one_changes_nothing() {
        let mut a = vec![3_u16; 3000];
        let mut b = a.clone();
        (b[10], a[2900], b[2900]) = (4, 2, 3);
        let found = moments(Values::U16(&a), Values::U16(&b), None);
        assert_eq!(found.max_pointwise, 0.5);
    }
}
