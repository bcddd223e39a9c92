//! Steps of interleaved rANS with AVX-512: 16 lanes to a register.
//!
//! `entropy/rans.rs` says what a step computes, `rans.rs` is the reference. The words of a step go to the lanes that
//! need one in ascending order: the first sixteen words are loaded and expanded to those lanes. Encoding compresses
//! the words of the lanes that give one and stores them in front of the others.
//!
//! Slots are spread evenly over a table, so most of the entries read are not in the L1 cache. Lanes that decode symbol 0
//! do without: its frequency is in a register, and a step in which no lane needs an entry reads none.

#![allow(unsafe_code)] // Intrinsics; the caller of `decode` and `encode` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::rans::{
    DecodeEntries, EncodeEntries, FEW_CONTEXTS, MAX_LANES, PRECISION_BITS, SLACK_BYTES, START,
    SYMBOLS, Sink, Source, States, TOTAL,
};

const REGISTER_LANES: usize = 16;

/// # Safety
/// The CPU has the instructions; `lanes` is 8 to 32; `entries` holds a table of 4096; one symbol per context.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub(super) unsafe fn decode(
    lanes: usize,
    states: &mut States,
    entries: DecodeEntries,
    (words, at): Source,
    contexts: &[u8],
    symbols: &mut [u8],
) -> usize {
    let last = _mm256_set1_epi8(((entries.all.len() >> PRECISION_BITS) - 1).min(255) as u8 as i8);
    // SAFETY: `States` is as long as two registers, and aligned.
    let (mut low, mut high) = unsafe {
        let states = states.0.as_ptr().cast::<__m512i>();
        (_mm512_load_si512(states), _mm512_load_si512(states.add(1)))
    };
    let mut done = 0;
    while done < contexts.len() && *at + SLACK_BYTES <= words.len() {
        let count = lanes.min(contexts.len() - done);
        // SAFETY: `count` contexts and symbols are left. Of the words, each register reads 16 behind at most 16.
        unsafe {
            let context = contexts.as_ptr().add(done);
            let symbol = symbols.as_mut_ptr().add(done);
            let word = words.as_ptr().add(*at);
            let used;
            if count == MAX_LANES {
                let all = u16::MAX;
                let contexts = _mm256_min_epu8(_mm256_loadu_si256(context.cast()), last);
                let (first_low, first_high) = first_frequencies(contexts, entries.firsts);
                let context_low = _mm256_castsi256_si128(contexts);
                let context_high = _mm256_extracti128_si256::<1>(contexts);
                let (low_entries, next_low) =
                    decoded(low, context_low, first_low, all, entries.all);
                let (high_entries, next_high) =
                    decoded(high, context_high, first_high, all, entries.all);
                let (used_low, used_high);
                (low, used_low) = refilled(next_low, all, word);
                (high, used_high) = refilled(next_high, all, word.add(2 * used_low));
                used = used_low + used_high;
                _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(low_entries));
                let symbol = symbol.add(REGISTER_LANES);
                _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(high_entries));
            } else {
                let active = ((1u64 << count) - 1) as u32;
                let (active_low, active_high) = (active as u16, (active >> REGISTER_LANES) as u16);
                let contexts = _mm256_maskz_loadu_epi8(active, context.cast());
                let contexts = _mm256_min_epu8(contexts, last);
                let (first_low, first_high) = first_frequencies(contexts, entries.firsts);
                let context_low = _mm256_castsi256_si128(contexts);
                let (low_entries, next) =
                    decoded(low, context_low, first_low, active_low, entries.all);
                let (next, used_low) = refilled(next, active_low, word);
                low = _mm512_mask_mov_epi32(low, active_low, next);
                _mm512_mask_cvtepi32_storeu_epi8(symbol.cast(), active_low, low_entries);
                let mut used_high = 0;
                if active_high != 0 {
                    let context_high = _mm256_extracti128_si256::<1>(contexts);
                    let (high_entries, next) =
                        decoded(high, context_high, first_high, active_high, entries.all);
                    let next = refilled(next, active_high, word.add(2 * used_low));
                    high = _mm512_mask_mov_epi32(high, active_high, next.0);
                    used_high = next.1;
                    let symbol = symbol.add(REGISTER_LANES);
                    _mm512_mask_cvtepi32_storeu_epi8(symbol.cast(), active_high, high_entries);
                }
                used = used_low + used_high;
            }
            *at += 2 * used;
        }
        done += count;
    }
    // SAFETY: as above.
    unsafe {
        let states = states.0.as_mut_ptr().cast::<__m512i>();
        _mm512_store_si512(states, low);
        _mm512_store_si512(states.add(1), high);
    }
    done
}

/// Masks of the lanes of a step of `count` symbols, in both registers.
fn active_lanes(count: usize) -> (u16, u16) {
    let active = ((1u64 << count) - 1) as u32;
    (active as u16, (active >> REGISTER_LANES) as u16)
}

/// The frequencies of symbol 0 in the contexts of all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn first_frequencies(contexts: __m256i, firsts: &[u16; FEW_CONTEXTS]) -> (__m512i, __m512i) {
    // SAFETY: 64 numbers are two registers.
    let (low, high) = unsafe {
        let firsts = firsts.as_ptr().cast::<__m512i>();
        (
            _mm512_loadu_si512(firsts),
            _mm512_loadu_si512(firsts.add(1)),
        )
    };
    let found = _mm512_permutex2var_epi16(low, _mm512_cvtepu8_epi16(contexts), high);
    (
        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(found)),
        _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(found)),
    )
}

/// Symbols in the low bytes of the lanes, and the next states before words are read.
///
/// # Safety
/// `entries` holds a table for each context.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn decoded(
    states: __m512i,
    contexts: __m128i,
    firsts: __m512i,
    active: u16,
    entries: &[u32],
) -> (__m512i, __m512i) {
    let slots = _mm512_and_si512(states, _mm512_set1_epi32(TOTAL as i32 - 1));
    let others = _mm512_mask_cmpge_epu32_mask(active, slots, firsts);
    let mut entry = _mm512_setzero_si512();
    let (mut frequency, mut offset) = (firsts, slots);
    if others != 0 {
        let tables = _mm512_slli_epi32::<{ PRECISION_BITS }>(_mm512_cvtepu8_epi32(contexts));
        let index = _mm512_or_si512(tables, slots);
        // SAFETY: a context's table has an entry for every slot.
        entry = unsafe { gathered(others, index, entries) };
        let mask = _mm512_set1_epi32(TOTAL as i32 - 1);
        let less_one = _mm512_and_si512(_mm512_srli_epi32::<8>(entry), mask);
        frequency = _mm512_mask_add_epi32(firsts, others, less_one, _mm512_set1_epi32(1));
        offset = _mm512_mask_srli_epi32::<20>(slots, others, entry);
    }
    let quotient = _mm512_srli_epi32::<{ PRECISION_BITS }>(states);
    let product = _mm512_mullo_epi32(frequency, quotient);
    (entry, _mm512_add_epi32(product, offset))
}

/// The entries of the lanes in `others`, and zeros. One or two are loaded one by one: a gather takes as long for them as
/// for sixteen.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn gathered(others: u16, index: __m512i, entries: &[u32]) -> __m512i {
    let zero = _mm512_setzero_si512();
    let entries: *const i32 = entries.as_ptr().cast();
    let first = others & others.wrapping_neg();
    let second = others ^ first;
    if second & second.wrapping_sub(1) != 0 {
        // SAFETY: the caller's promise.
        return unsafe { _mm512_mask_i32gather_epi32::<4>(zero, others, index, entries) };
    }
    let chosen = _mm512_maskz_compress_epi32(others, index);
    let chosen = _mm_cvtsi128_si64(_mm512_castsi512_si128(chosen)) as u64;
    // SAFETY: the caller's promise; where there is no second lane, its index is 0.
    let (one, two) = unsafe {
        (
            *entries.add(chosen as u32 as usize),
            *entries.add((chosen >> 32) as usize),
        )
    };
    let entry = _mm512_maskz_set1_epi32(first, one);
    _mm512_mask_set1_epi32(entry, second, two)
}

/// The states with a word appended to those that fell too low, and the number of words that took.
///
/// # Safety
/// 16 words can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn refilled(states: __m512i, active: u16, words: *const u8) -> (__m512i, usize) {
    let low = _mm512_mask_cmplt_epu32_mask(active, states, _mm512_set1_epi32(START as i32));
    // SAFETY: the caller's promise.
    let words = unsafe { _mm512_cvtepu16_epi32(_mm256_loadu_si256(words.cast())) };
    let words = _mm512_maskz_expand_epi32(low, words);
    let longer = _mm512_or_si512(_mm512_slli_epi32::<16>(states), words);
    let states = _mm512_mask_mov_epi32(states, low, longer);
    (states, low.count_ones() as usize)
}

/// # Safety
/// The CPU has the instructions; `lanes` is 8 to 32; `entries` holds a table of 256; one symbol per context; as many
/// words are free as there are symbols.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub(super) unsafe fn encode(
    lanes: usize,
    states: &mut States,
    entries: EncodeEntries,
    (words, mut free): Sink,
    contexts: &[u8],
    symbols: &[u8],
) -> usize {
    let last = _mm_set1_epi8((entries.all.len() / SYMBOLS - 1).min(255) as u8 as i8);
    // SAFETY: `States` is as long as two registers, and aligned.
    let (mut low, mut high) = unsafe {
        let states = states.0.as_ptr().cast::<__m512i>();
        (_mm512_load_si512(states), _mm512_load_si512(states.add(1)))
    };
    let words = words.as_mut_ptr();
    let mut end = contexts.len();
    while end > 0 {
        let count = (end - 1) % lanes + 1;
        end -= count;
        let (active, active_high) = active_lanes(count);
        // SAFETY: `count` contexts and symbols from `end` on exist, and each frees at most one word.
        unsafe {
            let context = contexts.as_ptr().add(end);
            let symbol = symbols.as_ptr().add(end);
            if active_high != 0 {
                let context = _mm_maskz_loadu_epi8(active_high, context.add(REGISTER_LANES).cast());
                let symbol = _mm_maskz_loadu_epi8(active_high, symbol.add(REGISTER_LANES).cast());
                let context = _mm_min_epu8(context, last);
                high = encoded(
                    high,
                    context,
                    symbol,
                    active_high,
                    entries,
                    words,
                    &mut free,
                );
            }
            let context = _mm_min_epu8(_mm_maskz_loadu_epi8(active, context.cast()), last);
            let symbol = _mm_maskz_loadu_epi8(active, symbol.cast());
            low = encoded(low, context, symbol, active, entries, words, &mut free);
        }
    }
    // SAFETY: as above.
    unsafe {
        let states = states.0.as_mut_ptr().cast::<__m512i>();
        _mm512_store_si512(states, low);
        _mm512_store_si512(states.add(1), high);
    }
    free
}

/// The next states of the active lanes; words go in front of `words[*free]`.
///
/// # Safety
/// `entries` has a table for each context; one word is free per active lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn encoded(
    states: __m512i,
    contexts: __m128i,
    symbols: __m128i,
    active: u16,
    entries: EncodeEntries,
    words: *mut u16,
    free: &mut usize,
) -> __m512i {
    let contexts = _mm512_cvtepu8_epi32(contexts);
    let is_first = _mm_test_epi8_mask(symbols, symbols) == 0;
    let (reciprocal, high) = match entries.firsts {
        Some([low, high]) if is_first => (of_64(low, contexts), of_64(high, contexts)),
        _ => {
            let index = _mm512_slli_epi32::<8>(contexts);
            let index = _mm512_or_si512(index, _mm512_cvtepu8_epi32(symbols));
            // SAFETY: a context's table has 256 entries.
            unsafe { halves_gathered(active, index, entries.all) }
        }
    };
    let others = _mm512_and_si512(high, _mm512_set1_epi32(0x1fff));
    let bias = _mm512_and_si512(_mm512_srli_epi32::<13>(high), _mm512_set1_epi32(0x3fff));
    let shift = _mm512_srli_epi32::<27>(high);
    let frequency = _mm512_sub_epi32(_mm512_set1_epi32(TOTAL as i32), others);
    let limit = _mm512_slli_epi32::<{ 31 - PRECISION_BITS }>(frequency);
    let full = _mm512_mask_cmpge_epu32_mask(active, states, limit);
    let count = full.count_ones();
    *free -= count as usize;
    let given = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(full, states));
    // SAFETY: `count` words from the new `free` on were free.
    unsafe {
        _mm256_mask_storeu_epi16(words.add(*free).cast(), ((1u32 << count) - 1) as u16, given)
    };
    let short = _mm512_mask_srli_epi32::<16>(states, full, states);
    let even = _mm512_srli_epi64::<32>(_mm512_mul_epu32(short, reciprocal));
    let odd = _mm512_mul_epu32(
        _mm512_srli_epi64::<32>(short),
        _mm512_srli_epi64::<32>(reciprocal),
    );
    let quotient = _mm512_srlv_epi32(_mm512_mask_blend_epi32(0xaaaa, even, odd), shift);
    let next = _mm512_add_epi32(short, bias);
    let next = _mm512_add_epi32(next, _mm512_mullo_epi32(quotient, others));
    _mm512_mask_mov_epi32(states, active, next)
}

/// Low and high halves of the entries of the active lanes. A gather takes as long as it has lanes, so whole entries are
/// read, and then parted.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn halves_gathered(active: u16, index: __m512i, entries: &[u64]) -> (__m512i, __m512i) {
    let zero = _mm512_setzero_si512();
    let entries: *const i64 = entries.as_ptr().cast();
    let (first, second) = (active as u8, (active >> 8) as u8);
    let first_index = _mm512_castsi512_si256(index);
    let second_index = _mm512_extracti64x4_epi64::<1>(index);
    // SAFETY: the caller's promise.
    let (first, second) = unsafe {
        (
            _mm512_mask_i32gather_epi64::<8>(zero, first, first_index, entries),
            _mm512_mask_i32gather_epi64::<8>(zero, second, second_index, entries),
        )
    };
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    (
        _mm512_permutex2var_epi32(first, even, second),
        _mm512_permutex2var_epi32(first, odd, second),
    )
}

/// Entries of a table of 64; only the low six bits of an index count.
#[inline]
#[target_feature(enable = "avx512f")]
fn of_64(table: &[u32; FEW_CONTEXTS], index: __m512i) -> __m512i {
    // SAFETY: 64 numbers are four registers.
    let register =
        |i: usize| unsafe { _mm512_loadu_si512(table.as_ptr().cast::<__m512i>().add(i)) };
    let low = _mm512_permutex2var_epi32(register(0), index, register(1));
    let high = _mm512_permutex2var_epi32(register(2), index, register(3));
    let is_high = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
    _mm512_mask_blend_epi32(is_high, low, high)
}
