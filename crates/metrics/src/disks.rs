//! V3: where the disks of diffraction patterns are, and how far a loss moves them.
//!
//! The place of a disk is the centre of mass of A − offset within a window about it, one of `stem.disks`. Yields the root mean
//! square and the largest shift in pixels over all disks and patterns; a disk without intensity in either is left out.

use std::any::Any;

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::regions::Selection;
use crate::settings::Noise;
use crate::virtual_images::{Pattern, Spread};
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "V3",
    name: "disks",
    about: "places of diffraction disks: how far the centres of mass in their windows move",
    values: &[("disk_shift_rms", "px"), ("disk_shift_max", "px")],
    curves: &[],
    needs: &["stem.disks"],
    pass: &Pass {
        name: "disks",
        mergeable: false,
        per_chunk: false,
        sample: Part::Frames,
        needs_range: false,
        splits: false,
        start,
    },
};

#[derive(Debug)]
struct Disks {
    noise: Noise,
    windows: Selection,
    shift: Spread,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    if settings.stem.disks.is_empty() {
        return Err(Error::Missing {
            metric: METRIC.name,
            what: "stem.disks = [{ rectangle = [x0, y0, x1, y1] }], a window about each disk",
        });
    }
    let usable = vec![true; shape.rows * shape.columns];
    Ok(Box::new(Disks {
        noise: settings.noise,
        windows: Selection::new(&settings.stem.disks, shape, &usable),
        shift: Spread::default(),
    }))
}

impl Accumulator for Disks {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        let Self {
            noise,
            windows,
            shift,
        } = self;
        Pattern::each(frames, *noise, |pattern| {
            for bounds in windows.bounds.windows(2) {
                let [original, decoded] = pattern.moments(&windows.pixels[bounds[0]..bounds[1]]);
                if let (Some(before), Some(after)) = (original.centre(), decoded.centre()) {
                    shift.add((after[0] - before[0]).hypot(after[1] - before[1]));
                }
            }
        });
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        outcome.value("disk_shift_rms", self.shift.rms());
        outcome.value("disk_shift_max", self.shift.max());
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Region, Stem, Values};

    #[test]
    fn a_disk_moves_with_the_centre_of_its_window() {
        let settings = Settings {
            stem: Stem {
                disks: vec![Region::Rectangle([1, 0, 3, 2])],
                ..Stem::default()
            },
            ..Settings::default()
        };
        let shape = Shape {
            frames: 1,
            rows: 2,
            columns: 3,
        };
        let (original, decoded) = (
            [9.0, 0.0, 8.0, 0.0, 0.0, 8.0],
            [0.0, 0.0, 8.0, 0.0, 4.0, 8.0],
        );
        let mut disks = start(&settings, shape).unwrap();
        let frames = Frames {
            original: Values::F64(&original),
            decoded: Values::F64(&decoded),
            valid: None,
            first: 0,
            count: 1,
            rows: 2,
            columns: 3,
        };
        disks.add(&frames).unwrap();
        // From (2, 1/2) to (36/20, 12/20).
        let expected = 0.2_f64.hypot(0.1);
        let found = disks.finish().unwrap().values["disk_shift_max"];
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        assert!(start(&Settings::default(), shape).is_err());
    }
}
