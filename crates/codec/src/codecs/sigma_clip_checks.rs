//! Whether drawing the background again would destroy the science: tests that refuse a chunk.
//!
//! * Floats that are no counts: more than 1 % fractions.
//! * More than a quarter of the pixels are kept: what looks like background is the exception.
//! * The index of dispersion D = Σ (a − 2 b + c)² / Σ 6 v over triples of background pixels [`APART`] columns apart, of
//!   their differences from the background; v is the variance that Poisson counts have between the limits (limits cut
//!   off 1 to 5 % of it). Second differences do not see gradients. D is 1 for Poisson counts, 1 + contrast · mean
//!   for speckle, 1 + u² · mean for a detector whose pixels differ by u.
//! * The correlation C of neighbours in the same differences: 0 for Poisson counts, contrast · mean for speckle
//!   wider than a pixel.
//!
//! Refused are D − 1 > [`DISPERSION`] and C > [`CORRELATION`], each with four standard errors on top: 6 frames in
//! 100 000 are refused by chance. Pixels near strong peaks do not count: their tails are no background. Measured on
//! simulated and real crystallography (thaumatin on a Pilatus 6M: D − 1 = −0.03, C = 0.03) and on simulated speckle.
//!
//! Where a contrast of [`CONTRAST`] would not be seen, because the background is too faint or the chunk too small, it is
//! stored losslessly; so are chunks that leave too few triples.
//!
//! A chunk is refused for what it is, not for what it becomes: if the background that was drawn would be refused, the
//! chunk is stored losslessly, so encoding a decoded chunk again never fails.

use super::sigma_clip_background::{LimitsOf, Rule};
use super::sigma_clip_geometry::{Geometry, Kind, Memory};
use super::sigma_clip_synthesis::Totals;
use super::sigma_clip_tables::Table;
use crate::kernels::noise::Count;
use crate::kernels::sigma_clip::EXACT;
use crate::numbers::{BLOCK, load};
use crate::{Chunk, Error};

/// Columns between the pixels of a second difference: wider than speckle and other correlations between neighbours,
/// narrower than what background varies over.
const APART: usize = 8;
/// Rows beyond this many are sampled.
const MAX_ROWS: usize = 256;
/// Pixels this near to a strong peak are left out: its tails are no background.
const REACH: usize = 3;
/// Peaks beyond this many times the limit are strong.
const STRONG: f32 = 2.0;

/// Excess of the dispersion that is allowed: for what is drawn in tiles with a gradient (0.04 to 0.07 at 0.5 counts), and by count of the mean for pixels that differ by 4 %.
const DISPERSION: [f64; 2] = [0.05, 0.0015];
/// Correlation of neighbours that is allowed: for tails of peaks, and by count of the mean for rings inside a tile.
const CORRELATION: [f64; 2] = [0.03, 0.015];
/// Contrast of speckle that has to be noticed: that of five modes.
const CONTRAST: f64 = 0.2;
const STANDARD_ERRORS: f64 = 4.0;
/// Fewer triples prove nothing.
const MIN_TRIPLES: f64 = 500.0;

/// Sums over triples of background pixels of one frame, original or drawn.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Σ (a − 2 b + c)².
    squares: f64,
    /// Σ (b − (a + c) / 2)(b' − (a' + c') / 2), b' the right neighbour of b.
    products: f64,
    /// Pairs of the above.
    pairs: f64,
    /// Σ (mean of a + 4 mean of b + mean of c).
    means: f64,
    triples: f64,
}

/// What is known about the background of a chunk.
pub(super) struct Witness {
    rule: Rule,
    table: Table,
    before: Sums,
    after: Sums,
    /// Drawn pixels, and the sum of their counts.
    background: u64,
    sum: f64,
    /// Σ of the variance that Poisson counts have within their limits, over all drawn pixels.
    variance: f64,
}

impl Witness {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            table: Table::default(),
            before: Sums::default(),
            after: Sums::default(),
            background: 0,
            sum: 0.0,
            variance: 0.0,
        }
    }

    /// Adds a bin: its pixels are expected to vary as counts within their limits do.
    pub(super) fn expect(&mut self, totals: &Totals, limits: LimitsOf) {
        let pixels = totals.pixels as f64;
        let variance = match totals.allow_a_table() {
            true => self.table.poisson_variance(totals.mean(), limits.hull()),
            false => totals.mean(),
        };
        self.background += totals.pixels;
        self.sum += totals.sum as f64;
        self.variance += pixels * variance;
    }

    /// Looks at a frame that has been drawn; `row` gives the counts it had before.
    pub(super) fn look(
        &mut self,
        geometry: &Geometry,
        memory: &Memory,
        row: impl Fn(usize, &mut [u32]),
    ) {
        let (rows, columns) = (geometry.shape.rows, geometry.shape.columns);
        let Memory {
            pixels,
            means,
            strong,
            ..
        } = memory;
        let side = match geometry.shape.kind {
            // Triples stay in one tile: between tiles the background jumps.
            Kind::Tiles { side } if side > 3 * APART => side,
            _ => columns,
        };
        let mut of_row = Row::new(columns);
        for at in (0..rows).step_by(rows.div_ceil(MAX_ROWS)) {
            row(at, &mut of_row.counts);
            geometry.gather(at, pixels, &mut of_row.pixels);
            geometry.gather(at, means, &mut of_row.means);
            let near = at.saturating_sub(REACH)..(at + REACH + 1).min(rows);
            of_row.find_usable(&strong[near.start * columns..near.end * columns]);
            of_row.take_background(|row| &row.counts);
            of_row.add_to(&mut self.before, side);
            of_row.take_background(|row| &row.pixels);
            of_row.add_to(&mut self.after, side);
        }
    }

    /// Whether a kept pixel belongs to a strong peak.
    pub(super) fn is_strong(&self, count: u32, mean: f32) -> bool {
        let (kappa, noise) = (self.rule.kappa as f32, self.rule.noise as f32);
        let far = noise.max(kappa * (mean + 1.0 + noise * noise).sqrt());
        count as f32 - mean > STRONG * far
    }
}

/// A row of a frame.
struct Row {
    counts: Vec<u32>,
    pixels: Vec<u32>,
    means: Vec<f32>,
    /// 1 for background far from peaks, otherwise 0.
    usable: Vec<f32>,
    /// Difference from the background; 0 where not usable.
    residuals: Vec<f32>,
}

impl Row {
    fn new(columns: usize) -> Self {
        Self {
            counts: vec![0; columns],
            pixels: vec![0; columns],
            means: vec![0.0; columns],
            usable: vec![0.0; columns],
            residuals: vec![0.0; columns],
        }
    }

    fn find_usable(&mut self, strong: &[u8]) {
        let columns = self.pixels.len();
        for (usable, &pixel) in self.usable.iter_mut().zip(&self.pixels) {
            *usable = if pixel < EXACT { 1.0 } else { 0.0 };
        }
        for strong in strong.chunks(columns) {
            for column in (0..columns).filter(|&column| strong[column] > 0) {
                let last = (column + REACH + 1).min(columns);
                self.usable[column.saturating_sub(REACH)..last].fill(0.0);
            }
        }
    }

    fn take_background(&mut self, counts: impl Fn(&Self) -> &Vec<u32>) {
        let mut residuals = std::mem::take(&mut self.residuals);
        let background = self.usable.iter().zip(&self.means);
        for ((residual, &count), (&usable, &mean)) in
            residuals.iter_mut().zip(counts(self)).zip(background)
        {
            *residual = if usable > 0.0 {
                count as f32 - mean
            } else {
                0.0
            };
        }
        self.residuals = residuals;
    }

    fn add_to(&self, sums: &mut Sums, side: usize) {
        let columns = self.pixels.len();
        let triple = |at: usize| {
            let (a, b, c) = (at, at + APART, at + 2 * APART);
            let usable = self.usable[a] * self.usable[b] * self.usable[c];
            let residual = &self.residuals;
            (
                usable,
                (residual[a] - 2.0 * residual[b] + residual[c]) * usable,
            )
        };
        let mut before = (0.0, 0.0);
        for at in 0..columns.saturating_sub(2 * APART) {
            let (usable, difference) = match at % side + 2 * APART < side {
                true => triple(at),
                false => (0.0, 0.0),
            };
            let means = self.means[at] + 4.0 * self.means[at + APART] + self.means[at + 2 * APART];
            sums.squares += f64::from(difference * difference);
            sums.means += f64::from(means * usable);
            sums.triples += f64::from(usable);
            sums.products += f64::from(difference * before.1) / 4.0;
            sums.pairs += f64::from(usable * before.0);
            before = (usable, difference);
        }
    }
}

/// What the sums say.
struct Findings {
    mean: f64,
    dispersion: f64,
    correlation: f64,
    /// Greatest excess of the dispersion and greatest correlation that counts may have.
    allowed: [f64; 2],
}

impl Findings {
    fn are_of_counts(&self) -> bool {
        self.dispersion - 1.0 <= self.allowed[0] && self.correlation <= self.allowed[1]
    }

    /// Whether speckle of [`CONTRAST`] would be noticed.
    fn are_conclusive(&self) -> bool {
        self.allowed[0] <= CONTRAST * self.mean
    }
}

impl Witness {
    /// `None` where there is too little to look at.
    fn findings(&self, sums: &Sums) -> Option<Findings> {
        if sums.triples < MIN_TRIPLES || sums.pairs < MIN_TRIPLES || self.variance <= 0.0 {
            return None;
        }
        let mean = sums.means / (6.0 * sums.triples);
        let cut = self.variance / self.sum;
        // Triples that share pixels are correlated; a Poisson count has the kurtosis 1 / mean.
        let error = ((3.9 + 0.5 / mean) / sums.triples).sqrt();
        let error_of_correlation = (3.3 / sums.pairs).sqrt();
        let allowed = |[least, per_count]: [f64; 2], error: f64| {
            least + per_count * mean + STANDARD_ERRORS * error
        };
        Some(Findings {
            mean,
            dispersion: sums.squares / (sums.means * cut),
            correlation: sums.products / (sums.pairs * mean * cut),
            allowed: [
                allowed(DISPERSION, error),
                allowed(CORRELATION, error_of_correlation),
            ],
        })
    }

    /// An error where the background is none of counts; `kept` pixels are stored exactly.
    pub(super) fn refuse(&self, kept: u64) -> Result<(), Error> {
        let all = kept + self.background;
        if kept * 4 > all {
            return Err(Error::Refused(format!(
                "sigma-clip: {} % of the pixels are outliers, so this is no background with peaks on it; use noise, or \
                 force to encode all the same",
                kept * 100 / all
            )));
        }
        match self.findings(&self.before) {
            Some(found) if !found.are_of_counts() => Err(Error::Refused(format!(
                "sigma-clip: the background varies {:.2} times as much as counts do, and neighbours are correlated by \
                 {:.2} (speckle, images and scaled data are like that); drawing it again would destroy that; use \
                 noise, or force to encode all the same",
                found.dispersion, found.correlation
            ))),
            _ => Ok(()),
        }
    }

    /// Whether it is known that the background is one of counts, and the one drawn is as well.
    pub(super) fn allows_drawing(&self) -> bool {
        let before = self.findings(&self.before);
        let after = self.findings(&self.after);
        before.is_some_and(|before| before.are_conclusive())
            && after.is_some_and(|after| after.are_of_counts())
    }
}

/// Refuses floats of which more than 1 % are no whole numbers.
pub(super) fn refuse_fractions<T: Count>(chunk: &Chunk) -> Result<(), Error> {
    if !T::FLOAT {
        return Ok(());
    }
    let mut block = [T::default(); BLOCK];
    let (mut finite, mut fractions) = (0u64, 0u64);
    for bytes in chunk.bytes.chunks(BLOCK * T::BYTES) {
        let len = load(bytes, chunk.layout.element.order, &mut block);
        for value in &block[..len] {
            finite += u64::from(value.to_f64().is_finite());
            fractions += u64::from(value.to_f64().is_finite() && value.to_f64().fract() != 0.0);
        }
    }
    if fractions * 100 > finite {
        return Err(Error::Refused(
            "sigma-clip: these floats are no counts (more than 1 % have fractions); use quantise"
                .into(),
        ));
    }
    Ok(())
}
