//! How much of `bitshuffle` with LZ4 is LZ4's own compressor, on one thread.
//!
//! `cargo bench -p etalon-codec --bench lz4_share [FILE ELEMENT_BYTES]…` encodes whole chunks, and beside that runs
//! `LZ4_compress_fast_extState` alone over the same blocks, transposed before the clock starts. The streams have to be those of
//! other writers, byte for byte, so that function is what it is: one minus its share is all that a better transposition
//! could still save. Times are the best of many interleaved runs.

#![allow(unsafe_code)] // LZ4's function is called as the codec calls it.

use std::hint::black_box;
use std::os::raw::{c_char, c_int, c_void};
use std::time::{Duration, Instant};

use etalon_codec::codecs::bitshuffle::STREAM;
use etalon_codec::{Context, kernels::levels::Level};

use lz4_sys as _;

const BLOCK_BYTES: usize = 8192;
const CHUNK_BYTES: usize = 8 << 20;
const RUNS: usize = 40;

unsafe extern "C" {
    fn LZ4_compress_fast_extState(
        state: *mut c_void,
        src: *const c_char,
        dst: *mut c_char,
        src_len: c_int,
        dst_capacity: c_int,
        acceleration: c_int,
    ) -> c_int;
    fn LZ4_sizeofState() -> c_int;
}

fn main() {
    let files: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    println!(
        "{}; GB/s of elements; chunks of 8 MiB or the file",
        Level::best().name()
    );
    println!(
        "{:<40} {:>8} {:>8} {:>8} {:>8}",
        "data", "encode", "LZ4", "transp.", "share"
    );
    for (mean, element_bytes) in [(0.05, 2), (20.0, 2), (1.0, 4)] {
        let title = format!("u{element_bytes} Poisson {mean}");
        measure(&title, &poisson(mean, element_bytes), element_bytes);
    }
    for file in files.chunks_exact(2) {
        let bytes = std::fs::read(&file[0]).expect("a file of elements");
        let element_bytes = file[1].parse().expect("bytes of an element");
        let whole = bytes.len() / BLOCK_BYTES * BLOCK_BYTES;
        measure(&file[0], &bytes[..whole], element_bytes);
    }
}

fn measure(title: &str, chunk: &[u8], element_bytes: usize) {
    let values = |compressor| [0, 4, element_bytes as u32, 0, compressor];
    let mut context = Context::new();
    let mut stream = vec![1; (STREAM.bound)(&values(2), chunk.len()).unwrap()];
    let mut transposed = vec![1; chunk.len()];
    // SAFETY: the function takes nothing and returns a constant.
    let state_bytes = unsafe { LZ4_sizeofState() } as usize;
    let mut state = vec![0u64; state_bytes.div_ceil(8)];
    let [mut encode, mut alone, mut transpose] = [Duration::MAX; 3];
    for _ in 0..RUNS {
        let mut written = 0;
        transpose = transpose.min(timed(|| {
            (STREAM.encode)(&mut context, &values(0), chunk, &mut transposed).unwrap();
        }));
        encode = encode.min(timed(|| {
            written = (STREAM.encode)(&mut context, &values(2), chunk, &mut stream).unwrap();
        }));
        let mut lz4_bytes = 0;
        alone = alone.min(timed(|| {
            lz4_bytes = compress_blocks(&mut state, &transposed, &mut stream);
        }));
        let lengths = 12 + 4 * chunk.len().div_ceil(BLOCK_BYTES);
        assert_eq!(written, lengths + lz4_bytes, "the same work");
    }
    let speed = |time: Duration| chunk.len() as f64 / time.as_secs_f64() / 1e9;
    println!(
        "{title:<40} {:8.2} {:8.2} {:8.2} {:7.0}%",
        speed(encode),
        speed(alone),
        speed(transpose),
        100.0 * alone.as_secs_f64() / encode.as_secs_f64()
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Bytes that LZ4 makes of all blocks, one behind the other.
fn compress_blocks(state: &mut [u64], transposed: &[u8], dst: &mut [u8]) -> usize {
    let mut at = 0;
    for block in transposed.chunks(BLOCK_BYTES) {
        let rest = &mut dst[at..];
        // SAFETY: the state has the size that LZ4 asks for, and both slices have the lengths given with them.
        let written = unsafe {
            LZ4_compress_fast_extState(
                state.as_mut_ptr().cast(),
                block.as_ptr().cast(),
                rest.as_mut_ptr().cast(),
                block.len() as c_int,
                rest.len() as c_int,
                1,
            )
        };
        assert!(written > 0);
        at += black_box(written as usize);
    }
    at
}

/// Counts by Knuth's product of uniform numbers, as little-endian integers.
fn poisson(mean: f64, element_bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let limit = (-mean).exp();
    let mut bytes = Vec::with_capacity(CHUNK_BYTES);
    while bytes.len() < CHUNK_BYTES {
        let (mut count, mut product) = (0u32, uniform());
        while product > limit {
            count += 1;
            product *= uniform();
        }
        bytes.extend_from_slice(&count.to_le_bytes()[..element_bytes]);
    }
    bytes
}
