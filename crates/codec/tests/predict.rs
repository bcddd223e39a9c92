//! What `predict` promises beyond the standing list: every type and shape, special values, and its ratio on noisy images.

mod support;

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec, frame};
use support::{Random, encode, stored};

const MODELS: [&str; 4] = [
    "predict",
    "predict:model=none",
    "predict:model=up",
    "predict:model=full",
];

/// A hill with noise of a few steps, frame by frame; `value` makes elements of it.
fn hills(shape: [usize; 3], seed: u64) -> Vec<i64> {
    let mut random = Random(seed);
    let [frames, rows, columns] = shape;
    let mut numbers = Vec::new();
    for i in 0..frames * rows * columns {
        let (y, x) = ((i / columns % rows) as f64, (i % columns) as f64);
        let hill = 40.0 * (y * 0.05).sin() * (x * 0.04).cos();
        let noise: i64 = (0..4).map(|_| random.below(5) as i64 - 2).sum();
        numbers.push(hill as i64 + noise);
    }
    numbers
}

fn element(class: ElementClass, bytes: usize, order: ByteOrder) -> Element {
    Element {
        class,
        bytes,
        order,
    }
}

/// The bytes of numbers as elements of a type.
fn elements(numbers: &[i64], element: &Element) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &number in numbers {
        let little = match (element.class, element.bytes) {
            (ElementClass::Float, 4) => (number as f32).to_le_bytes().to_vec(),
            (ElementClass::Float, _) => (number as f64).to_le_bytes().to_vec(),
            (_, width) => number.to_le_bytes()[..width].to_vec(),
        };
        match element.order {
            ByteOrder::Little => bytes.extend(little),
            ByteOrder::Big => bytes.extend(little.iter().rev()),
        }
    }
    bytes
}

/// Encodes, compares the decoded chunk, and returns the codec that was used and the bytes stored.
fn round_trip(spec: &str, layout: &Layout, src: &[u8]) -> (&'static str, usize) {
    let spec: Spec = spec.parse().unwrap();
    let chunk = encode(&spec, layout, src);
    let (filter, values) = stored(&spec, layout);
    let mut back = vec![0xcc; src.len()];
    (filter.decode)(&mut Context::new(), &values, &chunk, &mut back).unwrap();
    assert!(back == src, "{spec} {layout:?}");
    (frame::inspect(&chunk).unwrap().codec, chunk.len())
}

#[test]
fn every_type_order_and_shape_comes_back() {
    use ElementClass::{Float, Signed, Unsigned};
    let types = [
        (Unsigned, 1, 128),
        (Unsigned, 2, 1000),
        (Unsigned, 4, 1 << 31),
        (Signed, 1, 0),
        (Signed, 2, 0),
        (Signed, 4, -2_000_000_000),
        (Float, 4, 0),
        (Float, 8, 100),
    ];
    let shapes = [
        [1, 1, 3000],
        [1, 64, 100],
        [20, 22, 26],
        [3, 70, 65],
        [1, 600, 7],
    ];
    for (class, bytes, offset) in types {
        for shape in shapes {
            let numbers: Vec<i64> = hills(shape, 1).iter().map(|x| x + offset).collect();
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let element = element(class, bytes, order);
                let layout = Layout::new(element, shape.to_vec());
                for model in MODELS {
                    let src = elements(&numbers, &element);
                    let (codec, _) = round_trip(model, &layout, &src);
                    assert!(codec == "predict", "{model} {layout:?}: {codec}");
                }
            }
        }
    }
}

#[test]
fn noisy_images_take_hardly_more_than_their_noise() {
    let shape = [4, 200, 300];
    let element = element(ElementClass::Signed, 2, ByteOrder::Little);
    let layout = Layout::new(element, shape.to_vec());
    let src = elements(&hills(shape, 2), &element);
    let (_, len) = round_trip("predict", &layout, &src);
    // The noise has an entropy of 3.55 bits.
    let bits = 8.0 * len as f64 / (src.len() / 2) as f64;
    assert!(bits < 3.8, "{bits} bits");
}

#[test]
fn masked_pixels_come_back_and_cost_little() {
    let shape = [3, 200, 300];
    let unsigned = element(ElementClass::Unsigned, 2, ByteOrder::Little);
    let layout = Layout::new(unsigned, shape.to_vec());
    let plain: Vec<i64> = hills(shape, 3).iter().map(|x| x + 5000).collect();
    let is_gap = |i: usize| {
        i / 300 % 200 / 20 == 4 || i % 300 / 10 == 14 || (i % 60_000).is_multiple_of(997)
    };
    let mut masked = plain.clone();
    for (i, number) in masked.iter_mut().enumerate() {
        if is_gap(i) {
            *number = 65535;
        }
    }
    for model in &MODELS[2..] {
        let (_, plain) = round_trip(model, &layout, &elements(&plain, &unsigned));
        let (_, masked) = round_trip(model, &layout, &elements(&masked, &unsigned));
        assert!(masked < plain, "{model}: {masked} instead of {plain}");
    }
}

#[test]
fn one_pattern_of_nan_is_special_and_fractions_fall_back() {
    let shape = [1, 100, 120];
    let float = element(ElementClass::Float, 4, ByteOrder::Little);
    let layout = Layout::new(float, shape.to_vec());
    let mut src = elements(&hills(shape, 4), &float);
    for i in (0..12_000).filter(|i| i % 120 < 30) {
        src[4 * i..4 * i + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    }
    let (codec, len) = round_trip("predict", &layout, &src);
    assert!(codec == "predict" && len < src.len() / 8, "{codec} {len}");
    src[..4].copy_from_slice(&0.5f32.to_le_bytes());
    assert!(round_trip("predict", &layout, &src).0 != "predict");
}

#[test]
fn real_negatives_are_numbers_like_others() {
    let shape = [1, 128, 256];
    let signed = element(ElementClass::Signed, 4, ByteOrder::Little);
    let layout = Layout::new(signed, shape.to_vec());
    let mut numbers = hills(shape, 5);
    numbers[77] = i64::from(i32::MIN);
    numbers[78] = i64::from(i32::MAX);
    let src = elements(&numbers, &signed);
    for model in MODELS {
        let (codec, len) = round_trip(model, &layout, &src);
        assert!(codec == "predict" && len < src.len() / 4, "{model} {len}");
    }
}
