//! Background drawn from a model, with the totals of the original: for every bin the number of pixels n, the sum of
//! their counts and the number of zeros among them are given and come out exactly.
//!
//! Per pixel a count is drawn: from the Poisson distribution of the bin's mean λ = sum / n within the limits of the bin,
//! from the normal distribution with λ and the bin's std, or λ rounded down or up in turn (`mean`). A draw outside
//! the pixel's own limits is repeated, three times at most, and then clamped. Above λ = 1000, and above 16 in bins of
//! fewer than 256 pixels, the normal distribution stands in for Poisson's, so that tables take little memory. See
//! `sigma_clip_tables.rs`. Afterwards, for every bin:
//!
//! 1. zeros become ones, or ones zeros (then any count a zero), until the number of zeros is right;
//! 2. counts above zero go up or down by one, within their limits, until the sum is right; where a round is not enough,
//!    all pixels of the bin are moved by the whole number that each of its n pixels lacks on average, and so on.
//!
//! To change k pixels of a bin of m, for i = 0 … k − 1 the first pixel that can be changed is, from place ⌊i m / k⌋ and
//! behind the one before; if that does not yield k, all pixels in turn.
//!
//! Random number i of a bin is number i (its place in the bin) of the stream of (seed, bin, sum, zeros); so equal
//! contents give equal background, wherever a frame stands and whatever happened to other bins.

use super::sigma_clip_background::{Limits, LimitsOf};
use super::sigma_clip_tables::{NORMAL, NORMAL_WIDTH, Table};
use crate::kernels::levels::Level;
use crate::kernels::sigma_clip::{self as kernel, EXACT, MAX_COUNT, inside};
use crate::random::Random;

/// How a background is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    Poisson = 0,
    Normal = 1,
    Mean = 2,
}

/// Totals of the pixels of a bin that are to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub pixels: u64,
    pub sum: u64,
    pub zeros: u64,
}

/// Larger means draw from the normal distribution.
const MAX_POISSON: f64 = 1000.0;
/// A table for fewer pixels has to be small: for means up to [`MAX_POISSON_OF_FEW`].
const FEW: u64 = 256;
const MAX_POISSON_OF_FEW: f64 = 16.0;
const REPETITIONS: u64 = 3;
/// Rounds until the sums are right; one or two in practice.
const MAX_ROUNDS: usize = 64;

impl Totals {
    /// Totals of the pixels that are not marked.
    pub(super) fn of(pixels: &[u32]) -> Self {
        let found = inside(Level::best(), pixels, 0, 0, MAX_COUNT);
        Self {
            pixels: found.count,
            sum: found.sum,
            zeros: found.zeros,
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.pixels.max(1) as f64
    }

    fn std(&self) -> f64 {
        ((self.sum + self.zeros) as f64 / self.pixels.max(1) as f64).sqrt()
    }

    pub(super) fn allow_a_table(&self) -> bool {
        let mean = self.mean();
        mean <= MAX_POISSON_OF_FEW || (mean <= MAX_POISSON && self.pixels >= FEW)
    }
}

/// Draws the pixels of a bin.
pub(super) struct Synthesis {
    pub draw: Draw,
    pub random: Random,
    table: Table,
}

impl Synthesis {
    pub(super) fn new(draw: Draw, seed: u64) -> Self {
        Self {
            draw,
            random: Random::new(seed),
            table: Table::default(),
        }
    }

    /// Draws all pixels of a bin that are not marked; false where the totals cannot be met within the limits.
    pub(super) fn bin(
        &mut self,
        bin: usize,
        pixels: &mut [u32],
        limits: LimitsOf,
        totals: &Totals,
    ) -> bool {
        if totals.pixels == 0 {
            return totals.sum == 0 && totals.zeros == 0;
        }
        let random = self
            .random
            .part(bin as u64)
            .part(totals.sum)
            .part(totals.zeros);
        match self.draw {
            Draw::Mean => {
                let mut turn = InTurn::new(totals);
                for (at, pixel) in drawn(pixels) {
                    *pixel = limits.at(at).nearest(turn.next());
                }
            }
            Draw::Poisson if totals.allow_a_table() => {
                self.table.poisson(totals.mean(), limits.hull());
                let Table { first, cells, .. } = &self.table;
                kernel::draw(Level::best(), cells, *first, random.bits(0), pixels);
                if let LimitsOf::Each(each) = limits {
                    repeat(pixels, each.iter().copied(), |at, repetition| {
                        let number = kernel::random32(random.bits(repetition), at);
                        first + kernel::alias(cells, cells.len() - 1, number)
                    });
                }
            }
            Draw::Poisson | Draw::Normal => {
                let (cells, spread) = (&NORMAL[..], [totals.mean(), totals.std()]);
                let (level, key) = (Level::best(), random.bits(0));
                kernel::draw_normal(level, cells, NORMAL_WIDTH, spread, key, pixels);
                let each = (0..pixels.len()).map(|at| limits.at(at));
                repeat(pixels, each, |at, repetition| {
                    kernel::normal(cells, NORMAL_WIDTH, spread, random.bits(repetition), at)
                });
            }
        }
        let mut change = Change { pixels, limits };
        change.correct_zeros(totals) && change.correct_sum(totals)
    }
}

/// The pixels that are not marked, with their index.
fn drawn(pixels: &mut [u32]) -> impl Iterator<Item = (usize, &mut u32)> {
    pixels
        .iter_mut()
        .enumerate()
        .filter(|(_, pixel)| **pixel < EXACT)
}

/// Draws pixels outside their limits again.
fn repeat(
    pixels: &mut [u32],
    limits: impl Iterator<Item = Limits>,
    draw: impl Fn(u32, u64) -> u32,
) {
    for (at, (pixel, limits)) in pixels.iter_mut().zip(limits).enumerate() {
        if !limits.contains(*pixel) && *pixel < EXACT {
            let again = (1..=REPETITIONS).map(|repetition| draw(at as u32, repetition));
            *pixel = again
                .into_iter()
                .find(|count| limits.contains(*count))
                .unwrap_or(limits.nearest(*pixel));
        }
    }
}

/// Corrections to a bin that has been drawn.
struct Change<'a> {
    pixels: &'a mut [u32],
    limits: LimitsOf<'a>,
}

impl Change<'_> {
    fn correct_zeros(&mut self, totals: &Totals) -> bool {
        let zeros = Totals::of(self.pixels).zeros;
        let mut missing = zeros as i64 - totals.zeros as i64;
        // +1 turns a zero into a one; −1 a one into a zero.
        self.spread(&mut missing, |count, limits, up| match up {
            true => (count == 0 && limits.high > 0).then_some(1),
            false => (count == 1 && limits.low == 0).then_some(0),
        });
        self.spread(&mut missing, |count, limits, up| {
            (!up && count > 0 && limits.low == 0).then_some(0)
        });
        missing == 0
    }

    fn correct_sum(&mut self, totals: &Totals) -> bool {
        let mut missing = totals.sum as i64 - Totals::of(self.pixels).sum as i64;
        for _ in 0..MAX_ROUNDS {
            self.spread(&mut missing, |count, limits, up| match up {
                true => (count > 0 && count < limits.high).then_some(count.wrapping_add(1)),
                false => (count > limits.low.max(1)).then_some(count.wrapping_sub(1)),
            });
            if missing == 0 {
                return true;
            }
            self.shift(&mut missing, totals);
        }
        false
    }

    /// Changes as many pixels up (missing > 0) or down as are missing.
    fn spread(&mut self, missing: &mut i64, change: impl Fn(u32, Limits, bool) -> Option<u32>) {
        let (up, len) = (*missing > 0, self.pixels.len() as u64);
        let wanted = missing.unsigned_abs();
        let mut left = wanted;
        let mut try_at = |at: usize| match self.pixels[at] {
            count if count < EXACT => change(count, self.limits.at(at), up)
                .map(|changed| self.pixels[at] = changed)
                .is_some(),
            _ => false,
        };
        let mut next = 0;
        for number in 0..wanted.min(len) {
            let from = next.max((number * len / wanted) as usize);
            match (from..len as usize).find(|&at| try_at(at)) {
                Some(at) => next = at + 1,
                None => break,
            }
            left -= 1;
        }
        for at in 0..len as usize {
            if left == 0 {
                break;
            }
            left -= u64::from(try_at(at));
        }
        *missing = missing.signum() * left as i64;
    }

    /// Moves all counts above zero by what is missing per pixel, within their limits.
    fn shift(&mut self, missing: &mut i64, totals: &Totals) {
        let step = *missing / (totals.pixels as i64).max(1);
        if step == 0 {
            return;
        }
        let limits = self.limits;
        for (at, count) in drawn(self.pixels).filter(|(_, count)| **count > 0) {
            let limits = limits.at(at);
            if limits.high > 0 {
                let (low, high) = (i64::from(limits.low.max(1)), i64::from(limits.high));
                let moved = (i64::from(*count) + step).clamp(low, high);
                *missing -= moved - i64::from(*count);
                *count = moved as u32;
            }
        }
    }
}

/// Counts of equal mean: zeros spread evenly, the others ⌊m⌋ or ⌊m⌋ + 1 in turn.
struct InTurn {
    totals: Totals,
    zeros_due: u64,
    rest_due: u64,
}

impl InTurn {
    fn new(totals: &Totals) -> Self {
        Self {
            totals: *totals,
            zeros_due: 0,
            rest_due: 0,
        }
    }

    fn next(&mut self) -> u32 {
        let Totals { pixels, sum, zeros } = self.totals;
        self.zeros_due += zeros;
        if self.zeros_due >= pixels {
            self.zeros_due -= pixels;
            return 0;
        }
        let others = pixels.saturating_sub(zeros).max(1);
        self.rest_due += sum % others;
        let more = self.rest_due >= others;
        self.rest_due -= if more { others } else { 0 };
        u32::try_from(sum / others + u64::from(more)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::sigma_clip::{MASKED, random32};

    fn check(draw: Draw, mean: f64, limits: LimitsOf, pixels: usize) {
        let mut table = Table::default();
        table.poisson(mean.min(900.0), limits.hull());
        let count = |at: usize| {
            let number = kernel::alias(&table.cells, table.cells.len() - 1, random32(2, at as u32));
            limits.at(at).nearest(table.first + number)
        };
        let original: Vec<u32> = (0..pixels)
            .map(|at| match at % 9 {
                0 => EXACT | 5,
                1 => MASKED,
                _ => count(at),
            })
            .collect();
        let totals = Totals::of(&original);
        let mut found: Vec<u32> = original.iter().map(|&pixel| pixel & !7 | 1).collect();
        for (found, &original) in found.iter_mut().zip(&original) {
            *found = if original >= EXACT { original } else { 0 };
        }
        let done = Synthesis::new(draw, 3).bin(4, &mut found, limits, &totals);
        assert!(done, "{draw:?} {mean} {pixels}");
        assert_eq!(Totals::of(&found), totals, "{draw:?} {mean} {pixels}");
        for (at, (&found, &original)) in found.iter().zip(&original).enumerate() {
            match original < EXACT {
                true => assert!(limits.at(at).contains(found)),
                false => assert_eq!(found, original),
            }
        }
    }

    #[test]
    fn totals_and_limits_are_met_exactly() {
        for draw in [Draw::Poisson, Draw::Normal, Draw::Mean] {
            for mean in [0.2, 2.0, 40.0, 800.0, 20_000.0] {
                let high = (f64::min(mean, 900.0) + 3.0 * mean.sqrt() + 1.0) as u32;
                let all = Limits { low: 0, high };
                for pixels in [1, 2, 3, 30, 500, 5000] {
                    check(draw, mean, LimitsOf::All(all), pixels);
                    let each: Vec<Limits> = (0..pixels as u32)
                        .map(|at| Limits {
                            low: at % 2,
                            high: high + at % 3,
                        })
                        .collect();
                    check(draw, mean, LimitsOf::Each(&each), pixels);
                }
            }
        }
    }

    #[test]
    fn totals_that_cannot_be_met_are_noticed() {
        let limits = LimitsOf::All(Limits { low: 0, high: 3 });
        let totals = |sum, zeros| Totals {
            pixels: 100,
            sum,
            zeros,
        };
        let mut synthesis = Synthesis::new(Draw::Poisson, 0);
        let mut met = |totals| synthesis.bin(0, &mut vec![0; 100], limits, &totals);
        assert!(met(totals(300, 0)));
        assert!(!met(totals(301, 0)));
        assert!(met(totals(60, 40)));
        assert!(!met(totals(59, 40)));
        assert!(!met(totals(u64::MAX / 2, 0)));
    }
}
