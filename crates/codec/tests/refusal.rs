//! What lossy codecs refuse to lose anything of is stored losslessly, or is an error where a caller wants to know.

mod support;

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Error, Layout, Spec, frame};
use support::Random;

const SIDE: usize = 192;

fn layout(class: ElementClass, bytes: usize) -> Layout {
    let element = Element {
        class,
        bytes,
        order: ByteOrder::Little,
    };
    Layout::new(element, vec![SIDE, SIDE])
}

fn u2(value: impl Fn(usize, usize) -> u16) -> Vec<u8> {
    (0..SIDE * SIDE)
        .flat_map(|i| value(i / SIDE, i % SIDE).to_le_bytes())
        .collect()
}

/// The chunk as the filter of the codec stores it.
fn encoded(
    context: &mut Context,
    spec: &str,
    layout: &Layout,
    bytes: &[u8],
) -> Result<Vec<u8>, Error> {
    let spec: Spec = spec.parse().unwrap();
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(&spec, layout).unwrap();
    let mut stored = vec![0xcc; (filter.bound)(&values, bytes.len()).unwrap()];
    let len = (filter.encode)(context, &values, bytes, &mut stored)?;
    stored.truncate(len);
    Ok(stored)
}

fn decoded(spec: &str, layout: &Layout, stored: &[u8]) -> Vec<u8> {
    let spec: Spec = spec.parse().unwrap();
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(&spec, layout).unwrap();
    let mut back = vec![0xcc; layout.chunk_bytes().unwrap()];
    (filter.decode)(&mut Context::new(), &values, stored, &mut back).unwrap();
    back
}

#[test]
fn labels_are_stored_losslessly_or_are_an_error_on_request() {
    let labels = u2(|y, x| (x / 30 * 7 + y / 30 * 40) as u16);
    let layout = layout(ElementClass::Unsigned, 2);
    for spec in ["noise", "quantise:abs=20", "quantise:rel=0.1"] {
        let mut context = Context::new();
        let stored = encoded(&mut context, spec, &layout, &labels).unwrap();
        assert!(decoded(spec, &layout, &stored) == labels, "{spec}");
        assert!(stored.len() * 10 < labels.len(), "{spec}: {}", stored.len());
        let certificate = frame::inspect(&stored).unwrap().certificate.unwrap();
        assert!(certificate.fell_back && certificate.loss.max_abs_error == 0.0);
        let reason = context.take_refusal().unwrap();
        let refused = encoded(&mut Context::refusing(), spec, &layout, &labels);
        assert_eq!(refused, Err(Error::Refused(reason)), "{spec}");
        assert_eq!(context.take_refusal(), None);
    }
}

#[test]
fn a_constant_frame_is_no_label_and_keeps_its_value() {
    for hot in [false, true] {
        let frame = u2(|y, x| if hot && (y, x) == (70, 71) { 5000 } else { 101 });
        let layout = layout(ElementClass::Unsigned, 2);
        for spec in ["noise", "quantise:abs=20", "quantise:rel=0.1", "auto:abs=3"] {
            let stored = encoded(&mut Context::new(), spec, &layout, &frame).unwrap();
            assert!(hot || decoded(spec, &layout, &stored) == frame, "{spec}");
            assert!(stored.len() < 500, "{spec} {hot}: {}", stored.len());
        }
    }
}

#[test]
fn padding_of_edge_chunks_is_neither_label_nor_range() {
    let inside = |y: usize, x: usize| y < 150 && x < 131;
    let mut random = Random(3);
    let counts: Vec<u16> = (0..SIDE * SIDE)
        .map(|_| 1000 + (0..8).map(|_| random.below(20) as u16).sum::<u16>())
        .collect();
    let bytes = u2(|y, x| {
        if inside(y, x) {
            counts[y * SIDE + x]
        } else {
            0
        }
    });
    let layout = layout(ElementClass::Unsigned, 2);
    for (spec, bound) in [
        ("quantise:rel=0.05", 0.05 * 152.0),
        ("quantise:levels=16", 0.5 * 152.0 / 15.0),
        ("noise:sigma=4", f64::INFINITY),
    ] {
        let mut context = Context::refusing();
        let stored = encoded(&mut context, spec, &layout, &bytes).unwrap();
        let back = decoded(spec, &layout, &stored);
        let mut largest = 0.0f64;
        for (i, (a, b)) in bytes.chunks(2).zip(back.chunks(2)).enumerate() {
            let number = |bytes: &[u8]| f64::from(u16::from_le_bytes([bytes[0], bytes[1]]));
            if inside(i / SIDE, i % SIDE) {
                largest = largest.max((number(a) - number(b)).abs());
            } else if bound.is_finite() {
                assert_eq!(b, [0, 0], "{spec}");
            }
        }
        assert!(0.0 < largest && largest <= bound + 0.5, "{spec}: {largest}");
        let certificate = frame::inspect(&stored).unwrap().certificate.unwrap();
        assert!(!certificate.fell_back, "{spec}");
    }
}
