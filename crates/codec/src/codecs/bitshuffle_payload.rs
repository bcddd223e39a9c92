//! Bitshuffle inside a frame: the lossless fall-back of every codec.

use super::bitshuffle::{bound, decode, decoded_len, encode};
use super::bitshuffle_planes::CHOSEN_BLOCK;
use super::bitshuffle_settings::{MULTIPLE, VERSION};
use crate::{Chunk, Context, Encoded, Error, Layout};

/// Bytes of a block inside a frame: the longer, the shorter the stream, and the faster.
const BLOCK_BYTES: usize = 1 << 20;

/// `cd_values` of the stream inside a frame: what is smaller for a block, zstd at level 1 or the encoder for bit planes.
fn frame_cd_values(layout: &Layout) -> [u32; 7] {
    let element_bytes = layout.element.bytes;
    let block = (BLOCK_BYTES / element_bytes / MULTIPLE * MULTIPLE).max(128);
    [
        VERSION[0],
        VERSION[1],
        element_bytes as u32,
        block as u32,
        3,
        1,
        CHOSEN_BLOCK,
    ]
}

/// Lossless storage for chunks whose codec has nothing to offer: the stream above with `frame_cd_values`, or nothing
/// where it would not be shorter than the chunk.
pub(crate) fn encode_fallback(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let values = frame_cd_values(chunk.layout);
    let mut stream = std::mem::take(&mut context.stream);
    let bound = bound(&values, chunk.bytes.len())?;
    if stream.len() < bound {
        stream = vec![0; bound];
    }
    let written = encode(context, &values, chunk.bytes, &mut stream);
    let fits = written.map(|len| {
        let fits = len < chunk.bytes.len();
        if fits {
            dst[..len].copy_from_slice(&stream[..len]);
        }
        fits.then_some(len)
    });
    context.stream = stream;
    fits
}

pub(super) fn encode_payload(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let len = encode_fallback(context, chunk, dst)?;
    Ok(len.map(Encoded::lossless))
}

pub(super) fn decode_payload(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let values = frame_cd_values(layout);
    if decoded_len(&values, payload)? != dst.len() {
        return Err(Error::Damaged {
            what: "bitshuffle stream of another length",
            offset: 0,
            len: payload.len(),
        });
    }
    decode(context, &values, payload, dst)
}
