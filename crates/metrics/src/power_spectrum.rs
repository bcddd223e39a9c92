//! S3: what is left of the power at each spatial frequency, and how much of it is error.
//!
//! P_B / P_A and P_e / P_A by ring, P = Σ|F|² over the ring and over all frames, e = B − A. Frames are multiplied by Hann's
//! window (`frc.window`), rings are those of [`frequency_rings`](crate::frequency_rings). Pixels that are not valid are
//! replaced by the mean of the original frame in both arrays, so that they are no error. A codec that blurs has a ratio below 1
//! at high frequencies, one that adds noise a ratio above 1 where the signal has little power.
//!
//! Reference: numpy's FFT.

use std::any::Any;

use crate::fourier::{Spectra, Window};
use crate::frequency_rings::FrequencyRings;
use crate::mean_frame::fill;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::{Curve, Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "S3",
    name: "power_spectrum",
    about: "ratio of the power decoded / original and error / original by spatial frequency, and their extremes",
    values: &[
        ("power_ratio_min", "1"),
        ("power_ratio_max", "1"),
        ("error_power_max", "1"),
    ],
    curves: &["power_spectrum"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "power_spectrum",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

struct Progress {
    window: Window,
    shape: [usize; 3],
    rings: FrequencyRings,
    /// Of A, B and e, by ring.
    powers: Vec<[f64; 3]>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let shape = [1, shape.rows, shape.columns];
    let rings = FrequencyRings::new(shape);
    Ok(Box::new(Progress {
        window: settings.frc.window,
        shape,
        rings,
        powers: vec![[0.0; 3]; rings.count()],
    }))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for mut frame in frames.iter() {
            if let Some(valid) = frame.valid {
                let mean = fill(frame.original.to_mut(), |at, _| valid[at]);
                for (value, _) in frame
                    .decoded
                    .to_mut()
                    .iter_mut()
                    .zip(valid)
                    .filter(|(_, valid)| !**valid)
                {
                    *value = mean;
                }
            }
            let spectra = Spectra::new(&frame.original, &frame.decoded, self.shape, self.window);
            self.rings.for_each(|at, opposite, ring| {
                let [a, b] = spectra.at(at, opposite);
                for (power, value) in self.powers[ring].iter_mut().zip([a, b, b - a]) {
                    *power += value.norm_sqr();
                }
            });
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        for (power, other) in self.powers.iter_mut().zip(same::<Self>(other).powers) {
            for (power, other) in power.iter_mut().zip(other) {
                *power += other;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let ratio: Vec<f64> = self.powers.iter().map(|[a, b, _]| b / a).collect();
        let error: Vec<f64> = self.powers.iter().map(|[a, _, e]| e / a).collect();
        let extreme = |values: &[f64], better: fn(f64, f64) -> f64| {
            values.iter().copied().fold(f64::NAN, better)
        };
        let mut outcome = Outcome::default();
        outcome.value("power_ratio_min", extreme(&ratio, f64::min));
        outcome.value("power_ratio_max", extreme(&ratio, f64::max));
        outcome.value("error_power_max", extreme(&error, f64::max));
        let curve = Curve::new(
            "frequency / px⁻¹",
            "power / power of the original",
            self.rings.frequencies(),
        );
        outcome.curve(
            "power_spectrum",
            curve.with("decoded", ratio).with("error", error),
        );
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
