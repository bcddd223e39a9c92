//! E9: whether the error is white. Its autocorrelation along x (fast), y (slow) and t (frames), each alone.
//!
//! r_k = Σ e'_i e'_{i+k} / Σ e'_i², e' = e − mean of e, biased: the sum in the denominator is over all elements whatever k
//! is. The mean and the denominator are those of the whole dataset; the sum in the numerator is over all pairs on a common
//! line along the axis, of all lines. For a single line this is `statsmodels.tsa.stattools.acf(e, adjusted=False)`.
//! Pairs with an element that is not valid are left out of the numerator, such elements of mean and denominator.
//! NaN for lags of the extent or more, and where e is constant.
//!
//! One round suffices, because Σ(e_i − m)(e_j − m) = Σe_i e_j − m Σ(e_i + e_j) + m² N over N pairs, with e taken relative
//! to the mean error of the first frame so that m is small and nothing cancels. Of earlier frames, as many as there are
//! lags are kept.

use std::any::Any;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::outcome::Curve;
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E9",
    name: "error_acf",
    about: "autocorrelation of the error along x, y and t: at lag 1, and the largest |r| of all lags",
    values: &[
        ("error_acf_x", "1"),
        ("error_acf_y", "1"),
        ("error_acf_t", "1"),
        ("max_error_acf", "1"),
    ],
    curves: &["error_acf"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "error_acf",
    mergeable: false,
    per_chunk: false,
    sample: Part::Run,
    needs_range: false,
    splits: false,
    start,
};

/// Settings of E9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorAcf {
    /// Largest lag, in pixels and frames.
    pub lags: usize,
}

impl Default for ErrorAcf {
    fn default() -> Self {
        Self { lags: 20 }
    }
}

/// Sums over the pairs of one lag along one axis.
#[derive(Debug, Clone, Copy, Default)]
struct Pairs {
    count: f64,
    sum: f64,
    products: f64,
}

/// Error of a frame relative to `shift`, 0 where not valid.
struct ErrorFrame {
    error: Vec<f64>,
    /// 1 where valid; `None`: everywhere.
    weight: Option<Vec<f64>>,
}

struct Correlation {
    shape: Shape,
    lags: usize,
    shift: Option<f64>,
    count: f64,
    sum: f64,
    squares: f64,
    /// By axis, x, y, t, and lag − 1.
    pairs: [Vec<Pairs>; 3],
    /// Latest first.
    earlier: VecDeque<ErrorFrame>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let lags = settings.error_acf.lags;
    let kept = lags.min(shape.frames.saturating_sub(1)) as u64;
    let bytes = kept * (shape.rows * shape.columns * size_of::<f64>()) as u64;
    if bytes > settings.memory_bytes.unwrap_or(1 << 30) {
        return Err(Error::Unsuitable {
            metric: METRIC.name,
            reason: format!(
                "{kept} frames to correlate with take {bytes} bytes; give a smaller error_acf.lags or a larger memory_bytes"
            ),
        });
    }
    Ok(Box::new(Correlation {
        shape,
        lags,
        shift: None,
        count: 0.0,
        sum: 0.0,
        squares: 0.0,
        pairs: std::array::from_fn(|_| vec![Pairs::default(); lags]),
        earlier: VecDeque::new(),
    }))
}

impl Correlation {
    fn add_frame(&mut self, frame: ErrorFrame) {
        let weight = frame.weight.as_deref();
        let all = of_pairs(&frame.error, weight, &frame.error, weight);
        self.count += all.count;
        self.sum += all.sum / 2.0;
        self.squares += all.products;
        let columns = self.shape.columns;
        let rows = frame.error.len().checked_div(columns).unwrap_or(0);
        let line = |row: usize| row * columns..(row + 1) * columns;
        let weights = |range: std::ops::Range<usize>| weight.map(|weight| &weight[range]);
        for row in 0..rows {
            let here = line(row);
            for lag in 1..=self.lags.min(columns.saturating_sub(1)) {
                let (left, right) = (here.start..here.end - lag, here.start + lag..here.end);
                self.pairs[0][lag - 1].add(of_pairs(
                    &frame.error[left.clone()],
                    weights(left),
                    &frame.error[right.clone()],
                    weights(right),
                ));
            }
            for lag in 1..=self.lags.min(row) {
                let above = line(row - lag);
                self.pairs[1][lag - 1].add(of_pairs(
                    &frame.error[above.clone()],
                    weights(above),
                    &frame.error[here.clone()],
                    weights(here.clone()),
                ));
            }
        }
        for (earlier, pairs) in self.earlier.iter().zip(&mut self.pairs[2]) {
            pairs.add(of_pairs(
                &earlier.error,
                earlier.weight.as_deref(),
                &frame.error,
                weight,
            ));
        }
        self.earlier.push_front(frame);
        self.earlier.truncate(self.lags);
    }

    /// r of lags 1 and up along an axis of some extent.
    fn coefficients(&self, axis: usize, extent: usize) -> Vec<f64> {
        let mean = self.sum / self.count;
        let squares = self.squares - self.sum * mean;
        let lags = self.pairs[axis].iter().zip(1..);
        lags.map(|(pairs, lag)| {
            if lag >= extent || squares <= 0.0 {
                return f64::NAN;
            }
            (pairs.products - mean * pairs.sum + mean * mean * pairs.count) / squares
        })
        .collect()
    }
}

impl Accumulator for Correlation {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            let mut error: Vec<f64> = subtracted(&frame.decoded, &frame.original);
            let shift = *self
                .shift
                .get_or_insert_with(|| mean_of(&error, frame.valid));
            error.iter_mut().for_each(|error| *error -= shift);
            let weight = frame.valid.map(|valid| {
                let weights = valid.iter().map(|&valid| f64::from(valid));
                weights.collect::<Vec<f64>>()
            });
            if let Some(valid) = frame.valid {
                let masked = error.iter_mut().zip(valid).filter(|(_, valid)| !**valid);
                masked.for_each(|(error, _)| *error = 0.0);
            }
            self.add_frame(ErrorFrame { error, weight });
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("not mergeable: frames are paired with earlier ones")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let x = (1..=self.lags).map(|lag| lag as f64).collect();
        let mut curve = Curve::new("lag / pixels or frames", "autocorrelation of the error", x);
        let mut outcome = Outcome::default();
        let mut most = f64::NAN;
        let extents = [self.shape.columns, self.shape.rows, self.shape.frames];
        for (axis, name) in ["x", "y", "t"].into_iter().enumerate() {
            let r = self.coefficients(axis, extents[axis]);
            // f64::max passes over NaN, so lags that do not exist do not count.
            most = r.iter().fold(most, |most, r| most.max(r.abs()));
            let first = r.first().copied().unwrap_or(f64::NAN);
            outcome.value(&format!("error_acf_{name}"), first);
            curve = curve.with(name, r);
        }
        outcome.value("max_error_acf", most);
        outcome.curve("error_acf", curve);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Pairs {
    fn add(&mut self, other: Pairs) {
        self.count += other.count;
        self.sum += other.sum;
        self.products += other.products;
    }
}

fn subtracted(b: &[f64], a: &[f64]) -> Vec<f64> {
    let pairs = b.iter().zip(a);
    pairs
        .map(|(b, a)| if a == b { 0.0 } else { b - a })
        .collect()
}

/// The mean of the valid ones, exact where all are the same; 0 where there are none.
fn mean_of(errors: &[f64], valid: Option<&[bool]>) -> f64 {
    let is_valid = |at: usize| valid.is_none_or(|valid| valid[at]);
    let mut valid_errors = (0..errors.len())
        .filter(|&at| is_valid(at))
        .map(|at| errors[at]);
    let Some(first) = valid_errors.next() else {
        return 0.0;
    };
    let (mut count, mut sum) = (1.0, 0.0);
    for error in valid_errors {
        count += 1.0;
        sum += error - first;
    }
    first + sum / count
}

/// Sums over the pairs (a_i, b_i) with both valid; elements that are not are 0.
fn of_pairs(a: &[f64], valid_a: Option<&[f64]>, b: &[f64], valid_b: Option<&[f64]>) -> Pairs {
    let products = dot(a, b);
    match (valid_a, valid_b) {
        (None, None) => Pairs {
            count: a.len() as f64,
            sum: total(a) + total(b),
            products,
        },
        (None, Some(valid)) => Pairs {
            count: total(valid),
            sum: dot(a, valid) + total(b),
            products,
        },
        (Some(valid), None) => Pairs {
            count: total(valid),
            sum: total(a) + dot(valid, b),
            products,
        },
        (Some(valid_a), Some(valid_b)) => Pairs {
            count: dot(valid_a, valid_b),
            sum: dot(a, valid_b) + dot(valid_a, b),
            products,
        },
    }
}

/// Σ a·b in eight lanes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (chunks_a, rest_a) = a.as_chunks::<8>();
    let (chunks_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    rest + lanes.iter().sum::<f64>()
}

/// Σ a in eight lanes.
fn total(a: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (chunks, rest) = a.as_chunks::<8>();
    for chunk in chunks {
        for lane in 0..8 {
            lanes[lane] += chunk[lane];
        }
    }
    rest.iter().sum::<f64>() + lanes.iter().sum::<f64>()
}
