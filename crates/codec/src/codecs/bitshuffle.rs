//! `bitshuffle`, the registered filter 32008: bits of equal significance side by side, then LZ4, zstd or nothing.
//!
//! The stream is that of kiyo-masui/bitshuffle and interchanges with it and with hdf5plugin in both directions; with
//! the default block size, LZ4 1.10.0 and zstd 1.5.7 at level 3 the bytes are those of hdf5plugin 7.1.
//!
//! Stored `cd_values`: `[major, minor, element bytes, block elements, compressor, level]`; a block of 0 elements
//! means the default, compressors are 0 none, 2 LZ4, 3 zstd. Users pass `(block, compressor[, level])`. A seventh value
//! asks for an encoder of bit planes, see `bitshuffle_planes.rs`.
//!
//! Compressed chunk; all numbers big-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | length of the decoded chunk in bytes |
//! | 8 | 4 | length of a decoded block in bytes; 0 means the default |
//! | 12 | 4 | length c of the first compressed block |
//! | 16 | c | the block: LZ4 block format, or a zstd frame, of the transposed elements |
//! | … | | further blocks, each with its length; the last may be short, of a multiple of 8 elements |
//! | … | | up to 7 elements that are left, as they are |
//!
//! Without compressor the chunk is the transposed blocks and the elements left, with no header.
//!
//! Example, the u16 values 0, 1, …, 8 with LZ4 in blocks of 8 elements: 18 bytes in blocks of 16; one block of 13
//! bytes, in which LZ4 has the bit planes `aa cc f0 00` and a run of zeros; the ninth value as it is:
//! `00 00 00 00 00 00 00 12  00 00 00 10  00 00 00 0d  43 aa cc f0 00 01 00 50 00 00 00 00 00  08 00`.

use std::ops::Range;

use super::bitshuffle_planes::Choice;
use super::bitshuffle_settings::{
    Compressor, MULTIPLE, Settings, cd_values, localise, spec_of, user_values,
};
use super::{bitshuffle_parts, bitshuffle_payload};
use crate::kernels::bittranspose::{bit_transpose, bit_untranspose};
use crate::kernels::levels::Level;
use crate::params::MASK;
use crate::{Codec, Context, Error, Filter, Kind, Param, Stream};

pub(crate) static CODEC: Codec = Codec {
    id: 1,
    name: "bitshuffle",
    about: "bit transposition with LZ4 or zstd: registered, read everywhere",
    lossless: true,
    params: &[
        Param {
            name: "compressor",
            kind: Kind::Choice(&["lz4", "zstd", "none"]),
            default: "lz4",
            about: "what packs the transposed bits",
        },
        Param {
            name: "level",
            kind: Kind::Integer { min: 1, max: 22 },
            default: "3",
            about: "effort of zstd",
        },
        Param {
            name: "block",
            kind: Kind::Integer {
                min: 0,
                max: 1 << 29,
            },
            default: "0",
            about: "elements transposed together, a multiple of 8; 0 = 8192 bytes of them, or 256 KiB to 1 MiB with planes",
        },
        Param {
            name: "planes",
            kind: Kind::Flag,
            default: "false",
            about: "zstd of bit planes by an encoder of our own, which all readers of zstd read",
        },
        MASK,
    ],
    filter: &FILTER,
    accepts: |_, _| Ok(()),
    encode: bitshuffle_payload::encode_payload,
    decode: bitshuffle_payload::decode_payload,
};

/// The registered filter.
pub static FILTER: Filter = Filter {
    stream: &STREAM,
    cd_values,
    user_values,
    spec_of,
};

/// Its streams.
pub static STREAM: Stream = Stream {
    id: 32008,
    name: "bitshuffle",
    class_name: c"bitshuffle; see https://github.com/kiyo-masui/bitshuffle; pip install h5etalon",
    in_place: false,
    is_lossy: |_| false,
    localise,
    bound,
    encode,
    decoded_len,
    announced_len,
    decode,
};

pub(super) const HEADER_BYTES: usize = 12;
pub(super) const LENGTH_BYTES: usize = 4;
/// A chunk cut into whole blocks, one short block and elements that are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// Bytes in a whole block.
    pub(super) whole: usize,
    /// Bytes in all blocks, the short one included.
    pub(super) blocked: usize,
}

impl Blocks {
    /// Cuts a chunk of `len` bytes into blocks of `block_bytes`.
    pub(super) fn of(settings: &Settings, len: usize, block_bytes: usize) -> Self {
        let group = MULTIPLE * settings.element_bytes;
        Self {
            whole: block_bytes,
            blocked: len / group * group,
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.blocked)
            .step_by(self.whole)
            .map(move |start| start..(start + self.whole).min(self.blocked))
    }

    pub(super) fn count(self) -> usize {
        self.blocked.div_ceil(self.whole)
    }

    /// Largest number of bytes that the stream of `len` bytes takes, without the header.
    pub(super) fn bound(self, settings: &Settings, len: usize) -> usize {
        if settings.compressor == Compressor::None {
            return len;
        }
        let bound = |block_bytes| LENGTH_BYTES + settings.compressor.bound(block_bytes);
        let short = match self.blocked % self.whole {
            0 => 0,
            short => bound(short),
        };
        self.blocked / self.whole * bound(self.whole) + short + (len - self.blocked)
    }
}

pub(super) fn bound(cd_values: &[u32], src_len: usize) -> Result<usize, Error> {
    let settings = Settings::stored(cd_values)?;
    let blocks = Blocks::of(&settings, src_len, settings.block_bytes());
    Ok(settings.header_bytes() + blocks.bound(&settings, src_len))
}

pub(super) fn encode(
    context: &mut Context,
    cd_values: &[u32],
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let settings = Settings::complete(cd_values)?;
    if !src.len().is_multiple_of(settings.element_bytes) {
        return Err(Error::Settings(format!(
            "a chunk of {} bytes is no whole number of {}-byte elements; put this filter first in the pipeline",
            src.len(),
            settings.element_bytes
        )));
    }
    let block_bytes = settings.block_bytes();
    let blocks = Blocks::of(&settings, src.len(), block_bytes);
    let needed = bound(cd_values, src.len())?;
    if dst.len() < needed {
        return Err(Error::OutputSize {
            given: dst.len(),
            needed,
        });
    }
    let (header, stream) = dst.split_at_mut(settings.header_bytes());
    if settings.compressor != Compressor::None {
        header[..8].copy_from_slice(&(src.len() as u64).to_be_bytes());
        header[8..].copy_from_slice(&(block_bytes as u32).to_be_bytes());
    }
    let written = bitshuffle_parts::encode(context, &settings, blocks, src, stream)?;
    Ok(header.len() + written)
}

/// The blocks and the elements that are left, into the front of `dst`, which is long enough.
pub(super) fn encode_blocks(
    context: &mut Context,
    settings: &Settings,
    blocks: Blocks,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    if settings.compressor == Compressor::None {
        return transpose_blocks(context, settings, blocks, src, dst);
    }
    let level = Level::best();
    let mut at = 0;
    let mut choice = Choice::default();
    for range in blocks.iter() {
        let len = range.len();
        bit_transpose(
            level,
            settings.element_bytes,
            &src[range],
            context.block.bytes(len),
        );
        let (length, stream) = dst[at..].split_at_mut(LENGTH_BYTES);
        let written = match settings.compressor {
            Compressor::Planes => choice.compress(context, settings, len, stream)?,
            compressor => compressor.compress(context, len, settings.level, stream)?,
        };
        length.copy_from_slice(&(written as u32).to_be_bytes());
        at += LENGTH_BYTES + written;
    }
    let left = &src[blocks.blocked..];
    dst[at..at + left.len()].copy_from_slice(left);
    Ok(at + left.len())
}

/// The stream without compressor. Through the block scratch, in cache, it is twice as fast as from memory to memory.
fn transpose_blocks(
    context: &mut Context,
    settings: &Settings,
    blocks: Blocks,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let given = dst.len();
    let needed = src.len();
    let dst = dst
        .get_mut(..needed)
        .ok_or(Error::OutputSize { given, needed })?;
    let level = Level::best();
    for range in blocks.iter() {
        let block = context.block.bytes(range.len());
        bit_transpose(level, settings.element_bytes, &src[range.clone()], block);
        dst[range].copy_from_slice(block);
    }
    dst[blocks.blocked..].copy_from_slice(&src[blocks.blocked..]);
    Ok(needed)
}

/// What the header of a chunk says.
struct Checked {
    settings: Settings,
    blocks: Blocks,
    decoded_len: usize,
}

/// Reads the header and walks the lengths of all blocks, so that nothing is believed that the chunk has not earned.
fn check(cd_values: &[u32], chunk: &[u8]) -> Result<Checked, Error> {
    let len = chunk.len();
    let checked = read_header(cd_values, chunk, len)?;
    let Checked {
        settings,
        blocks,
        decoded_len,
    } = checked;
    if settings.compressor == Compressor::None {
        return Ok(checked);
    }
    let mut at = HEADER_BYTES;
    for block in block_lens(&settings, blocks, chunk) {
        at += block?;
    }
    let left = decoded_len - blocks.blocked;
    slice(chunk, "the last elements", at, left)?;
    if at + left != len {
        return Err(Error::Damaged {
            what: "bytes are left after the last element",
            offset: at + left,
            len,
        });
    }
    Ok(checked)
}

/// The bytes that each block takes in a chunk with its length; ends with the first that cannot be.
pub(super) fn block_lens(
    settings: &Settings,
    blocks: Blocks,
    chunk: &[u8],
) -> impl Iterator<Item = Result<usize, Error>> {
    let mut at = settings.header_bytes();
    blocks.iter().map(move |range| {
        if settings.compressor == Compressor::None {
            return Ok(range.len());
        }
        let compressed = block_at(chunk, at)?.len();
        check_block(settings, range.len(), compressed, at, chunk.len())?;
        at += LENGTH_BYTES + compressed;
        Ok(LENGTH_BYTES + compressed)
    })
}

/// Reads the header of a chunk of `len` bytes of which the beginning is at hand.
fn read_header(cd_values: &[u32], front: &[u8], len: usize) -> Result<Checked, Error> {
    let settings = Settings::stored(cd_values)?;
    let damaged = |what, offset| Error::Damaged { what, offset, len };
    if settings.compressor == Compressor::None {
        let blocks = Blocks::of(&settings, len, settings.block_bytes());
        return Ok(Checked {
            settings,
            blocks,
            decoded_len: len,
        });
    }
    let header = slice(front, "the header", 0, HEADER_BYTES)?;
    let decoded_len = u64::from_be_bytes(array(&header[..8]));
    let decoded_len =
        usize::try_from(decoded_len).map_err(|_| damaged("decoded length beyond memory", 0))?;
    let block_bytes = match u32::from_be_bytes(array(&header[8..])) as usize {
        0 => settings.block_bytes(),
        bytes => bytes,
    };
    if !block_bytes.is_multiple_of(MULTIPLE * settings.element_bytes) {
        return Err(damaged("block length is no multiple of 8 elements", 8));
    }
    if !decoded_len.is_multiple_of(settings.element_bytes) {
        return Err(damaged("decoded length is no whole number of elements", 0));
    }
    let blocks = Blocks::of(&settings, decoded_len, block_bytes);
    if blocks.count() > (len - HEADER_BYTES) / LENGTH_BYTES {
        return Err(damaged(
            "decoded length needs more blocks than the chunk can hold",
            0,
        ));
    }
    Ok(Checked {
        settings,
        blocks,
        decoded_len,
    })
}

pub(super) fn check_block(
    settings: &Settings,
    decoded: usize,
    compressed: usize,
    offset: usize,
    len: usize,
) -> Result<(), Error> {
    if settings.compressor.max_decoded_len(compressed) < decoded {
        return Err(Error::Damaged {
            what: "block is too short for the length it should decode to",
            offset,
            len,
        });
    }
    Ok(())
}

/// Checks the header and the length of the first block. The others are found by way of it, so they are left to `check`.
fn announced_len(cd_values: &[u32], front: &[u8], chunk_len: usize) -> Result<usize, Error> {
    let Checked {
        settings,
        blocks,
        decoded_len,
    } = read_header(cd_values, front, chunk_len)?;
    if settings.compressor != Compressor::None
        && let Some(range) = blocks.iter().next()
    {
        let length = slice(front, "the length of a block", HEADER_BYTES, LENGTH_BYTES)?;
        let compressed = u32::from_be_bytes(array(length)) as usize;
        let start = HEADER_BYTES + LENGTH_BYTES;
        if compressed > chunk_len - start {
            return Err(Error::Truncated {
                what: "a block",
                offset: start,
                needed: compressed,
                len: chunk_len,
            });
        }
        check_block(&settings, range.len(), compressed, HEADER_BYTES, chunk_len)?;
    }
    Ok(decoded_len)
}

fn block_at(chunk: &[u8], at: usize) -> Result<&[u8], Error> {
    let length = slice(chunk, "the length of a block", at, LENGTH_BYTES)?;
    let length = u32::from_be_bytes(array(length)) as usize;
    slice(chunk, "a block", at + LENGTH_BYTES, length)
}

pub(super) fn slice<'a>(
    chunk: &'a [u8],
    what: &'static str,
    offset: usize,
    needed: usize,
) -> Result<&'a [u8], Error> {
    chunk
        .get(offset..)
        .and_then(|rest| rest.get(..needed))
        .ok_or(Error::Truncated {
            what,
            offset,
            needed,
            len: chunk.len(),
        })
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

pub(super) fn decoded_len(cd_values: &[u32], chunk: &[u8]) -> Result<usize, Error> {
    Ok(check(cd_values, chunk)?.decoded_len)
}

pub(super) fn decode(
    context: &mut Context,
    cd_values: &[u32],
    chunk: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let Checked {
        settings,
        blocks,
        decoded_len,
    } = check(cd_values, chunk)?;
    if dst.len() != decoded_len {
        return Err(Error::OutputSize {
            given: dst.len(),
            needed: decoded_len,
        });
    }
    let at = bitshuffle_parts::decode(context, &settings, blocks, chunk, dst)?;
    dst[blocks.blocked..].copy_from_slice(&chunk[at..]);
    Ok(())
}

/// Decodes the blocks that begin at `at` into the front of `dst`; returns where the last one ends.
pub(super) fn decode_blocks(
    context: &mut Context,
    settings: &Settings,
    blocks: Blocks,
    chunk: &[u8],
    mut at: usize,
    dst: &mut [u8],
) -> Result<usize, Error> {
    let level = Level::best();
    for range in blocks.iter() {
        let len = range.len();
        at += fill_block(context, settings, chunk, at, len)?;
        let block = context.block.bytes(len);
        bit_untranspose(level, settings.element_bytes, block, &mut dst[range]);
    }
    Ok(at)
}

/// Unpacks the block of `len` bytes that is stored at `at` into the scratch; returns the bytes it takes in the chunk.
pub(super) fn fill_block(
    context: &mut Context,
    settings: &Settings,
    chunk: &[u8],
    at: usize,
    len: usize,
) -> Result<usize, Error> {
    if settings.compressor == Compressor::None {
        let block = slice(chunk, "a block", at, len)?;
        context.block.bytes(len).copy_from_slice(block);
        return Ok(len);
    }
    let stream = block_at(chunk, at)?;
    if !settings.compressor.decompress(context, stream, len) {
        return Err(Error::Damaged {
            what: match settings.compressor {
                Compressor::Lz4 => "LZ4 block does not decode",
                _ => "zstd block does not decode",
            },
            offset: at,
            len: chunk.len(),
        });
    }
    Ok(LENGTH_BYTES + stream.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_format() {
        let src: Vec<u8> = (0..9u16).flat_map(u16::to_le_bytes).collect();
        let values = [0, 4, 2, 8, 2];
        let mut chunk = vec![0; bound(&values, src.len()).unwrap()];
        let written = encode(&mut Context::new(), &values, &src, &mut chunk).unwrap();
        assert_eq!(chunk[..8], 18u64.to_be_bytes());
        assert_eq!(chunk[8..12], 16u32.to_be_bytes());
        assert_eq!(chunk[12..16], 13u32.to_be_bytes());
        let block = [0x43, 0xaa, 0xcc, 0xf0, 0, 1, 0, 0x50, 0, 0, 0, 0, 0];
        assert_eq!(chunk[16..written], [&block[..], &[8, 0]].concat());
    }
}
