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

use super::bit_stream::BitWriter;
use super::predict_contexts::{ContextBins, Histogram, SYMBOLS};
use super::predict_history::History;
use super::predict_learn;
use super::predict_lines::Extent;
use super::predict_special::Specials;
use super::rans_tables::{DecodeTables, EncodeTables, TOTAL};
use crate::kernels::levels::Level;
use crate::kernels::predict::BINS;
use crate::kernels::predict_contexts::contexts;

pub(crate) use super::predict_decode::{Sink, decode};
pub(crate) use super::predict_encode::{encode, estimate};

/// Memory of the predicted payload, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct Memory {
    pub(super) history: History,
    pub(super) learner: predict_learn::Memory,
    pub(crate) specials: Specials,
    /// One line.
    pub(super) numbers: Vec<i32>,
    pub(super) zigzags: Vec<u32>,
    pub(super) lows: Vec<u32>,
    pub(super) kinds: Vec<u8>,
    /// All lines.
    pub(super) bins: Vec<u8>,
    pub(super) symbols: Vec<u8>,
    pub(super) low_bytes: Vec<u8>,
    pub(super) large: BitWriter,
    pub(super) head: Vec<u8>,
    pub(super) histograms: Vec<Histogram>,
    pub(super) contexts: Vec<ContextBins>,
    pub(super) encode_tables: EncodeTables,
    pub(super) decode_tables: DecodeTables,
    pub(super) words: Vec<u16>,
}

/// Rows have no more columns than this: what is remembered of them is many times as large.
pub(crate) const MOST_COLUMNS: usize = 1 << 16;
/// Columns of numbers without rows.
const FOLDED_COLUMNS: usize = 1024;
/// Frames with fewer pixels are rows of one frame.
const SMALLEST_FRAME: usize = 4096;
/// Bin of special pixels.
pub(super) const SPECIAL: u8 = 255;
pub(super) const EXTENT_BYTES: usize = 8;

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

    pub(crate) fn count(&self) -> usize {
        self.frames * self.frame()
    }
}

/// Bytes that hold low bits; one where there are none.
pub(super) fn low_width(low_bits: u32) -> usize {
    match low_bits {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

/// Gives special pixels their bin, and the number that stands for them.
pub(super) fn leave_out(kinds: &[u8], bins: &mut [u8], numbers: &mut [i32], base: &[i32]) {
    // Nothing depends on a branch, so that the compiler makes vector code.
    for (bin, &kind) in bins.iter_mut().zip(kinds) {
        *bin = if kind == 0 { *bin } else { SPECIAL };
    }
    for ((number, &kind), &base) in numbers.iter_mut().zip(kinds).zip(base) {
        *number = if kind == 0 { *number } else { base };
    }
}

/// Special pixels have symbol 0, which costs nothing.
pub(super) const SPECIAL_FREQUENCIES: [u16; SYMBOLS] = {
    let mut frequencies = [0; SYMBOLS];
    frequencies[0] = TOTAL as u16;
    frequencies
};

/// The context of each bin, and of special pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContextOf {
    of_bin: [u8; BINS],
    pub(super) special: u8,
}

impl ContextOf {
    pub(super) fn new(firsts: impl Iterator<Item = u8>) -> Self {
        let mut of_bin = [0; BINS];
        let mut special = 0;
        for (context, first) in (0..).zip(firsts) {
            of_bin[usize::from(first)..].fill(context);
            special = context + 1;
        }
        Self { of_bin, special }
    }

    /// Replaces bins by their contexts.
    pub(super) fn replace(&self, level: Level, bins: &mut [u8]) {
        contexts(level, &self.of_bin, self.special, bins);
    }
}
