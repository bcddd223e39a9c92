//! What a line leaves, in cells of 16 bits, 32 at once: `leave` and `blur` of `predict.rs`.

#![allow(unsafe_code)] // Intrinsics; whoever calls answers for the CPU.

use std::arch::x86_64::*;

use super::predict::{
    BLOCK, LARGEST_SPREAD, Left, MEAN_OF_FIVE, MEAN_SHIFT, blur_kernel, leave_kernel,
};

/// Fraction bits of a spread.
const SPREAD_BITS: u32 = 4;

/// `predict::leave`, where there are spreads: all slices have one length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub(super) fn leave(
    numbers: &[i32],
    predictions: &[i32],
    limit: i32,
    low_bits: u32,
    left: Left<i16>,
) -> bool {
    let Left {
        values,
        center,
        spreads,
    } = left;
    let (numbers, last_numbers) = numbers.as_chunks::<BLOCK>();
    let (predictions, last_predictions) = predictions.as_chunks::<BLOCK>();
    let (values, last_values) = values.as_chunks_mut::<BLOCK>();
    let (spreads, last_spreads) = spreads.as_chunks_mut::<BLOCK>();
    let right = _mm_cvtsi32_si128(low_bits.saturating_sub(SPREAD_BITS) as i32);
    let up = _mm_cvtsi32_si128(SPREAD_BITS.saturating_sub(low_bits) as i32);
    let (least, most) = (_mm512_set1_epi32(-limit), _mm512_set1_epi32(limit));
    let largest = _mm512_set1_epi32(LARGEST_SPREAD);
    let (center_of_all, half) = (_mm512_set1_epi32(center), _mm512_set1_epi32(1 << 15));
    let mut lost = _mm512_setzero_si512();
    let inputs = numbers.iter().zip(predictions);
    for ((numbers, predictions), (values, spreads)) in inputs.zip(values.iter_mut().zip(spreads)) {
        let (mut cells, mut magnitudes) = ([half; 2], [half; 2]);
        for part in 0..2 {
            // SAFETY: an array of a block has two registers.
            let (x, prediction) = unsafe {
                let load = |from: &[i32; BLOCK]| from.as_ptr().cast::<__m512i>().add(part);
                (
                    _mm512_loadu_si512(load(numbers)),
                    _mm512_loadu_si512(load(predictions)),
                )
            };
            let residual = _mm512_sub_epi32(x, prediction);
            let residual = _mm512_min_epi32(_mm512_max_epi32(residual, least), most);
            let number = _mm512_add_epi32(prediction, residual);
            cells[part] = _mm512_sub_epi32(number, center_of_all);
            lost = _mm512_or_si512(lost, _mm512_add_epi32(cells[part], half));
            let magnitude = _mm512_srl_epi32(_mm512_abs_epi32(residual), right);
            let magnitude = _mm512_sll_epi32(_mm512_min_epu32(magnitude, largest), up);
            magnitudes[part] = _mm512_min_epu32(magnitude, largest);
        }
        store(cells, values);
        store(magnitudes, spreads);
    }
    // A cell plus a half of its range has 16 bits.
    let are_cells = _mm512_test_epi32_mask(lost, _mm512_set1_epi32(!0xffff)) == 0;
    let last = Left {
        values: last_values,
        center,
        spreads: last_spreads,
    };
    leave_kernel(last_numbers, last_predictions, limit, low_bits, last) && are_cells
}

/// Stores 32 numbers of 16 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store([first, second]: [__m512i; 2], out: &mut [i16; BLOCK]) {
    let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    let packed = _mm512_permutexvar_epi64(order, _mm512_packs_epi32(first, second));
    // SAFETY: a block of 16 bits is a register.
    unsafe {
        _mm512_storeu_si512(out.as_mut_ptr().cast(), packed);
    }
}

/// `predict::blur`; there are four more spreads than averages.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn blur(spreads: &[i16], averages: &mut [i16]) {
    let blocks = averages.len() / BLOCK;
    assert!(spreads.len() >= averages.len() + 4);
    let both = _mm512_set1_epi32(MEAN_OF_FIVE << 16 | MEAN_OF_FIVE);
    let (one, less) = (_mm512_set1_epi32(MEAN_OF_FIVE), _mm512_set1_epi32(-1 << 16));
    let (zero, two) = (_mm512_setzero_si512(), _mm512_set1_epi32(2));
    for block in 0..blocks {
        // SAFETY: the spreads reach four beyond the last block, and averages are whole blocks.
        unsafe {
            let from = spreads.as_ptr().add(block * BLOCK);
            let load = |shift: usize| from.add(shift).cast::<__m512i>();
            let (a, b) = (_mm512_loadu_si512(load(0)), _mm512_loadu_si512(load(1)));
            let (c, d) = (_mm512_loadu_si512(load(2)), _mm512_loadu_si512(load(3)));
            let e = _mm512_loadu_si512(load(4));
            let place = averages.as_mut_ptr().add(block * BLOCK).cast::<__m512i>();
            let average = _mm512_loadu_si512(place);
            let step = |ab: __m512i, cd: __m512i, with_average: __m512i| {
                let sum = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(zero, ab, both), cd, both);
                let mean =
                    _mm512_srai_epi32::<MEAN_SHIFT>(_mm512_dpwssd_epi32(sum, with_average, one));
                let rest = _mm512_dpwssd_epi32(two, with_average, less);
                _mm512_srai_epi32::<2>(_mm512_add_epi32(mean, rest))
            };
            let low = step(
                _mm512_unpacklo_epi16(a, b),
                _mm512_unpacklo_epi16(c, d),
                _mm512_unpacklo_epi16(e, average),
            );
            let high = step(
                _mm512_unpackhi_epi16(a, b),
                _mm512_unpackhi_epi16(c, d),
                _mm512_unpackhi_epi16(e, average),
            );
            let moved = _mm512_add_epi16(average, _mm512_packs_epi32(low, high));
            _mm512_storeu_si512(place, moved);
        }
    }
    blur_kernel(&spreads[blocks * BLOCK..], &mut averages[blocks * BLOCK..]);
}
