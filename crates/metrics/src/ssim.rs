//! S1: SSIM, the structural similarity of Wang 2004, of every frame.
//!
//! Window, constants and border are those of [`ssim_map`](mod@crate::ssim_map). L is `data_range` where it is given,
//! else the robust range of the original over the dataset, reported as `ssim_data_range`. `ssim` is the mean over frames
//! of the mean of the map, `ssim_p1` that of percentile 1 of the map (numpy's linear interpolation), `ssim_min` the
//! smallest value of any map. Windows that touch an invalid pixel are left out; a frame without windows is NaN in the curve
//! and left out of the means. The picture is the map of the frame with the lowest mean.
//!
//! Reference: scikit-image `structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
//! data_range=L)`; its default is a uniform window of 7 × 7 and sample covariance.

use std::any::Any;

use crate::metric::{Accumulator, Metric, Pass, Shape, Started, same};
use crate::ssim_map::{EXTENT, SsimMap, ssim_map};
use crate::{Curve, Error, Frames, Image, Outcome, Settings};

/// Largest extent of the picture.
const PICTURE: usize = 256;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "S1",
    name: "ssim",
    about: "structural similarity (Gaussian window, 11 × 11): mean, percentile 1 and smallest value of the map",
    values: &[
        ("ssim", "1"),
        ("ssim_p1", "1"),
        ("ssim_min", "1"),
        ("ssim_data_range", "data"),
    ],
    curves: &["ssim_by_frame"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "ssim",
    mergeable: true,
    per_chunk: false,
    needs_range: true,
    start,
};

struct Maps {
    data_range: f64,
    /// Whether a valid pixel was decoded to NaN, which leaves nothing to say.
    damaged: bool,
    frames: Vec<FrameSsim>,
    /// Of the frame with the lowest mean.
    picture: Option<Picture>,
}

/// Numbers of a frame.
#[derive(Debug, Clone, Copy)]
struct FrameSsim {
    index: usize,
    mean: f64,
    percentile: f64,
    smallest: f64,
}

/// The map of a frame.
struct Picture {
    index: usize,
    mean: f64,
    image: Image,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    if shape.rows < EXTENT || shape.columns < EXTENT {
        return Err(Error::Unsuitable {
            metric: "ssim",
            reason: format!(
                "frames of {} × {} pixels are smaller than its window of {EXTENT} × {EXTENT}",
                shape.rows, shape.columns
            ),
        });
    }
    Ok(Box::new(Maps {
        data_range: settings.data_range.unwrap_or(f64::NAN),
        damaged: false,
        frames: Vec::new(),
        picture: None,
    }))
}

impl Accumulator for Maps {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            self.damaged |= has_damage(&frame.decoded, frame.valid);
            let map = ssim_map(
                &frame.original,
                &frame.decoded,
                frame.valid,
                frames.columns,
                self.data_range,
            );
            let numbers = FrameSsim::of(&map, frame.index);
            if self.is_lower(numbers.mean, numbers.index) {
                self.picture = Some(Picture {
                    index: numbers.index,
                    mean: numbers.mean,
                    image: picture(&map),
                });
            }
            self.frames.push(numbers);
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Maps = same(other);
        self.damaged |= other.damaged;
        self.frames.extend(other.frames);
        if let Some(picture) = other.picture
            && self.is_lower(picture.mean, picture.index)
        {
            self.picture = Some(picture);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        self.frames.sort_by_key(|frame| frame.index);
        // Without a range nothing stabilises the ratios: what is left is rounding.
        let whole = if self.damaged || self.data_range == 0.0 {
            f64::NAN
        } else {
            1.0
        };
        let of = |number: fn(&FrameSsim) -> f64| self.frames.iter().map(number);
        outcome.value("ssim", whole * mean(of(|frame| frame.mean)));
        outcome.value("ssim_p1", whole * mean(of(|frame| frame.percentile)));
        let smallest = of(|frame| frame.smallest).fold(f64::NAN, f64::min);
        outcome.value("ssim_min", whole * smallest);
        outcome.value("ssim_data_range", self.data_range);
        let curve = Curve::new("frame", "SSIM", of(|frame| frame.index as f64).collect());
        outcome.curve(
            "ssim_by_frame",
            curve.with("ssim", of(|frame| frame.mean).collect()),
        );
        if let Some(picture) = self.picture.take() {
            outcome.images.insert("ssim_map".to_owned(), picture.image);
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Maps {
    /// Whether the map of this frame is to be shown in place of that so far: the lowest mean, of several the first frame.
    /// One that is no number gives way to any.
    fn is_lower(&self, mean: f64, index: usize) -> bool {
        let Some(so_far) = &self.picture else {
            return true;
        };
        let rank = |mean: f64| if mean.is_nan() { f64::INFINITY } else { mean };
        let order = rank(mean).total_cmp(&rank(so_far.mean));
        order.then(index.cmp(&so_far.index)).is_lt()
    }
}

/// Whether a valid pixel is NaN.
pub(crate) fn has_damage(decoded: &[f64], valid: Option<&[bool]>) -> bool {
    let kept = |at: usize| valid.is_none_or(|valid| valid[at]);
    decoded
        .iter()
        .enumerate()
        .any(|(at, value)| value.is_nan() && kept(at))
}

/// Mean of what is a number.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let kept = values.filter(|value| !value.is_nan());
    let (sum, count) = kept.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

impl FrameSsim {
    fn of(map: &SsimMap, index: usize) -> Self {
        let mut kept: Vec<f64> = map
            .ssim
            .iter()
            .copied()
            .filter(|value| !value.is_nan())
            .collect();
        Self {
            index,
            mean: mean(kept.iter().copied()),
            smallest: kept.iter().copied().fold(f64::NAN, f64::min),
            percentile: percentile_1(&mut kept),
        }
    }
}

/// Percentile 1 with linear interpolation; NaN of nothing.
fn percentile_1(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let position = (values.len() - 1) as f64 * 0.01;
    let (_, low, above) = values.select_nth_unstable_by(position as usize, f64::total_cmp);
    let next = above.iter().copied().fold(f64::NAN, f64::min);
    let low = *low;
    if next.is_nan() {
        low
    } else {
        low + (next - low) * position.fract()
    }
}

/// The map as means of square blocks, of windows that count.
fn picture(map: &SsimMap) -> Image {
    let block = map.rows.max(map.columns).div_ceil(PICTURE);
    let (rows, columns) = (map.rows.div_ceil(block), map.columns.div_ceil(block));
    let mut values = Vec::with_capacity(rows * columns);
    for row in (0..map.rows).step_by(block) {
        for column in (0..map.columns).step_by(block) {
            let lines = row..(row + block).min(map.rows);
            let across = column..(column + block).min(map.columns);
            let pixels =
                lines.flat_map(|row| across.clone().map(move |column| row * map.columns + column));
            values.push(mean(pixels.map(|at| map.ssim[at])) as f32);
        }
    }
    Image {
        rows,
        columns,
        label: "SSIM".to_owned(),
        values,
    }
}
