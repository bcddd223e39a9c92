//! What `dictionary` promises: every bit pattern back, no more bits than the number of values needs, masks in runs.

mod support;

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, frame};
use proptest::prelude::*;
use support::{Random, encode, noise, stored};

fn layout(class: ElementClass, bytes: usize, order: ByteOrder, elements: usize) -> Layout {
    let element = Element {
        class,
        bytes,
        order,
    };
    Layout::new(element, vec![elements])
}

fn little(class: ElementClass, bytes: usize, elements: usize) -> Layout {
    layout(class, bytes, ByteOrder::Little, elements)
}

/// The chunk, after checking that it decodes to `src`.
fn round_trip(spec: &str, layout: &Layout, src: &[u8]) -> Vec<u8> {
    let spec = spec.parse().unwrap();
    let chunk = encode(&spec, layout, src);
    let (filter, values) = stored(&spec, layout);
    let mut back = vec![0xcc; src.len()];
    (filter.decode)(&mut Context::new(), &values, &chunk, &mut back).unwrap();
    assert!(back == src, "{spec} {layout:?}");
    chunk
}

fn codec_of(chunk: &[u8]) -> &'static str {
    frame::inspect(chunk).unwrap().codec
}

/// Elements drawn evenly from `count` random bit patterns.
fn even(element_bytes: usize, elements: usize, count: usize, seed: u64) -> Vec<u8> {
    let palette = noise(count * element_bytes, seed);
    let mut random = Random(seed);
    let draws = (0..elements).map(|_| random.below(count) * element_bytes);
    draws
        .flat_map(|at| &palette[at..at + element_bytes])
        .copied()
        .collect()
}

#[test]
fn independent_values_take_no_more_bits_than_their_number_needs() {
    let elements = 1 << 18;
    for element_bytes in [1usize, 2, 3, 4, 6, 8] {
        for bits in [1, 2, 3, 4, 6, 8, 10, 12] {
            for count in [1 << bits, (1 << bits) - 1, (1 << (bits - 1)) + 1] {
                if count > 1 && bits < 8 * element_bytes {
                    let src = even(element_bytes, elements, count, 31);
                    let chunk = round_trip(
                        "dictionary",
                        &little(ElementClass::Other, element_bytes, elements),
                        &src,
                    );
                    assert_eq!(codec_of(&chunk), "dictionary");
                    let palette = count * (8 * element_bytes).div_ceil(7);
                    let limit = elements / 8 * bits + palette + 64;
                    assert!(
                        chunk.len() <= limit,
                        "{count} of {element_bytes}: {} > {limit}",
                        chunk.len()
                    );
                }
            }
        }
    }
}

#[test]
fn a_mask_in_runs_beats_bit_packing_by_far() {
    let (rows, columns) = (1679, 1475);
    let gap = |at: usize| {
        let (row, column) = (at / columns, at % columns);
        row % 212 >= 195
            || column % 494 >= 487
            || (at.wrapping_mul(0x9E37_79B9) >> 8).is_multiple_of(30_000)
    };
    for element_bytes in [1, 2, 4] {
        let src: Vec<u8> = (0..rows * columns)
            .flat_map(|at| (0..element_bytes).map(move |_| if gap(at) { 0xff } else { 0 }))
            .collect();
        let layout = little(ElementClass::Signed, element_bytes, rows * columns);
        let auto = round_trip("dictionary", &layout, &src);
        let bits = round_trip("dictionary:backend=bits", &layout, &src);
        let forced = round_trip("dictionary:backend=bitshuffle", &layout, &src);
        assert!(auto.len() <= forced.len());
        assert!(
            auto.len() * 115 < src.len() && auto.len() * 10 < bits.len(),
            "{}",
            auto.len()
        );
    }
}

#[test]
fn too_many_values_and_large_elements_fall_back_to_bitshuffle() {
    for (element_bytes, elements) in [(4, 200_000), (8, 100_000), (2, 100_000), (1, 1000)] {
        let src = noise(element_bytes * elements, 33);
        let chunk = round_trip(
            "dictionary",
            &little(ElementClass::Unsigned, element_bytes, elements),
            &src,
        );
        assert_eq!(codec_of(&chunk), "raw", "{element_bytes}");
    }
    let chunk = round_trip(
        "dictionary",
        &little(ElementClass::Other, 12, 5000),
        &[7; 60_000],
    );
    assert_eq!(codec_of(&chunk), "bitshuffle");
}

#[test]
fn up_to_65536_values_are_kept() {
    let elements = 1_200_000;
    for count in [65_535, 65_536, 65_537] {
        let mut random = Random(34);
        // All of them once, then any.
        let src: Vec<u8> = (0..elements)
            .map(|i| if i < count { i } else { random.below(count) } as u32)
            .flat_map(|i| (i * 65_521).to_le_bytes())
            .collect();
        let chunk = round_trip(
            "dictionary",
            &little(ElementClass::Unsigned, 4, elements),
            &src,
        );
        assert_eq!(codec_of(&chunk) == "dictionary", count <= 65_536, "{count}");
    }
}

#[test]
fn one_value_takes_a_few_bytes() {
    let nan = f32::from_bits(0x7fc1_2345).to_be_bytes();
    let layout = layout(ElementClass::Float, 4, ByteOrder::Big, 1 << 20);
    let chunk = round_trip("dictionary", &layout, &nan.repeat(1 << 20));
    assert!(chunk.len() < 64, "{}", chunk.len());
}

fn any_layout() -> impl Strategy<Value = (ElementClass, usize, ByteOrder)> {
    let class = prop_oneof![
        Just(ElementClass::Unsigned),
        Just(ElementClass::Signed),
        Just(ElementClass::Float),
        Just(ElementClass::Other)
    ];
    let order = prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)];
    (class, 1usize..=8, order)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_elements_they_come_back(
        (class, element_bytes, order) in any_layout(),
        palette in prop::collection::vec(any::<u64>(), 1..400),
        runs in prop::collection::vec((any::<prop::sample::Index>(), 1usize..300), 0..200),
        backend in prop_oneof![
            Just("auto"),
            Just("bits"),
            Just("bitshuffle"),
            Just("counts"),
            Just("contours")
        ],
    ) {
        let mut src = Vec::new();
        for (index, length) in runs {
            let element = palette[index.index(palette.len())].to_le_bytes();
            src.extend(element[..element_bytes].repeat(length));
        }
        let layout = layout(class, element_bytes, order, src.len() / element_bytes);
        round_trip(&format!("dictionary:backend={backend}"), &layout, &src);
    }
}
