//! Electron counts of scanning transmission microscopy, one diffraction pattern per position of the probe (4D-STEM).
//!
//! A convergent probe with some defocus goes through a thin crystal of two kinds of atom columns, each a little out of
//! place, that shifts its phase (weak-phase model, one slice): the pattern is |FFT(probe · exp(iσV))|², overlapping
//! diffraction disks, with a Lorentzian background of inelastic and thermal scattering. Counts are Poisson. The electron
//! dose is set such that a given share of the pixels count nothing, since that is what counting detectors differ in.

use std::f64::consts::PI;

use crate::random::Random;
use crate::simulate::{Pixels, Series};

/// Rows and columns of the detector.
const SIDE: usize = 128;
/// Radius of the aperture, in pixels of the detector.
const APERTURE: f64 = 0.14 * SIDE as f64;
/// Pixels of the potential from one position of the probe to the next.
const STEP: usize = 3;
/// Pixels between atom columns.
const SPACING: f64 = 17.0;
/// Share of the electrons in the background, and its half width in pixels of the detector.
const BACKGROUND: f64 = 0.12;
const BACKGROUND_WIDTH: f64 = 0.16 * SIDE as f64;

/// Shares of pixels without a count, and the names of their series.
pub const SPARSITIES: [(f64, &str, &str); 4] = [
    (0.50, "zeros-50", "4D-STEM counts, half of them 0"),
    (0.75, "zeros-75", "4D-STEM counts, 75 % of them 0"),
    (0.85, "zeros-85", "4D-STEM counts, 85 % of them 0"),
    (0.93, "zeros-93", "4D-STEM counts, 93 % of them 0"),
];

/// The same scan at four doses; `frames` is the number of probe positions, in rows of a square scan.
pub fn four_d_stem(seed: u64, frames: usize) -> Vec<Series> {
    let patterns = patterns(seed, frames);
    let series = SPARSITIES.iter().zip(seed + 1..);
    series
        .map(|(&(zeros, name, about), seed)| {
            let dose = dose_for(&patterns, zeros);
            let mut random = Random::new(seed);
            let counts = patterns.iter().map(|share| {
                let count = random.poisson(dose * share);
                count.min(u32::from(u16::MAX) - 1) as u16
            });
            Series {
                name,
                about,
                shape: [frames, SIDE, SIDE],
                pixels: Pixels::U16(counts.collect()),
                masked: None,
            }
        })
        .collect()
}

/// Electrons per pattern at which a share of `zeros` of all pixels count nothing, by bisection.
fn dose_for(patterns: &[f64], zeros: f64) -> f64 {
    // A stride that is prime to the side meets all rows and columns alike.
    let some: Vec<f64> = patterns.iter().copied().step_by(17).collect();
    let expected = |dose: f64| {
        let sum: f64 = some.iter().map(|share| (-dose * share).exp()).sum();
        sum / some.len() as f64
    };
    let (mut low, mut high) = (1.0, 1e9);
    for _ in 0..60 {
        let middle = f64::sqrt(low * high);
        if expected(middle) > zeros {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::sqrt(low * high)
}

/// Shares of the electrons per pixel, one pattern of sum 1 after the other.
fn patterns(seed: u64, frames: usize) -> Vec<f64> {
    let scan = frames.isqrt().max(1) + 1;
    let extent = scan * STEP + SIDE + 8;
    let potential = potential(&mut Random::new(seed), extent);
    let probe = probe();
    let background = background();
    let mut patterns = Vec::with_capacity(frames * SIDE * SIDE);
    for frame in 0..frames {
        let (top, left) = (frame / scan * STEP, frame % scan * STEP);
        let mut wave: Vec<Complex> = (0..SIDE * SIDE)
            .map(|at| {
                let phase = 1.2 * potential[(top + at / SIDE) * extent + left + at % SIDE];
                multiply(probe[at], (phase.cos(), phase.sin()))
            })
            .collect();
        transform_image(&mut wave);
        let power: Vec<f64> = wave.iter().map(|(re, im)| re * re + im * im).collect();
        let sum: f64 = power.iter().sum();
        patterns.extend((0..SIDE * SIDE).map(|at| {
            let elastic = power[centered(at)] / sum;
            (1.0 - BACKGROUND) * elastic + BACKGROUND * background[at]
        }));
    }
    patterns
}

/// Projected potential of the crystal.
fn potential(random: &mut Random, extent: usize) -> Vec<f64> {
    const REACH: isize = 8;
    const WIDTH: f64 = 2.0;
    let mut potential = vec![0.0; extent * extent];
    let columns = (extent as f64 / SPACING) as usize;
    for atom in 0..columns * columns {
        let (row, column) = (atom / columns, atom % columns);
        let place = |index: usize, random: &mut Random| {
            (index as f64 + 0.5) * SPACING + 0.35 * random.normal()
        };
        let (y, x) = (place(row, random), place(column, random));
        let strength = if (row + column) % 2 == 1 { 1.0 } else { 0.55 };
        let (middle_row, middle_column) = (y.round() as isize, x.round() as isize);
        for row in middle_row - REACH..=middle_row + REACH {
            for column in middle_column - REACH..=middle_column + REACH {
                let inside =
                    (0..extent as isize).contains(&row) && (0..extent as isize).contains(&column);
                if inside {
                    let square = (row as f64 - y).powi(2) + (column as f64 - x).powi(2);
                    potential[row as usize * extent + column as usize] +=
                        strength * (-square / (2.0 * WIDTH * WIDTH)).exp();
                }
            }
        }
    }
    potential
}

/// The wave of the probe in real space: an aperture with a phase of defocus, transformed.
fn probe() -> Vec<Complex> {
    const DEFOCUS: f64 = 80.0 * PI;
    let mut wave: Vec<Complex> = (0..SIDE * SIDE)
        .map(|at| {
            let radius = frequency(at / SIDE).hypot(frequency(at % SIDE));
            if radius >= APERTURE {
                return (0.0, 0.0);
            }
            let phase = -DEFOCUS * (radius / SIDE as f64).powi(2);
            (phase.cos(), phase.sin())
        })
        .collect();
    transform_image(&mut wave);
    (0..SIDE * SIDE).map(|at| wave[centered(at)]).collect()
}

/// Lorentzian of sum 1 about the middle of the detector.
fn background() -> Vec<f64> {
    let middle = (SIDE / 2) as f64;
    let tail: Vec<f64> = (0..SIDE * SIDE)
        .map(|at| {
            let radius = ((at / SIDE) as f64 - middle).hypot((at % SIDE) as f64 - middle);
            1.0 / (1.0 + (radius / BACKGROUND_WIDTH).powi(2)).powi(2)
        })
        .collect();
    let sum: f64 = tail.iter().sum();
    tail.into_iter().map(|value| value / sum).collect()
}

/// Frequency of an index of a transform, in cycles over the side.
fn frequency(index: usize) -> f64 {
    if index < SIDE / 2 {
        index as f64
    } else {
        index as f64 - SIDE as f64
    }
}

/// The element of a transform that belongs to a pixel when frequency 0 is in the middle.
fn centered(at: usize) -> usize {
    let shift = |index: usize| (index + SIDE / 2) % SIDE;
    shift(at / SIDE) * SIDE + shift(at % SIDE)
}

type Complex = (f64, f64);

fn multiply(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// Fourier transform of an image, rows and then columns.
fn transform_image(image: &mut [Complex]) {
    for row in image.chunks_exact_mut(SIDE) {
        transform(row);
    }
    let mut line = vec![(0.0, 0.0); SIDE];
    for column in 0..SIDE {
        for (row, value) in line.iter_mut().enumerate() {
            *value = image[row * SIDE + column];
        }
        transform(&mut line);
        for (row, value) in line.iter().enumerate() {
            image[row * SIDE + column] = *value;
        }
    }
}

/// Fourier transform of a power of two of values: Cooley and Tukey, elements put in order of their reversed bits first.
fn transform(values: &mut [Complex]) {
    let len = values.len();
    let bits = len.trailing_zeros();
    for at in 0..len {
        let reversed = at.reverse_bits() >> (usize::BITS - bits);
        if at < reversed {
            values.swap(at, reversed);
        }
    }
    let mut half = 1;
    while half < len {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (at, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let angle = -PI * at as f64 / half as f64;
                let turned = multiply(*b, (angle.cos(), angle.sin()));
                (*a, *b) = (
                    (a.0 + turned.0, a.1 + turned.1),
                    (a.0 - turned.0, a.1 - turned.1),
                );
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_that_of_the_definition() {
        let mut random = Random::new(1);
        let values: Vec<Complex> = (0..16)
            .map(|_| (random.normal(), random.normal()))
            .collect();
        let mut transformed = values.clone();
        transform(&mut transformed);
        for (k, found) in transformed.iter().enumerate() {
            let sum = values.iter().enumerate().fold((0.0, 0.0), |sum, (n, &v)| {
                let angle = -2.0 * PI * (k * n) as f64 / 16.0;
                let term = multiply(v, (angle.cos(), angle.sin()));
                (sum.0 + term.0, sum.1 + term.1)
            });
            assert!((sum.0 - found.0).abs() < 1e-12 && (sum.1 - found.1).abs() < 1e-12);
        }
    }

    #[test]
    fn the_shares_of_zeros_are_those_asked_for() {
        for (series, (zeros, ..)) in four_d_stem(7, 16).iter().zip(SPARSITIES) {
            let Pixels::U16(counts) = &series.pixels else {
                panic!("16 bits");
            };
            assert_eq!(counts.len(), 16 * SIDE * SIDE);
            let found =
                counts.iter().filter(|count| **count == 0).count() as f64 / counts.len() as f64;
            assert!((found - zeros).abs() < 0.003, "{}: {found}", series.name);
        }
    }

    #[test]
    fn the_disk_is_bright_and_moves_with_the_crystal() {
        let patterns = patterns(7, 9);
        let frames: Vec<&[f64]> = patterns.chunks_exact(SIDE * SIDE).collect();
        for frame in &frames {
            assert!((frame.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let inside: f64 = (0..SIDE * SIDE)
                .filter(|at| {
                    let (y, x) = ((at / SIDE) as f64 - 64.0, (at % SIDE) as f64 - 64.0);
                    y.hypot(x) < APERTURE
                })
                .map(|at| frame[at])
                .sum();
            assert!((0.3..0.98).contains(&inside), "{inside}");
        }
        let distance: f64 = frames[0]
            .iter()
            .zip(frames[4])
            .map(|(a, b)| (a - b).abs())
            .sum();
        assert!(distance > 0.02, "{distance}");
    }

    #[test]
    fn a_seed_gives_the_same_counts_again() {
        let counts = |seed| match four_d_stem(seed, 2).swap_remove(0).pixels {
            Pixels::U16(counts) => counts,
            Pixels::U32(_) => panic!("16 bits"),
        };
        assert_eq!(counts(3), counts(3));
        assert_ne!(counts(3), counts(4));
    }
}
