//! Decoding of a predicted payload, line by line. Everything is checked before memory is taken or a table is built.

use super::bit_stream::BitReader;
use super::bits::packed_len;
use super::indices::grow;
use super::predict::{
    ContextOf, EXTENT_BYTES, MOST_COLUMNS, Memory, SPECIAL_FREQUENCIES, leave_out, low_width,
};
use super::predict_bits::read_line;
use super::predict_contexts::{MAX_CONTEXTS, SYMBOLS};
use super::predict_lines::{Extent, Lines};
use super::predict_lows::Lows;
use super::predict_model::Model;
use super::predict_walk::Predictor;
use super::rans::{Decoder, LANES};
use super::rans_tables::{DecodeTables, read_table};
use super::zstd::Zstd;
use crate::Error;
use crate::frame::array;
use crate::kernels::levels::Level;
use crate::kernels::predict::{self as kernels, BINS, DIRECT};

/// Where decoded numbers go.
pub(crate) trait Sink {
    /// Takes the numbers `first`, `first + step`, …; those beyond the last of all are nothing.
    fn put(&mut self, first: usize, step: usize, numbers: &[i32]);
    /// The same of numbers that are so much above their cells.
    fn put_cells(&mut self, first: usize, step: usize, center: i32, cells: &[i16]);
}

/// Numbers as they are.
impl Sink for &mut [i32] {
    fn put(&mut self, first: usize, step: usize, numbers: &[i32]) {
        let places = self.get_mut(first..).unwrap_or_default();
        for (place, &x) in places.iter_mut().step_by(step).zip(numbers) {
            *place = x;
        }
    }

    fn put_cells(&mut self, first: usize, step: usize, center: i32, cells: &[i16]) {
        let places = self.get_mut(first..).unwrap_or_default();
        for (place, &cell) in places.iter_mut().step_by(step).zip(cells) {
            *place = i32::from(cell) + center;
        }
    }
}

/// Decodes `payload` into `sink`, exactly `count` numbers.
pub(crate) fn decode(
    memory: &mut Memory,
    zstd: &mut Zstd,
    payload: &[u8],
    count: usize,
    sink: &mut dyn Sink,
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
    if Lines::new(model.order, &extent).is_none() {
        return Err(damaged("frames without diagonals", 0));
    }
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
    let streams = Streams {
        symbols: stream,
        large: BitReader::new(large, "the bits of large residuals"),
        lows: packed,
        coded,
    };
    read_lines(memory, &model, &extent, &context_of, streams, sink).map_err(|error| error.at(at))
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
) -> Result<ContextOf, Error> {
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
    Ok(ContextOf::new(firsts.iter().copied()))
}

/// What is read besides the header.
struct Streams<'a> {
    symbols: Decoder<'a>,
    /// Bits of large residuals.
    large: BitReader<'a>,
    /// Low bits, bit-packed, of so many numbers.
    lows: &'a [u8],
    coded: usize,
}

fn read_lines(
    memory: &mut Memory,
    model: &Model,
    extent: &Extent,
    context_of: &ContextOf,
    streams: Streams,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let Memory {
        histories,
        specials,
        numbers,
        lows: line_lows,
        bins,
        symbols,
        kinds: line_kinds,
        base,
        low_bytes,
        decode_tables,
        ..
    } = memory;
    let kinds = specials.kinds(extent.count());
    let level = Level::best();
    let has_spreads = context_of.special > 1;
    let Some(mut predictor) = Predictor::new(model, extent, has_spreads, histories) else {
        return Ok(());
    };
    let lines = predictor.lines;
    let longest = lines.longest();
    grow(numbers, longest);
    grow(line_lows, longest);
    grow(line_kinds, longest);
    grow(base, longest);
    grow(bins, longest);
    grow(symbols, longest);
    let Streams {
        symbols: mut stream,
        mut large,
        lows,
        coded,
    } = streams;
    let low_bits = model.low_bits;
    let width = low_width(low_bits);
    let mut lows = Lows::new(lows, low_bits, coded, longest, low_bytes);
    let is_single = !has_spreads && kinds.is_none();
    bins.fill(0);
    for frame in 0..extent.frames {
        let start = frame * extent.frame();
        predictor.begin_frame(frame);
        for line in 0..lines.count() {
            let len = lines.len(line);
            let (bins, symbols) = (&mut bins[..len], &mut symbols[..len]);
            let numbers = &mut numbers[..len];
            let line_kinds = &mut line_kinds[..len];
            let mut coded = len;
            if !is_single {
                predictor.predict(line);
                bins.copy_from_slice(predictor.bins(len));
                if let Some(kinds) = kinds {
                    let kinds = &kinds[start..start + extent.frame()];
                    lines.gather(line, kinds, extent.columns, line_kinds);
                    predictor.put_base(line, &mut base[..len]);
                    leave_out(line_kinds, bins, numbers, base);
                    coded = line_kinds.iter().filter(|&&kind| kind == 0).count();
                }
                context_of.replace(level, bins);
            }
            stream.decode(decode_tables, bins, symbols)?;
            let packed_lows = if low_bits > 0 { lows.take(coded) } else { &[] };
            let (first, step) = lines.walk(line, extent.columns);
            let first = start + first;
            if is_single {
                if let Some(cells) = predictor.correct(line, symbols, packed_lows, &mut large)? {
                    sink.put_cells(first, step, cells.center, cells.numbers);
                    continue;
                }
                predictor.predict(line);
            }
            let predictions = predictor.predictions(len);
            let largest = if low_bits == 0 {
                kernels::join_high(level, predictions, symbols, numbers)
            } else if kinds.is_none() {
                join(
                    level,
                    width,
                    predictions,
                    symbols,
                    packed_lows,
                    low_bits,
                    numbers,
                )
            } else {
                let line_lows = &mut line_lows[..len];
                spread_lows(width, packed_lows, line_kinds, line_lows);
                kernels::join(level, predictions, symbols, line_lows, low_bits, numbers)
            };
            if u32::from(largest) >= DIRECT {
                read_line(&mut large, symbols, predictions, low_bits, numbers)?;
            }
            predictor.mirror(numbers);
            if kinds.is_some() {
                put_bases(line_kinds, base, numbers);
            }
            predictor.leave(line, numbers);
            if kinds.is_some() {
                specials.restore(line_kinds, numbers);
            }
            sink.put(first, step, numbers);
        }
    }
    check_end(&large)?;
    stream.finish()
}

/// Checks that no bits of large residuals are left.
fn check_end(large: &BitReader) -> Result<(), Error> {
    if large.is_at_end() {
        return Ok(());
    }
    Err(Error::Damaged {
        what: "bits of large residuals are left",
        offset: 0,
        len: 0,
    })
}

/// Gives special pixels the number that stands for them.
fn put_bases(kinds: &[u8], base: &[i32], numbers: &mut [i32]) {
    for ((number, &kind), &base) in numbers.iter_mut().zip(kinds).zip(base) {
        *number = if kind == 0 { *number } else { base };
    }
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

/// Gives the low bits to pixels that are not special; others get none.
fn spread_lows(width: usize, lows: &[u8], kinds: &[u8], out: &mut [u32]) {
    let mut lows = lows.chunks_exact(width);
    for (low, &kind) in out.iter_mut().zip(kinds) {
        *low = 0;
        if kind == 0 {
            let mut word = [0; 4];
            let bytes = lows.next().unwrap_or_default();
            word[..bytes.len()].copy_from_slice(bytes);
            *low = u32::from_le_bytes(word);
        }
    }
}
