//! Decoding steps of interleaved rANS with AVX-512: 16 lanes to a register, 32 to a pair of registers.
//!
//! `entropy/rans.rs` says what a step computes, `rans.rs` is the reference. The words of a step go to the lanes that
//! need one in ascending order: the first sixteen words are loaded and expanded to those lanes.
//!
//! A lane waits for its entry, a multiplication and its word before its next step. One pair leaves the processor idle for
//! a part of that; two pairs, which wait for each other in the place of the next word only, fill it.
//!
//! Slots are spread evenly over a table, so most of the entries read are not in the L1 cache. Where symbol 0 is all but
//! certain, or the tables are many, lanes that decode it do without: its frequency is in a register, and a step in which
//! no lane needs an entry reads none. Elsewhere entries are read without a look at that, one by one: a gather does it no
//! faster.

#![allow(unsafe_code)] // Intrinsics; the caller of `decode` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::rans::{
    DecodeEntries, FEW_CONTEXTS, PRECISION_BITS, SLACK_BYTES, START, Source, States, TOTAL,
};
use super::rans_avx2::four_gathered;

pub(super) const REGISTER_LANES: usize = 16;
/// Lanes of two registers, which share a load of contexts.
pub(super) const PAIR_LANES: usize = 2 * REGISTER_LANES;

/// Lanes whose entries are loaded one by one in less time than a gather takes.
const EIGHT: u32 = 8;

/// The states of 32 lanes.
pub(super) type Pair = (__m512i, __m512i);

/// # Safety
/// The CPU has the instructions; `lanes` is 8 to 64; `entries` holds a table of 4096; one symbol per context.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub(super) unsafe fn decode(
    lanes: usize,
    states: &mut States,
    entries: DecodeEntries,
    source: Source,
    contexts: &[u8],
    symbols: &mut [u8],
) -> usize {
    // SAFETY: the caller's promise; one pair holds 32 lanes, two hold all.
    unsafe {
        match lanes {
            ..=PAIR_LANES => decode_pairs::<1>(lanes, states, entries, source, contexts, symbols),
            _ => decode_pairs::<2>(lanes, states, entries, source, contexts, symbols),
        }
    }
}

/// # Safety
/// As of [`decode`]; so many pairs hold all lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn decode_pairs<const PAIRS: usize>(
    lanes: usize,
    states: &mut States,
    entries: DecodeEntries,
    (words, at): Source,
    contexts: &[u8],
    symbols: &mut [u8],
) -> usize {
    let pairs = &mut states.0.as_chunks_mut::<PAIR_LANES>().0[..PAIRS];
    let (mut first, mut second) = (loaded(&pairs[0]), loaded(&pairs[PAIRS - 1]));
    let tables = Tables::new(entries);
    let (mut done, mut place) = (0, *at);
    while done < contexts.len() && place + SLACK_BYTES <= words.len() {
        let count = lanes.min(contexts.len() - done);
        // SAFETY: `count` contexts and symbols are left. Of the words, each register reads 16 behind at most 16 for each
        // register before it: the slack.
        unsafe {
            let context = contexts.as_ptr().add(done);
            let symbol = symbols.as_mut_ptr().add(done);
            let step = (context, symbol, words.as_ptr().add(place));
            let mut used;
            (first, used) = decode_pair::<PAIRS, 0>(first, count.min(PAIR_LANES), &tables, step);
            place += 2 * used;
            if PAIRS > 1 && count > PAIR_LANES {
                let (context, symbol) = (context.add(PAIR_LANES), symbol.add(PAIR_LANES));
                let step = (context, symbol, words.as_ptr().add(place));
                let count = count - PAIR_LANES;
                (second, used) = decode_pair::<PAIRS, 1>(second, count, &tables, step);
                place += 2 * used;
            }
        }
        done += count;
    }
    *at = place;
    store(first, &mut pairs[0]);
    if PAIRS > 1 {
        store(second, &mut pairs[1]);
    }
    done
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn loaded(states: &[u32; PAIR_LANES]) -> Pair {
    let states = states.as_ptr().cast::<__m512i>();
    // SAFETY: 32 states are two registers.
    unsafe {
        (
            _mm512_loadu_si512(states),
            _mm512_loadu_si512(states.add(1)),
        )
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store((low, high): Pair, states: &mut [u32; PAIR_LANES]) {
    let states = states.as_mut_ptr().cast::<__m512i>();
    // SAFETY: 32 states are two registers.
    unsafe {
        _mm512_storeu_si512(states, low);
        _mm512_storeu_si512(states.add(1), high);
    }
}

/// What steps look at.
struct Tables<'a> {
    entries: DecodeEntries<'a>,
    /// The last context, and the first of those at the end in which symbol 0 is all but certain or is to be spared.
    last: __m256i,
    certain: __m256i,
}

impl<'a> Tables<'a> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(entries: DecodeEntries<'a>) -> Self {
        let last = (entries.all.len() >> PRECISION_BITS) - 1;
        let certain = if entries.are_spared {
            0
        } else {
            entries.certain_from
        };
        Self {
            entries,
            last: _mm256_set1_epi8(last.min(255) as u8 as i8),
            certain: _mm256_set1_epi8(certain.min(255) as u8 as i8),
        }
    }
}

/// Where the contexts of a step are, its symbols go, and its words are.
type Step = (*const u8, *mut u8, *const u8);

/// Decodes `count` symbols, at most 32; returns the next states and the words used. Each pair of a step has a function
/// of its own, called in one place: the compiler then puts it there, and states stay in registers.
///
/// # Safety
/// As of [`decode`]; as many contexts and symbols, and 32 words, exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn decode_pair<const PAIRS: usize, const PAIR: usize>(
    states: Pair,
    count: usize,
    tables: &Tables,
    (context, symbol, word): Step,
) -> (Pair, usize) {
    let entries = tables.entries;
    // SAFETY: the caller's promise.
    unsafe {
        if count == PAIR_LANES {
            let contexts = _mm256_loadu_si256(context.cast());
            let contexts = _mm256_min_epu8(contexts, tables.last);
            if _mm256_cmplt_epu8_mask(contexts, tables.certain) != 0 {
                return decode_all::<PAIRS, PAIR>(states, contexts, entries.all, symbol, word);
            }
            return decode_few::<PAIRS, PAIR>(states, contexts, entries, symbol, word);
        }
        let contexts = _mm256_maskz_loadu_epi8(mask_of(count), context.cast());
        let contexts = _mm256_min_epu8(contexts, tables.last);
        if _mm256_mask_cmplt_epu8_mask(mask_of(count), contexts, tables.certain) != 0 {
            return decode_short::<false>(states, count, contexts, entries, symbol, word);
        }
        decode_short::<true>(states, count, contexts, entries, symbol, word)
    }
}

/// The same for 32 symbols, the entries of which are all read.
///
/// # Safety
/// As of [`decode_pair`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn decode_all<const PAIRS: usize, const PAIR: usize>(
    (low, high): Pair,
    contexts: __m256i,
    entries: &[u32],
    symbol: *mut u8,
    word: *const u8,
) -> (Pair, usize) {
    let (context_low, context_high) = halves(contexts);
    // SAFETY: the caller's promise.
    unsafe {
        let (low_entries, next_low) = decoded(low, context_low, entries);
        let (high_entries, next_high) = decoded(high, context_high, entries);
        let (low, used_low) = refilled(next_low, u16::MAX, word);
        let (high, used_high) = refilled(next_high, u16::MAX, word.add(2 * used_low));
        _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(low_entries));
        let symbol = symbol.add(REGISTER_LANES);
        _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(high_entries));
        ((low, high), used_low + used_high)
    }
}

/// The same for 32 symbols, few of which are other than 0.
///
/// # Safety
/// As of [`decode_pair`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn decode_few<const PAIRS: usize, const PAIR: usize>(
    (low, high): Pair,
    contexts: __m256i,
    entries: DecodeEntries,
    symbol: *mut u8,
    word: *const u8,
) -> (Pair, usize) {
    let (context_low, context_high) = halves(contexts);
    let (first_low, first_high) = first_frequencies(contexts, entries.firsts);
    // SAFETY: the caller's promise.
    unsafe {
        let (first_low, first_high) = ((first_low, u16::MAX), (first_high, u16::MAX));
        let (low_entries, next_low) = decoded_few(low, context_low, first_low, entries.all);
        let (high_entries, next_high) = decoded_few(high, context_high, first_high, entries.all);
        let (low, used_low) = refilled(next_low, u16::MAX, word);
        let (high, used_high) = refilled(next_high, u16::MAX, word.add(2 * used_low));
        _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(low_entries));
        let symbol = symbol.add(REGISTER_LANES);
        _mm_storeu_si128(symbol.cast(), _mm512_cvtepi32_epi8(high_entries));
        ((low, high), used_low + used_high)
    }
}

/// The same for fewer than 32 symbols, few of which are other than 0, or of which all entries are read.
///
/// # Safety
/// As of [`decode_pair`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn decode_short<const ARE_FEW: bool>(
    (low, high): Pair,
    count: usize,
    contexts: __m256i,
    entries: DecodeEntries,
    symbol: *mut u8,
    word: *const u8,
) -> (Pair, usize) {
    let (context_low, context_high) = halves(contexts);
    let (active_low, active_high) = active_lanes(count);
    let (first_low, first_high) = first_frequencies(contexts, entries.firsts);
    // SAFETY: the caller's promise; lanes that are not active have the context 0.
    unsafe {
        let decoded = |states, contexts, first| match ARE_FEW {
            true => decoded_few(states, contexts, first, entries.all),
            false => decoded(states, contexts, entries.all),
        };
        let (low_entries, next) = decoded(low, context_low, (first_low, active_low));
        let (next, used_low) = refilled(next, active_low, word);
        let low = _mm512_mask_mov_epi32(low, active_low, next);
        _mm512_mask_cvtepi32_storeu_epi8(symbol.cast(), active_low, low_entries);
        if active_high == 0 {
            return ((low, high), used_low);
        }
        let (high_entries, next) = decoded(high, context_high, (first_high, active_high));
        let (next, used_high) = refilled(next, active_high, word.add(2 * used_low));
        let high = _mm512_mask_mov_epi32(high, active_high, next);
        let symbol = symbol.add(REGISTER_LANES);
        _mm512_mask_cvtepi32_storeu_epi8(symbol.cast(), active_high, high_entries);
        ((low, high), used_low + used_high)
    }
}

/// Masks of the lanes of `count` symbols, in both registers.
pub(super) fn active_lanes(count: usize) -> (u16, u16) {
    let active = mask_of(count);
    (active as u16, (active >> REGISTER_LANES) as u16)
}

fn mask_of(count: usize) -> u32 {
    ((1u64 << count) - 1) as u32
}

#[inline]
#[target_feature(enable = "avx512f")]
fn halves(contexts: __m256i) -> (__m128i, __m128i) {
    (
        _mm256_castsi256_si128(contexts),
        _mm256_extracti128_si256::<1>(contexts),
    )
}

/// The frequencies of symbol 0 in the contexts of all lanes, of the lower and the upper 16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn first_frequencies(contexts: __m256i, firsts: &[u16; FEW_CONTEXTS]) -> Pair {
    // SAFETY: 64 numbers are two registers.
    let (low, high) = unsafe {
        let firsts = firsts.as_ptr().cast::<__m512i>();
        (
            _mm512_loadu_si512(firsts),
            _mm512_loadu_si512(firsts.add(1)),
        )
    };
    let firsts = _mm512_permutex2var_epi16(low, _mm512_cvtepu8_epi16(contexts), high);
    (
        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(firsts)),
        _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(firsts)),
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

/// Places of the entries of the lanes, in bytes: the compiler makes more of each lane's address out of a number of
/// entries.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn indices(states: __m512i, contexts: __m128i) -> __m512i {
    let slots = _mm512_slli_epi32::<2>(states);
    let slots = _mm512_and_si512(slots, _mm512_set1_epi32(4 * TOTAL as i32 - 4));
    let tables = _mm512_slli_epi32::<{ PRECISION_BITS + 2 }>(_mm512_cvtepu8_epi32(contexts));
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
    (firsts, active): (__m512i, u16),
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

/// The entries of the lanes in `others`, and zeros. Up to eight are loaded one by one, more in a gather, which reads no
/// others.
///
/// # Safety
/// `entries` has an entry at each place.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn few_gathered(others: u16, index: __m512i, entries: &[u32]) -> __m512i {
    let first = others & others.wrapping_neg();
    let second = others ^ first;
    if second & second.wrapping_sub(1) != 0 {
        if others.count_ones() <= EIGHT {
            let chosen = _mm512_maskz_compress_epi32(others, index);
            // SAFETY: the caller's promise; where there are fewer lanes, their indices are 0.
            let (low, high) = unsafe {
                (
                    four_gathered(_mm512_castsi512_si128(chosen), entries),
                    four_gathered(_mm512_extracti32x4_epi32::<1>(chosen), entries),
                )
            };
            let eight = _mm512_castsi256_si512(_mm256_set_m128i(high, low));
            return _mm512_maskz_expand_epi32(others, eight);
        }
        let (zero, entries) = (_mm512_setzero_si512(), entries.as_ptr().cast());
        // SAFETY: the caller's promise.
        return unsafe { _mm512_mask_i32gather_epi32::<1>(zero, others, index, entries) };
    }
    let chosen = _mm512_maskz_compress_epi32(others, index);
    let chosen = _mm_cvtsi128_si64(_mm512_castsi512_si128(chosen)) as u64;
    // SAFETY: the caller's promise; where there is no second lane, its index is 0.
    let (one, two) = unsafe {
        let entries = entries.as_ptr();
        (
            *entries.byte_add(chosen as u32 as usize) as i32,
            *entries.byte_add((chosen >> 32) as usize) as i32,
        )
    };
    let entry = _mm512_maskz_set1_epi32(first, one);
    _mm512_mask_set1_epi32(entry, second, two)
}

/// The entries of all lanes.
///
/// # Safety
/// `entries` has an entry at each place.
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
    let longer = _mm512_mask_slli_epi32::<16>(states, low, states);
    let states = _mm512_or_si512(longer, words);
    (states, low.count_ones() as usize)
}
