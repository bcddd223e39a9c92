//! E6: PSNR = 10 · log10(L² / MSE) in dB, infinite where B is A.
//!
//! L is `data_range` where it is given, else the range from percentile 0.1 to 99.9 of the original over the whole dataset
//! ([`crate::robust_range`]); either is reported as `data_range`, because a PSNR without its L says nothing.
//! Reference: scikit-image `peak_signal_noise_ratio(a, b, data_range=L)`, whose default L is the range of the type.
//!
//! It has a pass of its own, because finding L takes up to three more rounds over the data, which metrics without L
//! should not have to wait for.

use std::any::Any;

use crate::blocks::for_each_block;
use crate::metric::{Accumulator, Metric, Pass, Shape, Started};
use crate::robust_range::RobustRange;
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E6",
    name: "psnr",
    about: "peak signal-to-noise ratio, 10 log10(L²/MSE), L = data_range or the robust range of the original",
    values: &[("psnr", "dB"), ("data_range", "data")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "psnr",
    mergeable: false,
    per_chunk: true,
    start,
};

/// PSNR in dB.
pub fn psnr(mean_squared_error: f64, data_range: f64) -> f64 {
    10.0 * (data_range * data_range / mean_squared_error).log10()
}

struct Progress {
    range: RobustRange,
    /// Whether the first round is over, in which errors are summed.
    summed: bool,
    count: u64,
    sum_squares: f64,
}

fn start(settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Progress {
        range: RobustRange::new(settings),
        summed: false,
        count: 0,
        sum_squares: 0.0,
    }))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        if !self.range.is_known() {
            self.range.add(frames);
        }
        if !self.summed {
            for_each_block(frames, |block| {
                self.count += block.e.len() as u64;
                self.sum_squares += sum_of_squares(block.e);
            });
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("not mergeable: rounds depend on all frames")
    }

    fn again(&mut self) -> Result<bool, Error> {
        self.summed = true;
        self.range.end_round();
        Ok(!self.range.is_known())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let data_range = self.range.data_range();
        let mean = self.sum_squares / self.count as f64;
        outcome.value("psnr", psnr(mean, data_range));
        outcome.value("data_range", data_range);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Σ e² in eight lanes.
fn sum_of_squares(errors: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (chunks, rest) = errors.as_chunks::<8>();
    for chunk in chunks {
        for (lane, e) in lanes.iter_mut().zip(chunk) {
            *lane += e * e;
        }
    }
    rest.iter().map(|e| e * e).sum::<f64>() + lanes.iter().sum::<f64>()
}
