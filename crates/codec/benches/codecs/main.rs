//! Ratio and speed of every codec on one thread, beside bitshuffle with zstd at level 3 (z3) and beside memcpy.
//!
//! `cargo bench -p etalon-codec --bench codecs` measures the simulated sets of `sets.rs`; `… -- counts noise` those groups;
//! `… -- FILE TYPE SHAPE [SPEC …]` a file of raw little-endian elements: TYPE is `u1` to `u4`, `i1` to `i4`, `f4` or
//! `f8`, SHAPE that of a chunk, as in `4x512x512`. Only whole chunks are taken.
//!
//! Times are the best of many runs for each chunk; in every run codecs take turns, and what a lossless one gives back is
//! compared with its input. A cycle is measured as a step of a linear congruential generator, which waits for a
//! multiplication and an addition: 4 cycles on processors of today.

mod sets;

use std::hint::black_box;
use std::time::{Duration, Instant};

use etalon_codec::{Context, Layout, Spec, frame};
use sets::{GROUPS, Set};

const REFERENCE: &str = "bitshuffle:compressor=zstd";
const PATIENCE: Duration = Duration::from_millis(1500);
const STEPS: u64 = 200_000;
const CYCLES_PER_STEP: f64 = 4.0;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let [path, kind, shape, specs @ ..] = &arguments[..]
        && GROUPS.iter().all(|group| group.name != path)
    {
        let set = Set::of_file(path, kind, shape);
        let specs: Vec<&str> = specs.iter().map(String::as_str).collect();
        measure(
            &set,
            if specs.is_empty() {
                sets::LOSSLESS
            } else {
                &specs
            },
        );
        return;
    }
    for group in GROUPS {
        if arguments.is_empty() || arguments.iter().any(|name| name == group.name) {
            for set in (group.sets)() {
                measure(&set, group.specs);
            }
        }
    }
}

/// What was measured of a SPEC: the best times of each chunk.
struct Row {
    spec: Spec,
    /// Complete cd_values.
    values: Vec<u32>,
    stored: usize,
    encode: Vec<Duration>,
    decode: Vec<Duration>,
}

/// Memory of the runs.
struct Room {
    context: Context,
    stream: Vec<u8>,
    back: Vec<u8>,
}

impl Row {
    fn new(text: &str, layout: &Layout, chunks: usize) -> Self {
        let spec: Spec = text.parse().unwrap();
        let filter = spec.codec().filter;
        let values = (filter.cd_values)(&spec, layout).unwrap();
        Self {
            values: (filter.localise)(&values, Some(layout)).unwrap(),
            spec,
            stored: 0,
            encode: vec![Duration::MAX; chunks],
            decode: vec![Duration::MAX; chunks],
        }
    }

    fn run(&mut self, room: &mut Room, chunks: &[&[u8]]) {
        let filter = self.spec.codec().filter;
        let bound = (filter.bound)(&self.values, chunks[0].len()).unwrap();
        if room.stream.len() < bound {
            room.stream = vec![1; bound];
        }
        self.stored = 0;
        for (number, chunk) in chunks.iter().enumerate() {
            let Room {
                context,
                stream,
                back,
            } = room;
            let start = Instant::now();
            let encoded = (filter.encode)(context, &self.values, chunk, &mut stream[..bound]);
            self.encode[number] = self.encode[number].min(start.elapsed());
            let stored = &stream[..encoded.unwrap()];
            let start = Instant::now();
            (filter.decode)(context, &self.values, stored, back).unwrap();
            self.decode[number] = self.decode[number].min(start.elapsed());
            assert!(
                !self.spec.codec().lossless || back == chunk,
                "{}",
                self.spec
            );
            if !self.spec.codec().lossless {
                let codec = frame::inspect(stored).unwrap().codec;
                assert_eq!(
                    codec,
                    self.spec.codec().name,
                    "{}: stored otherwise",
                    self.spec
                );
            }
            self.stored += stored.len();
        }
    }
}

fn measure(set: &Set, specs: &[&str]) {
    let chunk_bytes = set.layout.chunk_bytes().unwrap();
    let chunks: Vec<&[u8]> = set.bytes.chunks_exact(chunk_bytes).collect();
    let mut room = Room {
        context: Context::new(),
        stream: Vec::new(),
        back: vec![1; chunk_bytes],
    };
    let specs = [REFERENCE].into_iter().chain(specs.iter().copied());
    let mut rows: Vec<Row> = specs
        .map(|spec| Row::new(spec, &set.layout, chunks.len()))
        .collect();
    let mut steps = Duration::MAX;
    let mut copies = vec![Duration::MAX; chunks.len()];
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        steps = steps.min(time(|| {
            black_box((0..STEPS).fold(1, |x, _| step(x)));
        }));
        for (copy, chunk) in copies.iter_mut().zip(&chunks) {
            *copy = (*copy).min(time(|| room.back.copy_from_slice(black_box(chunk))));
        }
        for row in &mut rows {
            row.run(&mut room, &chunks);
        }
    }
    let cycle = steps.as_secs_f64() / (STEPS as f64 * CYCLES_PER_STEP);
    print(set, &rows, cycle, &copies);
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

fn seconds(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64()
}

/// The table of a set. Speeds are GB of elements a second, × z3, cycles a byte, × memcpy.
fn print(set: &Set, rows: &[Row], cycle: f64, copies: &[Duration]) {
    let raw = (set.layout.chunk_bytes().unwrap() * copies.len()) as f64;
    let copy = seconds(copies);
    println!(
        "\n{}: memcpy {:.1} GB/s, {:.2} cycles a byte; a cycle {:.2} ns\n",
        set.name,
        raw / copy / 1e9,
        copy / cycle / raw,
        cycle * 1e9
    );
    println!(
        "| codec | ratio | × z3 | encode: GB/s | × z3 | cycles/B | memcpy ÷ | decode: GB/s | × z3 | cycles/B | memcpy ÷ |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let speed = |times: &[Duration], reference: &[Duration]| {
        let took = seconds(times);
        format!(
            "{:.2} | {:.2} | {:.2} | {:.0}",
            raw / took / 1e9,
            seconds(reference) / took,
            took / cycle / raw,
            took / copy
        )
    };
    for row in rows {
        println!(
            "| `{}` | {:.3} | {:.2} | {} | {} |",
            row.spec,
            raw / row.stored as f64,
            rows[0].stored as f64 / row.stored as f64,
            speed(&row.encode, &rows[0].encode),
            speed(&row.decode, &rows[0].decode)
        );
    }
}
