//! T5: the width of an edge in reconstructed slices, before and after a loss in the projections.
//!
//! The straight edge in `tomography.edge.roi` of the mean of the slices, [x0, y0, x1, y1] in pixels of a slice, by the
//! knife-edge fit of [`edge`](mod@crate::edge): σ of an error function, pixel and reconstruction filter included. Where no edge
//! is found, as in noise, its numbers are NaN, so that no limit on them is kept.
//!
//! Reference: the fit has closed forms, as said there; slices are those of scikit-image's `iradon`.

use std::any::Any;

use crate::edge::{Edge, edge, spread_curve};
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::slices::{Scans, Slice};
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "T5",
    name: "tomography_edge",
    about: "σ of a straight edge in reconstructed slices, by an error function fitted to its profile",
    values: &[
        ("reconstruction_edge_sigma_original", "px"),
        ("reconstruction_edge_sigma_decoded", "px"),
        ("reconstruction_edge_sigma_shift", "%"),
    ],
    curves: &["reconstruction_edge_spread"],
    needs: &[
        "tomography.angle_range_deg or tomography.angles_deg",
        "tomography.edge.roi",
    ],
    pass: &Pass {
        name: "tomography_edge",
        mergeable: false,
        per_chunk: false,
        sample: Part::Slices,
        needs_range: false,
        splits: false,
        start,
    },
};

struct Progress {
    scans: Scans,
    /// x0, y0, x1, y1.
    roi: [usize; 4],
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let roi = settings.tomography.edge.roi.ok_or(Error::Missing {
        metric: METRIC.name,
        what: "tomography.edge.roi = [x0, y0, x1, y1], a straight edge in the slices",
    })?;
    let [x0, y0, x1, y1] = roi;
    if x0 >= x1 || y0 >= y1 || x1.max(y1) > shape.columns {
        return Err(Error::Unsuitable {
            metric: METRIC.name,
            reason: format!(
                "tomography.edge.roi is empty or reaches beyond the slice of {0} × {0} pixels",
                shape.columns
            ),
        });
    }
    let scans = Scans::new(METRIC.name, settings, shape)?;
    Ok(Box::new(Progress { scans, roi }))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.scans.add(frames);
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let [x0, y0, x1, y1] = self.roi;
        let mut sums = [0, 1].map(|_| vec![0.0; (x1 - x0) * (y1 - y0)]);
        for slices in self.scans.slices() {
            for (sum, slice) in sums.iter_mut().zip(&slices) {
                let pixels = cut(slice, self.roi, self.scans.columns);
                sum.iter_mut()
                    .zip(pixels)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
        let half_width = self.scans.settings.edge.half_width;
        // The number of slices is of no matter to the width.
        let [before, after] = sums.map(|sum| edge(&sum, x1 - x0, half_width));
        let mut outcome = Outcome::default();
        let width = |edge: &Result<Edge, Error>| edge.as_ref().map_or(f64::NAN, |edge| edge.sigma);
        let sigmas = [width(&before), width(&after)];
        outcome.value("reconstruction_edge_sigma_original", sigmas[0]);
        outcome.value("reconstruction_edge_sigma_decoded", sigmas[1]);
        let shift = 100.0 * (sigmas[1] / sigmas[0] - 1.0);
        outcome.value("reconstruction_edge_sigma_shift", shift);
        for (kind, edge) in [("the original", &before), ("what was decoded", &after)] {
            if let Err(Error::Unsuitable { reason, .. }) = edge {
                outcome.notes.push(format!(
                    "tomography_edge: slices of {kind} have no edge in tomography.edge.roi: {reason}"
                ));
            }
        }
        let curve = match (&before, &after) {
            (Ok(before), Ok(after)) => spread_curve(before, after),
            _ => Default::default(),
        };
        outcome.curve("reconstruction_edge_spread", curve);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The pixels of a region, row by row.
fn cut(slice: &Slice, roi: [usize; 4], columns: usize) -> impl Iterator<Item = f64> {
    let [x0, y0, x1, y1] = roi;
    let lines = (y0..y1).flat_map(move |y| &slice.all[y * columns + x0..y * columns + x1]);
    lines.copied()
}
