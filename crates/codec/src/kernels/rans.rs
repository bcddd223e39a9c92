//! Steps of interleaved rANS; `entropy/rans.rs` says what they compute.
//!
//! A context beyond the last table is taken for the last one, at every level: it keeps table accesses in range without
//! a branch.

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(
        dead_code,
        unused_imports,
        reason = "other processors have the scalar level only"
    )
)]

use super::levels::{InstructionSet, Level};
#[cfg(target_arch = "x86_64")]
use super::{rans_avx2, rans_avx512, rans_avx512_encode};

/// The most lanes a stream may have.
pub(crate) const MAX_LANES: usize = 64;
/// The state of every lane before encoding and after decoding.
pub(crate) const START: u32 = 1 << 15;
/// Bytes that must be left behind the place of the next word for a step to be decoded.
pub(crate) const SLACK_BYTES: usize = 2 * MAX_LANES;

pub(super) const PRECISION_BITS: u32 = crate::entropy::rans_tables::PRECISION_BITS;
pub(super) const TOTAL: u32 = 1 << PRECISION_BITS;
/// Entries of a context's table to encode with.
pub(super) const SYMBOLS: usize = 256;

/// The frequency of symbol 0 from which on a register of lanes often has no other.
pub(crate) const NEARLY_CERTAIN: u16 = (TOTAL * 97 / 100) as u16;
/// Contexts for which symbol 0 is kept apart.
pub(crate) const FEW_CONTEXTS: usize = 64;

/// Tables to decode with.
#[derive(Clone, Copy)]
pub(crate) struct DecodeEntries<'a> {
    /// 4096 for each context.
    pub(crate) all: &'a [u32],
    /// The number of slots, from the first on, whose entries have symbol 0; zeros where it is not known.
    pub(crate) firsts: &'a [u16; FEW_CONTEXTS],
    /// From this context on symbol 0 has nearly all slots.
    pub(crate) certain_from: usize,
    /// Whether entries are so many, and symbol 0 so frequent, that it pays to read none where the symbol is 0.
    pub(crate) are_spared: bool,
}

/// Tables to encode with.
#[derive(Clone, Copy)]
pub(crate) struct EncodeEntries<'a> {
    /// 256 for each context.
    pub(crate) all: &'a [u64],
    /// Low and high halves of the entries of symbol 0, where there are so few contexts.
    pub(crate) firsts: Option<&'a [[u32; FEW_CONTEXTS]; 2]>,
}

/// One state per lane; those of lanes that a stream does not have stay as they are.
#[repr(align(64))]
#[derive(Clone)]
pub(crate) struct States(pub(crate) [u32; MAX_LANES]);

impl Default for States {
    fn default() -> Self {
        Self([START; MAX_LANES])
    }
}

/// Words and the place of the next one to read, in bytes.
pub(crate) type Source<'a> = (&'a [u8], &'a mut usize);
/// Words and the number of those that are free, at the front.
pub(crate) type Sink<'a> = (&'a mut [u16], usize);

/// Decodes a row while there are `SLACK_BYTES` behind the next word; returns the symbols decoded, a whole number of
/// steps or all. `entries` is one or more whole tables.
pub(crate) fn decode(
    level: Level,
    lanes: usize,
    states: &mut States,
    entries: DecodeEntries,
    words: Source,
    contexts: &[u8],
    symbols: &mut [u8],
) -> usize {
    assert!((1..=MAX_LANES).contains(&lanes) && entries.all.len() >= TOTAL as usize);
    assert!(contexts.len() == symbols.len());
    match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; lanes, entries and lengths are as demanded.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni if lanes >= 8 => unsafe {
            rans_avx512::decode(lanes, states, entries, words, contexts, symbols)
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx2 if lanes.is_multiple_of(rans_avx2::REGISTER_LANES) => unsafe {
            rans_avx2::decode(lanes, states, entries.all, words, contexts, symbols)
        },
        _ => decode_scalar(lanes, states, entries.all, words, contexts, symbols),
    }
}

pub(super) fn decode_scalar(
    lanes: usize,
    states: &mut States,
    entries: &[u32],
    (words, at): Source,
    contexts: &[u8],
    symbols: &mut [u8],
) -> usize {
    let last = (entries.len() >> PRECISION_BITS) - 1;
    let mut done = 0;
    for (contexts, symbols) in contexts.chunks(lanes).zip(symbols.chunks_mut(lanes)) {
        let Some(window) = words[*at..].first_chunk::<SLACK_BYTES>() else {
            break;
        };
        let mut used = 0;
        for ((x, &context), symbol) in states.0.iter_mut().zip(contexts).zip(symbols) {
            let table = usize::from(context).min(last) << PRECISION_BITS;
            let entry = entries[table + (*x & (TOTAL - 1)) as usize];
            let frequency = (entry >> 8 & (TOTAL - 1)) + 1;
            *x = frequency * (*x >> PRECISION_BITS) + (entry >> 20);
            // Which lanes need a word cannot be foreseen: every one reads it, and few keep it.
            let word = [window[used % SLACK_BYTES], window[(used + 1) % SLACK_BYTES]];
            let longer = *x << 16 | u32::from(u16::from_le_bytes(word));
            let is_low = *x < START;
            *x = if is_low { longer } else { *x };
            used += 2 * usize::from(is_low);
            *symbol = entry as u8;
        }
        *at += used;
        done += contexts.len();
    }
    done
}

/// Encodes a row, last symbol first; returns the number of words that stay free. As many words as symbols are free, and
/// `entries` is one or more whole tables.
pub(crate) fn encode(
    level: Level,
    lanes: usize,
    states: &mut States,
    entries: EncodeEntries,
    words: Sink,
    contexts: &[u8],
    symbols: &[u8],
) -> usize {
    assert!((1..=MAX_LANES).contains(&lanes) && entries.all.len() >= SYMBOLS);
    assert!(contexts.len() == symbols.len());
    assert!(contexts.len() <= words.1 && words.1 <= words.0.len());
    match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; lanes, entries and lengths are as demanded.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni if lanes >= 8 => unsafe {
            rans_avx512_encode::encode(lanes, states, entries, words, contexts, symbols)
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx2 if lanes.is_multiple_of(rans_avx2::REGISTER_LANES) => unsafe {
            rans_avx2::encode(lanes, states, entries.all, words, contexts, symbols)
        },
        _ => encode_scalar(lanes, states, entries.all, words, contexts, symbols),
    }
}

pub(super) fn encode_scalar(
    lanes: usize,
    states: &mut States,
    entries: &[u64],
    (words, mut free): Sink,
    contexts: &[u8],
    symbols: &[u8],
) -> usize {
    let last = entries.len() / SYMBOLS - 1;
    for (contexts, symbols) in contexts.chunks(lanes).zip(symbols.chunks(lanes)).rev() {
        let lanes = states.0.iter_mut().zip(contexts).zip(symbols);
        for ((x, &context), &symbol) in lanes.rev() {
            let table = usize::from(context).min(last) * SYMBOLS;
            let entry = entries[table + usize::from(symbol)];
            let high = (entry >> 32) as u32;
            let others = high & 0x1fff;
            // As in decoding: every lane writes a word, and few let it stay.
            let is_full = *x >= (TOTAL - others) << (31 - PRECISION_BITS);
            words[free - 1] = *x as u16;
            free -= usize::from(is_full);
            *x = if is_full { *x >> 16 } else { *x };
            let quotient = ((u64::from(*x) * (entry & 0xffff_ffff)) >> 32) as u32 >> (high >> 27);
            *x = (*x + (high >> 13 & 0x3fff)).wrapping_add(quotient.wrapping_mul(others));
        }
    }
    free
}
