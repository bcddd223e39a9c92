//! GB/s of CPU time, of the original, for E1 to E5 and E7 in one pass, and for PSNR with its robust range:
//! `cargo bench -p etalon-metrics --bench moments`. Every result is compared with a plain loop first.
//! The time that the kernel counts for this process is taken where there is one, so that a busy machine matters less.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etalon_metrics::{Frames, Moments, Noise, Values};

const ROWS: usize = 1024;
const COLUMNS: usize = 1024;

/// Counts around 100, and what a codec with an error of up to 3 makes of them.
fn pair() -> (Vec<u16>, Vec<u16>) {
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u16
    };
    (0..ROWS * COLUMNS)
        .map(|_| {
            let a = 80 + random() % 40;
            (a, a + random() % 7 - 3)
        })
        .unzip()
}

fn moments(original: Values<'_>, decoded: Values<'_>, valid: Option<&[bool]>) -> Moments {
    let mut moments = Moments::new(Noise::default());
    moments.add_frames(&Frames {
        original,
        decoded,
        valid,
        first: 0,
        count: 1,
        rows: ROWS,
        columns: COLUMNS,
    });
    moments
}

fn bench(criterion: &mut Criterion) {
    let (a, b) = pair();
    let plain: i64 = a
        .iter()
        .zip(&b)
        .map(|(a, b)| i64::from(*b) - i64::from(*a))
        .sum();
    let mean = plain as f64 / a.len() as f64;
    let valid: Vec<bool> = (0..a.len()).map(|at| at % 50 != 0).collect();
    let (a_i32, b_i32): (Vec<i32>, Vec<i32>) = (widen(&a), widen(&b));
    let (a_f32, b_f32): (Vec<f32>, Vec<f32>) = (widen(&a), widen(&b));
    let arrays = [
        ("u16", 2, Values::U16(&a), Values::U16(&b)),
        ("i32", 4, Values::I32(&a_i32), Values::I32(&b_i32)),
        ("f32", 4, Values::F32(&a_f32), Values::F32(&b_f32)),
    ];
    let mut group = criterion.benchmark_group("moments");
    for (name, bytes, a, b) in arrays {
        assert!((moments(a, b, None).mean_error() - mean).abs() < 1e-12);
        group.throughput(Throughput::Bytes((bytes * ROWS * COLUMNS) as u64));
        group.bench_function(name, |bencher| {
            let run = || moments(black_box(a), black_box(b), None);
            bencher.iter_custom(|times| cpu_time_of(times, run))
        });
        group.bench_function(format!("{name}-masked"), |bencher| {
            let run = || moments(black_box(a), black_box(b), Some(black_box(&valid)));
            bencher.iter_custom(|times| cpu_time_of(times, run))
        });
    }
    group.finish();
}

/// CPU time, or time where that is not known, of as many runs.
fn cpu_time_of<T>(times: u64, run: impl Fn() -> T) -> Duration {
    let (start, before) = (Instant::now(), cpu_time());
    for _ in 0..times {
        black_box(run());
    }
    match (before, cpu_time()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    }
}

/// What Linux counts for the process, which is good to a few milliseconds.
fn cpu_time() -> Option<Duration> {
    let counted = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanoseconds = counted.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn widen<T: From<u16>>(values: &[u16]) -> Vec<T> {
    values.iter().map(|&value| T::from(value)).collect()
}

criterion_group! {
    name = benches;
    // Few samples of many runs each, because of the grain of the CPU time.
    config = Criterion::default().sample_size(10);
    targets = bench
}
criterion_main!(benches);
