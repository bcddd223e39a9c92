//! The blocks of filter 32008 without the 12 bytes before them: what bitshuffle's C functions write and read.
//!
//! Length and block length of such a stream are known from elsewhere: a detector's message, or the chunk's own header
//! written by somebody else. `cd_values` are stored ones. Without compressor the stream is the transposed blocks.

use super::bitshuffle::{self, Blocks, LENGTH_BYTES, check_block, fill_block, slice};
use super::bitshuffle_parts;
use super::bitshuffle_settings::{Compressor, Settings};
use crate::kernels::bittranspose::bit_untranspose;
use crate::kernels::levels::Level;
use crate::{Context, Error};

/// Largest number of bytes that `encode` writes for `src_len` bytes.
pub fn bound(cd_values: &[u32], src_len: usize) -> Result<usize, Error> {
    let with_header = bitshuffle::bound(cd_values, src_len)?;
    Ok(with_header - Settings::stored(cd_values)?.header_bytes())
}

/// Encodes `src` into the front of `dst`; returns the number of bytes written.
pub fn encode(
    context: &mut Context,
    cd_values: &[u32],
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let (settings, blocks) = cut(cd_values, src.len())?;
    let needed = bound(cd_values, src.len())?;
    if dst.len() < needed {
        return Err(Error::OutputSize {
            given: dst.len(),
            needed,
        });
    }
    bitshuffle_parts::encode(context, &settings, blocks, src, dst)
}

/// Decodes the front of `stream` into all of `dst`; returns the number of bytes that took.
pub fn decode(
    context: &mut Context,
    cd_values: &[u32],
    stream: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let (settings, blocks) = cut(cd_values, dst.len())?;
    let level = Level::best();
    let mut at = 0;
    for range in blocks.iter() {
        let len = range.len();
        let taken = fill_block(context, &settings, stream, at, len)?;
        if settings.compressor != Compressor::None {
            check_block(&settings, len, taken - LENGTH_BYTES, at, stream.len())?;
        }
        at += taken;
        let block = context.block.bytes(len);
        bit_untranspose(level, settings.element_bytes, block, &mut dst[range]);
    }
    let left = &mut dst[blocks.blocked..];
    left.copy_from_slice(slice(stream, "the last elements", at, left.len())?);
    Ok(at + left.len())
}

fn cut(cd_values: &[u32], len: usize) -> Result<(Settings, Blocks), Error> {
    let settings = Settings::complete(cd_values)?;
    if !len.is_multiple_of(settings.element_bytes) {
        return Err(Error::Settings(format!(
            "{len} bytes are no whole number of {}-byte elements",
            settings.element_bytes
        )));
    }
    let blocks = Blocks::of(&settings, len, settings.block_bytes());
    Ok((settings, blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_blocks_are_the_chunk_without_its_header() {
        let src: Vec<u8> = (0..50_003u32)
            .flat_map(|i| ((i * i) >> 9 & 7).to_le_bytes())
            .collect();
        let mut context = Context::new();
        for options in [[0, 2, 0], [0, 3, 5], [4096, 2, 0], [0, 0, 0]] {
            let values = [[0, 4, 4], options].concat();
            let mut chunk = vec![0; bitshuffle::bound(&values, src.len()).unwrap()];
            let len = bitshuffle::encode(&mut context, &values, &src, &mut chunk).unwrap();
            let header_bytes = Settings::stored(&values).unwrap().header_bytes();
            let mut stream = vec![0; bound(&values, src.len()).unwrap()];
            assert_eq!(stream.len() + header_bytes, chunk.len());
            let written = encode(&mut context, &values, &src, &mut stream).unwrap();
            assert_eq!(stream[..written], chunk[header_bytes..len], "{options:?}");

            let mut back = vec![0xcc; src.len()];
            let taken = decode(&mut context, &values, &stream, &mut back).unwrap();
            assert_eq!((taken, &back), (written, &src), "{options:?}");
            for cut in [0, 1, 4, written / 2, written - 1] {
                assert!(decode(&mut context, &values, &stream[..cut], &mut back).is_err());
            }
        }
    }
}
