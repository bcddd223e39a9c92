//! The headers in `include/` are those of this source. `BLESS=1 cargo test -p etalon --test header` writes them anew.

#[path = "support/c_header.rs"]
mod c_header;

/// Files of the API in the order of the header.
const API: &[&str] = &[
    "version", "status", "info", "filter", "codecs", "encoder", "decoder",
];

const RULES: &str = "/* libetalon: codecs for detector data, which know what they may lose.
 *
 * Generated from src/ by cbindgen; include/etalon.h is part of the source and compared in a test.
 *
 * Rules that all functions keep
 *
 * - A function that can fail returns a status: ETALON_OK, or why it failed. etalon_last_error() has a sentence about it.
 * - Inputs come first and are const; outputs come last. No argument is both, except contexts.
 * - Outputs are written only on success. On failure nothing is written, except that etalon_encode and etalon_decode may
 *   leave anything in `dst`.
 * - The caller owns all memory that it passes, and nothing is kept of it after the call. Texts and structures that are
 *   returned by pointer belong to the library. Contexts belong to the caller, who frees each once.
 * - NULL, lengths that do not fit, and buffers that overlap are refused. A pointer that is wrong in another way cannot be.
 * - No function prints, exits, starts a thread, or lets a panic or exception out. None looks at the locale. ETALON_SIMD in the
 *   environment limits the instruction set.
 * - Each function says whether it is thread-safe. `One thread at a time` means that calls with the same context must not
 *   overlap in time; a context may move from thread to thread. Different contexts share nothing.
 * - All memory is taken when a context is made. Encoding and decoding take none from malloc, unless the data need more than
 *   any chunk before them: with bitshuffle (32008) that cannot happen; failing may take some.
 * - Structures that grow begin with their size; pass sizeof of yours. Constants and functions are never renumbered or
 *   removed under the same ETALON_ABI_VERSION, which is also the number in the SONAME.
 * - After fork(), contexts work in both processes.
 *
 * A writer makes an encoder per thread, passes etalon_encoder_filter() to H5Pset_filter, and etalon_encode()'s bytes to
 * H5Dwrite_chunk. examples/ has whole programs.
 */";

const SHIM_RULES: &str = "/* The functions of bitshuffle's C library as libetalon has them: for programs without bitshuffle's own bitshuffle.h.
 *
 * Generated from src/bitshuffle_shim.rs by cbindgen and compared in a test. A program written against bitshuffle.h needs
 * no change: link it with -letalon instead of -lbitshuffle.
 */";

#[test]
fn the_committed_header_is_that_of_the_source() {
    c_header::check("etalon.h", API, RULES);
}

#[test]
fn the_committed_header_of_the_shim_is_that_of_the_source() {
    c_header::check("etalon_bitshuffle.h", &["bitshuffle_shim"], SHIM_RULES);
}
