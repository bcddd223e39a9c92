//! Slices of both scans: reconstructed from all projections, and from those of even and of odd index.
//!
//! A half has twice the variance of the whole, and noise of its own: the noise and the resolution of a slice are what
//! halves say. What all projections yield is the mean of both halves, weighted by their numbers of projections, because
//! the reconstruction is linear. How rows become line integrals is said with [`sinograms`](crate::sinograms).

use crate::filtered_back_projection::FilteredBackProjection;
use crate::metric::Shape;
use crate::sinograms::{Sinograms, Tomography};
use crate::{Error, Frames, Settings};

/// Rows of both scans.
#[derive(Debug)]
pub(crate) struct Scans {
    pub(crate) settings: Tomography,
    pub(crate) columns: usize,
    rows: Vec<usize>,
    angles: Vec<f64>,
    original: Sinograms,
    decoded: Sinograms,
}

/// A slice of one scan, columns · columns values each.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) even: Vec<f64>,
    pub(crate) odd: Vec<f64>,
    /// Of all projections.
    pub(crate) all: Vec<f64>,
}

impl Scans {
    /// Refuses what cannot be reconstructed; `metric` is who asks.
    pub(crate) fn new(
        metric: &'static str,
        settings: &Settings,
        shape: Shape,
    ) -> Result<Self, Error> {
        let settings = settings.tomography.clone();
        settings.check(shape)?;
        let angles = settings.angles(shape)?;
        if angles.len() < 2 || shape.columns == 0 {
            return Err(Error::Unsuitable {
                metric,
                reason: "a reconstruction needs at least two projections".to_owned(),
            });
        }
        Ok(Self {
            rows: settings.rows_of(shape)?,
            angles,
            settings,
            columns: shape.columns,
            original: Sinograms::default(),
            decoded: Sinograms::default(),
        })
    }

    /// Takes the rows of frames.
    pub(crate) fn add(&mut self, frames: &Frames<'_>) {
        let (settings, rows) = (&self.settings, &self.rows);
        self.original.add(settings, rows, frames, frames.original);
        self.decoded.add(settings, rows, frames, frames.decoded);
    }

    /// Slices of the original and of what was decoded, row by row.
    pub(crate) fn slices(&self) -> impl Iterator<Item = [Slice; 2]> {
        let axis = (self.columns / 2) as f64;
        let axis = self.settings.axis_column.unwrap_or(axis);
        let reconstruction = FilteredBackProjection::new(self.columns, axis, self.settings.filter);
        (0..self.rows.len()).map(move |at| {
            [&self.original, &self.decoded].map(|scan| {
                let lines = scan.line_integrals(&self.settings, &self.rows, at, self.columns);
                self.slice(&reconstruction, &lines)
            })
        })
    }

    fn slice(&self, reconstruction: &FilteredBackProjection, lines: &[f64]) -> Slice {
        let [even, odd] = [0, 1].map(|first| {
            let rows = lines.chunks(self.columns).skip(first).step_by(2);
            let lines: Vec<f64> = rows.flatten().copied().collect();
            let angles = self.angles.iter().skip(first).step_by(2).copied();
            reconstruction.reconstruct(&lines, &angles.collect::<Vec<f64>>())
        });
        let share = self.angles.len().div_ceil(2) as f64 / self.angles.len() as f64;
        let pairs = even.iter().zip(&odd);
        let all = pairs.map(|(even, odd)| even * share + odd * (1.0 - share));
        Slice {
            all: all.collect(),
            even,
            odd,
        }
    }
}

/// Distance of a pixel of a slice from the rotation axis, in pixels, squared.
pub(crate) fn radius_squared(pixel: usize, columns: usize) -> usize {
    let from_axis = |at: usize| at.abs_diff(columns / 2).pow(2);
    from_axis(pixel / columns) + from_axis(pixel % columns)
}

/// Whether a pixel of a slice is within the circle that is reconstructed.
pub(crate) fn in_circle(pixel: usize, columns: usize) -> bool {
    radius_squared(pixel, columns) <= (columns / 2).pow(2)
}
