//! `noise` on Poisson counts: bias, added variance and bits, as sums over the probabilities of all counts.

mod support;

use etalon_codec::{ElementClass, Layout};
use support::twice::{layout, lossy};

/// What every count from 0 below `len` decodes to, as u32 so that no count is the largest value of its type.
fn decoded_counts(spec: &str, len: usize) -> Vec<f64> {
    let bytes: Vec<u8> = (0..len as u32).flat_map(u32::to_le_bytes).collect();
    let layout: Layout = layout(ElementClass::Unsigned, 4, len);
    let decoded = lossy(spec, &layout, &bytes);
    assert_eq!(decoded.codec, "noise");
    let values = decoded.decoded.as_chunks().0.iter();
    values
        .map(|&bytes| f64::from(u32::from_le_bytes(bytes)))
        .collect()
}

/// Poisson probabilities of the counts 0 … len − 1, from the mode outwards: no underflow, no gamma function.
fn poisson(mean: f64, len: usize) -> Vec<f64> {
    let mode = mean as usize;
    let mut weights = vec![0.0; len];
    weights[mode] = 1.0;
    for k in mode + 1..len {
        weights[k] = weights[k - 1] * mean / k as f64;
    }
    for k in (0..mode).rev() {
        weights[k] = weights[k + 1] * (k + 1) as f64 / mean;
    }
    normalised(weights)
}

fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Probabilities of the values 0 … len − 1 of a detector: offset + gain · Poisson count + normal read noise, rounded.
fn detector(mean: f64, gain: f64, offset: f64, read: f64, len: usize) -> Vec<f64> {
    let counts = poisson(mean, (mean + 12.0 * mean.sqrt() + 30.0) as usize);
    let mut weights = vec![0.0; len];
    for (count, weight) in counts.iter().enumerate().filter(|(_, w)| **w > 1e-18) {
        let centre = offset + gain * count as f64;
        let first = (centre - 8.0 * read).max(0.0) as usize;
        let last = ((centre + 8.0 * read) as usize).min(len - 1);
        for (value, sum) in weights.iter_mut().enumerate().take(last + 1).skip(first) {
            let z = (value as f64 - centre) / read;
            *sum += weight * (-z * z / 2.0).exp();
        }
    }
    normalised(weights)
}

/// Mean and mean square of decoded − original.
fn moments(weights: &[f64], decoded: &[f64]) -> (f64, f64) {
    let (mut mean, mut square) = (0.0, 0.0);
    for (value, (weight, decoded)) in weights.iter().zip(decoded).enumerate() {
        let error = decoded - value as f64;
        mean += weight * error;
        square += weight * error * error;
    }
    (mean, square)
}

fn entropy_bits(weights: &[f64], decoded: &[f64]) -> f64 {
    let mut probabilities = vec![0.0; decoded.len() * 2];
    for (weight, decoded) in weights.iter().zip(decoded) {
        probabilities[*decoded as usize] += weight;
    }
    let bits = probabilities.iter().filter(|p| **p > 0.0);
    bits.map(|p| -p * p.log2()).sum()
}

/// Means from 0.1 to 10⁴, 200 for each factor of ten.
fn means() -> impl Iterator<Item = f64> {
    (0..=1000).map(|step| 0.1 * 10f64.powf(f64::from(step) / 200.0))
}

#[test]
fn every_error_is_within_half_a_step_and_follows_from_the_decoded_value() {
    for step in [0.1, 0.25, 0.5, 0.7, 1.0, 2.0, 8.0] {
        let decoded = decoded_counts(&format!("noise:sigma={step}"), 60_000);
        for (count, &decoded) in decoded.iter().enumerate() {
            let error = (decoded - count as f64).abs();
            assert!(
                error <= step * (count as f64 + 1.0).sqrt() / 2.0,
                "{step} {count}"
            );
            assert!(
                error <= step * (decoded + 1.0).sqrt() / 2.0,
                "{step} {count}"
            );
            let exact_below = (3.0 / step) * (3.0 / step) - 1.0;
            assert!(
                error == 0.0 || count as f64 >= exact_below,
                "{step} {count}"
            );
        }
    }
}

/// Without bins of even width: 0.0019, 0.0078, 0.0365 at steps ¼, ½ and 1.
#[test]
fn bias_at_half_a_sigma_is_below_four_thousandths() {
    let len = 12_000;
    for (step, limit) in [(0.25, 0.001), (0.5, 0.0039), (1.0, 0.018), (2.0, 0.19)] {
        let decoded = decoded_counts(&format!("noise:sigma={step}"), len);
        let bias = |mean: f64| (moments(&poisson(mean, len), &decoded).0 / mean.sqrt()).abs();
        let worst = means().map(|mean| (bias(mean), mean));
        let (bias, mean) = worst.fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        println!("step {step}: largest bias {bias:.5} σ, at λ = {mean:.2}");
        assert!(bias <= limit, "step {step}: {bias} at {mean}");
    }
}

#[test]
fn bias_with_gain_offset_and_read_noise_is_below_six_thousandths() {
    for (gain, offset, read) in [
        (1.0, 0.0, 1.5),
        (1.0, 100.0, 3.0),
        (2.5, 100.25, 3.1),
        (0.3, 50.0, 2.0),
        (12.0, 300.0, 9.0),
    ] {
        let len = 400 + (1200.0 * gain) as usize;
        let spec = format!("noise:sigma=0.5,gain={gain},offset={offset},read={read}");
        let decoded = decoded_counts(&spec, len);
        let (mut worst, mut at) = (0f64, 0.0);
        for mean in means().step_by(20).filter(|mean| *mean < 800.0) {
            let weights = detector(mean, gain, offset, read, len);
            let sigma = (gain * gain * mean + read * read).sqrt();
            let bias = (moments(&weights, &decoded).0 / sigma).abs();
            if bias > worst {
                (worst, at) = (bias, mean);
            }
        }
        println!(
            "gain {gain} offset {offset} read {read}: largest bias {worst:.5} σ, at λ = {at:.2}"
        );
        assert!(worst <= 0.006, "{spec}: {worst} at {at}");
    }
}

/// With s = step · σ, an integer error of at most s/2 is at most m = ⌊s/2⌋. A bin with such errors holds 2 m + 1 values
/// at most, whose mean square error is m (m + 1)/3 = (w² − 1)/12, below s²/12 by up to (4 w + 5)/12. That is more than
/// 0.1 % of σ² until λ is 10³ … 10⁵, so no integers with the promised bound add the variance of a uniform step there.
#[test]
fn added_variance_is_that_of_the_step_as_far_as_integers_allow() {
    for step in [0.25, 0.5, 1.0, 2.0] {
        let decoded = decoded_counts(&format!("noise:sigma={step}"), 120_000);
        for mean in [10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5] {
            let added = moments(&poisson(mean, decoded.len()), &decoded).1 / mean;
            let uniform = step * step / 12.0;
            // Noise of the decoded values over that of the original ones, where the error is independent of the count.
            let noise = |added: f64| 100.0 * ((1.0 + added).sqrt() - 1.0);
            println!(
                "step {step} λ {mean}: variance + {:.3} %, noise + {:.3} %; of a uniform step {:.3} %, {:.3} %",
                100.0 * added,
                noise(added),
                100.0 * uniform,
                noise(uniform),
            );
            assert!(added <= uniform + 0.001, "{step} {mean}: {added}");
            let least = uniform - lost_to_rounding(step, mean);
            assert!(added >= least, "{step} {mean}: {added} {least}");
            let near = step <= 0.5 && mean >= 1e4 || step <= 1.0 && mean >= 1e5;
            assert!(!near || added >= uniform - 0.001, "{step} {mean}: {added}");
            let near = step <= 0.5 && mean >= 3e3;
            let missing = noise(uniform) - noise(added);
            assert!(!near || missing <= 0.1, "{step} {mean}: {missing}");
        }
    }
}

/// What widths rounded down to odd integers may lack of step²/12, over σ²; half as much again for a bin of even width.
fn lost_to_rounding(step: f64, mean: f64) -> f64 {
    let width = step * mean.sqrt();
    ((4.0 * width + 5.0) / 12.0 * 1.5 / mean).min(step * step / 12.0)
}

#[test]
#[allow(clippy::approx_constant)] // 3.14 bits
fn indices_have_the_entropy_of_the_golden_table() {
    let golden = [
        (20.0, [4.20, 4.20, 2.57, 1.38]),
        (100.0, [5.37, 3.44, 2.26, 1.33]),
        (1000.0, [4.23, 3.14, 2.15, 1.29]),
        (1e4, [4.12, 3.09, 2.12, 1.25]),
    ];
    for (column, step) in [0.25, 0.5, 1.0, 2.0].into_iter().enumerate() {
        let decoded = decoded_counts(&format!("noise:sigma={step}"), 12_000);
        for (mean, bits) in golden {
            let entropy = entropy_bits(&poisson(mean, decoded.len()), &decoded);
            println!(
                "step {step} λ {mean}: {entropy:.3} bits, golden {}",
                bits[column]
            );
            assert!(
                (entropy / bits[column] - 1.0).abs() <= 0.05,
                "step {step} λ {mean}: {entropy}"
            );
        }
    }
}
