//! What every codec must do, run over the codec table.

mod support;

use etalon_codec::{Context, Error};
use support::{counts, encode, layout, noise, specs, stored};

const ELEMENT_BYTES: [usize; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 100];

#[test]
fn round_trip_on_all_element_sizes_and_lengths() {
    let mut context = Context::new();
    for spec in specs() {
        for bytes in ELEMENT_BYTES {
            for elements in [
                0, 1, 7, 8, 9, 15, 16, 63, 64, 65, 127, 128, 1000, 1025, 4096, 8193, 20_011,
            ] {
                let layout = layout(bytes, elements);
                let (filter, values) = stored(&spec, &layout);
                for src in [counts(elements, bytes, 1), noise(elements * bytes, 2)] {
                    let chunk = encode(&spec, &layout, &src);
                    assert_eq!(
                        (filter.decoded_len)(&values, &chunk),
                        Ok(src.len()),
                        "{spec} {bytes} {elements}"
                    );
                    let mut back = vec![0xcc; src.len()];
                    (filter.decode)(&mut context, &values, &chunk, &mut back).unwrap();
                    assert!(
                        back == src,
                        "{spec} element bytes {bytes} elements {elements}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_truncation_and_every_extension_is_an_error() {
    let layout = layout(2, 3001);
    let src = counts(3001, 2, 3);
    for spec in specs() {
        let (filter, values) = stored(&spec, &layout);
        let mut chunk = encode(&spec, &layout, &src);
        if spec.choice("compressor") == "none" {
            continue; // a bare transposition has no header: any length is a chunk
        }
        for len in 0..chunk.len() {
            let error = (filter.decoded_len)(&values, &chunk[..len]);
            assert!(error.is_err(), "{spec} truncated to {len}");
        }
        chunk.push(0);
        assert!(
            (filter.decoded_len)(&values, &chunk).is_err(),
            "{spec} with a byte more"
        );
    }
}

#[test]
fn no_bit_flip_panics() {
    let layout = layout(4, 515);
    let src = counts(515, 4, 4);
    let mut context = Context::new();
    for spec in specs() {
        let (filter, values) = stored(&spec, &layout);
        let mut chunk = encode(&spec, &layout, &src);
        for bit in 0..chunk.len() * 8 {
            chunk[bit / 8] ^= 1 << (bit % 8);
            if let Ok(len) = (filter.decoded_len)(&values, &chunk) {
                let _ = (filter.decode)(&mut context, &values, &chunk, &mut vec![0; len]);
            }
            chunk[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn an_output_buffer_of_another_size_is_an_error() {
    let layout = layout(2, 1000);
    let src = counts(1000, 2, 5);
    let mut context = Context::new();
    for spec in specs() {
        let (filter, values) = stored(&spec, &layout);
        let chunk = encode(&spec, &layout, &src);
        for len in [0, src.len() - 1, src.len() + 1] {
            let result = (filter.decode)(&mut context, &values, &chunk, &mut vec![0; len]);
            assert_eq!(
                result,
                Err(Error::OutputSize {
                    given: len,
                    needed: src.len()
                }),
                "{spec}"
            );
        }
        let bound = (filter.bound)(&values, src.len()).unwrap();
        let result = (filter.encode)(&mut context, &values, &src, &mut vec![0; bound - 1]);
        assert!(matches!(result, Err(Error::OutputSize { .. })), "{spec}");
    }
}

#[test]
fn localising_twice_changes_nothing_and_follows_the_type() {
    for spec in specs() {
        let four = layout(4, 100);
        let (filter, values) = stored(&spec, &four);
        assert_eq!(
            (filter.localise)(&values, Some(&four)).unwrap(),
            values,
            "{spec}"
        );
        assert_eq!((filter.localise)(&values, None).unwrap(), values, "{spec}");
        let two = layout(2, 100);
        assert_eq!(
            (filter.localise)(&values, Some(&two)).unwrap(),
            stored(&spec, &two).1,
            "{spec}"
        );
    }
}

#[test]
fn encoding_twice_gives_the_same_bytes_whatever_the_context_did_before() {
    let layout = layout(2, 5000);
    let (first, second) = (counts(5000, 2, 6), noise(10_000, 7));
    let mut context = Context::new();
    for spec in specs() {
        let (filter, values) = stored(&spec, &layout);
        let mut dst = vec![0; (filter.bound)(&values, first.len()).unwrap()];
        for src in [&second, &first] {
            let written = (filter.encode)(&mut context, &values, src, &mut dst).unwrap();
            assert!(dst[..written] == encode(&spec, &layout, src), "{spec}");
        }
    }
}
