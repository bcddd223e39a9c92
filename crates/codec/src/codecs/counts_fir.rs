//! Models 2 and 3 of `counts`: each pixel is expected from those above it, and its symbol is coded in the context of
//! that estimate. Model 2 (`fir`) codes the value and estimates roots, which suits means of about 0.3 to 5. Model 3
//! (`variance`) codes the difference from the estimate, whose spread follows from the estimate itself, and suits all
//! counts above that. Both are one algorithm in integers; where they differ, the text says so.
//!
//! A pixel is v = word − origin, modulo the size of words. Rows of *state* come from the rows of v above in the frame,
//! all zero at the first row of a frame: V₁ of the row above, V₂ and V₃ of the two above that, and C, averages of
//! columns. A state beyond the first or last pixel of a row is that of the first or last. All arithmetic is in i32 and
//! wraps; `>>` rounds down:
//!
//! ```text
//! features: V1[x-3..x+3], V2[x-2..x+2], V3[x-1..x+1], (C[x-6] + … + C[x+6] + C[x]) >> 7
//! e = bias + sum of weight × feature, the 16 features in this order
//!
//! fir:      z = clamp(e, 0, 2^22) + 64;  l = floor(log2 z);  bin = min(126, 8 (l - 6) + ((z >> (l - 3)) & 7))
//!           base = 0
//! variance: e = max(e, 0);  z = min(e, 2^24 - 1024) + 102;  l = floor(log2 z)
//!           q = 4 (l - 6) + ((z >> (l - 2)) & 3)
//!           bin = 4 q + ((e >> 8) & 3) if q < 40, else 120 + q
//!           base = min(e >> 10, limit)
//! after the row, r being the new V1:
//!     fir:      r = round(64 sqrt(min(v, 255)));  special pixels: clamp(e >> 8, 0, 1024);  g = 3
//!     variance: r = min(v, limit);                special pixels: base;                    g = 6
//!     C += ((r << g) - C + 4) >> 3
//! ```
//!
//! Where all bins of `fir` have one context, estimates change nothing, and there is no need to make any.
//!
//! The context map gives each bin a context, and each context has a table of frequencies and a number k of low bits
//! (zero for `fir`). With d = v − base, u is v for `fir` and the zigzag of d >> k for `variance` (0, −1, 1, −2 are 0, 1,
//! 2, 3). The symbol is u where u < D; beyond, with w = u − D + 1, it is D + j with j = ⌊log₂ w⌋, and the j bits of w
//! below the highest follow in the extra bits; after them, in both cases, the k low bits of d. A row is one row of
//! rANS for the residuals of its mask planes (`counts_mask.rs`, bytes as in `counts_bbp.rs`), where it has any, and one
//! for its pixels; special pixels are coded in a context of their own, behind the others, whose only symbol is 0.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | 12, the bits of a frequency |
//! | 1 | lanes of rANS, 8, 32 or 64 |
//! | 1, 2 or 4 | origin, a word |
//! | 32 | 16 weights, i16 |
//! | 4 | bias, i32 |
//! | 4 | `variance` only: limit, u32, below 2¹⁸ |
//! | 1 | D, 1 to 200 |
//! | 1 | number of contexts, 1 to 64 |
//! | | context map: runs of a byte, the context, and a LEB128 number, the bins; up to bin 191 |
//! | | for each context: `variance` only: k, at most 24, a byte; its table (`rans_tables.rs`, D direct symbols, 32 special) |
//! | | special values (`counts_mask.rs`) |
//! | | LEB128 length of the byte escapes of mask planes, and they |
//! | | LEB128 length of the extra bits, and they: from the lowest bit of each byte on, zeros behind the last |
//! | | rANS, to the end |

use super::counts_fir_decode::decode_rows;
use super::counts_fir_rows::Rows;
use super::counts_fir_state::State;
use super::counts_mask::Masks;
use super::counts_numbers::Reader;
use super::counts_pixels::Pixels;
use crate::Error;
use crate::entropy::bit_stream::BitReader;
use crate::entropy::rans::{Decoder, LANES};
use crate::entropy::rans_tables::{DecodeTables, PRECISION_BITS, read_table};
use crate::kernels::counts::GROUP;
use crate::kernels::counts_fir::{BINS, FEATURES, Weights};
use crate::kernels::counts_fir_narrow::BLOCK;

/// Bins that have a context.
pub(super) const MAPPED_BINS: usize = 192;
pub(super) const MAX_CONTEXTS: usize = 64;
pub(super) const MAX_DIRECT: usize = 200;
/// Symbols for ranges of values.
pub(super) const RANGES: usize = 32;
pub(super) const MAX_LOW_BITS: u8 = 24;
pub(super) const MAX_LIMIT: i32 = (1 << 18) - 1;

/// What is estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Model 2.
    Roots,
    /// Model 3, from values up to a limit.
    Values { limit: i32 },
}

/// Bins that estimates may have.
pub(super) fn bins(scale: Scale) -> usize {
    match scale {
        Scale::Roots => 127,
        Scale::Values { .. } => MAPPED_BINS,
    }
}

/// How a pixel is expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) scale: Scale,
    pub(super) origin: u32,
    pub(super) weights: Weights,
}

/// Memory of a thread for these models.
#[derive(Default)]
pub(crate) struct Memory {
    /// For learning.
    pub(super) state: State,
    pub(super) rows: Rows,
    pub(super) masks: Masks,
    /// Of a row: its special pixels, a bit each.
    pub(super) special: Vec<u8>,
    pub(super) contexts: Vec<u8>,
    pub(super) symbols: Vec<u8>,
    pub(super) mask_levels: Vec<u8>,
    pub(super) mask_bytes: Vec<u8>,
    /// Of a row: where symbols have extra bits, in front of others.
    pub(super) places: Vec<u32>,
    /// Of a row: at least `direct` for pixels that have extra bits.
    pub(super) marks: Vec<u8>,
    pub(super) tables: DecodeTables,
    pub(super) encoder: super::counts_fir_encode::Memory,
}

/// What a payload says before its streams.
pub(super) struct Header<'a> {
    pub(super) model: Model,
    lanes: usize,
    pub(super) direct: usize,
    /// Context of each bin.
    pub(super) map: [u8; BINS],
    pub(super) low_bits: Vec<u8>,
    /// Whether any context has some, and 255 for each that does.
    pub(super) has_low_bits: bool,
    pub(super) long: [u8; BINS],
    pub(super) escapes: Reader<'a>,
    pub(super) extra: BitReader<'a>,
}

impl Header<'_> {
    /// Whether rows above change nothing: neither the context of a pixel nor its base.
    pub(super) fn rows_are_alike(&self) -> bool {
        let scale = self.model.scale;
        let of_bins = &self.map[..bins(scale)];
        scale == Scale::Roots && of_bins.iter().all(|&one| one == of_bins[0])
    }
}

/// Decodes what follows the number of model 2 or, if `has_differences`, 3.
pub(super) fn decode(
    memory: &mut Memory,
    has_differences: bool,
    pixels: &Pixels,
    reader: &mut Reader,
    dst: &mut [u8],
) -> Result<(), Error> {
    let header = read_header(memory, has_differences, pixels, reader)?;
    let start = reader.at();
    let decoder = Decoder::new(reader.rest(), header.lanes).map_err(|error| error.at(start))?;
    let decoded = match pixels.word_bytes {
        1 => decode_rows::<u8>(memory, pixels, header, decoder, dst),
        2 => decode_rows::<u16>(memory, pixels, header, decoder, dst),
        _ => decode_rows::<u32>(memory, pixels, header, decoder, dst),
    };
    decoded.map_err(|error| error.at(start))
}

fn read_header<'a>(
    memory: &mut Memory,
    has_differences: bool,
    pixels: &Pixels,
    reader: &mut Reader<'a>,
) -> Result<Header<'a>, Error> {
    if u32::from(reader.byte()?) != PRECISION_BITS {
        return Err(reader.damaged("unknown precision of frequencies"));
    }
    let lanes = usize::from(reader.byte()?);
    if !LANES.contains(&lanes) {
        return Err(reader.damaged("impossible number of lanes"));
    }
    let mut origin = [0; 4];
    origin[..pixels.word_bytes].copy_from_slice(reader.bytes(pixels.word_bytes)?);
    let mut weights = Weights::default();
    for weight in &mut weights.of {
        let bytes = reader.bytes(2)?;
        *weight = i32::from(i16::from_le_bytes([bytes[0], bytes[1]]));
    }
    weights.bias = read_u32(reader)? as i32;
    let scale = if has_differences {
        let limit = read_u32(reader)?;
        if limit > MAX_LIMIT as u32 {
            return Err(reader.damaged("limit out of range"));
        }
        Scale::Values {
            limit: limit as i32,
        }
    } else {
        Scale::Roots
    };
    let (direct, contexts) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
    if direct == 0 || direct > MAX_DIRECT || contexts == 0 || contexts > MAX_CONTEXTS {
        return Err(reader.damaged("impossible number of symbols or contexts"));
    }
    let map = read_map(reader, contexts)?;
    let low_bits = read_tables(memory, reader, has_differences, direct, contexts)?;
    let size = (pixels.frames, pixels.rows, pixels.columns);
    memory.masks.read(reader, pixels.word_bytes, size)?;
    let escapes = reader.section()?;
    let extra = BitReader::new(reader.section()?.rest(), "the extra bits");
    Ok(Header {
        model: Model {
            scale,
            origin: u32::from_le_bytes(origin),
            weights,
        },
        lanes,
        direct,
        map,
        has_low_bits: low_bits.iter().any(|&bits| bits > 0),
        long: marks_of(&low_bits),
        low_bits,
        escapes,
        extra,
    })
}

/// 255 where there are low bits.
pub(super) fn marks_of(low_bits: &[u8]) -> [u8; BINS] {
    std::array::from_fn(|i| match low_bits.get(i) {
        Some(1..) => 255,
        _ => 0,
    })
}

fn read_u32(reader: &mut Reader) -> Result<u32, Error> {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(reader.bytes(4)?);
    Ok(u32::from_le_bytes(bytes))
}

fn read_map(reader: &mut Reader, contexts: usize) -> Result<[u8; BINS], Error> {
    let mut map = [contexts as u8; BINS];
    let mut at = 0;
    while at < MAPPED_BINS {
        let context = reader.byte()?;
        let run = reader.number()?;
        if usize::from(context) >= contexts || run == 0 || run > (MAPPED_BINS - at) as u64 {
            return Err(reader.damaged("context map out of range"));
        }
        map[at..at + run as usize].fill(context);
        at += run as usize;
    }
    Ok(map)
}

/// Makes the tables of all contexts; returns their low bits.
fn read_tables(
    memory: &mut Memory,
    reader: &mut Reader,
    has_differences: bool,
    direct: usize,
    contexts: usize,
) -> Result<Vec<u8>, Error> {
    let mut low_bits = vec![0; contexts + 1];
    let mut frequencies = vec![0; direct + RANGES];
    memory.tables.clear();
    for low_bits in &mut low_bits[..contexts] {
        if has_differences {
            *low_bits = reader.byte()?;
            if *low_bits > MAX_LOW_BITS {
                return Err(reader.damaged("too many low bits"));
            }
        }
        let mut at = 0;
        let table = read_table(reader.rest(), &mut at, direct, &mut frequencies);
        table.map_err(|error| error.at(reader.at()))?;
        reader.bytes(at)?;
        let pushed = memory.tables.push(&frequencies);
        pushed.map_err(|error| error.at(reader.at()))?;
    }
    memory.tables.push(&[1 << PRECISION_BITS])?;
    Ok(low_bits)
}

impl Memory {
    /// The levels of the residuals of a row; returns their number.
    pub(super) fn gather_mask_levels(&mut self, row: usize, groups: usize) -> usize {
        self.mask_levels.clear();
        for plane in 0..self.masks.len() {
            if self.masks.has_residual(plane, row) {
                let len = self.mask_levels.len() + groups;
                self.mask_levels.resize(len, self.masks.level(plane));
            }
        }
        self.mask_levels.len() / groups.max(1)
    }

    /// The special pixels of a row, whatever their value, in whole blocks.
    pub(super) fn gather_special(&mut self, row: usize) {
        self.special.clear();
        for plane in 0..self.masks.len() {
            let bytes = self.masks.plane_row(plane, row);
            if plane == 0 {
                self.special.extend_from_slice(bytes);
                continue;
            }
            for (special, &byte) in self.special.iter_mut().zip(bytes) {
                *special |= byte;
            }
        }
        let blocks = self.special.len().next_multiple_of(BLOCK / GROUP);
        self.special.resize(blocks, 0);
    }
}

const _: () = assert!(FEATURES == 16 && MAX_DIRECT + RANGES < 256);
