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

use super::sigma_clip_geometry::Geometry;
use crate::kernels::levels::Level;
use crate::kernels::sigma_clip::{EXACT, Inside, MASKED, MAX_COUNT, inside};

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
    /// Nothing is clipped yet.
    fn all(found: Inside) -> Self {
        Self {
            count: found.count,
            sum: found.sum,
            zeros: found.zeros,
            low: 0,
            high: MAX_COUNT,
        }
    }

    /// Counts that survive.
    pub(super) fn window(&self) -> Limits {
        Limits {
            low: self.low,
            high: self.high,
        }
    }

    /// Pixels of the bin that are inside the window and marked as exact, to those that are drawn.
    pub(super) fn add_exact(&mut self, pixels: &[u32]) {
        let found = inside(Level::best(), pixels, EXACT, self.low, self.high);
        self.count += found.count;
        self.sum += found.sum;
        self.zeros += found.zeros;
    }

    /// Counts the pixels that are left.
    fn count_again(&mut self, pixels: &[u32]) -> u32 {
        let found = inside(Level::best(), pixels, 0, self.low, self.high);
        (self.count, self.sum, self.zeros) = (found.count, found.sum, found.zeros);
        found.greatest
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

    /// Discards the greatest count as long as it moves the mean by more than std.
    fn discard_hot(&mut self, pixels: &[u32], mut greatest: u32, clip: f64) {
        while self.has_many(clip)
            && f64::from(greatest) - self.mean() > self.std() * (self.count - 1) as f64
        {
            self.high = greatest - 1;
            greatest = self.count_again(pixels);
        }
    }
}

/// Clips the pixels of a bin. The codec always asks for `hot` pixels to be discarded first.
pub(super) fn clip(pixels: &[u32], clip: f64, cycles: usize, hot: bool) -> Survivors {
    let found = inside(Level::best(), pixels, 0, 0, MAX_COUNT);
    let mut survivors = Survivors::all(found);
    if hot {
        survivors.discard_hot(pixels, found.greatest, clip);
    }
    for _ in 0..cycles {
        if survivors.count == 0 || !survivors.narrow(clip) {
            break;
        }
        survivors.count_again(pixels);
    }
    survivors
}

/// Mean and std of every bin; those of the nearest bin before (or else after) where a bin has no pixels left.
pub(super) struct Background {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Background {
    pub(super) fn new<'a>(survivors: impl Iterator<Item = &'a Survivors> + Clone) -> Self {
        let first = survivors.clone().find(|bin| bin.count > 0);
        let (mut mean, mut std) = first.map_or((0.0, 0.0), |bin| (bin.mean(), bin.std()));
        let mut background = Self {
            mean: Vec::new(),
            std: Vec::new(),
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

    /// Mean and std between which half a ring lies (0 the inner half): those of the ring on its inner side first.
    fn ends(&self, bin: usize, half: usize) -> [(f64, f64); 2] {
        let at = |bin: usize| (self.mean[bin], self.std[bin]);
        [
            at((bin + half).saturating_sub(1)),
            at((bin + half).min(self.mean.len() - 1)),
        ]
    }

    /// The mean at every place of a bin.
    pub(super) fn means(&self, geometry: &Geometry, bin: usize, means: &mut [f32]) {
        if !geometry.is_rings() {
            means.fill(self.mean[bin] as f32);
            return;
        }
        let [inner, outer] = geometry.radii(bin);
        let (in_inner, in_outer) = means.split_at_mut(inner.len());
        for (half, (radii, means)) in [(inner, in_inner), (outer, in_outer)]
            .into_iter()
            .enumerate()
        {
            let ends = self.ends(bin, half);
            for (mean, &radius) in means.iter_mut().zip(radii) {
                *mean = between(ends, part(radius, bin, half)).0 as f32;
            }
        }
    }
}

/// How far from the ring on its inner side a pixel is.
#[inline(always)]
fn part(radius: f32, bin: usize, half: usize) -> f64 {
    (f64::from(radius) + 0.5 - (bin + half) as f64).clamp(0.0, 1.0)
}

#[inline(always)]
fn between([inner, outer]: [(f64, f64); 2], part: f64) -> (f64, f64) {
    let at = |inner: f64, outer: f64| inner + part * (outer - inner);
    (at(inner.0, outer.0), at(inner.1, outer.1))
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
    /// No limits.
    pub(super) const ALL: Self = Self {
        low: 0,
        high: MAX_COUNT,
    };

    /// Whether no count is inside.
    pub(super) fn is_empty(self) -> bool {
        self.low > self.high
    }

    #[inline(always)]
    pub(super) fn contains(self, count: u32) -> bool {
        self.low <= count && count <= self.high
    }

    /// The count inside that is nearest; where none is, the greatest.
    #[inline(always)]
    pub(super) fn nearest(self, count: u32) -> u32 {
        count.max(self.low).min(self.high)
    }

    #[inline(always)]
    fn within(self, window: Self) -> Self {
        Self {
            low: self.low.max(window.low),
            high: self.high.min(window.high),
        }
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

    #[inline(always)]
    fn limits_for(&self, (mean, std): (f64, f64)) -> Limits {
        let far = self.far(std);
        Limits {
            low: self.low(mean - far),
            high: self.high(mean + far),
        }
    }

    #[inline(always)]
    fn far(&self, std: f64) -> f64 {
        let far = self.kappa * (std * std + self.noise * self.noise).sqrt();
        far.max(self.noise)
    }

    #[inline(always)]
    fn low(&self, value: f64) -> u32 {
        match self.both_sides {
            true => value.ceil().clamp(0.0, f64::from(self.most)) as u32,
            false => 0,
        }
    }

    #[inline(always)]
    fn high(&self, value: f64) -> u32 {
        value.floor().clamp(0.0, f64::from(self.most)) as u32
    }

    /// The limits of all pixels of half a ring, where they are the same: mean and std are monotonic in between. The
    /// margin is for the rounding of the interpolation.
    fn common_limits(&self, ends: [(f64, f64); 2]) -> Option<Limits> {
        const MARGIN: f64 = 1e-9;
        let [(mean_0, std_0), (mean_1, std_1)] = ends;
        let (least, most) = (mean_0.min(mean_1), mean_0.max(mean_1));
        let (near, far) = (self.far(std_0.min(std_1)), self.far(std_0.max(std_1)));
        let margin = MARGIN * (most + far);
        let high = self.high(least + near - margin);
        let low = self.low(least - far - margin);
        let same = high == self.high(most + far + margin) && low == self.low(most - near + margin);
        same.then_some(Limits { low, high })
    }

    /// The limits of the pixels of a bin inside a window; of every pixel, in `room`, where they differ.
    pub(super) fn limits<'a>(
        &self,
        geometry: &Geometry,
        background: &Background,
        bin: usize,
        window: Limits,
        room: &'a mut Vec<Limits>,
    ) -> LimitsOf<'a> {
        if !geometry.is_rings() {
            let limits = self.limits_for((background.mean[bin], background.std[bin]));
            return LimitsOf::All(limits.within(window));
        }
        let ends = [0, 1].map(|half| background.ends(bin, half));
        let common = ends.map(|ends| self.common_limits(ends).map(|limits| limits.within(window)));
        let radii = geometry.radii(bin);
        if let [Some(inner), Some(outer)] = common
            && (inner == outer || radii.iter().any(|radii| radii.is_empty()))
        {
            return LimitsOf::All(if radii[0].is_empty() { outer } else { inner });
        }
        room.clear();
        for half in 0..2 {
            match common[half] {
                Some(limits) => room.resize(room.len() + radii[half].len(), limits),
                None => room.extend(radii[half].iter().map(|&radius| {
                    let part = part(radius, bin, half);
                    self.limits_for(between(ends[half], part)).within(window)
                })),
            }
        }
        LimitsOf::Each(room)
    }
}

/// The limits of the pixels of a bin.
#[derive(Clone, Copy)]
pub(super) enum LimitsOf<'a> {
    All(Limits),
    Each(&'a [Limits]),
}

impl LimitsOf<'_> {
    /// The limits of pixel `at` of the bin.
    #[inline(always)]
    pub(super) fn at(&self, at: usize) -> Limits {
        match self {
            Self::All(limits) => *limits,
            Self::Each(limits) => limits[at],
        }
    }

    /// Limits that contain those of all pixels.
    pub(super) fn hull(&self) -> Limits {
        match self {
            Self::All(limits) => *limits,
            Self::Each(limits) => limits.iter().fold(
                Limits {
                    low: MASKED,
                    high: 0,
                },
                |hull, limits| Limits {
                    low: hull.low.min(limits.low),
                    high: hull.high.max(limits.high),
                },
            ),
        }
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
    let mut pixels = vec![Vec::new(); number];
    for (&count, &bin) in std::iter::zip(counts, bins) {
        pixels[bin as usize].push(if count > MAX_COUNT { MASKED } else { count });
    }
    let survivors: Vec<Survivors> = pixels
        .iter()
        .map(|pixels| clip(pixels, cutoff, cycles, hot))
        .collect();
    std::iter::zip(counts, bins)
        .map(|(&count, &bin)| {
            let bin = survivors[bin as usize];
            !(bin.low..=bin.high).contains(&count)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sigma_clip_geometry::{Kind, Shape};
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
        let geometry = Geometry::new(Shape {
            rows: 1,
            columns: 4,
            kind: Kind::Rings {
                cx: 0.0,
                cy: 0.5,
                bins: 2,
            },
        });
        // Centres 0.5, 1.5, 2.5, 3.5; rings of 1.75.
        let survivors = [10, 20].map(|sum| Survivors {
            count: 1,
            sum,
            ..Survivors::default()
        });
        let background = Background::new(survivors.iter());
        let mut means = [0.0; 4];
        for bin in 0..2 {
            background.means(&geometry, bin, &mut means[geometry.bin(bin)]);
        }
        assert_eq!(means[0], 10.0);
        assert!((means[1] - (10.0 + 10.0 * (1.5 / 1.75 - 0.5))).abs() < 1e-5);
        assert_eq!(means[3], 20.0);
    }

    #[test]
    fn limits_of_a_ring_are_those_of_its_pixels() {
        let geometry = Geometry::new(Shape {
            rows: 60,
            columns: 60,
            kind: Kind::Rings {
                cx: 20.0,
                cy: 31.5,
                bins: 25,
            },
        });
        let survivors: Vec<Survivors> = (0..25)
            .map(|bin| Survivors {
                count: 100,
                sum: 400 + bin * bin * 31 % 190,
                ..Survivors::default()
            })
            .collect();
        let background = Background::new(survivors.iter());
        let rule = Rule {
            kappa: 3.0,
            noise: 1.0,
            both_sides: true,
            most: MAX_COUNT,
        };
        let window = Limits { low: 0, high: 15 };
        let (mut room, mut common) = (Vec::new(), 0);
        for bin in 0..25 {
            let limits = rule.limits(&geometry, &background, bin, window, &mut room);
            common += u32::from(matches!(limits, LimitsOf::All(_)));
            let mut means = vec![0.0; geometry.bin(bin).len()];
            background.means(&geometry, bin, &mut means);
            for (at, mean) in means.into_iter().map(f64::from).enumerate() {
                // A hundred pixels and no zeros: the variance is the mean.
                let far = 3.0 * (mean + 1.0).sqrt();
                let found = limits.at(at);
                assert!(f64::from(found.high) <= mean + far + 0.01);
                assert!(f64::from(found.high) > (mean + far - 1.01).min(14.0));
                assert!(f64::from(found.low) < (mean - far + 1.01).max(0.5));
                assert!(limits.hull().contains(found.high));
            }
        }
        assert!((1..25).contains(&common), "{common}");
    }
}
