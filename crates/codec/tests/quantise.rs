//! `quantise`: what its modes promise, checked from outside by arithmetic of their own.

mod support;

use etalon_codec::codecs::quantise;
use etalon_codec::{BoundUnit, ElementClass, Guarantee, Layout, frame};
use support::Random;
use support::twice::{
    adversarial, check_f32, decode, encode, f32_bytes, f32_layout, f32_values, layout, lossy,
    normal, normals, uniform,
};

#[test]
fn two_hundred_and_fifty_six_levels_take_one_byte_and_keep_the_ends() {
    let values = normals(40_000, 5.0, 0.3, 1);
    let result = lossy(
        "quantise:levels=256",
        &f32_layout(values.len()),
        &f32_bytes(&values),
    );
    assert_eq!(result.codec, "quantise");
    assert!(result.chunk.len() < 40_000 + 300, "{}", result.chunk.len());
    assert_eq!(result.certificate.loss.exceptions, 0);
    let decoded = f32_values(&result.decoded);
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| {
        (low.min(v), high.max(v))
    });
    let span = f64::from(high) - f64::from(low);
    check_f32("levels", &values, &decoded, |_| span / 510.0 * (1.0 + 1e-4));
    assert!(decoded.contains(&low) && decoded.contains(&high));
    let mut unique = decoded.clone();
    unique.sort_by(f32::total_cmp);
    unique.dedup();
    assert!(
        unique.len() > 150 && unique.len() <= 256,
        "{}",
        unique.len()
    );
    assert_eq!(result.certificate.bound_unit, BoundUnit::Range);
    assert!(result.certificate.loss.max_abs_error <= result.certificate.bound_asked * span);
}

#[test]
fn relative_bounds_are_of_the_range_asked() {
    let values = normals(30_000, -3.0, 2.0, 2);
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| {
        (low.min(v), high.max(v))
    });
    let own = f64::from(high) - f64::from(low);
    for part in [1e-5, 0.001, 0.013, 0.1, 0.5] {
        for (range, span) in [("auto", own), ("-4;4.5", 8.5), ("-4000;4000", 8000.0)] {
            let spec = format!("quantise:rel={part},range={range}");
            let result = lossy(&spec, &f32_layout(values.len()), &f32_bytes(&values));
            check_f32(&spec, &values, &f32_values(&result.decoded), |_| {
                part * span
            });
            assert_eq!(result.certificate.bound_asked, part, "{spec}");
            let outside = values
                .iter()
                .filter(|&&v| f64::from(v) < -4.0 - part * 8.5 || f64::from(v) > 4.5 + part * 8.5);
            if range == "-4;4.5" && result.codec == "quantise" {
                assert_eq!(
                    result.certificate.loss.exceptions,
                    outside.count() as u64,
                    "{spec}"
                );
            }
        }
    }
}

#[test]
fn percentiles_leave_outliers_exact() {
    let mut values = normals(100_000, 100.0, 5.0, 3);
    for at in 0..50 {
        values[at * 1999] = 1e6 + at as f32;
    }
    let spec = "quantise:levels=256,range=p0.1;p99.9";
    let result = lossy(spec, &f32_layout(values.len()), &f32_bytes(&values));
    assert_eq!(result.codec, "quantise");
    let decoded = f32_values(&result.decoded);
    let mut sorted = values.clone();
    sorted.sort_by(f32::total_cmp);
    let (low, high) = (sorted[99], sorted[99_900]);
    let bound = f64::from(high - low) / 510.0 * 1.001;
    check_f32(spec, &values, &decoded, |_| bound);
    assert!((0..50).all(|at| decoded[at * 1999] == values[at * 1999]));
    assert!(
        (150..250).contains(&result.certificate.loss.exceptions),
        "{:?}",
        result.certificate
    );
}

#[test]
fn pointwise_bounds_hold_and_zero_stays() {
    let mut random = Random(4);
    let values: Vec<f32> = (0..60_000)
        .map(|i| match i % 10 {
            0 => 0.0,
            _ => {
                (normal(&mut random) * 4.0).exp() as f32
                    * if random.below(2) == 0 { -1.0 } else { 1.0 }
            }
        })
        .collect();
    for part in [1e-6, 0.001, 0.01, 0.3, 0.5] {
        let spec = format!("quantise:pw={part}");
        let result = lossy(&spec, &f32_layout(values.len()), &f32_bytes(&values));
        assert_eq!(result.codec, "quantise", "{spec}");
        check_f32(&spec, &values, &f32_values(&result.decoded), |x| {
            part * x.abs()
        });
        assert_eq!(result.certificate.loss.exceptions, 0, "{spec}");
        println!(
            "{spec}: ratio {:.2}",
            4.0 * values.len() as f64 / result.chunk.len() as f64
        );
    }
}

#[test]
fn bits_round_mantissas_and_drop_low_bits_of_integers() {
    let values = normals(10_000, 0.0, 1.0, 5);
    let result = lossy("quantise:bits=7", &f32_layout(10_000), &f32_bytes(&values));
    for (before, after) in values.iter().zip(f32_values(&result.decoded)) {
        let bits = before.to_bits();
        let rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000; // bfloat16
        assert_eq!(after.to_bits(), if bits << 1 == 0 { 0 } else { rounded });
    }
    let mut random = Random(5);
    let counts: Vec<u16> = (0..10_000).map(|_| random.next() as u16).collect();
    let bytes: Vec<u8> = counts
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let result = lossy(
        "quantise:bits=10",
        &layout(ElementClass::Unsigned, 2, 10_000),
        &bytes,
    );
    for (before, after) in counts.iter().zip(result.decoded.chunks_exact(2)) {
        let after = u16::from_le_bytes(after.try_into().unwrap());
        assert!(after % 64 == 0 || after == u16::MAX);
        assert!(after.abs_diff(*before) <= 32);
    }
    assert_eq!(result.certificate.bound_asked, 32.0);
    assert_eq!(result.certificate.guarantee, Guarantee::ByConstruction);
}

#[test]
fn signal_to_noise_ratio_is_reached_and_hardly_more() {
    let values = normals(50_000, 0.0, 1.0, 6);
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| {
        (low.min(v), high.max(v))
    });
    let span = f64::from(high) - f64::from(low);
    for asked in [20.0, 40.0, 60.5, 90.0] {
        let spec = format!("quantise:psnr={asked}");
        let result = lossy(&spec, &f32_layout(values.len()), &f32_bytes(&values));
        let squares: f64 = values
            .iter()
            .zip(f32_values(&result.decoded))
            .map(|(before, after)| (f64::from(after) - f64::from(*before)).powi(2))
            .sum();
        let found = 10.0 * (span * span * values.len() as f64 / squares).log10();
        println!("{spec}: {found:.3} dB");
        assert!(found >= asked && found < asked + 2.5, "{spec}: {found}");
        assert_eq!(result.certificate.guarantee, Guarantee::Verified);
    }
}

fn phantom(n: usize) -> Vec<f32> {
    let mut random = Random(7);
    (0..n)
        .map(|i| (if i / 50 % 3 == 0 { 1.0 } else { 0.0 } + 0.25 * normal(&mut random)) as f32)
        .collect()
}

#[test]
fn otsu_finds_few_levels_and_records_what_it_found() {
    let values = phantom(60_000);
    let layout = f32_layout(values.len());
    let bytes = f32_bytes(&values);
    let mut lengths = Vec::new();
    for limit in [0.9, 0.99, 0.999] {
        let spec = format!("quantise:otsu={limit}");
        let result = lossy(&spec, &layout, &bytes);
        let record = quantise::otsu(&result.chunk).unwrap().unwrap();
        println!("{spec}: {} bytes, {record:?}", result.chunk.len());
        let decoded = f32_values(&result.decoded);
        let mask = |values: &[f32], threshold: f64| -> Vec<bool> {
            values
                .iter()
                .map(|&value| f64::from(value) > threshold)
                .collect()
        };
        let before = mask(&values, record.threshold_before);
        for (threshold, dice) in [
            (record.threshold_before, record.dice_frozen),
            (record.threshold_after, record.dice_derived),
        ] {
            let after = mask(&decoded, threshold);
            let count = |mask: &[bool]| mask.iter().filter(|set| **set).count() as f64;
            let both: Vec<bool> = before.iter().zip(&after).map(|(a, b)| *a && *b).collect();
            let expected = 2.0 * count(&both) / (count(&before) + count(&after));
            assert!(
                dice >= limit && dice == expected,
                "{spec}: {dice} {expected}"
            );
        }
        assert_eq!(result.certificate.bound_unit, BoundUnit::Dice);
        lengths.push(result.chunk.len());
    }
    assert!(
        lengths.is_sorted() && lengths[0] < bytes.len() / 10,
        "{lengths:?}"
    );
    let recorded = lossy("quantise:levels=256,otsu=0", &layout, &bytes);
    let record = quantise::otsu(&recorded.chunk).unwrap().unwrap();
    assert!(
        record.dice_frozen > 0.99 && record.dice_derived > 0.99,
        "{record:?}"
    );
    assert_eq!(recorded.certificate.bound_unit, BoundUnit::Range);
    let none = encode("quantise:levels=256", &layout, &bytes).unwrap();
    assert_eq!(quantise::otsu(&none), Ok(None));
}

#[test]
fn masks_fill_values_and_nan_are_exact_and_never_arise() {
    let mut values = normals(30_000, 0.0, 3.0, 8);
    for (at, value) in values.iter_mut().enumerate() {
        match at % 31 {
            0 => *value = -1.0,
            1 => *value = f32::from_bits(0x7fc0_1234),
            2 => *value = -999.25,
            3 => *value = f32::NEG_INFINITY,
            _ => {}
        }
    }
    let mut layout = f32_layout(values.len());
    layout.fill = Some((-999.25f32).to_le_bytes().to_vec());
    for mode in [
        "abs=0.25",
        "abs=0.1",
        "rel=0.01",
        "pw=0.1",
        "psnr=40",
        "levels=100",
        "bits=2",
        "otsu=0.98",
    ] {
        let spec = format!("quantise:{mode},mask=-1");
        let result = lossy(&spec, &layout, &f32_bytes(&values));
        assert_eq!(result.codec, "quantise", "{spec}");
        for (before, after) in values.iter().zip(f32_values(&result.decoded)) {
            let masked = |value: f32| !value.is_finite() || value == -1.0 || value == -999.25;
            assert_eq!(
                masked(*before),
                masked(after),
                "{spec}: {before} became {after}"
            );
            assert!(
                !masked(*before) || before.to_bits() == after.to_bits(),
                "{spec}"
            );
        }
    }
}

#[test]
fn a_fill_value_of_zero_costs_nothing_with_bins_around_zero() {
    let values = normals(30_000, 0.0, 1.0, 9);
    let mut layout = f32_layout(values.len());
    let plain = encode("quantise:abs=0.5", &layout, &f32_bytes(&values))
        .unwrap()
        .len();
    layout.fill = Some(vec![0; 4]);
    let result = lossy("quantise:abs=0.5", &layout, &f32_bytes(&values));
    assert_eq!(result.chunk.len(), plain);
    let result = lossy("quantise:levels=100", &layout, &f32_bytes(&values));
    assert!(!f32_values(&result.decoded).contains(&0.0));
}

/// HDF5 decodes a chunk, overwrites a part and encodes it again.
#[test]
fn parts_that_are_not_overwritten_do_not_drift() {
    let layout = f32_layout(20_000);
    for mode in [
        "abs=0.01",
        "pw=0.001",
        "bits=8",
        "levels=256,range=-10;10",
        "rel=0.001,range=-10;10",
    ] {
        let spec = format!("quantise:{mode}");
        let first = lossy(&spec, &layout, &f32_bytes(&normals(20_000, 0.0, 1.0, 10)));
        let mut rewritten = f32_values(&first.decoded);
        for (at, value) in rewritten[..5000].iter_mut().enumerate() {
            *value = at as f32 * 17.0; // another range
        }
        let second = lossy(&spec, &layout, &f32_bytes(&rewritten));
        assert!(
            second.decoded[20_000..] == first.decoded[20_000..],
            "{spec}"
        );
    }
}

#[test]
fn integers_keep_whole_bounds_and_odd_bins() {
    let mut random = Random(11);
    let values: Vec<i32> = (0..20_000)
        .map(|_| (normal(&mut random) * 1000.0) as i32)
        .collect();
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let layout = layout(ElementClass::Signed, 4, values.len());
    for (spec, bound, relative) in [
        ("quantise:abs=1", 1.0, 0.0),
        ("quantise:abs=7.9", 7.0, 0.0),
        ("quantise:abs=1e30", 4000.0, 0.0),
        ("quantise:rel=0.01", 90.0, 0.0),
        ("quantise:levels=256", 18.0, 0.0),
        ("quantise:levels=70000", 0.0, 0.0),
        ("quantise:pw=0.05", 0.0, 0.05),
        ("quantise:bits=25", 64.0, 0.0),
    ] {
        let result = lossy(spec, &layout, &bytes);
        let is_lossless = result.certificate.fell_back;
        assert_eq!(result.codec == "quantise", !is_lossless, "{spec}");
        assert!(!is_lossless || bound + relative == 0.0, "{spec}");
        let mut largest = 0f64;
        for (&before, after) in values.iter().zip(result.decoded.chunks_exact(4)) {
            let after = i32::from_le_bytes(after.try_into().unwrap());
            let error = f64::from(after) - f64::from(before);
            assert!(
                error.abs() <= bound + relative * f64::from(before).abs(),
                "{spec}: {before} became {after}"
            );
            largest = largest.max(error.abs());
        }
        assert_eq!(result.certificate.loss.max_abs_error, largest, "{spec}");
        assert_eq!(result.certificate.loss.exceptions, 0, "{spec}");
    }
}

#[test]
fn wide_outliers_do_not_widen_the_indices() {
    let mut values = normals(100_000, 0.0, 1.0, 12);
    values[777] = 1e20;
    values[778] = -3e9;
    let result = lossy(
        "quantise:abs=0.01",
        &f32_layout(values.len()),
        &f32_bytes(&values),
    );
    assert_eq!(result.codec, "quantise");
    assert!(result.chunk.len() < 200_000, "{}", result.chunk.len());
    let decoded = f32_values(&result.decoded);
    assert_eq!((decoded[777], decoded[778]), (1e20, -3e9));
}

#[test]
fn a_value_beyond_all_bins_that_many_elements_have_is_stored_once() {
    let mut random = Random(3);
    let values: Vec<u32> = (0..40_000)
        .map(|i| match i % 200 {
            0..20 => u32::MAX,
            _ => random.below(30) as u32,
        })
        .collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let layout = Layout {
        shape: vec![200, 200],
        ..layout(ElementClass::Unsigned, 4, values.len())
    };
    let chunk = encode("quantise:abs=1", &layout, &bytes).unwrap();
    // Ten bins at 3.3 bits; 4000 values of four bytes would be as much again.
    assert!(chunk.len() < 18_000, "{}", chunk.len());
    let decoded = decode("quantise:abs=1", &layout, &chunk);
    let pairs = decoded.as_chunks().0.iter().zip(&values);
    assert!(pairs.into_iter().all(|(&stored, &value)| {
        u32::from_le_bytes(stored).abs_diff(value) <= u32::from(value < u32::MAX)
    }));
}

#[test]
fn bounds_finer_than_the_data_fall_back_to_lossless() {
    let values = normals(20_000, 1e6, 1e5, 13);
    let bytes = f32_bytes(&values);
    for spec in [
        "quantise:abs=1e-9",
        "quantise:rel=1e-12",
        "quantise:psnr=250",
    ] {
        let chunk = encode(spec, &f32_layout(values.len()), &bytes).unwrap();
        let info = frame::inspect(&chunk).unwrap();
        assert!(
            decode(spec, &f32_layout(values.len()), &chunk) == bytes,
            "{spec}"
        );
        assert!(info.certificate.unwrap().fell_back, "{spec} {}", info.codec);
    }
}

#[test]
fn settings_that_do_not_fit_are_refused_with_the_reason() {
    let refusal = |spec: &str, class, bytes| {
        encode(spec, &layout(class, bytes, 0), &[])
            .unwrap_err()
            .to_string()
    };
    use ElementClass::{Float, Other, Signed, Unsigned};
    for (spec, class, bytes, reason) in [
        ("quantise", Float, 4, "exactly one of"),
        ("quantise:abs=1,rel=0.1", Float, 4, "exactly one of"),
        (
            "quantise:abs=0.5",
            Signed,
            4,
            "abs < 1 on integers is lossless",
        ),
        ("quantise:abs=1e-46", Float, 4, "smaller than the rounding"),
        ("quantise:pw=1e-8", Float, 4, "smaller than the rounding"),
        ("quantise:bits=23", Float, 4, "whole mantissa"),
        ("quantise:bits=16", Unsigned, 2, "give 1 to 15"),
        ("quantise:abs=1,range=0;1", Float, 4, "range= goes with"),
        ("quantise:abs=1,otsu=0.9", Float, 4, "otsu= goes with"),
        ("quantise:levels=9,range=3;2", Float, 4, "lo < hi"),
        ("quantise:levels=9,range=p1;99", Float, 4, "range=p1;99"),
        ("quantise:levels=9,range=p1;p101", Float, 4, "percentiles"),
        ("quantise:abs=1", Other, 12, "not numbers"),
        ("quantise:abs=1,mask=x", Float, 4, "mask=x"),
        ("quantise:level=3", Float, 4, "did you mean 'levels'"),
        ("quantise:abs=0", Float, 4, "abs=0"),
    ] {
        let found = refusal(spec, class, bytes);
        assert!(found.contains(reason), "{spec}: {found}");
    }
}

/// Smooth areas with few values look like labels once quantised; they must not be refused then.
#[test]
fn integers_with_verified_promises_are_idempotent() {
    let mut random = Random(14);
    let counts: Vec<u16> = (0..40_000)
        .map(|i| (300.0 + f64::from(i / 2000 * 40) + 9.0 * normal(&mut random)) as u16)
        .collect();
    let bytes: Vec<u8> = counts
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let layout = layout(ElementClass::Unsigned, 2, counts.len());
    for mode in [
        "otsu=0.9",
        "otsu=0.99",
        "psnr=30",
        "psnr=55",
        "levels=4",
        "levels=9,otsu=0.97",
        "rel=0.05",
    ] {
        let result = lossy(&format!("quantise:{mode}"), &layout, &bytes);
        assert_eq!(result.codec, "quantise", "{mode}");
    }
}

#[test]
fn labels_are_refused() {
    let n = 65_536;
    let labels: Vec<u8> = (0..n)
        .flat_map(|i| ((i / 700 * 3) as u16).to_le_bytes())
        .collect();
    let layout = layout(ElementClass::Unsigned, 2, n);
    for mode in ["abs=2", "levels=10", "pw=0.1", "rel=0.1"] {
        let error = encode(&format!("quantise:{mode}"), &layout, &labels).unwrap_err();
        assert!(error.to_string().contains("dictionary"), "{mode}: {error}");
    }
}

#[test]
fn random_settings_are_idempotent() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let n = random.below(9000) + 1;
        let part = 10f64.powf(-6.0 * uniform(&mut random) - 0.31);
        let mode = match random.below(8) {
            0 => format!("abs={:e}", 10f64.powf(uniform(&mut random) * 20.0 - 10.0)),
            1 => format!("rel={part:e}"),
            2 => format!("pw={part:e}"),
            3 => format!("psnr={}", 5.0 + 100.0 * uniform(&mut random)),
            4 => format!("levels={}", 2 + random.below(400)),
            5 => format!("bits={}", random.below(23)),
            6 => format!("otsu={}", uniform(&mut random)),
            _ => format!(
                "levels={},otsu={}",
                2 + random.below(100),
                uniform(&mut random)
            ),
        };
        let ranged = !["abs", "pw=", "bit"].contains(&&mode[..3]);
        let range = match random.below(4) {
            0 if ranged => ",range=p1;p98.5",
            1 if ranged => ",range=-1;2.5",
            _ => "",
        };
        let spec = format!("quantise:{mode}{range},mask=1.5");
        let values: Vec<f32> = match random.below(4) {
            0 => adversarial(n, 0.1, &mut random),
            1 => (0..n).map(|_| random.below(5) as f32 * 0.75).collect(),
            2 => vec![uniform(&mut random) as f32; n],
            _ => normals(n, 1.0, 2.0, seed),
        };
        lossy(&spec, &f32_layout(n), &f32_bytes(&values));
    }
}
