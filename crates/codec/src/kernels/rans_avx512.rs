//! Steps of interleaved rANS with AVX-512: 16 lanes to a register.
//!
//! `entropy/rans.rs` says what a step computes, `rans.rs` is the reference. The words of a step go to the lanes that
//! need one in ascending order: the first sixteen words are loaded and expanded to those lanes. Encoding compresses
//! the words of the lanes that give one and stores them in front of the others.
//!
//! Slots are spread evenly over a table, so most of the entries read are not in the L1 cache. Where symbol 0 is all but
//! certain, or the tables are many, lanes that decode it do without: its frequency is in a register, and a step in which
//! no lane needs an entry reads none. Elsewhere entries are read without a look at that, one by one: a gather does it no
//! faster.

#![allow(unsafe_code)] // Intrinsics; the caller of `decode` and `encode` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::rans::{
    DecodeEntries, EncodeEntries, FEW_CONTEXTS, MAX_LANES, PRECISION_BITS, SLACK_BYTES, START,
    SYMBOLS, Sink, Source, States, TOTAL,
};
use super::rans_avx2::four_gathered;

const REGISTER_LANES: usize = 16;
/// The frequency of symbol 0 from which on a register of lanes often has no other.
const NEARLY_CERTAIN: u32 = TOTAL * 97 / 100;
/// Symbols that are looked at together for the way to encode them, and how many may be other than 0 to have most
/// registers without one.
const PIECE: usize = 256;
const FEW: u32 = 8;

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
            let active = ((1u64 << count) - 1) as u32;
            let (active_low, active_high) = (active as u16, (active >> REGISTER_LANES) as u16);
            let contexts = _mm256_maskz_loadu_epi8(active, context.cast());
            let contexts = _mm256_min_epu8(contexts, last);
            let context_low = _mm256_castsi256_si128(contexts);
            let context_high = _mm256_extracti128_si256::<1>(contexts);
            let firsts = first_frequencies(contexts, entries.firsts);
            let (first_low, first_high) = parts(firsts);
            let are_few = entries.are_spared || are_nearly_certain(firsts);
            let next_of = |states, contexts, firsts, active| {
                if are_few {
                    decoded_few(states, contexts, firsts, active, entries.all)
                } else {
                    decoded(states, contexts, entries.all)
                }
            };
            let used;
            if count == MAX_LANES {
                let all = u16::MAX;
                let (low_entries, next_low) = next_of(low, context_low, first_low, all);
                let (high_entries, next_high) = next_of(high, context_high, first_high, all);
                let (used_low, used_high);
                (low, used_low) = refilled(next_low, all, word);
                (high, used_high) = refilled(next_high, all, word.add(2 * used_low));
                used = used_low + used_high;
                _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(low_entries));
                let symbol = symbol.add(REGISTER_LANES);
                _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(high_entries));
            } else {
                let (low_entries, next) = next_of(low, context_low, first_low, active_low);
                let (next, used_low) = refilled(next, active_low, word);
                low = _mm512_mask_mov_epi32(low, active_low, next);
                _mm512_mask_cvtepi32_storeu_epi8(symbol.cast(), active_low, low_entries);
                let mut used_high = 0;
                if active_high != 0 {
                    let (high_entries, next) = next_of(high, context_high, first_high, active_high);
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
fn first_frequencies(contexts: __m256i, firsts: &[u16; FEW_CONTEXTS]) -> __m512i {
    // SAFETY: 64 numbers are two registers.
    let (low, high) = unsafe {
        let firsts = firsts.as_ptr().cast::<__m512i>();
        (
            _mm512_loadu_si512(firsts),
            _mm512_loadu_si512(firsts.add(1)),
        )
    };
    _mm512_permutex2var_epi16(low, _mm512_cvtepu8_epi16(contexts), high)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn are_nearly_certain(firsts: __m512i) -> bool {
    _mm512_cmplt_epu16_mask(firsts, _mm512_set1_epi16(NEARLY_CERTAIN as i16)) == 0
}

/// The lower and the upper 16 numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn parts(numbers: __m512i) -> (__m512i, __m512i) {
    (
        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(numbers)),
        _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(numbers)),
    )
}

/// Symbols in the low bytes of the lanes, and the next states before words are read.
///
/// # Safety
/// `entries` holds a table for each context.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn decoded(states: __m512i, contexts: __m128i, entries: &[u32]) -> (__m512i, __m512i) {
    // SAFETY: a context's table has an entry for every slot.
    let entry = unsafe { gathered(indices(states, contexts), entries) };
    let mask = _mm512_set1_epi32(TOTAL as i32 - 1);
    let less_one = _mm512_and_si512(_mm512_srli_epi32::<8>(entry), mask);
    let frequency = _mm512_add_epi32(less_one, _mm512_set1_epi32(1));
    let product = _mm512_mullo_epi32(frequency, _mm512_srli_epi32::<{ PRECISION_BITS }>(states));
    let next = _mm512_add_epi32(product, _mm512_srli_epi32::<20>(entry));
    (entry, next)
}

/// Places of the entries of the lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn indices(states: __m512i, contexts: __m128i) -> __m512i {
    let slots = _mm512_and_si512(states, _mm512_set1_epi32(TOTAL as i32 - 1));
    let tables = _mm512_slli_epi32::<{ PRECISION_BITS }>(_mm512_cvtepu8_epi32(contexts));
    _mm512_or_si512(tables, slots)
}

/// The same where few lanes have another symbol than 0, whose frequencies are `firsts`.
///
/// # Safety
/// As of [`decoded`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn decoded_few(
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
        // SAFETY: a context's table has an entry for every slot.
        entry = unsafe { few_gathered(others, indices(states, contexts), entries) };
        let mask = _mm512_set1_epi32(TOTAL as i32 - 1);
        let less_one = _mm512_and_si512(_mm512_srli_epi32::<8>(entry), mask);
        frequency = _mm512_mask_add_epi32(firsts, others, less_one, _mm512_set1_epi32(1));
        offset = _mm512_mask_srli_epi32::<20>(slots, others, entry);
    }
    let quotient = _mm512_srli_epi32::<{ PRECISION_BITS }>(states);
    let product = _mm512_mullo_epi32(frequency, quotient);
    (entry, _mm512_add_epi32(product, offset))
}

/// The entries of the lanes in `others`, and zeros. One or two are loaded one by one, more in a gather, which reads no
/// others.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn few_gathered(others: u16, index: __m512i, entries: &[u32]) -> __m512i {
    let first = others & others.wrapping_neg();
    let second = others ^ first;
    if second & second.wrapping_sub(1) != 0 {
        let (zero, entries) = (_mm512_setzero_si512(), entries.as_ptr().cast());
        // SAFETY: the caller's promise.
        return unsafe { _mm512_mask_i32gather_epi32::<4>(zero, others, index, entries) };
    }
    let chosen = _mm512_maskz_compress_epi32(others, index);
    let chosen = _mm_cvtsi128_si64(_mm512_castsi512_si128(chosen)) as u64;
    // SAFETY: the caller's promise; where there is no second lane, its index is 0.
    let (one, two) = unsafe {
        let entries = entries.as_ptr();
        (
            *entries.add(chosen as u32 as usize) as i32,
            *entries.add((chosen >> 32) as usize) as i32,
        )
    };
    let entry = _mm512_maskz_set1_epi32(first, one);
    _mm512_mask_set1_epi32(entry, second, two)
}

/// The entries of all lanes.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn gathered(index: __m512i, entries: &[u32]) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let first = four_gathered(_mm512_castsi512_si128(index), entries);
        let second = four_gathered(_mm512_extracti32x4_epi32::<1>(index), entries);
        let third = four_gathered(_mm512_extracti32x4_epi32::<2>(index), entries);
        let fourth = four_gathered(_mm512_extracti32x4_epi32::<3>(index), entries);
        let low = _mm512_castsi256_si512(_mm256_set_m128i(second, first));
        _mm512_inserti64x4::<1>(low, _mm256_set_m128i(fourth, third))
    }
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
    let last = _mm256_set1_epi8((entries.all.len() / SYMBOLS - 1).min(255) as u8 as i8);
    let last_16 = _mm256_castsi256_si128(last);
    // SAFETY: `States` is as long as two registers, and aligned.
    let (mut low, mut high) = unsafe {
        let states = states.0.as_ptr().cast::<__m512i>();
        (_mm512_load_si512(states), _mm512_load_si512(states.add(1)))
    };
    let words = words.as_mut_ptr();
    let mut end = contexts.len();
    let (mut piece, mut firsts) = (end, entries.firsts);
    // The short step, if there is one, is the last.
    let mut count = end.saturating_sub(1) % lanes + 1;
    while end > 0 {
        if end <= piece {
            piece = end.saturating_sub(PIECE);
            // SAFETY: the symbols of the piece exist.
            let others = unsafe { nonzero(&symbols[piece..end]) };
            firsts = entries.firsts.filter(|_| others <= FEW);
        }
        end -= count;
        // SAFETY: `count` contexts and symbols from `end` on exist, and each frees at most one word.
        unsafe {
            let context = contexts.as_ptr().add(end);
            let symbol = symbols.as_ptr().add(end);
            if count == MAX_LANES && firsts.is_none() {
                let all = u16::MAX;
                let context = _mm256_min_epu8(_mm256_loadu_si256(context.cast()), last);
                let symbol = _mm256_loadu_si256(symbol.cast());
                let context_high = _mm256_extracti128_si256::<1>(context);
                let symbol_high = _mm256_extracti128_si256::<1>(symbol);
                let high_entries = entries_of(context_high, symbol_high, entries.all);
                let context_low = _mm256_castsi256_si128(context);
                let symbol_low = _mm256_castsi256_si128(symbol);
                let low_entries = entries_of(context_low, symbol_low, entries.all);
                high = encoded(high, high_entries, all, words, &mut free);
                low = encoded(low, low_entries, all, words, &mut free);
            } else {
                let (active, active_high) = active_lanes(count);
                let tables = EncodeEntries { firsts, ..entries };
                if active_high != 0 {
                    let context = context.add(REGISTER_LANES).cast();
                    let context = _mm_min_epu8(_mm_maskz_loadu_epi8(active_high, context), last_16);
                    let symbol = symbol.add(REGISTER_LANES).cast();
                    let symbol = _mm_maskz_loadu_epi8(active_high, symbol);
                    let entries = few_entries_of(context, symbol, tables);
                    high = encoded(high, entries, active_high, words, &mut free);
                }
                let context = _mm_maskz_loadu_epi8(active, context.cast());
                let context = _mm_min_epu8(context, last_16);
                let symbol = _mm_maskz_loadu_epi8(active, symbol.cast());
                let entries = few_entries_of(context, symbol, tables);
                low = encoded(low, entries, active, words, &mut free);
            }
        }
        count = lanes;
    }
    // SAFETY: as above.
    unsafe {
        let states = states.0.as_mut_ptr().cast::<__m512i>();
        _mm512_store_si512(states, low);
        _mm512_store_si512(states.add(1), high);
    }
    free
}

/// Low and high halves of entries.
type Halves = (__m512i, __m512i);

/// # Safety
/// `entries` has a table of 256 for each context.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn entries_of(contexts: __m128i, symbols: __m128i, entries: &[u64]) -> Halves {
    let index = _mm512_slli_epi32::<8>(_mm512_cvtepu8_epi32(contexts));
    let index = _mm512_or_si512(index, _mm512_cvtepu8_epi32(symbols));
    // SAFETY: the caller's promise.
    unsafe { halves_gathered(index, entries) }
}

/// The same where most symbols are 0.
///
/// # Safety
/// As of [`entries_of`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn few_entries_of(contexts: __m128i, symbols: __m128i, entries: EncodeEntries) -> Halves {
    let is_first = _mm_test_epi8_mask(symbols, symbols) == 0;
    match entries.firsts {
        Some([low, high]) if is_first => {
            let contexts = _mm512_cvtepu8_epi32(contexts);
            (of_64(low, contexts), of_64(high, contexts))
        }
        // SAFETY: the caller's promise.
        _ => unsafe { entries_of(contexts, symbols, entries.all) },
    }
}

/// The next states of the active lanes; words go in front of `words[*free]`.
///
/// # Safety
/// One word is free per active lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn encoded(
    states: __m512i,
    (reciprocal, high): Halves,
    active: u16,
    words: *mut u16,
    free: &mut usize,
) -> __m512i {
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

/// Symbols other than 0.
///
/// # Safety
/// The CPU has the instructions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
unsafe fn nonzero(symbols: &[u8]) -> u32 {
    let mut count = 0;
    for symbols in symbols.chunks(64) {
        let active = u64::MAX >> (64 - symbols.len());
        // SAFETY: as many bytes as are active are read.
        let symbols = unsafe { _mm512_maskz_loadu_epi8(active, symbols.as_ptr().cast()) };
        count += _mm512_test_epi8_mask(symbols, symbols).count_ones();
    }
    count
}

/// Low and high halves of the entries of all lanes.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn halves_gathered(index: __m512i, entries: &[u64]) -> (__m512i, __m512i) {
    // SAFETY: the caller's promise.
    let (first, second) = unsafe {
        (
            eight_gathered(_mm512_castsi512_si256(index), entries),
            eight_gathered(_mm512_extracti64x4_epi64::<1>(index), entries),
        )
    };
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    (
        _mm512_permutex2var_epi32(first, even, second),
        _mm512_permutex2var_epi32(first, odd, second),
    )
}

/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn eight_gathered(index: __m256i, entries: &[u64]) -> __m512i {
    let (low, high) = (
        _mm256_castsi256_si128(index),
        _mm256_extracti128_si256::<1>(index),
    );
    // SAFETY: the caller's promise.
    unsafe {
        let first = two_gathered(_mm_cvtsi128_si64(low) as u64, entries);
        let second = two_gathered(_mm_extract_epi64::<1>(low) as u64, entries);
        let third = two_gathered(_mm_cvtsi128_si64(high) as u64, entries);
        let fourth = two_gathered(_mm_extract_epi64::<1>(high) as u64, entries);
        let low = _mm512_castsi256_si512(_mm256_set_m128i(second, first));
        _mm512_inserti64x4::<1>(low, _mm256_set_m128i(fourth, third))
    }
}

/// # Safety
/// `entries` has an entry for both indices, of 32 bits each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn two_gathered(indices: u64, entries: &[u64]) -> __m128i {
    let entries = entries.as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm_loadl_epi64(entries.add(indices as u32 as usize).cast());
        let high = entries.add((indices >> 32) as usize).cast();
        _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(low), high))
    }
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
