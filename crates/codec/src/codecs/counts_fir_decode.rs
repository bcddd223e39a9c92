//! Decoding of rows of models 2 and 3 of `counts`: masks, contexts, symbols, words.
//!
//! Where all rows are expected alike, nothing is expected but the first: neither estimates nor bins are made, and what
//! rows would leave behind for later ones is not kept.

use super::counts_fir::{Header, Memory, Scale};
use super::counts_mask::MAX_SPECIALS;
use super::counts_numbers::Reader;
use super::counts_pixels::Pixels;
use crate::Error;
use crate::entropy::bernoulli::{ESCAPE, TABLES};
use crate::entropy::rans::Decoder;
use crate::kernels::counts::{any_equal, fill_masked};
use crate::kernels::counts_fir::{self as kernel, SPECIAL_BIN};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

pub(super) fn decode_rows<W: Word>(
    memory: &mut Memory,
    pixels: &Pixels,
    mut header: Header,
    mut decoder: Decoder,
    dst: &mut [u8],
) -> Result<(), Error> {
    let level = Level::best();
    let columns = pixels.columns;
    let are_alike = header.rows_are_alike();
    let have_one_context = are_alike && memory.masks.len() == 0;
    memory.rows.begin(level, &header.model, columns);
    let padded = memory.rows.padded();
    memory.contexts.resize(padded, 0);
    memory.symbols.resize(padded, 0);
    let mut words = vec![W::default(); padded];
    for row in 0..pixels.frames * pixels.rows {
        // The cache lines come while other work is done, half of them at a time: more would have to wait for each other.
        let middle = row * columns + columns / 2;
        pixels.prefetch(row * columns, columns / 2, dst);
        decode_masks(memory, row, &mut decoder, &mut header.escapes)?;
        if row == 0 || !are_alike {
            if row % pixels.rows == 0 {
                memory.rows.begin_frame();
            }
            memory.rows.expect(level);
        }
        let contexts = &mut memory.contexts;
        if row == 0 || !have_one_context {
            kernel::look_up(level, &header.map, memory.rows.bins(), contexts);
            let special_context = header.map[usize::from(SPECIAL_BIN)];
            fill_masked(&memory.special, special_context, contexts);
        }
        pixels.prefetch(middle, columns - columns / 2, dst);
        let symbols = &mut memory.symbols[..columns];
        decoder.decode(&memory.tables, &contexts[..columns], symbols)?;
        put_words(memory, &mut header, &mut words)?;
        if !are_alike {
            let values = &memory.symbols[..columns];
            memory.rows.learn(level, (&words, values), &memory.special);
        }
        memory.masks.apply(row, &mut words[..columns]);
        pixels.store(&words[..columns], row * columns, dst);
    }
    if !header.escapes.rest().is_empty() || !header.extra.is_at_end() {
        return Err(header.escapes.damaged("bits that no pixel uses"));
    }
    decoder.finish()
}

/// Decodes the mask planes of a row.
fn decode_masks(
    memory: &mut Memory,
    row: usize,
    decoder: &mut Decoder,
    escapes: &mut Reader,
) -> Result<(), Error> {
    memory.special.clear();
    if memory.masks.len() == 0 {
        return Ok(());
    }
    let groups = memory.masks.plane_row(0, row).len();
    let parts = memory.gather_mask_levels(row, groups);
    memory.mask_bytes.resize(MAX_SPECIALS * groups, 0);
    let coded = &mut memory.mask_bytes[..parts * groups];
    let levels = &memory.mask_levels;
    decoder.decode(&TABLES.decode, levels, coded)?;
    if any_equal(Level::best(), coded, ESCAPE) {
        for (byte, &level) in coded.iter_mut().zip(levels) {
            if *byte == ESCAPE && TABLES.most_ones[usize::from(level)] < 8 {
                *byte = escapes.byte()?;
            }
        }
    }
    let mut part = 0;
    for plane in 0..memory.masks.len() {
        let residual = &memory.mask_bytes[part * groups..];
        let residual = &residual[..groups.min(residual.len())];
        part += usize::from(memory.masks.has_residual(plane, row));
        memory.masks.put_row(plane, row, residual);
    }
    memory.gather_special(row);
    Ok(())
}

/// Turns the symbols of a row into words, and of `fir` into values up to 255.
fn put_words<W: Word>(
    memory: &mut Memory,
    header: &mut Header,
    words: &mut [W],
) -> Result<(), Error> {
    let level = Level::best();
    let origin = W::new(header.model.origin);
    let symbols = &mut memory.symbols;
    memory.rows.words_of_symbols(level, symbols, words);
    memory.places.resize(symbols.len(), 0);
    let places = &mut memory.places;
    let direct = header.direct as u8;
    let count = if header.has_low_bits {
        memory.marks.resize(symbols.len(), 0);
        kernel::look_up(level, &header.long, &memory.contexts, &mut memory.marks);
        kernel::raise(level, symbols, &mut memory.marks);
        kernel::places_from(level, &memory.marks, direct, places)
    } else {
        kernel::places_from(level, symbols, direct, places)
    };
    let columns = memory.rows.columns();
    for &place in &places[..count] {
        let x = place as usize;
        if x >= columns {
            break;
        }
        let low_bits = header.low_bits[usize::from(memory.contexts[x])];
        let base = memory.rows.base(x);
        let value = header.value(symbols[x], low_bits, base)?;
        let value = W::new(value);
        words[x] = value.plus(origin);
        symbols[x] = value.saturated();
    }
    Ok(())
}

impl Header<'_> {
    /// The value of a pixel whose symbol is followed by extra bits.
    fn value(&mut self, symbol: u8, low_bits: u8, base: i32) -> Result<u32, Error> {
        let mut number = u32::from(symbol);
        if usize::from(symbol) >= self.direct {
            let range = u32::from(symbol) - self.direct as u32;
            let below = self.extra.take(range)?;
            number = (1u32 << range | below).wrapping_add(self.direct as u32 - 1);
        }
        if self.model.scale == Scale::Roots {
            return Ok(number);
        }
        let low = self.extra.take(u32::from(low_bits))?;
        let high = (number >> 1) ^ (number & 1).wrapping_neg();
        Ok((base as u32).wrapping_add(high << low_bits | low))
    }
}
