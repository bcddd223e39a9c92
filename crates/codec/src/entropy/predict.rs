//! Integers as residuals of a linear prediction, rANS-coded with the spread that is to be expected.
//!
//! The payload is for a given number of `i32`, which it divides into frames of rows and columns of its own; numbers
//! that are missing at the end of the last row are coded as repetitions of the last.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | columns, u32 |
//! | 4 | rows of a frame, u32 |
//! | | model: see `predict_model.rs` |
//! | | special numbers: see `predict_special.rs` |
//! | 1 | number of contexts c, 1 to 24 |
//! | c | first bin of each context, ascending from 0 |
//! | | c frequency tables of 128 symbols, 96 of them direct: see `rans_tables.rs` |
//! | 4 | bytes of bits of large residuals, u32 |
//! | | bits of large residuals |
//! | | low bits of residuals, bit-packed: see `bits.rs` |
//! | 1 | rANS lanes, 8 or 32 |
//! | | rANS stream, to the end; a line is a row of it, see `predict_lines.rs` |
//!
//! All numbers little-endian, and arithmetic on them wraps. Lines are decoded in order. For each, predictions p and
//! bins of expected spread are formed (`predict_history.rs`) by `kernels/predict.rs`. Pixel by pixel, but for special ones:
//!
//! * the context is the last whose first bin is not above the pixel's bin; its table decodes a symbol s;
//! * z = s if s < 96; otherwise j = s − 96 bits b follow among those of large residuals, lowest first, and
//!   z = 95 + (2^j | b);
//! * high = z / 2 for even z and −(z + 1) / 2 for odd z; x = p + (high · 2^l | low), with l low bits.
//!
//! Special pixels have symbol 0 of a context that has no other, no low bits, and stand in the history with the number
//! that the prediction is a correction to.

use super::bits::{pack, packed_len, unpack};
use super::indices::grow;
use super::predict_contexts::{ContextBins, Histogram, MAX_CONTEXTS, SYMBOLS, contexts};
use super::predict_history::{History, Predictor};
use super::predict_learn::{self, Choice};
use super::predict_lines::{Extent, Lines};
use super::predict_model::Model;
use super::predict_special::Specials;
use super::rans::{Decoder, Encoder, LANES, lanes_for};
use super::rans_tables::{DecodeTables, EncodeTables, normalise, read_table, write_table};
use super::zstd::Zstd;
use crate::Error;
use crate::frame::array;
use crate::kernels::levels::Level;
use crate::kernels::predict::{self as kernels, BINS, DIRECT};

/// Memory of the predicted payload, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct Memory {
    history: History,
    learner: predict_learn::Memory,
    pub(crate) specials: Specials,
    /// One line.
    numbers: Vec<i32>,
    zigzags: Vec<u32>,
    lows: Vec<u32>,
    /// All lines.
    bins: Vec<u8>,
    symbols: Vec<u8>,
    low_bytes: Vec<u8>,
    large: Vec<u8>,
    head: Vec<u8>,
    histograms: Vec<Histogram>,
    encode_tables: EncodeTables,
    decode_tables: DecodeTables,
    words: Vec<u16>,
}

/// Rows have no more columns than this: what is remembered of them is many times as large.
pub(crate) const MOST_COLUMNS: usize = 1 << 16;
/// Columns of numbers without rows.
const FOLDED_COLUMNS: usize = 1024;
/// Frames with fewer pixels are rows of one frame.
const SMALLEST_FRAME: usize = 4096;
/// Numbers that pay for a context.
const NUMBERS_PER_CONTEXT: usize = 2048;
/// Bin of special pixels.
const SPECIAL: u8 = 255;
const EXTENT_BYTES: usize = 8;

impl Extent {
    /// How `count` numbers of a shape, slowest dimension first, are divided.
    pub(crate) fn of(shape: &[usize], count: usize) -> Self {
        let (rows, columns) = match *shape {
            [.., rows, columns] if rows * columns > 0 => (rows, columns),
            _ => (1, count.max(1)),
        };
        let frame = rows * columns;
        if columns > MOST_COLUMNS || (frame == count && rows == 1) {
            let columns = FOLDED_COLUMNS.min(count.max(1));
            return Self {
                frames: 1,
                rows: count.div_ceil(columns),
                columns,
            };
        }
        if frame < SMALLEST_FRAME && count > frame {
            return Self {
                frames: 1,
                rows: count / frame,
                columns: frame,
            };
        }
        Self {
            frames: count / frame,
            rows,
            columns,
        }
    }

    fn count(&self) -> usize {
        self.frames * self.frame()
    }
}

/// Encodes `numbers` into the front of `dst`; `None` where they do not fit. Numbers may be appended to `numbers`, and
/// special ones are overwritten.
pub(crate) fn encode(
    memory: &mut Memory,
    zstd: &mut Zstd,
    numbers: &mut Vec<i32>,
    extent: &Extent,
    choice: Choice,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let Some(&last) = numbers.last() else {
        return Ok(None);
    };
    numbers.resize(extent.count(), last);
    memory.specials.mark(numbers);
    let model = predict_learn::learn(
        numbers,
        extent,
        choice,
        &mut memory.learner,
        &mut memory.history,
    );
    let Some(lines) = Lines::new(model.order, extent) else {
        return Ok(None);
    };
    let coded = walk(memory, numbers, extent, &model);
    let most = (coded / NUMBERS_PER_CONTEXT).clamp(1, MAX_CONTEXTS);
    let found = contexts(&memory.histograms, most);
    write_head(memory, zstd, extent, &model, &found)?;
    let low_width = low_width(model.low_bits);
    let Some(packed) = packed_len(coded, model.low_bits) else {
        return Ok(None);
    };
    let head = memory.head.len();
    let Some((front, back)) = dst.split_at_mut_checked(head + packed) else {
        return Ok(None);
    };
    front[..head].copy_from_slice(&memory.head);
    let lows = &memory.low_bytes[..coded * low_width];
    pack(low_width, lows, model.low_bits, &mut front[head..]);
    let written = write_symbols(memory, extent, lines, &found, back);
    Ok(written.map(|len| head + packed + len))
}

/// Bytes that hold low bits; one where there are none.
fn low_width(low_bits: u32) -> usize {
    match low_bits {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

/// Predicts all lines; leaves bins, symbols, low bits, bits of large residuals and histograms in `memory`. Returns how
/// many pixels are not special.
fn walk(memory: &mut Memory, numbers: &[i32], extent: &Extent, model: &Model) -> usize {
    let Memory {
        history,
        specials,
        numbers: line_numbers,
        zigzags,
        lows,
        bins,
        symbols,
        low_bytes,
        large,
        histograms,
        ..
    } = memory;
    let kinds = specials.kinds(numbers.len());
    let level = Level::best();
    histograms.clear();
    histograms.resize(BINS, [0; SYMBOLS]);
    large.clear();
    let mut large = BitWriter::new(large);
    let Some(mut predictor) = Predictor::new(model, extent, history) else {
        return 0;
    };
    let lines = predictor.lines;
    let longest = lines.longest();
    grow(line_numbers, longest);
    grow(zigzags, longest);
    grow(lows, longest);
    grow(bins, numbers.len());
    grow(symbols, numbers.len());
    grow(low_bytes, numbers.len() * low_width(model.low_bits));
    let (mut done, mut coded) = (0, 0);
    for frame in 0..extent.frames {
        let pixels = frame * extent.frame()..(frame + 1) * extent.frame();
        predictor.begin_frame(frame);
        for line in 0..lines.count() {
            let len = lines.len(line);
            let line_numbers = &mut line_numbers[..len];
            lines.gather(line, &numbers[pixels.clone()], extent.columns, line_numbers);
            predictor.predict(line);
            let bins = &mut bins[done..done + len];
            let symbols = &mut symbols[done..done + len];
            bins.copy_from_slice(predictor.bins(len));
            if let Some(kinds) = kinds {
                // The symbols are not yet made: their place holds the kinds.
                lines.gather(line, &kinds[pixels.clone()], extent.columns, symbols);
                leave_out(symbols, bins, line_numbers, predictor.base(line));
            }
            let predictions = predictor.predictions(len);
            let largest = kernels::split(
                level,
                line_numbers,
                predictions,
                model.low_bits,
                &mut zigzags[..len],
                symbols,
                &mut lows[..len],
            );
            if largest >= DIRECT || kinds.is_some() {
                large.push_line(symbols, &zigzags[..len], bins);
            }
            if kinds.is_some() {
                count_coded(histograms, bins, symbols);
            } else {
                count(histograms, bins, symbols);
            }
            if model.low_bits > 0 {
                let width = low_width(model.low_bits);
                let room = &mut low_bytes[coded * width..];
                coded += store_lows(width, &mut lows[..len], bins, room, kinds.is_none());
            } else {
                coded += bins.iter().filter(|&&bin| bin != SPECIAL).count();
            }
            predictor.leave(line, line_numbers);
            done += len;
        }
    }
    large.finish();
    coded
}

/// Gives special pixels their bin, and the number that stands for them.
fn leave_out(kinds: &[u8], bins: &mut [u8], numbers: &mut [i32], base: &[i32]) {
    for (i, &kind) in kinds.iter().enumerate() {
        if kind != 0 {
            bins[i] = SPECIAL;
            numbers[i] = base[i];
        }
    }
}

fn count(histograms: &mut [Histogram], bins: &[u8], symbols: &[u8]) {
    for (&bin, &symbol) in bins.iter().zip(symbols) {
        histograms[usize::from(bin)][usize::from(symbol)] += 1;
    }
}

fn count_coded(histograms: &mut [Histogram], bins: &[u8], symbols: &[u8]) {
    for (&bin, &symbol) in bins.iter().zip(symbols) {
        if bin != SPECIAL {
            histograms[usize::from(bin)][usize::from(symbol)] += 1;
        }
    }
}

/// Stores the low bits of pixels that are not special, in `width` bytes each; returns their number.
fn store_lows(width: usize, lows: &mut [u32], bins: &[u8], bytes: &mut [u8], all: bool) -> usize {
    let mut count = lows.len();
    if !all {
        count = 0;
        for (i, _) in bins.iter().enumerate().filter(|(_, bin)| **bin != SPECIAL) {
            lows[count] = lows[i];
            count += 1;
        }
    }
    let lows = &lows[..count];
    match width {
        1 => {
            for (&low, byte) in lows.iter().zip(bytes) {
                *byte = low as u8;
            }
        }
        2 => {
            for (&low, bytes) in lows.iter().zip(bytes.as_chunks_mut().0) {
                *bytes = (low as u16).to_le_bytes();
            }
        }
        _ => {
            for (&low, bytes) in lows.iter().zip(bytes.as_chunks_mut().0) {
                *bytes = low.to_le_bytes();
            }
        }
    }
    count
}

/// Writes everything before the low bits to `memory.head`.
fn write_head(
    memory: &mut Memory,
    zstd: &mut Zstd,
    extent: &Extent,
    model: &Model,
    found: &[ContextBins],
) -> Result<(), Error> {
    let head = &mut memory.head;
    head.clear();
    head.extend((extent.columns as u32).to_le_bytes());
    head.extend((extent.rows as u32).to_le_bytes());
    model.write(head);
    memory.specials.write(extent, zstd, head)?;
    head.push(found.len() as u8);
    head.extend(found.iter().map(|context| context.first));
    memory.encode_tables.clear();
    for context in found {
        let frequencies = normalise(&context.histogram);
        write_table(&frequencies, DIRECT as usize, head);
        memory.encode_tables.push(&frequencies);
    }
    memory.encode_tables.push(&SPECIAL_FREQUENCIES);
    head.extend((memory.large.len() as u32).to_le_bytes());
    head.extend(&memory.large);
    Ok(())
}

/// Special pixels have symbol 0, which costs nothing.
const SPECIAL_FREQUENCIES: [u16; SYMBOLS] = {
    let mut frequencies = [0; SYMBOLS];
    frequencies[0] = super::rans_tables::TOTAL as u16;
    frequencies
};

/// The context of each bin.
fn context_of_bins(firsts: impl Iterator<Item = u8>) -> [u8; 256] {
    let mut contexts = [0; 256];
    let mut number = 0;
    for (context, first) in firsts.enumerate() {
        contexts[usize::from(first)..].fill(context as u8);
        number = context + 1;
    }
    contexts[usize::from(SPECIAL)] = number as u8;
    contexts
}

/// Writes lanes and rANS stream; returns their length, `None` where they do not fit.
fn write_symbols(
    memory: &mut Memory,
    extent: &Extent,
    lines: Lines,
    found: &[ContextBins],
    dst: &mut [u8],
) -> Option<usize> {
    let (lanes_field, dst) = dst.split_first_mut()?;
    let context_of = context_of_bins(found.iter().map(|context| context.first));
    let bits: f64 = found
        .iter()
        .map(|context| super::predict_contexts::cost(&context.histogram))
        .sum();
    let lanes = lanes_for((bits / 8.0) as usize);
    *lanes_field = lanes as u8;
    let count = extent.count();
    for bin in &mut memory.bins[..count] {
        *bin = context_of[usize::from(*bin)];
    }
    let mut encoder = Encoder::new(lanes, &mut memory.words);
    let mut end = count;
    for _ in 0..extent.frames {
        for line in (0..lines.count()).rev() {
            let start = end - lines.len(line);
            let (contexts, symbols) = (&memory.bins[start..end], &memory.symbols[start..end]);
            encoder.encode(&memory.encode_tables, contexts, symbols);
            end = start;
        }
    }
    Some(1 + encoder.finish(dst)?)
}

/// Decodes `payload` into `numbers`, exactly `count` of them.
pub(crate) fn decode(
    memory: &mut Memory,
    zstd: &mut Zstd,
    payload: &[u8],
    count: usize,
    numbers: &mut Vec<i32>,
) -> Result<(), Error> {
    let damaged = |what, offset| Error::Damaged {
        what,
        offset,
        len: payload.len(),
    };
    let truncated = |what, offset, needed| Error::Truncated {
        what,
        offset,
        needed,
        len: payload.len(),
    };
    let extent = read_extent(payload, count)?;
    let mut at = EXTENT_BYTES;
    let (model, len) = Model::read(&payload[at..]).map_err(|error| error.at(at))?;
    at += len;
    let lines = Lines::new(model.order, &extent).ok_or(damaged("frames without diagonals", 0))?;
    let specials = &mut memory.specials;
    at += specials
        .read(&extent, zstd, &payload[at..])
        .map_err(|error| error.at(at))?;
    let context_of = read_contexts(payload, &mut at, &mut memory.decode_tables)?;
    let large_len =
        payload
            .get(at..at + 4)
            .ok_or(truncated("the length of large residuals", at, 4))?;
    let large_len = u32::from_le_bytes(array(large_len)) as usize;
    at += 4;
    let large = payload[at..].get(..large_len).ok_or(truncated(
        "the bits of large residuals",
        at,
        large_len,
    ))?;
    at += large_len;
    let coded = match specials.kinds(extent.count()) {
        Some(kinds) => kinds.iter().filter(|&&kind| kind == 0).count(),
        None => extent.count(),
    };
    let packed = packed_len(coded, model.low_bits)
        .and_then(|len| payload[at..].get(..len))
        .ok_or(truncated("the low bits of residuals", at, 1))?;
    at += packed.len();
    let &lanes = payload
        .get(at)
        .ok_or(truncated("the number of lanes", at, 1))?;
    if !LANES.contains(&usize::from(lanes)) {
        return Err(damaged("number of rANS lanes is not valid", at));
    }
    at += 1;
    let stream = Decoder::new(&payload[at..], lanes.into()).map_err(|error| error.at(at))?;
    unpack_lows(&mut memory.low_bytes, packed, model.low_bits, coded);
    grow_numbers(numbers, extent.count());
    let large = BitReader::new(large);
    read_lines(
        memory,
        &model,
        &extent,
        lines,
        &context_of,
        stream,
        large,
        numbers,
    )
    .map_err(|error| error.at(at))?;
    memory.specials.restore(numbers);
    numbers.truncate(count);
    Ok(())
}

fn grow_numbers(numbers: &mut Vec<i32>, count: usize) {
    if numbers.capacity() < count {
        *numbers = Vec::new();
        numbers.reserve_exact(count);
    }
    numbers.resize(count, 0);
}

/// Columns and rows at the front of the payload; frames are as many as hold `count` numbers.
fn read_extent(payload: &[u8], count: usize) -> Result<Extent, Error> {
    let fixed = payload.get(..EXTENT_BYTES).ok_or(Error::Truncated {
        what: "columns and rows",
        offset: 0,
        needed: EXTENT_BYTES,
        len: payload.len(),
    })?;
    let columns = u32::from_le_bytes(array(&fixed[..4])) as usize;
    let rows = u32::from_le_bytes(array(&fixed[4..])) as usize;
    let extent = rows
        .checked_mul(columns)
        .filter(|&frame| frame > 0 && columns <= MOST_COLUMNS)
        .map(|frame| Extent {
            frames: count.div_ceil(frame),
            rows,
            columns,
        })
        // The last row is begun at least.
        .filter(|extent| extent.frames.checked_mul(extent.frame()).is_some())
        .filter(|extent| count > 0 && extent.count() - count < columns);
    extent.ok_or(Error::Damaged {
        what: "columns and rows do not fit the chunk",
        offset: 0,
        len: payload.len(),
    })
}

/// Reads contexts and their tables, and returns the context of each bin.
fn read_contexts(
    payload: &[u8],
    at: &mut usize,
    tables: &mut DecodeTables,
) -> Result<[u8; 256], Error> {
    let truncated = |offset, needed| Error::Truncated {
        what: "the contexts",
        offset,
        needed,
        len: payload.len(),
    };
    let damaged = |offset| Error::Damaged {
        what: "contexts are not valid",
        offset,
        len: payload.len(),
    };
    let number = usize::from(*payload.get(*at).ok_or(truncated(*at, 1))?);
    let firsts = payload[*at + 1..]
        .get(..number)
        .ok_or(truncated(*at + 1, number))?;
    let ascend = firsts.is_sorted_by(|a, b| a < b);
    if !ascend
        || firsts.first() != Some(&0)
        || number > MAX_CONTEXTS
        || firsts[number - 1] >= BINS as u8
    {
        return Err(damaged(*at));
    }
    *at += 1 + number;
    tables.clear();
    let mut frequencies = [0; SYMBOLS];
    for _ in 0..number {
        let start = *at;
        read_table(payload, at, DIRECT as usize, &mut frequencies)?;
        tables.push(&frequencies).map_err(|_| damaged(start))?;
    }
    tables
        .push(&SPECIAL_FREQUENCIES)
        .map_err(|_| damaged(*at))?;
    Ok(context_of_bins(firsts.iter().copied()))
}

/// Unpacks the low bits of all coded pixels.
fn unpack_lows(low_bytes: &mut Vec<u8>, packed: &[u8], low_bits: u32, coded: usize) {
    if low_bits == 0 {
        return;
    }
    let width = low_width(low_bits);
    grow(low_bytes, coded * width);
    let mut rest = &mut low_bytes[..];
    unpack(width, packed, low_bits, coded, |block| {
        let (front, after) = std::mem::take(&mut rest).split_at_mut(block.len());
        front.copy_from_slice(block);
        rest = after;
        true
    });
}

#[allow(clippy::too_many_arguments)]
fn read_lines(
    memory: &mut Memory,
    model: &Model,
    extent: &Extent,
    lines: Lines,
    context_of: &[u8; 256],
    mut stream: Decoder,
    mut large: BitReader,
    numbers: &mut [i32],
) -> Result<(), Error> {
    let Memory {
        history,
        specials,
        numbers: line_numbers,
        lows: line_lows,
        bins,
        symbols,
        low_bytes,
        decode_tables,
        ..
    } = memory;
    let kinds = specials.kinds(numbers.len());
    let level = Level::best();
    let longest = lines.longest();
    grow(line_numbers, longest);
    grow(line_lows, longest);
    grow(bins, longest);
    grow(symbols, longest);
    let width = low_width(model.low_bits);
    let mut lows = &low_bytes[..];
    let Some(mut predictor) = Predictor::new(model, extent, history) else {
        return Ok(());
    };
    for frame in 0..extent.frames {
        let pixels = frame * extent.frame()..(frame + 1) * extent.frame();
        predictor.begin_frame(frame);
        for line in 0..lines.count() {
            let len = lines.len(line);
            let (bins, symbols) = (&mut bins[..len], &mut symbols[..len]);
            let line_numbers = &mut line_numbers[..len];
            predictor.predict(line);
            bins.copy_from_slice(predictor.bins(len));
            if let Some(kinds) = kinds {
                lines.gather(line, &kinds[pixels.clone()], extent.columns, symbols);
                leave_out(symbols, bins, line_numbers, predictor.base(line));
            }
            for bin in bins.iter_mut() {
                *bin = context_of[usize::from(*bin)];
            }
            stream.decode(decode_tables, bins, symbols)?;
            let predictions = predictor.predictions(len);
            let largest = if model.low_bits == 0 {
                kernels::join_high(level, predictions, symbols, line_numbers)
            } else if kinds.is_none() {
                let (line_lows, rest) = lows.split_at(len * width);
                lows = rest;
                join(
                    level,
                    width,
                    predictions,
                    symbols,
                    line_lows,
                    model.low_bits,
                    line_numbers,
                )
            } else {
                let special = context_of[usize::from(SPECIAL)];
                spread_lows(width, &mut lows, bins, special, &mut line_lows[..len]);
                let line_lows: &[u32] = &line_lows[..len];
                kernels::join(
                    level,
                    predictions,
                    symbols,
                    line_lows,
                    model.low_bits,
                    line_numbers,
                )
            };
            if u32::from(largest) >= DIRECT {
                large.read_line(symbols, predictions, model.low_bits, line_numbers)?;
            }
            if kinds.is_some() {
                let special = context_of[usize::from(SPECIAL)];
                let base = predictor.base(line);
                for (i, _) in bins.iter().enumerate().filter(|(_, bin)| **bin == special) {
                    line_numbers[i] = base[i];
                }
            }
            predictor.leave(line, line_numbers);
            lines.scatter(
                line,
                line_numbers,
                &mut numbers[pixels.clone()],
                extent.columns,
            );
        }
    }
    large.finish()?;
    stream.finish()
}

fn join(
    level: Level,
    width: usize,
    predictions: &[i32],
    symbols: &[u8],
    lows: &[u8],
    low_bits: u32,
    numbers: &mut [i32],
) -> u8 {
    match width {
        1 => kernels::join::<[u8; 1]>(
            level,
            predictions,
            symbols,
            lows.as_chunks().0,
            low_bits,
            numbers,
        ),
        2 => kernels::join::<[u8; 2]>(
            level,
            predictions,
            symbols,
            lows.as_chunks().0,
            low_bits,
            numbers,
        ),
        _ => kernels::join::<[u8; 4]>(
            level,
            predictions,
            symbols,
            lows.as_chunks().0,
            low_bits,
            numbers,
        ),
    }
}

/// Takes the low bits of pixels that are not special off `lows`; others get none.
fn spread_lows(width: usize, lows: &mut &[u8], contexts: &[u8], special: u8, out: &mut [u32]) {
    for (low, &context) in out.iter_mut().zip(contexts) {
        *low = 0;
        if context != special {
            let (bytes, rest) = lows.split_at(width);
            *lows = rest;
            let mut word = [0; 4];
            word[..width].copy_from_slice(bytes);
            *low = u32::from_le_bytes(word);
        }
    }
}

/// Bits, lowest first, to bytes.
struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            bytes,
            held: 0,
            count: 0,
        }
    }

    fn push(&mut self, bits: u32, count: u32) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Makes buckets of the large zigzags of a line, and zeros of special pixels.
    fn push_line(&mut self, symbols: &mut [u8], zigzags: &[u32], bins: &[u8]) {
        for ((symbol, &zigzag), &bin) in symbols.iter_mut().zip(zigzags).zip(bins) {
            if bin == SPECIAL {
                *symbol = 0;
            } else if zigzag >= DIRECT {
                let rest = zigzag - (DIRECT - 1);
                let bucket = rest.ilog2();
                *symbol = (DIRECT + bucket) as u8;
                self.push(rest ^ 1 << bucket, bucket);
            }
        }
    }

    fn finish(self) {
        if self.count > 0 {
            self.bytes.push(self.held as u8);
        }
    }
}

/// Bits, lowest first, from bytes.
struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
        }
    }

    fn take(&mut self, count: u32) -> Result<u32, Error> {
        while self.count < count {
            let byte = *self.bytes.get(self.at).ok_or(Error::Truncated {
                what: "the bits of large residuals",
                offset: 0,
                needed: self.at + 1,
                len: self.bytes.len(),
            })?;
            self.held |= u64::from(byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let bits = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Ok(bits as u32)
    }

    /// Replaces the numbers of a line whose symbols are buckets; of their low bits, those are kept.
    fn read_line(
        &mut self,
        symbols: &[u8],
        predictions: &[i32],
        low_bits: u32,
        numbers: &mut [i32],
    ) -> Result<(), Error> {
        let mask = (1u32 << low_bits) - 1;
        for (i, &symbol) in symbols.iter().enumerate() {
            let Some(bucket) = u32::from(symbol).checked_sub(DIRECT) else {
                continue;
            };
            let zigzag = (1u32 << bucket | self.take(bucket)?).wrapping_add(DIRECT - 1);
            let low = numbers[i].wrapping_sub(predictions[i]) as u32 & mask;
            let high = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
            let residual = high << low_bits | low;
            numbers[i] = predictions[i].wrapping_add(residual as i32);
        }
        Ok(())
    }

    /// Checks that no more than a byte's zeros are left.
    fn finish(self) -> Result<(), Error> {
        if self.at == self.bytes.len() && self.held == 0 {
            return Ok(());
        }
        Err(Error::Damaged {
            what: "bits of large residuals are left",
            offset: 0,
            len: self.bytes.len(),
        })
    }
}
