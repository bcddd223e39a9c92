//! Estimates of `counts` with AVX-512 and its products of pairs (VNNI): 32 pixels at once, in 16 lanes the even ones and
//! in 16 the odd ones.
//!
//! The taps of even pixels that are two apart are the same numbers moved by a lane, so a row is loaded once and its lanes are
//! moved in registers: a load that crosses a cache line takes longer. Odd pixels have the same pairs of numbers, with other
//! weights.

#![allow(unsafe_code)] // Intrinsics; the caller of `expect` answers for the CPU and the lengths.

use std::arch::asm;
use std::arch::x86_64::*;

use super::counts_fir::{FRACTION_BITS, Weights};
use super::counts_fir_narrow::{Above, BLOCK, HALO};
use super::counts_fir_pairs::{Pairs, Taps, pair};

/// # Safety
/// The CPU has the instructions; bins are whole blocks, as many as `expected`, and rows have a halo on both sides.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn expect_roots(
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pairs = Pairs::new(weights, |pair| _mm512_set1_epi32(pair));
    // 1024 is the largest root.
    let most = _mm512_set1_epi32(1024 << 8);
    for start in (0..bins.len()).step_by(BLOCK) {
        // SAFETY: a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let (even, odd) = estimates(above, start, &pairs);
            let even = _mm512_max_epi32(even, _mm512_setzero_si512());
            let odd = _mm512_max_epi32(odd, _mm512_setzero_si512());
            let made = halves(
                _mm512_srli_epi32::<8>(_mm512_min_epi32(even, most)),
                _mm512_slli_epi32::<8>(_mm512_min_epi32(odd, most)),
            );
            _mm512_storeu_si512(expected.as_mut_ptr().add(start).cast(), made);
            let made = halves(
                _mm512_srli_epi32::<20>(float_bits(even, 64)),
                _mm512_srli_epi32::<4>(float_bits(odd, 64)),
            );
            let bin = _mm512_sub_epi16(made, _mm512_set1_epi16((127 + 6) << 3));
            let bin = _mm512_min_epu16(bin, _mm512_set1_epi16(126));
            let bins = bins.as_mut_ptr().add(start).cast();
            _mm256_storeu_si256(bins, _mm512_cvtepi16_epi8(bin));
        }
    }
}

/// # Safety
/// As of [`expect_roots`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn expect_values(
    limit: i32,
    above: Above,
    weights: &Weights,
    expected: &mut [i16],
    bins: &mut [u8],
) {
    let pairs = Pairs::new(weights, |pair| _mm512_set1_epi32(pair));
    let limit = _mm512_set1_epi32(limit);
    let three = _mm512_set1_epi16(3);
    // Those of 2²⁴ − 922, the largest sum that is told from others.
    let most_quarters = _mm512_set1_epi16(4 * (23 - 6) + 3);
    for start in (0..bins.len()).step_by(BLOCK) {
        // SAFETY: a block begins at `start`, and a halo is left on both sides of it.
        unsafe {
            let (even, odd) = estimates(above, start, &pairs);
            let even = _mm512_max_epi32(even, _mm512_setzero_si512());
            let odd = _mm512_max_epi32(odd, _mm512_setzero_si512());
            let even_base = _mm512_min_epi32(_mm512_srli_epi32::<FRACTION_BITS>(even), limit);
            let odd_base = _mm512_min_epi32(_mm512_srli_epi32::<FRACTION_BITS>(odd), limit);
            let made = halves(even_base, _mm512_slli_epi32::<16>(odd_base));
            _mm512_storeu_si512(expected.as_mut_ptr().add(start).cast(), made);
            let quarters = halves(
                _mm512_srli_epi32::<21>(float_bits(even, 102)),
                _mm512_srli_epi32::<5>(float_bits(odd, 102)),
            );
            let quarters = _mm512_sub_epi16(quarters, _mm512_set1_epi16((127 + 6) << 2));
            // Bits 8 and 9 of an estimate are the quarter of its fraction; of a small one they fit 16 bits.
            let fraction = halves(
                _mm512_and_si512(even, _mm512_set1_epi32(0x300)),
                _mm512_slli_epi32::<16>(odd),
            );
            let fraction = _mm512_and_si512(_mm512_srli_epi16::<8>(fraction), three);
            let small = _mm512_add_epi16(_mm512_slli_epi16::<2>(quarters), fraction);
            let is_small = _mm512_cmplt_epu16_mask(quarters, _mm512_set1_epi16(40));
            let large = _mm512_min_epu16(quarters, most_quarters);
            let large = _mm512_add_epi16(large, _mm512_set1_epi16(120));
            let bin = _mm512_mask_mov_epi16(large, is_small, small);
            let bins = bins.as_mut_ptr().add(start).cast();
            _mm256_storeu_si256(bins, _mm512_cvtepi16_epi8(bin));
        }
    }
}

/// 32 numbers: the low halves of even lanes, which have 16 bits and no sign, and the high halves of odd ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn halves(even: __m512i, odd: __m512i) -> __m512i {
    const EVEN_OR_MASKED_ODD: i32 = 0xf0 | (0xcc & 0xaa);
    let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    _mm512_ternarylogic_epi32::<EVEN_OR_MASKED_ODD>(even, odd, high)
}

/// Estimates of even and odd pixels of a block.
///
/// # Safety
/// The block can be read from all rows, and a halo in front of it and behind it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn estimates(above: Above, start: usize, pairs: &Pairs<__m512i>) -> (__m512i, __m512i) {
    // SAFETY: the caller's promise; the taps are less than a halo away.
    unsafe {
        let around = around(above.columns.as_ptr().add(start + HALO));
        let first = Moved::load(above.rows[0].as_ptr().add(start + HALO - 3));
        let second = Moved::load(above.rows[1].as_ptr().add(start + HALO - 2));
        let third = Moved::load(above.rows[2].as_ptr().add(start + HALO - 1));
        // What is around takes longest to be known, so it comes last.
        let rows = [first, second, third];
        let even = with_taps(pairs.bias, rows, &pairs.even);
        let odd = with_taps(pairs.bias, rows, &pairs.odd);
        (
            with_products(even, around, pairs.around[0]),
            with_products(odd, around, pairs.around[1]),
        )
    }
}

/// The sum, and the taps of three rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn with_taps(sum: __m512i, [first, second, third]: [Moved; 3], taps: &Taps<__m512i>) -> __m512i {
    // Two sums, for a product waits for the one before it.
    let one = with_products(sum, first.by::<0>(), taps.first[0]);
    let two = _mm512_madd_epi16(first.by::<1>(), taps.first[1]);
    let one = with_products(one, first.by::<2>(), taps.first[2]);
    let two = with_products(two, first.by::<3>(), taps.first[3]);
    let one = with_products(one, second.by::<0>(), taps.second[0]);
    let two = with_products(two, second.by::<1>(), taps.second[1]);
    let one = with_products(one, second.by::<2>(), taps.second[2]);
    let two = with_products(two, third.by::<0>(), taps.third[0]);
    let one = with_products(one, third.by::<1>(), taps.third[1]);
    _mm512_add_epi32(one, two)
}

/// The sums, and those of the products of two pairs. Of the intrinsic the compiler makes two instructions, which is a
/// third more of them all.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn with_products(mut sums: __m512i, numbers: __m512i, weights: __m512i) -> __m512i {
    // SAFETY: an instruction on registers, which the function is compiled for.
    unsafe {
        asm!(
            "vpdpwssd {sums}, {numbers}, {weights}",
            sums = inout(zmm_reg) sums,
            numbers = in(zmm_reg) numbers,
            weights = in(zmm_reg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn around(columns: *const i16) -> __m512i {
    // SAFETY: the caller's promise.
    let (left, after, middle, right) = unsafe {
        (
            _mm512_loadu_si512(columns.sub(6).cast()),
            _mm256_loadu_si256(columns.add(BLOCK - 6).cast()),
            _mm512_loadu_si512(columns.cast()),
            _mm512_loadu_si512(columns.add(6).cast()),
        )
    };
    let (first, second, both) = (
        _mm512_set1_epi32(pair(1, 0)),
        _mm512_set1_epi32(pair(0, 1)),
        _mm512_set1_epi32(pair(1, 1)),
    );
    // Sums of two, then of four, and then of twelve numbers.
    let after = _mm256_madd_epi16(after, _mm512_castsi512_si256(both));
    let twos = Moved(_mm512_madd_epi16(left, both), _mm512_castsi256_si512(after));
    let after = _mm256_add_epi32(after, _mm256_alignr_epi32::<1>(after, after));
    let fours = _mm512_add_epi32(twos.0, twos.by::<1>());
    let fours = Moved(fours, _mm512_castsi256_si512(after));
    let twelve = _mm512_add_epi32(fours.0, fours.by::<2>());
    let twelve = _mm512_add_epi32(twelve, fours.by::<4>());
    let even = with_products(with_products(twelve, right, first), middle, first);
    let odd = with_products(with_products(twelve, right, both), middle, second);
    let odd = with_products(odd, left, _mm512_set1_epi32(pair(-1, 0)));
    // Of the sum of an odd pixel, moved down 7 bits and up 16, the upper half.
    halves(_mm512_srli_epi32::<7>(even), _mm512_slli_epi32::<9>(odd))
}

/// The sum of an estimate that is not negative and a small number as a float: the exponent is the logarithm.
#[inline]
#[target_feature(enable = "avx512f")]
fn float_bits(e: __m512i, offset: i32) -> __m512i {
    let z = _mm512_add_epi32(e, _mm512_set1_epi32(offset));
    _mm512_castps_si512(_mm512_cvtepu32_ps(z))
}

/// Makes the next row of roots of bytes, or of what is expected of special pixels, and moves averages towards them. Of
/// `special`, whole blocks count.
///
/// # Safety
/// The CPU has the instructions. There are as many expected numbers, roots and averages as there are in the blocks of
/// `bytes`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn learn_roots(
    table: &[i16; 256],
    (bytes, special): (&[u8], &[u8]),
    expected: &[i16],
    (roots, averages): (&mut [i16], &mut [i16]),
) {
    let half = _mm512_set1_epi16(4);
    for at in (0..bytes.len()).step_by(BLOCK) {
        let active = u32::MAX >> (BLOCK - (bytes.len() - at).min(BLOCK));
        let is_special = special.as_chunks().0.get(at / BLOCK);
        let is_special = is_special.map_or(0, |bits| u32::from_le_bytes(*bits));
        // SAFETY: as many bytes as are active are left, and a block of all others.
        unsafe {
            let index = _mm256_maskz_loadu_epi8(active, bytes.as_ptr().add(at).cast());
            let made = entries(table, _mm512_cvtepu8_epi16(index));
            let expected = expected.as_ptr().add(at);
            let made = _mm512_mask_loadu_epi16(made, is_special, expected);
            _mm512_storeu_si512(roots.as_mut_ptr().add(at).cast(), made);
            let average = averages.as_mut_ptr().add(at).cast();
            let before = _mm512_loadu_si512(average);
            let way = _mm512_sub_epi16(_mm512_slli_epi16::<3>(made), before);
            let way = _mm512_srai_epi16::<3>(_mm512_add_epi16(way, half));
            _mm512_storeu_si512(average, _mm512_add_epi16(before, way));
        }
    }
}

/// Entries of a table of 256; most are of its first 64.
///
/// # Safety
/// The CPU has the instructions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn entries(table: &[i16; 256], index: __m512i) -> __m512i {
    // SAFETY: 256 numbers are eight registers.
    let register = |i: usize| unsafe { _mm512_loadu_si512(table.as_ptr().add(BLOCK * i).cast()) };
    let mut entries = _mm512_permutex2var_epi16(register(0), index, register(1));
    if _mm512_cmpgt_epu16_mask(index, _mm512_set1_epi16(63)) != 0 {
        for part in 1..4i16 {
            let (low, high) = (2 * part as usize, 2 * part as usize + 1);
            let of_part = _mm512_permutex2var_epi16(register(low), index, register(high));
            let number = _mm512_srli_epi16::<6>(index);
            let is_part = _mm512_cmpeq_epi16_mask(number, _mm512_set1_epi16(part));
            entries = _mm512_mask_mov_epi16(entries, is_part, of_part);
        }
    }
    entries
}
