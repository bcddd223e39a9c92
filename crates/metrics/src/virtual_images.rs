//! V1 and V2: what a loss does to four-dimensional scanning transmission electron microscopy, whose frames are the diffraction
//! patterns of the places of a scan.
//!
//! * Virtual image: the sum over a region of the pattern (a virtual detector; the whole frame where `regions` is empty).
//!   z = (V_B − V_A)/σ with σ² the sum of the pixels' noise variances, gain · max(A − offset, 0) + read², 1 at least.
//! * Centre of mass: (Σ (A − offset) x / Σ (A − offset), likewise y) over the whole frame. Its standard deviation by the
//!   same noise is √(Σ σ² (x − x̄)²)/Σ (A − offset), and z is the shift over it, x and y counted alike. Patterns without
//!   intensity are left out.
//!
//! With `stem.scan` = [rows, columns] there are pictures of the virtual images. The closed forms: an error of a bin of width
//! ε σ in every pixel, independent of the others, yields z of rms ε/√12.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::outcome::Image;
use crate::regions::Selection;
use crate::settings::Noise;
use crate::{Error, Frames, Outcome, Region, Settings};

/// What is told of a scan with an electron beam.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stem {
    /// Rows and columns of the scan, for pictures; their product is the number of frames.
    pub scan: Option<[usize; 2]>,
    /// Windows about disks of the pattern.
    pub disks: Vec<Region>,
}

/// The row of the table.
pub(crate) static VIRTUAL_IMAGE: Metric = Metric {
    id: "V1",
    name: "virtual_image",
    about: "sums over regions of each pattern: their change in units of their noise, and relative to the largest",
    values: &[
        ("virtual_image_z_rms", "σ"),
        ("virtual_image_z_max", "σ"),
        ("virtual_image_max_relative_change", "1"),
    ],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

/// The row of the table.
pub(crate) static CENTRE_OF_MASS: Metric = Metric {
    id: "V2",
    name: "centre_of_mass",
    about: "centre of mass of each pattern: its shift in pixels and in units of its noise",
    values: &[
        ("centre_of_mass_shift_rms", "px"),
        ("centre_of_mass_shift_max", "px"),
        ("centre_of_mass_z_rms", "σ"),
    ],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "virtual images",
    mergeable: false,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

#[derive(Debug)]
struct Patterns {
    noise: Noise,
    scan: Option<[usize; 2]>,
    detectors: Selection,
    whole: Selection,
    z: Spread,
    shift: Spread,
    shift_z: Spread,
    largest_sum: f64,
    largest_change: f64,
    /// By detector: the virtual images of original and decoded, where they are to be shown.
    images: Vec<[Vec<f32>; 2]>,
}

/// Root mean square and largest of numbers.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    count: f64,
    squares: f64,
    largest: f64,
}

impl Spread {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.squares += value * value;
        self.largest = self.largest.max(value.abs());
    }

    /// NaN where there is nothing.
    pub(crate) fn rms(&self) -> f64 {
        (self.squares / self.count).sqrt()
    }

    pub(crate) fn max(&self) -> f64 {
        if self.count > 0.0 {
            self.largest
        } else {
            f64::NAN
        }
    }
}

/// Sums over some pixels of a pattern.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Moments {
    sum: f64,
    variance: f64,
    x: f64,
    y: f64,
}

impl Moments {
    /// The centre of mass; `None` where there is no intensity.
    pub(crate) fn centre(&self) -> Option<[f64; 2]> {
        (self.sum > 0.0).then(|| [self.x / self.sum, self.y / self.sum])
    }
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let stem = &settings.stem;
    if let Some([rows, columns]) = stem.scan
        && rows * columns != shape.frames
    {
        return Err(Error::Unsuitable {
            metric: VIRTUAL_IMAGE.name,
            reason: format!(
                "stem.scan = [{rows}, {columns}] has not the {} patterns of the data",
                shape.frames
            ),
        });
    }
    let usable = vec![true; shape.rows * shape.columns];
    let select = |regions: &[Region]| Selection::new(regions, shape, &usable);
    let detectors = select(&settings.regions);
    Ok(Box::new(Patterns {
        noise: settings.noise,
        scan: stem.scan,
        images: vec![Default::default(); detectors.bounds.len() - 1],
        whole: select(&[]),
        detectors,
        z: Spread::default(),
        shift: Spread::default(),
        shift_z: Spread::default(),
        largest_sum: 0.0,
        largest_change: 0.0,
    }))
}

/// One pattern, original and decoded.
pub(crate) struct Pattern<'a> {
    pub(crate) values: [&'a [f64]; 2],
    pub(crate) valid: Option<&'a [bool]>,
    pub(crate) columns: usize,
    pub(crate) noise: Noise,
}

impl Pattern<'_> {
    /// Calls `take` with every pattern.
    pub(crate) fn each(frames: &Frames<'_>, noise: Noise, mut take: impl FnMut(&Pattern<'_>)) {
        let len = frames.rows * frames.columns;
        for at in 0..frames.count {
            let range = at * len..(at + 1) * len;
            let original = frames.original.to_f64(range.clone());
            let decoded = frames.decoded.to_f64(range.clone());
            take(&Pattern {
                values: [&original, &decoded],
                valid: frames.valid.map(|valid| &valid[range]),
                columns: frames.columns,
                noise,
            });
        }
    }

    /// Sums over `pixels` of the original and of what was decoded; variances are those of the original.
    pub(crate) fn moments(&self, pixels: &[usize]) -> [Moments; 2] {
        let mut both = [Moments::default(); 2];
        for &pixel in pixels {
            if self.valid.is_some_and(|valid| !valid[pixel]) {
                continue;
            }
            let (x, y) = (pixel % self.columns, pixel / self.columns);
            for (values, moments) in self.values.iter().zip(&mut both) {
                let light = values[pixel] - self.noise.offset;
                moments.sum += light;
                moments.x += light * x as f64;
                moments.y += light * y as f64;
                moments.variance += self.variance(values[pixel]);
            }
        }
        both
    }

    fn variance(&self, value: f64) -> f64 {
        let Noise { gain, offset, read } = self.noise;
        gain * (value - offset).max(0.0) + read * read
    }

    /// Standard deviations of the original's centre of mass.
    fn centre_deviation(&self, pixels: &[usize], centre: [f64; 2], sum: f64) -> [f64; 2] {
        let mut squares = [0.0; 2];
        for &pixel in pixels {
            if self.valid.is_some_and(|valid| !valid[pixel]) {
                continue;
            }
            let variance = self.variance(self.values[0][pixel]);
            let place = [pixel % self.columns, pixel / self.columns];
            for axis in 0..2 {
                squares[axis] += variance * (place[axis] as f64 - centre[axis]).powi(2);
            }
        }
        squares.map(|squares| squares.sqrt() / sum)
    }
}

impl Patterns {
    fn virtual_images(&mut self, pattern: &Pattern<'_>) {
        for (at, bounds) in self.detectors.bounds.windows(2).enumerate() {
            let pixels = &self.detectors.pixels[bounds[0]..bounds[1]];
            let [original, decoded] = pattern.moments(pixels);
            let change = decoded.sum - original.sum;
            self.z.add(change / original.variance.max(1.0).sqrt());
            self.largest_sum = self.largest_sum.max(original.sum.abs());
            self.largest_change = self.largest_change.max(change.abs());
            if self.scan.is_some() {
                let [before, after] = &mut self.images[at];
                before.push(original.sum as f32);
                after.push(decoded.sum as f32);
            }
        }
    }

    fn centre_of_mass(&mut self, pattern: &Pattern<'_>) {
        let pixels = &self.whole.pixels;
        let [original, decoded] = pattern.moments(pixels);
        let (Some(before), Some(after)) = (original.centre(), decoded.centre()) else {
            return;
        };
        let deviation = pattern.centre_deviation(pixels, before, original.sum);
        for axis in 0..2 {
            let shift = after[axis] - before[axis];
            if deviation[axis] > 0.0 {
                self.shift_z.add(shift / deviation[axis]);
            }
        }
        self.shift
            .add((after[0] - before[0]).hypot(after[1] - before[1]));
    }

    fn pictures(&mut self, outcome: &mut Outcome) {
        let Some([rows, columns]) = self.scan else {
            return;
        };
        for (at, [before, after]) in std::mem::take(&mut self.images).into_iter().enumerate() {
            let error = before.iter().zip(&after).map(|(a, b)| b - a).collect();
            let kinds = [("original", before), ("decoded", after), ("error", error)];
            for (kind, values) in kinds {
                let image = Image {
                    rows,
                    columns,
                    label: format!("virtual image of region {at}"),
                    values,
                };
                outcome
                    .images
                    .insert(format!("virtual_image_{at}_{kind}"), image);
            }
        }
    }
}

impl Accumulator for Patterns {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        Pattern::each(frames, self.noise, |pattern| {
            self.virtual_images(pattern);
            self.centre_of_mass(pattern);
        });
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        outcome.value("virtual_image_z_rms", self.z.rms());
        outcome.value("virtual_image_z_max", self.z.max());
        let relative = self.largest_change / self.largest_sum;
        outcome.value("virtual_image_max_relative_change", relative);
        outcome.value("centre_of_mass_shift_rms", self.shift.rms());
        outcome.value("centre_of_mass_shift_max", self.shift.max());
        outcome.value("centre_of_mass_z_rms", self.shift_z.rms());
        self.pictures(&mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    fn outcome(settings: &Settings, original: &[f64], decoded: &[f64]) -> Outcome {
        let shape = Shape {
            frames: original.len() / 6,
            rows: 2,
            columns: 3,
        };
        let mut patterns = start(settings, shape).unwrap();
        let frames = Frames {
            original: Values::F64(original),
            decoded: Values::F64(decoded),
            valid: None,
            first: 0,
            count: shape.frames,
            rows: 2,
            columns: 3,
        };
        patterns.add(&frames).unwrap();
        patterns.finish().unwrap()
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12, "{value} {expected}");
    }

    #[test]
    fn sums_and_centres_are_the_definitions() {
        let settings = Settings {
            stem: Stem {
                scan: Some([1, 2]),
                ..Stem::default()
            },
            ..Settings::default()
        };
        let original = [0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 8.0];
        let decoded = [0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 8.0, 0.0, 0.0, 8.0];
        let found = outcome(&settings, &original, &decoded);
        // One of two patterns has 4 more in 16.
        close(found.values["virtual_image_z_max"], 1.0);
        close(found.values["virtual_image_z_rms"], 0.5_f64.sqrt());
        close(found.values["virtual_image_max_relative_change"], 0.25);
        // From (2, 1/2) to (36/20, 12/20).
        let shift = 0.2_f64.hypot(0.1);
        close(found.values["centre_of_mass_shift_max"], shift);
        // σ of y: √(16 · 0.25)/16; the other pattern has no spread, and x of this one has none.
        close(found.values["centre_of_mass_z_rms"], 0.1 / 0.125);
        assert_eq!(found.images["virtual_image_0_error"].values, [0.0, 4.0]);
    }

    #[test]
    fn a_scan_of_other_extents_is_refused() {
        let settings = Settings {
            stem: Stem {
                scan: Some([2, 2]),
                ..Stem::default()
            },
            ..Settings::default()
        };
        let shape = Shape {
            frames: 3,
            rows: 1,
            columns: 1,
        };
        let error = start(&settings, shape).err().unwrap().to_string();
        assert!(error.contains("3 patterns"), "{error}");
    }
}
