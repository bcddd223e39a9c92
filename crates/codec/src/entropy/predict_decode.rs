//! Decoding of a predicted payload, line by line. Everything is checked before memory is taken or a table is built.

use super::bit_stream::BitReader;
use super::bits::{packed_len, unpack};
use super::indices::grow;
use super::predict::{
    ContextOf, EXTENT_BYTES, MOST_COLUMNS, Memory, SPECIAL_FREQUENCIES, leave_out, low_width,
};
use super::predict_bits::read_line;
use super::predict_contexts::{MAX_CONTEXTS, SYMBOLS};
use super::predict_history::Predictor;
use super::predict_lines::{Extent, Lines};
use super::predict_model::Model;
use super::rans::{Decoder, LANES};
use super::rans_tables::{DecodeTables, read_table};
use super::zstd::Zstd;
use crate::Error;
use crate::frame::array;
use crate::kernels::levels::Level;
use crate::kernels::predict::{self as kernels, BINS, DIRECT};

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
    let large = BitReader::new(large, "the bits of large residuals");
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
    context_of: &ContextOf,
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
            context_of.replace(level, bins);
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
                let special = context_of.special;
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
                read_line(
                    &mut large,
                    symbols,
                    predictions,
                    model.low_bits,
                    line_numbers,
                )?;
            }
            predictor.mirror(line_numbers);
            if kinds.is_some() {
                let base = predictor.base(line);
                put_bases(bins, context_of.special, base, line_numbers);
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
fn put_bases(contexts: &[u8], special: u8, base: &[i32], numbers: &mut [i32]) {
    for ((number, &context), &base) in numbers.iter_mut().zip(contexts).zip(base) {
        *number = if context == special { base } else { *number };
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
