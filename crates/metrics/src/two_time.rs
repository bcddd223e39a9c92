//! C4: the two-time correlation of original and decoded, and their difference.
//!
//! C(t₁, t₂) = ⟨I(t₁) I(t₂)⟩ / (⟨I(t₁)⟩ ⟨I(t₂)⟩), means over the pixels of a region (M. Sutton et al., Optics Express 11
//! (2003) 2268), as scikit-beam's `two_time_corr` at one level. Of a long series every so many-th frame is taken, at most
//! `correlation.two_time_frames`, each by itself: averaging frames would change the contrast. The difference is the root
//! mean square over t₁ ≠ t₂, the diagonal being counting noise, and the largest over the regions; the pictures show the
//! first region. Memory: 2 · frames on a side · pixels · 8 bytes.

use std::any::Any;

use crate::correlation::check_memory;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::outcome::Image;
use crate::region_frames::{RegionFrames, Use};
use crate::region_pixels::RegionPixels;
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "C4",
    name: "two_time",
    about: "rms difference of the two-time correlation maps, diagonal left out",
    values: &[("two_time_rms_change", "1")],
    curves: &[],
    needs: &[],
    pass: &Pass {
        name: "two_time",
        mergeable: false,
        per_chunk: false,
        sample: Part::Run,
        needs_range: false,
        splits: false,
        start,
    },
};

/// The map of one dataset as it grows.
#[derive(Debug, Clone, Default)]
struct Map {
    taken: Vec<RegionPixels>,
    /// By region: C at t₂ ≤ t₁, row after row.
    triangles: Vec<Vec<f64>>,
}

#[derive(Debug)]
struct TwoTime {
    frames: RegionFrames,
    /// Every so many-th frame is taken.
    step: usize,
    /// Indices of the frames taken.
    indices: Vec<usize>,
    original: Map,
    decoded: Map,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let side = settings.correlation.two_time_frames;
    if !(2..=256).contains(&side) {
        return Err(Error::Unsuitable {
            metric: METRIC.name,
            reason: "correlation.two_time_frames has to be 2 to 256".to_owned(),
        });
    }
    let frames = RegionFrames::new(settings, shape);
    let pixels = frames.selection.pixels.len();
    check_memory(settings, METRIC.name, 16 * side.min(shape.frames) * pixels)?;
    Ok(Box::new(TwoTime {
        frames,
        step: shape.frames.div_ceil(side).max(1),
        indices: Vec::new(),
        original: Map::default(),
        decoded: Map::default(),
    }))
}

impl Map {
    /// Adds a frame: its correlation with all before it, and itself.
    fn add(&mut self, mut pixels: RegionPixels, bounds: &[usize]) {
        pixels.prepare(bounds);
        self.taken.push(pixels);
        self.triangles.resize(bounds.len() - 1, Vec::new());
        let latest = &self.taken[self.taken.len() - 1];
        for (region, triangle) in self.triangles.iter_mut().enumerate() {
            for past in &self.taken {
                let product = latest.mean_product(past, region, bounds);
                triangle.push(product / (latest.means[region] * past.means[region]));
            }
        }
    }
}

impl Accumulator for TwoTime {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for at in 0..frames.count {
            let range = at * frames.frame_len()..(at + 1) * frames.frame_len();
            let used = self.frames.next(frames.valid.map(|valid| &valid[range]));
            if used == Use::TakeFirst {
                self.forget();
            }
            let index = frames.first + at;
            let taken =
                matches!(used, Use::Take | Use::TakeFirst) && index.is_multiple_of(self.step);
            if !taken {
                continue;
            }
            self.indices.push(index);
            let bounds = &self.frames.selection.bounds;
            for (map, values) in [
                (&mut self.original, frames.original),
                (&mut self.decoded, frames.decoded),
            ] {
                let mut pixels = RegionPixels::default();
                self.frames.gather(values, frames, at, &mut pixels.values);
                map.add(pixels, bounds);
            }
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn again(&mut self) -> Result<bool, Error> {
        let again = self.frames.again();
        if again {
            self.forget();
        }
        Ok(again)
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let pairs = self.original.triangles.iter().zip(&self.decoded.triangles);
        let changes = pairs.map(|(a, b)| rms_below_diagonal(a, b));
        let mut outcome = Outcome::default();
        outcome.value("two_time_rms_change", changes.fold(f64::NAN, f64::max));
        if let (Some(a), Some(b)) = (
            self.original.triangles.first(),
            self.decoded.triangles.first(),
        ) {
            let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
            let mut show = |name: &str, label: &str, triangle: &[f64]| {
                let image = square(triangle, self.indices.len(), label);
                outcome.images.insert(name.to_owned(), image);
            };
            show("two_time", "C(t₁, t₂)", a);
            show(
                "two_time_change",
                "C(t₁, t₂), decoded − original",
                &difference,
            );
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl TwoTime {
    fn forget(&mut self) {
        self.indices.clear();
        self.original = Map::default();
        self.decoded = Map::default();
    }
}

/// Root mean square difference of two triangles without their diagonals; NaN of nothing.
fn rms_below_diagonal(a: &[f64], b: &[f64]) -> f64 {
    let (mut squares, mut count) = (0.0, 0.0);
    let (mut row, mut column) = (0, 0);
    for (a, b) in a.iter().zip(b) {
        if column == row {
            (row, column) = (row + 1, 0);
            continue;
        }
        squares += (b - a) * (b - a);
        count += 1.0;
        column += 1;
    }
    f64::sqrt(squares / count)
}

/// Both halves of a symmetric map.
fn square(triangle: &[f64], side: usize, label: &str) -> Image {
    let mut values = Vec::with_capacity(side * side);
    for row in 0..side {
        for column in 0..side {
            let (long, short) = (row.max(column), row.min(column));
            values.push(triangle[long * (long + 1) / 2 + short] as f32);
        }
    }
    Image {
        rows: side,
        columns: side,
        label: label.to_owned(),
        values,
    }
}
