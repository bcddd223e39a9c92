//! Sums over all elements that E1 to E5 and E7 are made of, taken in one go.
//!
//! A block of elements is turned into f64 ([`crate::blocks`]) and summed ([`crate::block_sums`]), or summed in integers
//! where they have 16 bits or less ([`crate::small_integers`]); blocks are then added
//! with compensation, so that a mean is good to 1e-12 whatever the size, and their second moments are merged by the
//! formula of Chan, Golub and LeVeque (1979).

use std::any::Any;

use crate::block_sums::{BlockSums, block_sums, larger, smaller};
use crate::blocks::for_each_block;
use crate::metric::{Accumulator, Part, Pass, Shape, Started, same};
use crate::settings::Noise;
use crate::small_integers::for_each_sums;
use crate::sum::Sum;
use crate::{Error, Frames, Outcome, Settings, Values};
use crate::{max_abs, pearson, pointwise_relative, range_relative, sigma_relative, squared_error};

/// The pass.
pub(crate) static PASS: Pass = Pass {
    name: "moments",
    mergeable: true,
    per_chunk: true,
    sample: Part::Elements,
    needs_range: false,
    splits: true,
    start,
};

/// Sums over the valid elements of A, B and e = B − A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    noise: Noise,
    /// Valid elements.
    pub count: u64,
    /// min A.
    pub min: f64,
    /// max A.
    pub max: f64,
    /// max |e|.
    pub max_abs: f64,
    /// max |e|/|A| where A ≠ 0; negative where A is 0 everywhere.
    pub max_pointwise: f64,
    /// Elements with e ≠ 0 where A = 0.
    pub errors_at_zero: u64,
    /// max (e/σ)².
    pub max_sigma_squared: f64,
    error: Sum,
    abs: Sum,
    squares: Sum,
    sigma_squares: Sum,
    pub(crate) pair: PairMoments,
}

/// Means and central second moments of A and B.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct PairMoments {
    pub(crate) count: f64,
    pub(crate) mean_a: f64,
    pub(crate) mean_b: f64,
    /// Σ (A − mean)².
    pub(crate) squares_a: f64,
    /// Σ (B − mean)².
    pub(crate) squares_b: f64,
    /// Σ (A − mean)(B − mean).
    pub(crate) products: f64,
}

fn start(settings: &Settings, _shape: Shape) -> Started {
    Ok(Box::new(Moments::new(settings.noise)))
}

impl Moments {
    /// Sums over nothing.
    pub fn new(noise: Noise) -> Self {
        Self {
            noise,
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            max_abs: 0.0,
            max_pointwise: -1.0,
            errors_at_zero: 0,
            max_sigma_squared: 0.0,
            error: Sum::default(),
            abs: Sum::default(),
            squares: Sum::default(),
            sigma_squares: Sum::default(),
            pair: PairMoments::default(),
        }
    }

    /// Adds frames.
    pub fn add_frames(&mut self, frames: &Frames<'_>) {
        match (frames.original, frames.decoded) {
            (Values::U8(a), Values::U8(b)) => self.add_small(a, b, frames.valid),
            (Values::I8(a), Values::I8(b)) => self.add_small(a, b, frames.valid),
            (Values::U16(a), Values::U16(b)) => self.add_small(a, b, frames.valid),
            (Values::I16(a), Values::I16(b)) => self.add_small(a, b, frames.valid),
            _ => for_each_block(frames, |block| {
                let sums = block_sums(block, self.noise, self.max_pointwise);
                self.add_sums(&sums, block.a.len());
            }),
        }
    }

    fn add_small<T: Copy + Into<i32>>(&mut self, a: &[T], b: &[T], valid: Option<&[bool]>) {
        for_each_sums(a, b, valid, self.noise, |sums, count| {
            if count > 0 {
                self.add_sums(sums, count);
            }
            self.max_pointwise
        });
    }

    /// Adds the sums over other elements.
    pub fn merge_with(&mut self, other: &Moments) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.max_abs = self.max_abs.max(other.max_abs);
        self.max_pointwise = self.max_pointwise.max(other.max_pointwise);
        self.errors_at_zero += other.errors_at_zero;
        self.max_sigma_squared = self.max_sigma_squared.max(other.max_sigma_squared);
        self.error.merge(other.error);
        self.abs.merge(other.abs);
        self.squares.merge(other.squares);
        self.sigma_squares.merge(other.sigma_squares);
        self.pair.merge(&other.pair);
    }

    /// Mean of e.
    pub fn mean_error(&self) -> f64 {
        self.error.value() / self.count as f64
    }

    /// Mean of |e|.
    pub fn mean_abs_error(&self) -> f64 {
        self.abs.value() / self.count as f64
    }

    /// Mean of e².
    pub fn mean_squared_error(&self) -> f64 {
        self.squares.value() / self.count as f64
    }

    /// Mean of (e/σ)².
    pub fn mean_sigma_squared(&self) -> f64 {
        self.sigma_squares.value() / self.count as f64
    }

    /// A maximum over e; NaN where an e is NaN, which maxima pass over, or where there is none.
    pub(crate) fn defined(&self, maximum: f64) -> f64 {
        if self.count == 0 || self.abs.value().is_nan() {
            f64::NAN
        } else {
            maximum
        }
    }

    fn add_sums(&mut self, sums: &BlockSums, count: usize) {
        self.count += count as u64;
        self.min = smaller(self.min, sums.min);
        self.max = larger(self.max, sums.max);
        self.max_abs = larger(self.max_abs, sums.max_abs);
        self.max_pointwise = larger(self.max_pointwise, sums.max_pointwise);
        self.errors_at_zero += sums.errors_at_zero as u64;
        self.max_sigma_squared = larger(self.max_sigma_squared, sums.max_sigma_squared);
        self.error.add(sums.error);
        self.abs.add(sums.abs);
        self.squares.add(sums.squares);
        self.sigma_squares.add(sums.sigma_squares);
        self.pair.merge(&sums.pair);
    }
}

impl PairMoments {
    fn merge(&mut self, other: &PairMoments) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        let count = self.count + other.count;
        let (step_a, step_b) = (other.mean_a - self.mean_a, other.mean_b - self.mean_b);
        let weight = self.count * other.count / count;
        self.squares_a += other.squares_a + step_a * step_a * weight;
        self.squares_b += other.squares_b + step_b * step_b * weight;
        self.products += other.products + step_a * step_b * weight;
        self.mean_a += step_a * (other.count / count);
        self.mean_b += step_b * (other.count / count);
        self.count = count;
    }
}

impl Accumulator for Moments {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.add_frames(frames);
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        self.merge_with(&same::<Moments>(other));
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        max_abs::describe(self, &mut outcome);
        range_relative::describe(self, &mut outcome);
        pointwise_relative::describe(self, &mut outcome);
        sigma_relative::describe(self, &mut outcome);
        squared_error::describe(self, &mut outcome);
        pearson::describe(self, &mut outcome);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
