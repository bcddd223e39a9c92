//! Pixels a second of SSIM with a given range, on one thread: `cargo bench -p etalon-metrics --bench ssim`.
//! The result is compared with that of a frame beside itself first.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etalon_metrics::{Frames, Settings, Shape, Values, metric_named};

const SHAPE: Shape = Shape {
    frames: 1,
    rows: 1024,
    columns: 1024,
};

/// Counts around 100 with the structure of a grid.
fn image(shift: u16) -> Vec<u16> {
    let mut state = 1_u64;
    (0..SHAPE.rows * SHAPE.columns)
        .map(|at| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (row, column) = (at / SHAPE.columns, at % SHAPE.columns);
            let wave = 50 * u16::from(row / 16 % 2 == column / 16 % 2);
            80 + wave + (state >> 60) as u16 * shift
        })
        .collect()
}

fn ssim(original: &[u16], decoded: &[u16], valid: Option<&[bool]>) -> f64 {
    let settings = Settings {
        data_range: Some(100.0),
        ..Settings::default()
    };
    let metric = metric_named("ssim").expect("a metric");
    let mut pass = (metric.pass.start)(&settings, SHAPE).expect("sound settings");
    let added = pass.add(&Frames {
        original: Values::U16(original),
        decoded: Values::U16(decoded),
        valid,
        first: 0,
        count: 1,
        rows: SHAPE.rows,
        columns: SHAPE.columns,
    });
    added.expect("frames are taken");
    pass.finish().expect("numbers").values["ssim"]
}

fn bench(criterion: &mut Criterion) {
    let (a, b) = (image(0), image(1));
    let valid: Vec<bool> = (0..a.len()).map(|at| at % 5003 != 0).collect();
    assert_eq!(ssim(&a, &a, None), 1.0);
    let mut group = criterion.benchmark_group("ssim");
    group.throughput(Throughput::Elements(a.len() as u64));
    group.bench_function("u16", |bencher| {
        bencher.iter(|| ssim(black_box(&a), black_box(&b), None))
    });
    group.bench_function("u16-masked", |bencher| {
        bencher.iter(|| ssim(black_box(&a), black_box(&b), Some(&valid)))
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = bench
}
criterion_main!(benches);
