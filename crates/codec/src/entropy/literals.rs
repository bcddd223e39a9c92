//! Indices by the frequency of their bytes: Huffman codes without matches, which zstd writes and reads.
//!
//! Quantised noise has no repetitions to find, only a distribution: of indices that are normally distributed, bit planes
//! keep about 5 bits where their entropy is 3.1. Each byte of the indices has a code of its own.
//!
//! Indices come in pieces of [`PIECE`]; the last may be short. A piece is, for each byte of its indices, the lowest first:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | length c of the frame, little-endian |
//! | 4 | c | a zstd frame of that byte of all indices in the piece |

use crate::entropy::bits::BLOCK;
use crate::entropy::zstd::Zstd;
use crate::{Context, Error};

/// Indices that share their codes: one block of zstd, and small enough for the L2 cache with what it becomes.
const PIECE: usize = 16 * BLOCK;
const LENGTH_BYTES: usize = 4;
/// Bytes in an index, at most.
const MAX_WIDTH: usize = 4;

/// Makes the state and the memory that pieces are compressed and decompressed with.
pub(crate) fn prepare(context: &mut Context) {
    let Context { zstd, block, .. } = context;
    let planes = block.bytes(MAX_WIDTH * PIECE);
    let (piece, others) = planes.split_at_mut(PIECE);
    let mut room = vec![0; PIECE];
    // What comes out, and whether anything does, is of no use.
    if let Some(len) = zstd.compress_literals(piece, &mut room) {
        zstd.decompress(&room[..len], &mut others[..PIECE]);
    }
}

/// Writes indices of `width` bytes to the front of `dst`; `None` where they do not fit.
pub(super) fn encode(
    zstd: &mut Zstd,
    width: usize,
    indices: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let mut plane = Vec::new();
    let mut at = 0;
    for piece in indices.chunks(PIECE * width) {
        for byte in 0..width {
            let bytes = match width {
                1 => piece,
                _ => {
                    plane.clear();
                    plane.extend(piece.iter().skip(byte).step_by(width));
                    &plane
                }
            };
            let (length, room) = dst.get_mut(at..)?.split_first_chunk_mut::<LENGTH_BYTES>()?;
            let written = zstd.compress_literals(bytes, room)?;
            *length = (written as u32).to_le_bytes();
            at += LENGTH_BYTES + written;
        }
    }
    Some(at)
}

/// Reads `elements` indices of `width` bytes from all of `payload` and gives them to `consume` in blocks of [`BLOCK`] until
/// that returns false. Says whether all were consumed.
pub(super) fn decode(
    context: &mut Context,
    width: usize,
    elements: usize,
    payload: &[u8],
    mut consume: impl FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let damaged = |what, offset| Error::Damaged {
        what,
        offset,
        len: payload.len(),
    };
    let mut at = 0;
    let mut wide = [0; MAX_WIDTH * BLOCK];
    for first in (0..elements).step_by(PIECE) {
        let count = PIECE.min(elements - first);
        let planes = context.block.bytes(MAX_WIDTH * PIECE);
        for plane in planes.chunks_mut(PIECE).take(width) {
            let frame = frame_at(payload, at)?;
            if !context.zstd.decompress(frame, &mut plane[..count]) {
                return Err(damaged("frame of indices", at));
            }
            at += LENGTH_BYTES + frame.len();
        }
        for start in (0..count).step_by(BLOCK) {
            let end = (start + BLOCK).min(count);
            let indices = match width {
                1 => &planes[start..end],
                2 => interleave::<2>(planes, start..end, &mut wide),
                _ => interleave::<4>(planes, start..end, &mut wide),
            };
            if !consume(indices) {
                return Ok(false);
            }
        }
    }
    match at == payload.len() {
        true => Ok(true),
        false => Err(damaged("bytes are left after the last index", at)),
    }
}

fn frame_at(payload: &[u8], at: usize) -> Result<&[u8], Error> {
    let rest = &payload[at..];
    let truncated = |needed| Error::Truncated {
        what: "a frame of indices",
        offset: at,
        needed,
        len: payload.len(),
    };
    let (length, rest) = rest
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or(truncated(LENGTH_BYTES))?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.get(..length).ok_or(truncated(length))
}

/// The indices of a range from their bytes, which lie [`PIECE`] apart.
fn interleave<'a, const WIDTH: usize>(
    planes: &[u8],
    range: std::ops::Range<usize>,
    wide: &'a mut [u8; MAX_WIDTH * BLOCK],
) -> &'a [u8] {
    let len = range.len();
    let bytes: [&[u8]; WIDTH] = std::array::from_fn(|byte| &planes[byte * PIECE..][range.clone()]);
    for (at, index) in wide.as_chunks_mut::<WIDTH>().0[..len]
        .iter_mut()
        .enumerate()
    {
        *index = std::array::from_fn(|byte| bytes[byte][at]);
    }
    &wide[..len * WIDTH]
}

/// Bits per index that [`encode`] takes, from the frequencies of bytes in a sample; pieces of it may follow each other in
/// any order.
pub(super) fn estimated_bits(width: usize, sample: &[u8]) -> f64 {
    let elements = (sample.len() / width) as f64;
    (0..width)
        .map(|byte| {
            let mut counts = [0u32; 256];
            for &byte in sample.iter().skip(byte).step_by(width) {
                counts[usize::from(byte)] += 1;
            }
            let frequencies = counts.iter().filter(|&&count| count > 0);
            let bits: f64 = frequencies
                .map(|&count| f64::from(count) / elements)
                // No Huffman code is shorter than a bit, unless there is but one.
                .map(|p| {
                    if p == 1.0 {
                        0.0
                    } else {
                        p * (-p.log2()).max(1.0)
                    }
                })
                .sum();
            // Codes of whole bits lose a little.
            if bits == 0.0 { 0.0 } else { bits + 0.04 }
        })
        .sum()
}
