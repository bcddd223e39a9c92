//! The literals section of a zstd block: bytes as they are, or by Huffman codes of their own.

use super::bits::BitWriter;
use super::huffman::Codes;
use crate::kernels::levels::{Level, levels};

/// Up to here one stream: a second costs six bytes for the lengths of four.
const ONE_STREAM: usize = 1023;
/// Bits of all codes between two flushes fit the writer's word.
const SYMBOLS_PER_FLUSH: usize = 5;
const RAW: u32 = 0;
const REPEATED: u32 = 1;
const COMPRESSED: u32 = 2;

/// Writes the section; returns its length, or `None` where `dst` is too short.
pub(super) fn write(level: Level, literals: &[u8], dst: &mut [u8]) -> Option<usize> {
    let counts = histogram(literals);
    let most = counts.iter().copied().max().unwrap_or(0) as usize;
    if most == literals.len() && most > 2 {
        let header = write_header(REPEATED, literals.len(), dst)?;
        *dst.get_mut(header)? = literals[0];
        return Some(header + 1);
    }
    // Codes of whole bits are no shorter than 8 where no byte stands out: libzstd's rule.
    if literals.len() > 32
        && most > (literals.len() >> 7) + 4
        && let Some(len) = write_compressed(level, literals, &counts, dst)
    {
        return Some(len);
    }
    let header = write_header(RAW, literals.len(), dst)?;
    let end = header + literals.len();
    dst.get_mut(header..end)?.copy_from_slice(literals);
    Some(end)
}

/// How often every byte occurs. Four tables, because equal bytes in a row would wait for each other's count.
fn histogram(bytes: &[u8]) -> [u32; 256] {
    let mut tables = [[0u32; 256]; 4];
    let (quads, rest) = bytes.as_chunks::<8>();
    for quad in quads {
        for (i, &byte) in quad.iter().enumerate() {
            tables[i % 4][usize::from(byte)] += 1;
        }
    }
    for &byte in rest {
        tables[0][usize::from(byte)] += 1;
    }
    std::array::from_fn(|byte| tables.iter().map(|table| table[byte]).sum())
}

/// Type, size format and length of literals that are not compressed (RFC 8878, 3.1.1.3.1.1).
fn write_header(kind: u32, len: usize, dst: &mut [u8]) -> Option<usize> {
    let len = len as u32;
    let (header, bytes) = match len {
        0..32 => (kind | len << 3, 1),
        32..4096 => (kind | 1 << 2 | len << 4, 2),
        _ => (kind | 3 << 2 | len << 4, 3),
    };
    dst.get_mut(..bytes)?
        .copy_from_slice(&header.to_le_bytes()[..bytes]);
    Some(bytes)
}

/// Bytes of the header of compressed literals, its size format, and the bits of each of its two lengths.
fn compressed_format(len: usize) -> (usize, u64, u32) {
    match len {
        0..=ONE_STREAM => (3, 0, 10),
        1024..16384 => (4, 2, 14),
        _ => (5, 3, 18),
    }
}

/// Huffman codes, their description and one or four streams; `None` where that gains too little or does not fit.
fn write_compressed(
    level: Level,
    literals: &[u8],
    counts: &[u32; 256],
    dst: &mut [u8],
) -> Option<usize> {
    let codes = Codes::of(counts)?;
    let len = literals.len();
    // Where Huffman codes gain less, decoding them is not worth it: libzstd's rule.
    let most = len - (len >> 6) - 2;
    if codes.bits(counts).div_ceil(8) as usize >= most {
        return None;
    }
    let (header, format, bits) = compressed_format(len);
    let mut at = header + codes.describe(dst.get_mut(header..)?)?;
    if len <= ONE_STREAM {
        at += encode(level, codes.entries(), literals, dst.get_mut(at..)?)?;
    } else {
        let lengths = at;
        at += 6;
        for (stream, piece) in literals.chunks(len.div_ceil(4)).enumerate() {
            let written = encode(level, codes.entries(), piece, dst.get_mut(at..)?)?;
            if stream < 3 {
                let place = &mut dst[lengths + 2 * stream..][..2];
                place.copy_from_slice(&u16::try_from(written).ok()?.to_le_bytes());
            }
            at += written;
        }
    }
    let compressed = at - header;
    if compressed >= most {
        return None;
    }
    let fields =
        u64::from(COMPRESSED) | format << 2 | (len as u64) << 4 | (compressed as u64) << (4 + bits);
    dst[..header].copy_from_slice(&fields.to_le_bytes()[..header]);
    Some(at)
}

/// One stream of codes, from the last byte to the first.
#[inline(always)]
fn encode_kernel(entries: &[u32; 256], src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let mut writer = BitWriter::new(dst);
    let groups = src.rchunks_exact(SYMBOLS_PER_FLUSH);
    let first = groups.remainder();
    for group in groups.chain([first]) {
        for &byte in group.iter().rev() {
            let entry = entries[usize::from(byte)];
            writer.put(u64::from(entry >> 8), entry & 0xff);
        }
        writer.flush()?;
    }
    writer.close()
}
levels!(fn encode(entries: &[u32; 256], src: &[u8], dst: &mut [u8]) -> Option<usize> = encode_kernel);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_specification() {
        let mut dst = [0; 3];
        assert_eq!(write_header(RAW, 31, &mut dst), Some(1));
        assert_eq!(dst[0], 31 << 3);
        assert_eq!(write_header(REPEATED, 32, &mut dst), Some(2));
        assert_eq!(u16::from_le_bytes([dst[0], dst[1]]), 1 | 1 << 2 | 32 << 4);
        assert_eq!(write_header(RAW, 4096, &mut dst), Some(3));
        assert_eq!(dst, [3 << 2, 0, 1]);
    }

    #[test]
    fn streams_are_the_same_at_every_level() {
        let src: Vec<u8> = (0..1000u32).map(|i| (i * i % 7) as u8).collect();
        let codes = Codes::of(&histogram(&src)).unwrap();
        let encoded = |level| {
            let mut dst = vec![0; 1500];
            let len = encode(level, codes.entries(), &src, &mut dst).unwrap();
            dst.truncate(len);
            dst
        };
        for level in Level::available() {
            assert_eq!(encoded(level), encoded(Level::SCALAR), "{level:?}");
        }
    }
}
