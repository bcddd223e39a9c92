//! Sums over all elements that E1 to E7 are made of, taken in one go.

use std::any::Any;

use crate::frames::{Sample, for_values};
use crate::metric::{Accumulator, Pass, Shape, Started, same};
use crate::{Error, Frames, Outcome, Settings, max_abs};

/// The pass.
pub(crate) static PASS: Pass = Pass {
    name: "moments",
    mergeable: true,
    per_chunk: true,
    start,
};

/// Sums over the valid elements of A, B and e = B − A.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// Valid elements.
    pub count: u64,
    /// max |e|.
    pub max_abs: f64,
    /// Σ e.
    pub sum_error: f64,
    /// Σ |e|.
    pub sum_abs: f64,
}

fn start(_settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Moments::default()))
}

impl Moments {
    /// Adds elements of the same index of A and B.
    fn add_values<A: Sample, B: Sample>(&mut self, a: &[A], b: &[B], valid: Option<&[bool]>) {
        for (at, (a, b)) in a.iter().zip(b).enumerate() {
            if valid.is_some_and(|valid| !valid[at]) {
                continue;
            }
            let error = b.to_f64() - a.to_f64();
            self.count += 1;
            self.max_abs = self.max_abs.max(error.abs());
            self.sum_error += error;
            self.sum_abs += error.abs();
        }
    }
}

impl Accumulator for Moments {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for_values!(frames.original, |a| for_values!(frames.decoded, |b| {
            self.add_values(a, b, frames.valid);
        }));
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Moments = same(other);
        self.count += other.count;
        self.max_abs = self.max_abs.max(other.max_abs);
        self.sum_error += other.sum_error;
        self.sum_abs += other.sum_abs;
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        max_abs::describe(self, &mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
