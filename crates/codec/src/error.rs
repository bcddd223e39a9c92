//! What can go wrong in a codec, in the caller's terms.

/// Why a codec refused its input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The settings contradict each other, name something unknown, or do not fit the data; the text says what to do.
    #[error("{0}")]
    Settings(String),
    /// The values of a chunk are none that the codec should lose anything of; the text says why and what to do. Encoders
    /// of filters store such a chunk losslessly: see [`Context::refusing`](crate::Context::refusing).
    #[error("{0}")]
    Refused(String),
    /// The chunk ends before a part that its own header announces.
    #[error(
        "chunk is truncated: {what} needs {needed} bytes at offset {offset}, the chunk has {len}"
    )]
    Truncated {
        /// The part of the stream that is cut off.
        what: &'static str,
        /// Where that part begins, in bytes from the start of the chunk.
        offset: usize,
        /// How many bytes that part needs.
        needed: usize,
        /// How many bytes the chunk holds.
        len: usize,
    },
    /// A check on the chunk failed.
    #[error("chunk is damaged: {what} at offset {offset} of {len} bytes")]
    Damaged {
        /// The check that failed.
        what: &'static str,
        /// Where the check failed, in bytes from the start of the chunk.
        offset: usize,
        /// How many bytes the chunk holds.
        len: usize,
    },
    /// The buffer given for the result has the wrong size.
    #[error("the output buffer holds {given} bytes where {needed} are needed")]
    OutputSize {
        /// The size of the buffer that was given, in bytes.
        given: usize,
        /// The size that is needed, in bytes.
        needed: usize,
    },
    /// A compressor refused data it should accept.
    #[error("{0} failed to compress")]
    Compressor(&'static str),
}

impl Error {
    /// The same error in a part that begins `start` bytes into the chunk.
    pub(crate) fn at(self, start: usize) -> Self {
        match self {
            Self::Truncated {
                what,
                offset,
                needed,
                len,
            } => Self::Truncated {
                what,
                offset: offset + start,
                needed,
                len: len + start,
            },
            Self::Damaged { what, offset, len } => Self::Damaged {
                what,
                offset: offset + start,
                len: len + start,
            },
            other => other,
        }
    }
}
