//! `noise`: its promises, checked from outside by arithmetic of their own.

mod support;

use etalon_codec::{
    ByteOrder, Context, Element, ElementClass, Error, Guarantee, Layout, Spec, frame,
};
use support::{Random, stored};

const LITTLE: ByteOrder = ByteOrder::Little;

fn layout(class: ElementClass, bytes: usize, order: ByteOrder, elements: usize) -> Layout {
    let element = Element {
        class,
        bytes,
        order,
    };
    Layout::new(element, vec![elements])
}

fn encode(spec: &str, layout: &Layout, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let spec: Spec = spec.parse().unwrap();
    let (filter, values) = stored(&spec, layout);
    let mut chunk = vec![0xcc; (filter.bound)(&values, bytes.len())?];
    let len = (filter.encode)(&mut Context::refusing(), &values, bytes, &mut chunk)?;
    chunk.truncate(len);
    Ok(chunk)
}

fn decode(spec: &str, layout: &Layout, chunk: &[u8]) -> Vec<u8> {
    let spec: Spec = spec.parse().unwrap();
    let (filter, values) = stored(&spec, layout);
    let mut bytes = vec![0xcc; layout.chunk_bytes().unwrap()];
    (filter.decode)(&mut Context::new(), &values, chunk, &mut bytes).unwrap();
    bytes
}

/// Encodes, decodes, and encodes again: the second time changes nothing.
fn lossy(spec: &str, layout: &Layout, bytes: &[u8]) -> (Vec<u8>, frame::Info) {
    let chunk = encode(spec, layout, bytes).unwrap();
    let decoded = decode(spec, layout, &chunk);
    let again = encode(spec, layout, &decoded).unwrap();
    assert!(
        decode(spec, layout, &again) == decoded,
        "{spec} {layout:?}: the second time differs"
    );
    (decoded, frame::inspect(&chunk).unwrap())
}

/// A Poisson count by inversion.
fn poisson_count(random: &mut Random, mean: f64) -> u64 {
    let uniform = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    let mut probability = (-mean).exp();
    let (mut sum, mut count) = (probability, 0);
    while uniform > sum && count < 10_000 {
        count += 1;
        probability *= mean / count as f64;
        sum += probability;
    }
    count
}

#[test]
fn every_integer_type_and_both_byte_orders_keep_masks_and_bounds() {
    let mut random = Random(11);
    let n = 5003;
    for order in [LITTLE, ByteOrder::Big] {
        for (class, bytes, mean, masks) in [
            (ElementClass::Unsigned, 1, 120.0, "77"),
            (ElementClass::Unsigned, 2, 300.0, "290;65000"),
            (ElementClass::Unsigned, 4, 400.0, "70000;3000000000"),
            (ElementClass::Unsigned, 8, 400.0, "18446744073709551610"),
            (ElementClass::Signed, 1, 60.0, "-1"),
            (ElementClass::Signed, 2, 500.0, "-1;-2"),
            (ElementClass::Signed, 4, 600.0, "-1;-2"),
            (ElementClass::Signed, 8, 600.0, "-1;-2"),
        ] {
            let mask_values: Vec<i128> = masks.split(';').map(|m| m.parse().unwrap()).collect();
            let values: Vec<i128> = (0..n)
                .map(|i| match i % 50 {
                    0 => mask_values[i / 50 % mask_values.len()],
                    1 if class == ElementClass::Unsigned => (1i128 << (8 * bytes)) - 1,
                    2 if bytes > 2 => i128::from(random.next() % 2_000_000_000),
                    _ => {
                        i128::from(poisson_count(&mut random, mean)).min((1 << (8 * bytes - 1)) - 1)
                    }
                })
                .collect();
            let stored: Vec<u8> = values
                .iter()
                .flat_map(|&v| to_bytes(v, bytes, order))
                .collect();
            let layout = layout(class, bytes, order, n);
            for mode in ["det", "unbiased"] {
                let spec = format!("noise:sigma=1,mode={mode},seed=5,mask={masks}");
                let (decoded, info) = lossy(&spec, &layout, &stored);
                assert_eq!(info.codec, "noise", "{spec} {layout:?}");
                let certificate = info.certificate.unwrap();
                assert_eq!(certificate.guarantee, Guarantee::ByConstruction);
                let (mut largest, mut sum, mut sigma): (f64, f64, f64) = (0.0, 0.0, 0.0);
                for (bytes_of, &value) in decoded.chunks_exact(bytes).zip(&values) {
                    let back = from_bytes(bytes_of, class, order);
                    let masked = mask_values.contains(&value)
                        || class == ElementClass::Unsigned && value == (1i128 << (8 * bytes)) - 1;
                    assert!(
                        !masked || back == value,
                        "{spec}: mask {value} became {back}"
                    );
                    assert!(
                        masked || !mask_values.contains(&back),
                        "{spec}: {value} became a mask"
                    );
                    let error = (back - value) as f64;
                    largest = largest.max(error.abs());
                    sum += error;
                    sigma = sigma.max(error.abs() / (value as f64).max(1.0).sqrt());
                }
                assert!(
                    sigma <= if mode == "det" { 0.5 } else { 1.0 },
                    "{spec}: {sigma}"
                );
                assert!(largest > 0.0, "{spec}");
                assert_eq!(certificate.loss.max_abs_error, largest, "{spec}");
                assert_eq!(certificate.loss.sum_error, sum, "{spec}");
                let told = f64::from(certificate.loss.max_sigma_error.unwrap());
                assert!(
                    told >= sigma && told < sigma * 1.0001,
                    "{spec}: {told} {sigma}"
                );
            }
        }
    }
}

fn to_bytes(value: i128, bytes: usize, order: ByteOrder) -> Vec<u8> {
    let mut stored = value.to_le_bytes()[..bytes].to_vec();
    if order == ByteOrder::Big {
        stored.reverse();
    }
    stored
}

fn from_bytes(bytes: &[u8], class: ElementClass, order: ByteOrder) -> i128 {
    let mut wide = bytes.to_vec();
    if order == ByteOrder::Big {
        wide.reverse();
    }
    let negative = class == ElementClass::Signed && wide[wide.len() - 1] >= 128;
    wide.resize(16, if negative { 0xff } else { 0 });
    i128::from_le_bytes(wide.try_into().unwrap())
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn f32_values(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

#[test]
fn floats_keep_everything_that_is_no_count() {
    let mut random = Random(3);
    let odd = [
        f32::NAN,
        f32::from_bits(0xffc1_2345),
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        0.5,
        1e-42,
        1e20,
        -3.0,
    ];
    let values: Vec<f32> = (0..20_000)
        .map(|i| match i % 100 {
            0 => odd[i / 100 % odd.len()],
            _ => poisson_count(&mut random, 200.0) as f32,
        })
        .collect();
    let layout = layout(ElementClass::Float, 4, LITTLE, values.len());
    for mode in ["det", "unbiased", "dither"] {
        let spec = format!("noise:mode={mode},seed=9");
        let (decoded, info) = lossy(&spec, &layout, &f32_bytes(&values));
        assert_eq!(info.codec, "noise", "{mode}");
        let mut changed = 0;
        for (i, (back, value)) in f32_values(&decoded).iter().zip(&values).enumerate() {
            let exact = mode != "dither" || !value.is_finite();
            if i % 100 == 0 && exact {
                assert_eq!(back.to_bits(), value.to_bits(), "{mode} {value}");
            }
            changed += usize::from(back.to_bits() != value.to_bits());
        }
        assert!(changed > values.len() / 2, "{mode}: {changed}");
    }
}

#[test]
fn fractions_everywhere_are_stored_losslessly() {
    let mut random = Random(4);
    let values: Vec<f32> = (0..20_000)
        .map(|_| (random.next() >> 40) as f32 / 777.0)
        .collect();
    let layout = layout(ElementClass::Float, 4, LITTLE, values.len());
    let bytes = f32_bytes(&values);
    let chunk = encode("noise", &layout, &bytes).unwrap();
    assert!(
        frame::inspect(&chunk)
            .unwrap()
            .certificate
            .unwrap()
            .fell_back
    );
    assert_eq!(decode("noise", &layout, &chunk), bytes);
}

#[test]
fn a_number_below_zero_that_is_no_mask_has_a_bin() {
    let mut random = Random(6);
    let values: Vec<i16> = (0..20_000)
        .map(|i| match i % 100 {
            5 => -1,
            _ => poisson_count(&mut random, 60.0) as i16,
        })
        .collect();
    let layout = layout(ElementClass::Signed, 2, LITTLE, values.len());
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let (decoded, info) = lossy("noise:sigma=1", &layout, &bytes);
    assert_eq!(info.codec, "noise");
    let marks = decoded.as_chunks().0.iter().skip(5).step_by(100);
    assert!(
        marks
            .map(|&mark| i16::from_le_bytes(mark))
            .all(|mark| mark == -1)
    );
}

#[test]
fn sparse_counts_that_lose_nothing_take_no_more_than_losslessly() {
    let mut random = Random(8);
    let values: Vec<u16> = (0..16_384)
        .map(|_| poisson_count(&mut random, 0.05) as u16)
        .collect();
    let mut layout = layout(ElementClass::Unsigned, 2, LITTLE, values.len());
    layout.shape = vec![128, 128];
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let lossless = encode("auto", &layout, &bytes).unwrap();
    let chunk = encode("noise", &layout, &bytes).unwrap();
    assert!(
        frame::inspect(&chunk)
            .unwrap()
            .certificate
            .unwrap()
            .fell_back
    );
    // A certificate more.
    assert_eq!(chunk.len(), lossless.len() + 48);
    assert_eq!(decode("noise", &layout, &chunk), bytes);
    let fast = encode("noise:speed=fast", &layout, &bytes).unwrap();
    assert_eq!(frame::inspect(&fast).unwrap().codec, "noise");
    assert_eq!(decode("noise:speed=fast", &layout, &fast), bytes);
}

#[test]
fn means_are_right_where_rounding_is_random() {
    let n = 200_000;
    for count in [40u32, 57, 1234, 100_000] {
        let layout = layout(ElementClass::Float, 4, LITTLE, n);
        let bytes = f32_bytes(&vec![count as f32; n]);
        let sigma = f64::from(count).sqrt();
        for (mode, variance) in [("unbiased", 1.0 / 6.0), ("dither", 1.0 / 12.0)] {
            let spec = format!("noise:sigma=1,mode={mode}");
            let (decoded, _) = lossy(&spec, &layout, &bytes);
            let errors: Vec<f64> = f32_values(&decoded)
                .iter()
                .map(|&value| f64::from(value) - f64::from(count))
                .collect();
            let mean = errors.iter().sum::<f64>() / n as f64;
            let squares = errors.iter().map(|e| e * e).sum::<f64>() / n as f64;
            println!(
                "{mode} {count}: mean {:.5} σ, variance {:.4} σ²",
                mean / sigma,
                squares / sigma / sigma
            );
            assert!(mean.abs() < 0.004 * sigma, "{mode} {count}: {mean}");
            assert!(
                squares < 1.6 * variance * sigma * sigma,
                "{mode} {count}: {squares}"
            );
        }
    }
}

#[test]
fn read_noise_and_offset_widen_the_bins() {
    let mut random = Random(8);
    let n = 30_000;
    let values: Vec<i128> = (0..n)
        .map(|_| {
            100 + i128::from(random.next() % 30) - 15
                + 4 * i128::from(poisson_count(&mut random, 2.0))
        })
        .collect();
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|&v| to_bytes(v, 2, LITTLE))
        .collect();
    let layout = layout(ElementClass::Unsigned, 2, LITTLE, n);
    let spec = "noise:sigma=1,gain=4,offset=100,read=5";
    let (decoded, info) = lossy(spec, &layout, &bytes);
    for (back, &value) in decoded.chunks_exact(2).zip(&values) {
        let back = from_bytes(back, ElementClass::Unsigned, LITTLE);
        let sigma = (4.0 * (value - 100).max(0) as f64 + 25.0).sqrt();
        assert!(
            (back - value).abs() as f64 <= sigma / 2.0,
            "{value} became {back}"
        );
    }
    assert!(info.certificate.unwrap().loss.max_abs_error >= 2.0);
}

#[test]
fn labels_are_refused_and_counts_are_not() {
    let n = 65_536;
    let of =
        |f: &dyn Fn(usize) -> u16| -> Vec<u8> { (0..n).flat_map(|i| f(i).to_le_bytes()).collect() };
    let layout = layout(ElementClass::Unsigned, 2, LITTLE, n);
    let regions = of(&|i| (i / 700) as u16 * 3);
    let two_levels = of(&|i| if i / 100 % 2 == 0 { 0 } else { 254 });
    let keys = of(&|i| ((i * 2_654_435_761) >> 7) as u16 % 16 * 1001);
    for (name, bytes) in [
        ("regions", regions),
        ("two levels", two_levels),
        ("keys", keys),
    ] {
        let error = encode("noise", &layout, &bytes).unwrap_err().to_string();
        assert!(error.contains("dictionary"), "{name}: {error}");
    }
    let constant = of(&|_| 1000);
    let saturated = of(&|i| {
        if i % 1000 < 30 {
            60_000
        } else {
            (i * 7919 % 11) as u16
        }
    });
    let mut random = Random(1);
    let draws: Vec<u16> = (0..n)
        .map(|_| poisson_count(&mut random, 100.0) as u16)
        .collect();
    for bytes in [constant, saturated, of(&|i| draws[i])] {
        for step in [0.5, 2.0, 8.0] {
            lossy(&format!("noise:sigma={step}"), &layout, &bytes);
        }
    }
}

#[test]
fn settings_that_do_not_fit_are_refused_with_the_reason() {
    let refusal = |spec: &str, class, bytes| {
        let spec: Spec = spec.parse().unwrap();
        let layout = layout(class, bytes, LITTLE, 100);
        (spec.codec().filter.cd_values)(&spec, &layout)
            .unwrap_err()
            .to_string()
    };
    assert!(refusal("noise:mode=dither", ElementClass::Unsigned, 2).contains("unbiased"));
    assert!(refusal("noise", ElementClass::Other, 12).contains("not numbers"));
    assert!(refusal("noise:mask=-1", ElementClass::Unsigned, 2).contains("mask=-1"));
    assert!("noise:sigma=0".parse::<Spec>().is_err());
}

#[test]
fn random_settings_and_values_are_idempotent() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let n = random.below(6000) + 1;
        let scale = 1u64 << random.below(31);
        let mode = ["det", "unbiased", "dither"][random.below(3)];
        let step = 8.0 * 0.5f64.powi(random.below(9) as i32);
        let (gain, offset, read) = match random.below(3) {
            0 => (1.0, 0.0, 0.0),
            1 => (
                1.0 + random.below(100) as f64 / 7.0,
                random.below(500) as f64 / 3.0,
                0.0,
            ),
            _ => (
                0.25,
                random.below(2000) as f64,
                random.below(40) as f64 / 3.0,
            ),
        };
        let spec = format!(
            "noise:sigma={step},gain={gain},offset={offset},read={read},mode={mode},seed={seed}"
        );
        let values: Vec<f32> = (0..n)
            .map(|_| {
                (random.next() % scale.min(1 << 24)) as f32
                    - (random.below(10) == 0) as u8 as f32 * 100.0
            })
            .collect();
        let floats = layout(ElementClass::Float, 4, LITTLE, n);
        lossy(&spec, &floats, &f32_bytes(&values));
        if mode != "dither" {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|&v| (v as i32).to_le_bytes())
                .collect();
            let integers = layout(ElementClass::Signed, 4, LITTLE, n);
            match encode(&spec, &integers, &bytes) {
                Ok(_) => drop(lossy(&spec, &integers, &bytes)),
                Err(error) => assert!(error.to_string().contains("dictionary"), "{spec}: {error}"),
            }
        }
    }
}
