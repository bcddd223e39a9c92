//! R1 and R2: Fourier ring correlation between half data sets, and the resolution where it falls below a threshold.
//!
//! Halves are the means of the frames with even and odd index, A and A' of the original, C and C' of what was decoded.
//! Four correlations: AA' (`original`), CC' (`decoded`), and CA', AC', whose mean is `cross`. CC' alone is no evidence:
//! artefacts of quantisation that are the same in both halves correlate, and inflate it when steps exceed about
//! 2.5 σ of the noise; the cross correlation is not inflated. With `frc.halves = "pair"` the two arrays are themselves
//! the half data sets, and there is one correlation, of the means of their frames (`pair`).
//!
//! Pixels that are valid in no frame of a half are replaced by the mean of that half before windowing. The function
//! is [`frc`](crate::frc); definitions and references are with it and with [`RingThreshold`].

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::fourier::{Spectra, Window};
use crate::mean_frame::MeanFrame;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::ring_correlation::{RingCorrelation, four_fold, within};
use crate::ring_threshold::RingThreshold;
use crate::{Curve, Error, Frames, Outcome, Settings};

/// How half data sets are made and compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrcSettings {
    /// What the halves are.
    pub halves: Halves,
    /// What images and volumes are multiplied by.
    pub window: Window,
    /// k of the threshold of k standard deviations.
    pub sigmas: f64,
}

/// What half data sets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halves {
    /// Frames with even and with odd index.
    #[default]
    OddEven,
    /// The original and what is given as decoded.
    Pair,
}

impl Default for FrcSettings {
    fn default() -> Self {
        Self {
            halves: Halves::default(),
            window: Window::default(),
            sigmas: 3.0,
        }
    }
}

macro_rules! values {
    ($($kind:literal)*) => {
        &[
            $((concat!("frc_one_seventh_", $kind), "px"), (concat!("frc_one_seventh_frequency_", $kind), "1/px"),
            (concat!("frc_0143_", $kind), "px"), (concat!("frc_0143_frequency_", $kind), "1/px"),
            (concat!("frc_half_bit_", $kind), "px"), (concat!("frc_half_bit_frequency_", $kind), "1/px"),
            (concat!("frc_one_bit_", $kind), "px"), (concat!("frc_one_bit_frequency_", $kind), "1/px"),
            (concat!("frc_sigmas_", $kind), "px"), (concat!("frc_sigmas_frequency_", $kind), "1/px"),)*
            ("frc_half_bit_shift", "%"),
            ("frc_half_bit_cross_shift", "%"),
            ("frc_rms_change", "1"),
        ]
    };
}

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "R1",
    name: "frc",
    about: "Fourier ring correlation of half data sets of original, decoded and across, and resolutions (R2)",
    values: values!("original" "decoded" "cross" "pair"),
    curves: &["frc"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "frc",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

struct Progress {
    settings: FrcSettings,
    rows: usize,
    columns: usize,
    /// A, C, A', C'; of pairs A and C.
    halves: Vec<MeanFrame>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let settings = settings.frc;
    if settings.halves == Halves::OddEven && shape.frames < 2 {
        return Err(Error::Unsuitable {
            metric: "frc",
            reason: "halves are frames of even and odd index, and there is one frame; frc.halves = \"pair\" compares the \
                     two arrays"
                .to_owned(),
        });
    }
    let count = if settings.halves == Halves::Pair {
        2
    } else {
        4
    };
    Ok(Box::new(Progress {
        settings,
        rows: shape.rows,
        columns: shape.columns,
        halves: vec![MeanFrame::new(shape.rows * shape.columns); count],
    }))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            let half = match self.settings.halves {
                Halves::OddEven => frame.index % 2 * 2,
                Halves::Pair => 0,
            };
            self.halves[half].add(&frame.original, frame.valid);
            self.halves[half + 1].add(&frame.decoded, frame.valid);
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        for (half, other) in self.halves.iter_mut().zip(same::<Self>(other).halves) {
            *half += other;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let shape = [1, self.rows, self.columns];
        let filled: Vec<Vec<f64>> = self.halves.iter().map(MeanFrame::filled).collect();
        let spectra =
            |at: usize| Spectra::new(&filled[at], &filled[at + 1], shape, self.settings.window);
        let mut outcome = Outcome::default();
        if self.settings.halves == Halves::Pair {
            let pair = within(&spectra(0), shape);
            let curve =
                thresholds(&pair, self.settings.sigmas).with("pair", pair.correlation.clone());
            describe("frc", "pair", &pair, self.settings.sigmas, &mut outcome);
            outcome.curve("frc", curve);
        } else {
            self.compare(four_fold(&spectra(0), &spectra(2), shape), &mut outcome);
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Progress {
    /// Adds what four correlations say.
    fn compare(&self, four: [RingCorrelation; 4], outcome: &mut Outcome) {
        let [original, decoded, mut cross, other] = four;
        for (value, other) in cross.correlation.iter_mut().zip(&other.correlation) {
            *value = 0.5 * (*value + other);
        }
        let mut curve = thresholds(&original, self.settings.sigmas);
        let kinds = [
            ("original", &original),
            ("decoded", &decoded),
            ("cross", &cross),
        ];
        for (kind, correlation) in kinds {
            describe("frc", kind, correlation, self.settings.sigmas, outcome);
            curve = curve.with(kind, correlation.correlation.clone());
        }
        outcome.curve("frc", curve);
        let [before, after, across] =
            [&original, &decoded, &cross].map(|of| of.crossing(RingThreshold::HalfBit));
        // Of lengths: positive where the resolution is worse.
        outcome.value("frc_half_bit_shift", 100.0 * (before / after - 1.0));
        outcome.value("frc_half_bit_cross_shift", 100.0 * (before / across - 1.0));
        outcome.value("frc_rms_change", rms_difference(&original, &decoded));
        // Without artefacts that both halves share, CC' is below the cross correlation: AA' · q² and AA' · q for a q below 1.
        if after > 1.01 * across {
            outcome.notes.push(
                "frc: the decoded halves correlate to higher frequencies than decoded with original ones, as artefacts do \
                 that are common to both; the cross correlation counts"
                    .to_owned(),
            );
        }
    }
}

/// The thresholds as curves.
pub(crate) fn thresholds(of: &RingCorrelation, sigmas: f64) -> Curve {
    let mut curve = Curve::new("frequency / px⁻¹", "correlation", of.frequencies.clone());
    for (name, threshold) in named_thresholds(sigmas) {
        curve = curve.with(&format!("threshold_{name}"), threshold.curve(&of.counts));
    }
    curve
}

/// Adds the resolutions of a correlation, in px and in 1/px.
pub(crate) fn describe(
    metric: &str,
    kind: &str,
    of: &RingCorrelation,
    sigmas: f64,
    outcome: &mut Outcome,
) {
    for (name, threshold) in named_thresholds(sigmas) {
        let frequency = of.crossing(threshold);
        outcome.value(&format!("{metric}_{name}_{kind}"), 1.0 / frequency);
        outcome.value(&format!("{metric}_{name}_frequency_{kind}"), frequency);
    }
}

fn named_thresholds(sigmas: f64) -> [(&'static str, RingThreshold); 5] {
    [
        ("one_seventh", RingThreshold::OneSeventh),
        ("0143", RingThreshold::Fixed0143),
        ("half_bit", RingThreshold::HalfBit),
        ("one_bit", RingThreshold::OneBit),
        ("sigmas", RingThreshold::Sigmas(sigmas)),
    ]
}

fn rms_difference(a: &RingCorrelation, b: &RingCorrelation) -> f64 {
    let pairs = a.correlation.iter().zip(&b.correlation);
    let squares: f64 = pairs.map(|(a, b)| (b - a) * (b - a)).sum();
    (squares / a.correlation.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    const SHAPE: Shape = Shape {
        frames: 4,
        rows: 12,
        columns: 16,
    };

    fn frames(values: &[u16], first: usize) -> Frames<'_> {
        Frames {
            original: Values::U16(values),
            decoded: Values::U16(values),
            valid: None,
            first,
            count: values.len() / 192,
            rows: 12,
            columns: 16,
        }
    }

    #[test]
    fn parts_merge_to_the_whole() {
        let values: Vec<u16> = (0..4 * 192u64)
            .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as u16)
            .collect();
        let mut whole = start(&Settings::default(), SHAPE).unwrap();
        whole.add(&frames(&values, 0)).unwrap();
        let mut merged = start(&Settings::default(), SHAPE).unwrap();
        for first in [3, 0, 2, 1] {
            let mut part = start(&Settings::default(), SHAPE).unwrap();
            let frame = &values[first * 192..(first + 1) * 192];
            part.add(&frames(frame, first)).unwrap();
            merged.merge(part).unwrap();
        }
        let (whole, merged) = (whole.finish().unwrap(), merged.finish().unwrap());
        assert_eq!(whole.curves, merged.curves);
        // What was decoded is the original.
        let curves = &whole.curves["frc"].y;
        for (own, cross) in curves["original"].iter().zip(&curves["cross"]) {
            assert!((own - cross).abs() < 1e-12, "{own} {cross}");
        }
        assert!(whole.values["frc_rms_change"] < 1e-12);
    }

    #[test]
    fn one_frame_has_no_halves() {
        let shape = Shape { frames: 1, ..SHAPE };
        assert!(start(&Settings::default(), shape).is_err());
    }
}
