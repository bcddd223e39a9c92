//! Ratio and speed of `counts` beside bitshuffle with zstd at level 3 (z3), in one run, one thread.
//!
//! `cargo bench -p etalon-codec --bench counts` measures Poisson counts of a flat field;
//! `… --bench counts -- FILE CLASS SHAPE …` measures files of raw little-endian elements: CLASS is `u1`, `u2`, `u4`,
//! `i2`, `i4`, `f4` or `f8`, SHAPE the chunk, as in `4x512x512`. Only whole chunks are taken. Speeds are the best of many
//! interleaved runs, in GB of elements per second; every run is compared with its input.

use std::time::{Duration, Instant};

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

const SPECS: [&str; 5] = [
    "bitshuffle:compressor=zstd",
    "counts",
    "counts:model=bbp",
    "counts:model=fir",
    "counts:model=variance",
];
const MEANS: [f64; 6] = [0.01, 0.05, 0.3, 1.0, 5.0, 20.0];
const PATIENCE: Duration = Duration::from_millis(800);

fn main() {
    println!(
        "{:>24} {:28} {:>8} {:>6} {:>6} {:>8} {:>7} {:>7}",
        "data", "spec", "ratio", "enc", "dec", "ratio/z3", "enc/z3", "dec/z3"
    );
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if arguments.is_empty() {
        for mean in MEANS {
            let element = element("u2");
            let bytes = poisson(mean, 1 << 20);
            measure(&format!("flat {mean}"), element, &[1024, 1024], &bytes);
        }
    }
    for file in arguments.chunks_exact(3) {
        let bytes = std::fs::read(&file[0]).unwrap();
        let name = file[0].rsplit('/').next().unwrap();
        let shape: Vec<usize> = file[2].split('x').map(|n| n.parse().unwrap()).collect();
        measure(name, element(&file[1]), &shape, &bytes);
    }
}

fn element(text: &str) -> Element {
    Element {
        class: match &text[..1] {
            "f" => ElementClass::Float,
            "i" => ElementClass::Signed,
            _ => ElementClass::Unsigned,
        },
        bytes: text[1..].parse().unwrap(),
        order: ByteOrder::Little,
    }
}

/// Poisson counts as u16, by multiplication of uniform numbers.
fn poisson(mean: f64, elements: u64) -> Vec<u8> {
    let mut state = 1;
    let mut uniform = || {
        state += 1;
        (random(state) >> 11) as f64 / (1u64 << 53) as f64
    };
    let limit = (-mean).exp();
    let mut counts = Vec::new();
    for _ in 0..elements {
        let (mut product, mut count) = (uniform(), 0u16);
        while product > limit {
            product *= uniform();
            count += 1;
        }
        counts.extend(count.to_le_bytes());
    }
    counts
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
    /// The best times of each chunk.
    encode: Vec<Duration>,
    decode: Vec<Duration>,
}

fn measure(name: &str, element: Element, shape: &[usize], bytes: &[u8]) {
    let layout = Layout::new(element, shape.to_vec());
    let chunk_bytes = layout.chunk_bytes().unwrap();
    let chunks: Vec<&[u8]> = bytes.chunks_exact(chunk_bytes).collect();
    let mut context = Context::new();
    let mut runs = SPECS.map(|spec| Run {
        spec,
        stored: 0,
        encode: vec![Duration::MAX; chunks.len()],
        decode: vec![Duration::MAX; chunks.len()],
    });
    let start = Instant::now();
    let mut stream = vec![1; 2 * chunk_bytes + 1024];
    let mut back = vec![1; chunk_bytes];
    while start.elapsed() < PATIENCE {
        for run in &mut runs {
            run.once(&mut context, &layout, &chunks, &mut stream, &mut back);
        }
    }
    let raw = chunk_bytes * chunks.len();
    let speed =
        |times: &[Duration]| raw as f64 / times.iter().sum::<Duration>().as_secs_f64() / 1e9;
    for run in &runs {
        println!(
            "{name:>24} {:28} {:8.2} {:6.2} {:6.2} {:8.2} {:7.2} {:7.2}",
            run.spec,
            raw as f64 / run.stored as f64,
            speed(&run.encode),
            speed(&run.decode),
            runs[0].stored as f64 / run.stored as f64,
            speed(&run.encode) / speed(&runs[0].encode),
            speed(&run.decode) / speed(&runs[0].decode),
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
        self.stored = 0;
        for (number, chunk) in chunks.iter().enumerate() {
            let start = Instant::now();
            let stored = (filter.encode)(context, &values, chunk, &mut stream[..bound]).unwrap();
            self.encode[number] = self.encode[number].min(start.elapsed());
            let start = Instant::now();
            (filter.decode)(context, &values, &stream[..stored], back).unwrap();
            self.decode[number] = self.decode[number].min(start.elapsed());
            assert!(back == *chunk, "{}", self.spec);
            self.stored += stored;
        }
    }
}
