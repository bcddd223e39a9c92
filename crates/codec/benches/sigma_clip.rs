//! Speed of `sigma-clip` beside bitshuffle with zstd, raw bytes per second: `cargo bench --bench sigma_clip`.
//!
//! The frame is simulated: a beam, a ring and peaks on counts of about 8, gaps between modules. With
//! `ETALON_BENCH_FRAME=file:rows:columns` the frame is that file of raw little-endian i32.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec, frame};

const SIDE: usize = 1024;
const SPECS: [&str; 8] = [
    "bitshuffle:compressor=zstd,level=3",
    "sigma-clip:variant=block",
    "sigma-clip:variant=azimuthal,cx=CX,cy=CY",
    "sigma-clip:variant=global",
    "sigma-clip:variant=azimuthal,cx=CX,cy=CY,decode=normal",
    "sigma-clip:variant=azimuthal,cx=CX,cy=CY,decode=mean",
    "sigma-clip:variant=block,decode=normal",
    "sigma-clip:variant=lattice",
];

struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        let drawn = self.uniform();
        let mut probability = (-mean).exp();
        let (mut sum, mut count) = (probability, 0);
        while drawn > sum && count < 4000 {
            count += 1;
            probability *= mean / f64::from(count);
            sum += probability;
        }
        count
    }
}

/// Counts of a frame; `u32::MAX` in the gaps.
fn simulated() -> Vec<u32> {
    let mut random = Random(1);
    let middle = SIDE as f64 / 2.0;
    let mut rates: Vec<f64> = (0..SIDE * SIDE)
        .map(|i| {
            let (x, y) = ((i % SIDE) as f64 - middle, (i / SIDE) as f64 - middle);
            let r = (x * x + y * y).sqrt();
            4.0 + 20.0 * (-r * r / 20_000.0).exp()
                + 8.0 * (-(r - 300.0) * (r - 300.0) / 3000.0).exp()
        })
        .collect();
    for _ in 0..80 {
        let (row, column) = (random.uniform() * 1012.0, random.uniform() * 1012.0);
        let height = 30.0 + 300.0 * random.uniform();
        for r in 0..12 {
            for c in 0..12 {
                let (y, x) = (row as usize + r, column as usize + c);
                let d = (y as f64 - row - 6.0).powi(2) + (x as f64 - column - 6.0).powi(2);
                rates[y * SIDE + x] += height * (-d / 2.4).exp();
            }
        }
    }
    let gap = |i: usize| i % SIDE % 265 >= 256 || i / SIDE % 134 >= 128;
    (0..SIDE * SIDE)
        .map(|i| match gap(i) {
            true => u32::MAX,
            false => random.poisson(rates[i]),
        })
        .collect()
}

struct Frame {
    name: String,
    layout: Layout,
    bytes: Vec<u8>,
}

fn frames() -> Vec<Frame> {
    let layout = |class, bytes, shape: Vec<usize>| {
        let element = Element {
            class,
            bytes,
            order: ByteOrder::Little,
        };
        Layout::new(element, shape)
    };
    if let Ok(text) = std::env::var("ETALON_BENCH_FRAME") {
        let parts: Vec<&str> = text.split(':').collect();
        let side = |at: usize| parts[at].parse().unwrap();
        return vec![Frame {
            name: "i32".into(),
            layout: layout(ElementClass::Signed, 4, vec![side(1), side(2)]),
            bytes: std::fs::read(parts[0]).unwrap(),
        }];
    }
    let counts = simulated();
    let frame = |bytes: usize| Frame {
        name: format!("u{}", 8 * bytes),
        layout: layout(ElementClass::Unsigned, bytes, vec![SIDE, SIDE]),
        bytes: counts
            .iter()
            .flat_map(|count| count.to_le_bytes()[..bytes].to_vec())
            .collect(),
    };
    vec![frame(2), frame(4)]
}

fn bench_spec(group: &mut BenchmarkGroup<WallTime>, frame: &Frame, spec: &Spec) {
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(spec, &frame.layout).unwrap();
    let values = (filter.localise)(&values, Some(&frame.layout)).unwrap();
    let mut context = Context::new();
    let mut chunk = vec![0; (filter.bound)(&values, frame.bytes.len()).unwrap()];
    let mut back = vec![0; frame.bytes.len()];
    let mut len = 0;
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            len = (filter.encode)(&mut context, &values, &frame.bytes, &mut chunk).unwrap();
        });
    });
    len = (filter.encode)(&mut context, &values, &frame.bytes, &mut chunk).unwrap();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            (filter.decode)(&mut context, &values, &chunk[..len], &mut back).unwrap();
            std::hint::black_box(&back);
        });
    });
    if spec.codec().lossless {
        assert!(back == frame.bytes);
    } else {
        let info = frame::inspect(&chunk[..len]).unwrap();
        assert_eq!(info.codec, "sigma-clip", "{spec}: stored losslessly");
        let mut again = vec![0; chunk.len()];
        let again_len = (filter.encode)(&mut context, &values, &back, &mut again).unwrap();
        let header = info.header_bytes;
        assert!(
            spec.to_string().contains("lattice") || again[header..again_len] == chunk[header..len]
        );
    }
    println!("ratio {:.1}", frame.bytes.len() as f64 / len as f64);
}

fn bench(criterion: &mut Criterion) {
    for frame in frames() {
        let (rows, columns) = frame.layout.frame_shape();
        for text in SPECS {
            let text = text
                .replace("CX", &(columns / 2).to_string())
                .replace("CY", &(rows / 2).to_string());
            let spec: Spec = text.parse().unwrap();
            let mut group = criterion.benchmark_group(format!("{} {text}", frame.name));
            group
                .throughput(Throughput::Bytes(frame.bytes.len() as u64))
                .warm_up_time(std::time::Duration::from_millis(200))
                .measurement_time(std::time::Duration::from_millis(600))
                .sample_size(10);
            bench_spec(&mut group, &frame, &spec);
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
