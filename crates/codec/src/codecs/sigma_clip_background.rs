//! Background of a frame by sigma clipping, and the limits it sets on every pixel.
//!
//! A frame is cut into bins: square tiles, rings around the beam centre, or all pixels. In every bin, with the variance
//! of counts v(s) = max(1, s) (pyFAI's `error_model="poisson"`, no pixel splitting, no corrections):
//!
//! ```text
//! repeat at most `cycles` times, while pixels are discarded:
//!     mean = Σ s / N;  std = √(Σ max(1, s) / N)                              over the N pixels that are left
//!     discard pixels with |s − mean| > K std,   K = max(clip, √(2 ln(max(3, N) / √(2π))))
//! mean, std once more over the pixels that are left
//! ```
//!
//! Before the first cycle a bin is freed of hot pixels: while its greatest count moves the mean by more than std, pixels
//! of that count are discarded. Otherwise one pixel of 10⁵ counts would make clipping discard all other pixels of its
//! bin, as it does in pyFAI; where no pixel is that hot the sets are pyFAI's. Bins of so few pixels that an ordinary
//! count could do the same are left alone.
//!
//! Counts are whole, so the pixels that are left are those in a window `low..=high`, the intersection of one window per
//! cycle, and mean and std follow from three whole numbers: N, Σ s and the number of zeros. Whatever keeps these three
//! and stays inside the window is clipped the same way again. Idempotence of the codec rests on that.
//!
//! A pixel may differ from its background by max(noise, kappa · hypot(std, noise)). Mean and std are those of the tile,
//! or interpolated linearly between the middles of rings.

/// A pixel that is no count or is masked.
pub(super) const MASKED: u32 = u32::MAX;
/// Counts beyond this are treated as masked.
pub(super) const MAX_COUNT: u32 = i32::MAX as u32;

/// Which pixels belong together.
pub(super) struct Geometry {
    pub rows: usize,
    pub columns: usize,
    /// Bin of every pixel.
    pub bin_of: Vec<u32>,
    /// Number of bins.
    pub bins: usize,
    /// Rings only: radius of every pixel in units of the width of a ring.
    radius: Vec<f32>,
}

impl Geometry {
    /// Tiles of `tile` × `tile` pixels, row by row.
    pub(super) fn tiles(rows: usize, columns: usize, tile: usize) -> Self {
        let across = columns.div_ceil(tile);
        let bin_of = (0..rows)
            .flat_map(|row| {
                (0..columns).map(move |column| (row / tile * across + column / tile) as u32)
            })
            .collect();
        Self {
            rows,
            columns,
            bin_of,
            bins: rows.div_ceil(tile) * across,
            radius: Vec::new(),
        }
    }

    /// `bins` rings of equal width around (cx, cy), from 0 to the centre of the farthest pixel. The first pixel spans 0
    /// to 1 in both directions, its centre is at 0.5.
    pub(super) fn rings(rows: usize, columns: usize, cx: f64, cy: f64, bins: usize) -> Self {
        let distance = |row: usize, column: usize| {
            let (x, y) = (column as f64 + 0.5 - cx, row as f64 + 0.5 - cy);
            (x * x + y * y).sqrt()
        };
        let (last_row, last_column) = (rows.saturating_sub(1), columns.saturating_sub(1));
        let farthest = [
            (0, 0),
            (0, last_column),
            (last_row, 0),
            (last_row, last_column),
        ]
        .into_iter()
        .map(|(row, column)| distance(row, column))
        .fold(0.0, f64::max);
        let width = (farthest / bins as f64).max(f64::MIN_POSITIVE);
        let mut geometry = Self {
            rows,
            columns,
            bin_of: Vec::with_capacity(rows * columns),
            bins,
            radius: Vec::with_capacity(rows * columns),
        };
        for row in 0..rows {
            for column in 0..columns {
                let radius = distance(row, column) / width;
                geometry.bin_of.push((radius as u32).min(bins as u32 - 1));
                geometry.radius.push(radius as f32);
            }
        }
        geometry
    }

    pub(super) fn is_rings(&self) -> bool {
        !self.radius.is_empty()
    }
}

/// The pixels of a bin that survive clipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Survivors {
    pub count: u64,
    pub sum: u64,
    pub zeros: u64,
    /// Least and greatest count that survives.
    pub low: u32,
    pub high: u32,
}

impl Survivors {
    const NONE: Self = Self {
        count: 0,
        sum: 0,
        zeros: 0,
        low: 0,
        high: MAX_COUNT,
    };

    #[inline(always)]
    pub(super) fn add(&mut self, count: u32) {
        self.count += 1;
        self.sum += u64::from(count);
        self.zeros += u64::from(count == 0);
    }

    fn remove(&mut self, count: u32) {
        self.count -= 1;
        self.sum -= u64::from(count);
        self.zeros -= u64::from(count == 0);
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    fn std(&self) -> f64 {
        ((self.sum + self.zeros) as f64 / self.count as f64).sqrt()
    }

    /// How many std clipping allows.
    fn cutoff(&self, clip: f64) -> f64 {
        let left = self.count.max(3) as f64;
        clip.max((2.0 * (left / (2.0 * std::f64::consts::PI).sqrt()).ln()).sqrt())
    }

    /// Whether no pixel inside the cutoff can move the mean by std: n − 1 is above the cutoff.
    fn has_many(&self, clip: f64) -> bool {
        self.count > 1 && (self.count - 1) as f64 > self.cutoff(clip)
    }

    /// Narrows the window to what one cycle keeps; whether it became narrower.
    fn narrow(&mut self, clip: f64) -> bool {
        let (mean, cut) = (self.mean(), self.cutoff(clip) * self.std());
        let kept = |count: f64| (count - mean).abs() <= cut;
        // Rounding of mean ± cut may be off by one ulp; the comparison itself decides.
        let mut high = (mean + cut).floor() + 1.0;
        while high > mean && !kept(high) {
            high -= 1.0;
        }
        let mut low = (mean - cut).ceil() - 1.0;
        while low < mean && !kept(low) {
            low += 1.0;
        }
        let before = (self.low, self.high);
        self.low = self.low.max(low.max(0.0) as u32);
        self.high = self.high.min(high.clamp(0.0, f64::from(MAX_COUNT)) as u32);
        (self.low, self.high) != before
    }
}

/// Clips a frame; the survivors of every bin. The codec always asks for `hot` pixels to be discarded first.
pub(super) fn clip(
    counts: &[u32],
    bin_of: &[u32],
    bins: usize,
    clip: f64,
    cycles: usize,
    hot: bool,
) -> Vec<Survivors> {
    let mut survivors = vec![Survivors::NONE; bins];
    for (&count, &bin) in counts.iter().zip(bin_of) {
        if count != MASKED {
            survivors[bin as usize].add(count);
        }
    }
    if hot {
        discard_hot(counts, bin_of, &mut survivors, clip);
    }
    // Pixels outside the window of the first cycle are few; later cycles only move the window a little.
    for _ in 0..cycles {
        let before = windows(&survivors);
        let mut narrower = false;
        for bin in survivors.iter_mut().filter(|bin| bin.count > 0) {
            narrower |= bin.narrow(clip);
        }
        if !narrower {
            break;
        }
        discard(counts, bin_of, &mut survivors, &before);
    }
    survivors
}

/// Discards the greatest counts of bins as long as they move the mean by more than std.
fn discard_hot(counts: &[u32], bin_of: &[u32], survivors: &mut [Survivors], clip: f64) {
    let mut open: Vec<bool> = survivors.iter().map(|bin| bin.has_many(clip)).collect();
    loop {
        let mut greatest = vec![0; survivors.len()];
        for (&count, &bin) in counts.iter().zip(bin_of) {
            let bin = bin as usize;
            if count <= survivors[bin].high {
                greatest[bin] = greatest[bin].max(count);
            }
        }
        let before = windows(survivors);
        for ((bin, &greatest), open) in survivors.iter_mut().zip(&greatest).zip(&mut open) {
            *open &= bin.has_many(clip)
                && f64::from(greatest) - bin.mean() > bin.std() * (bin.count - 1) as f64;
            if *open {
                bin.high = greatest - 1;
            }
        }
        if !open.contains(&true) {
            return;
        }
        discard(counts, bin_of, survivors, &before);
    }
}

fn windows(survivors: &[Survivors]) -> Vec<(u32, u32)> {
    survivors.iter().map(|bin| (bin.low, bin.high)).collect()
}

/// Takes pixels that were inside the windows `before` and are outside those of now out of the sums.
fn discard(counts: &[u32], bin_of: &[u32], survivors: &mut [Survivors], before: &[(u32, u32)]) {
    for (&count, &bin) in counts.iter().zip(bin_of) {
        let bin = bin as usize;
        let outside = count > survivors[bin].high || count < survivors[bin].low;
        if outside && count != MASKED && (before[bin].0..=before[bin].1).contains(&count) {
            survivors[bin].remove(count);
        }
    }
}

/// Mean and std of every bin; those of the nearest bin before (or else after) where a bin has no pixels left.
pub(super) struct Background {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Background {
    pub(super) fn new(survivors: &[Survivors]) -> Self {
        let first = survivors.iter().find(|bin| bin.count > 0);
        let (mut mean, mut std) = first.map_or((0.0, 0.0), |bin| (bin.mean(), bin.std()));
        let mut background = Self {
            mean: Vec::with_capacity(survivors.len()),
            std: Vec::with_capacity(survivors.len()),
        };
        for bin in survivors {
            if bin.count > 0 {
                (mean, std) = (bin.mean(), bin.std());
            }
            background.mean.push(mean);
            background.std.push(std);
        }
        background
    }

    /// Mean and std at a pixel.
    pub(super) fn at(&self, geometry: &Geometry, pixel: usize) -> (f64, f64) {
        let Some(&radius) = geometry.radius.get(pixel) else {
            let bin = geometry.bin_of[pixel] as usize;
            return (self.mean[bin], self.std[bin]);
        };
        let position = (f64::from(radius) - 0.5).clamp(0.0, (self.mean.len() - 1) as f64);
        let (bin, part) = (position as usize, position - position.floor());
        let next = (bin + 1).min(self.mean.len() - 1);
        let between = |values: &[f64]| values[bin] + part * (values[next] - values[bin]);
        (between(&self.mean), between(&self.std))
    }
}

/// How far a pixel may be from its background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub kappa: f64,
    pub noise: f64,
    /// Whether counts below the background are outliers too.
    pub both_sides: bool,
    /// Greatest count that the element type holds.
    pub most: u32,
}

/// Least and greatest count of a pixel that is no outlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub low: u32,
    pub high: u32,
}

impl Limits {
    /// Marks a pixel whose count is given.
    pub(super) const EXACT: Self = Self { low: 1, high: 0 };

    pub(super) fn is_exact(self) -> bool {
        self.low > self.high
    }

    pub(super) fn contains(self, count: u32) -> bool {
        self.low <= count && count <= self.high
    }
}

impl Rule {
    /// The rule for an element type.
    pub(super) fn for_counts_up_to(self, most: i64) -> Self {
        Self {
            most: most.min(i64::from(MAX_COUNT)) as u32,
            ..self
        }
    }

    fn limits_for(&self, (mean, std): (f64, f64)) -> Limits {
        let far = self.kappa * (std * std + self.noise * self.noise).sqrt();
        let far = far.max(self.noise);
        let count = |value: f64| value.clamp(0.0, f64::from(self.most)) as u32;
        Limits {
            low: if self.both_sides {
                count((mean - far).ceil())
            } else {
                0
            },
            high: count((mean + far).floor()),
        }
    }

    /// The limits of every pixel.
    pub(super) fn limits(&self, geometry: &Geometry, background: &Background) -> Vec<Limits> {
        if geometry.is_rings() {
            return (0..geometry.bin_of.len())
                .map(|pixel| self.limits_for(background.at(geometry, pixel)))
                .collect();
        }
        let of_bin: Vec<Limits> = std::iter::zip(&background.mean, &background.std)
            .map(|(&mean, &std)| self.limits_for((mean, std)))
            .collect();
        geometry
            .bin_of
            .iter()
            .map(|&bin| of_bin[bin as usize])
            .collect()
    }
}

/// Which pixels clipping discards: for comparison with other programs. `bins` gives the bin of every pixel; a pixel of
/// `u32::MAX` is masked and counts as discarded. The codec discards `hot` pixels first, other programs do not.
pub fn clipped_mask(
    counts: &[u32],
    bins: &[u32],
    cutoff: f64,
    cycles: usize,
    hot: bool,
) -> Vec<bool> {
    let number = bins.iter().max().map_or(0, |&bin| bin as usize + 1);
    let survivors = clip(counts, bins, number, cutoff, cycles, hot);
    std::iter::zip(counts, bins)
        .map(|(&count, &bin)| {
            let bin = survivors[bin as usize];
            !(bin.low..=bin.high).contains(&count)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_and_a_dead_pixel_are_clipped() {
        let mut counts: Vec<u32> = (0..400).map(|i| 95 + i * 7 % 11).collect();
        counts[7] = 1000;
        counts[90] = 0;
        counts[91] = MASKED;
        let clipped = clipped_mask(&counts, &[0; 400], 0.0, 5, true);
        let found: Vec<usize> = (0..400).filter(|&i| clipped[i]).collect();
        assert_eq!(found, [7, 90, 91]);
    }

    #[test]
    fn limits_follow_the_rule_and_rings_are_interpolated() {
        let rule = Rule {
            kappa: 3.0,
            noise: 1.0,
            both_sides: true,
            most: MAX_COUNT,
        };
        let far = 3.0 * (100.0f64 + 1.0).sqrt();
        let expected = Limits {
            low: (100.0 - far).ceil() as u32,
            high: (100.0 + far).floor() as u32,
        };
        assert_eq!(rule.limits_for((100.0, 10.0)), expected);
        let geometry = Geometry::rings(1, 4, 0.0, 0.5, 2);
        // Centres 0.5, 1.5, 2.5, 3.5; rings of 1.75.
        assert_eq!(geometry.bin_of, [0, 0, 1, 1]);
        let survivors = [
            Survivors {
                count: 1,
                sum: 10,
                ..Survivors::NONE
            },
            Survivors {
                count: 1,
                sum: 20,
                ..Survivors::NONE
            },
        ];
        let background = Background::new(&survivors);
        let means: Vec<f64> = (0..4)
            .map(|pixel| background.at(&geometry, pixel).0)
            .collect();
        assert_eq!(means[0], 10.0);
        assert!((means[1] - (10.0 + 10.0 * (1.5 / 1.75 - 0.5))).abs() < 1e-5);
        assert_eq!(means[3], 20.0);
    }
}
