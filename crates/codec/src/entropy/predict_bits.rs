//! The bits of large residuals: those below the first of a bucket's number, one after another, lowest first.

use super::bit_stream::{BitReader, BitWriter};
use super::predict::SPECIAL;
use crate::Error;
use crate::kernels::predict::DIRECT;

/// Symbols that are looked at together: most lines have few buckets.
const BLOCK: usize = 64;

/// Which of at most [`BLOCK`] symbols are buckets.
fn large_mask(symbols: &[u8]) -> u64 {
    // Two steps, which compile to vector code: is there one at all, and where.
    if symbols.iter().fold(0, |most, &symbol| symbol.max(most)) < DIRECT as u8 {
        return 0;
    }
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let large = |eight: u64| {
        // The top bit of each byte; it is set by a sum where the others are that of a bucket.
        let tops = (((eight & !TOPS) + ONES * u64::from(0x80 - DIRECT)) | eight) & TOPS;
        // The product has the lowest bits of the eight bytes in its highest byte.
        (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let (eights, rest) = symbols.as_chunks();
    let mut mask = 0;
    for (i, &eight) in eights.iter().enumerate() {
        mask |= large(u64::from_le_bytes(eight)) << (8 * i);
    }
    let last = rest
        .iter()
        .rev()
        .fold(0, |last, &symbol| last << 8 | u64::from(symbol));
    mask | large(last)
        .checked_shl(8 * eights.len() as u32)
        .unwrap_or(0)
}

/// Makes buckets of the large zigzags of a line, and zeros of special pixels.
pub(super) fn write_line(writer: &mut BitWriter, symbols: &mut [u8], zigzags: &[u32], bins: &[u8]) {
    for (symbol, &bin) in symbols.iter_mut().zip(bins) {
        *symbol = if bin == SPECIAL { 0 } else { *symbol };
    }
    for (symbols, zigzags) in symbols.chunks_mut(BLOCK).zip(zigzags.chunks(BLOCK)) {
        let mut large = large_mask(symbols);
        while large != 0 {
            let place = large.trailing_zeros() as usize;
            large &= large - 1;
            let rest = zigzags[place] - (DIRECT - 1);
            let bucket = rest.ilog2();
            symbols[place] = (DIRECT + bucket) as u8;
            writer.put(rest ^ 1 << bucket, bucket);
        }
    }
}

/// Replaces the numbers of a line whose symbols are buckets; of their low bits, those are kept.
pub(super) fn read_line(
    reader: &mut BitReader,
    symbols: &[u8],
    predictions: &[i32],
    low_bits: u32,
    numbers: &mut [i32],
) -> Result<(), Error> {
    for (block, part) in symbols.chunks(BLOCK).enumerate() {
        let mut large = large_mask(part);
        while large != 0 {
            let place = large.trailing_zeros() as usize;
            large &= large - 1;
            let i = BLOCK * block + place;
            let bucket = u32::from(symbols[i]) - DIRECT;
            let below = reader.take(bucket)?;
            numbers[i] = replaced(1 << bucket | below, low_bits, predictions[i], numbers[i]);
        }
    }
    Ok(())
}

/// Replaces the residuals of a line whose symbols are buckets, as [`read_line`] does their numbers. False where one does not
/// have 16 bits: then some may not be replaced.
pub(super) fn read_residuals(
    reader: &mut BitReader,
    symbols: &[u8],
    low_bits: u32,
    residuals: &mut [i16],
) -> Result<bool, Error> {
    for (block, part) in symbols.chunks(BLOCK).enumerate() {
        let mut large = large_mask(part);
        while large != 0 {
            let place = large.trailing_zeros() as usize;
            large &= large - 1;
            let i = BLOCK * block + place;
            let bucket = u32::from(symbols[i]) - DIRECT;
            let below = reader.take(bucket)?;
            let residual = replaced(1 << bucket | below, low_bits, 0, residuals[i].into());
            let Ok(residual) = i16::try_from(residual) else {
                return Ok(false);
            };
            residuals[i] = residual;
        }
    }
    Ok(true)
}

/// The number whose zigzag has a bucket, and its place in there, in front of a 1; of the number that stood for it, the
/// low bits are kept.
fn replaced(rest: u32, low_bits: u32, prediction: i32, number: i32) -> i32 {
    let mask = (1u32 << low_bits) - 1;
    let zigzag = rest.wrapping_add(DIRECT - 1);
    let low = number.wrapping_sub(prediction) as u32 & mask;
    let high = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
    let residual = high << low_bits | low;
    prediction.wrapping_add(residual as i32)
}
