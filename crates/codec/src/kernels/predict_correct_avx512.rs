//! `predict_correct.rs` for 32 cells at once, with the products of `predict_expect_avx512.rs`.

#![allow(unsafe_code)] // Intrinsics; whoever calls answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::predict::BLOCK;
use super::predict_correct::NO_LIMIT;
use super::predict_expect::Expect;
use super::predict_expect_avx512::{Both, NO_PAIRS, load, pair, weighted};

/// `predict_correct::correct`.
///
/// # Safety
/// The CPU has the instructions, and all slices are as long as `correct` demands.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) unsafe fn correct(
    e: &Expect<i16>,
    limit: i32,
    residuals: &[i16],
    len: usize,
    numbers: &mut [i16],
    remembered: &mut [i16],
) -> bool {
    let mut pairs = NO_PAIRS;
    let slices = e.taps.iter().copied().zip(e.weights.iter().copied());
    let pairs = pair(slices, &mut pairs);
    let shift = _mm_cvtsi32_si128(e.shift as i32);
    let both = _mm512_set1_epi16(1);
    let is_limited = limit < NO_LIMIT;
    let most = _mm512_set1_epi16(limit.min(i32::from(i16::MAX)) as i16);
    let least = _mm512_sub_epi16(_mm512_setzero_si512(), most);
    let half = _mm512_set1_epi32(1 << 15);
    let mut lost = _mm512_setzero_si512();
    for at in (0..len).step_by(BLOCK) {
        // Lanes beyond the line may lose bits.
        let lanes = match len - at {
            BLOCK.. => !0,
            rest => (1u32 << rest) - 1,
        };
        let lanes = _mm512_movm_epi16(lanes);
        let mut keep = |numbers: &Both, cells: &mut [i16]| {
            let low = _mm512_add_epi32(numbers.low, half);
            let high = _mm512_add_epi32(numbers.high, half);
            let low = _mm512_and_si512(low, _mm512_unpacklo_epi16(lanes, lanes));
            let high = _mm512_and_si512(high, _mm512_unpackhi_epi16(lanes, lanes));
            lost = _mm512_or_si512(lost, _mm512_or_si512(low, high));
            let cells = cells[at..][..BLOCK].as_mut_ptr();
            // SAFETY: a block of cells is a register.
            unsafe {
                _mm512_storeu_si512(cells.cast(), _mm512_packs_epi32(numbers.low, numbers.high));
            }
        };
        // SAFETY: all slices have a block here.
        let (sums, base, residual) = unsafe {
            (
                weighted(pairs, e.bias, at),
                load(e.base.as_ptr().add(at)),
                load(residuals.as_ptr().add(at)),
            )
        };
        let steps = Both {
            low: _mm512_sra_epi32(sums.low, shift),
            high: _mm512_sra_epi32(sums.high, shift),
        };
        let mut found = steps;
        found.add(base, residual, both);
        keep(&found, numbers);
        if is_limited {
            let residual = _mm512_min_epi16(_mm512_max_epi16(residual, least), most);
            let mut found = steps;
            found.add(base, residual, both);
            keep(&found, remembered);
        }
    }
    // A cell plus a half of its range has 16 bits.
    _mm512_test_epi32_mask(lost, _mm512_set1_epi32(!0xffff)) == 0
}
