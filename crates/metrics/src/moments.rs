//! Sums over all elements that E1 to E5 and E7 are made of, taken in one go.
//!
//! A block of elements is turned into f64 ([`crate::blocks`]) and summed in eight lanes by loops that the compiler turns
//! into vector instructions; blocks are then added with compensation, so that a mean is good to 1e-12 whatever the size.
//!
//! Variances and the covariance are those of Pearson's r. Within a block, values are taken relative to its first element:
//! Σ(x − x₀)² is at most the block's length times the squared deviations, so that the difference of the two sums keeps
//! 13 digits even where the mean is large beside the deviation. Blocks are merged by the formula of Chan, Golub and
//! LeVeque (1979).

use std::any::Any;

use crate::blocks::{Block, for_each_block};
use crate::metric::{Accumulator, Pass, Shape, Started, same};
use crate::settings::Noise;
use crate::sum::Sum;
use crate::{Error, Frames, Outcome, Settings};
use crate::{max_abs, pearson, pointwise_relative, range_relative, sigma_relative, squared_error};

/// The pass.
pub(crate) static PASS: Pass = Pass {
    name: "moments",
    mergeable: true,
    per_chunk: true,
    start,
};

const LANES: usize = 8;

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
    count: f64,
    pub(crate) mean_a: f64,
    mean_b: f64,
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
        for_each_block(frames, |block| self.add_block(block));
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

    fn add_block(&mut self, block: Block<'_>) {
        self.count += block.a.len() as u64;
        self.add_errors(block.e);
        self.add_range(block.a);
        self.add_relative(block.a, block.e);
        self.pair.merge(&PairMoments::of(block.a, block.b));
    }

    fn add_errors(&mut self, errors: &[f64]) {
        let mut lanes = [[0.0; LANES]; 4];
        let mut add = |lane: usize, e: f64| {
            let [max, sum, abs, squares] = &mut lanes;
            max[lane] = larger(max[lane], e.abs());
            sum[lane] += e;
            abs[lane] += e.abs();
            squares[lane] += e * e;
        };
        let (chunks, rest) = errors.as_chunks::<LANES>();
        for chunk in chunks {
            (0..LANES).for_each(|lane| add(lane, chunk[lane]));
        }
        rest.iter().for_each(|&e| add(0, e));
        let [max, sum, abs, squares] = lanes;
        self.max_abs = max.into_iter().fold(self.max_abs, larger);
        self.error.add(total(sum));
        self.abs.add(total(abs));
        self.squares.add(total(squares));
    }

    fn add_range(&mut self, a: &[f64]) {
        let mut min = [self.min; LANES];
        let mut max = [self.max; LANES];
        let (chunks, rest) = a.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                min[lane] = smaller(min[lane], chunk[lane]);
                max[lane] = larger(max[lane], chunk[lane]);
            }
        }
        self.min = rest.iter().copied().chain(min).fold(self.min, smaller);
        self.max = rest.iter().copied().chain(max).fold(self.max, larger);
    }

    /// |e|/|A| and (e/σ)².
    fn add_relative(&mut self, a: &[f64], e: &[f64]) {
        let Noise { gain, offset, read } = self.noise;
        let mut pointwise = [self.max_pointwise; LANES];
        let mut at_zero = [0u64; LANES];
        let mut max = [0.0; LANES];
        let mut sum = [0.0; LANES];
        let mut add = |lane: usize, a: f64, e: f64| {
            // 0/0 is NaN, which `larger` passes over; e/0 must not count.
            let ratio = e.abs() / a.abs();
            let ratio = if a == 0.0 { -1.0 } else { ratio };
            pointwise[lane] = larger(pointwise[lane], ratio);
            at_zero[lane] += u64::from(a == 0.0 && e != 0.0);
            let variance = gain * larger(a - offset, 0.0) + read * read;
            let squared = e * e / larger(variance, 1.0);
            max[lane] = larger(max[lane], squared);
            sum[lane] += squared;
        };
        let (chunks_a, rest_a) = a.as_chunks::<LANES>();
        let (chunks_e, rest_e) = e.as_chunks::<LANES>();
        for (a, e) in chunks_a.iter().zip(chunks_e) {
            (0..LANES).for_each(|lane| add(lane, a[lane], e[lane]));
        }
        rest_a.iter().zip(rest_e).for_each(|(&a, &e)| add(0, a, e));
        self.max_pointwise = pointwise.into_iter().fold(self.max_pointwise, larger);
        self.errors_at_zero += at_zero.iter().sum::<u64>();
        self.max_sigma_squared = max.into_iter().fold(self.max_sigma_squared, larger);
        self.sigma_squares.add(total(sum));
    }
}

impl PairMoments {
    /// Of a block; `a` and `b` have at least one element.
    fn of(a: &[f64], b: &[f64]) -> Self {
        let (first_a, first_b) = (a[0], b[0]);
        let mut lanes = [[0.0; LANES]; 5];
        let mut add = |lane: usize, a: f64, b: f64| {
            let (a, b) = (a - first_a, b - first_b);
            let [sum_a, sum_b, squares_a, squares_b, products] = &mut lanes;
            sum_a[lane] += a;
            sum_b[lane] += b;
            squares_a[lane] += a * a;
            squares_b[lane] += b * b;
            products[lane] += a * b;
        };
        let (chunks_a, rest_a) = a.as_chunks::<LANES>();
        let (chunks_b, rest_b) = b.as_chunks::<LANES>();
        for (a, b) in chunks_a.iter().zip(chunks_b) {
            (0..LANES).for_each(|lane| add(lane, a[lane], b[lane]));
        }
        rest_a.iter().zip(rest_b).for_each(|(&a, &b)| add(0, a, b));
        let [sum_a, sum_b, squares_a, squares_b, products] = lanes.map(total);
        let count = a.len() as f64;
        Self {
            count,
            mean_a: first_a + sum_a / count,
            mean_b: first_b + sum_b / count,
            squares_a: squares_a - sum_a * sum_a / count,
            squares_b: squares_b - sum_b * sum_b / count,
            products: products - sum_a * sum_b / count,
        }
    }

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

/// The larger number; `so_far` where `value` is NaN. One instruction, unlike `f64::max`.
#[inline(always)]
fn larger(so_far: f64, value: f64) -> f64 {
    if value > so_far { value } else { so_far }
}

#[inline(always)]
fn smaller(so_far: f64, value: f64) -> f64 {
    if value < so_far { value } else { so_far }
}

fn total(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
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
