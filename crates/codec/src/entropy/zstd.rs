//! Zstandard with contexts that are re-used.
//!
//! Creating a context costs more than compressing a block of 8 KiB. A re-used context gives the same bytes as
//! `ZSTD_compress`, because every call sets all parameters from the level.

use zstd_safe::{CCtx, CParameter, DCtx, Strategy};

use crate::Error;

/// Contexts for both directions, created on first use.
#[derive(Default)]
pub(crate) struct Zstd {
    encoder: Option<CCtx<'static>>,
    /// Its parameters are not those of a level.
    literals: Option<CCtx<'static>>,
    /// Takes whole chunks. Between blocks, for which its memory is too large, zstd would give that back each time.
    regions: Option<CCtx<'static>>,
    decoder: Option<DCtx<'static>>,
}

/// Largest number of bytes `src_len` bytes compress to.
pub(crate) fn bound(src_len: usize) -> usize {
    zstd_safe::compress_bound(src_len)
}

/// Largest output `compressed` bytes can stand for: a block of 128 KiB takes 4 bytes at least (RFC 8878, RLE block).
pub(crate) fn max_decoded_len(compressed: usize) -> usize {
    (compressed / 4).saturating_mul(128 << 10)
}

impl Zstd {
    /// Compresses `src` into the front of `dst`; returns the bytes written.
    pub(crate) fn compress(
        &mut self,
        src: &[u8],
        dst: &mut [u8],
        level: i32,
    ) -> Result<usize, Error> {
        self.encoder
            .get_or_insert_with(CCtx::create)
            .compress(dst, src, level)
            .map_err(|_| Error::Compressor("zstd"))
    }

    /// Compresses a whole chunk into the front of `dst`; `None` where it does not fit.
    pub(crate) fn compress_chunk(
        &mut self,
        src: &[u8],
        dst: &mut [u8],
        level: i32,
    ) -> Option<usize> {
        let encoder = self.regions.get_or_insert_with(CCtx::create);
        encoder.compress(dst, src, level).ok()
    }

    /// Compresses bytes without repetitions into the front of `dst`: Huffman codes, and hardly a look for matches.
    /// `None` where they do not fit.
    pub(crate) fn compress_literals(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        let encoder = self.literals.get_or_insert_with(|| {
            let mut encoder = CCtx::create();
            for parameter in [
                CParameter::CompressionLevel(1),
                CParameter::Strategy(Strategy::ZSTD_fast),
                CParameter::HashLog(6),
                CParameter::MinMatch(7),
            ] {
                // A parameter that is refused costs time, not correctness.
                let _ = encoder.set_parameter(parameter);
            }
            encoder
        });
        encoder.compress2(dst, src).ok()
    }

    /// Decompresses `src` into all of `dst`; false where the stream is damaged or has another length.
    pub(crate) fn decompress(&mut self, src: &[u8], dst: &mut [u8]) -> bool {
        let expected = dst.len();
        self.decoder
            .get_or_insert_with(DCtx::create)
            .decompress(dst, src)
            .is_ok_and(|written| written == expected)
    }
}
