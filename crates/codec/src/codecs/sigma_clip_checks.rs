//! Whether drawing the background again would destroy the science: tests that refuse a chunk.
//!
//! * Floats that are no counts: more than 1 % fractions.
//! * More than a quarter of the pixels are outliers: what looks like background is the exception.
//! * The index of dispersion D = Σ (a − b)² / Σ (mean of a + mean of b) over pairs of background pixels [`APART`]
//!   columns apart. D is 1 for Poisson counts, 1 + contrast · mean for speckle, and larger for images; gradients over
//!   many pixels hardly matter. Pairs lie in one tile; in rings, a and b are differences from the background. Refused
//!   above [`MAX_DISPERSION`] plus four standard errors.
//! * Below [`MIN_MEAN`] counts per pixel the tests are blind (speckle of contrast 0.3 has D = 1.03), and lossless
//!   codecs need less than half a bit per pixel: such chunks are stored losslessly.
//!
//! A chunk is refused for what it is, not for what it becomes: if the background that was drawn would be refused, the
//! chunk is stored losslessly, so encoding a decoded chunk again never fails.

use super::sigma_clip_background::{Geometry, MASKED};
use super::sigma_clip_frame::Frame;
use crate::kernels::noise::Count;
use crate::numbers::{BLOCK, load};
use crate::{Chunk, Error};

/// Wider than speckle and other correlations between neighbours, narrower than a tile.
const APART: usize = 8;
/// Every fourth row is a sample of a quarter.
const ROWS_APART: usize = 4;
const MAX_DISPERSION: f64 = 1.1;
const MIN_MEAN: f64 = 0.1;
/// Fewer pairs prove nothing.
const MIN_PAIRS: f64 = 500.0;

/// What is known about the background of a chunk.
#[derive(Debug, Default)]
pub(super) struct Dispersion {
    squares: f64,
    means: f64,
    pairs: f64,
    background: u64,
    sum: f64,
    outliers: u64,
}

impl Dispersion {
    pub(super) fn add(&mut self, counts: &[u32], geometry: &Geometry, frame: &Frame) {
        for (pixel, &count) in counts.iter().enumerate() {
            if !frame.limits[pixel].is_exact() {
                self.background += 1;
                self.sum += f64::from(count);
            } else if count != MASKED {
                self.outliers += u64::from(frame.outlier[pixel]);
            }
        }
        let rings = geometry.is_rings();
        for row in (0..geometry.rows).step_by(ROWS_APART) {
            let row = row * geometry.columns..(row + 1) * geometry.columns;
            for (a, b) in row.clone().zip(row.skip(APART)) {
                let drawn = !frame.limits[a].is_exact() && !frame.limits[b].is_exact();
                if drawn && (rings || geometry.bin_of[a] == geometry.bin_of[b]) {
                    let mean_a = frame.background.at(geometry, a).0;
                    let mean_b = frame.background.at(geometry, b).0;
                    let trend = if rings { mean_a - mean_b } else { 0.0 };
                    let difference = f64::from(counts[a]) - f64::from(counts[b]) - trend;
                    self.squares += difference * difference;
                    self.means += mean_a + mean_b;
                    self.pairs += 1.0;
                }
            }
        }
    }

    fn index(&self) -> f64 {
        self.squares / self.means
    }

    pub(super) fn is_too_faint(&self) -> bool {
        self.background > 0 && self.sum < MIN_MEAN * self.background as f64
    }

    /// An error where the background is none of counts.
    pub(super) fn refuse(&self) -> Result<(), Error> {
        let all = self.outliers + self.background;
        if self.outliers * 4 > all {
            return Err(Error::Settings(format!(
                "sigma-clip: {} % of the pixels are outliers, so this is no background with peaks on it; use noise, or \
                 force to encode all the same",
                self.outliers * 100 / all
            )));
        }
        let mean = self.means / (2.0 * self.pairs);
        let error = ((2.0 + 1.0 / mean) / self.pairs).sqrt();
        if self.pairs >= MIN_PAIRS && self.index() > MAX_DISPERSION + 4.0 * error {
            return Err(Error::Settings(format!(
                "sigma-clip: the background varies {:.2} times as much as counts do (speckle, images and scaled data \
                 do); drawing it again would destroy that; use noise, or force to encode all the same",
                self.index()
            )));
        }
        Ok(())
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
        return Err(Error::Settings(
            "sigma-clip: these floats are no counts (more than 1 % have fractions); use quantise"
                .into(),
        ));
    }
    Ok(())
}
