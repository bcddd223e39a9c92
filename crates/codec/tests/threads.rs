//! Threads inside a chunk change how long it takes, and nothing else.

mod support;

use etalon_codec::{Context, Error, Layout, Spec};
use support::{counts, layout, specs_for, stored};

const STREAMS: [&str; 7] = [
    "bitshuffle",
    "bitshuffle:compressor=zstd",
    "bitshuffle:compressor=none",
    "bitshuffle:planes",
    "bitshuffle:block=24",
    "bitshuffle:block=400000",
    "bitshuffle:block=16777216",
];

fn encoded(context: &mut Context, spec: &Spec, layout: &Layout, src: &[u8]) -> Option<Vec<u8>> {
    let (filter, values) = stored(spec, layout);
    let mut dst = vec![0xcc; (filter.bound)(&values, src.len()).unwrap()];
    let len = (filter.encode)(context, &values, src, &mut dst).ok()?;
    dst.truncate(len);
    Some(dst)
}

fn decoded(
    context: &mut Context,
    spec: &Spec,
    layout: &Layout,
    chunk: &[u8],
) -> Result<Vec<u8>, Error> {
    let (filter, values) = stored(spec, layout);
    let mut dst = vec![0xcc; (filter.decoded_len)(&values, chunk)?];
    (filter.decode)(context, &values, chunk, &mut dst)?;
    Ok(dst)
}

/// Bytes of an element and of a chunk: below two parts, around multiples of a part, and with elements left after the last
/// block.
const CHUNKS: [(usize, usize); 6] = [
    (2, 1 << 20),
    (2, (2 << 20) + 16),
    (2, (5 << 20) + 12_345),
    (1, (3 << 20) + 12_345),
    (3, (2 << 20) + 24),
    (8, (2 << 20) + 64),
];

#[test]
fn streams_are_the_same_for_any_number_of_threads() {
    for (element_bytes, bytes) in CHUNKS {
        let elements = bytes / element_bytes;
        let layout = layout(element_bytes, elements);
        let src = counts(elements, element_bytes, 7);
        for spec in STREAMS {
            let spec: Spec = spec.parse().unwrap();
            let case = format!("{spec}, {elements} elements of {element_bytes} bytes");
            let expected = encoded(&mut Context::new(), &spec, &layout, &src).unwrap();
            for threads in 2..=4 {
                let mut context = Context::with_threads(threads);
                // The second time in the memory of the first.
                for _ in 0..2 {
                    let chunk = encoded(&mut context, &spec, &layout, &src).unwrap();
                    assert!(chunk == expected, "{case}, {threads} threads");
                    let back = decoded(&mut context, &spec, &layout, &chunk).unwrap();
                    assert!(back == src, "{case}, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn every_codec_writes_and_reads_the_same_with_threads() {
    // Just as much as is shared out.
    let elements = (1 << 20) + 4099;
    let layout = layout(2, elements);
    let src = counts(elements, 2, 8);
    for spec in specs_for(&layout) {
        let Some(expected) = encoded(&mut Context::new(), &spec, &layout, &src) else {
            continue;
        };
        let back = decoded(&mut Context::new(), &spec, &layout, &expected);
        let mut context = Context::with_threads(3);
        let chunk = encoded(&mut context, &spec, &layout, &src).unwrap();
        assert!(chunk == expected, "{spec}");
        let again = decoded(&mut context, &spec, &layout, &chunk);
        assert!(again == back, "{spec}");
    }
}

#[test]
fn damage_is_the_same_error_for_any_number_of_threads() {
    let elements = 3 << 19;
    let layout = layout(2, elements);
    let src = counts(elements, 2, 9);
    for spec in &STREAMS[..2] {
        let spec: Spec = spec.parse().unwrap();
        let chunk = encoded(&mut Context::new(), &spec, &layout, &src).unwrap();
        let check = |damaged: &[u8], what: &str| {
            let expected = decoded(&mut Context::new(), &spec, &layout, damaged);
            for threads in 2..=4 {
                let mut context = Context::with_threads(threads);
                let outcome = decoded(&mut context, &spec, &layout, damaged);
                assert!(outcome == expected, "{spec}, {threads} threads, {what}");
            }
            expected.is_err()
        };
        for len in [0, 11, 12, 15, chunk.len() / 2, chunk.len() - 1] {
            assert!(check(&chunk[..len], "truncated"), "{spec} {len}");
        }
        let mut refused = 0;
        for index in 0..40 {
            let mut damaged = chunk.clone();
            // In two places, so that parts fail beside each other.
            for at in [index * chunk.len() / 80, chunk.len() - 1 - index * 997] {
                damaged[at] ^= 0x55;
            }
            refused += usize::from(check(&damaged, "damaged"));
        }
        assert!(refused > 10, "{spec}: only {refused} of 40 were damaged");
    }
}
