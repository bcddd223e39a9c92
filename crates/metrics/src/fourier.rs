//! Fourier transforms of images and volumes: two real ones at once, as real and imaginary part of a complex one.
//!
//! F₁(k) = (Z(k) + Z*(−k)) / 2 and F₂(k) = (Z(k) − Z*(−k)) / 2i for Z the transform of a + ib.

use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use serde::{Deserialize, Serialize};

/// Lines across the fast axis that are gathered at once: a cache line holds four values.
const LINES: usize = 16;

/// What an image is multiplied by before it is transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Hann's, 0.5 − 0.5 cos(2πi / (n − 1)) along every axis, as `numpy.hanning`.
    #[default]
    Hann,
    /// Nothing.
    None,
}

impl Window {
    /// Factors along an axis; an axis of one element has none.
    fn factors(self, extent: usize) -> Vec<f64> {
        let step = std::f64::consts::TAU / extent.saturating_sub(1).max(1) as f64;
        let factor = |at| match self {
            Window::Hann if extent > 1 => 0.5 - 0.5 * (step * at as f64).cos(),
            _ => 1.0,
        };
        (0..extent).map(factor).collect()
    }
}

/// Transforms of two real arrays of the same shape.
#[derive(Debug, Clone)]
pub(crate) struct Spectra {
    packed: Vec<Complex64>,
}

impl Spectra {
    /// The transforms of `a` and `b`, of extents (slowest first) `shape`.
    pub(crate) fn new(a: &[f64], b: &[f64], shape: [usize; 3], window: Window) -> Self {
        let pairs = a.iter().zip(b);
        Self::of(
            pairs.map(|(&a, &b)| Complex64::new(a, b)).collect(),
            shape,
            window,
        )
    }

    /// The same of values that are packed already.
    pub(crate) fn of(mut packed: Vec<Complex64>, shape: [usize; 3], window: Window) -> Self {
        apply(window, &mut packed, shape);
        transform(&mut packed, shape);
        Self { packed }
    }

    /// Both transforms at the frequency `at`, whose negative is at `opposite`.
    #[inline]
    pub(crate) fn at(&self, at: usize, opposite: usize) -> [Complex64; 2] {
        let (here, there) = (self.packed[at], self.packed[opposite].conj());
        let difference = here - there;
        [
            (here + there) * 0.5,
            Complex64::new(difference.im, -difference.re) * 0.5,
        ]
    }
}

fn apply(window: Window, packed: &mut [Complex64], shape: [usize; 3]) {
    let [planes, rows, columns] = shape.map(|extent| window.factors(extent));
    let mut lines = packed.chunks_exact_mut(columns.len().max(1));
    for plane in &planes {
        for row in &rows {
            let Some(line) = lines.next() else { return };
            for (value, column) in line.iter_mut().zip(&columns) {
                *value *= plane * row * column;
            }
        }
    }
}

/// The transform in place, along all axes.
fn transform(values: &mut [Complex64], shape: [usize; 3]) {
    if values.is_empty() {
        return;
    }
    let mut planner = FftPlanner::new();
    let mut stride = 1;
    for extent in shape.into_iter().rev() {
        if extent > 1 {
            along_axis(values, extent, stride, &*planner.plan_fft_forward(extent));
        }
        stride *= extent;
    }
}

/// The transform along the axis whose elements are `stride` apart.
fn along_axis(values: &mut [Complex64], extent: usize, stride: usize, fft: &dyn Fft<f64>) {
    if stride == 1 {
        fft.process(values);
        return;
    }
    let mut lines = vec![Complex64::default(); LINES * extent];
    let mut scratch = vec![Complex64::default(); fft.get_inplace_scratch_len()];
    for block in values.chunks_exact_mut(extent * stride) {
        for first in (0..stride).step_by(LINES) {
            let count = LINES.min(stride - first);
            for at in 0..extent {
                for line in 0..count {
                    lines[line * extent + at] = block[at * stride + first + line];
                }
            }
            fft.process_with_scratch(&mut lines[..count * extent], &mut scratch);
            for at in 0..extent {
                for line in 0..count {
                    block[at * stride + first + line] = lines[line * extent + at];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_real_arrays_are_told_apart() {
        let shape = [2, 3, 4];
        let a: Vec<f64> = (0..24).map(|at| f64::from(at * at % 7)).collect();
        let b: Vec<f64> = (0..24).map(|at| f64::from(at * 5 % 11)).collect();
        let spectra = Spectra::new(&a, &b, shape, Window::None);
        for (at, [z, y, x]) in coordinates(shape).into_iter().enumerate() {
            let opposite = ((2 - z) % 2 * 3 + (3 - y) % 3) * 4 + (4 - x) % 4;
            let found = spectra.at(at, opposite);
            for (found, values) in found.iter().zip([&a, &b]) {
                let mut sum = Complex64::default();
                for (value, [k, j, i]) in values.iter().zip(coordinates(shape)) {
                    let turns = (z * k) as f64 / 2.0 + (y * j) as f64 / 3.0 + (x * i) as f64 / 4.0;
                    sum += value * Complex64::cis(-std::f64::consts::TAU * turns);
                }
                assert!((found - sum).norm() < 1e-12, "{found} {sum}");
            }
        }
    }

    fn coordinates([planes, rows, columns]: [usize; 3]) -> Vec<[usize; 3]> {
        let count = planes * rows * columns;
        let of = |at: usize| [at / columns / rows, at / columns % rows, at % columns];
        (0..count).map(of).collect()
    }

    #[test]
    fn hann_begins_and_ends_with_zero() {
        let factors = Window::Hann.factors(5);
        for (factor, expected) in factors.iter().zip([0.0, 0.5, 1.0, 0.5, 0.0]) {
            assert!((factor - expected).abs() < 1e-15);
        }
        assert_eq!(Window::Hann.factors(1), [1.0]);
    }
}
