//! Estimates of `counts` with AVX-512: 32 pixels at once, products of pairs of neighbours in 16 lanes for the even pixels
//! and in 16 for the odd ones.
//!
//! The taps of even pixels that are two apart are the same numbers moved by a lane, so a row is loaded once for even and
//! once for odd pixels, and the lanes are moved in registers: a load that crosses a cache line takes longer.

#![allow(unsafe_code)] // Intrinsics; the caller of `expect` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::counts_fir::{FRACTION_BITS, Weights};
use super::counts_fir_narrow::{Above, BLOCK, HALO, Kind};

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
pub(super) unsafe fn expect(
    kind: Kind,
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pairs = Pairs::new(weights);
    for start in (0..bins.len()).step_by(BLOCK) {
        // SAFETY: a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let rows = above.rows.map(|row| row.as_ptr().add(start + HALO));
            let columns = above.columns.as_ptr().add(start + HALO);
            let [even, odd] = estimates(rows, columns, &pairs);
            let (made, bin) = match kind {
                Kind::Roots => (halves(special_root(even), special_root(odd)), {
                    halves(root_bin(even), root_bin(odd))
                }),
                Kind::Values { limit } => {
                    let zero = _mm512_setzero_si512();
                    let (even, odd) = (_mm512_max_epi32(even, zero), _mm512_max_epi32(odd, zero));
                    let limit = _mm512_set1_epi32(limit);
                    let base = |e| _mm512_min_epi32(_mm512_srli_epi32::<FRACTION_BITS>(e), limit);
                    let bases = halves(base(even), base(odd));
                    (bases, halves(value_bin(even), value_bin(odd)))
                }
            };
            _mm512_storeu_si512(expected.as_mut_ptr().add(start).cast(), made);
            let bins = bins.as_mut_ptr().add(start).cast();
            _mm256_storeu_si256(bins, _mm512_cvtepi16_epi8(bin));
        }
    }
}

/// 32 numbers of even and odd lanes, which have 16 bits and no sign.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn halves(even: __m512i, odd: __m512i) -> __m512i {
    _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd))
}

/// Estimates of even and odd pixels.
///
/// # Safety
/// A block can be read from each pointer on, and a halo in front of it and behind it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn estimates(rows: [*const i16; 3], columns: *const i16, pairs: &Pairs) -> [__m512i; 2] {
    // SAFETY: the caller's promise; the taps are less than a halo away.
    let around = unsafe { around(columns) };
    let [first, second, third] = rows;
    // SAFETY: as above.
    let taps = unsafe {
        [0, 1].map(|odd| {
            let at = |row: *const i16, reach| Moved::load(row.sub(reach).add(odd));
            (at(first, 3), at(second, 2), at(third, 1))
        })
    };
    let mut made = [pairs.bias; 2];
    for (i, ((first, second, third), sum)) in taps.iter().zip(&mut made).enumerate() {
        let one = add_pairs(*sum, around, pairs.around[i]);
        let one = add_pairs(one, first.by::<0>(), pairs.first[0]);
        let two = _mm512_madd_epi16(first.by::<1>(), pairs.first[1]);
        let one = add_pairs(one, first.by::<2>(), pairs.first[2]);
        let two = add_pairs(two, first.by::<3>(), pairs.first[3]);
        let one = add_pairs(one, second.by::<0>(), pairs.second[0]);
        let two = add_pairs(two, second.by::<1>(), pairs.second[1]);
        let one = add_pairs(one, second.by::<2>(), pairs.second[2]);
        let two = add_pairs(two, third.by::<0>(), pairs.third[0]);
        let one = add_pairs(one, third.by::<1>(), pairs.third[1]);
        *sum = _mm512_add_epi32(one, two);
    }
    made
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
    fn by<const LANES: i32>(&self) -> __m512i {
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
    let sum = |a, b| _mm512_add_epi32(a, b);
    let one = _mm512_alignr_epi32::<1>(after, pairs);
    let two = _mm512_alignr_epi32::<2>(after, pairs);
    let three = _mm512_alignr_epi32::<3>(after, pairs);
    let four = _mm512_alignr_epi32::<4>(after, pairs);
    let five = _mm512_alignr_epi32::<5>(after, pairs);
    let six = sum(sum(sum(pairs, one), sum(two, three)), sum(four, five));
    let even = sum(
        _mm512_madd_epi16(right, first),
        _mm512_madd_epi16(middle, first),
    );
    let odd = sum(
        _mm512_sub_epi32(
            _mm512_madd_epi16(right, both),
            _mm512_madd_epi16(left, first),
        ),
        _mm512_madd_epi16(middle, second),
    );
    halves(
        _mm512_srai_epi32::<7>(sum(six, even)),
        _mm512_srai_epi32::<7>(sum(six, odd)),
    )
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
