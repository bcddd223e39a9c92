//! Background drawn from a model, with the totals of the original: for every bin the number of pixels n, the sum of
//! their counts and the number of zeros among them are given and come out exactly.
//!
//! Per pixel a count is drawn: from the Poisson distribution of the bin's mean λ = sum / n by an alias table,
//! from the normal distribution with λ and the bin's std as a sum of twelve uniform numbers, or λ rounded down or up
//! in turn (`mean`). A draw outside the pixel's limits is repeated, three times at most, and then clamped. Above
//! λ = 1000, and above 16 in bins of fewer than 256 pixels, the normal distribution stands in for Poisson's, so that
//! tables take little memory. Afterwards, for every bin:
//!
//! 1. zeros become ones, or ones zeros (then any count a zero), until the number of zeros is right;
//! 2. counts above zero go up or down by one, within their limits, until the sum is right. Rounds of this change
//!    pixels at equal distances among those that can be changed, each by one at most; where a round is not enough,
//!    all pixels of the bin are moved by the whole number that each of its n pixels lacks on average, and so on.
//!
//! Random number i of a bin comes from the stream of (seed, bin, sum, zeros), i = pixel + repetition · pixels; so equal
//! contents give equal background, wherever a frame stands and whatever happened to other bins.
//!
//! All arithmetic is on integers or by +, −, ×, /, √ and comparisons of f64, which IEEE 754 defines to the bit.

use super::sigma_clip_background::{Geometry, Limits};
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
const REPETITIONS: u64 = 4;
/// Rounds until the sums are right; one or two in practice.
const MAX_ROUNDS: usize = 64;

/// Draws all pixels whose limits are not [`Limits::EXACT`]; false where the totals cannot be met.
pub(super) fn synthesise(
    counts: &mut [u32],
    limits: &[Limits],
    geometry: &Geometry,
    totals: &[Totals],
    draw: Draw,
    seed: u64,
) -> bool {
    let mut models: Vec<Model> = totals
        .iter()
        .enumerate()
        .map(|(bin, totals)| Model::new(draw, seed, bin, totals))
        .collect();
    let mut zeros = vec![0i64; totals.len()];
    let mut start = 0;
    for run in geometry.bin_of.chunk_by(|a, b| a == b) {
        let bin = run[0] as usize;
        let pixels = start..start + run.len();
        let drawn = std::iter::zip(&mut counts[pixels.clone()], &limits[pixels]);
        for (pixel, (count, &limits)) in drawn.enumerate().filter(|(_, (_, l))| !l.is_exact()) {
            *count = models[bin].draw(start + pixel, geometry.bin_of.len() as u64, limits);
            zeros[bin] += i64::from(*count == 0);
        }
        start += run.len();
    }
    let mut missing: Vec<i64> = totals
        .iter()
        .zip(&zeros)
        .map(|(totals, zeros)| zeros - totals.zeros as i64)
        .collect();
    // +1 turns a zero into a one; −1 a one into a zero.
    let mut change = Change {
        counts,
        limits,
        bin_of: &geometry.bin_of,
    };
    change.spread(&mut missing, |count, limits, up| match up {
        true => (count == 0 && limits.high > 0).then_some(1),
        false => (count == 1 && limits.low == 0).then_some(0),
    });
    change.spread(&mut missing, |count, limits, up| {
        (!up && count > 0 && limits.low == 0).then_some(0)
    });
    if missing.iter().any(|&missing| missing != 0) {
        return false;
    }
    let mut missing = change.missing_sums(totals);
    for _ in 0..MAX_ROUNDS {
        change.spread(&mut missing, |count, limits, up| match up {
            true => (count > 0 && count < limits.high).then_some(count.wrapping_add(1)),
            false => (count > limits.low.max(1)).then_some(count.wrapping_sub(1)),
        });
        if missing.iter().all(|&missing| missing == 0) {
            return true;
        }
        change.shift(&mut missing, totals);
    }
    false
}

/// Corrections to a frame that has been drawn.
struct Change<'a> {
    counts: &'a mut [u32],
    limits: &'a [Limits],
    bin_of: &'a [u32],
}

impl Change<'_> {
    /// What the sum of every bin lacks.
    fn missing_sums(&self, totals: &[Totals]) -> Vec<i64> {
        let mut missing: Vec<i64> = totals.iter().map(|totals| totals.sum as i64).collect();
        for (pixel, &count) in self.counts.iter().enumerate() {
            if !self.limits[pixel].is_exact() {
                missing[self.bin_of[pixel] as usize] -= i64::from(count);
            }
        }
        missing
    }

    /// Moves pixels that `change` can move up (true) or down, as many as are missing, at equal distances among them.
    fn spread(&mut self, missing: &mut [i64], change: impl Fn(u32, Limits, bool) -> Option<u32>) {
        if missing.iter().all(|&missing| missing == 0) {
            return;
        }
        let changed = |(&count, &limits): (&u32, &Limits), up: bool| match limits.is_exact() {
            true => None,
            false => change(count, limits, up),
        };
        let mut able = vec![0u64; missing.len()];
        let mut end = 0;
        for run in self.bin_of.chunk_by(|a, b| a == b) {
            let (bin, start) = (run[0] as usize, end);
            end += run.len();
            if missing[bin] != 0 {
                let pixels = std::iter::zip(&self.counts[start..end], &self.limits[start..end]);
                let up = missing[bin] > 0;
                able[bin] += pixels
                    .map(|pixel| u64::from(changed(pixel, up).is_some()))
                    .sum::<u64>();
            }
        }
        let up: Vec<bool> = missing.iter().map(|&missing| missing > 0).collect();
        let wanted: Vec<u64> = missing
            .iter()
            .zip(&able)
            .map(|(missing, &able)| missing.unsigned_abs().min(able))
            .collect();
        for (missing, &wanted) in missing.iter_mut().zip(&wanted) {
            *missing -= missing.signum() * wanted as i64;
        }
        let mut due = vec![0u64; missing.len()];
        end = 0;
        for run in self.bin_of.chunk_by(|a, b| a == b) {
            let (bin, start) = (run[0] as usize, end);
            end += run.len();
            if wanted[bin] == 0 {
                continue;
            }
            let pixels = std::iter::zip(&mut self.counts[start..end], &self.limits[start..end]);
            for (count, limits) in pixels {
                if let Some(new) = changed((count, limits), up[bin]) {
                    due[bin] += wanted[bin];
                    if due[bin] >= able[bin] {
                        due[bin] -= able[bin];
                        *count = new;
                    }
                }
            }
        }
    }
}

impl Change<'_> {
    /// Moves all counts above zero of a bin by what is missing per pixel, within their limits.
    fn shift(&mut self, missing: &mut [i64], totals: &[Totals]) {
        let steps: Vec<i64> = missing
            .iter()
            .zip(totals)
            .map(|(missing, totals)| missing / (totals.pixels as i64).max(1))
            .collect();
        for (pixel, count) in self.counts.iter_mut().enumerate() {
            let (bin, limits) = (self.bin_of[pixel] as usize, self.limits[pixel]);
            if steps[bin] != 0 && !limits.is_exact() && *count > 0 && limits.high > 0 {
                let (low, high) = (i64::from(limits.low.max(1)), i64::from(limits.high));
                let moved = (i64::from(*count) + steps[bin]).clamp(low, high);
                missing[bin] -= moved - i64::from(*count);
                *count = moved as u32;
            }
        }
    }
}

/// What the pixels of one bin are drawn from.
struct Model {
    random: Random,
    kind: Kind,
}

enum Kind {
    Table(Table),
    Normal { mean: f64, std: f64 },
    Mean(InTurn),
}

impl Model {
    fn new(draw: Draw, seed: u64, bin: usize, totals: &Totals) -> Self {
        let random = Random::new(seed)
            .part(bin as u64)
            .part(totals.sum)
            .part(totals.zeros);
        let mean = totals.sum as f64 / totals.pixels.max(1) as f64;
        let kind = match draw {
            Draw::Mean => Kind::Mean(InTurn::new(totals)),
            Draw::Poisson
                if mean <= MAX_POISSON_OF_FEW || (mean <= MAX_POISSON && totals.pixels >= FEW) =>
            {
                Kind::Table(Table::new(mean))
            }
            Draw::Poisson | Draw::Normal => Kind::Normal {
                mean,
                std: ((totals.sum + totals.zeros) as f64 / totals.pixels.max(1) as f64).sqrt(),
            },
        };
        Self { random, kind }
    }

    #[inline(always)]
    fn draw(&mut self, pixel: usize, pixels: u64, limits: Limits) -> u32 {
        let mut count = 0;
        for repetition in 0..REPETITIONS {
            let number = pixel as u64 + repetition * pixels;
            count = match &mut self.kind {
                Kind::Table(table) => table.count(self.random.bits(number)),
                Kind::Normal { mean, std } => {
                    let value = *mean + *std * normal(self.random, number) + 0.5;
                    value.clamp(0.0, f64::from(u32::MAX)) as u32
                }
                Kind::Mean(turn) => turn.next(),
            };
            if limits.contains(count) || matches!(self.kind, Kind::Mean(_)) {
                break;
            }
        }
        count.clamp(limits.low, limits.high)
    }
}

/// A number of mean 0 and variance 1, nearly normal: the sum of twelve uniform numbers of 16 bits, less its mean.
fn normal(random: Random, number: u64) -> f64 {
    let mut sum = 0;
    for part in 0..3 {
        let bits = random.part(part).bits(number);
        sum += (0..4)
            .map(|i| i64::from((bits >> (16 * i)) as u16))
            .sum::<i64>();
    }
    (sum - 6 * 65_535) as f64 / 65_536.0
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

/// Poisson counts from an alias table (Walker 1977): cell i is hit with probability 1/m and gives count first + i, or,
/// where the second half of the random number is not below its threshold, another count. One comparison, no search.
struct Table {
    first: u32,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy)]
struct Cell {
    threshold: u32,
    other: u32,
}

impl Table {
    fn new(mean: f64) -> Self {
        let (first, shares) = poisson_shares(mean);
        let cells = shares.len() as u64;
        // A cell holds 2³² parts; shares times m cells are dealt out so that no cell holds more than two counts.
        let mut parts: Vec<u64> = shares.iter().map(|share| share * cells).collect();
        let full = |cell: &usize, parts: &[u64]| parts[*cell] >= 1 << 32;
        let (mut large, mut small): (Vec<usize>, Vec<usize>) =
            (0..parts.len()).partition(|cell| full(cell, &parts));
        let mut table = vec![
            Cell {
                threshold: u32::MAX,
                other: 0
            };
            parts.len()
        ];
        for (number, cell) in table.iter_mut().enumerate() {
            cell.other = number as u32;
        }
        while let (Some(cell), Some(&donor)) = (small.pop(), large.last()) {
            table[cell] = Cell {
                threshold: parts[cell] as u32,
                other: donor as u32,
            };
            parts[donor] -= (1 << 32) - parts[cell];
            if !full(&donor, &parts) {
                large.pop();
                small.push(donor);
            }
        }
        Self {
            first,
            cells: table,
        }
    }

    #[inline(always)]
    fn count(&self, random: u64) -> u32 {
        let number = (((random >> 32) * self.cells.len() as u64) >> 32) as u32;
        let cell = self.cells[number as usize];
        let own = (random as u32) < cell.threshold;
        self.first + if own { number } else { cell.other }
    }
}

/// Poisson probabilities as parts of 2³², and the first count. They are computed relative to that of the mode, from
/// there downwards and upwards until they are below 2⁻⁴⁰, and divided by their sum: no exponential is needed. What
/// rounding down leaves goes to the mode.
fn poisson_shares(mean: f64) -> (u32, Vec<u64>) {
    const LEAST: f64 = 1.0 / (1u64 << 40) as f64;
    const WHOLE: f64 = (1u64 << 32) as f64;
    let mode = mean.floor();
    let (mut below, mut above) = (Vec::new(), Vec::new());
    let (mut weight, mut count) = (1.0, mode);
    while count > 0.0 && weight > LEAST {
        weight = weight * count / mean;
        count -= 1.0;
        below.push(weight);
    }
    (weight, count) = (1.0, mode);
    while weight > LEAST {
        count += 1.0;
        weight = weight * mean / count;
        above.push(weight);
    }
    let first = mode as u32 - below.len() as u32;
    let weights = below.iter().rev().chain(&[1.0]).chain(&above);
    let mut total = 0.0;
    for weight in weights.clone() {
        total += weight;
    }
    let mut shares: Vec<u64> = weights
        .map(|weight| (weight / total * WHOLE) as u64)
        .collect();
    let given: u64 = shares.iter().sum();
    shares[below.len()] += (1u64 << 32).saturating_sub(given);
    (first, shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_counts_have_the_mean_and_variance_of_poisson_counts() {
        for mean in [0.05, 0.7, 3.0, 25.0, 900.0, 9999.5] {
            let table = Table::new(mean);
            let random = Random::new(1);
            let n = 200_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for i in 0..n {
                let count = f64::from(table.count(random.bits(i)));
                sum += count - mean;
                squares += (count - mean) * (count - mean);
            }
            let error = (mean / n as f64).sqrt();
            assert!((sum / n as f64).abs() < 5.0 * error, "{mean}");
            let variance = squares / n as f64;
            let tolerance = 5.0 * ((2.0 * mean * mean + mean) / n as f64).sqrt();
            assert!((variance - mean).abs() < tolerance, "{mean} {variance}");
        }
    }

    #[test]
    fn totals_and_limits_are_met_exactly() {
        let geometry = Geometry::tiles(50, 70, 16);
        let random = Random::new(5);
        for draw in [Draw::Poisson, Draw::Normal, Draw::Mean] {
            for mean in [0.2, 2.0, 40.0, 20_000.0] {
                let mut totals = vec![Totals::default(); geometry.bins];
                let table = Table::new(f64::min(mean, 9000.0));
                let high = (mean + 3.0 * mean.sqrt() + 1.0) as u32;
                let limits: Vec<Limits> = (0..3500)
                    .map(|i| {
                        if i % 9 == 0 {
                            Limits::EXACT
                        } else {
                            Limits { low: 0, high }
                        }
                    })
                    .collect();
                for (pixel, limits) in limits.iter().enumerate() {
                    let count = table.count(random.bits(pixel as u64)).min(high);
                    if !limits.is_exact() {
                        let totals = &mut totals[geometry.bin_of[pixel] as usize];
                        totals.pixels += 1;
                        totals.sum += u64::from(count);
                        totals.zeros += u64::from(count == 0);
                    }
                }
                let mut counts = vec![77; 3500];
                assert!(synthesise(
                    &mut counts,
                    &limits,
                    &geometry,
                    &totals,
                    draw,
                    3
                ));
                let mut found = vec![Totals::default(); geometry.bins];
                for (pixel, &count) in counts.iter().enumerate() {
                    if limits[pixel].is_exact() {
                        assert_eq!(count, 77);
                        continue;
                    }
                    assert!(limits[pixel].contains(count));
                    let found = &mut found[geometry.bin_of[pixel] as usize];
                    found.pixels += 1;
                    found.sum += u64::from(count);
                    found.zeros += u64::from(count == 0);
                }
                assert_eq!(found, totals, "{draw:?} {mean}");
            }
        }
    }
}
