//! Ratio and speed of `dictionary` beside bitshuffle with zstd at level 3 (z3), in one run, one thread.
//!
//! `cargo bench -p etalon-codec --bench dictionary` measures independent values;
//! `… --bench dictionary -- FILE ELEMENT_BYTES CHUNK_ELEMENTS` measures a file of raw little-endian elements.
//! Speeds are the best of many interleaved runs, in GB of elements per second; every run is compared with its input.

use std::time::{Duration, Instant};

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

const SPECS: [&str; 4] = [
    "bitshuffle:compressor=zstd",
    "dictionary",
    "dictionary:backend=bits",
    "dictionary:backend=bitshuffle",
];
const CHUNK_BYTES: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_millis(1200);

fn main() {
    println!(
        "{:>24} {:30} {:>8} {:>7} {:>7} {:>6} {:>6}",
        "data", "spec", "ratio", "enc", "dec", "enc/z3", "dec/z3"
    );
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if let [path, element_bytes, chunk_elements] = &arguments[..] {
        let element_bytes: usize = element_bytes.parse().unwrap();
        let chunk_bytes = chunk_elements.parse::<usize>().unwrap() * element_bytes;
        let bytes = std::fs::read(path).unwrap();
        let name = path.rsplit('/').next().unwrap();
        let chunks: Vec<&[u8]> = bytes.chunks_exact(chunk_bytes).collect();
        measure(name, element_bytes, &chunks);
        return;
    }
    for element_bytes in [1, 2, 4, 8] {
        for values in [2, 3, 16, 100, 256, 4096] {
            if values <= [128, 4096, 1 << 16, 1 << 16][(element_bytes as u32).ilog2() as usize] {
                let even = even(element_bytes, values);
                measure(
                    &format!("even {values} of {element_bytes} B"),
                    element_bytes,
                    &[&even],
                );
                let normal = normal(element_bytes, values);
                measure(
                    &format!("normal {values} of {element_bytes} B"),
                    element_bytes,
                    &[&normal],
                );
            }
        }
    }
}

/// Equally frequent values of random bits; of 1 and 2 bytes: 0, 3, 6, ….
fn even(element_bytes: usize, values: u64) -> Vec<u8> {
    let elements = CHUNK_BYTES / element_bytes;
    let value = |i: u64| {
        if element_bytes <= 2 {
            3 * i
        } else {
            random(!i)
        }
    };
    let draws = (0..elements as u64).map(|i| value(random(i) % values));
    stored(draws, element_bytes)
}

/// A normal distribution in `values` steps of σ · 6 / `values`: integers, or floats where there are 4 or 8 bytes.
fn normal(element_bytes: usize, values: u64) -> Vec<u8> {
    let elements = CHUNK_BYTES / element_bytes;
    let level = |i: u64| {
        let uniform = |draw: u64| (random(draw) >> 11) as f64 / (1u64 << 53) as f64;
        let sum: f64 = (0..12).map(|draw| uniform(12 * i + draw)).sum();
        let level = (sum - 6.0) * values as f64 / 6.0 + values as f64 / 2.0;
        level.floor().clamp(0.0, values as f64 - 1.0)
    };
    let draws = (0..elements as u64).map(level);
    stored(
        draws.map(|level| match element_bytes {
            4 => u64::from((0.37 * level as f32).to_bits()),
            8 => (0.37 * level).to_bits(),
            _ => level as u64,
        }),
        element_bytes,
    )
}

fn stored(values: impl Iterator<Item = u64>, element_bytes: usize) -> Vec<u8> {
    values
        .flat_map(|value| value.to_le_bytes().into_iter().take(element_bytes))
        .collect()
}

/// SplitMix64.
fn random(i: u64) -> u64 {
    let z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

struct Run {
    spec: &'static str,
    stored: usize,
    encode: Duration,
    decode: Duration,
}

fn measure(name: &str, element_bytes: usize, chunks: &[&[u8]]) {
    let element = Element {
        class: ElementClass::Unsigned,
        bytes: element_bytes,
        order: ByteOrder::Little,
    };
    let layout = Layout::new(element, vec![chunks[0].len() / element_bytes]);
    let mut context = Context::new();
    let mut runs = SPECS.map(|spec| Run {
        spec,
        stored: 0,
        encode: Duration::MAX,
        decode: Duration::MAX,
    });
    let start = Instant::now();
    let mut stream = vec![1; 2 * chunks[0].len()];
    let mut back = vec![1; chunks[0].len()];
    while start.elapsed() < PATIENCE {
        for run in &mut runs {
            run.once(&mut context, &layout, chunks, &mut stream, &mut back);
        }
    }
    let raw: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let speed = |time: Duration| raw as f64 / time.as_secs_f64() / 1e9;
    for run in &runs {
        println!(
            "{name:>24} {:30} {:8.2} {:7.2} {:7.2} {:6.1} {:6.1}",
            run.spec,
            raw as f64 / run.stored as f64,
            speed(run.encode),
            speed(run.decode),
            speed(run.encode) / speed(runs[0].encode),
            speed(run.decode) / speed(runs[0].decode),
        );
    }
}

impl Run {
    fn once(
        &mut self,
        context: &mut Context,
        layout: &Layout,
        chunks: &[&[u8]],
        stream: &mut [u8],
        back: &mut [u8],
    ) {
        let spec: Spec = self.spec.parse().unwrap();
        let filter = spec.codec().filter;
        let values = (filter.cd_values)(&spec, layout).unwrap();
        let bound = (filter.bound)(&values, chunks[0].len()).unwrap();
        let (mut encode, mut decode) = (Duration::ZERO, Duration::ZERO);
        self.stored = 0;
        for chunk in chunks {
            let start = Instant::now();
            let stored = (filter.encode)(context, &values, chunk, &mut stream[..bound]).unwrap();
            encode += start.elapsed();
            let start = Instant::now();
            (filter.decode)(context, &values, &stream[..stored], back).unwrap();
            decode += start.elapsed();
            assert!(back == *chunk, "{}", self.spec);
            self.stored += stored;
        }
        self.encode = self.encode.min(encode);
        self.decode = self.decode.min(decode);
    }
}
