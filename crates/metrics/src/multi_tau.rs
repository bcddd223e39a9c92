//! Intensity correlations over time of one dataset, frame by frame: g₂ with linear or multi-tau lags.
//!
//! Level k holds averages of 2ᵏ frames in a ring of `buffers`, and yields the lags i·2ᵏ: all i < buffers at level 0,
//! i from buffers/2 above, since the shorter ones are those of the level below (Schätzel et al., J. Mod. Opt. 35 (1988)
//! 711; Lumma et al., Rev. Sci. Instrum. 71 (2000) 3274). One level is the plain correlation.
//!
//! With ⟨·⟩ the mean over the pixels of a region and n pairs (t, t+τ):
//! - symmetric: g₂ = n Σₜ⟨I(t) I(t+τ)⟩ / (Σₜ⟨I(t)⟩ · Σₜ⟨I(t+τ)⟩), as scikit-beam's `multi_tau_auto_corr`;
//! - by frame: g₂ = Σₜ⟨I(t) I(t+τ)⟩ / Σₜ⟨I(t)⟩⟨I(t+τ)⟩, as dynamix's `py_dense_correlator`, which takes out
//!   fluctuations of the beam.
//!
//! Memory: levels · buffers · pixels · 8 bytes. A frame with few counts is multiplied at its nonzero pixels only.

use crate::region_pixels::RegionPixels;

/// Sums and ring buffers of a correlation.
#[derive(Debug, Clone)]
pub struct MultiTau {
    buffers: usize,
    /// Where each region begins among the pixels, and where the last one ends.
    bounds: Vec<usize>,
    levels: Vec<Level>,
}

/// g₂ of one region.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct G2 {
    /// Lags in frames, ascending.
    pub lags: Vec<usize>,
    /// Normalised by the means over all pairs.
    pub symmetric: Vec<f64>,
    /// Normalised frame by frame.
    pub by_frame: Vec<f64>,
}

impl G2 {
    /// Drops lags above `longest`.
    pub fn truncate(&mut self, longest: usize) {
        let kept = self.lags.partition_point(|lag| *lag <= longest);
        self.lags.truncate(kept);
        self.symmetric.truncate(kept);
        self.by_frame.truncate(kept);
    }
}

#[derive(Debug, Clone)]
struct Level {
    ring: Vec<Slot>,
    /// Frames put in so far.
    count: usize,
    /// By lag.
    sums: Vec<LagSums>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    pixels: RegionPixels,
    /// False for a frame that is missing, and averages with one.
    good: bool,
}

#[derive(Debug, Clone, Default)]
struct LagSums {
    pairs: usize,
    /// By region.
    regions: Vec<RegionSums>,
}

#[derive(Debug, Clone, Copy, Default)]
struct RegionSums {
    /// Σ⟨I(t) I(t+τ)⟩.
    product: f64,
    /// Σ⟨I(t)⟩.
    past: f64,
    /// Σ⟨I(t+τ)⟩.
    future: f64,
    /// Σ⟨I(t)⟩⟨I(t+τ)⟩.
    product_of_means: f64,
}

impl MultiTau {
    /// Nothing yet. `bounds`: where each region begins among the pixels of a frame, and where the last one ends;
    /// `buffers` ≥ 2 and even where there are several levels.
    pub fn new(bounds: &[usize], levels: usize, buffers: usize) -> Self {
        let regions = bounds.len() - 1;
        let level = Level {
            ring: vec![Slot::default(); buffers],
            count: 0,
            sums: vec![
                LagSums {
                    pairs: 0,
                    regions: vec![RegionSums::default(); regions],
                };
                buffers
            ],
        };
        Self {
            buffers,
            bounds: bounds.to_vec(),
            levels: vec![level; levels],
        }
    }

    /// The next frame: `fill` writes its pixels. A frame that is not `good` takes its place in time, and no part in sums.
    pub fn put(&mut self, good: bool, fill: impl FnOnce(&mut Vec<f64>)) {
        let slot = self.levels[0].next_slot(self.buffers);
        slot.good = good;
        if good {
            slot.pixels.values.clear();
            fill(&mut slot.pixels.values);
        }
        self.correlate(0);
        let mut level = 1;
        // Two frames of a level make one of the next.
        while level < self.levels.len() && self.levels[level - 1].count.is_multiple_of(2) {
            let (below, above) = self.levels.split_at_mut(level);
            below[level - 1].average_latest(above[0].next_slot(self.buffers), self.buffers);
            self.correlate(level);
            level += 1;
        }
    }

    /// Adds the pairs that the latest frame of a level makes with those before it.
    fn correlate(&mut self, level: usize) {
        let Level { ring, count, sums } = &mut self.levels[level];
        let latest = *count % self.buffers;
        *count += 1;
        if !ring[latest].good {
            return;
        }
        ring[latest].pixels.prepare(&self.bounds);
        let shortest = if level == 0 { 0 } else { self.buffers / 2 };
        for lag in shortest..self.buffers.min(*count) {
            let past = &ring[(latest + self.buffers - lag) % self.buffers];
            if past.good {
                sums[lag].add(&past.pixels, &ring[latest].pixels, &self.bounds);
            }
        }
    }

    /// g₂ of every region, at the lags for which there were pairs.
    pub fn g2(&self) -> Vec<G2> {
        let mut curves = vec![G2::default(); self.bounds.len() - 1];
        for (level, Level { sums, .. }) in self.levels.iter().enumerate() {
            for (lag, sums) in sums.iter().enumerate().filter(|(_, sums)| sums.pairs > 0) {
                let pairs = sums.pairs as f64;
                for (curve, sum) in curves.iter_mut().zip(&sums.regions) {
                    curve.lags.push(lag << level);
                    let means = (sum.past / pairs) * (sum.future / pairs);
                    curve.symmetric.push(sum.product / pairs / means);
                    curve.by_frame.push(sum.product / sum.product_of_means);
                }
            }
        }
        curves
    }
}

impl Level {
    /// Where the next frame goes.
    fn next_slot(&mut self, buffers: usize) -> &mut Slot {
        &mut self.ring[self.count % buffers]
    }

    /// The mean of the two latest frames.
    fn average_latest(&self, mean: &mut Slot, buffers: usize) {
        let first = &self.ring[(self.count - 2) % buffers];
        let second = &self.ring[(self.count - 1) % buffers];
        mean.good = first.good && second.good;
        if mean.good {
            let pairs = first.pixels.values.iter().zip(&second.pixels.values);
            mean.pixels.values.clear();
            mean.pixels.values.extend(pairs.map(|(a, b)| (a + b) / 2.0));
        }
    }
}

impl LagSums {
    fn add(&mut self, past: &RegionPixels, future: &RegionPixels, bounds: &[usize]) {
        self.pairs += 1;
        for (region, sum) in self.regions.iter_mut().enumerate() {
            sum.product += future.mean_product(past, region, bounds);
            sum.past += past.means[region];
            sum.future += future.means[region];
            sum.product_of_means += past.means[region] * future.means[region];
        }
    }
}
