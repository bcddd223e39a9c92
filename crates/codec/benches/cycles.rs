//! Cycles that codecs take for a byte of elements, and how far that is from memcpy, on one thread.
//!
//! `cargo bench -p etalon-codec --bench cycles` prints the tables of docs/SPEED.md: chunks of 2 MiB, counts of a flat
//! field, as u16. Times are the best of many interleaved runs. A cycle is measured as a step of a linear congruential
//! generator, which waits for a multiplication and an addition: 4 cycles on processors of today.

use std::hint::black_box;
use std::time::{Duration, Instant};

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

const SPECS: [&str; 12] = [
    "bitshuffle:compressor=zstd",
    "bitshuffle:planes",
    "dictionary",
    "counts:model=bbp",
    "counts:model=fir",
    "counts:model=variance",
    "counts",
    "predict:model=none",
    "predict:model=up",
    "predict:model=full",
    "predict",
    "auto",
];
const MEANS: [f64; 3] = [0.05, 1.0, 20.0];
const SHAPE: [usize; 2] = [1024, 1024];
const RUNS: usize = 40;
const STEPS: u64 = 1_000_000;
const CYCLES_PER_STEP: f64 = 4.0;

fn main() {
    let element = Element {
        class: ElementClass::Unsigned,
        bytes: 2,
        order: ByteOrder::Little,
    };
    let layout = Layout::new(element, SHAPE.to_vec());
    for mean in MEANS {
        let chunk = poisson(mean, SHAPE[0] * SHAPE[1]);
        let rows = measure(&layout, &chunk);
        print(mean, chunk.len(), &rows);
    }
}

/// What was measured of a SPEC.
struct Row {
    spec: &'static str,
    stored: usize,
    encode: Duration,
    decode: Duration,
}

/// Times of the codecs; with them, of a cycle's steps and of memcpy.
struct Measured {
    rows: Vec<Row>,
    cycle: f64,
    copy: Duration,
}

fn measure(layout: &Layout, chunk: &[u8]) -> Measured {
    let mut context = Context::new();
    let mut stream = vec![1; 2 * chunk.len() + 1024];
    let mut back = vec![1; chunk.len()];
    let mut steps = Duration::MAX;
    let mut measured = Measured {
        rows: Vec::new(),
        cycle: 0.0,
        copy: Duration::MAX,
    };
    measured.rows.extend(SPECS.map(|spec| Row {
        spec,
        stored: 0,
        encode: Duration::MAX,
        decode: Duration::MAX,
    }));
    for _ in 0..RUNS {
        steps = steps.min(time(|| {
            black_box((0..STEPS).fold(1u64, |x, _| step(x)));
        }));
        let copied = time(|| back.copy_from_slice(black_box(chunk)));
        measured.copy = measured.copy.min(copied);
        for row in &mut measured.rows {
            let spec: Spec = row.spec.parse().unwrap();
            let filter = spec.codec().filter;
            let values = (filter.cd_values)(&spec, layout).unwrap();
            let bound = (filter.bound)(&values, chunk.len()).unwrap();
            row.encode = row.encode.min(time(|| {
                let encoded = (filter.encode)(&mut context, &values, chunk, &mut stream[..bound]);
                row.stored = encoded.unwrap();
            }));
            row.decode = row.decode.min(time(|| {
                let stored = &stream[..row.stored];
                (filter.decode)(&mut context, &values, stored, &mut back).unwrap();
            }));
            assert!(back == chunk, "{}", row.spec);
        }
    }
    measured.cycle = steps.as_secs_f64() / (STEPS as f64 * CYCLES_PER_STEP);
    measured
}

/// A step that cannot begin before the one before it has ended, and that a compiler cannot merge with others: it does
/// not know the factor.
fn step(x: u64) -> u64 {
    x.wrapping_mul(black_box(0x5851_F42D_4C95_7F2D))
        .wrapping_add(0x1405)
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn print(mean: f64, bytes: usize, measured: &Measured) {
    let cycles = |time: Duration| time.as_secs_f64() / measured.cycle / bytes as f64;
    println!(
        "\nFlat field of mean {mean}; memcpy takes {:.2} cycles a byte, a cycle {:.2} ns.\n",
        cycles(measured.copy),
        measured.cycle * 1e9
    );
    println!(
        "| codec | ratio | encode, cycles a byte | × memcpy | decode, cycles a byte | × memcpy |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for row in &measured.rows {
        let times = |time: Duration| time.as_secs_f64() / measured.copy.as_secs_f64();
        println!(
            "| `{}` | {:.2} | {:.2} | {:.0} | {:.2} | {:.0} |",
            row.spec,
            bytes as f64 / row.stored as f64,
            cycles(row.encode),
            times(row.encode),
            cycles(row.decode),
            times(row.decode)
        );
    }
}

/// Poisson counts as u16, by multiplication of uniform numbers.
fn poisson(mean: f64, elements: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
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
