//! `quantise`: no bound is broken by any value, checked from outside by arithmetic of its own.

mod support;

use etalon_codec::{ElementClass, frame};
use support::Random;
use support::twice::{
    Lossy, adversarial, check_f32, decode, encode, f32_bytes, f32_layout, f32_values, layout,
    lossy, normal, uniform,
};

/// `ETALON_MUTATIONS=1000000000` sets how many values are tried in all (4 million otherwise).
#[test]
fn no_bound_is_broken_on_random_and_adversarial_values() {
    let count = std::env::var("ETALON_MUTATIONS").unwrap_or_default();
    let count: usize = count.parse().unwrap_or(4_000_000);
    let n = 50_000;
    let mut quantised = 0;
    for seed in 0..(count / n) as u64 {
        let mut random = Random(seed);
        let bound = match seed % 6 {
            0 => 0.01,
            1 => 2f64.powi(random.below(250) as i32 - 140),
            2 => 0.5,
            3 => 10f64.powf(uniform(&mut random) * 70.0 - 40.0),
            4 => f64::from(f32::EPSILON) * (0.1 + uniform(&mut random) * 4.0), // near the rounding of the type
            _ => 1e30 * uniform(&mut random),
        };
        let scale = if seed % 6 == 4 {
            0.01
        } else {
            (bound * 2.0) as f32
        };
        let values = adversarial(n, scale, &mut random);
        let spec = format!("quantise:abs={bound:e}");
        let Ok(chunk) = encode(&spec, &f32_layout(n), &f32_bytes(&values)) else {
            assert!(bound < 1e-45, "{spec}");
            continue;
        };
        quantised += usize::from(frame::inspect(&chunk).unwrap().codec == "quantise");
        let decoded = f32_values(&decode(&spec, &f32_layout(n), &chunk));
        check_f32(&spec, &values, &decoded, |_| bound);
        if seed % 16 == 0 {
            lossy(&spec, &f32_layout(n), &f32_bytes(&values));
        }
    }
    println!("{quantised} chunks of {} were quantised", count / n);
    assert!(quantised * 3 > count / n);
}

#[test]
fn all_f16_keep_every_bound_and_come_back_the_same_twice() {
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let layout = layout(ElementClass::Float, 2, 1 << 16);
    let values = |bytes: &[u8]| -> Vec<half::f16> {
        let values = bytes.chunks_exact(2);
        values
            .map(|bytes| half::f16::from_le_bytes(bytes.try_into().unwrap()))
            .collect()
    };
    let before = values(&all);
    let absolute = [1e-7, 0.001, 0.037, 0.5, 10.0, 1000.0, 60_000.0, 1e6];
    let relative = [0.001, 0.01, 0.1, 0.5];
    let specs = absolute
        .iter()
        .map(|a| (format!("quantise:abs={a}"), *a, 0.0));
    let specs = specs.chain(
        relative
            .iter()
            .map(|p| (format!("quantise:pw={p}"), 0.0, *p)),
    );
    let specs =
        specs.chain((0..10).map(|b| (format!("quantise:bits={b}"), 0.0, 0.5f64.powi(b + 1))));
    for (spec, absolute, relative) in specs {
        let Lossy { decoded, .. } = lossy(&spec, &layout, &all);
        for (before, after) in before.iter().zip(values(&decoded)) {
            let exact = before.to_bits() == after.to_bits();
            let error = (after.to_f64() - before.to_f64()).abs();
            let allowed = absolute + relative * before.to_f64().abs();
            assert!(exact || error <= allowed, "{spec}: {before} became {after}");
        }
    }
}

#[test]
fn f64_keeps_bounds_down_to_its_own_rounding() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let n = 3000;
        let magnitude = 10f64.powi(random.below(500) as i32 - 250);
        let values: Vec<f64> = (0..n)
            .map(|_| match random.below(40) {
                0 => f64::from_bits(random.next()),
                _ => magnitude * normal(&mut random),
            })
            .collect();
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let layout = layout(ElementClass::Float, 8, n);
        let part = 10f64.powi(-(random.below(16) as i32) - 1);
        let bound = magnitude * part;
        for (spec, absolute, relative) in [
            (format!("quantise:abs={bound:e}"), bound, 0.0),
            (format!("quantise:pw={part:e}"), 0.0, part),
            (
                format!("quantise:bits={}", random.below(52)),
                0.0,
                f64::INFINITY,
            ),
        ] {
            if encode(&spec, &layout, &bytes).is_err() {
                assert!(part < 2e-15);
                continue;
            }
            let Lossy { decoded, .. } = lossy(&spec, &layout, &bytes);
            for (before, after) in values.iter().zip(decoded.chunks_exact(8)) {
                let after = f64::from_le_bytes(after.try_into().unwrap());
                let exact = before.to_bits() == after.to_bits();
                let allowed = absolute + relative * before.abs();
                assert!(
                    exact || (after - before).abs() <= allowed,
                    "{spec}: {before:e} became {after:e}"
                );
            }
        }
    }
}
