//! Encoding steps of interleaved rANS with AVX-512, as `rans_avx512.rs` decodes them: words of a step are compressed and
//! stored in front of the others.
//!
//! Where symbol 0 is frequent, registers of lanes that all have it find its entries in registers.

#![allow(unsafe_code)] // Intrinsics; the caller of `encode` answers for the CPU and the lengths.

use std::arch::x86_64::*;

use super::rans::{EncodeEntries, FEW_CONTEXTS, PRECISION_BITS, SYMBOLS, Sink, States, TOTAL};
use super::rans_avx512::{PAIR_LANES, Pair, REGISTER_LANES, active_lanes, loaded, store};

/// Symbols that are looked at together for the way to encode them, and how many may be other than 0 to have most
/// registers without one.
const PIECE: usize = 256;
const FEW: u32 = 8;

/// # Safety
/// The CPU has the instructions; `lanes` is 8 to 64; `entries` holds a table of 256; one symbol per context; as many
/// words are free as there are symbols.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub(super) unsafe fn encode(
    lanes: usize,
    states: &mut States,
    entries: EncodeEntries,
    sink: Sink,
    contexts: &[u8],
    symbols: &[u8],
) -> usize {
    // SAFETY: the caller's promise; one pair holds 32 lanes, two hold all.
    unsafe {
        match lanes {
            ..=PAIR_LANES => encode_pairs::<1>(lanes, states, entries, sink, contexts, symbols),
            _ => encode_pairs::<2>(lanes, states, entries, sink, contexts, symbols),
        }
    }
}

/// # Safety
/// As of [`encode`]; so many pairs hold all lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn encode_pairs<const PAIRS: usize>(
    lanes: usize,
    states: &mut States,
    entries: EncodeEntries,
    (words, mut free): Sink,
    contexts: &[u8],
    symbols: &[u8],
) -> usize {
    let pairs = &mut states.0.as_chunks_mut::<PAIR_LANES>().0[..PAIRS];
    let (mut first, mut second) = (loaded(&pairs[0]), loaded(&pairs[PAIRS - 1]));
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
        let tables = EncodeEntries { firsts, ..entries };
        end -= count;
        // SAFETY: `count` contexts and symbols from `end` on exist, and each frees at most one word.
        unsafe {
            let step = (contexts.as_ptr().add(end), symbols.as_ptr().add(end));
            let sink = (words, &mut free);
            if PAIRS > 1 && count > PAIR_LANES {
                let step = (step.0.add(PAIR_LANES), step.1.add(PAIR_LANES));
                let count = count - PAIR_LANES;
                second = encode_pair::<PAIRS, 1>(second, count, tables, step, (words, sink.1));
            }
            let count = count.min(PAIR_LANES);
            first = encode_pair::<PAIRS, 0>(first, count, tables, step, sink);
        }
        count = lanes;
    }
    store(first, &mut pairs[0]);
    if PAIRS > 1 {
        store(second, &mut pairs[1]);
    }
    free
}

/// Encodes `count` symbols, at most 32; returns the next states. Each pair of a step has a function of its own, for the
/// reason that `decode_pair` has.
///
/// # Safety
/// As of [`encode`]; as many contexts and symbols exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn encode_pair<const PAIRS: usize, const PAIR: usize>(
    (mut low, mut high): Pair,
    count: usize,
    entries: EncodeEntries,
    (context, symbol): (*const u8, *const u8),
    (words, free): (*mut u16, &mut usize),
) -> Pair {
    let last = _mm256_set1_epi8((entries.all.len() / SYMBOLS - 1).min(255) as u8 as i8);
    let last_16 = _mm256_castsi256_si128(last);
    // SAFETY: the caller's promise.
    unsafe {
        if count == PAIR_LANES && entries.firsts.is_none() {
            let all = u16::MAX;
            let context = _mm256_min_epu8(_mm256_loadu_si256(context.cast()), last);
            let symbol = _mm256_loadu_si256(symbol.cast());
            let context_high = _mm256_extracti128_si256::<1>(context);
            let symbol_high = _mm256_extracti128_si256::<1>(symbol);
            let high_entries = entries_of(context_high, symbol_high, entries.all);
            let context_low = _mm256_castsi256_si128(context);
            let symbol_low = _mm256_castsi256_si128(symbol);
            let low_entries = entries_of(context_low, symbol_low, entries.all);
            high = encoded(high, high_entries, all, words, free);
            low = encoded(low, low_entries, all, words, free);
            return (low, high);
        }
        let (active, active_high) = active_lanes(count);
        if active_high != 0 {
            let context = context.add(REGISTER_LANES).cast();
            let context = _mm_min_epu8(_mm_maskz_loadu_epi8(active_high, context), last_16);
            let symbol = symbol.add(REGISTER_LANES).cast();
            let symbol = _mm_maskz_loadu_epi8(active_high, symbol);
            let entries = few_entries_of(context, symbol, entries);
            high = encoded(high, entries, active_high, words, free);
        }
        let context = _mm_maskz_loadu_epi8(active, context.cast());
        let context = _mm_min_epu8(context, last_16);
        let symbol = _mm_maskz_loadu_epi8(active, symbol.cast());
        let entries = few_entries_of(context, symbol, entries);
        low = encoded(low, entries, active, words, free);
        (low, high)
    }
}

/// Entries of all lanes.
struct Lanes {
    /// Reciprocals of even lanes, and of odd ones, in the low halves of 64 bits; whatever is in the high ones.
    even: __m512i,
    odd: __m512i,
    /// The high halves of entries.
    high: __m512i,
}

/// Places of the entries of all lanes.
#[repr(align(32))]
struct Places([u16; REGISTER_LANES]);

/// The entries of all lanes, loaded one by one at places that go through memory: a register gives away its numbers more
/// slowly.
///
/// # Safety
/// `entries` has a table of 256 for each context.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn entries_of(contexts: __m128i, symbols: __m128i, entries: &[u64]) -> Lanes {
    let mut places = Places([0; REGISTER_LANES]);
    let to = places.0.as_mut_ptr();
    // SAFETY: 16 places are two registers; the caller's promise.
    let (even, odd) = unsafe {
        _mm_store_si128(to.cast(), _mm_unpacklo_epi8(symbols, contexts));
        _mm_store_si128(to.add(8).cast(), _mm_unpackhi_epi8(symbols, contexts));
        // Volatile, or the compiler takes the numbers from the registers after all.
        let entry = |lane: usize| {
            let place = to.add(lane).read_volatile();
            entries.as_ptr().add(usize::from(place))
        };
        let two = |lane: usize| {
            let low = _mm_castsi128_pd(_mm_loadl_epi64(entry(lane).cast()));
            _mm_castpd_si128(_mm_loadh_pd(low, entry(lane + 2).cast()))
        };
        let eight = |lane: usize| {
            let low = _mm256_set_m128i(two(lane + 4), two(lane));
            let high = _mm256_set_m128i(two(lane + 12), two(lane + 8));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        };
        (eight(0), eight(1))
    };
    Lanes {
        even,
        odd,
        high: _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd),
    }
}

/// The same where most symbols are 0.
///
/// # Safety
/// As of [`entries_of`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn few_entries_of(contexts: __m128i, symbols: __m128i, entries: EncodeEntries) -> Lanes {
    let is_first = _mm_test_epi8_mask(symbols, symbols) == 0;
    match entries.firsts {
        Some([low, high]) if is_first => {
            let contexts = _mm512_cvtepu8_epi32(contexts);
            let even = of_64(low, contexts);
            Lanes {
                even,
                odd: _mm512_srli_epi64::<32>(even),
                high: of_64(high, contexts),
            }
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
    Lanes { even, odd, high }: Lanes,
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
    let even = _mm512_srli_epi64::<32>(_mm512_mul_epu32(short, even));
    let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(short), odd);
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
