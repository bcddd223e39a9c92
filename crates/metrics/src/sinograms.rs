//! Line integrals of some detector rows, out of a tomographic scan that comes frame by frame.
//!
//! Line integral = −ln((I − dark)/(flat − dark)), the transmission taken as at least 1e-6. Flat and dark are given, or
//! are means of frames of the scan; where there is no flat, data are line integrals already. A pixel that is not valid, or
//! has no flat, takes the value between its nearest neighbours in the row.

use serde::{Deserialize, Serialize};

use crate::edge::EdgeSettings;
use crate::filtered_back_projection::Filter;
use crate::frames::{Sample, for_values};
use crate::tomography::METRIC;
use crate::{Error, Frames, Shape, Values};

/// How a scan is laid out and reconstructed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tomography {
    /// The angle of each projection, in degrees.
    pub angles_deg: Vec<f64>,
    /// First angle and end of evenly spaced ones, the end excluded, in degrees.
    pub angle_range_deg: Option<[f64; 2]>,
    /// Whether frames are sinograms, with a row for each angle; projections otherwise.
    pub sinograms: bool,
    /// Where the rotation axis is, the middle of the first column being 0; half the columns, rounded down, if not given.
    pub axis_column: Option<f64>,
    /// Detector rows (frames, where these are sinograms) to reconstruct; the middle one if none is given.
    pub rows: Vec<usize>,
    /// What the ramp filter is multiplied with.
    pub filter: Filter,
    /// Frames that are projections, first and end excluded; all if not given.
    pub projections: Option<[usize; 2]>,
    /// Frames taken without a sample, first and end excluded.
    pub flats: Option<[usize; 2]>,
    /// Frames taken without a beam, first and end excluded.
    pub darks: Option<[usize; 2]>,
    /// Counts without a sample: one value, or one for each pixel of a frame.
    pub flat: Vec<f64>,
    /// Counts without a beam, likewise; 0 if not given.
    pub dark: Vec<f64>,
    /// A straight edge in the slices, whose width is measured.
    pub edge: EdgeSettings,
}

/// The least transmission that has a logarithm.
const LEAST_TRANSMISSION: f64 = 1e-6;

impl Tomography {
    /// What frames of this index are.
    fn within(range: Option<[usize; 2]>, frame: usize) -> bool {
        range.is_some_and(|[first, end]| (first..end).contains(&frame))
    }

    fn is_projection(&self, frame: usize) -> bool {
        self.projections.is_none() || Self::within(self.projections, frame)
    }

    /// Projections in a scan.
    fn projections_in(&self, shape: Shape) -> usize {
        if self.sinograms {
            return shape.rows;
        }
        (0..shape.frames)
            .filter(|at| self.is_projection(*at))
            .count()
    }

    /// The angles of the projections.
    pub(crate) fn angles(&self, shape: Shape) -> Result<Vec<f64>, Error> {
        let count = self.projections_in(shape);
        if let (true, Some([first, end])) = (self.angles_deg.is_empty(), self.angle_range_deg) {
            let step = (end - first) / count as f64;
            return Ok((0..count).map(|at| first + at as f64 * step).collect());
        }
        if self.angles_deg.is_empty() {
            return Err(Error::Missing {
                metric: METRIC.name,
                what: "tomography.angle_range_deg = [first, end], or tomography.angles_deg with one for each projection",
            });
        }
        if self.angles_deg.len() != count {
            let given = self.angles_deg.len();
            return unsuitable(format!(
                "tomography.angles_deg has {given} angles for {count} projections"
            ));
        }
        Ok(self.angles_deg.clone())
    }

    /// The rows to reconstruct.
    pub(crate) fn rows_of(&self, shape: Shape) -> Result<Vec<usize>, Error> {
        let extent = if self.sinograms {
            shape.frames
        } else {
            shape.rows
        };
        if let Some(row) = self.rows.iter().find(|row| **row >= extent) {
            return unsuitable(format!("tomography.rows has {row}, and there are {extent}"));
        }
        let middle = vec![extent / 2];
        let rows = if self.rows.is_empty() {
            &middle
        } else {
            &self.rows
        };
        Ok(rows.clone())
    }

    /// Refuses flats and darks that do not fit the frames.
    pub(crate) fn check(&self, shape: Shape) -> Result<(), Error> {
        let pixels = shape.rows * shape.columns;
        let fits = |values: &[f64]| values.len() <= 1 || values.len() == pixels;
        if !fits(&self.flat) || !fits(&self.dark) {
            return unsuitable(format!(
                "tomography.flat and dark have one value, or the {pixels} of a frame"
            ));
        }
        if self.sinograms && (self.flats.or(self.darks).or(self.projections)).is_some() {
            return unsuitable("sinograms have no frames that are flats or darks".to_owned());
        }
        Ok(())
    }
}

fn unsuitable<T>(reason: String) -> Result<T, Error> {
    Err(Error::Unsuitable {
        metric: METRIC.name,
        reason,
    })
}

/// Counts of one dataset, NaN where not valid.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sinograms {
    /// By row: projections one after the other, `columns` values each.
    counts: Vec<Vec<f64>>,
    flats: Sum,
    darks: Sum,
}

/// Sums of frames that are averaged, rows one after the other.
#[derive(Debug, Clone, Default)]
struct Sum {
    sums: Vec<f64>,
    frames: usize,
}

impl Sinograms {
    /// Takes the rows of frames.
    pub(crate) fn add(
        &mut self,
        settings: &Tomography,
        rows: &[usize],
        frames: &Frames<'_>,
        values: Values<'_>,
    ) {
        self.counts.resize(rows.len(), Vec::new());
        let columns = frames.columns;
        for at in 0..frames.count {
            let index = frames.first + at;
            if settings.sinograms {
                for (row, counts) in rows.iter().zip(&mut self.counts) {
                    if *row == index {
                        append(
                            values,
                            frames.valid,
                            at * frames.frame_len(),
                            frames.frame_len(),
                            counts,
                        );
                    }
                }
                continue;
            }
            let start = |row: usize| at * frames.frame_len() + row * columns;
            if settings.is_projection(index) {
                for (row, counts) in rows.iter().zip(&mut self.counts) {
                    append(values, frames.valid, start(*row), columns, counts);
                }
            }
            for (range, sum) in [
                (settings.flats, &mut self.flats),
                (settings.darks, &mut self.darks),
            ] {
                if Tomography::within(range, index) {
                    let mut taken = Vec::new();
                    for row in rows {
                        append(values, frames.valid, start(*row), columns, &mut taken);
                    }
                    sum.add(&taken);
                }
            }
        }
    }

    /// Line integrals of the row at `at` of `rows`.
    pub(crate) fn line_integrals(
        &self,
        settings: &Tomography,
        rows: &[usize],
        at: usize,
        columns: usize,
    ) -> Vec<f64> {
        let mut lines = self.counts[at].clone();
        let row = rows[at];
        let reference = |sum: &Sum, given: &[f64], pixel: usize| match given {
            _ if sum.frames > 0 => sum.sums[at * columns + pixel % columns] / sum.frames as f64,
            [] => 0.0,
            [value] => *value,
            // A frame of projections holds the row, one of sinograms is the row.
            values if settings.sinograms => values[pixel],
            values => values[row * columns + pixel % columns],
        };
        let has_flat = self.flats.frames > 0 || !settings.flat.is_empty();
        for (pixel, value) in lines.iter_mut().enumerate().filter(|_| has_flat) {
            let dark = reference(&self.darks, &settings.dark, pixel);
            let beam = reference(&self.flats, &settings.flat, pixel) - dark;
            *value = if beam > 0.0 {
                // `max` would hide NaN.
                let transmission = (*value - dark) / beam;
                let least = transmission < LEAST_TRANSMISSION;
                -(if least {
                    LEAST_TRANSMISSION
                } else {
                    transmission
                })
                .ln()
            } else {
                f64::NAN
            };
        }
        lines.chunks_mut(columns.max(1)).for_each(bridge);
        lines
    }
}

impl Sum {
    fn add(&mut self, values: &[f64]) {
        self.sums.resize(values.len(), 0.0);
        let pairs = self.sums.iter_mut().zip(values);
        pairs.for_each(|(sum, value)| *sum += value);
        self.frames += 1;
    }
}

/// Appends `count` values from `start` as f64, NaN where not valid.
fn append(
    values: Values<'_>,
    valid: Option<&[bool]>,
    start: usize,
    count: usize,
    into: &mut Vec<f64>,
) {
    for_values!(values, |slice| {
        into.extend((start..start + count).map(|at| match valid {
            Some(valid) if !valid[at] => f64::NAN,
            _ => slice[at].to_f64(),
        }));
    });
}

/// Puts a straight line over values that are no numbers; the nearest value at the ends, 0 where there is none.
fn bridge(row: &mut [f64]) {
    let mut at = 0;
    while at < row.len() {
        if row[at].is_finite() {
            at += 1;
            continue;
        }
        let end = (at..row.len()).find(|end| row[*end].is_finite());
        let right = end.map(|end| row[end]);
        let left = at.checked_sub(1).map(|before| row[before]);
        let (from, to) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (Some(one), None) | (None, Some(one)) => (one, one),
            (None, None) => (0.0, 0.0),
        };
        let end = end.unwrap_or(row.len());
        let steps = (end - at + 1) as f64;
        for step in 0..end - at {
            row[at + step] = from + (to - from) * (step + 1) as f64 / steps;
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bridged() {
        let nan = f64::NAN;
        for (mut row, bridged) in [
            ([1.0, nan, nan, 4.0], [1.0, 2.0, 3.0, 4.0]),
            ([nan, 2.0, nan, nan], [2.0; 4]),
            ([nan; 4], [0.0; 4]),
            ([1.0, f64::INFINITY, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]),
        ] {
            bridge(&mut row);
            assert_eq!(row, bridged);
        }
    }
}
