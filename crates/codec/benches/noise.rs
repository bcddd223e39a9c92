//! Speed of `noise` and of its parts, raw bytes per second: `cargo bench --bench noise`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

/// Counts around 1000 with the spread of Poisson counts (twelve uniform numbers added up).
fn counts(elements: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    (0..elements)
        .flat_map(|_| {
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            ((1000.0 + 31.6 * normal) as u16).to_le_bytes()
        })
        .collect()
}

fn bench(criterion: &mut Criterion) {
    let element = Element {
        class: ElementClass::Unsigned,
        bytes: 2,
        order: ByteOrder::Little,
    };
    let layout = Layout::new(element, vec![1024, 1024]);
    let src = counts(1 << 20);
    let mut context = Context::new();
    for text in ["noise", "noise:mode=unbiased", "bitshuffle:compressor=zstd"] {
        let spec: Spec = text.parse().unwrap();
        let filter = spec.codec().filter;
        let values = (filter.cd_values)(&spec, &layout).unwrap();
        let mut chunk = vec![0; (filter.bound)(&values, src.len()).unwrap()];
        let mut back = vec![0; src.len()];
        let mut group = criterion.benchmark_group(text);
        group
            .throughput(Throughput::Bytes(src.len() as u64))
            .sample_size(20);
        let mut len = 0;
        group.bench_function("encode", |bencher| {
            bencher
                .iter(|| len = (filter.encode)(&mut context, &values, &src, &mut chunk).unwrap());
        });
        group.bench_function("decode", |bencher| {
            bencher
                .iter(|| (filter.decode)(&mut context, &values, &chunk[..len], &mut back).unwrap());
        });
        println!("{text}: ratio {:.3}", src.len() as f64 / len as f64);
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
