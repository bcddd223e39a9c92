//! Frequency tables of the rANS coder: made from histograms, written and read, and laid out for coding.
//!
//! A table gives each symbol of an alphabet of up to 256 an integer frequency f, and those of a table sum to exactly
//! [`TOTAL`]. The cumulative frequency c of a symbol is the sum of the frequencies of all smaller symbols. A symbol of
//! frequency 0 cannot be coded; a symbol of frequency `TOTAL` costs nothing.
//!
//! A table is written for an alphabet of `direct` symbols followed by special ones:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | the largest direct symbol of frequency above 0 (0 if there is none); 255: the table has one symbol, the next byte, and ends there; 254: the frequencies of all symbols follow in few bits, see `entropy/rans_tables_coarse.rs`, and no other field |
//! | 1 or more | LEB128 number: bit i set if special symbol `direct` + i has a frequency above 0 |
//! | | frequencies of the direct symbols up to the largest and of the specials named, 12 bits each from the lowest bit on, padded with zeros to a whole byte |

use super::rans_tables_coarse as coarse;
use crate::Error;
use crate::kernels::rans::{DecodeEntries, EncodeEntries, FEW_CONTEXTS, NEARLY_CERTAIN};

/// Bits of a frequency.
pub(crate) const PRECISION_BITS: u32 = 12;
/// What the frequencies of a table sum to.
pub(crate) const TOTAL: u32 = 1 << PRECISION_BITS;
/// Symbols are bytes.
pub(crate) const MAX_SYMBOLS: usize = 256;
/// Contexts of one set of tables: 16 KiB each to decode with.
const MAX_CONTEXTS: usize = 256;
/// Contexts whose tables to decode with the L2 cache holds.
const CACHED_CONTEXTS: usize = 32;
/// First byte of a written table that has one symbol.
const SINGLE: u8 = 0xff;
/// First byte of a written table with coarse frequencies.
const COARSE: u8 = 0xfe;
static NO_FIRSTS: [u16; FEW_CONTEXTS] = [0; FEW_CONTEXTS];

/// Frequencies of a histogram, a whole number of `TOTAL`ths each, at least one where the histogram is not zero.
///
/// A histogram of zeros gives symbol 0 the frequency `TOTAL`. The rule is exact, so that equal input makes equal
/// files: proportions are rounded to nearest; what is too much is taken from the largest frequency, at most half of it
/// at a time; what is missing goes to the most frequent symbol.
pub(crate) fn normalise(histogram: &[u32]) -> Vec<u16> {
    let sum: u64 = histogram.iter().map(|&count| u64::from(count)).sum();
    if sum == 0 {
        let mut frequencies = vec![0; histogram.len()];
        frequencies[0] = TOTAL as u16;
        return frequencies;
    }
    let proportion = |&count: &u32| match count {
        0 => 0,
        _ => ((u64::from(count) * u64::from(TOTAL) + sum / 2) / sum).max(1) as u16,
    };
    let mut frequencies: Vec<u16> = histogram.iter().map(proportion).collect();
    let mut total: u32 = frequencies.iter().map(|&f| u32::from(f)).sum();
    while total > TOTAL {
        let largest = first_largest(&frequencies);
        let taken = (total - TOTAL)
            .min(u32::from(frequencies[largest] / 2))
            .max(1);
        frequencies[largest] -= taken as u16;
        total -= taken;
    }
    frequencies[first_largest(histogram)] += (TOTAL - total) as u16;
    frequencies
}

fn first_largest<T: Ord + Copy>(values: &[T]) -> usize {
    let mut largest = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[largest] {
            largest = i;
        }
    }
    largest
}

/// Appends a table for a histogram, coarse where that saves more bytes than it loses; returns the frequencies. The first
/// `direct` symbols are the direct ones.
pub(crate) fn write_table_of(histogram: &[u32], direct: usize, bytes: &mut Vec<u8>) -> Vec<u16> {
    let exact = normalise(histogram);
    let start = bytes.len();
    write_table(&exact, direct, bytes);
    if bytes[start] == SINGLE || direct > usize::from(COARSE) {
        return exact;
    }
    let exact_bits = 8.0 * (bytes.len() - start - 1) as f64;
    match coarse::of(histogram, &exact) {
        Some(found) if found.bits < exact_bits => {
            bytes.truncate(start);
            bytes.push(COARSE);
            coarse::write(&exact, found.kept, bytes);
            found.frequencies
        }
        _ => exact,
    }
}

/// Appends a table whose first `direct` symbols, at most 255, are the direct ones.
pub(crate) fn write_table(frequencies: &[u16], direct: usize, bytes: &mut Vec<u8>) {
    let present = |symbols: &[u16]| symbols.iter().rposition(|&f| f > 0);
    if let Some(symbol) = frequencies.iter().position(|&f| u32::from(f) == TOTAL) {
        bytes.extend([SINGLE, symbol as u8]);
        return;
    }
    let (direct, special) = frequencies.split_at(direct.min(frequencies.len()));
    let last = present(direct).unwrap_or(0);
    let mut named = special
        .iter()
        .enumerate()
        .fold(0u64, |named, (i, &f)| named | u64::from(f > 0) << i);
    bytes.push(last as u8);
    while named >= 0x80 {
        bytes.push(named as u8 | 0x80);
        named >>= 7;
    }
    bytes.push(named as u8);
    let special = special.iter().filter(|&&f| f > 0);
    let (mut bits, mut held) = (0u32, 0);
    for &frequency in direct[..=last].iter().chain(special) {
        bits |= u32::from(frequency) << held;
        held += PRECISION_BITS;
        while held >= 8 {
            bytes.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        bytes.push(bits as u8);
    }
}

/// About the bits of a coarse frequency.
const COARSE_BITS: usize = 6;

/// About how many bytes [`write_table_of`] takes for a histogram.
pub(crate) fn written_bytes(histogram: &[u32], direct: usize) -> usize {
    let (direct, special) = histogram.split_at(direct.min(histogram.len()));
    let last = direct.iter().rposition(|&count| count > 0).unwrap_or(0);
    let special = special.iter().filter(|&&count| count > 0).count();
    4 + (last + 1 + special) * COARSE_BITS / 8
}

/// Reads a table at `at` of `bytes`, which moves behind it, into `frequencies`, as long as the alphabet. The sum is not
/// checked here: [`DecodeTables::push`] does.
pub(crate) fn read_table(
    bytes: &[u8],
    at: &mut usize,
    direct: usize,
    frequencies: &mut [u16],
) -> Result<(), Error> {
    let start = *at;
    let damaged = |what| Error::Damaged {
        what,
        offset: start,
        len: bytes.len(),
    };
    let mut next = || {
        let byte = *bytes.get(*at)?;
        *at += 1;
        Some(byte)
    };
    let truncated = || Error::Truncated {
        what: "a frequency table",
        offset: start,
        needed: bytes.len().saturating_sub(start) + 1,
        len: bytes.len(),
    };
    frequencies.fill(0);
    let last = next().ok_or_else(truncated)?;
    if last == SINGLE {
        let symbol = usize::from(next().ok_or_else(truncated)?);
        *frequencies
            .get_mut(symbol)
            .ok_or(damaged("a symbol beyond its alphabet"))? = TOTAL as u16;
        return Ok(());
    }
    if last == COARSE && direct <= usize::from(COARSE) {
        let len = coarse::read(&bytes[*at..], frequencies);
        *at += len.ok_or(damaged("coarse frequencies are not valid"))?;
        return Ok(());
    }
    let last = usize::from(last);
    if last >= direct || direct > frequencies.len() {
        return Err(damaged("a symbol beyond its alphabet"));
    }
    let (mut named, mut shift) = (0u64, 0);
    loop {
        let byte = next().ok_or_else(truncated)?;
        if shift > 56 {
            return Err(damaged("a number is too long"));
        }
        named |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let specials = frequencies.len() - direct;
    if specials < 64 && named >> specials != 0 {
        return Err(damaged("a symbol beyond its alphabet"));
    }
    let (mut bits, mut held) = (0u32, 0);
    let special =
        (direct..frequencies.len().min(direct + 64)).filter(|i| named >> (i - direct) & 1 == 1);
    for symbol in (0..=last).chain(special) {
        while held < PRECISION_BITS {
            bits |= u32::from(next().ok_or_else(truncated)?) << held;
            held += 8;
        }
        frequencies[symbol] = (bits & (TOTAL - 1)) as u16;
        bits >>= PRECISION_BITS;
        held -= PRECISION_BITS;
    }
    Ok(())
}

/// Tables to decode with, one per context, one entry per slot.
///
/// A slot is one `TOTAL`th; symbol s owns the f slots from c on. The entry of a slot is
/// `s | (f − 1) << 8 | (slot − c) << 20`. The frequencies of symbol 0 are kept apart as well: where it is frequent, most
/// slots are below its frequency and need no entry.
pub(crate) struct DecodeTables {
    entries: Vec<u32>,
    firsts: [u16; FEW_CONTEXTS],
    /// The sum of the frequencies of symbol 0.
    sum_of_firsts: usize,
    /// The first of the contexts at the end in which symbol 0 is nearly certain.
    certain_from: usize,
}

impl Default for DecodeTables {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            firsts: [0; FEW_CONTEXTS],
            sum_of_firsts: 0,
            certain_from: 0,
        }
    }
}

impl DecodeTables {
    /// Forgets all tables and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.sum_of_firsts = 0;
        self.certain_from = 0;
    }

    /// Adds the table of the next context. Frequencies that do not sum to `TOTAL` are refused, so that every slot has an
    /// entry and no state leaves its range, whatever the words.
    pub(crate) fn push(&mut self, frequencies: &[u16]) -> Result<(), Error> {
        let sum: u32 = frequencies.iter().map(|&f| u32::from(f)).sum();
        let is_valid = sum == TOTAL && frequencies.len() <= MAX_SYMBOLS;
        if !is_valid || self.contexts() == MAX_CONTEXTS {
            return Err(Error::Damaged {
                what: "frequencies do not sum to the whole",
                offset: 0,
                len: 0,
            });
        }
        if let Some(first) = self.firsts.get_mut(self.entries.len() >> PRECISION_BITS) {
            *first = frequencies[0];
        }
        self.sum_of_firsts += usize::from(frequencies[0]);
        for (symbol, &frequency) in frequencies.iter().enumerate() {
            let frequency = u32::from(frequency);
            let entry = |offset| symbol as u32 | (frequency - 1) << 8 | offset << 20;
            self.entries.extend((0..frequency).map(entry));
        }
        if frequencies[0] < NEARLY_CERTAIN {
            self.certain_from = self.contexts();
        }
        Ok(())
    }

    /// Tables held.
    pub(crate) fn contexts(&self) -> usize {
        self.entries.len() >> PRECISION_BITS
    }

    /// `TOTAL` entries per context; of many contexts, symbol 0 is not kept apart.
    pub(crate) fn entries(&self) -> DecodeEntries<'_> {
        let are_few = self.contexts() <= FEW_CONTEXTS;
        let are_cached = self.contexts() <= CACHED_CONTEXTS;
        DecodeEntries {
            all: &self.entries,
            firsts: if are_few { &self.firsts } else { &NO_FIRSTS },
            certain_from: self.certain_from,
            are_spared: !are_cached && 2 * self.sum_of_firsts > self.entries.len(),
        }
    }
}

/// Tables to encode with: 256 entries per context, one per symbol.
///
/// Encoding divides the state x by f. With s = ⌈log₂ f⌉ and r = ⌈2^(s+31) / f⌉, the quotient is (x · r) >> (s + 31)
/// for every x below 2³¹, and the next state is x + c + (x / f) · (`TOTAL` − f). For f = 1, r = 2³² − 1 gives x − 1
/// instead of x, which c + `TOTAL` − 1 in place of c makes up for.
///
/// The entries of symbol 0 are kept apart as well, in halves: where it is frequent, they suffice for most steps.
pub(crate) struct EncodeTables {
    entries: Vec<u64>,
    firsts: [[u32; FEW_CONTEXTS]; 2],
}

impl Default for EncodeTables {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            firsts: [[0; FEW_CONTEXTS]; 2],
        }
    }
}

impl EncodeTables {
    /// Forgets all tables and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds the table of the next context: up to 256 frequencies, which sum to `TOTAL`.
    pub(crate) fn push(&mut self, frequencies: &[u16]) {
        debug_assert_eq!(
            frequencies.iter().map(|&f| u32::from(f)).sum::<u32>(),
            TOTAL
        );
        let start = self.entries.len();
        let mut cumulative = 0;
        for &frequency in frequencies {
            self.entries
                .push(encode_entry(u32::from(frequency), cumulative));
            cumulative += u32::from(frequency);
        }
        self.entries.resize(start + MAX_SYMBOLS, encode_entry(0, 0));
        let context = start / MAX_SYMBOLS;
        if context < FEW_CONTEXTS {
            let first = self.entries[start];
            self.firsts[0][context] = first as u32;
            self.firsts[1][context] = (first >> 32) as u32;
        }
    }

    /// Tables held.
    pub(crate) fn contexts(&self) -> usize {
        self.entries.len() / MAX_SYMBOLS
    }

    /// `MAX_SYMBOLS` entries per context: the reciprocal r in the low half; in the high half `TOTAL` − f in bits 0 to
    /// 12, what is added to the state in bits 13 to 26, and the shift of the upper half of x · r from bit 27.
    pub(crate) fn entries(&self) -> EncodeEntries<'_> {
        let are_few = self.contexts() <= FEW_CONTEXTS;
        EncodeEntries {
            all: &self.entries,
            firsts: are_few.then_some(&self.firsts),
        }
    }
}

fn encode_entry(frequency: u32, cumulative: u32) -> u64 {
    let (reciprocal, shift, bias) = match frequency {
        0 => (0, 0, 0),
        1 => (u32::MAX, 0, cumulative + TOTAL - 1),
        _ => {
            let log = u32::BITS - (frequency - 1).leading_zeros();
            let reciprocal = (1u64 << (log + 31)).div_ceil(u64::from(frequency)) as u32;
            (reciprocal, log - 1, cumulative)
        }
    };
    let high = (TOTAL - frequency) | bias << 13 | shift << 27;
    u64::from(reciprocal) | u64::from(high) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_frequencies_sum_to_the_whole_and_keep_every_symbol() {
        assert_eq!(normalise(&[0, 0, 0]), [4096, 0, 0]);
        assert_eq!(normalise(&[0, 7, 0]), [0, 4096, 0]);
        assert_eq!(normalise(&[1, 1, 1]), [1366, 1365, 1365]);
        let mut skewed = vec![1u32; 256];
        skewed[9] = u32::MAX;
        let frequencies = normalise(&skewed);
        assert_eq!(frequencies[9], 4096 - 255);
        assert!(frequencies.iter().all(|&f| f > 0));
        for n in 1..=256u32 {
            let histogram: Vec<u32> = (0..n).map(|i| i * i % 97 + n % 2).collect();
            let sum: u32 = normalise(&histogram).iter().map(|&f| u32::from(f)).sum();
            assert_eq!(sum, TOTAL, "{n}");
        }
    }

    #[test]
    fn written_tables_are_read_back_and_every_truncation_is_an_error() {
        for direct in [1usize, 2, 5, 104] {
            for specials in [0usize, 1, 16, 32] {
                for seed in 0..20u32 {
                    let draw = |i: u32| {
                        (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 13) & 63
                    };
                    let histogram: Vec<u32> = (0..(direct + specials) as u32)
                        .map(|i| if draw(i) < 3 * seed { draw(i) } else { 0 })
                        .collect();
                    let frequencies = normalise(&histogram);
                    let mut bytes = vec![0xcc];
                    write_table(&frequencies, direct, &mut bytes);
                    let mut back = vec![0xcccc; frequencies.len()];
                    let mut at = 1;
                    read_table(&bytes, &mut at, direct, &mut back).unwrap();
                    assert_eq!((at, &back), (bytes.len(), &frequencies));
                    for len in 1..bytes.len() {
                        let cut = read_table(&bytes[..len], &mut 1, direct, &mut back);
                        assert!(matches!(cut, Err(Error::Truncated { .. })), "{len}");
                    }
                }
            }
        }
    }

    #[test]
    fn tables_of_few_symbols_are_coarse_and_of_many_exact() {
        for (scale, is_coarse) in [(1, true), (100, true), (1_000_000, false)] {
            let histogram: Vec<u32> = (1..60).map(|i| 700 * scale / (i * i) + 1).collect();
            let mut bytes = Vec::new();
            let frequencies = write_table_of(&histogram, 40, &mut bytes);
            assert_eq!(bytes[0] == COARSE, is_coarse, "{scale}");
            assert!(bytes.len() <= written_bytes(&histogram, 40) * 2);
            let mut back = vec![0; frequencies.len()];
            let mut at = 0;
            read_table(&bytes, &mut at, 40, &mut back).unwrap();
            assert_eq!((at, back), (bytes.len(), frequencies));
            for len in 0..bytes.len() {
                let mut back = vec![0; histogram.len()];
                assert!(read_table(&bytes[..len], &mut 0, 40, &mut back).is_err());
            }
        }
    }

    #[test]
    fn tables_that_do_not_sum_to_the_whole_are_refused() {
        let mut tables = DecodeTables::default();
        for wrong in [&[4095u16][..], &[4097], &[], &[1; 4096], &[u16::MAX; 256]] {
            assert!(tables.push(wrong).is_err());
        }
        assert!(tables.push(&[4000, 0, 96]).is_ok());
        assert_eq!(tables.contexts(), 1);
        assert_eq!(tables.entries().all[0], 3999 << 8);
        assert_eq!(tables.entries().all[4095], 2 | 95 << 8 | 95 << 20);
    }

    #[test]
    fn reciprocals_divide_exactly() {
        for frequency in 1..TOTAL {
            let entry = encode_entry(frequency, 0);
            let (reciprocal, shift) = (entry & 0xffff_ffff, entry >> 59);
            for around in [1u64 << 15, 12_345_678, (1 << 31) - 1, 1 << 30] {
                for x in [
                    around / u64::from(frequency) * u64::from(frequency),
                    around / u64::from(frequency) * u64::from(frequency) - 1,
                    around,
                ] {
                    let quotient = ((x * reciprocal) >> 32) >> shift;
                    let expected = if frequency == 1 {
                        x - 1
                    } else {
                        x / u64::from(frequency)
                    };
                    assert_eq!(quotient, expected, "{x} / {frequency}");
                }
            }
        }
    }
}
