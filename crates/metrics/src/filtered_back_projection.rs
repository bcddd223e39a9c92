//! Reconstruction of a slice from parallel projections by filtered back-projection.
//!
//! A. C. Kak, M. Slaney, Principles of Computerized Tomographic Imaging (1988), chapter 3, in the conventions of
//! scikit-image's `iradon(circle=True, interpolation="linear")`: the ramp is built in space (equation 61), projections
//! are padded with zeros to a power of two at least 2√2 times their length, and filtered rows interpolated linearly. The
//! slice has as many rows and columns as a projection has columns; its pixel (columns/2, columns/2), rounded down, is on
//! the rotation axis, and what is farther than columns/2 from it is 0. Pixel (row, column) about the axis projects to
//! t = column·cos θ − row·sin θ. The sum is weighted by π/(2·angles), as for angles spread evenly over 180° or 360°.

use std::f64::consts::PI;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use serde::{Deserialize, Serialize};

/// What the ramp is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Filter {
    /// 1: the ramp alone (Ram-Lak).
    #[default]
    Ramp,
    SheppLogan,
    Cosine,
    Hamming,
    Hann,
}

/// Reconstructs slices of one size.
pub struct FilteredBackProjection {
    columns: usize,
    axis_column: f64,
    /// Gain by frequency.
    gain: Vec<f64>,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
    /// Columns before the first one at which filtered rows are known.
    before: usize,
    /// Columns at which filtered rows are known.
    known: usize,
}

/// Angles whose filtered rows are back-projected together, so that they and a row of the slice stay in the cache.
const ANGLES_AT_ONCE: usize = 16;

impl FilteredBackProjection {
    /// `axis_column`: where the rotation axis is projected to, the first column's middle being 0.
    pub fn new(columns: usize, axis_column: f64, filter: Filter) -> Self {
        let known = (columns as f64 * 2f64.sqrt()).ceil() as usize;
        let size = (2 * known).next_power_of_two().max(64);
        let mut planner = FftPlanner::new();
        let forward = planner.plan_fft_forward(size);
        Self {
            columns,
            axis_column,
            gain: gain(size, filter, &*forward),
            forward,
            inverse: planner.plan_fft_inverse(size),
            before: known / 2 - columns / 2,
            known,
        }
    }

    /// The slice, columns · columns values, of a sinogram with a row of `columns` values for each angle in degrees.
    pub fn reconstruct(&self, sinogram: &[f64], angles_deg: &[f64]) -> Vec<f64> {
        let mut slice = vec![0.0; self.columns * self.columns];
        let blocks = sinogram.chunks(self.columns.max(1) * ANGLES_AT_ONCE);
        for (rows, angles) in blocks.zip(angles_deg.chunks(ANGLES_AT_ONCE)) {
            let filtered = self.filtered(rows);
            for row in 0..self.columns {
                for (filtered, angle) in filtered.iter().zip(angles) {
                    self.project_back(filtered, angle.to_radians(), row, &mut slice);
                }
            }
        }
        let weight = PI / (2 * angles_deg.len()) as f64;
        slice.iter_mut().for_each(|value| *value *= weight);
        slice
    }

    /// Filtered rows with a margin of zeros wide enough for all that is projected to.
    fn filtered(&self, rows: &[f64]) -> Vec<Vec<f64>> {
        let size = self.gain.len();
        let mut filtered = Vec::new();
        // Two real rows are the real and the imaginary part of one transform: the gain is real and even.
        for pair in rows.chunks(2 * self.columns) {
            let (first, second) = pair.split_at(self.columns);
            let mut spectrum = vec![Complex::default(); size];
            for (column, value) in first.iter().enumerate() {
                let other = second.get(column).copied().unwrap_or(0.0);
                spectrum[column] = Complex::new(*value, other);
            }
            self.forward.process(&mut spectrum);
            let gains = spectrum.iter_mut().zip(&self.gain);
            gains.for_each(|(value, gain)| *value *= *gain);
            self.inverse.process(&mut spectrum);
            filtered.push(self.with_margin(&spectrum, |value| value.re));
            if !second.is_empty() {
                filtered.push(self.with_margin(&spectrum, |value| value.im));
            }
        }
        filtered
    }

    fn with_margin(&self, circular: &[Complex<f64>], part: fn(&Complex<f64>) -> f64) -> Vec<f64> {
        let size = circular.len();
        let margin = self.margin();
        let mut row = vec![0.0; self.known + 2 * margin];
        for (at, value) in row[margin..margin + self.known].iter_mut().enumerate() {
            *value = part(&circular[(size + at - self.before) % size]);
        }
        row
    }

    /// How far from the known columns a pixel of the slice can be projected to.
    fn margin(&self) -> usize {
        let off_centre = (self.axis_column - (self.columns / 2) as f64).abs();
        off_centre.ceil() as usize + 2
    }

    /// Adds a filtered row to a row of the slice, within the circle.
    fn project_back(&self, filtered: &[f64], angle: f64, row: usize, slice: &mut [f64]) {
        let radius = (self.columns / 2) as isize;
        let row_offset = row as isize - radius;
        let half = ((radius * radius - row_offset * row_offset) as usize).isqrt() as isize;
        let first = (radius - half) as usize;
        let last = ((radius + half) as usize).min(self.columns - 1);
        let (sine, cosine) = angle.sin_cos();
        let start =
            self.axis_column + (self.before + self.margin()) as f64 - row_offset as f64 * sine;
        let pixels = &mut slice[row * self.columns + first..=row * self.columns + last];
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let column_offset = (first + at) as f64 - radius as f64;
            let position = column_offset * cosine + start;
            let left = position as usize;
            let fraction = position - left as f64;
            *pixel += filtered[left] + fraction * (filtered[left + 1] - filtered[left]);
        }
    }
}

/// The spectrum of the filter: twice the ramp's, times a window.
fn gain(size: usize, filter: Filter, transform: &dyn Fft<f64>) -> Vec<f64> {
    let mut ramp = vec![Complex::default(); size];
    ramp[0].re = 0.25;
    for at in (1..size).step_by(2) {
        let distance = at.min(size - at) as f64;
        ramp[at].re = -1.0 / (PI * distance).powi(2);
    }
    transform.process(&mut ramp);
    let window = |at: usize| {
        // The frequency, −1/2 to 1/2, and where it is from the window's left end, 0 to 1.
        let place = (at + size / 2) % size;
        let frequency = place as f64 / size as f64 - 0.5;
        let phase = 2.0 * PI * place as f64 / (size - 1) as f64;
        // numpy's windows are symmetric about a point half a step off frequency 0: the even part is what acts on real rows.
        let mirrored = 2.0 * PI * ((size - at + size / 2) % size) as f64 / (size - 1) as f64;
        let cosine = (phase.cos() + mirrored.cos()) / 2.0;
        match filter {
            Filter::Ramp => 1.0,
            Filter::SheppLogan if at == 0 => 1.0,
            Filter::SheppLogan => (PI * frequency).sin() / (PI * frequency),
            Filter::Cosine => (PI * frequency).cos(),
            Filter::Hamming => 0.54 - 0.46 * cosine,
            Filter::Hann => 0.5 - 0.5 * cosine,
        }
    };
    // rustfft does not divide by the length on the way back.
    let gains = ramp.iter().enumerate();
    gains
        .map(|(at, value)| 2.0 * value.re * window(at) / size as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_is_reconstructed() {
        let columns = 65;
        let angles: Vec<f64> = (0..90).map(|at| f64::from(at) * 2.0).collect();
        let projection = (0..columns).map(|column| {
            let t = f64::from(column) - 32.0;
            2.0 * (20.0f64.powi(2) - t * t).max(0.0).sqrt()
        });
        let projection: Vec<f64> = projection.collect();
        let sinogram = projection.repeat(angles.len());
        let slice = FilteredBackProjection::new(65, 32.0, Filter::Ramp);
        let slice = slice.reconstruct(&sinogram, &angles);
        for row in 0..65usize {
            for column in 0..65usize {
                let radius = (row as f64 - 32.0).hypot(column as f64 - 32.0);
                let value = slice[row * 65 + column];
                if radius < 18.0 {
                    assert!((value - 1.0).abs() < 0.03, "{row} {column}: {value}");
                } else if radius > 23.0 {
                    assert!(value.abs() < 0.05, "{row} {column}: {value}");
                }
            }
        }
    }

    #[test]
    fn an_axis_far_off_and_a_single_column_do_not_panic() {
        for (columns, axis) in [(1, 0.0), (2, 5.0), (9, -30.0), (0, 0.0), (8, 1e3)] {
            let sinogram = vec![1.0; columns * 3];
            let reconstruction = FilteredBackProjection::new(columns, axis, Filter::Hann);
            let slice = reconstruction.reconstruct(&sinogram, &[0.0, 45.0, 90.0]);
            assert_eq!(slice.len(), columns * columns);
        }
    }
}
