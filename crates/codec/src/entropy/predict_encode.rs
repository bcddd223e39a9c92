//! Encoding of a predicted payload: one walk over the lines for symbols and histograms, then tables, then rANS from
//! the last line to the first.

use super::bands::Bands;
use super::bits::{pack, packed_len};
use super::indices::grow;
use super::predict::{ContextOf, Memory, SPECIAL, SPECIAL_FREQUENCIES, leave_out, low_width};
use super::predict_bits::write_line;
use super::predict_choice::Choice;
use super::predict_contexts::{
    ContextBins, Histogram, MAX_CONTEXTS, NUMBERS_PER_CONTEXT, SYMBOLS, cost, find_contexts,
    join_all, large_bits,
};
use super::predict_learn;
use super::predict_lines::{Extent, Lines};
use super::predict_model::Model;
use super::predict_walk::Predictor;
use super::rans::{Encoder, lanes_for};
use super::rans_tables::{write_table_of, written_bytes};
use super::zstd::Zstd;
use crate::Error;
use crate::kernels::levels::Level;
use crate::kernels::predict::{self as kernels, BINS, DIRECT};

/// Histograms of each bin while symbols are counted.
const HISTOGRAMS: usize = 4;
/// Bytes of a payload besides model, contexts and streams: extents, lengths and the states of rANS.
const FIXED_BYTES: usize = 8 + 1 + 4 + 1 + 128;

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
    let Some(prepared) = prepare(memory, numbers, extent, choice, Bands::NONE) else {
        return Ok(None);
    };
    let Prepared {
        model,
        lines,
        coded,
        ..
    } = prepared;
    let found = std::mem::take(&mut memory.contexts);
    let written = write(memory, zstd, extent, (&model, lines), (&found, coded), dst);
    memory.contexts = found;
    written
}

/// About how many bytes [`encode`] takes: those that do not grow with the numbers, and those that do. The numbers are
/// changed as there. Numbers that do not count take as many bytes as those that do.
pub(crate) fn estimate(
    memory: &mut Memory,
    zstd: &mut Zstd,
    numbers: &mut Vec<i32>,
    extent: &Extent,
    (choice, bands): (Choice, Bands),
) -> Result<Option<(usize, f64)>, Error> {
    let Some(prepared) = prepare(memory, numbers, extent, choice, bands) else {
        return Ok(None);
    };
    let Prepared {
        model,
        coded,
        counted,
        ..
    } = prepared;
    memory.head.clear();
    memory.specials.write(extent, zstd, &mut memory.head)?;
    let specials = memory.head.len();
    memory.head.clear();
    model.write(&mut memory.head);
    let table = |context: &ContextBins| 1 + written_bytes(&context.histogram, DIRECT as usize);
    let tables: usize = memory.contexts.iter().map(table).sum();
    let bits = |context: &ContextBins| cost(&context.histogram) + large_bits(&context.histogram);
    let bits: f64 = memory.contexts.iter().map(bits).sum();
    let bits = bits / counted.max(1) as f64 + f64::from(model.low_bits);
    let fixed = FIXED_BYTES + memory.head.len() + tables;
    let growing = specials as f64 + bits * coded as f64 / 8.0;
    Ok(Some((fixed, growing)))
}

/// What is known before anything is written; contexts and what [`walk`] leaves are in the memory.
struct Prepared {
    model: Model,
    lines: Lines,
    /// Pixels that are not special.
    coded: usize,
    /// Those of them that count.
    counted: usize,
}

/// Learns a model, predicts and finds contexts; `None` where there is nothing to predict.
fn prepare(
    memory: &mut Memory,
    numbers: &mut Vec<i32>,
    extent: &Extent,
    choice: Choice,
    bands: Bands,
) -> Option<Prepared> {
    let &last = numbers.last()?;
    numbers.resize(extent.count(), last);
    memory.specials.mark(numbers);
    let model = predict_learn::learn(
        (numbers, memory.specials.kinds(numbers.len())),
        extent,
        (choice, bands),
        &mut memory.learner,
        &mut memory.histories,
    );
    let lines = Lines::new(model.order, extent)?;
    let (coded, counted) = walk(memory, numbers, extent, &model, bands);
    let most = (coded / NUMBERS_PER_CONTEXT).clamp(1, MAX_CONTEXTS);
    find_contexts(&memory.histograms, most, &mut memory.contexts);
    let bits = |context: &ContextBins| cost(&context.histogram);
    let bits: f64 = memory.contexts.iter().map(bits).sum();
    let bits = bits + coded as f64 * f64::from(model.low_bits);
    let worth = choice.worth_of_contexts(bits / coded.max(1) as f64);
    join_all(&mut memory.contexts, worth * bits);
    Some(Prepared {
        model,
        lines,
        coded,
        counted,
    })
}

/// Writes what [`walk`] has left in `memory`.
fn write(
    memory: &mut Memory,
    zstd: &mut Zstd,
    extent: &Extent,
    (model, lines): (&Model, Lines),
    (found, coded): (&[ContextBins], usize),
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    write_head(memory, zstd, extent, model, found)?;
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
    let written = write_symbols(memory, extent, lines, found, back);
    Ok(written.map(|len| head + packed + len))
}

/// Predicts all lines; leaves bins, symbols, low bits, bits of large residuals and histograms in `memory`. Returns how
/// many pixels are not special, and how many of them count.
fn walk(
    memory: &mut Memory,
    numbers: &[i32],
    extent: &Extent,
    model: &Model,
    bands: Bands,
) -> (usize, usize) {
    let Memory {
        histories,
        specials,
        numbers: line_numbers,
        base,
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
    histograms.resize(HISTOGRAMS * BINS, [0; SYMBOLS]);
    large.clear();
    let Some(mut predictor) = Predictor::new(model, extent, true, histories) else {
        return (0, 0);
    };
    let lines = predictor.lines;
    let longest = lines.longest();
    grow(line_numbers, longest);
    grow(zigzags, longest);
    grow(base, longest);
    grow(lows, longest);
    grow(bins, numbers.len());
    grow(symbols, numbers.len());
    grow(low_bytes, numbers.len() * low_width(model.low_bits));
    let (mut done, mut coded) = (0, 0);
    let (mut counted, mut specials) = (0, 0);
    for frame in 0..extent.frames {
        let pixels = frame * extent.frame()..(frame + 1) * extent.frame();
        predictor.begin_frame(frame);
        for line in 0..lines.count() {
            let len = lines.len(line);
            let line_numbers = &mut line_numbers[..len];
            let (start, step) = lines.walk(line, extent.columns);
            let is_copied = step > 1 || kinds.is_some() || model.sides;
            if is_copied {
                lines.gather(line, &numbers[pixels.clone()], extent.columns, line_numbers);
            }
            predictor.predict(line);
            let bins = &mut bins[done..done + len];
            let symbols = &mut symbols[done..done + len];
            bins.copy_from_slice(predictor.bins(len));
            if let Some(kinds) = kinds {
                // The symbols are not yet made: their place holds the kinds.
                lines.gather(line, &kinds[pixels.clone()], extent.columns, symbols);
                predictor.put_base(line, &mut base[..len]);
                leave_out(symbols, bins, line_numbers, base);
            }
            let line_numbers = if is_copied {
                predictor.leave(line, line_numbers);
                predictor.mirror(line_numbers);
                &*line_numbers
            } else {
                let line_numbers = &numbers[pixels.start + start..][..len];
                predictor.leave(line, line_numbers);
                line_numbers
            };
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
                write_line(large, symbols, &zigzags[..len], bins);
            }
            let is_counted = !model.temporal || frame >= bands.first_frames;
            for part in bands.counted(&lines, line).filter(|_| is_counted) {
                let bins = &bins[part.clone()];
                counted += bins.len();
                if kinds.is_some() {
                    specials += bins.iter().filter(|&&bin| bin == SPECIAL).count();
                }
                count(histograms, bins, &symbols[part]);
            }
            if model.low_bits > 0 {
                let width = low_width(model.low_bits);
                let room = &mut low_bytes[coded * width..];
                coded += store_lows(width, &mut lows[..len], bins, room, kinds.is_none());
            } else if kinds.is_none() {
                coded += len;
            } else {
                coded += bins.iter().filter(|&&bin| bin != SPECIAL).count();
            }
            done += len;
        }
    }
    add_parts(histograms);
    // Special pixels were counted as symbol 0 of the bin that is theirs modulo the number of bins.
    histograms[usize::from(SPECIAL) % BINS][0] -= specials as u32;
    (coded, counted - specials)
}

/// Counts the symbols of bins, of each four in histograms of their own: one that is like the one before would wait for its
/// count.
fn count(histograms: &mut [Histogram], bins: &[u8], symbols: &[u8]) {
    let Some(parts) = histograms
        .as_chunks_mut::<BINS>()
        .0
        .first_chunk_mut::<HISTOGRAMS>()
    else {
        return;
    };
    // Symbols are below their limit, and so are bins, but for the one of special pixels: remainders save a check.
    let place = |bin: u8, symbol: u8| (usize::from(bin) % BINS, usize::from(symbol) % SYMBOLS);
    let ((fours, last_bins), (symbol_fours, last)) = (bins.as_chunks(), symbols.as_chunks());
    let mut count = |bins: &[u8], symbols: &[u8]| {
        for ((part, &bin), &symbol) in parts.iter_mut().zip(bins).zip(symbols) {
            let (bin, symbol) = place(bin, symbol);
            part[bin][symbol] += 1;
        }
    };
    for (bins, symbols) in fours.iter().zip(symbol_fours) {
        let (bins, symbols): (&[u8; HISTOGRAMS], &[u8; HISTOGRAMS]) = (bins, symbols);
        count(bins, symbols);
    }
    count(last_bins, last);
}

/// Adds up what was counted apart.
fn add_parts(histograms: &mut Vec<Histogram>) {
    let (first, others) = histograms.split_at_mut(BINS);
    for other in others.chunks(BINS) {
        let counts = first.as_flattened_mut().iter_mut();
        for (count, &other) in counts.zip(other.as_flattened()) {
            *count += other;
        }
    }
    histograms.truncate(BINS);
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
        let frequencies = write_table_of(&context.histogram, DIRECT as usize, head);
        memory.encode_tables.push(&frequencies);
    }
    memory.encode_tables.push(&SPECIAL_FREQUENCIES);
    let large = memory.large.finish();
    head.extend((large.len() as u32).to_le_bytes());
    head.extend(large);
    Ok(())
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
    let context_of = ContextOf::new(found.iter().map(|context| context.first));
    let bits: f64 = found.iter().map(|context| cost(&context.histogram)).sum();
    let lanes = lanes_for((bits / 8.0) as usize);
    *lanes_field = lanes as u8;
    let count = extent.count();
    context_of.replace(Level::best(), &mut memory.bins[..count]);
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
