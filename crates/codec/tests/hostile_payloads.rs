//! Damaged and hostile payloads, given to the codecs directly: the checksums of the frame would refuse them first.
//!
//! A payload must be refused or decode to something, without panic and without memory that it has not earned.
//! `ETALON_MUTATIONS=1000000` sets how many payloads are tried per setting and layout (2000 otherwise).

mod support;

use etalon_codec::{ByteOrder, Chunk, Context, Element, ElementClass, Layout};
use support::allocations::{self, Watching};
use support::{Random, counts, sparse, specs_for};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What a codec may hold besides: 4-byte indices and 8-byte values of each element, and tables of a limited size.
const PER_ELEMENT: usize = 16;
const TABLES: usize = 8 << 20;

fn mutations() -> usize {
    let text = std::env::var("ETALON_MUTATIONS").unwrap_or_default();
    text.parse().unwrap_or(2000)
}

/// Overwrites, flips, cuts, removes and repeats, preferring the first bytes.
fn mutate(payload: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        if payload.is_empty() {
            return;
        }
        let span = [8, 64, payload.len()][random.below(3)];
        let at = random.below(span.min(payload.len()));
        match random.below(7) {
            0 => payload[at] ^= 1 << random.below(8),
            1 => payload[at] = random.next() as u8,
            2 => payload[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => payload.truncate(at),
            4 => {
                let tail = payload[at..].to_vec();
                payload.extend_from_slice(&tail[..tail.len().min(64)]);
            }
            5 => {
                let end = (at + 1 + random.below(16)).min(payload.len());
                payload.drain(at..end);
            }
            _ => {
                let value = random.next() >> random.below(64);
                for (byte, new) in payload[at..].iter_mut().zip(value.to_le_bytes()) {
                    *byte = new;
                }
            }
        }
    }
}

/// Layouts of two small frames, with elements to go with them.
fn chunks() -> Vec<(Layout, Vec<u8>)> {
    use ElementClass::{Float, Other, Signed, Unsigned};
    let elements = 2 * 24 * 25;
    let mut chunks = Vec::new();
    for (class, bytes) in [
        (Unsigned, 1),
        (Unsigned, 2),
        (Signed, 4),
        (Unsigned, 8),
        (Other, 3),
        (Float, 2),
        (Float, 4),
        (Float, 8),
    ] {
        let integers = counts(elements, bytes, 21);
        let stored = match (class, bytes) {
            (Float, 2) => integers
                .chunks(2)
                .flat_map(|pair| [0, pair[0] % 8 + 0x40])
                .collect(),
            (Float, 4) => integers
                .chunks(4)
                .flat_map(|four| (f32::from(four[0]) + 0.5).to_le_bytes())
                .collect(),
            (Float, _) => integers
                .chunks(8)
                .flat_map(|eight| f64::from(eight[0]).to_le_bytes())
                .collect(),
            _ => integers,
        };
        let element = Element {
            class,
            bytes,
            order: ByteOrder::Little,
        };
        chunks.push((Layout::new(element, vec![2, 24, 25]), stored));
    }
    // Indices go to the back end of counts.
    let element = Element {
        class: Unsigned,
        bytes: 2,
        order: ByteOrder::Little,
    };
    let layout = Layout::new(element, vec![2, 40, 50]);
    chunks.push((layout, sparse(50, 4000, 2, 20)));
    chunks
}

#[test]
fn mutated_payloads_are_refused_or_decoded_without_panic_or_unearned_memory() {
    let mut context = Context::new();
    let mut tried = 0;
    let mut failures = Vec::new();
    for (layout, bytes) in chunks() {
        for spec in specs_for(&layout) {
            let codec = spec.codec();
            let chunk = Chunk {
                spec: &spec,
                layout: &layout,
                bytes: &bytes,
            };
            let mut payload = vec![0xcc; bytes.len()];
            let Ok(Some(encoded)) = (codec.encode)(&mut context, &chunk, &mut payload) else {
                continue; // the data do not suit the codec
            };
            if encoded.by.is_some() {
                continue; // another codec's payload, which has its own turn
            }
            payload.truncate(encoded.len);
            let mut back = vec![0xcc; bytes.len()];
            (codec.decode)(&mut context, &layout, &payload, &mut back).unwrap();
            assert!(!codec.lossless || back == bytes, "{spec} {layout:?}");
            let allowed = TABLES + PER_ELEMENT * bytes.len();
            let mut random = Random(22);
            for round in 0..mutations() {
                let mut mutated = payload.clone();
                mutate(&mut mutated, &mut random);
                allocations::reset();
                let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    (codec.decode)(&mut context, &layout, &mutated, &mut back)
                }));
                let case = format!("{spec} on {:?}, round {round}", layout.element);
                let largest = allocations::since_reset().largest;
                if decoded.is_err() || largest > allowed {
                    let what = if decoded.is_err() { "panic" } else { "memory" };
                    let start = &mutated[..mutated.len().min(80)];
                    failures.push(format!("{case}: {what}, {largest} bytes, {start:02x?}"));
                    break;
                }
            }
            tried += 1;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(tried > 10, "only {tried} settings had a payload");
}
