//! What every lossy codec must do, run over the settings of all of them, all element types and both byte orders.

mod support;

use etalon_codec::{
    BoundUnit, ByteOrder, Certificate, Context, Element, ElementClass, Guarantee, Layout, Spec,
    frame,
};
use support::{LOSSY, Random, encode_unless_refused, specs_for, stored};

use ElementClass::{Float, Signed, Unsigned};

const TYPES: [(ElementClass, usize); 11] = [
    (Unsigned, 1),
    (Unsigned, 2),
    (Unsigned, 4),
    (Unsigned, 8),
    (Signed, 1),
    (Signed, 2),
    (Signed, 4),
    (Signed, 8),
    (Float, 2),
    (Float, 4),
    (Float, 8),
];

/// What the elements of a chunk are like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Counts with a spread, rare large ones.
    Counts,
    /// Values with fractions around zero, where the type has them.
    Spread,
    /// One value.
    Constant,
    /// Any bit patterns.
    Bits,
}

fn bytes_of(value: f64, element: &Element) -> Vec<u8> {
    let mut bytes = match (element.class, element.bytes) {
        (Float, 2) => half::f16::from_f64(value).to_le_bytes().to_vec(),
        (Float, 4) => (value as f32).to_le_bytes().to_vec(),
        (Float, _) => value.to_le_bytes().to_vec(),
        (Unsigned, bytes) => {
            ((value as u64).min(u64::MAX >> (64 - 8 * bytes))).to_le_bytes()[..bytes].to_vec()
        }
        (_, bytes) => {
            let most = i64::MAX >> (64 - 8 * bytes);
            (value as i64).clamp(-most, most).to_le_bytes()[..bytes].to_vec()
        }
    };
    if element.order == ByteOrder::Big {
        bytes.reverse();
    }
    bytes
}

fn value_of(bytes: &[u8], element: &Element) -> f64 {
    let mut wide = bytes.to_vec();
    if element.order == ByteOrder::Big {
        wide.reverse();
    }
    match (element.class, element.bytes) {
        (Float, 2) => half::f16::from_le_bytes([wide[0], wide[1]]).to_f64(),
        (Float, 4) => f64::from(f32::from_le_bytes(wide.try_into().unwrap())),
        (Float, _) => f64::from_le_bytes(wide.try_into().unwrap()),
        (class, _) => {
            let negative = class == Signed && wide[wide.len() - 1] >= 128;
            wide.resize(16, if negative { 0xff } else { 0 });
            i128::from_le_bytes(wide.try_into().unwrap()) as f64
        }
    }
}

fn normal(random: &mut Random) -> f64 {
    let uniform = |_| (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    (0..12).map(uniform).sum::<f64>() - 6.0
}

fn elements(kind: Kind, layout: &Layout, random: &mut Random) -> Vec<u8> {
    let element = &layout.element;
    (0..layout.elements().unwrap())
        .flat_map(|at| match kind {
            Kind::Counts if at % 97 == 5 => bytes_of(30_000.0, element),
            Kind::Counts => bytes_of((60.0 + 8.0 * normal(random)).max(0.0).floor(), element),
            Kind::Spread if element.class == Float && at % 53 == 7 => {
                bytes_of([f64::NAN, f64::INFINITY, -0.0][at % 3], element)
            }
            Kind::Spread => bytes_of(20.0 * normal(random), element),
            Kind::Constant => bytes_of(41.0, element),
            Kind::Bits => random.next().to_le_bytes()[..element.bytes].to_vec(),
        })
        .collect()
}

fn lossy_specs(layout: &Layout) -> Vec<Spec> {
    specs_for(layout)
        .into_iter()
        .filter(|spec| !spec.codec().lossless)
        .collect()
}

/// Recomputes the loss and compares it with the certificate, and with the bound where that follows from the chunk.
fn check(
    case: &str,
    spec: &Spec,
    layout: &Layout,
    before: &[u8],
    after: &[u8],
    certificate: &Certificate,
) {
    let element = &layout.element;
    let (mut largest, mut sum, mut squares) = (0f64, 0f64, 0f64);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (before, after) in before
        .chunks_exact(element.bytes)
        .zip(after.chunks_exact(element.bytes))
    {
        let (a, b) = (value_of(before, element), value_of(after, element));
        if !a.is_finite() || layout.fill.as_deref() == Some(before) {
            assert!(before == after, "{case}: {a} became {b}");
            continue;
        }
        (low, high) = (low.min(a), high.max(a));
        let error = b - a;
        largest = largest.max(error.abs());
        sum += error;
        squares += error * error;
        if certificate.bound_unit == BoundUnit::Element {
            assert!(
                error.abs() <= certificate.bound_asked * a.abs(),
                "{case}: {a} became {b}"
            );
        }
    }
    let loss = certificate.loss;
    assert_eq!(loss.max_abs_error, largest, "{case}");
    let close = |a: f64, b: f64| {
        (a - b).abs()
            <= 1e-9
                * squares
                    .max(largest * layout.elements().unwrap() as f64)
                    .max(1e-300)
    };
    assert!(
        close(loss.sum_error, sum) || loss.sum_error == sum,
        "{case}: {} {sum}",
        loss.sum_error
    );
    assert!(
        close(loss.sum_squared_error, squares) || squares.is_infinite(),
        "{case}: {} {squares}",
        loss.sum_squared_error
    );
    match certificate.bound_unit {
        BoundUnit::Absolute => assert!(largest <= certificate.bound_asked, "{case}: {largest}"),
        BoundUnit::Range if largest > 0.0 && spec.text("range") == "auto" => {
            assert!(
                largest <= certificate.bound_asked * (high - low),
                "{case}: {largest}"
            );
        }
        BoundUnit::Sigma => {
            let told = loss.max_sigma_error.map_or(0.0, f64::from);
            assert!(
                told <= certificate.bound_asked * (1.0 + 1e-6) || certificate.synthetic_background,
                "{case}: {told}"
            );
        }
        _ => {}
    }
    if certificate.guarantee == Guarantee::Lossless {
        assert!(before == after, "{case}");
    }
}

#[test]
fn every_promise_holds_on_every_type_with_its_lowest_byte_first() {
    every_promise_holds(ByteOrder::Little);
}

#[test]
fn every_promise_holds_on_every_type_with_its_highest_byte_first() {
    every_promise_holds(ByteOrder::Big);
}

fn every_promise_holds(order: ByteOrder) {
    let mut context = Context::new();
    let mut cases = 0;
    for (class, bytes) in TYPES {
        for shape in [
            vec![0],
            vec![1],
            vec![7],
            vec![4097],
            vec![3, 5],
            vec![64, 80],
            vec![2, 33, 40],
        ] {
            let element = Element {
                class,
                bytes,
                order,
            };
            let mut layout = Layout::new(element, shape);
            layout.fill = Some(bytes_of(61.0, &layout.element));
            for kind in [Kind::Counts, Kind::Spread, Kind::Constant, Kind::Bits] {
                let src = elements(kind, &layout, &mut Random(17));
                for spec in lossy_specs(&layout) {
                    let case = format!("{spec} {kind:?} {layout:?}");
                    cases += usize::from(holds(&mut context, &case, &spec, &layout, &src));
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(
        LOSSY
            .iter()
            .all(|text| !text.parse::<Spec>().unwrap().codec().lossless)
    );
}

/// Checks that a chunk keeps what its certificate says, and that a second loss changes nothing; false where the codec
/// refuses the values.
fn holds(context: &mut Context, case: &str, spec: &Spec, layout: &Layout, src: &[u8]) -> bool {
    let Some(chunk) = encode_unless_refused(spec, layout, src) else {
        return false;
    };
    let info = frame::inspect(&chunk).unwrap();
    assert!(chunk.len() <= info.header_bytes + src.len(), "{case}");
    let (filter, values) = stored(spec, layout);
    let mut back = vec![0xcc; src.len()];
    (filter.decode)(context, &values, &chunk, &mut back).unwrap();
    check(case, spec, layout, src, &back, &info.certificate.unwrap());
    let again = encode_unless_refused(spec, layout, &back);
    let again = again.unwrap_or_else(|| panic!("{case}: refuses its own values"));
    let mut twice = vec![0xcc; src.len()];
    (filter.decode)(context, &values, &again, &mut twice).unwrap();
    assert!(twice == back, "{case}: not idempotent");
    true
}

#[test]
fn incompressible_noise_is_stored_losslessly_or_within_the_bound() {
    let mut random = Random(18);
    for (class, bytes) in TYPES {
        let element = Element {
            class,
            bytes,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![50, 60]);
        let src = elements(Kind::Bits, &layout, &mut random);
        for spec in lossy_specs(&layout) {
            let Some(chunk) = encode_unless_refused(&spec, &layout, &src) else {
                continue;
            };
            let info = frame::inspect(&chunk).unwrap();
            let certificate = info.certificate.unwrap();
            assert!(
                chunk.len() <= info.header_bytes + src.len(),
                "{spec} {class:?} {bytes}"
            );
            let own = info.codec == spec.codec().name;
            assert!(
                own || certificate.fell_back,
                "{spec} {class:?} {bytes}: {}",
                info.codec
            );
        }
    }
}
