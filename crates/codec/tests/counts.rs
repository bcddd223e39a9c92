//! `counts`: every pixel comes back, whatever its type, and marks of detectors cost little.

mod support;

use etalon_codec::{ByteOrder, Chunk, Context, Element, ElementClass, Layout, Spec};
use support::Random;

fn layout(class: ElementClass, bytes: usize, order: ByteOrder, shape: &[usize]) -> Layout {
    let element = Element {
        class,
        bytes,
        order,
    };
    Layout::new(element, shape.to_vec())
}

/// Bytes of the payload; the decoded chunk was compared. `None` where the codec has nothing to offer.
fn payload_len(layout: &Layout, bytes: &[u8]) -> Option<usize> {
    payload_len_of("counts", layout, bytes)
}

fn payload_len_of(spec: &str, layout: &Layout, bytes: &[u8]) -> Option<usize> {
    let spec: Spec = spec.parse().unwrap();
    let codec = spec.codec();
    let mut context = Context::new();
    let chunk = Chunk {
        spec: &spec,
        layout,
        bytes,
    };
    let mut payload = vec![0xcc; bytes.len()];
    let len = (codec.encode)(&mut context, &chunk, &mut payload)
        .unwrap()?
        .len;
    let mut back = vec![0xcc; bytes.len()];
    (codec.decode)(&mut context, layout, &payload[..len], &mut back).unwrap();
    assert!(back == bytes, "{layout:?}");
    Some(len)
}

fn stored(values: &[i64], layout: &Layout) -> Vec<u8> {
    let element = layout.element;
    let store = |&value: &i64| {
        let mut bytes = match (element.class, element.bytes) {
            (ElementClass::Float, 4) => (value as f32).to_le_bytes().to_vec(),
            (ElementClass::Float, _) => (value as f64).to_le_bytes().to_vec(),
            _ => value.to_le_bytes()[..element.bytes].to_vec(),
        };
        if element.order == ByteOrder::Big {
            bytes.reverse();
        }
        bytes
    };
    values.iter().flat_map(store).collect()
}

/// Mostly zeros; a count with probability `percent` / 100, and a large one for one count in 50.
fn sparse(pixels: usize, percent: usize, seed: u64) -> Vec<i64> {
    let mut random = Random(seed);
    let mut pixel = || match random.below(100) < percent {
        false => 0,
        true if random.below(50) == 0 => random.below(60_000) as i64,
        true => 1 + random.below(3) as i64,
    };
    (0..pixels).map(|_| pixel()).collect()
}

const TYPES: [(ElementClass, usize); 9] = [
    (ElementClass::Unsigned, 1),
    (ElementClass::Unsigned, 2),
    (ElementClass::Unsigned, 4),
    (ElementClass::Unsigned, 8),
    (ElementClass::Signed, 2),
    (ElementClass::Signed, 4),
    (ElementClass::Signed, 8),
    (ElementClass::Float, 4),
    (ElementClass::Float, 8),
];

#[test]
fn all_extents_of_small_frames_come_back() {
    for columns in 1..=70 {
        for rows in [1, 2, 3, 33, 70] {
            let mut values = sparse(2 * rows * columns, 20, (columns * 71 + rows) as u64);
            for (i, value) in values.iter_mut().enumerate() {
                if i % columns == columns / 2 || i % 977 == 5 {
                    *value = -1;
                }
            }
            let layout = layout(
                ElementClass::Signed,
                4,
                ByteOrder::Little,
                &[2, rows, columns],
            );
            let len = payload_len(&layout, &stored(&values, &layout));
            assert!(len.is_some() || rows * columns < 100, "{rows} x {columns}");
        }
    }
}

#[test]
fn rows_are_expected_in_frames_of_all_extents() {
    for spec in ["counts:model=fir", "counts:model=variance"] {
        for columns in 1..=70 {
            for rows in [1, 2, 3, 9, 33, 70] {
                let mut values = sparse(2 * rows * columns, 60, (columns * 71 + rows) as u64);
                for (i, value) in values.iter_mut().enumerate() {
                    *value += (i / columns * 20 % 700) as i64;
                    if i % columns == columns / 2 || i % 977 == 5 {
                        *value = -1;
                    }
                }
                let shape = [2, rows, columns];
                let layout = layout(ElementClass::Signed, 4, ByteOrder::Little, &shape);
                let len = payload_len_of(spec, &layout, &stored(&values, &layout));
                assert!(len.is_some() || rows * columns < 200, "{rows} x {columns}");
            }
        }
    }
}

#[test]
fn negative_measurements_are_no_marks() {
    let values: Vec<i64> = sparse(200 * 300, 60, 3)
        .iter()
        .enumerate()
        .map(|(i, value)| value % 50 - 25 + (i % 7) as i64)
        .collect();
    for (class, bytes) in [(ElementClass::Signed, 2), (ElementClass::Float, 4)] {
        let layout = layout(class, bytes, ByteOrder::Little, &[200, 300]);
        for spec in ["counts:model=fir", "counts:model=variance"] {
            let len = payload_len_of(spec, &layout, &stored(&values, &layout)).unwrap();
            assert!(len < 200 * 300, "{spec} {class:?}: {len}");
        }
    }
}

#[test]
fn every_type_and_byte_order_comes_back_smaller() {
    let values = sparse(3 * 64 * 100, 10, 5);
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for (class, bytes) in TYPES {
            let layout = layout(class, bytes, order, &[3, 64, 100]);
            let stored = stored(&values, &layout);
            let len = payload_len(&layout, &stored).unwrap();
            assert!(
                len * 5 * bytes.min(2) < stored.len() * 2,
                "{class:?} {bytes}: {len}"
            );
        }
    }
}

#[test]
fn what_holds_no_whole_numbers_is_left_to_others() {
    let layout = layout(ElementClass::Float, 4, ByteOrder::Little, &[64, 64]);
    for odd in [0.5f32, -0.0, f32::INFINITY, 1e20] {
        let mut stored = vec![0; 4 * 64 * 64];
        stored[4000..4004].copy_from_slice(&odd.to_le_bytes());
        assert_eq!(payload_len(&layout, &stored), None, "{odd}");
    }
}

/// A frame of modules with gaps, dead pixels and a beam stop.
fn detector(frames: usize, gap: i64, dead: i64, seed: u64) -> Vec<i64> {
    let (rows, columns) = (400, 487);
    let mut values = sparse(frames * rows * columns, 1, seed);
    for value in &mut values {
        *value %= 100;
    }
    for (i, value) in values.iter_mut().enumerate() {
        let (y, x) = (i / columns % rows, i % columns);
        if (y * 7919 + x * 104_729) % 5003 == 0 {
            *value = dead;
        }
        let is_beam_stop = y.abs_diff(200).pow(2) + x.abs_diff(240).pow(2) < 900;
        if (195..212).contains(&y) || (243..250).contains(&x) || is_beam_stop {
            *value = gap;
        }
    }
    values
}

#[test]
fn gaps_and_dead_pixels_cost_little_whatever_marks_them() {
    let plain = layout(ElementClass::Signed, 4, ByteOrder::Little, &[4, 400, 487]);
    let unmarked = payload_len(&plain, &stored(&detector(4, 0, 0, 9), &plain)).unwrap();
    let marks = [
        (ElementClass::Signed, 4, -1, -2),
        (ElementClass::Signed, 4, -2, -1),
        (ElementClass::Unsigned, 4, 0xffff_ffff, 0xffff_fffe),
        (ElementClass::Unsigned, 4, 65535, 65534),
        (ElementClass::Unsigned, 2, 65535, 65534),
        (ElementClass::Signed, 2, -1, -2),
        (ElementClass::Float, 4, -1, -2),
    ];
    for (class, bytes, gap, dead) in marks {
        let layout = layout(class, bytes, ByteOrder::Little, &[4, 400, 487]);
        let stored = stored(&detector(4, gap, dead, 9), &layout);
        let len = payload_len(&layout, &stored).unwrap();
        // 39 dead pixels in 195 thousand cost 11 bits each, once; the beam stop a few bytes a row.
        assert!(
            len < unmarked + 500,
            "{class:?} {gap} {dead}: {len} against {unmarked}"
        );
    }
}

#[test]
fn nan_marks_pixels_as_well_as_a_number() {
    let layout = layout(ElementClass::Float, 4, ByteOrder::Little, &[4, 400, 487]);
    let values = detector(4, -1, -2, 9);
    let marked = stored(&values, &layout);
    let as_nan: Vec<u8> = marked
        .chunks(4)
        .flat_map(|bytes| {
            if bytes == (-1f32).to_le_bytes() {
                f32::NAN.to_le_bytes()
            } else {
                [bytes[0], bytes[1], bytes[2], bytes[3]]
            }
        })
        .collect();
    let expected = payload_len(&layout, &marked).unwrap();
    assert_eq!(payload_len(&layout, &as_nan), Some(expected + 4));
}

#[test]
fn empty_and_masked_chunks_cost_next_to_nothing() {
    let layout = layout(ElementClass::Unsigned, 4, ByteOrder::Little, &[8, 512, 512]);
    for fill in [0u8, 255] {
        let len = payload_len(&layout, &vec![fill; 8 * 512 * 512 * 4]).unwrap();
        assert!(len < 1000, "{fill}: {len}");
    }
}

/// Eight frames of 64 × 256 pixels that flash where any other frame flashes, in one place of ten.
fn flashing() -> Vec<i64> {
    let mut random = Random(11);
    let rates: Vec<usize> = (0..64 * 256 / 8)
        .map(|_| [0, 60][usize::from(random.below(10) == 0)])
        .collect();
    (0..8 * 64 * 256)
        .map(|i| i64::from(random.below(100) < rates[i / 8 % rates.len()]))
        .collect()
}

#[test]
fn earlier_frames_tell_where_counts_are_and_are_left_alone_on_request() {
    let layout = layout(ElementClass::Unsigned, 2, ByteOrder::Little, &[8, 64, 256]);
    let bytes = stored(&flashing(), &layout);
    for codec in ["counts:model=bbp", "counts", "predict:model=up"] {
        let separator = if codec.contains(':') { ',' } else { ':' };
        let len = |temporal: &str| {
            let spec = format!("{codec}{separator}temporal={temporal}");
            payload_len_of(&spec, &layout, &bytes).unwrap()
        };
        let (with, without) = (len("yes"), len("no"));
        let auto = len("auto");
        assert!(with * 10 < without * 9, "{codec}: {with} and {without}");
        assert!(auto * 100 < with * 101, "{codec}: {auto} and {with}");
    }
}

#[test]
fn a_chunk_of_one_frame_has_no_earlier_frames() {
    let layout = layout(ElementClass::Unsigned, 2, ByteOrder::Little, &[64, 256]);
    let bytes = stored(&sparse(64 * 256, 10, 9), &layout);
    for codec in ["counts", "predict"] {
        let len = |temporal: &str| {
            payload_len_of(&format!("{codec}:temporal={temporal}"), &layout, &bytes).unwrap()
        };
        assert_eq!(len("yes"), len("no"), "{codec}");
    }
}

#[test]
fn long_streams_have_64_lanes_and_truncated_ones_are_errors() {
    let layout = layout(ElementClass::Unsigned, 2, ByteOrder::Little, &[1, 600, 401]);
    let mut random = Random(64);
    let values: Vec<i64> = (0..600 * 401).map(|_| random.below(120) as i64).collect();
    let bytes = stored(&values, &layout);
    // Before the number of lanes: the model, the flag of NaN, what models have in front, the bits of a frequency.
    for (spec, at) in [
        ("counts:model=bbp", 4),
        ("counts:model=fir", 3),
        ("counts:model=variance", 3),
    ] {
        let spec: Spec = spec.parse().unwrap();
        let codec = spec.codec();
        let mut context = Context::new();
        let chunk = Chunk {
            spec: &spec,
            layout: &layout,
            bytes: &bytes,
        };
        let mut payload = vec![0xcc; bytes.len()];
        let encoded = (codec.encode)(&mut context, &chunk, &mut payload).unwrap();
        let len = encoded.unwrap().len;
        assert_eq!(payload[at], 64, "{spec}");
        let mut back = vec![0xcc; bytes.len()];
        let mut decode = |payload: &[u8]| (codec.decode)(&mut context, &layout, payload, &mut back);
        for cut in (0..len).step_by(997).chain(len - 300..len) {
            assert!(decode(&payload[..cut]).is_err(), "{spec} {cut} of {len}");
        }
        for lanes in [0, 1, 33, 63, 65, 128, 255] {
            payload[at] = lanes;
            assert!(decode(&payload[..len]).is_err(), "{spec} {lanes} lanes");
        }
        payload[at] = 64;
        for bit in (8 * (len - 70_000)..8 * len).step_by(8 * 997 + 3) {
            payload[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&payload[..len]);
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(decode(&payload[..len]).is_ok() && back == bytes, "{spec}");
    }
}
