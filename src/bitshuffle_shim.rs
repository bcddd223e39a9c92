//! The functions of bitshuffle's own C library, for programs that are linked with this one instead.
//!
//! Names, arguments and answers are those of bitshuffle 0.5. Bytes are those of LZ4 1.10 and zstd 1.5.7. Memory between
//! transposition and compressor is the thread's and is kept. There is no OpenMP here: a program that wants threads
//! encodes a chunk in each.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};

use etalon_codec::codecs::bitshuffle_bare;
use etalon_codec::kernels::levels::Level;
use etalon_codec::{Context, Error};

use crate::guard::{bytes, bytes_mut, check_disjoint};
use crate::status::Failure;

/// Answers of bitshuffle's functions. A pointer that is NULL has none of its own.
const NO_ARGUMENT: i64 = -1;
const WRONG_SIZE: i64 = -80;
const WRONG_BLOCK: i64 = -81;
const DAMAGED: i64 = -91;
const COMPRESSOR: i64 = -1000;
/// Length in front of each compressed block.
const LENGTH_BYTES: usize = 4;

const NONE: u32 = 0;
const LZ4: u32 = 2;
const ZSTD: u32 = 3;

/// What a call is about.
struct Call {
    /// Stored values of filter 32008.
    cd_values: [u32; 6],
    /// Size of the elements in bytes.
    len: usize,
    /// Size of a block in bytes.
    block_bytes: usize,
    /// Size of what is in blocks.
    blocked_bytes: usize,
}

impl Call {
    fn new(
        size: usize,
        elem_size: usize,
        block_size: usize,
        compressor: u32,
        level: c_int,
    ) -> Result<Self, i64> {
        let element = u32::try_from(elem_size).map_err(|_| WRONG_SIZE)?;
        let len = size.checked_mul(elem_size).ok_or(WRONG_SIZE)?;
        if element == 0 || len > isize::MAX as usize {
            return Err(WRONG_SIZE);
        }
        let elements = match block_size {
            0 => bshuf_default_block_size(elem_size),
            elements => elements,
        };
        let block = u32::try_from(elements).map_err(|_| WRONG_BLOCK)?;
        let call = Self {
            cd_values: [0, 4, element, block, compressor, level as u32],
            len,
            block_bytes: elements.checked_mul(elem_size).ok_or(WRONG_BLOCK)?,
            blocked_bytes: size / 8 * 8 * elem_size,
        };
        // Refuses blocks that are no multiple of 8 elements, or larger than a compressor takes.
        call.bound(0)?;
        Ok(call)
    }

    fn bound(&self, len: usize) -> Result<usize, i64> {
        bitshuffle_bare::bound(&self.cd_values, len).map_err(|_| WRONG_BLOCK)
    }

    /// # Safety
    /// The elements can be read at `src`, and `bound` bytes be written to `dst`.
    unsafe fn encode(&self, src: *const c_void, dst: *mut c_void) -> Result<i64, i64> {
        let bound = self.bound(self.len)?;
        check_disjoint(src, self.len, dst, bound).map_err(code)?;
        // SAFETY: the caller's promise; they share no memory.
        let (src, dst) = unsafe {
            (
                bytes("in", src, self.len).map_err(code)?,
                bytes_mut("out", dst, bound).map_err(code)?,
            )
        };
        with_context(|context| bitshuffle_bare::encode(context, &self.cd_values, src, dst))
    }

    /// # Safety
    /// A stream can be read at `src` as far as its own lengths say, and the elements be written to `dst`.
    unsafe fn decode(&self, src: *const c_void, dst: *mut c_void) -> Result<i64, i64> {
        // SAFETY: the caller's promise.
        let stream_bytes = unsafe { self.stream_bytes(src) }?;
        check_disjoint(src, stream_bytes, dst, self.len).map_err(code)?;
        // SAFETY: the caller's promise; they share no memory.
        let (src, dst) = unsafe {
            (
                bytes("in", src, stream_bytes).map_err(code)?,
                bytes_mut("out", dst, self.len).map_err(code)?,
            )
        };
        with_context(|context| bitshuffle_bare::decode(context, &self.cd_values, src, dst))
    }

    /// Length of a stream, which bitshuffle's callers do not tell: block by block, none longer than an encoder writes.
    ///
    /// # Safety
    /// As for `decode`.
    unsafe fn stream_bytes(&self, src: *const c_void) -> Result<usize, i64> {
        if self.cd_values[4] == NONE {
            return Ok(self.len);
        }
        if src.is_null() {
            return Err(NO_ARGUMENT);
        }
        let longest = self.bound(self.block_bytes)?;
        let mut at = 0;
        for _ in 0..self.blocked_bytes.div_ceil(self.block_bytes) {
            let mut length = [0; LENGTH_BYTES];
            // SAFETY: the caller's promise: a block begins here.
            unsafe {
                length
                    .as_mut_ptr()
                    .copy_from(src.cast::<u8>().add(at), LENGTH_BYTES)
            };
            let block = u32::from_be_bytes(length) as usize;
            if block > longest {
                return Err(DAMAGED);
            }
            at += LENGTH_BYTES + block;
        }
        Ok(at + self.len - self.blocked_bytes)
    }
}

fn code(failure: Failure) -> i64 {
    match failure {
        Failure::Null(_) => NO_ARGUMENT,
        _ => WRONG_SIZE,
    }
}

fn code_of(error: Error) -> i64 {
    match error {
        Error::Truncated { .. } | Error::Damaged { .. } => DAMAGED,
        Error::Compressor(_) => COMPRESSOR,
        _ => WRONG_SIZE,
    }
}

fn with_context(body: impl FnOnce(&mut Context) -> Result<usize, Error>) -> Result<i64, i64> {
    thread_local! {
        static CONTEXT: RefCell<Context> = RefCell::new(Context::new());
    }
    let done = CONTEXT.with_borrow_mut(body);
    done.map(|len| len as i64).map_err(code_of)
}

/// A call of bitshuffle: nothing unwinds into C.
fn answer(body: impl FnOnce() -> Result<i64, i64>) -> i64 {
    match etalon_filter::catch(body) {
        Ok(Ok(answer) | Err(answer)) => answer,
        Err(_) => COMPRESSOR,
    }
}

/// Whether SSE2 is in use: 1 or 0.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_using_SSE2() -> c_int {
    c_int::from(cfg!(target_arch = "x86_64") && Level::best() != Level::SCALAR)
}

/// Whether NEON is in use: 1 or 0.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_using_NEON() -> c_int {
    c_int::from(cfg!(target_arch = "aarch64") && Level::best() != Level::SCALAR)
}

/// Whether AVX2 is in use: 1 or 0.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_using_AVX2() -> c_int {
    c_int::from(Level::best().name().starts_with("avx"))
}

/// Whether AVX-512 is in use: 1 or 0.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_using_AVX512() -> c_int {
    c_int::from(Level::best().name().starts_with("avx512"))
}

/// Elements in a block where a caller passes 0: 8192 bytes of them, 128 at least.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_default_block_size(elem_size: usize) -> usize {
    let fitting = 8192usize.checked_div(elem_size).unwrap_or(0);
    (fitting / 8 * 8).max(128)
}

/// Transposes the bits of `size` elements, block by block, from `in_` to `out` of the same size.
///
/// Thread-safe. Returns the number of bytes, or a negative code.
///
/// # Safety
/// `size * elem_size` bytes can be read at `in_` and written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bshuf_bitshuffle(
    in_: *const c_void,
    out: *mut c_void,
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> i64 {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, NONE, 0)?;
        // SAFETY: the caller's promise.
        unsafe { call.encode(in_, out) }
    })
}

/// The inverse of `bshuf_bitshuffle`.
///
/// Thread-safe. Returns the number of bytes, or a negative code.
///
/// # Safety
/// `size * elem_size` bytes can be read at `in_` and written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bshuf_bitunshuffle(
    in_: *const c_void,
    out: *mut c_void,
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> i64 {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, NONE, 0)?;
        // SAFETY: the caller's promise.
        unsafe { call.decode(in_, out) }
    })
}

/// Most bytes that `bshuf_compress_lz4` writes; a negative code as size_t where the block size is wrong, as in bitshuffle.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_compress_lz4_bound(
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> usize {
    bound(size, elem_size, block_size, LZ4)
}

/// Most bytes that `bshuf_compress_zstd` writes; a negative code as size_t where the block size is wrong, as in bitshuffle.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn bshuf_compress_zstd_bound(
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> usize {
    bound(size, elem_size, block_size, ZSTD)
}

fn bound(size: usize, elem_size: usize, block_size: usize, compressor: u32) -> usize {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, compressor, 0)?;
        Ok(call.bound(call.len)? as i64)
    }) as usize
}

/// Transposes and compresses `size` elements: blocks with their lengths, without the header of an HDF5 chunk.
///
/// Thread-safe. Returns the number of bytes written, or a negative code.
///
/// # Safety
/// The elements can be read at `in_`, and `bshuf_compress_lz4_bound` bytes be written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bshuf_compress_lz4(
    in_: *const c_void,
    out: *mut c_void,
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> i64 {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, LZ4, 0)?;
        // SAFETY: the caller's promise.
        unsafe { call.encode(in_, out) }
    })
}

/// The same with zstd of level `comp_lvl`.
///
/// Thread-safe. Returns the number of bytes written, or a negative code.
///
/// # Safety
/// The elements can be read at `in_`, and `bshuf_compress_zstd_bound` bytes be written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bshuf_compress_zstd(
    in_: *const c_void,
    out: *mut c_void,
    size: usize,
    elem_size: usize,
    block_size: usize,
    comp_lvl: c_int,
) -> i64 {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, ZSTD, comp_lvl)?;
        // SAFETY: the caller's promise.
        unsafe { call.encode(in_, out) }
    })
}

/// The inverse of `bshuf_compress_lz4`. The length of the stream is not passed, so only streams that are whole may be
/// given: use `etalon_decode` for data that may be damaged.
///
/// Thread-safe. Returns the number of bytes of `in_` that were read, or a negative code.
///
/// # Safety
/// A whole stream can be read at `in_`, and `size * elem_size` bytes be written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bshuf_decompress_lz4(
    in_: *const c_void,
    out: *mut c_void,
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> i64 {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, LZ4, 0)?;
        // SAFETY: the caller's promise.
        unsafe { call.decode(in_, out) }
    })
}

/// The inverse of `bshuf_compress_zstd`, with the same warning as `bshuf_decompress_lz4`.
///
/// Thread-safe. Returns the number of bytes of `in_` that were read, or a negative code.
///
/// # Safety
/// A whole stream can be read at `in_`, and `size * elem_size` bytes be written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bshuf_decompress_zstd(
    in_: *const c_void,
    out: *mut c_void,
    size: usize,
    elem_size: usize,
    block_size: usize,
) -> i64 {
    answer(|| {
        let call = Call::new(size, elem_size, block_size, ZSTD, 0)?;
        // SAFETY: the caller's promise.
        unsafe { call.decode(in_, out) }
    })
}
