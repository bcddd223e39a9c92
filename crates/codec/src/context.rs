//! Memory a thread keeps between chunks: compressor states and block scratch.
//!
//! A zstd context costs more to create than an 8 KiB block costs to compress, so a context lives as long as its
//! thread and is passed into every call. States are created when first used: a reader of LZ4 never owns a zstd
//! context.

use crate::Error;
use crate::entropy::literals;
use crate::entropy::lz4::Lz4;
use crate::entropy::zstd::Zstd;
use crate::entropy::zstd_frame::PlaneEncoder;
use crate::etalon_filter::LastRead;

/// Compressor states and scratch memory for one thread.
#[derive(Default)]
pub struct Context {
    /// Whether refused values are an error.
    refuses: bool,
    refusal: Option<String>,
    pub(crate) lz4: Lz4,
    pub(crate) zstd: Zstd,
    pub(crate) planes: PlaneEncoder,
    /// One block between transposition and compressor; as large as the largest block seen.
    pub(crate) block: Scratch,
    /// A compressed stream that may turn out longer than the room for it.
    pub(crate) stream: Vec<u8>,
    /// Indices of a palette or a quantiser, one per element.
    pub(crate) indices: Vec<u32>,
    /// The same in as few bytes as their maximum needs.
    pub(crate) narrow: Vec<u8>,
    /// Numbers of a chunk that is predicted.
    pub(crate) predicted_numbers: Vec<i32>,
    /// What the prediction of a chunk takes besides.
    pub(crate) predict: crate::entropy::predict::Memory,
    /// A frame that is decoded at once.
    pub(crate) frame: Vec<u8>,
    /// A chunk as one of several codecs stores it.
    pub(crate) trial: Vec<u8>,
    /// A part of a chunk on which codecs are tried.
    pub(crate) sample: crate::codecs::auto_sample::Sample,
    /// Settings that chunk after chunk is encoded with.
    pub(crate) settings: LastRead,
    /// Rows, planes and escapes of counts.
    pub(crate) counts: crate::codecs::counts_bbp::Memory,
    /// Rows, bins and symbols of counts that are expected from rows above.
    pub(crate) counts_fir: crate::codecs::counts_fir::Memory,
    /// Rows of labels and what is known of their edges.
    pub(crate) contours: crate::entropy::contours::Memory,
    /// What the parts of a big chunk are worked on with.
    pub(crate) threads: crate::threads::Threads,
    /// Places of the pixels of a frame, which cost more to find than a frame to clip.
    pub(crate) clip: crate::codecs::sigma_clip_geometry::Memory,
}

impl Context {
    /// An empty context; it allocates on first use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the state and memory for Huffman codes, which are otherwise made when indices first go to them.
    pub fn prepare_literals(&mut self) {
        literals::prepare(self);
    }

    /// A context with which a chunk whose values a lossy codec refuses is [`Error::Refused`], where
    /// it would else be stored losslessly.
    pub fn refusing() -> Self {
        Self {
            refuses: true,
            ..Self::default()
        }
    }

    /// What becomes of an encoder's refusal: an error, or a note and nothing.
    pub(crate) fn judge<T>(
        &mut self,
        encoded: Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        match encoded {
            Err(Error::Refused(reason)) if !self.refuses => {
                self.refusal = Some(reason);
                Ok(None)
            }
            other => other,
        }
    }

    /// Why the chunk that was encoded last is stored losslessly, where a lossy codec has refused its values.
    pub fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }
}

/// Bytes that begin at a cache line: the transposition loses 15 % on buffers that do not.
#[derive(Default)]
pub(crate) struct Scratch(Vec<u8>);

const CACHE_LINE: usize = 64;

impl Scratch {
    /// The first `len` bytes, with whatever was in them. Grows exactly: a doubled vector would hold memory that no chunk
    /// has earned.
    pub(crate) fn bytes(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len + CACHE_LINE {
            self.0 = vec![0; len + CACHE_LINE];
        }
        let start = self.0.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE);
        &mut self.0[start..start + len]
    }
}
