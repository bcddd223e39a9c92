//! What `sigma-clip` draws again, stores losslessly and refuses: simulated crystallography and simulated speckle.
//!
//! Speckle is the intensity of M independent complex Gaussian fields, averaged, each blurred over the speckle size; so
//! its contrast is 1/M, and counts vary by mean + mean²/M.

mod support;

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Error, Layout, Spec, frame};
use support::{Random, stored};

const MASKED: u32 = 65_535;

/// What became of a frame.
#[derive(Debug, PartialEq)]
enum Outcome {
    Drawn,
    Lossless,
    Refused,
}

fn outcome(spec: &str, side: usize, counts: &[u32]) -> Outcome {
    let element = Element {
        class: ElementClass::Unsigned,
        bytes: 2,
        order: ByteOrder::Little,
    };
    let layout = Layout::new(element, vec![side, side]);
    let bytes: Vec<u8> = counts
        .iter()
        .flat_map(|&count| (count.min(MASKED) as u16).to_le_bytes())
        .collect();
    let spec: Spec = spec.parse().unwrap();
    let (filter, values) = stored(&spec, &layout);
    let mut chunk = vec![0; (filter.bound)(&values, bytes.len()).unwrap()];
    match (filter.encode)(&mut Context::refusing(), &values, &bytes, &mut chunk) {
        Err(Error::Refused(_)) => Outcome::Refused,
        Err(error) => panic!("{error}"),
        Ok(len) => match frame::inspect(&chunk[..len]).unwrap().codec {
            "sigma-clip" => Outcome::Drawn,
            _ => Outcome::Lossless,
        },
    }
}

fn uniform(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0
}

fn poisson(random: &mut Random, mean: f64) -> u32 {
    if mean > 500.0 {
        return (mean + mean.sqrt() * normal(random)).round().max(0.0) as u32;
    }
    let drawn = uniform(random);
    let mut probability = (-mean).exp();
    let (mut sum, mut count) = (probability, 0);
    while drawn > sum && count < 2000 {
        count += 1;
        probability *= mean / f64::from(count);
        sum += probability;
    }
    count
}

/// Blurs rows, then columns, by a Gaussian of `sigma` pixels, periodically; the variance stays 1.
fn blurred(field: Vec<f64>, side: usize, sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma) as usize;
    let weights: Vec<f64> = (0..=2 * reach)
        .map(|i| (-(i as f64 - reach as f64).powi(2) / (2.0 * sigma * sigma)).exp())
        .collect();
    let norm = weights
        .iter()
        .map(|weight| weight * weight)
        .sum::<f64>()
        .sqrt();
    let along = |field: &[f64], step: usize| -> Vec<f64> {
        let at = |i: usize, shift: usize| match step {
            1 => i / side * side + (i % side + side + shift - reach) % side,
            _ => (i / side + side + shift - reach) % side * side + i % side,
        };
        let sum = |i| {
            (0..weights.len())
                .map(|k| weights[k] * field[at(i, k)])
                .sum::<f64>()
        };
        (0..field.len()).map(|i| sum(i) / norm).collect()
    };
    along(&along(&field, 1), side)
}

/// Counts of speckle: `modes` modes, speckles of `sigma` pixels (0: one pixel each).
fn speckle(seed: u64, side: usize, mean: f64, modes: usize, sigma: f64) -> Vec<u32> {
    let mut random = Random(seed);
    let mut intensity = vec![0.0; side * side];
    for _ in 0..2 * modes {
        let white: Vec<f64> = intensity.iter().map(|_| normal(&mut random)).collect();
        let field = if sigma > 0.0 {
            blurred(white, side, sigma)
        } else {
            white
        };
        for (intensity, field) in intensity.iter_mut().zip(field) {
            *intensity += field * field / (2 * modes) as f64;
        }
    }
    intensity
        .iter()
        .map(|intensity| poisson(&mut random, mean * intensity))
        .collect()
}

/// A still of serial crystallography: beam, solvent ring, peaks, gaps between modules, pixels that differ by 2 %.
fn crystallography(seed: u64, side: usize, mean: f64) -> Vec<u32> {
    let mut random = Random(seed);
    let middle = side as f64 / 2.0;
    let q = |i: usize| {
        let (x, y) = ((i % side) as f64 - middle, (i / side) as f64 - middle);
        (x * x + y * y).sqrt() / side as f64
    };
    let shape = |q: f64| {
        2.5 * (-(q / 0.12).powi(2)).exp() + 1.2 * (-((q - 0.31) / 0.045).powi(2)).exp() + 0.15
    };
    let total: f64 = (0..side * side).map(|i| shape(q(i))).sum();
    let scale = mean * (side * side) as f64 / total;
    let mut rates: Vec<f64> = (0..side * side)
        .map(|i| scale * shape(q(i)) * (1.0 + 0.02 * normal(&mut random)))
        .collect();
    for _ in 0..side * side / 13_000 {
        let (row, column) = (random.below(side - 12), random.below(side - 12));
        let height = (mean.sqrt() + 1.0) * 30.0 * uniform(&mut random);
        for pixel in 0..121 {
            let (r, c) = (pixel / 11, pixel % 11);
            let d = (r as f64 - 5.0).powi(2) + (c as f64 - 5.0).powi(2);
            rates[(row + r) * side + column + c] += height * (-d / 2.4).exp();
        }
    }
    let gap = |i: usize| i % side % 265 >= 256 || i / side % 134 >= 128;
    (0..side * side)
        .map(|i| {
            if gap(i) {
                MASKED
            } else {
                poisson(&mut random, rates[i])
            }
        })
        .collect()
}

fn variants(side: usize) -> [String; 2] {
    let middle = side / 2;
    [
        "sigma-clip:variant=block,tile=32".into(),
        format!("sigma-clip:variant=azimuthal,cx={middle},cy={middle},bins={middle}"),
    ]
}

#[test]
fn crystallography_is_never_refused() {
    let side = 512;
    for seed in 0..3 {
        for mean in [0.05, 0.5, 2.0, 8.0, 100.0] {
            let counts = crystallography(seed, side, mean);
            for spec in variants(side) {
                let found = outcome(&spec, side, &counts);
                let expected = match mean < 0.3 {
                    true => Outcome::Lossless,
                    false => Outcome::Drawn,
                };
                assert_eq!(found, expected, "{spec} mean {mean} seed {seed}");
            }
        }
    }
}

#[test]
fn speckle_is_never_drawn_again() {
    let side = 384;
    for (modes, sigma) in [(3, 0.0), (3, 1.0), (4, 1.5), (2, 0.7)] {
        for mean in [0.02, 0.05, 0.2, 0.5, 2.0, 5.0, 100.0] {
            let counts = speckle(modes as u64, side, mean, modes, sigma);
            for spec in variants(side) {
                let found = outcome(&spec, side, &counts);
                println!("{spec} mean {mean}, {modes} modes, {sigma} px: {found:?}");
                assert_ne!(found, Outcome::Drawn, "{spec} mean {mean} modes {modes}");
                assert!(
                    mean < 0.5 || found == Outcome::Refused || spec.contains("azimuthal"),
                    "{spec} mean {mean}, {modes} modes, {sigma} px"
                );
            }
        }
    }
}

#[test]
fn counts_without_structure_are_refused_by_chance_only() {
    let side = 192;
    let mut random = Random(5);
    for mean in [1.0, 6.0, 40.0] {
        for _ in 0..40 {
            let flat: Vec<u32> = (0..side * side)
                .map(|_| poisson(&mut random, mean))
                .collect();
            assert_eq!(outcome("sigma-clip", side, &flat), Outcome::Drawn, "{mean}");
        }
    }
}
