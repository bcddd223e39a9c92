//! One row of the codec table.

use crate::{Certificate, Context, Error, Filter, Layout, Param, Spec};

/// A way to store a chunk that a user can name in a SPEC.
///
/// Command line, documentation and tests are derived from the [`CODECS`](crate::CODECS) table; a codec is added by
/// one file in `codecs/` and two lines in `codecs/mod.rs`.
pub struct Codec {
    /// Id in a frame. Never renumbered or reused; 0 is the raw chunk.
    pub id: u8,
    /// Name in a SPEC.
    pub name: &'static str,
    /// One line for listings.
    pub about: &'static str,
    /// Whether every value comes back bit for bit.
    pub lossless: bool,
    /// The keys a SPEC may set.
    pub params: &'static [Param],
    /// The HDF5 filter whose stream this codec writes.
    pub filter: &'static Filter,
    /// Refuses settings and element types that do not go together, before any data is seen.
    pub accepts: fn(&Spec, &Layout) -> Result<(), Error>,
    /// Encodes a chunk into the front of `dst`, which is as long as the chunk.
    ///
    /// `Ok(None)` says that the codec has nothing to offer: the result does not fit, or the promise cannot be kept. The
    /// frame then stores the chunk losslessly.
    pub encode: EncodeChunk,
    /// Decodes a payload into all of `dst`, a chunk of the given layout. Takes no settings: what it needs is in the
    /// payload. Returns an error, never panics, whatever the payload; offsets count from the start of the payload.
    pub decode: DecodePayload,
}

/// See [`Codec::encode`].
pub type EncodeChunk = fn(&mut Context, &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error>;
/// See [`Codec::decode`].
pub type DecodePayload =
    fn(&mut Context, &Layout, payload: &[u8], dst: &mut [u8]) -> Result<(), Error>;

/// A chunk to encode.
pub struct Chunk<'a> {
    /// The settings asked for.
    pub spec: &'a Spec,
    /// Element type, extent and fill value.
    pub layout: &'a Layout,
    /// The elements as stored, in C order; `layout.chunk_bytes()` long.
    pub bytes: &'a [u8],
}

/// What a codec made of a chunk.
pub struct Encoded {
    /// Bytes of payload written.
    pub len: usize,
    /// Promise and loss; the default for a lossless codec.
    pub certificate: Certificate,
    /// Id of the codec that wrote the payload, where it is not the one that was asked.
    pub by: Option<u8>,
    /// CRC-32C of what the payload decodes to, or `None` where that is the chunk itself, bit for bit.
    pub decoded_crc: Option<u32>,
}

impl Encoded {
    /// `len` bytes that decode to the chunk, bit for bit.
    pub fn lossless(len: usize) -> Self {
        Self {
            len,
            certificate: Certificate::default(),
            decoded_crc: None,
            by: None,
        }
    }
}
