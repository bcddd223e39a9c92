//! Ratio and speed of `noise` beside bitshuffle with zstd at level 3 (z3), in one run, one thread.
//!
//! `cargo bench -p etalon-codec --bench noise` measures Poisson counts of several means;
//! `… --bench noise -- FILE TYPE CHUNK_ELEMENTS` measures a file of raw little-endian elements, TYPE being u2, i4, f4 ….
//! Speeds are the best of many interleaved runs, in GB of elements per second; memcpy is measured beside them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

const SPECS: [&str; 4] = [
    "bitshuffle:compressor=zstd",
    "noise",
    "noise:sigma=1",
    "noise:mode=unbiased",
];
const ELEMENTS: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_millis(1200);

fn main() {
    println!(
        "{:>14} {:28} {:>7} {:>7} {:>7} {:>6} {:>6}",
        "data", "spec", "ratio", "enc", "dec", "enc/z3", "dec/z3"
    );
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if let [path, element, chunk_elements] = &arguments[..] {
        let element = element_type(element);
        let chunk_bytes = chunk_elements.parse::<usize>().unwrap() * element.bytes;
        let bytes = std::fs::read(path).unwrap();
        let chunks: Vec<&[u8]> = bytes.chunks_exact(chunk_bytes).collect();
        measure(path.rsplit('/').next().unwrap(), element, &chunks);
        return;
    }
    for (name, means) in [
        ("u2", &[1.0, 10.0, 100.0, 1e3, 1e4][..]),
        ("i4", &[10.0, 1e3]),
        ("f4", &[10.0, 1e3]),
    ] {
        for &mean in means {
            let element = element_type(name);
            let chunk = counts(mean, element);
            measure(&format!("{name} mean {mean}"), element, &[&chunk]);
        }
    }
}

fn element_type(name: &str) -> Element {
    let class = match &name[..1] {
        "u" => ElementClass::Unsigned,
        "i" => ElementClass::Signed,
        _ => ElementClass::Float,
    };
    Element {
        class,
        bytes: name[1..].parse().unwrap(),
        order: ByteOrder::Little,
    }
}

/// Poisson counts by inversion; beyond a mean of 100, normal numbers of the same spread.
fn counts(mean: f64, element: Element) -> Vec<u8> {
    let count = |at: u64| {
        let uniform = |draw: u64| (random(12 * at + draw) >> 11) as f64 / (1u64 << 53) as f64;
        if mean > 100.0 {
            let normal = (0..12).map(uniform).sum::<f64>() - 6.0;
            return (mean + mean.sqrt() * normal).round().max(0.0);
        }
        let (mut probability, mut count) = ((-mean).exp(), 0.0);
        let mut sum = probability;
        while uniform(0) > sum && count < 1e4 {
            count += 1.0;
            probability *= mean / count;
            sum += probability;
        }
        count
    };
    let stored = |at| match element.class {
        ElementClass::Float => u64::from((count(at) as f32).to_bits()),
        _ => count(at) as u64,
    };
    (0..ELEMENTS as u64)
        .flat_map(|at| stored(at).to_le_bytes().into_iter().take(element.bytes))
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

fn measure(name: &str, element: Element, chunks: &[&[u8]]) {
    let layout = Layout::new(element, vec![chunks[0].len() / element.bytes]);
    let mut context = Context::new();
    let mut runs = SPECS.map(|spec| Run {
        spec,
        stored: 0,
        encode: Duration::MAX,
        decode: Duration::MAX,
    });
    let mut copy = Duration::MAX;
    let start = Instant::now();
    let mut stream = vec![1; 2 * chunks[0].len() + 4096];
    let mut back = vec![1; chunks[0].len()];
    while start.elapsed() < PATIENCE {
        for run in &mut runs {
            run.once(&mut context, &layout, chunks, &mut stream, &mut back);
        }
        let start = Instant::now();
        for chunk in chunks {
            back.copy_from_slice(black_box(chunk));
            black_box(&mut back);
        }
        copy = copy.min(start.elapsed());
    }
    let raw: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let speed = |time: Duration| raw as f64 / time.as_secs_f64() / 1e9;
    for run in &runs {
        println!(
            "{name:>14} {:28} {:7.2} {:7.2} {:7.2} {:6.2} {:6.2}",
            run.spec,
            raw as f64 / run.stored as f64,
            speed(run.encode),
            speed(run.decode),
            speed(run.encode) / speed(runs[0].encode),
            speed(run.decode) / speed(runs[0].decode),
        );
    }
    println!("{name:>14} {:36} {:7.2}", "memcpy", speed(copy));
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
            assert!(!spec.codec().lossless || back == *chunk, "{}", self.spec);
            self.stored += stored;
        }
        self.encode = self.encode.min(encode);
        self.decode = self.decode.min(decode);
    }
}
