//! Elements that are not valid have to come back bit for bit, because other programs know them by their values.
//!
//! Counts elements outside `valid` whose bits differ; where the types of A and B differ, whose values do, two NaN being
//! equal. Reference: numpy.

use std::any::Any;

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::{Error, Frames, Outcome, Settings, Values};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "E0",
    name: "mask",
    about: "masked elements, and how many of them are not bit-identical",
    values: &[
        ("masked_elements", "elements"),
        ("mask_mismatches", "elements"),
    ],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "mask",
    mergeable: true,
    per_chunk: true,
    sample: Part::Elements,
    needs_range: false,
    splits: true,
    start,
};

#[derive(Default)]
struct Masked {
    elements: u64,
    mismatches: u64,
}

fn start(_settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Masked::default()))
}

impl Accumulator for Masked {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        let Some(valid) = frames.valid else {
            return Ok(());
        };
        for at in (0..valid.len()).filter(|&at| !valid[at]) {
            self.elements += 1;
            self.mismatches += u64::from(!identical(frames.original, frames.decoded, at));
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Masked = same(other);
        self.elements += other.elements;
        self.mismatches += other.mismatches;
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        outcome.value("masked_elements", self.elements as f64);
        outcome.value("mask_mismatches", self.mismatches as f64);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn identical(original: Values<'_>, decoded: Values<'_>, at: usize) -> bool {
    match (original, decoded) {
        (Values::F32(a), Values::F32(b)) => a[at].to_bits() == b[at].to_bits(),
        (Values::F64(a), Values::F64(b)) => a[at].to_bits() == b[at].to_bits(),
        (Values::I64(a), Values::I64(b)) => a[at] == b[at],
        (Values::U64(a), Values::U64(b)) => a[at] == b[at],
        // f64 holds all other types.
        (a, b) => {
            let (a, b) = (a.to_f64(at..at + 1)[0], b.to_f64(at..at + 1)[0]);
            a == b || (a.is_nan() && b.is_nan())
        }
    }
}
