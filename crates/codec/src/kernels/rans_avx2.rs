//! Steps of interleaved rANS with AVX2: 8 lanes to a register.
//!
//! `entropy/rans.rs` says what a step computes, `rans.rs` is the reference and does the short steps. AVX2 has no
//! instruction that spreads words over the lanes that need one, or collects them: tables of 256 permutations, one for
//! each set of lanes, take its place.

#![allow(unsafe_code)] // Intrinsics; the caller of `decode` and `encode` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::rans::{
    MAX_LANES, PRECISION_BITS, SLACK_BYTES, START, SYMBOLS, Sink, Source, States, TOTAL,
    decode_scalar, encode_scalar,
};

/// Lanes of a register.
pub(super) const REGISTER_LANES: usize = 8;
const REGISTERS: usize = MAX_LANES / REGISTER_LANES;

type Permutations = [[u8; REGISTER_LANES]; 256];

/// For each set of lanes: which of the next words a lane gets.
static SPREAD: Permutations = {
    let mut table = [[0; REGISTER_LANES]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut word) = (0, 0);
        while lane < REGISTER_LANES {
            table[set][lane] = word & 7;
            word += (set >> lane & 1) as u8;
            lane += 1;
        }
        set += 1;
    }
    table
};

/// For each set of lanes: those lanes in order, at the end.
static COLLECT: Permutations = {
    let mut table = [[0; REGISTER_LANES]; 256];
    let mut set = 0usize;
    while set < 256 {
        let mut place = REGISTER_LANES - set.count_ones() as usize;
        let mut lane = 0;
        while lane < REGISTER_LANES {
            if set >> lane & 1 == 1 {
                table[set][place] = lane as u8;
                place += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    table
};

/// # Safety
/// The CPU has the instructions; `lanes` is a multiple of 8, at most 64; `entries` holds a table of 4096; one symbol per
/// context.
#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn decode(
    lanes: usize,
    states: &mut States,
    entries: &[u32],
    (words, at): Source,
    contexts: &[u8],
    symbols: &mut [u8],
) -> usize {
    let last = _mm_set1_epi8(((entries.len() >> PRECISION_BITS) - 1).min(255) as u8 as i8);
    let mut done = 0;
    // SAFETY: `States` is as long as eight registers and aligned. A whole step of contexts and symbols is left, and of
    // words each register reads 16 bytes behind at most 16 for each register before.
    unsafe {
        let registers = states.0.as_mut_ptr().cast::<__m256i>();
        let mut x: [__m256i; REGISTERS] =
            std::array::from_fn(|i| _mm256_load_si256(registers.add(i)));
        while contexts.len() - done >= lanes && *at + SLACK_BYTES <= words.len() {
            for (number, x) in x.iter_mut().enumerate().take(lanes / REGISTER_LANES) {
                let first = done + number * REGISTER_LANES;
                let context = _mm_loadl_epi64(contexts.as_ptr().add(first).cast());
                let context = _mm256_cvtepu8_epi32(_mm_min_epu8(context, last));
                let mask = _mm256_set1_epi32(TOTAL as i32 - 1);
                let slots = _mm256_and_si256(*x, mask);
                let table = _mm256_slli_epi32::<{ PRECISION_BITS as i32 + 2 }>(context);
                let places = _mm256_or_si256(table, _mm256_slli_epi32::<2>(slots));
                let entry = gathered(places, entries);
                let frequency = _mm256_and_si256(_mm256_srli_epi32::<8>(entry), mask);
                let frequency = _mm256_add_epi32(frequency, _mm256_set1_epi32(1));
                let quotient = _mm256_srli_epi32::<{ PRECISION_BITS as i32 }>(*x);
                let product = _mm256_mullo_epi32(frequency, quotient);
                let next = _mm256_add_epi32(product, _mm256_srli_epi32::<20>(entry));
                // States are below 2^31, so that a signed comparison will do.
                let low = _mm256_cmpgt_epi32(_mm256_set1_epi32(START as i32), next);
                let set = _mm256_movemask_ps(_mm256_castsi256_ps(low)) as usize;
                let given = _mm_loadu_si128(words.as_ptr().add(*at).cast());
                let given = permuted(_mm256_cvtepu16_epi32(given), &SPREAD[set]);
                let longer = _mm256_or_si256(_mm256_slli_epi32::<16>(next), given);
                *x = _mm256_blendv_epi8(next, longer, low);
                *at += 2 * set.count_ones() as usize;
                store_low_bytes(entry, symbols.as_mut_ptr().add(first));
            }
            done += lanes;
        }
        for (i, &x) in x.iter().enumerate() {
            _mm256_store_si256(registers.add(i), x);
        }
    }
    let (contexts, symbols) = (&contexts[done..], &mut symbols[done..]);
    done + decode_scalar(lanes, states, entries, (words, at), contexts, symbols)
}

/// The entries of all lanes, whose places are in bytes, loaded one by one: a gather takes longer on most processors.
///
/// # Safety
/// `entries` has an entry at each place.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn gathered(places: __m256i, entries: &[u32]) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let low = four_gathered(_mm256_castsi256_si128(places), entries);
        let high = four_gathered(_mm256_extracti128_si256::<1>(places), entries);
        _mm256_set_m128i(high, low)
    }
}

/// The entries of four lanes, whose places are in bytes.
///
/// # Safety
/// `entries` has an entry at each place.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn four_gathered(places: __m128i, entries: &[u32]) -> __m128i {
    let low = _mm_cvtsi128_si64(places) as u64;
    let high = _mm_extract_epi64::<1>(places) as u64;
    let entries = entries.as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let four = _mm_loadu_si32(entries.byte_add(low as u32 as usize).cast());
        let four = _mm_insert_epi32::<1>(four, *entries.byte_add((low >> 32) as usize) as i32);
        let four = _mm_insert_epi32::<2>(four, *entries.byte_add(high as u32 as usize) as i32);
        _mm_insert_epi32::<3>(four, *entries.byte_add((high >> 32) as usize) as i32)
    }
}

/// Low and high halves of the entries of all lanes.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn halves_gathered(index: __m256i, entries: &[u64]) -> (__m256i, __m256i) {
    let low = _mm256_castsi256_si128(index);
    let high = _mm256_extracti128_si256::<1>(index);
    // SAFETY: the caller's promise.
    let (first, second) = unsafe {
        let first = two_gathered(_mm_cvtsi128_si64(low) as u64, entries);
        let second = two_gathered(_mm_extract_epi64::<1>(low) as u64, entries);
        let third = two_gathered(_mm_cvtsi128_si64(high) as u64, entries);
        let fourth = two_gathered(_mm_extract_epi64::<1>(high) as u64, entries);
        // In the order in which the halves of two registers are taken together.
        (
            _mm256_castsi256_ps(_mm256_set_m128i(third, first)),
            _mm256_castsi256_ps(_mm256_set_m128i(fourth, second)),
        )
    };
    (
        _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(first, second)),
        _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(first, second)),
    )
}

/// # Safety
/// `entries` has an entry for both indices, of 32 bits each.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn two_gathered(indices: u64, entries: &[u64]) -> __m128i {
    let entries = entries.as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm_loadl_epi64(entries.add(indices as u32 as usize).cast());
        let high = entries.add((indices >> 32) as usize).cast();
        _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(low), high))
    }
}

/// The lanes of a register in another order.
#[inline]
#[target_feature(enable = "avx2")]
fn permuted(register: __m256i, order: &[u8; REGISTER_LANES]) -> __m256i {
    // SAFETY: reads the 8 bytes of the array.
    let order = unsafe { _mm_loadl_epi64(order.as_ptr().cast()) };
    _mm256_permutevar8x32_epi32(register, _mm256_cvtepu8_epi32(order))
}

/// # Safety
/// 8 bytes can be written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store_low_bytes(register: __m256i, bytes: *mut u8) {
    let order = _mm256_setr_epi8(
        0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1, -1, -1, -1,
        -1, -1, -1, -1, -1, -1, -1, -1,
    );
    let fours = _mm256_shuffle_epi8(register, order);
    let eight = _mm_unpacklo_epi32(
        _mm256_castsi256_si128(fours),
        _mm256_extracti128_si256::<1>(fours),
    );
    // SAFETY: the caller's promise.
    unsafe { _mm_storel_epi64(bytes.cast(), eight) };
}

/// # Safety
/// The CPU has the instructions; `lanes` is a multiple of 8, at most 64; `entries` holds a table of 256; one symbol per
/// context; as many words are free as there are symbols.
#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn encode(
    lanes: usize,
    states: &mut States,
    entries: &[u64],
    (words, mut free): Sink,
    contexts: &[u8],
    symbols: &[u8],
) -> usize {
    let mut end = contexts.len() / lanes * lanes;
    let (short_contexts, short_symbols) = (&contexts[end..], &symbols[end..]);
    let sink: Sink = (&mut *words, free);
    free = encode_scalar(lanes, states, entries, sink, short_contexts, short_symbols);
    let last = _mm_set1_epi8((entries.len() / SYMBOLS - 1).min(255) as u8 as i8);
    // SAFETY: `States` is as long as eight registers and aligned. A whole step of contexts and symbols lies before `end`.
    // Words are stored eight at a time where a whole step of them is free.
    unsafe {
        let registers = states.0.as_mut_ptr().cast::<__m256i>();
        let mut x: [__m256i; REGISTERS] =
            std::array::from_fn(|i| _mm256_load_si256(registers.add(i)));
        while end > 0 && free >= MAX_LANES + REGISTER_LANES {
            end -= lanes;
            for (number, x) in x.iter_mut().enumerate().take(lanes / REGISTER_LANES).rev() {
                let first = end + number * REGISTER_LANES;
                let context = _mm_loadl_epi64(contexts.as_ptr().add(first).cast());
                let context = _mm_min_epu8(context, last);
                let symbol = _mm_loadl_epi64(symbols.as_ptr().add(first).cast());
                let index = _mm256_slli_epi32::<8>(_mm256_cvtepu8_epi32(context));
                let index = _mm256_or_si256(index, _mm256_cvtepu8_epi32(symbol));
                let (next, full) = encoded(*x, index, entries);
                let set = _mm256_movemask_ps(_mm256_castsi256_ps(full)) as usize;
                let given = _mm256_and_si256(*x, _mm256_set1_epi32(0xffff));
                let given = permuted(given, &COLLECT[set]);
                let given = _mm_packus_epi32(
                    _mm256_castsi256_si128(given),
                    _mm256_extracti128_si256::<1>(given),
                );
                let to = words.as_mut_ptr().add(free - REGISTER_LANES);
                _mm_storeu_si128(to.cast(), given);
                free -= set.count_ones() as usize;
                *x = next;
            }
        }
        for (i, &x) in x.iter().enumerate() {
            _mm256_store_si256(registers.add(i), x);
        }
    }
    let sink: Sink = (words, free);
    encode_scalar(
        lanes,
        states,
        entries,
        sink,
        &contexts[..end],
        &symbols[..end],
    )
}

/// The next states, and which lanes give a word.
///
/// # Safety
/// `entries` has an entry for each index.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn encoded(states: __m256i, index: __m256i, entries: &[u64]) -> (__m256i, __m256i) {
    // SAFETY: the caller's promise.
    let (reciprocal, high) = unsafe { halves_gathered(index, entries) };
    let others = _mm256_and_si256(high, _mm256_set1_epi32(0x1fff));
    let bias = _mm256_and_si256(_mm256_srli_epi32::<13>(high), _mm256_set1_epi32(0x3fff));
    let shift = _mm256_srli_epi32::<27>(high);
    let frequency = _mm256_sub_epi32(_mm256_set1_epi32(TOTAL as i32), others);
    let limit = _mm256_slli_epi32::<{ 31 - PRECISION_BITS as i32 }>(frequency);
    // The limit may be 2^31, one less is a signed number.
    let full = _mm256_cmpgt_epi32(states, _mm256_sub_epi32(limit, _mm256_set1_epi32(1)));
    let short = _mm256_blendv_epi8(states, _mm256_srli_epi32::<16>(states), full);
    let even = _mm256_srli_epi64::<32>(_mm256_mul_epu32(short, reciprocal));
    let odd = _mm256_mul_epu32(
        _mm256_srli_epi64::<32>(short),
        _mm256_srli_epi64::<32>(reciprocal),
    );
    let quotient = _mm256_srlv_epi32(_mm256_blend_epi32::<0xaa>(even, odd), shift);
    let next = _mm256_add_epi32(short, bias);
    let next = _mm256_add_epi32(next, _mm256_mullo_epi32(quotient, others));
    (next, full)
}
