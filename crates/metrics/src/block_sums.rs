//! The sums over one block, as loops that the compiler turns into vector instructions of the CPU it runs on.
//!
//! Each sum has eight lanes of its own, two or four vectors, so that additions need not wait for each other. The loops are
//! several because a single one needs more registers than there are; the block stays in the first-level cache.
//!
//! For variances, values are taken relative to the block's first element: Σ(x − x₀)² is at most the block's length times
//! the squared deviations, so that the difference of two sums keeps 13 digits even where the mean is large beside the
//! deviation.

use multiversion::multiversion;

use crate::blocks::Block;
use crate::moments::PairMoments;
use crate::settings::Noise;

const LANES: usize = 8;
type Lanes = [f64; LANES];

/// Sums and extremes over one block; the names are those of [`crate::Moments`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BlockSums {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) max_abs: f64,
    pub(crate) error: f64,
    pub(crate) abs: f64,
    pub(crate) squares: f64,
    pub(crate) max_pointwise: f64,
    /// A whole number.
    pub(crate) errors_at_zero: f64,
    pub(crate) max_sigma_squared: f64,
    pub(crate) sigma_squares: f64,
    pub(crate) pair: PairMoments,
}

/// Runs a block of code on groups of eight elements of slices of one length, the last group filled up with a number that has
/// to be neutral. A macro, because a closure is not always compiled for the CPU that the function around it is for.
macro_rules! for_each_group {
    ([$($values:ident = $fill:expr),+] $body:block) => {{
        let len = [$($values.len()),+][0];
        for at in 0..len / LANES {
            $(let $values = &$values.as_chunks::<LANES>().0[at];)+
            $body
        }
        if len % LANES > 0 {
            $(let $values = &last_group($values, $fill);)+
            $body
        }
    }};
}

/// Sums over a block of at least one element. The largest |e|/|A| is only sought where it is above `largest_ratio`, that of
/// earlier blocks, because a division takes longer than all else.
#[multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512vl+avx512dq+avx512bw",
    "x86_64+avx+avx2+fma"
))]
pub(crate) fn block_sums<'a>(block: Block<'a>, noise: Noise, largest_ratio: f64) -> BlockSums {
    let mut sums = BlockSums::default();
    add_errors(&mut sums, block.e);
    add_range(&mut sums, block.a);
    sums.max_pointwise = -1.0;
    if add_zeros(&mut sums, block.a, block.e, largest_ratio) {
        sums.max_pointwise = max_pointwise(block.a, block.e);
    }
    add_sigma(&mut sums, block.a, block.e, noise);
    sums.pair = pair(block.a, block.b);
    sums
}

#[inline(always)]
fn add_errors(sums: &mut BlockSums, e: &[f64]) {
    let (mut max, mut sum, mut abs, mut squares) = (zeros(), zeros(), zeros(), zeros());
    for_each_group!([e = 0.0] {
        for lane in 0..LANES {
            max[lane] = larger(max[lane], e[lane].abs());
            sum[lane] += e[lane];
            abs[lane] += e[lane].abs();
            squares[lane] += e[lane] * e[lane];
        }
    });
    sums.max_abs = largest(max);
    sums.error = total(sum);
    sums.abs = total(abs);
    sums.squares = total(squares);
}

#[inline(always)]
fn add_range(sums: &mut BlockSums, a: &[f64]) {
    let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    for_each_group!([a = a[0]] {
        for lane in 0..LANES {
            min[lane] = smaller(min[lane], a[lane]);
            max[lane] = larger(max[lane], a[lane]);
        }
    });
    sums.min = min.into_iter().fold(f64::INFINITY, smaller);
    sums.max = largest(max);
}

/// Counts errors where A is 0; whether an |e|/|A| may be above `largest_ratio`.
#[inline(always)]
fn add_zeros(sums: &mut BlockSums, a: &[f64], e: &[f64], largest_ratio: f64) -> bool {
    // Rounding of the quotient and of the product must not hide one that is larger.
    let limit = largest_ratio * (1.0 - 1e-15);
    let (mut above, mut at_zero) = (zeros(), zeros());
    for_each_group!([a = 1.0, e = 0.0] {
        for lane in 0..LANES {
            let zero = a[lane] == 0.0;
            let larger = e[lane].abs() > limit * a[lane].abs();
            above[lane] = if larger & !zero { 1.0 } else { above[lane] };
            at_zero[lane] += if zero & (e[lane] != 0.0) { 1.0 } else { 0.0 };
        }
    });
    sums.errors_at_zero = total(at_zero);
    total(above) > 0.0
}

/// The largest |e|/|A|; −1 where A is 0 everywhere.
#[inline(always)]
fn max_pointwise(a: &[f64], e: &[f64]) -> f64 {
    let mut max = [-1.0; LANES];
    for_each_group!([a = 0.0, e = 0.0] {
        for lane in 0..LANES {
            let ratio = e[lane].abs() / a[lane].abs();
            max[lane] = larger(max[lane], if a[lane] == 0.0 { -1.0 } else { ratio });
        }
    });
    largest(max)
}

#[inline(always)]
fn add_sigma(sums: &mut BlockSums, a: &[f64], e: &[f64], noise: Noise) {
    let Noise { gain, offset, read } = noise;
    let (mut max, mut sum) = (zeros(), zeros());
    for_each_group!([a = 0.0, e = 0.0] {
        for lane in 0..LANES {
            let variance = gain * larger(0.0, a[lane] - offset) + read * read;
            let squared = e[lane] * e[lane] / larger(1.0, variance);
            max[lane] = larger(max[lane], squared);
            sum[lane] += squared;
        }
    });
    sums.max_sigma_squared = largest(max);
    sums.sigma_squares = total(sum);
}

#[inline(always)]
fn pair(a: &[f64], b: &[f64]) -> PairMoments {
    let (first_a, first_b) = (a[0], b[0]);
    let (sum_a, squares_a) = sums_from(a, first_a);
    let (sum_b, squares_b) = sums_from(b, first_b);
    let mut products = zeros();
    for_each_group!([a = first_a, b = first_b] {
        for lane in 0..LANES {
            products[lane] += (a[lane] - first_a) * (b[lane] - first_b);
        }
    });
    let count = a.len() as f64;
    PairMoments {
        count,
        mean_a: first_a + sum_a / count,
        mean_b: first_b + sum_b / count,
        squares_a: squares_a - sum_a * sum_a / count,
        squares_b: squares_b - sum_b * sum_b / count,
        products: total(products) - sum_a * sum_b / count,
    }
}

/// Σ (x − first) and Σ (x − first)². A loop over A and B at once is not turned into whole vectors.
#[inline(always)]
fn sums_from(values: &[f64], first: f64) -> (f64, f64) {
    let (mut sum, mut squares) = (zeros(), zeros());
    for_each_group!([values = first] {
        for lane in 0..LANES {
            let value = values[lane] - first;
            sum[lane] += value;
            squares[lane] += value * value;
        }
    });
    (total(sum), total(squares))
}

/// What is left after groups of eight, filled up with `fill`.
#[inline(always)]
fn last_group(values: &[f64], fill: f64) -> Lanes {
    let rest = values.as_chunks::<LANES>().1;
    let mut last = [fill; LANES];
    last[..rest.len()].copy_from_slice(rest);
    last
}

#[inline(always)]
fn zeros() -> Lanes {
    [0.0; LANES]
}

/// The larger number; `so_far` where `value` is NaN. One instruction, unlike `f64::max`.
#[inline(always)]
pub(crate) fn larger(so_far: f64, value: f64) -> f64 {
    if value > so_far { value } else { so_far }
}

/// The smaller number; `so_far` where `value` is NaN.
#[inline(always)]
pub(crate) fn smaller(so_far: f64, value: f64) -> f64 {
    if value < so_far { value } else { so_far }
}

#[inline(always)]
fn largest(lanes: Lanes) -> f64 {
    lanes.into_iter().fold(f64::NEG_INFINITY, larger)
}

#[inline(always)]
fn total([a, b, c, d, e, f, g, h]: Lanes) -> f64 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
