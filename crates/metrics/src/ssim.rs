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

use multiversion::multiversion;

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::ssim_map::{EXTENT, SsimMap, ssim_by_line};
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
    sample: Part::Frames,
    needs_range: true,
    splits: true,
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
        let (columns, pixels) = (frames.columns, frames.frame_len());
        for at in 0..frames.count {
            let valid = frames.valid.map(|valid| &valid[at * pixels..][..pixels]);
            let mut map = ssim_by_line(
                [frames.rows, columns],
                |row| {
                    let line = at * pixels + row * columns..at * pixels + (row + 1) * columns;
                    let decoded = frames.decoded.to_f64(line.clone());
                    let valid = frames.valid.map(|valid| &valid[line.clone()]);
                    self.damaged |= !frames.decoded.is_integer() && has_damage(&decoded, valid);
                    [frames.original.to_f64(line), decoded]
                },
                self.data_range,
                |_| (),
            );
            if let Some(valid) = valid {
                map.leave_out(valid, columns);
            }
            let numbers = FrameSsim::of(&map, frames.first + at);
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
        let Extent {
            count,
            sum,
            smallest,
        } = extent(&map.ssim);
        Self {
            index,
            mean: sum / count,
            smallest: if count > 0.0 { smallest } else { f64::NAN },
            percentile: percentile_1(&map.ssim, count as usize),
        }
    }
}

/// Of what is a number in a map.
struct Extent {
    count: f64,
    sum: f64,
    smallest: f64,
}

/// Sums have eight lanes of their own, so that additions need not wait for each other.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn extent(values: &[f64]) -> Extent {
    let (mut count, mut sum, mut least) = ([0.0; 8], [0.0; 8], [f64::INFINITY; 8]);
    let (groups, rest) = values.as_chunks::<8>();
    let mut last = [f64::NAN; 8];
    last[..rest.len()].copy_from_slice(rest);
    for group in groups.iter().chain([&last]) {
        for lane in 0..8 {
            let (value, is_number) = (group[lane], !group[lane].is_nan());
            count[lane] += if is_number { 1.0 } else { 0.0 };
            sum[lane] += if is_number { value } else { 0.0 };
            least[lane] = if value < least[lane] {
                value
            } else {
                least[lane]
            };
        }
    }
    Extent {
        count: count.iter().sum(),
        sum: sum.iter().sum(),
        smallest: least.into_iter().fold(f64::INFINITY, f64::min),
    }
}

/// Percentile 1 of `count` numbers with linear interpolation, NaN left out; NaN of nothing. Only what lies below a value
/// that a sample says to be about percentile 3 is put in order.
fn percentile_1(values: &[f64], count: usize) -> f64 {
    const STEP: usize = 61;
    let position = count.saturating_sub(1) as f64 * 0.01;
    let wanted = position as usize + 2;
    let numbers = || values.iter().copied().filter(|value| !value.is_nan());
    let mut sample: Vec<f64> = numbers().step_by(STEP).collect();
    sample.sort_unstable_by(f64::total_cmp);
    let pivot = sample.get(sample.len() / 33 + 3);
    let mut low: Vec<f64> = match pivot {
        Some(&pivot) => numbers().filter(|value| *value <= pivot).collect(),
        None => Vec::new(),
    };
    if low.len() < wanted {
        low = numbers().collect();
    }
    if low.is_empty() {
        return f64::NAN;
    }
    let (_, below, above) = low.select_nth_unstable_by(position as usize, f64::total_cmp);
    let (below, next) = (*below, above.iter().copied().fold(f64::NAN, f64::min));
    if next.is_nan() {
        below
    } else {
        below + (next - below) * position.fract()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_1_is_that_of_sorting() {
        for len in [1, 2, 99, 101, 5000, 70_000] {
            for width in [1_u64, 3, 1 << 20] {
                let random = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
                let mut values: Vec<f64> = (0..len).map(|at| (random(at) % width) as f64).collect();
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                let position = (sorted.len() - 1) as f64 * 0.01;
                let (below, part) = (sorted[position as usize], position.fract());
                let next = sorted.get(position as usize + 1).unwrap_or(&below);
                let expected = below + (next - below) * part;
                values.insert(values.len() / 2, f64::NAN);
                assert_eq!(
                    percentile_1(&values, sorted.len()),
                    expected,
                    "{len} {width}"
                );
            }
        }
        assert!(percentile_1(&[f64::NAN], 0).is_nan());
    }

    #[test]
    fn sums_leave_out_what_is_no_number() {
        let values: Vec<f64> = (0..21).map(f64::from).collect();
        for at in 0..21 {
            let mut values = values.clone();
            values[at] = f64::NAN;
            let found = extent(&values);
            assert_eq!((found.count, found.sum), (20.0, 210.0 - at as f64));
            assert_eq!(found.smallest, if at == 0 { 1.0 } else { 0.0 });
        }
    }
}
