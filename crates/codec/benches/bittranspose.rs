//! Bit transposition against memcpy: 256 KiB in blocks of 8 KiB, so both sides stay in the L2 cache.
//!
//! `cargo bench -p etalon-codec --bench bittranspose` prints GiB/s per element size, direction and level; quote the
//! ratio to `memcpy` of the same run. Buffers start on a page, as a codec's own scratch memory would.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etalon_codec::kernels::bittranspose::{bit_transpose, bit_untranspose};
use etalon_codec::kernels::levels::Level;

const BUFFER_BYTES: usize = 256 << 10;
const BLOCK_BYTES: usize = 8 << 10;
const PAGE_BYTES: usize = 4096;

type Function = fn(Level, usize, &[u8], &mut [u8]);

fn bench(criterion: &mut Criterion) {
    let mut memory = [(); 3].map(|()| vec![0; BUFFER_BYTES + PAGE_BYTES]);
    let [src, planes, back] = memory.each_mut().map(|memory| page_aligned(memory));
    for (index, byte) in src.iter_mut().enumerate() {
        *byte = (index.wrapping_mul(0x9e37_79b9) >> 13) as u8;
    }
    for size in [1, 2, 4, 8] {
        let mut group = criterion.benchmark_group(format!("{size}-byte"));
        group.throughput(Throughput::Bytes(BUFFER_BYTES as u64));
        group.bench_function("memcpy", |bencher| {
            bencher.iter(|| {
                for (from, to) in blocks(src, back) {
                    to.copy_from_slice(from);
                }
            })
        });
        for level in Level::available() {
            let mut run = |name, function: Function, from: &[u8], to: &mut [u8]| {
                group.bench_function(BenchmarkId::new(name, level.name()), |bencher| {
                    bencher.iter(|| {
                        for (from, to) in blocks(from, to) {
                            function(level, size, from, to);
                        }
                    })
                });
            };
            run("transpose", bit_transpose, src, planes);
            run("untranspose", bit_untranspose, planes, back);
            check(level, size, src, planes, back);
        }
        group.finish();
    }
}

fn blocks<'a>(from: &'a [u8], to: &'a mut [u8]) -> impl Iterator<Item = (&'a [u8], &'a mut [u8])> {
    from.chunks_exact(BLOCK_BYTES)
        .zip(to.chunks_exact_mut(BLOCK_BYTES))
}

/// A filter on the command line may have left out either direction, so both run once more here.
fn check(level: Level, size: usize, src: &[u8], planes: &mut [u8], back: &mut [u8]) {
    let mut reference = vec![0; BLOCK_BYTES];
    for (from, to) in blocks(src, planes) {
        bit_transpose(level, size, from, to);
        bit_transpose(Level::SCALAR, size, from, &mut reference);
        assert!(reference == to, "{} transposes wrongly", level.name());
    }
    for (from, to) in blocks(planes, back) {
        bit_untranspose(level, size, from, to);
    }
    assert!(src == back, "{} does not invert", level.name());
}

fn page_aligned(memory: &mut [u8]) -> &mut [u8] {
    let start = memory.as_ptr().align_offset(PAGE_BYTES);
    &mut memory[start..start + BUFFER_BYTES]
}

fn short_runs() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
}

criterion_group! {
    name = benches;
    config = short_runs();
    targets = bench
}
criterion_main!(benches);
