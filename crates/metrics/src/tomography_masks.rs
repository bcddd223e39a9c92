//! T3m: what a loss in projections does to masks of reconstructed slices.
//!
//! Foreground is what is above Otsu's threshold, of 256 bins over the range of the slice's pixels within the circle, as of
//! [`segmentation`](mod@crate::segmentation) for volumes: Dice with the threshold of the original slice, and with that of
//! each. Voxels are counted over all slices. By these numbers a loss in the projections and a loss in the final volume can
//! be compared.
//!
//! Reference: scikit-image's `threshold_otsu` of the pixels within the circle.

use crate::Outcome;
use crate::metric::Metric;
use crate::otsu::otsu_threshold;
use crate::segmentation::Overlap;
use crate::slices::in_circle;
use crate::tomography::PASS;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "T3m",
    name: "tomography_masks",
    about: "Dice of the masks of reconstructed slices by Otsu's threshold, that of the original and its own",
    values: &[
        ("reconstruction_dice", "1"),
        ("reconstruction_dice_own_threshold", "1"),
        ("reconstruction_volume_change_percent", "%"),
    ],
    curves: &[],
    needs: &["tomography.angle_range_deg or tomography.angles_deg"],
    pass: &PASS,
};

/// Bins of the histogram.
const BINS: usize = 256;

/// Masks of slices so far.
#[derive(Debug, Default)]
pub(crate) struct SliceMasks {
    frozen: Overlap,
    own: Overlap,
}

impl SliceMasks {
    /// Takes a slice of the original and of what was decoded, from all projections.
    pub(crate) fn add(&mut self, original: &[f64], decoded: &[f64], columns: usize) {
        let within = |slice: &[f64]| -> Vec<f64> {
            let inside = (0..slice.len()).filter(|pixel| in_circle(*pixel, columns));
            inside.map(|pixel| slice[pixel]).collect()
        };
        let (original, decoded) = (within(original), within(decoded));
        let [before, after] = [&original, &decoded].map(|slice| threshold(slice));
        let above = |slice: &[f64], threshold: f64| -> Vec<bool> {
            slice.iter().map(|value| *value > threshold).collect()
        };
        let mask = above(&original, before);
        self.frozen.add(&mask, &above(&decoded, before));
        self.own.add(&mask, &above(&decoded, after));
    }

    /// Adds the numbers.
    pub(crate) fn describe(&self, outcome: &mut Outcome) {
        outcome.value("reconstruction_dice", self.frozen.dice());
        outcome.value("reconstruction_dice_own_threshold", self.own.dice());
        let change = self.frozen.volume_change_percent();
        outcome.value("reconstruction_volume_change_percent", change);
    }
}

/// Otsu's threshold; NaN of nothing and of what has no range.
fn threshold(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = (high - low) / BINS as f64;
    if !width.is_finite() || width <= 0.0 {
        return f64::NAN;
    }
    let mut counts = [0; BINS];
    for value in values {
        counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
    }
    let numbered = counts.iter().enumerate();
    let bins = numbered.map(|(bin, count)| (low + (bin as f64 + 0.5) * width, *count));
    otsu_threshold(&bins.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_equal_slices_agree_and_a_pixel_that_is_lost_counts() {
        const COLUMNS: usize = 16;
        let slice: Vec<f64> = (0..COLUMNS * COLUMNS)
            .map(|pixel| if pixel / COLUMNS >= 8 { 2.0 } else { 0.5 })
            .collect();
        let dice = |decoded: &[f64]| {
            let mut masks = SliceMasks::default();
            masks.add(&slice, decoded, COLUMNS);
            let mut outcome = Outcome::default();
            masks.describe(&mut outcome);
            outcome.values
        };
        let same = dice(&slice);
        assert_eq!(same["reconstruction_dice"], 1.0);
        assert_eq!(same["reconstruction_volume_change_percent"], 0.0);
        let foreground = (0..COLUMNS * COLUMNS)
            .filter(|pixel| in_circle(*pixel, COLUMNS) && slice[*pixel] == 2.0)
            .count() as f64;
        let mut lost = slice.clone();
        lost[9 * COLUMNS + 8] = 0.5;
        let expected = 2.0 * (foreground - 1.0) / (2.0 * foreground - 1.0);
        assert_eq!(dice(&lost)["reconstruction_dice"], expected);
        assert_eq!(dice(&lost)["reconstruction_dice_own_threshold"], expected);
    }

    #[test]
    fn slices_without_contrast_have_no_dice() {
        let mut masks = SliceMasks::default();
        masks.add(&[1.0; 64], &[1.0; 64], 8);
        assert!(masks.frozen.dice().is_nan() && masks.own.dice().is_nan());
    }
}
