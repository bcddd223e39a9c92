//! Damaged and hostile chunks: no panic, and no allocation that the chunk has not earned.
//!
//! `ETALON_MUTATIONS=1000000` sets how many chunks are tried per setting (100 000 otherwise).

mod support;

use etalon_codec::Context;
use support::allocations::{self, Watching};
use support::{Random, counts, encode_unless_refused, layout, specs_for, stored};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Tables of a fixed size that a codec may need, in bytes.
const TABLES: usize = 512 << 10;

fn mutations() -> usize {
    let text = std::env::var("ETALON_MUTATIONS").unwrap_or_default();
    text.parse().unwrap_or(100_000)
}

/// Overwrites, flips, cuts and repeats, preferring the header and the length fields.
fn mutate(chunk: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let span = if random.below(2) == 0 {
            32
        } else {
            chunk.len()
        };
        let at = random.below(span.min(chunk.len()));
        match random.below(6) {
            0 => chunk[at] ^= 1 << random.below(8),
            1 => chunk[at] = random.next() as u8,
            2 => chunk[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => chunk.truncate(at.max(1)),
            4 => {
                let tail = chunk[at..].to_vec();
                chunk.extend_from_slice(&tail[..tail.len().min(64)]);
            }
            _ => {
                let value = (random.next() as u32) >> random.below(32);
                for (byte, new) in chunk[at..].iter_mut().zip(value.to_be_bytes()) {
                    *byte = new;
                }
            }
        }
    }
}

#[test]
fn mutated_chunks_are_refused_or_decoded_without_panic_or_unearned_memory() {
    let elements = 700;
    let mut context = Context::new();
    let mut output = Vec::new();
    for element_bytes in [2, 4] {
        let layout = layout(element_bytes, elements);
        for spec in specs_for(&layout) {
            let (filter, values) = stored(&spec, &layout);
            let src = counts(elements, element_bytes, 11);
            let Some(good) = encode_unless_refused(&spec, &layout, &src) else {
                continue;
            };
            let mut random = Random(12);
            for round in 0..mutations() {
                let mut chunk = good.clone();
                mutate(&mut chunk, &mut random);
                allocations::reset();
                let Ok(len) = (filter.decoded_len)(&values, &chunk) else {
                    continue;
                };
                // zstd: 128 KiB from 4 bytes of an RLE block; LZ4: 255 from one.
                let earned = chunk.len().saturating_mul(32 << 10);
                assert!(
                    len <= earned,
                    "{spec} round {round}: {len} bytes from {}",
                    chunk.len()
                );
                if len > 64 << 20 {
                    continue;
                }
                output.clear();
                output.resize(len, 0xcc);
                allocations::reset();
                let _ = (filter.decode)(&mut context, &values, &chunk, &mut output);
                let largest = allocations::since_reset().largest;
                assert!(
                    largest <= len.max(TABLES) + 64,
                    "{spec} round {round}: allocated {largest} for {len}"
                );
            }
        }
    }
}

#[test]
fn a_header_that_promises_terabytes_is_refused_at_once() {
    let layout = layout(2, 700);
    for spec in specs_for(&layout)
        .iter()
        .filter(|spec| spec.choice("compressor") != "none")
    {
        let (filter, values) = stored(spec, &layout);
        let Some(mut chunk) = encode_unless_refused(spec, &layout, &counts(700, 2, 13)) else {
            continue;
        };
        for promised in [1 << 40, u64::MAX, u64::MAX - 1, 1 << 63] {
            chunk[..8].copy_from_slice(&u64::to_be_bytes(promised));
            for block in [0, 16, 8192, 0xffff_fff0] {
                chunk[8..12].copy_from_slice(&u32::to_be_bytes(block));
                allocations::reset();
                assert!(
                    (filter.decoded_len)(&values, &chunk).is_err(),
                    "{spec} {promised} {block}"
                );
                assert!(allocations::since_reset().largest < 1024, "{spec}");
            }
        }
    }
}
