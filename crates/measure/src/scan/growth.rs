//! Numbers that say more of a sample than of all frames.
//!
//! Some limits are in units of what the data leave uncertain: I(q) of all frames in its own σ, the parameters of a fit to
//! g₂ in theirs. That σ falls with the root of the number of frames, and so does what random errors do to the mean; the bias
//! of a codec stays as it is. Of a mean over n frames of N, a change that is bias alone is √(N/n) times as many σ in all
//! data as in the sample. How much of a change is bias a sample does not tell where it is small, so all of it is taken
//! for that, unless the codec has none by the way it works.

use std::borrow::Cow;

use etalon_codec::Spec;
use etalon_metrics::Outcome;

/// The numbers that bias makes larger the more frames there are.
const GROWING: [&str; 4] = [
    "iq_z_rms",
    "iq_z_max",
    "contrast_change_sigma",
    "relaxation_rate_change_sigma",
];
/// That which is a mean of squares of such a number.
const GROWING_SQUARED: &str = "iq_chi2";

/// How much more a bias weighs in all frames than in a part of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Growth(f64);

impl Growth {
    /// Of `sampled` frames of `all`.
    pub(crate) fn of(sampled: usize, all: usize) -> Self {
        Self((all as f64 / sampled.max(1) as f64).max(1.0))
    }

    /// Whether it is worth a codec without bias, whose errors are larger.
    pub(crate) fn is_large(self) -> bool {
        self.0 >= 2.0
    }

    /// The factor of a number in units of σ.
    pub(crate) fn factor(self) -> f64 {
        self.0.sqrt()
    }

    /// What the metrics would say of all frames.
    pub(crate) fn applied<'a>(self, outcome: &'a Outcome, spec: Option<&Spec>) -> Cow<'a, Outcome> {
        if self.0 == 1.0 || spec.is_some_and(is_unbiased) {
            return Cow::Borrowed(outcome);
        }
        let mut grown = outcome.clone();
        for (name, value) in &mut grown.values {
            if GROWING.contains(&name.as_str()) {
                *value *= self.factor();
            } else if name == GROWING_SQUARED {
                *value *= self.0;
            }
        }
        Cow::Owned(grown)
    }
}

/// Whether a number is one of them.
pub(crate) fn grows(value: &str) -> bool {
    GROWING.contains(&value) || value == GROWING_SQUARED
}

/// Whether the errors of a codec have the mean 0 by the way it works, whatever the data.
fn is_unbiased(spec: &Spec) -> bool {
    spec.codec().lossless
        || spec.codec().name == "noise" && ["dither", "unbiased"].contains(&spec.choice("mode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_weighs_more_in_more_frames_unless_there_is_none() {
        let mut outcome = Outcome::default();
        outcome.value("iq_z_rms", 0.1);
        outcome.value("iq_chi2", 0.01);
        outcome.value("iq_r", 0.5);
        let of = |growth: Growth, spec: &str| -> Vec<f64> {
            let spec: Spec = spec.parse().unwrap();
            let values = growth.applied(&outcome, Some(&spec)).values.clone();
            values.into_values().collect()
        };
        let (same, more) = (vec![0.01, 0.5, 0.1], Growth::of(25, 100));
        assert_eq!(of(more, "noise"), [0.04, 0.5, 0.2]);
        assert_eq!(of(more, "quantise:abs=1"), [0.04, 0.5, 0.2]);
        assert_eq!(of(more, "noise:mode=unbiased"), same);
        assert_eq!(of(more, "auto"), same);
        assert_eq!(of(Growth::of(100, 100), "noise"), same);
    }
}
