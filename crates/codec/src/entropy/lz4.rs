//! LZ4 block format through the C library, with a state that is re-used.
//!
//! Bytes in files must equal those of every other bitshuffle writer, so the C library it is: `lz4_flex` chooses other
//! matches. `LZ4_compress_fast_extState` clears the 16 KiB table for each block and thereby gives the very bytes of
//! `LZ4_compress_default`; the faster reset may find fewer matches and is not used.

#![allow(unsafe_code)]

use std::os::raw::{c_char, c_int, c_void};

use crate::Error;

// Links the static library that lz4-sys builds.
use lz4_sys as _;

/// `LZ4_MAX_INPUT_SIZE` of lz4.h.
pub(crate) const MAX_INPUT: usize = 0x7E00_0000;

/// `LZ4_MAX_DECOMPRESSION`: no LZ4 byte stands for more than 255 bytes of output, plus what one token may add.
pub(crate) fn max_decoded_len(compressed: usize) -> usize {
    compressed.saturating_mul(255).saturating_add(64)
}

unsafe extern "C" {
    fn LZ4_compress_fast_extState(
        state: *mut c_void,
        src: *const c_char,
        dst: *mut c_char,
        src_len: c_int,
        dst_capacity: c_int,
        acceleration: c_int,
    ) -> c_int;
    fn LZ4_decompress_safe(
        src: *const c_char,
        dst: *mut c_char,
        src_len: c_int,
        dst_capacity: c_int,
    ) -> c_int;
    fn LZ4_sizeofState() -> c_int;
}

/// Compressor state, allocated on first use.
#[derive(Default)]
pub(crate) struct Lz4 {
    state: Vec<u64>,
}

/// Largest number of bytes `src_len` bytes compress to: `LZ4_compressBound`.
pub(crate) fn bound(src_len: usize) -> usize {
    src_len + src_len / 255 + 16
}

impl Lz4 {
    /// Compresses `src` into the front of `dst`; returns the bytes written.
    pub(crate) fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        let failed = Error::Compressor("LZ4");
        if src.len() > MAX_INPUT {
            return Err(failed);
        }
        if self.state.is_empty() {
            // SAFETY: the function takes nothing and returns a constant.
            let state_bytes = unsafe { LZ4_sizeofState() } as usize;
            self.state = vec![0; state_bytes.div_ceil(8)];
        }
        let capacity = dst.len().min(c_int::MAX as usize) as c_int;
        // SAFETY: `state` has the size the library asks for and the 8-byte alignment of u64; both slices are valid for
        // the lengths given with them, which fit c_int because of the check on MAX_INPUT and the minimum above.
        let written = unsafe {
            LZ4_compress_fast_extState(
                self.state.as_mut_ptr().cast(),
                src.as_ptr().cast(),
                dst.as_mut_ptr().cast(),
                src.len() as c_int,
                capacity,
                1,
            )
        };
        if written > 0 {
            Ok(written as usize)
        } else {
            Err(failed)
        }
    }
}

/// Decompresses `src` into all of `dst`; false where the stream is damaged or has another length.
pub(crate) fn decompress(src: &[u8], dst: &mut [u8]) -> bool {
    let (Ok(src_len), Ok(dst_len)) = (c_int::try_from(src.len()), c_int::try_from(dst.len()))
    else {
        return false;
    };
    // SAFETY: both slices are valid for the lengths given; the function never reads or writes beyond them.
    let written = unsafe {
        LZ4_decompress_safe(
            src.as_ptr().cast(),
            dst.as_mut_ptr().cast(),
            src_len,
            dst_len,
        )
    };
    written == dst_len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_is_the_librarys() {
        for len in [0, 1, 15, 254, 255, 256, 8192, 1 << 20] {
            // SAFETY: a pure function of a number.
            let expected = unsafe { lz4_sys::LZ4_compressBound(len as c_int) };
            assert_eq!(bound(len), expected as usize, "{len}");
        }
    }
}
