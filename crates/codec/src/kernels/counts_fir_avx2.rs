//! Estimates of `counts` with AVX2: 16 pixels at once, products of pairs of neighbours in 8 lanes for the even pixels and
//! in 8 for the odd ones.

#![allow(unsafe_code)] // Intrinsics; the caller of `expect` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::counts_fir::{FRACTION_BITS, Weights};
use super::counts_fir_narrow::{Above, HALO};
use super::counts_fir_pairs::{Pairs, Taps, pair};

/// Pixels in a register, half a block.
const PIXELS: usize = 16;

/// # Safety
/// The CPU has the instructions; bins are whole blocks, as many as `expected`, and rows have a halo on both sides.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn expect_roots(
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pairs = Pairs::new(weights, |pair| _mm256_set1_epi32(pair));
    for start in (0..bins.len()).step_by(PIXELS) {
        // SAFETY: half a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let (even, odd) = estimates(above, start, &pairs);
            let made = halves(special_root(even), special_root(odd));
            _mm256_storeu_si256(expected.as_mut_ptr().add(start).cast(), made);
            let made = bytes(halves(root_bin(even), root_bin(odd)));
            _mm_storeu_si128(bins.as_mut_ptr().add(start).cast(), made);
        }
    }
}

/// # Safety
/// As of [`expect_roots`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn expect_values(
    limit: i32,
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let limit = _mm256_set1_epi32(limit);
    let pairs = Pairs::new(weights, |pair| _mm256_set1_epi32(pair));
    for start in (0..bins.len()).step_by(PIXELS) {
        // SAFETY: half a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let (even, odd) = estimates(above, start, &pairs);
            let even = _mm256_max_epi32(even, _mm256_setzero_si256());
            let odd = _mm256_max_epi32(odd, _mm256_setzero_si256());
            let made = halves(base(even, limit), base(odd, limit));
            _mm256_storeu_si256(expected.as_mut_ptr().add(start).cast(), made);
            let made = bytes(halves(value_bin(even), value_bin(odd)));
            _mm_storeu_si128(bins.as_mut_ptr().add(start).cast(), made);
        }
    }
}

/// 16 numbers below 256.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(numbers: __m256i) -> __m128i {
    let packed = _mm256_packus_epi16(numbers, numbers);
    _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b10_00>(packed))
}

/// Whole parts of estimates that are not negative.
#[inline]
#[target_feature(enable = "avx2")]
fn base(e: __m256i, limit: __m256i) -> __m256i {
    _mm256_min_epi32(_mm256_srli_epi32::<{ FRACTION_BITS as i32 }>(e), limit)
}

/// Estimates of even and odd pixels of half a block.
///
/// # Safety
/// Half a block can be read from all rows, and a halo in front of it and behind it.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn estimates(above: Above, start: usize, pairs: &Pairs<__m256i>) -> (__m256i, __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        let columns = above.columns.as_ptr().add(start + HALO);
        let around = halves(around(columns), around(columns.add(1)));
        let even = _mm256_add_epi32(pairs.bias, _mm256_madd_epi16(around, pairs.around[0]));
        let odd = _mm256_add_epi32(pairs.bias, _mm256_madd_epi16(around, pairs.around[1]));
        let first = above.rows[0].as_ptr().add(start + HALO - 3);
        let second = above.rows[1].as_ptr().add(start + HALO - 2);
        let third = above.rows[2].as_ptr().add(start + HALO - 1);
        let numbers = Taps {
            first: [0, 2, 4, 6].map(|at| loaded(first.add(at))),
            second: [0, 2, 4].map(|at| loaded(second.add(at))),
            third: [0, 2].map(|at| loaded(third.add(at))),
        };
        (
            with_taps(even, &numbers, &pairs.even),
            with_taps(odd, &numbers, &pairs.odd),
        )
    }
}

/// 16 numbers of even and odd lanes, which have 16 bits and no sign.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(even: __m256i, odd: __m256i) -> __m256i {
    _mm256_or_si256(even, _mm256_slli_epi32::<16>(odd))
}

/// The sum, and the products of taps and their weights.
#[inline]
#[target_feature(enable = "avx2")]
fn with_taps(sum: __m256i, numbers: &Taps<__m256i>, weights: &Taps<__m256i>) -> __m256i {
    let sums = |numbers: &[__m256i], weights: &[__m256i]| {
        let products = numbers.iter().zip(weights);
        let products = products.map(|(&numbers, &weights)| _mm256_madd_epi16(numbers, weights));
        products
            .reduce(|a, b| _mm256_add_epi32(a, b))
            .unwrap_or(sum)
    };
    let one = sums(&numbers.first, &weights.first);
    let two = sums(&numbers.second, &weights.second);
    let three = sums(&numbers.third, &weights.third);
    _mm256_add_epi32(_mm256_add_epi32(sum, one), _mm256_add_epi32(two, three))
}

/// # Safety
/// Half a block can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn loaded(row: *const i16) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_loadu_si256(row.cast()) }
}

/// Products of pairs of neighbours.
///
/// # Safety
/// Half a block can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn product(row: *const i16, weights: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    _mm256_madd_epi16(unsafe { loaded(row) }, weights)
}

/// The sums of 14 averages around even pixels, the middle one twice, over 128.
///
/// # Safety
/// As of [`estimates`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn around(columns: *const i16) -> __m256i {
    let (both, first) = (_mm256_set1_epi32(pair(1, 1)), _mm256_set1_epi32(pair(1, 0)));
    // SAFETY: the caller's promise.
    unsafe {
        let left = _mm256_add_epi32(product(columns.sub(6), both), product(columns.sub(4), both));
        let middle = _mm256_add_epi32(product(columns.sub(2), both), product(columns, both));
        let middle = _mm256_add_epi32(middle, product(columns, first));
        let right = _mm256_add_epi32(product(columns.add(2), both), product(columns.add(4), both));
        let right = _mm256_add_epi32(right, product(columns.add(6), first));
        let sum = _mm256_add_epi32(left, _mm256_add_epi32(middle, right));
        _mm256_srai_epi32::<7>(sum)
    }
}

/// What special pixels are taken for.
#[inline]
#[target_feature(enable = "avx2")]
fn special_root(e: __m256i) -> __m256i {
    let root = _mm256_max_epi32(_mm256_srai_epi32::<8>(e), _mm256_setzero_si256());
    _mm256_min_epi32(root, _mm256_set1_epi32(1024))
}

#[inline]
#[target_feature(enable = "avx2")]
fn root_bin(e: __m256i) -> __m256i {
    let e = _mm256_max_epi32(e, _mm256_setzero_si256());
    let e = _mm256_min_epi32(e, _mm256_set1_epi32(1 << 22));
    let z = _mm256_add_epi32(e, _mm256_set1_epi32(64));
    let bits = _mm256_castps_si256(_mm256_cvtepi32_ps(z));
    let eighths = _mm256_sub_epi32(
        _mm256_srli_epi32::<20>(bits),
        _mm256_set1_epi32((127 + 6) << 3),
    );
    _mm256_min_epi32(eighths, _mm256_set1_epi32(126))
}

/// Bins of estimates that are not negative.
#[inline]
#[target_feature(enable = "avx2")]
fn value_bin(e: __m256i) -> __m256i {
    let z = _mm256_min_epi32(e, _mm256_set1_epi32((1 << 24) - 1024));
    let z = _mm256_add_epi32(z, _mm256_set1_epi32(102));
    let bits = _mm256_castps_si256(_mm256_cvtepi32_ps(z));
    let quarters = _mm256_sub_epi32(
        _mm256_srli_epi32::<21>(bits),
        _mm256_set1_epi32((127 + 6) << 2),
    );
    let fraction = _mm256_srli_epi32::<{ FRACTION_BITS as i32 - 2 }>(e);
    let fraction = _mm256_and_si256(fraction, _mm256_set1_epi32(3));
    let small = _mm256_or_si256(_mm256_slli_epi32::<2>(quarters), fraction);
    let is_large = _mm256_cmpgt_epi32(quarters, _mm256_set1_epi32(39));
    let large = _mm256_add_epi32(quarters, _mm256_set1_epi32(120));
    _mm256_blendv_epi8(small, large, is_large)
}
