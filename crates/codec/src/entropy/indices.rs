//! Indices of a palette or a quantiser, packed by whichever back end is smallest.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | back end: 0 bit-packing, 1 bitshuffle with zstd |
//! | 1 | 1 | bit-packing: bits per index b, 0–32; bitshuffle: bytes per index, 1, 2 or 4 |
//! | 2 | | back end 0: plane by plane … ; back end 1: a bitshuffle stream (see `codecs/bitshuffle.rs`) |

use crate::{Context, Error};

/// Packs `context.indices`, all of them ≤ `max`, into the front of `dst`; `None` where they do not fit.
pub(crate) fn encode(
    context: &mut Context,
    max: u32,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let _ = (context, max, dst);
    Ok(None)
}

/// Unpacks `payload` into `context.indices`, exactly `elements` of them.
pub(crate) fn decode(context: &mut Context, elements: usize, payload: &[u8]) -> Result<(), Error> {
    let _ = (context, elements);
    Err(Error::Damaged {
        what: "unknown back end",
        offset: 0,
        len: payload.len(),
    })
}
