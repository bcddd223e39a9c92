//! E6: PSNR = 10 · log10(L² / MSE) in dB, infinite where B is A.
//!
//! L is `data_range` where it is given, else the range from percentile 0.1 to 99.9 of the original over the whole dataset
//! ([`crate::robust_range`]); either is reported as `data_range`, because a PSNR without its L says nothing.
//! Reference: scikit-image `peak_signal_noise_ratio(a, b, data_range=L)`, whose default L is the range of the type.
//!
//! It has a pass of its own, because finding L takes up to four rounds over the original, which metrics without L should
//! not have to wait for.

use std::any::Any;

use crate::blocks::for_each_block;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::sum::Sum;
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
    mergeable: true,
    per_chunk: true,
    sample: Part::Elements,
    needs_range: true,
    splits: true,
    start,
};

/// PSNR in dB; infinite where nothing is lost, even of data without a range.
pub fn psnr(mean_squared_error: f64, data_range: f64) -> f64 {
    if mean_squared_error == 0.0 {
        return f64::INFINITY;
    }
    10.0 * (data_range * data_range / mean_squared_error).log10()
}

struct Squares {
    data_range: f64,
    count: u64,
    sum: Sum,
}

fn start(settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Squares {
        data_range: settings.data_range.unwrap_or(f64::NAN),
        count: 0,
        sum: Sum::default(),
    }))
}

impl Accumulator for Squares {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for_each_block(frames, |block| {
            self.count += block.e.len() as u64;
            self.sum.add(sum_of_squares(block.e));
        });
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Squares = same(other);
        self.count += other.count;
        self.sum.merge(other.sum);
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mean = self.sum.value() / self.count as f64;
        outcome.value("psnr", psnr(mean, self.data_range));
        outcome.value("data_range", self.data_range);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_has_no_finite_psnr_whatever_its_range() {
        for data_range in [0.0, 1.0, 65535.0] {
            assert_eq!(psnr(0.0, data_range), f64::INFINITY);
        }
        assert_eq!(psnr(4.0, 20.0), 20.0);
    }
}
