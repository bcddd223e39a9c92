//! Alias tables (Walker 1977) that `sigma-clip` draws counts from.
//!
//! A table has m cells of equal probability. Cell i gives its own number, or, where the second half of the random number
//! is not below its threshold, the number of another cell: one comparison, no search. A cell is a u64: threshold in the
//! lower half, other number in the upper.
//!
//! Poisson probabilities are computed relative to that of the mode, from there downwards and upwards until they are below
//! 2⁻⁴⁰ or the limits are reached, and divided by their sum: no exponential is needed. The normal distribution is one
//! table for all: cells of 1/64 std, each with the density of its middle.
//!
//! All arithmetic is on integers or by +, −, ×, / and comparisons of f64, which IEEE 754 defines to the bit.

use std::sync::LazyLock;

use super::sigma_clip_background::Limits;

const WHOLE: f64 = (1u64 << 32) as f64;
const LEAST: f64 = 1.0 / (1u64 << 40) as f64;

/// Cells of the normal distribution, and their width in std.
pub(super) const NORMAL_WIDTH: f64 = 1.0 / 64.0;
const NORMAL_CELLS: usize = 768;

pub(super) static NORMAL: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut table = Table::default();
    // From the middle outwards every weight is the one before times e^(−h² j), j = 1, 2, …; e^(−h²) by its series.
    let y = NORMAL_WIDTH * NORMAL_WIDTH;
    let step = 1.0 - y * (1.0 - y / 2.0 * (1.0 - y / 3.0 * (1.0 - y / 4.0)));
    let (mut weight, mut ratio) = (1.0, 1.0);
    table.weights = vec![0.0; NORMAL_CELLS];
    for cell in NORMAL_CELLS / 2..NORMAL_CELLS {
        table.weights[cell] = weight;
        table.weights[NORMAL_CELLS - 1 - cell] = weight;
        ratio *= step;
        weight *= ratio;
    }
    table.deal_out();
    table.cells
});

/// An alias table, and memory to make it.
#[derive(Default)]
pub(super) struct Table {
    /// Number that cell 0 stands for.
    pub first: u32,
    pub cells: Vec<u64>,
    weights: Vec<f64>,
    parts: Vec<u64>,
    large: Vec<u32>,
    small: Vec<u32>,
}

impl Table {
    /// Poisson counts of a mean, within limits.
    pub(super) fn poisson(&mut self, mean: f64, limits: Limits) {
        self.weigh(mean, limits);
        self.deal_out();
    }

    fn weigh(&mut self, mean: f64, limits: Limits) {
        let (low, high) = (f64::from(limits.low), f64::from(limits.high));
        let mode = mean.floor().max(low).min(high);
        self.weights.clear();
        let (mut weight, mut count) = (1.0, mode);
        while count > low && weight > LEAST {
            weight = weight * count / mean;
            count -= 1.0;
            self.weights.push(weight);
        }
        self.weights.reverse();
        self.first = count as u32;
        self.weights.push(1.0);
        (weight, count) = (1.0, mode);
        while count < high && weight > LEAST {
            count += 1.0;
            weight = weight * mean / count;
            self.weights.push(weight);
        }
    }

    /// Variance of Poisson counts of a mean, within limits, around their own mean.
    pub(super) fn poisson_variance(&mut self, mean: f64, limits: Limits) -> f64 {
        self.weigh(mean, limits);
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for (i, &weight) in self.weights.iter().enumerate() {
            let difference = f64::from(self.first) + i as f64 - mean;
            sum += weight;
            first += weight * difference;
            second += weight * difference * difference;
        }
        second / sum - first / sum * (first / sum)
    }

    /// Makes cells of the weights. What rounding down leaves goes to the greatest.
    fn deal_out(&mut self) {
        let cells = self.weights.len() as u64;
        let (mut total, mut greatest) = (0.0, 0);
        for (number, &weight) in self.weights.iter().enumerate() {
            total += weight;
            if weight > self.weights[greatest] {
                greatest = number;
            }
        }
        self.parts.clear();
        let scale = WHOLE / total;
        let shares = self.weights.iter().map(|weight| (weight * scale) as u64);
        self.parts.extend(shares);
        let given: u64 = self.parts.iter().sum();
        self.parts[greatest] += (1u64 << 32).saturating_sub(given);
        // A cell holds 2³² parts; shares times m cells are dealt out so that no cell holds more than two numbers.
        self.large.clear();
        self.small.clear();
        self.cells.clear();
        for (number, part) in self.parts.iter_mut().enumerate() {
            *part *= cells;
            let number = number as u32;
            match *part >> 32 {
                0 => self.small.push(number),
                _ => self.large.push(number),
            }
            self.cells.push(cell(u32::MAX, number));
        }
        while let (Some(number), Some(&donor)) = (self.small.pop(), self.large.last()) {
            let own = self.parts[number as usize];
            self.cells[number as usize] = cell(own as u32, donor);
            let left = &mut self.parts[donor as usize];
            *left -= (1 << 32) - own;
            if *left >> 32 == 0 {
                self.large.pop();
                self.small.push(donor);
            }
        }
    }
}

fn cell(threshold: u32, other: u32) -> u64 {
    u64::from(other) << 32 | u64::from(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::sigma_clip::{MAX_COUNT, alias, normal, random32};

    const ALL: Limits = Limits {
        low: 0,
        high: MAX_COUNT,
    };

    fn moments(n: u32, mean: f64, draw: impl Fn(u32) -> u32) -> (f64, f64) {
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..n {
            let difference = f64::from(draw(i)) - mean;
            sum += difference;
            squares += difference * difference;
        }
        (sum / f64::from(n), squares / f64::from(n))
    }

    #[test]
    fn drawn_counts_have_the_mean_and_variance_of_poisson_counts() {
        let mut table = Table::default();
        let n = 200_000;
        for mean in [0.05, 0.7, 3.0, 25.0, 900.0] {
            table.poisson(mean, ALL);
            let last = table.cells.len() - 1;
            let draw = |i| table.first + alias(&table.cells, last, random32(1, i));
            let (bias, variance) = moments(n, mean, draw);
            assert!(bias.abs() < 5.0 * (mean / f64::from(n)).sqrt(), "{mean}");
            let tolerance = 5.0 * ((2.0 * mean * mean + mean) / f64::from(n)).sqrt();
            assert!((variance - mean).abs() < tolerance, "{mean} {variance}");
            assert!((table.poisson_variance(mean, ALL) / mean - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn limits_cut_the_tails_and_what_they_do_to_the_variance_is_known() {
        let mut table = Table::default();
        for (mean, low, high) in [
            (8.0, 0, 16),
            (8.0, 4, 12),
            (0.5, 0, 1),
            (3.0, 9, 12),
            (7.0, 0, 2),
        ] {
            let limits = Limits { low, high };
            table.poisson(mean, limits);
            let last = table.cells.len() - 1;
            let draw = |i| table.first + alias(&table.cells, last, random32(4, i));
            assert!((0..1000).all(|i| limits.contains(draw(i))));
            let n = 200_000;
            let (bias, variance) = moments(n, mean, draw);
            let expected = table.poisson_variance(mean, limits);
            let tolerance = 5.0 * ((2.0 * expected * expected + expected) / f64::from(n)).sqrt();
            assert!(
                (variance - bias * bias - expected).abs() < tolerance,
                "{mean}"
            );
        }
    }

    #[test]
    fn normal_counts_have_their_mean_and_std() {
        let n = 200_000;
        for (mean, std) in [(50.0, 7.0), (1e6, 1000.0)] {
            let draw = |i| normal(&NORMAL, NORMAL_WIDTH, [mean, std], 99, i);
            let (bias, variance) = moments(n, mean, draw);
            assert!(
                bias.abs() < 5.0 * std / f64::from(n).sqrt(),
                "{mean} {bias}"
            );
            let tolerance = 5.0 * std * std * (2.0 / f64::from(n)).sqrt();
            assert!((variance - std * std - 1.0 / 12.0).abs() < tolerance);
        }
    }
}
