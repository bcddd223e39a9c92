//! `predict_expect.rs` for cells of 16 bits: 32 numbers at once, two neighbours in each product.
//!
//! The cells of two neighbours are interleaved, which puts numbers 0–3, 8–11, 16–19 and 24–27 of a block in one
//! register and the others in a second. Packing to 16 bits takes them back into their order, and so do two permutations.

#![allow(unsafe_code)] // Intrinsics; whoever calls answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::predict::{BINS, BLOCK, LARGEST_SQUARE, ROUND, SPREAD_SHIFT};
use super::predict_expect::{Expect, MOST_SLICES};

/// Two neighbours and their weights, in halves of 16 bits.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    cells: [*const i16; 2],
    weights: i32,
}

const NO_PAIR: Pair = Pair {
    cells: [std::ptr::null(); 2],
    weights: 0,
};
pub(super) type Pairs = [Pair; MOST_SLICES.div_ceil(2)];
pub(super) const NO_PAIRS: Pairs = [NO_PAIR; MOST_SLICES.div_ceil(2)];

/// Pairs the neighbours, the last one of an odd number with itself and without weight.
#[inline]
pub(super) fn pair<'a, 'b>(
    slices: impl Iterator<Item = (&'a [i16], i32)>,
    pairs: &'b mut Pairs,
) -> &'b [Pair] {
    let mut count = 0;
    for (slice, weight) in slices {
        let pair = &mut pairs[count / 2];
        if count % 2 == 0 {
            *pair = Pair {
                cells: [slice.as_ptr(); 2],
                weights: weight & 0xffff,
            };
        } else {
            pair.cells[1] = slice.as_ptr();
            pair.weights |= weight << 16;
        }
        count += 1;
    }
    &pairs[..count.div_ceil(2)]
}

/// Numbers of a block in the order of interleaved cells.
#[derive(Clone, Copy)]
pub(super) struct Both {
    pub(super) low: __m512i,
    pub(super) high: __m512i,
}

/// `start` and all products of the block that begins at `at`.
///
/// # Safety
/// All slices have a block there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn weighted(pairs: &[Pair], start: i32, at: usize) -> Both {
    let start = _mm512_set1_epi32(start);
    let mut sums = Both {
        low: start,
        high: start,
    };
    for pair in pairs {
        let [first, second] = pair.cells;
        // SAFETY: the function's contract.
        let (a, b) = unsafe { (load(first.add(at)), load(second.add(at))) };
        sums.add(a, b, _mm512_set1_epi32(pair.weights));
    }
    sums
}

impl Both {
    /// Adds the products of pairs of cells with their weights.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn add(&mut self, a: __m512i, b: __m512i, weights: __m512i) {
        self.low = _mm512_dpwssd_epi32(self.low, _mm512_unpacklo_epi16(a, b), weights);
        self.high = _mm512_dpwssd_epi32(self.high, _mm512_unpackhi_epi16(a, b), weights);
    }
}

/// # Safety
/// There are 32 cells.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn load(cells: *const i16) -> __m512i {
    // SAFETY: the function's contract.
    unsafe { _mm512_loadu_si512(cells.cast()) }
}

/// `predict_expect::expect`.
///
/// # Safety
/// The CPU has the instructions, and all slices are as long as `expect` demands.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) unsafe fn expect(e: &Expect<i16>, predictions: &mut [i32], bins: &mut [u8]) {
    let (mut taps, mut spreads) = (NO_PAIRS, NO_PAIRS);
    let slices = e.taps.iter().copied().zip(e.weights.iter().copied());
    let taps = pair(slices, &mut taps);
    let slices = e
        .spreads
        .iter()
        .copied()
        .zip(e.spread_weights.iter().copied());
    let others = slices.enumerate().filter(|&(place, _)| place != e.root);
    let spreads = pair(others.map(|(_, spread)| spread), &mut spreads);
    let root_weight = e.spread_weights.get(e.root).copied().unwrap_or(0);
    let weight_of_root = _mm512_set1_epi32(root_weight & 0xffff);
    let (shift, center) = (
        _mm_cvtsi32_si128(e.shift as i32),
        _mm512_set1_epi32(e.center),
    );
    let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi32(1));
    let blocks = predictions.as_chunks_mut::<BLOCK>().0.iter_mut();
    for (block, (predictions, bins)) in blocks.zip(bins.as_chunks_mut::<BLOCK>().0).enumerate() {
        let at = block * BLOCK;
        // SAFETY: all slices have as many blocks as there are bins, and arrays of a block have room for one.
        unsafe {
            let sums = weighted(taps, e.bias, at);
            let mut found = Both {
                low: _mm512_add_epi32(center, _mm512_sra_epi32(sums.low, shift)),
                high: _mm512_add_epi32(center, _mm512_sra_epi32(sums.high, shift)),
            };
            found.add(load(e.base.as_ptr().add(at)), zero, one);
            store(found, predictions);
            let mut sums = weighted(spreads, e.spread_bias, at);
            if e.spreads.is_empty() {
                continue;
            }
            if root_weight != 0 {
                let roots = _mm512_packs_epi32(roots(found.low), roots(found.high));
                sums.add(roots, zero, weight_of_root);
            }
            let found = _mm512_packs_epi32(found_bins(sums.low), found_bins(sums.high));
            _mm256_storeu_si256(bins.as_mut_ptr().cast(), _mm512_cvtepi16_epi8(found));
        }
    }
}

/// Stores numbers in their order.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(numbers: Both, out: &mut [i32; BLOCK]) {
    let front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    // SAFETY: two registers are a block.
    unsafe {
        let place = out.as_mut_ptr().cast::<__m512i>();
        let Both { low, high } = numbers;
        _mm512_storeu_si512(place, _mm512_permutex2var_epi64(low, front, high));
        _mm512_storeu_si512(place.add(1), _mm512_permutex2var_epi64(low, back, high));
    }
}

/// `predict::root`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
fn roots(numbers: __m512i) -> __m512i {
    let numbers = _mm512_max_epi32(numbers, _mm512_setzero_si512());
    let numbers = _mm512_min_epi32(numbers, _mm512_set1_epi32(LARGEST_SQUARE));
    let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(numbers), _mm512_set1_ps(256.0));
    let rounded = _mm512_add_ps(_mm512_sqrt_ps(scaled), _mm512_set1_ps(ROUND));
    let roots = _mm512_and_si512(_mm512_castps_si512(rounded), _mm512_set1_epi32(0xffff));
    // A root is at most 2^15, whose square is that of −2^15.
    let squares = _mm512_madd_epi16(roots, roots);
    let is_above = _mm512_cmpgt_epi32_mask(squares, _mm512_slli_epi32::<8>(numbers));
    _mm512_mask_sub_epi32(roots, is_above, roots, _mm512_set1_epi32(1))
}

/// `predict::bin`.
#[inline]
#[target_feature(enable = "avx512f")]
fn found_bins(sums: __m512i) -> __m512i {
    let sums = _mm512_srai_epi32::<SPREAD_SHIFT>(sums);
    let sums = _mm512_max_epi32(sums, _mm512_setzero_si512());
    let z = _mm512_cvtepi32_ps(_mm512_add_epi32(sums, _mm512_set1_epi32(8)));
    let eighths = _mm512_srli_epi32::<20>(_mm512_castps_si512(z));
    let eighths = _mm512_sub_epi32(eighths, _mm512_set1_epi32((127 + 3) << 3));
    _mm512_min_epi32(eighths, _mm512_set1_epi32(BINS as i32 - 1))
}
