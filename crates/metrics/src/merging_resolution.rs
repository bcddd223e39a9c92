//! X5r: the resolution at which CC½ falls to 0.3, of a table of reflections before and after a loss in its intensities.
//!
//! CC½ (σ-τ, see [`merging`](mod@crate::merging)) of shells of equal reciprocal volume, over x = 1/d² at half of a shell's
//! volume; ½ (1 − tanh((x − x₀)/w)) fitted to them, all shells alike; the resolution is d where the fit is 0.3. It is no finer
//! than the table's last shell: where the fit, or every shell if there is no fit, stays above 0.3, it is the end of that
//! shell. Positive shifts are losses.
//!
//! Source: the limit that `dials.estimate_resolution` takes (DIALS, pull request 2351), whose fit leaves out outliers and
//! counts shells by reflections. References: CC½ of shells and spacings of gemmi, the fit of scipy's `curve_fit`.
//! Spacings come from `merging.spacing` (d in Å, a dataset beside the intensities) or from `merging.cell` and the indices.

use std::any::Any;

use crate::fit::fit;
use crate::merging_table::{Intensities, start_intensities};
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::{Curve, Error, Frames, MergingShell, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "X5r",
    name: "merging_resolution",
    about: "resolution at which CC½ of shells falls to 0.3, by a fit of tanh, and its shift",
    values: &[
        ("cc_half_resolution", "Å"),
        ("cc_half_resolution_decoded", "Å"),
        ("cc_half_resolution_shift", "Å"),
    ],
    curves: &["cc_half_by_shell"],
    needs: &["merging.hkl", "merging.spacing or merging.cell"],
    pass: &Pass {
        name: "merging_resolution",
        mergeable: false,
        per_chunk: false,
        sample: Part::Whole,
        needs_range: false,
        splits: false,
        start,
    },
};

/// CC½ at the resolution.
const LEVEL: f64 = 0.3;

struct Progress(Intensities);

fn start(settings: &Settings, shape: Shape) -> Started {
    let intensities = start_intensities(settings, shape)?;
    if intensities.spacing().is_none() && shape.frames * shape.rows * shape.columns > 0 {
        return Err(Error::Missing {
            metric: METRIC.name,
            what: "merging.spacing, the dataset of d in Å, as in --set merging.spacing=d, or merging.cell = [a, b, c, α, β, γ]",
        });
    }
    Ok(Box::new(Progress(intensities)))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.0.add(frames);
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let [original, decoded] = self.0.shells()?;
        let [before, after] = [&original, &decoded].map(|shells| cc_half_resolution(shells));
        let mut outcome = Outcome::default();
        outcome.value("cc_half_resolution", before);
        outcome.value("cc_half_resolution_decoded", after);
        outcome.value("cc_half_resolution_shift", after - before);
        let x = original.iter().map(reciprocal_square).collect();
        let correlations = |shells: &[MergingShell]| {
            let shells = shells.iter();
            shells.map(|shell| shell.merging.cc_half).collect()
        };
        let curve = Curve::new("1/d² / Å⁻²", "CC½", x)
            .with("original", correlations(&original))
            .with("decoded", correlations(&decoded));
        outcome.curve("cc_half_by_shell", curve);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The resolution in Å at which CC½ falls to 0.3; NaN where it cannot be told.
pub fn cc_half_resolution(shells: &[MergingShell]) -> f64 {
    let known: Vec<&MergingShell> = shells
        .iter()
        .filter(|shell| shell.merging.cc_half.is_finite())
        .collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return f64::NAN;
    };
    let x: Vec<f64> = known.iter().map(|shell| reciprocal_square(shell)).collect();
    let y: Vec<f64> = known.iter().map(|shell| shell.merging.cc_half).collect();
    let end = last.d_min.powi(-2);
    match fitted(&x, &y) {
        Some(crossing) => crossing.clamp(first.d_max.powi(-2), end).powf(-0.5),
        None if y.iter().all(|cc| *cc >= LEVEL) => last.d_min,
        None => f64::NAN,
    }
}

/// 1/d² where a shell has half of its volume.
fn reciprocal_square(shell: &MergingShell) -> f64 {
    let volume = (shell.d_max.powi(-3) + shell.d_min.powi(-3)) / 2.0;
    volume.powf(2.0 / 3.0)
}

/// Where the fit is at the level, if there is one that falls.
fn fitted(x: &[f64], y: &[f64]) -> Option<f64> {
    let model = |parameters: &[f64], x: f64| match parameters {
        [middle, width] => 0.5 * (1.0 - ((x - middle) / width).tanh()),
        _ => f64::NAN,
    };
    let (low, high) = (x[0], x[x.len() - 1]);
    let below = y.iter().position(|cc| *cc < 0.5);
    let middle = below.map_or(high, |at| x[at]);
    let found = fit(model, x, y, None, &[middle, (high - low).max(1e-9) / 4.0])?;
    let (middle, width) = (found.parameters[0], found.parameters[1]);
    let crossing = middle + width * (1.0 - 2.0 * LEVEL).atanh();
    (width > 0.0 && crossing > 0.0).then_some(crossing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MergingSettings, Reflections, merging_by_shell};

    /// Shells whose CC½ is what `cc` says of 1/d².
    fn shells(cc: impl Fn(f64) -> f64) -> Vec<MergingShell> {
        let hkl: Vec<[i32; 3]> = (0..4000).map(|at| [at / 2, 0, 0]).collect();
        let spacing: Vec<f64> = (0..4000)
            .map(|at| (0.01 + f64::from(at / 2) / 2000.0).powf(-1.0 / 3.0))
            .collect();
        let reflections = Reflections {
            hkl: &hkl,
            intensity: &vec![1.0; 4000],
            sigma: None,
            spacing: Some(&spacing),
        };
        let mut shells = merging_by_shell(&reflections, MergingSettings::default(), 10).unwrap();
        for shell in &mut shells {
            shell.merging.cc_half = cc(reciprocal_square(shell));
        }
        shells
    }

    #[test]
    fn the_fit_of_a_tanh_is_its_crossing() {
        for (middle, width) in [(0.5, 0.2), (0.6, 0.1), (0.3, 0.3)] {
            let shells = shells(|x| 0.5 * (1.0 - ((x - middle) / width).tanh()));
            let expected = (middle + width * 0.4f64.atanh()).powf(-0.5);
            let found = cc_half_resolution(&shells);
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn the_resolution_is_no_finer_than_the_table() {
        for good in [1.0, 0.97] {
            let shells = shells(|_| good);
            let last = shells[9].d_min;
            assert!((cc_half_resolution(&shells) / last - 1.0).abs() < 1e-12);
        }
        assert!(cc_half_resolution(&shells(|_| f64::NAN)).is_nan());
        assert!(cc_half_resolution(&[]).is_nan());
    }
}
