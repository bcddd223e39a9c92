//! Encoding of models 2 and 3 of `counts`: rows are expected in order, symbols counted by bin, bins merged to contexts,
//! and rows encoded in reverse, because rANS encodes backwards. With one context that is known beforehand, nothing is expected
//! (`counts_fir_even.rs`).

use super::counts_choice::Estimate;
use super::counts_fir::{self as model, MAPPED_BINS, MAX_LOW_BITS, RANGES, Scale};
use super::counts_fir_even as even;
use super::counts_fir_learn::{self as learning, Learnt};
use super::counts_fir_merge::{Contexts, Gain, Histograms, Merged, merge};
use super::counts_mask::MAX_SPECIALS;
use super::counts_numbers::write_number;
use super::counts_pixels::Pixels;
use super::counts_sample::{Choice, Sample};
use crate::entropy::bernoulli::{ESCAPE, TABLES};
use crate::entropy::bit_stream::BitWriter;
use crate::entropy::indices::grow;
use crate::entropy::rans::{Encoder, lanes_for};
use crate::entropy::rans_tables::{
    EncodeTables, PRECISION_BITS, TOTAL, write_table_of, written_bytes,
};
use crate::kernels::counts::fill_masked;
use crate::kernels::counts_fir::{self as kernel, BINS, SPECIAL_BIN};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// One row in so many is looked at for the low bits.
const SPREAD_ROWS: usize = 4;
/// A mean difference of so many, in units of 2^k, gets by with k low bits.
const MEAN_DIFFERENCE: u64 = 10;
/// Bytes in front of the tables, about.
const HEAD_BYTES: usize = 80;

/// Pixels that are counted apart from each other.
const TURNS: usize = 4;
/// Bins and symbols are numbers of 16 bits together.
const PLACES: usize = 1 << 16;

/// A number for each bin and symbol.
pub(super) struct Counts(pub(super) Box<[u32; PLACES]>);

impl Default for Counts {
    fn default() -> Self {
        Self(Box::new([0; PLACES]))
    }
}

/// Memory of the encoder alone.
#[derive(Default)]
pub(crate) struct Memory {
    /// Bins of all rows.
    pub(super) bins: Vec<u8>,
    /// Differences of all rows, where there are any.
    numbers: Vec<i32>,
    pub(super) symbols: Vec<u8>,
    pub(super) extra: BitWriter,
    /// In reverse order.
    escapes: Vec<u8>,
    words: Vec<u16>,
    pub(super) scratch: Vec<u8>,
    /// How often each bin has each symbol, [`Memory::width`] to a bin; those of every fourth pixel apart.
    pub(super) counts: Vec<Counts>,
    /// Symbols that there may be, and their number times that of bins.
    pub(super) width: usize,
    pub(super) counted: usize,
    pub(super) deviations: Vec<f32>,
    tables: EncodeTables,
    sample: Sample,
    learning: learning::Memory,
    /// What several contexts save of what was looked at last.
    gain: Gain,
}

/// How a chunk is coded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// Model 2.
    Roots(Contexts),
    /// Model 3.
    Values,
}

impl Way {
    fn has_differences(self) -> bool {
        matches!(self, Self::Values)
    }
}

/// Encodes the chunk into the front of `dst`; `None` where it has no words or does not fit.
pub(super) fn encode(
    memory: &mut model::Memory,
    way: Way,
    pixels: &Pixels,
    bytes: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    match pixels.word_bytes {
        1 => encode_words::<u8>(memory, way, pixels, bytes, dst),
        2 => encode_words::<u16>(memory, way, pixels, bytes, dst),
        _ => encode_words::<u32>(memory, way, pixels, bytes, dst),
    }
}

/// What a sample would take, with as many contexts as `fir` has use for; `None` where it has no words.
pub(super) fn estimate(
    memory: &mut model::Memory,
    has_differences: bool,
    pixels: &Pixels,
    bytes: &[u8],
    choice: &Choice,
) -> Option<Estimate> {
    let way = match has_differences {
        true => Way::Values,
        false => Way::Roots(Contexts::Saving(0.0)),
    };
    let (model, merged) = match pixels.word_bytes {
        1 => prepare_new::<u8>(memory, (way, pixels, bytes), choice),
        2 => prepare_new::<u16>(memory, (way, pixels, bytes), choice),
        _ => prepare_new::<u32>(memory, (way, pixels, bytes), choice),
    }?;
    let mut masks = Vec::new();
    memory.masks.write(pixels.word_bytes, &mut masks);
    let bits = merged.bits * pixels.bands.rows_per_counted(pixels.rows);
    let bits = bits + memory.masks.residual_bits();
    let table_bytes = |histogram: &Vec<u32>| written_bytes(histogram, model.direct);
    let tables: usize = merged.histograms.iter().map(table_bytes).sum();
    Some(Estimate {
        fixed: HEAD_BYTES + tables,
        growing: bits / 8.0 + (masks.len() + memory.encoder.extra.finish().len()) as f64,
    })
}

fn prepare_new<W: Word>(
    memory: &mut model::Memory,
    chunk: (Way, &Pixels, &[u8]),
    choice: &Choice,
) -> Option<(Learnt, Merged)> {
    prepare(
        memory,
        chunk,
        choice,
        &mut vec![W::default(); chunk.1.columns],
    )
}

/// Learns how pixels are expected and makes bins, symbols and contexts.
fn prepare<W: Word>(
    memory: &mut model::Memory,
    (way, pixels, bytes): (Way, &Pixels, &[u8]),
    choice: &Choice,
    words: &mut Vec<W>,
) -> Option<(Learnt, Merged)> {
    let specials = &choice.specials[..choice.special_count.min(MAX_SPECIALS)];
    let masks = &mut memory.masks;
    masks.begin_encoding(specials, pixels.rows, pixels.columns);
    let own = &mut memory.encoder;
    if let Way::Roots(Contexts::One) = way {
        let learnt = learning::look(&mut own.learning, (pixels, bytes), specials, words)?.alike();
        own.begin(pixels, &learnt);
        let merged = even::count_rows(memory, (pixels, bytes), &learnt, words)?;
        return Some((learnt, merged));
    }
    let has_differences = way.has_differences();
    let chunk = (has_differences, pixels, bytes);
    let learnt = learning::learn(&mut own.learning, &mut memory.state, chunk, specials, words)?;
    own.begin(pixels, &learnt);
    let low_bits = expect_rows(memory, pixels, bytes, &learnt, words)?;
    if has_differences {
        make_symbols(memory, pixels, &learnt, &low_bits);
    }
    let own = &mut memory.encoder;
    add_counts(&mut own.counts, own.counted);
    let histograms = Histograms {
        symbols: own.width,
        counts: &own.counts[0].0[..own.counted],
    };
    let merged = merge(&histograms, &low_bits, has_differences);
    Some((learnt, merged_for(way, merged, &learnt, &mut own.gain)))
}

/// One context where several do not save enough; notes what they save.
fn merged_for(way: Way, merged: Merged, learnt: &Learnt, gain: &mut Gain) -> Merged {
    let Way::Roots(Contexts::Saving(least)) = way else {
        return merged;
    };
    let joined;
    (joined, *gain) = merged.joined(learnt.direct);
    if gain.of_chunk(1.0) < least {
        joined
    } else {
        merged
    }
}

/// The part of the bits of a chunk that several contexts save, where it was `fir` that was estimated last, for a sample of
/// the chunk, which is so many times as large.
pub(super) fn gain_of_contexts(memory: &model::Memory, part: f64) -> f64 {
    memory.encoder.gain.of_chunk(part)
}

fn encode_words<W: Word>(
    memory: &mut model::Memory,
    way: Way,
    pixels: &Pixels,
    bytes: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let words = &mut vec![W::default(); pixels.columns];
    let choice = memory.encoder.sample.choose(pixels, bytes, words)?;
    let (learnt, merged) = prepare(memory, (way, pixels, bytes), &choice, words)?;
    let lanes = lanes_for((merged.bits / 8.0) as usize);
    let mut head = Vec::new();
    write_head::<W>(&learnt, lanes, &merged, &mut head);
    make_tables(&mut memory.encoder, &merged, &learnt, &mut head);
    memory.masks.write(W::BYTES, &mut head);
    let encoder_words = &mut std::mem::take(&mut memory.encoder.words);
    let mut encoder = Encoder::new(lanes, encoder_words);
    encode_rows(memory, pixels, &merged, &mut encoder);
    let written = write(memory, &mut head, encoder, dst);
    memory.encoder.words = std::mem::take(encoder_words);
    written
}

fn write(
    memory: &mut model::Memory,
    head: &mut Vec<u8>,
    encoder: Encoder,
    dst: &mut [u8],
) -> Option<usize> {
    let own = &mut memory.encoder;
    write_number(own.escapes.len() as u64, head);
    head.extend(own.escapes.iter().rev());
    let extra = own.extra.finish();
    write_number(extra.len() as u64, head);
    head.extend(extra);
    dst.get_mut(..head.len())?.copy_from_slice(head);
    Some(head.len() + encoder.finish(&mut dst[head.len()..])?)
}

fn write_head<W: Word>(learnt: &Learnt, lanes: usize, merged: &Merged, head: &mut Vec<u8>) {
    let model = &learnt.model;
    head.extend([PRECISION_BITS as u8, lanes as u8]);
    head.extend(&model.origin.to_le_bytes()[..W::BYTES]);
    for weight in model.weights.of {
        head.extend((weight as i16).to_le_bytes());
    }
    head.extend(model.weights.bias.to_le_bytes());
    if let Scale::Values { limit } = model.scale {
        head.extend(limit.to_le_bytes());
    }
    head.extend([learnt.direct as u8, merged.histograms.len() as u8]);
    for run in merged.map[..MAPPED_BINS].chunk_by(|a, b| a == b) {
        head.push(run[0]);
        write_number(run.len() as u64, head);
    }
}

/// Makes and writes the tables of all contexts.
fn make_tables(own: &mut Memory, merged: &Merged, learnt: &Learnt, head: &mut Vec<u8>) {
    let tables = &mut own.tables;
    let has_low_bits = learnt.model.scale != Scale::Roots;
    tables.clear();
    for (histogram, &low_bits) in merged.histograms.iter().zip(&merged.low_bits) {
        if has_low_bits {
            head.push(low_bits);
        }
        let frequencies = write_table_of(histogram, learnt.direct, head);
        tables.push(&frequencies);
    }
    tables.push(&[TOTAL as u16]);
}

/// Makes the bins and the numbers to code of all rows; returns the low bits of bins.
fn expect_rows<W: Word>(
    memory: &mut model::Memory,
    pixels: &Pixels,
    bytes: &[u8],
    learnt: &Learnt,
    words: &mut Vec<W>,
) -> Option<[u8; BINS]> {
    let level = Level::best();
    let columns = pixels.columns;
    let model = &learnt.model;
    let mut sums = [(0u64, 0u64); BINS];
    memory.rows.begin(level, model, columns);
    memory.places.resize(columns, 0);
    words.resize(memory.rows.padded(), W::default());
    for row in 0..pixels.frames * pixels.rows {
        if row % pixels.rows == 0 {
            memory.rows.begin_frame();
        }
        if !pixels.load(bytes, row * columns, &mut words[..columns]) {
            return None;
        }
        pixels.prefetch((row + 1) * columns, columns, bytes);
        let scratch = &mut memory.encoder.scratch;
        memory.masks.take(row, &mut words[..columns], scratch);
        memory.gather_special(row);
        memory.rows.expect(level);
        let special = &memory.special;
        let own = &mut memory.encoder;
        let all = row * columns..(row + 1) * columns;
        let bins = &mut own.bins[all.clone()];
        bins.copy_from_slice(&memory.rows.bins()[..columns]);
        fill_masked(special, SPECIAL_BIN, bins);
        if model.scale == Scale::Roots {
            let origin = W::new(model.origin);
            let symbols = &mut own.symbols[all];
            kernel::symbols_of_words(level, &words[..columns], origin, symbols);
            let all = (words.as_slice(), &*symbols);
            memory.rows.learn(level, all, special);
            fill_masked(special, 0, symbols);
            let value = |x: usize| words[x].minus(origin).value();
            put_large(
                symbols,
                learnt.direct,
                value,
                &mut memory.places,
                &mut own.extra,
            );
            if pixels.bands.has_row(row % pixels.rows) {
                count(own.width, bins, symbols, &mut own.counts);
            }
        } else {
            let numbers = &mut own.numbers[all];
            memory.rows.differences(level, words, numbers);
            if row % SPREAD_ROWS == 0 {
                add_spreads(bins, numbers, &mut sums);
            }
            memory.rows.learn(level, (words, &[]), special);
        }
    }
    Some(low_bits(&sums))
}

/// The low bits of bins, from the mean differences in them; a bin without pixels has those of the one before.
fn low_bits(sums: &[(u64, u64); BINS]) -> [u8; BINS] {
    let mut low_bits = [0; BINS];
    let mut last = 0;
    for (low_bits, &(sum, count)) in low_bits.iter_mut().zip(&sums[..MAPPED_BINS]) {
        if count > 0 {
            let is_enough = |bits: &u8| (MEAN_DIFFERENCE << bits) * count >= sum;
            last = (0..MAX_LOW_BITS).find(is_enough).unwrap_or(MAX_LOW_BITS);
        }
        *low_bits = last;
    }
    low_bits
}

/// Adds the sizes of differences to the sums of their bins.
fn add_spreads(bins: &[u8], numbers: &[i32], sums: &mut [(u64, u64); BINS]) {
    for (&bin, &number) in bins.iter().zip(numbers) {
        let sum = &mut sums[usize::from(bin)];
        sum.0 += u64::from(number.unsigned_abs().min(1 << 24));
        sum.1 += 1;
    }
}

/// Puts the symbols of ranges in the place of symbols that are too large, and the bits that these leave out into
/// `extra`; `number` gives what a symbol stands for.
pub(super) fn put_large(
    symbols: &mut [u8],
    direct: usize,
    number: impl Fn(usize) -> u32,
    places: &mut [u32],
    extra: &mut BitWriter,
) {
    let count = kernel::places_from(Level::best(), symbols, direct as u8, places);
    for &place in &places[..count] {
        let x = place as usize;
        symbols[x] = put_range(number(x), direct as u32, extra);
    }
}

/// The symbol of a number of `direct` or more, whose other bits are put into `extra`.
fn put_range(number: u32, direct: u32, extra: &mut BitWriter) -> u8 {
    let beyond = number - direct + 1;
    let range = beyond.ilog2();
    extra.put(beyond ^ (1 << range), range);
    (direct + range) as u8
}

impl Memory {
    fn begin(&mut self, pixels: &Pixels, learnt: &Learnt) {
        grow(&mut self.bins, pixels.len());
        grow(&mut self.symbols, pixels.len());
        if learnt.model.scale != Scale::Roots {
            grow(&mut self.numbers, pixels.len());
        }
        self.extra.clear();
        self.width = learnt.direct + RANGES;
        self.counted = self.width * model::bins(learnt.model.scale);
        self.counts.resize_with(TURNS, Counts::default);
        for counts in &mut self.counts {
            counts.0[..self.counted].fill(0);
        }
    }
}

/// Makes and counts the symbols of differences, and writes their extra bits.
fn make_symbols(
    memory: &mut model::Memory,
    pixels: &Pixels,
    learnt: &Learnt,
    low_bits: &[u8; BINS],
) {
    let (own, places) = (&mut memory.encoder, &mut memory.places[..]);
    let len = pixels.len();
    let columns = places.len();
    let level = Level::best();
    let direct = learnt.direct as u8;
    let has_low_bits = low_bits.iter().any(|&bits| bits > 0);
    let long = model::marks_of(low_bits);
    own.scratch.clear();
    own.scratch.resize(columns, 0);
    let symbols = own.symbols[..len].chunks_mut(columns);
    let rows = own.bins[..len].chunks(columns).zip(symbols);
    for (row, (bins, made)) in rows.enumerate() {
        let numbers = &own.numbers[row * columns..][..columns];
        kernel::symbols_of_differences(level, numbers, bins, made);
        let long_ones = if has_low_bits {
            kernel::look_up(level, &long, bins, &mut own.scratch);
            kernel::raise(level, made, &mut own.scratch);
            kernel::places_from(level, &own.scratch, direct, places)
        } else {
            kernel::places_from(level, made, direct, places)
        };
        for &place in &places[..long_ones] {
            let x = place as usize;
            let bits = low_bits[usize::from(bins[x])];
            made[x] = put_long(numbers[x], bits, learnt.direct, &mut own.extra);
        }
        if pixels.bands.has_row(row % pixels.rows) {
            count(own.width, bins, made, &mut own.counts);
        }
    }
}

/// Counts the symbols of bins in turns: one that is like the one before would wait for its count.
fn count(width: usize, bins: &[u8], symbols: &[u8], counts: &mut [Counts]) {
    const PIECE: usize = 64;
    let [first, second, third, fourth] = counts else {
        return;
    };
    let mut places = [0u16; PIECE];
    for (bins, symbols) in bins.chunks(PIECE).zip(symbols.chunks(PIECE)) {
        let places = &mut places[..bins.len()];
        kernel::places_in_table(Level::best(), width as u16, bins, symbols, places);
        let (fours, rest) = places.as_chunks();
        for &[a, b, c, d] in fours {
            first.0[usize::from(a)] += 1;
            second.0[usize::from(b)] += 1;
            third.0[usize::from(c)] += 1;
            fourth.0[usize::from(d)] += 1;
        }
        for &place in rest {
            first.0[usize::from(place)] += 1;
        }
    }
}

/// Adds all counts to the first.
fn add_counts(counts: &mut [Counts], counted: usize) {
    let Some((first, others)) = counts.split_first_mut() else {
        return;
    };
    for other in others {
        let counts = first.0[..counted].iter_mut();
        for (count, &other) in counts.zip(&other.0[..]) {
            *count += other;
        }
    }
}

/// Makes the symbol of a difference with low bits, and writes these.
fn put_long(number: i32, bits: u8, direct: usize, extra: &mut BitWriter) -> u8 {
    let high = number >> bits;
    let zigzag = ((high << 1) ^ (high >> 31)) as u32;
    let symbol = match (zigzag as usize) < direct {
        true => zigzag as u8,
        false => put_range(zigzag, direct as u32, extra),
    };
    extra.put(number as u32 & ((1 << bits) - 1), u32::from(bits));
    symbol
}

/// Encodes all rows, the last first.
fn encode_rows(
    memory: &mut model::Memory,
    pixels: &Pixels,
    merged: &Merged,
    encoder: &mut Encoder,
) {
    let level = Level::best();
    let columns = pixels.columns;
    memory.encoder.escapes.clear();
    memory.contexts.clear();
    memory.contexts.resize(columns, 0);
    let have_one_context = merged.histograms.len() == 1 && memory.masks.len() == 0;
    for row in (0..pixels.frames * pixels.rows).rev() {
        if !have_one_context {
            let bins = &memory.encoder.bins[row * columns..][..columns];
            kernel::look_up(level, &merged.map, bins, &mut memory.contexts);
        }
        let symbols = &memory.encoder.symbols[row * columns..][..columns];
        encoder.encode(&memory.encoder.tables, &memory.contexts, symbols);
        encode_masks(memory, row, columns.div_ceil(8), encoder);
    }
}

/// Encodes the residuals of a row, behind which its pixels come.
fn encode_masks(memory: &mut model::Memory, row: usize, groups: usize, encoder: &mut Encoder) {
    if memory.gather_mask_levels(row, groups) == 0 {
        return;
    }
    memory.mask_bytes.clear();
    for plane in 0..memory.masks.len() {
        if memory.masks.has_residual(plane, row) {
            let start = memory.mask_bytes.len();
            memory.mask_bytes.resize(start + groups, 0);
            let residual = &mut memory.mask_bytes[start..];
            memory.masks.pop_residual(plane, residual);
        }
    }
    let coded = memory.mask_bytes.iter_mut().zip(&memory.mask_levels);
    for (byte, &level) in coded.rev() {
        if byte.count_ones() > u32::from(TABLES.most_ones[usize::from(level)]) {
            memory.encoder.escapes.push(std::mem::replace(byte, ESCAPE));
        }
    }
    encoder.encode(&TABLES.encode, &memory.mask_levels, &memory.mask_bytes);
}
