//! Estimates of `counts` with AVX-512: 32 pixels at once, products of pairs of neighbours in 16 lanes for the even pixels
//! and in 16 for the odd ones.
//!
//! The taps of even pixels that are two apart are the same numbers moved by a lane, so a row is loaded once for even and
//! once for odd pixels, and the lanes are moved in registers: a load that crosses a cache line takes longer.

#![allow(unsafe_code)] // Intrinsics; the caller of `expect` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::counts_fir::{FRACTION_BITS, Weights};
use super::counts_fir_narrow::{Above, BLOCK, HALO};

/// Weights of two neighbours in every lane.
#[target_feature(enable = "avx512f")]
fn pair(first: i32, second: i32) -> __m512i {
    _mm512_set1_epi32(first & 0xffff | second << 16)
}

/// Pairs of weights as the taps of a row need them; all rows begin with the pixel three to the left, or what is there.
struct Pairs {
    first: [__m512i; 4],
    second: [__m512i; 3],
    third: [__m512i; 2],
    /// Of the average around an even pixel, and around an odd one.
    around: [__m512i; 2],
    bias: __m512i,
}

impl Pairs {
    #[target_feature(enable = "avx512f")]
    fn new(weights: &Weights) -> Self {
        let w = &weights.of;
        Self {
            first: [
                pair(w[0], w[1]),
                pair(w[2], w[3]),
                pair(w[4], w[5]),
                pair(w[6], 0),
            ],
            second: [pair(w[7], w[8]), pair(w[9], w[10]), pair(w[11], 0)],
            third: [pair(w[12], w[13]), pair(w[14], 0)],
            around: [pair(w[15], 0), pair(0, w[15])],
            bias: _mm512_set1_epi32(weights.bias),
        }
    }
}

/// # Safety
/// The CPU has the instructions; bins are whole blocks, as many as `expected`, and rows have a halo on both sides.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn expect_roots(
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pairs = Pairs::new(weights);
    for start in (0..bins.len()).step_by(BLOCK) {
        // SAFETY: a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let (even, odd) = estimates(above, start, &pairs);
            let made = halves(special_root(even), special_root(odd));
            _mm512_storeu_si512(expected.as_mut_ptr().add(start).cast(), made);
            let made = halves(root_bin(even), root_bin(odd));
            let bins = bins.as_mut_ptr().add(start).cast();
            _mm256_storeu_si256(bins, _mm512_cvtepi16_epi8(made));
        }
    }
}

/// # Safety
/// As of [`expect_roots`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn expect_values(
    limit: i32,
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pairs = Pairs::new(weights);
    let limit = _mm512_set1_epi32(limit);
    for start in (0..bins.len()).step_by(BLOCK) {
        // SAFETY: a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let (even, odd) = estimates(above, start, &pairs);
            let even = _mm512_max_epi32(even, _mm512_setzero_si512());
            let odd = _mm512_max_epi32(odd, _mm512_setzero_si512());
            let made = halves(base(even, limit), base(odd, limit));
            _mm512_storeu_si512(expected.as_mut_ptr().add(start).cast(), made);
            let made = halves(value_bin(even), value_bin(odd));
            let bins = bins.as_mut_ptr().add(start).cast();
            _mm256_storeu_si256(bins, _mm512_cvtepi16_epi8(made));
        }
    }
}

/// 32 numbers of even and odd lanes, which have 16 bits and no sign.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn halves(even: __m512i, odd: __m512i) -> __m512i {
    _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd))
}

/// Estimates of even and odd pixels of a block.
///
/// # Safety
/// The block can be read from all rows, and a halo in front of it and behind it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn estimates(above: Above, start: usize, pairs: &Pairs) -> (__m512i, __m512i) {
    // SAFETY: the caller's promise; the taps are less than a halo away.
    unsafe {
        let around = around(above.columns.as_ptr().add(start + HALO));
        let first = above.rows[0].as_ptr().add(start + HALO - 3);
        let second = above.rows[1].as_ptr().add(start + HALO - 2);
        let third = above.rows[2].as_ptr().add(start + HALO - 1);
        let even = add_pairs(pairs.bias, around, pairs.around[0]);
        let odd = add_pairs(pairs.bias, around, pairs.around[1]);
        let even = with_taps(
            even,
            Moved::load(first),
            Moved::load(second),
            Moved::load(third),
            pairs,
        );
        let odd = with_taps(
            odd,
            Moved::load(first.add(1)),
            Moved::load(second.add(1)),
            Moved::load(third.add(1)),
            pairs,
        );
        (even, odd)
    }
}

/// The sum, and the taps of three rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn with_taps(sum: __m512i, first: Moved, second: Moved, third: Moved, pairs: &Pairs) -> __m512i {
    let one = add_pairs(sum, first.by::<0>(), pairs.first[0]);
    let two = _mm512_madd_epi16(first.by::<1>(), pairs.first[1]);
    let one = add_pairs(one, first.by::<2>(), pairs.first[2]);
    let two = add_pairs(two, first.by::<3>(), pairs.first[3]);
    let one = add_pairs(one, second.by::<0>(), pairs.second[0]);
    let two = add_pairs(two, second.by::<1>(), pairs.second[1]);
    let one = add_pairs(one, second.by::<2>(), pairs.second[2]);
    let two = add_pairs(two, third.by::<0>(), pairs.third[0]);
    let one = add_pairs(one, third.by::<1>(), pairs.third[1]);
    _mm512_add_epi32(one, two)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add_pairs(sum: __m512i, taps: __m512i, weights: __m512i) -> __m512i {
    _mm512_add_epi32(sum, _mm512_madd_epi16(taps, weights))
}

/// Pairs of neighbours, and those that come after them.
#[derive(Clone, Copy)]
struct Moved(__m512i, __m512i);

impl Moved {
    /// # Safety
    /// 40 numbers can be read.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn load(row: *const i16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let next = _mm_loadu_si128(row.add(BLOCK).cast());
            Self(_mm512_loadu_si512(row.cast()), _mm512_castsi128_si512(next))
        }
    }

    /// The pairs `LANES` further on, up to four.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn by<const LANES: i32>(self) -> __m512i {
        match LANES {
            0 => self.0,
            _ => _mm512_alignr_epi32::<LANES>(self.1, self.0),
        }
    }
}

/// The sums of 14 averages around 32 pixels, the middle one twice, over 128.
///
/// # Safety
/// As of [`estimates`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn around(columns: *const i16) -> __m512i {
    // SAFETY: the caller's promise.
    let (left, middle, right) = unsafe {
        (
            _mm512_loadu_si512(columns.sub(6).cast()),
            _mm512_loadu_si512(columns.cast()),
            _mm512_loadu_si512(columns.add(6).cast()),
        )
    };
    let (first, second, both) = (pair(1, 0), pair(0, 1), pair(1, 1));
    let pairs = _mm512_madd_epi16(left, both);
    // The pairs behind those of `left`: of `right`, the last.
    let after = _mm512_madd_epi16(right, both);
    let after = _mm512_alignr_epi32::<10>(after, after);
    let one = _mm512_alignr_epi32::<1>(after, pairs);
    let two = _mm512_alignr_epi32::<2>(after, pairs);
    let three = _mm512_alignr_epi32::<3>(after, pairs);
    let four = _mm512_alignr_epi32::<4>(after, pairs);
    let five = _mm512_alignr_epi32::<5>(after, pairs);
    let first_three = _mm512_add_epi32(_mm512_add_epi32(pairs, one), two);
    let last_three = _mm512_add_epi32(_mm512_add_epi32(three, four), five);
    let six = _mm512_add_epi32(first_three, last_three);
    let even = add_pairs(_mm512_madd_epi16(right, first), middle, first);
    let odd = add_pairs(_mm512_madd_epi16(right, both), middle, second);
    let odd = _mm512_sub_epi32(odd, _mm512_madd_epi16(left, first));
    halves(
        _mm512_srai_epi32::<7>(_mm512_add_epi32(six, even)),
        _mm512_srai_epi32::<7>(_mm512_add_epi32(six, odd)),
    )
}

/// Whole parts of estimates that are not negative.
#[inline]
#[target_feature(enable = "avx512f")]
fn base(e: __m512i, limit: __m512i) -> __m512i {
    _mm512_min_epi32(_mm512_srli_epi32::<FRACTION_BITS>(e), limit)
}

/// Entries of a table of 256; most are of its first 64.
///
/// # Safety
/// The CPU has the instructions; `found` is as long as `bytes`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn roots(table: &[i16; 256], bytes: &[u8], found: &mut [i16]) {
    // SAFETY: 256 numbers are eight registers.
    let register = |i: usize| unsafe { _mm512_loadu_si512(table.as_ptr().add(BLOCK * i).cast()) };
    let (first, second) = (register(0), register(1));
    let mut at = 0;
    while at < bytes.len() {
        let active = u32::MAX >> (BLOCK - (bytes.len() - at).min(BLOCK));
        // SAFETY: as many bytes, and numbers, as are active are left.
        unsafe {
            let index = _mm256_maskz_loadu_epi8(active, bytes.as_ptr().add(at).cast());
            let index = _mm512_cvtepu8_epi16(index);
            let mut entries = _mm512_permutex2var_epi16(first, index, second);
            let large = _mm512_cmpgt_epu16_mask(index, _mm512_set1_epi16(63));
            if large != 0 {
                for part in 1..4i16 {
                    let (low, high) = (2 * part as usize, 2 * part as usize + 1);
                    let of_part = _mm512_permutex2var_epi16(register(low), index, register(high));
                    let number = _mm512_srli_epi16::<6>(index);
                    let is_part = _mm512_cmpeq_epi16_mask(number, _mm512_set1_epi16(part));
                    entries = _mm512_mask_mov_epi16(entries, is_part, of_part);
                }
            }
            _mm512_mask_storeu_epi16(found.as_mut_ptr().add(at).cast(), active, entries);
        }
        at += BLOCK;
    }
}

/// What special pixels are taken for.
#[inline]
#[target_feature(enable = "avx512f")]
fn special_root(e: __m512i) -> __m512i {
    let root = _mm512_max_epi32(_mm512_srai_epi32::<8>(e), _mm512_setzero_si512());
    _mm512_min_epi32(root, _mm512_set1_epi32(1024))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn root_bin(e: __m512i) -> __m512i {
    let e = _mm512_max_epi32(e, _mm512_setzero_si512());
    let e = _mm512_min_epi32(e, _mm512_set1_epi32(1 << 22));
    let z = _mm512_add_epi32(e, _mm512_set1_epi32(64));
    let bits = _mm512_castps_si512(_mm512_cvtepi32_ps(z));
    let eighths = _mm512_sub_epi32(
        _mm512_srli_epi32::<20>(bits),
        _mm512_set1_epi32((127 + 6) << 3),
    );
    _mm512_min_epi32(eighths, _mm512_set1_epi32(126))
}

/// Bins of estimates that are not negative.
#[inline]
#[target_feature(enable = "avx512f")]
fn value_bin(e: __m512i) -> __m512i {
    let z = _mm512_min_epi32(e, _mm512_set1_epi32((1 << 24) - 1024));
    let z = _mm512_add_epi32(z, _mm512_set1_epi32(102));
    let bits = _mm512_castps_si512(_mm512_cvtepi32_ps(z));
    let quarters = _mm512_sub_epi32(
        _mm512_srli_epi32::<21>(bits),
        _mm512_set1_epi32((127 + 6) << 2),
    );
    let fraction = _mm512_srli_epi32::<{ FRACTION_BITS - 2 }>(e);
    let fraction = _mm512_and_si512(fraction, _mm512_set1_epi32(3));
    let small = _mm512_or_si512(_mm512_slli_epi32::<2>(quarters), fraction);
    let is_small = _mm512_cmplt_epi32_mask(quarters, _mm512_set1_epi32(40));
    let large = _mm512_add_epi32(quarters, _mm512_set1_epi32(120));
    _mm512_mask_mov_epi32(large, is_small, small)
}
