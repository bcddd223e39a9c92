//! A big bitshuffle chunk in parts of whole blocks, for several threads. Blocks know nothing of each other, so the bytes
//! are those of one thread, except with the encoder for bit planes, which tries its ways on some blocks for the others.

use super::bitshuffle::{Blocks, block_lens, decode_blocks, encode_blocks};
use super::bitshuffle_settings::{Compressor, Settings};
use crate::threads::{PART_BYTES, share};
use crate::{Context, Error};

/// Bytes of whole blocks in a part, or `None` where the chunk stays whole.
fn part_bytes(context: &Context, blocks: Blocks) -> Option<usize> {
    let part = PART_BYTES.next_multiple_of(blocks.whole);
    (context.shares(blocks.blocked) && part < blocks.blocked).then_some(part)
}

struct EncodePart<'a> {
    src: &'a [u8],
    dst: &'a mut [u8],
    written: &'a mut usize,
}

/// The blocks and the elements that are left, into the front of `dst`, which has room for the longest stream.
pub(super) fn encode(
    context: &mut Context,
    settings: &Settings,
    blocks: Blocks,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let Some(part_bytes) =
        part_bytes(context, blocks).filter(|_| settings.compressor != Compressor::Planes)
    else {
        return encode_blocks(context, settings, blocks, src, dst);
    };
    let srcs: Vec<&[u8]> = src.chunks(part_bytes).collect();
    let blocks_of = |src: &[u8]| Blocks::of(settings, src.len(), blocks.whole);
    let room = |src: &[u8]| blocks_of(src).bound(settings, src.len());
    let mut written = vec![0; srcs.len()];
    let mut parts = Vec::with_capacity(srcs.len());
    let mut rest = &mut dst[..];
    for (src, written) in srcs.iter().zip(&mut written) {
        let (dst, after) = rest.split_at_mut(room(src));
        parts.push(EncodePart { src, dst, written });
        rest = after;
    }
    share(context, parts, |context, part| {
        *part.written = encode_blocks(context, settings, blocks_of(part.src), part.src, part.dst)?;
        Ok(())
    })?;
    let (mut from, mut to) = (0, 0);
    for (src, len) in srcs.iter().zip(written) {
        dst.copy_within(from..from + len, to);
        from += room(src);
        to += len;
    }
    Ok(to)
}

struct DecodePart<'a> {
    /// Where its blocks begin in the chunk.
    at: usize,
    blocks: Blocks,
    dst: &'a mut [u8],
}

/// The blocks of a chunk that was checked, into the front of `dst`; returns where the elements begin that are left.
pub(super) fn decode(
    context: &mut Context,
    settings: &Settings,
    blocks: Blocks,
    chunk: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let start = settings.header_bytes();
    let Some(part_bytes) = part_bytes(context, blocks) else {
        return decode_blocks(context, settings, blocks, chunk, start, dst);
    };
    let blocks_of = |len| Blocks {
        blocked: len,
        ..blocks
    };
    let mut lens = block_lens(settings, blocks, chunk);
    let mut at = start;
    let mut parts = Vec::with_capacity(blocks.blocked.div_ceil(part_bytes));
    for dst in dst[..blocks.blocked].chunks_mut(part_bytes) {
        let blocks = blocks_of(dst.len());
        parts.push(DecodePart { at, blocks, dst });
        for len in lens.by_ref().take(blocks.count()) {
            at += len?;
        }
    }
    share(context, parts, |context, part| {
        decode_blocks(context, settings, part.blocks, chunk, part.at, part.dst).map(drop)
    })?;
    Ok(at)
}
