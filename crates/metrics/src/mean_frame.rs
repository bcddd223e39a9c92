//! The mean of frames, pixel by pixel over the valid ones.

use std::ops::AddAssign;

/// Sums towards a mean frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MeanFrame {
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl MeanFrame {
    /// No frame yet.
    pub(crate) fn new(pixels: usize) -> Self {
        Self {
            sums: vec![0.0; pixels],
            counts: vec![0; pixels],
        }
    }

    /// Adds a frame.
    pub(crate) fn add(&mut self, frame: &[f64], valid: Option<&[bool]>) {
        for (at, value) in frame.iter().enumerate() {
            if valid.is_none_or(|valid| valid[at]) {
                self.sums[at] += value;
                self.counts[at] += 1;
            }
        }
    }

    /// The mean, NaN where a pixel was never valid.
    pub(crate) fn mean(&self) -> Vec<f64> {
        let pairs = self.sums.iter().zip(&self.counts);
        pairs.map(|(sum, &count)| sum / f64::from(count)).collect()
    }

    /// The mean, with that of the whole frame where a pixel was never valid.
    pub(crate) fn filled(&self) -> Vec<f64> {
        let mut mean = self.mean();
        fill(&mut mean, |_, value| !value.is_nan());
        mean
    }
}

impl AddAssign for MeanFrame {
    fn add_assign(&mut self, other: Self) {
        for (sum, other) in self.sums.iter_mut().zip(other.sums) {
            *sum += other;
        }
        for (count, other) in self.counts.iter_mut().zip(other.counts) {
            *count += other;
        }
    }
}

/// Replaces elements that are not `kept` by the mean of those that are, and returns it.
pub(crate) fn fill(values: &mut [f64], kept: impl Fn(usize, f64) -> bool) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for (at, &value) in values.iter().enumerate() {
        if kept(at, value) {
            sum += value;
            count += 1;
        }
    }
    let mean = sum / f64::from(count);
    if (count as usize) < values.len() {
        for (at, value) in values.iter_mut().enumerate() {
            if !kept(at, *value) {
                *value = mean;
            }
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_averaged_over_valid_frames_and_filled_with_the_mean() {
        let mut mean = MeanFrame::new(3);
        mean.add(&[1.0, 2.0, 1e9], Some(&[true, true, false]));
        mean.add(&[3.0, f64::NAN, 1e9], Some(&[true, false, false]));
        assert_eq!(mean.filled(), [2.0, 2.0, 2.0]);
        assert!(mean.mean()[2].is_nan());
    }
}
