//! Speed of the kernel that turns f32 into 256 levels, interleaved with memcpy; best of many runs.
//!
//! `cargo bench -p etalon-codec --bench quantise`; the codec is measured by `--bench codecs -- quantise`.

use std::hint::black_box;
use std::time::Instant;

use etalon_codec::kernels::levels::Level;
use etalon_codec::kernels::quantise::bytes;

/// Seconds of the fastest of `runs`, each of the works in turn.
fn best<const N: usize>(runs: usize, mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut seconds = [f64::INFINITY; N];
    for _ in 0..runs {
        for (work, best) in works.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            work();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    seconds
}

fn kernel(name: &str, elements: usize, runs: usize) {
    let values: Vec<f32> = (0..elements)
        .map(|i| (i * 7919 % 10_007) as f32 * 0.01)
        .collect();
    let mut levels = vec![0u8; elements];
    let mut copy = vec![0f32; elements];
    let mut plain = vec![0u8; elements];
    let repeat = (1 << 22) / elements.min(1 << 22);
    let seconds = best(
        runs,
        [
            &mut || {
                for _ in 0..repeat {
                    bytes(Level::best(), black_box(&values), 0.0, 0.4, &mut levels);
                }
            },
            &mut || {
                for _ in 0..repeat {
                    bytes(Level::SCALAR, black_box(&values), 0.0, 0.4, &mut plain);
                }
            },
            &mut || {
                for _ in 0..repeat {
                    copy.copy_from_slice(black_box(&values));
                    black_box(&mut copy);
                }
            },
        ],
    );
    assert!(levels == plain);
    let speed = seconds.map(|seconds| (4 * elements * repeat) as f64 / seconds / 1e9);
    println!(
        "f32 to u8, {name}: {} {:.1} GB/s, scalar {:.1} GB/s, memcpy {:.1} GB/s",
        Level::best().name(),
        speed[0],
        speed[1],
        speed[2]
    );
}

fn main() {
    kernel("L2", 64 << 10, 30);
    kernel("RAM", 64 << 20, 8);
}
