//! Memory a thread keeps between chunks: compressor states and block scratch.
//!
//! A zstd context costs more to create than an 8 KiB block costs to compress, so a context lives as long as its
//! thread and is passed into every call. States are created when first used: a reader of LZ4 never owns a zstd
//! context.

use crate::entropy::lz4::Lz4;
use crate::entropy::zstd::Zstd;

/// Compressor states and scratch memory for one thread.
#[derive(Default)]
pub struct Context {
    pub(crate) lz4: Lz4,
    pub(crate) zstd: Zstd,
    /// One block between transposition and compressor; as large as the largest block seen.
    pub(crate) block: Vec<u8>,
    /// A compressed stream that may turn out longer than the room for it.
    pub(crate) stream: Vec<u8>,
    /// Indices of a palette or a quantiser, one per element.
    pub(crate) indices: Vec<u32>,
    /// The same in as few bytes as their maximum needs.
    pub(crate) narrow: Vec<u8>,
}

impl Context {
    /// An empty context; it allocates on first use.
    pub fn new() -> Self {
        Self::default()
    }
}
