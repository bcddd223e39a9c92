/* The functions of bitshuffle's C library as libetalon has them: for programs without bitshuffle's own bitshuffle.h.
 *
 * Generated from src/bitshuffle_shim.rs by cbindgen and compared in a test. A program written against bitshuffle.h needs
 * no change: link it with -letalon instead of -lbitshuffle.
 */

#ifndef ETALON_BITSHUFFLE_H
#define ETALON_BITSHUFFLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Whether SSE2 is in use: 1 or 0.
 *
 * Thread-safe.
 */
int bshuf_using_SSE2(void);

/**
 * Whether NEON is in use: 1 or 0.
 *
 * Thread-safe.
 */
int bshuf_using_NEON(void);

/**
 * Whether AVX2 is in use: 1 or 0.
 *
 * Thread-safe.
 */
int bshuf_using_AVX2(void);

/**
 * Whether AVX-512 is in use: 1 or 0.
 *
 * Thread-safe.
 */
int bshuf_using_AVX512(void);

/**
 * Elements in a block where a caller passes 0: 8192 bytes of them, 128 at least.
 *
 * Thread-safe.
 */
size_t bshuf_default_block_size(size_t elem_size);

/**
 * Transposes the bits of `size` elements, block by block, from `in_` to `out` of the same size.
 *
 * Thread-safe. Returns the number of bytes, or a negative code.
 */
int64_t bshuf_bitshuffle(const void *in_, void *out, size_t size, size_t elem_size, size_t block_size);

/**
 * The inverse of `bshuf_bitshuffle`.
 *
 * Thread-safe. Returns the number of bytes, or a negative code.
 */
int64_t bshuf_bitunshuffle(const void *in_, void *out, size_t size, size_t elem_size, size_t block_size);

/**
 * Most bytes that `bshuf_compress_lz4` writes; a negative code as size_t where the block size is wrong, as in bitshuffle.
 *
 * Thread-safe.
 */
size_t bshuf_compress_lz4_bound(size_t size,
                                size_t elem_size,
                                size_t block_size);

/**
 * Most bytes that `bshuf_compress_zstd` writes; a negative code as size_t where the block size is wrong, as in bitshuffle.
 *
 * Thread-safe.
 */
size_t bshuf_compress_zstd_bound(size_t size,
                                 size_t elem_size,
                                 size_t block_size);

/**
 * Transposes and compresses `size` elements: blocks with their lengths, without the header of an HDF5 chunk.
 *
 * Thread-safe. Returns the number of bytes written, or a negative code.
 */
int64_t bshuf_compress_lz4(const void *in_, void *out, size_t size, size_t elem_size, size_t block_size);

/**
 * The same with zstd of level `comp_lvl`.
 *
 * Thread-safe. Returns the number of bytes written, or a negative code.
 */
int64_t bshuf_compress_zstd(const void *in_, void *out, size_t size, size_t elem_size, size_t block_size, int comp_lvl);

/**
 * The inverse of `bshuf_compress_lz4`. The length of the stream is not passed, so only streams that are whole may be
 * given: use `etalon_decode` for data that may be damaged.
 *
 * Thread-safe. Returns the number of bytes of `in_` that were read, or a negative code.
 */
int64_t bshuf_decompress_lz4(const void *in_, void *out, size_t size, size_t elem_size, size_t block_size);

/**
 * The inverse of `bshuf_compress_zstd`, with the same warning as `bshuf_decompress_lz4`.
 *
 * Thread-safe. Returns the number of bytes of `in_` that were read, or a negative code.
 */
int64_t bshuf_decompress_zstd(const void *in_, void *out, size_t size, size_t elem_size, size_t block_size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ETALON_BITSHUFFLE_H */
