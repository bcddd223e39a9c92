//! Decoding of indices, whichever back end has packed them: see `entropy/indices.rs` for the format.

use crate::codecs::{bitshuffle, counts_indices};
use crate::entropy::bits::{BLOCK, packed_len, unpack};
use crate::entropy::indices::{
    BITS, BITSHUFFLE, CONTOURS, COUNTS, HEADER_BYTES, LITERALS, PREDICTED, REGIONS,
    bitshuffle_values, grow,
};
use crate::entropy::{indices_contours, indices_predicted, indices_regions, literals};
use crate::{Context, Error};

/// Unpacks `payload` into `context.indices`, exactly `elements` of them.
pub(crate) fn decode(context: &mut Context, elements: usize, payload: &[u8]) -> Result<(), Error> {
    let width = match *payload {
        [BITS, 0..=8, ..]
        | [
            BITSHUFFLE | LITERALS | PREDICTED | COUNTS | REGIONS | CONTOURS,
            1,
            ..,
        ] => 1,
        [BITS, 9..=16, ..]
        | [
            BITSHUFFLE | LITERALS | PREDICTED | COUNTS | REGIONS | CONTOURS,
            2,
            ..,
        ] => 2,
        _ => 4,
    };
    let mut indices = std::mem::take(&mut context.indices);
    indices.clear();
    let decoded = decode_narrow(context, width, elements, payload, |block| {
        // The payload has been found to hold that many.
        if indices.is_empty() {
            indices.reserve_exact(elements);
        }
        match width {
            1 => indices.extend(block.iter().map(|&index| u32::from(index))),
            2 => indices.extend(
                block
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&index| u32::from(u16::from_le_bytes(index))),
            ),
            _ => indices.extend(
                block
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&index| u32::from_le_bytes(index)),
            ),
        }
        true
    });
    context.indices = indices;
    decoded.map(|_| ())
}

/// Unpacks `payload` into `elements` indices of `width` bytes, little-endian, and gives them to `consume` in blocks of
/// [`BLOCK`] until that returns false; the last block may be short. Says whether all were consumed.
///
/// Nothing is believed about the values: an index may be any number that `width` bytes hold.
pub(crate) fn decode_narrow(
    context: &mut Context,
    width: usize,
    elements: usize,
    payload: &[u8],
    mut consume: impl FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let Some((&[backend, parameter], packed)) = payload.split_first_chunk() else {
        return Err(Error::Truncated {
            what: "the header of the indices",
            offset: 0,
            needed: HEADER_BYTES,
            len: payload.len(),
        });
    };
    match backend {
        BITS => {
            let bits = u32::from(parameter);
            if bits as usize > 8 * width {
                return Err(damaged("index wider than expected", payload));
            }
            if packed_len(elements, bits) != Some(packed.len()) {
                return Err(damaged("packed indices of another length", payload));
            }
            Ok(unpack(width, packed, bits, elements, consume))
        }
        BITSHUFFLE => {
            let mut indices = std::mem::take(&mut context.narrow);
            let decoded =
                decode_bitshuffle(context, parameter, width, elements, packed, &mut indices)
                    .map(|len| indices[..len].chunks(BLOCK * width).all(&mut consume));
            context.narrow = indices;
            decoded.map_err(|error| error.at(HEADER_BYTES))
        }
        LITERALS if usize::from(parameter) == width => {
            let decoded = literals::decode(context, width, elements, packed, consume);
            decoded.map_err(|error| error.at(HEADER_BYTES))
        }
        PREDICTED if usize::from(parameter) == width => {
            let decoded = indices_predicted::decode(context, width, elements, packed, consume);
            decoded.map_err(|error| error.at(HEADER_BYTES))
        }
        COUNTS if usize::from(parameter) == width => {
            let decoded = counts_indices::decode(context, width, elements, packed, consume);
            decoded.map_err(|error| error.at(HEADER_BYTES))
        }
        REGIONS if usize::from(parameter) == width => {
            let mut indices = std::mem::take(&mut context.narrow);
            let len = elements.saturating_mul(width);
            let decoded = indices_regions::decode(context, len, packed, &mut indices)
                .map(|()| indices[..len].chunks(BLOCK * width).all(&mut consume));
            context.narrow = indices;
            decoded.map_err(|error| error.at(HEADER_BYTES))
        }
        CONTOURS if usize::from(parameter) == width => {
            let decoded = indices_contours::decode(context, width, elements, packed, consume);
            decoded.map_err(|error| error.at(HEADER_BYTES))
        }
        LITERALS | PREDICTED | COUNTS | REGIONS | CONTOURS => {
            Err(damaged("indices of another width", payload))
        }
        _ => Err(damaged("unknown back end of indices", payload)),
    }
}

/// Returns the bytes of `indices` that were filled.
fn decode_bitshuffle(
    context: &mut Context,
    parameter: u8,
    width: usize,
    elements: usize,
    stream: &[u8],
    indices: &mut Vec<u8>,
) -> Result<usize, Error> {
    let values = bitshuffle_values(width);
    let len = (bitshuffle::FILTER.decoded_len)(&values, stream)?;
    if usize::from(parameter) != width || elements.checked_mul(width) != Some(len) {
        return Err(damaged("bitshuffled indices of another length", stream));
    }
    grow(indices, len);
    (bitshuffle::FILTER.decode)(context, &values, stream, &mut indices[..len])?;
    Ok(len)
}

fn damaged(what: &'static str, payload: &[u8]) -> Error {
    Error::Damaged {
        what,
        offset: 0,
        len: payload.len(),
    }
}
