//! Ratio and speed of `predict` beside bitshuffle with zstd at level 3 (z3), in one run, one thread.
//!
//! `cargo bench -p etalon-codec --bench predict` measures images of a noisy detector;
//! `… --bench predict -- FILE TYPE SHAPE FRAMES [SPEC …]` measures a file of raw little-endian elements, for example
//! `tomo.raw u2 16x512x1024 1`: type `u1` to `u4`, `i1` to `i4`, `f4` or `f8`, and so many frames to a chunk.
//! Speeds are from the best of many interleaved runs for each chunk, in MB of elements per second; every run is compared with its input.

use std::time::{Duration, Instant};

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

const SPECS: [&str; 4] = [
    "bitshuffle:compressor=zstd",
    "predict",
    "predict:model=up",
    "predict:model=full",
];
const PATIENCE: Duration = Duration::from_millis(1500);

fn main() {
    println!(
        "{:>24} {:32} {:>8} {:>7} {:>7} {:>6} {:>6}",
        "data", "spec", "ratio", "enc", "dec", "enc/z3", "dec/z3"
    );
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if let [path, kind, shape, frames, specs @ ..] = &arguments[..] {
        let shape: Vec<usize> = shape.split('x').map(|n| n.parse().unwrap()).collect();
        let frames: usize = frames.parse().unwrap();
        let element = element(kind);
        let bytes = std::fs::read(path).unwrap();
        let name = path.rsplit('/').next().unwrap();
        let mut all: Vec<&str> = SPECS.to_vec();
        if !specs.is_empty() {
            all.truncate(1);
            all.extend(specs.iter().map(String::as_str));
        }
        let chunk = [&[frames], &shape[1..]].concat();
        measure(name, &Layout::new(element, chunk), &bytes, &all);
        return;
    }
    for (name, step) in [("fine noise", 4.0), ("coarse noise", 100.0)] {
        let bytes = images(8, 512, 512, step);
        for frames in [1, 8] {
            let layout = Layout::new(element("u2"), vec![frames, 512, 512]);
            measure(
                &format!("{name}, {frames} to a chunk"),
                &layout,
                &bytes,
                &SPECS,
            );
        }
    }
}

fn element(kind: &str) -> Element {
    let class = match kind.as_bytes()[0] {
        b'u' => ElementClass::Unsigned,
        b'i' => ElementClass::Signed,
        _ => ElementClass::Float,
    };
    Element {
        class,
        bytes: kind[1..].parse().unwrap(),
        order: ByteOrder::Little,
    }
}

/// Frames of 16-bit elements: hills that hardly move, and normal noise of standard deviation `sigma`.
fn images(frames: usize, rows: usize, columns: usize, sigma: f64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in 0..(frames * rows * columns) as u64 {
        let (t, y, x) = (
            i as usize / (rows * columns),
            i as usize / columns % rows,
            i as usize % columns,
        );
        let hills = (y as f64 * 0.02).sin() * ((x + t) as f64 * 0.015).cos();
        let uniform = |draw: u64| (random(12 * i + draw) >> 11) as f64 / (1u64 << 53) as f64;
        let noise: f64 = (0..12).map(uniform).sum::<f64>() - 6.0;
        let value = 20_000.0 + 8000.0 * hills + sigma * noise;
        bytes.extend((value.round() as u16).to_le_bytes());
    }
    bytes
}

/// SplitMix64.
fn random(i: u64) -> u64 {
    let z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

struct Run {
    spec: Spec,
    stored: usize,
    /// The best of each chunk.
    encode: Vec<Duration>,
    decode: Vec<Duration>,
}

fn measure(name: &str, layout: &Layout, bytes: &[u8], specs: &[&str]) {
    let mut context = Context::new();
    let chunk_bytes = layout.chunk_bytes().unwrap();
    let chunks: Vec<&[u8]> = bytes.chunks_exact(chunk_bytes).collect();
    let mut runs: Vec<Run> = specs
        .iter()
        .map(|spec| Run {
            spec: spec.parse().unwrap(),
            stored: 0,
            encode: vec![Duration::MAX; chunks.len()],
            decode: vec![Duration::MAX; chunks.len()],
        })
        .collect();
    let mut stream = vec![1; 2 * chunk_bytes + (1 << 16)];
    let mut back = vec![1; chunk_bytes];
    let start = Instant::now();
    loop {
        for run in &mut runs {
            run.once(&mut context, layout, &chunks, &mut stream, &mut back);
        }
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    let raw = chunks.len() * chunk_bytes;
    let speed =
        |times: &[Duration]| raw as f64 / times.iter().sum::<Duration>().as_secs_f64() / 1e6;
    for run in &runs {
        println!(
            "{name:>24} {:32} {:8.3} {:7.0} {:7.0} {:6.2} {:6.2}",
            run.spec.to_string(),
            raw as f64 / run.stored as f64,
            speed(&run.encode),
            speed(&run.decode),
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
        let filter = self.spec.codec().filter;
        let values = (filter.cd_values)(&self.spec, layout).unwrap();
        let values = (filter.localise)(&values, Some(layout)).unwrap();
        let bound = (filter.bound)(&values, back.len()).unwrap();
        self.stored = 0;
        for (number, chunk) in chunks.iter().enumerate() {
            let start = Instant::now();
            let stored = (filter.encode)(context, &values, chunk, &mut stream[..bound]).unwrap();
            self.encode[number] = self.encode[number].min(start.elapsed());
            let start = Instant::now();
            (filter.decode)(context, &values, &stream[..stored], back).unwrap();
            self.decode[number] = self.decode[number].min(start.elapsed());
            assert!(
                back == *chunk || !self.spec.codec().lossless,
                "{}",
                self.spec
            );
            self.stored += stored;
        }
    }
}
