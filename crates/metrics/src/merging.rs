//! X4 and X5: how well repeated observations of reflections agree, from a table of unmerged intensities.
//!
//! Of a reflection with n observations I_i and their weighted mean ⟨I⟩:
//! Rmerge = Σ|I_i − ⟨I⟩| / ΣI_i; Rmeas with each reflection's sum times √(n/(n−1)); Rpim times √(1/(n−1)); all over
//! reflections with n ≥ 2. CC½ by the σ-τ method (Assmann, Brehm and Diederichs, 2016):
//! (s_y² − s_ε²/2) / (s_y² + s_ε²/2), s_y² the variance of the ⟨I⟩ (n−1 in the denominator),
//! s_ε² the mean of var/(n/2), var = Σw(I−⟨I⟩)²/Σw · n/(n−1); CC* = √(2 CC½ / (1 + CC½)).
//! By random halves, which is another quantity and depends on the seed: CC½ is Pearson's correlation, and
//! Rsplit = √½ Σ|I₁−I₂| / (Σ(I₁+I₂)/2) (White et al., 2012).
//!
//! The weights w are declared ([`Weights`]), because published numbers differ in them. Equal weights are gemmi's `U`,
//! 1/σ² is gemmi's `X`. cctbx's `iotbx.merging_statistics` has R by 1/σ² and its σ-τ CC½ with equal weights.
//!
//! hkl are taken as they are: reduce them to the asymmetric unit first, with Friedel mates together or apart as wanted.
//! Completeness is not given, because the table does not say which reflections are possible.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::half_sets::{HalfSets, weighted_mean};
use crate::sum::Sum;

/// A table of unmerged reflections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reflections<'a> {
    /// Miller indices, reduced to the asymmetric unit.
    pub hkl: &'a [[i32; 3]],
    /// Scaled intensities, in any unit.
    pub intensity: &'a [f64],
    /// Their standard deviations.
    pub sigma: Option<&'a [f64]>,
    /// Spacings d in Å, the same for all observations of a reflection; shells need them.
    pub spacing: Option<&'a [f64]>,
}

/// Weights of the observations of a reflection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The same for all.
    #[default]
    Equal,
    /// 1/σ².
    InverseVariance,
}

/// How reflections are merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MergingSettings {
    /// Weights of the observations of a reflection.
    pub weights: Weights,
    /// Seed of the random halves.
    pub seed: u64,
}

/// Statistics of merging. Numbers that are not defined are NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merging {
    /// Observations that take part.
    pub observations: usize,
    /// Observations that do not: intensity, σ or spacing that is no number, or not positive where it has to be.
    pub left_out: usize,
    /// Different reflections.
    pub unique: usize,
    /// Reflections observed twice or more, of which all that follows is made.
    pub repeated: usize,
    /// Observations per reflection.
    pub multiplicity: f64,
    /// Σ|I − ⟨I⟩| / ΣI.
    pub r_merge: f64,
    /// Rmerge that does not depend on the multiplicity.
    pub r_meas: f64,
    /// Precision of the merged intensities.
    pub r_pim: f64,
    /// CC½ by σ-τ.
    pub cc_half: f64,
    /// CC* of that CC½; NaN where it is negative.
    pub cc_star: f64,
    /// CC½ of random halves.
    pub cc_half_random: f64,
    /// Rsplit of the same halves.
    pub r_split: f64,
}

/// The statistics of a shell of resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergingShell {
    /// Largest spacing in Å.
    pub d_max: f64,
    /// Smallest spacing in Å.
    pub d_min: f64,
    /// Its statistics.
    pub merging: Merging,
}

/// Statistics over all reflections.
pub fn merging(reflections: &Reflections<'_>, settings: MergingSettings) -> Result<Merging, Error> {
    let table = Table::new(reflections, settings, false)?;
    let mut sums = Sums::new(table.left_out);
    table.for_each_reflection(|reflection| sums.add(reflection, settings.seed));
    Ok(sums.finish())
}

/// Statistics by shells of equal volume in reciprocal space, between the smallest and the largest 1/d³ of the table, from
/// low resolution to high.
pub fn merging_by_shell(
    reflections: &Reflections<'_>,
    settings: MergingSettings,
    shells: usize,
) -> Result<Vec<MergingShell>, Error> {
    if shells == 0 {
        return Err(unsuitable("at least one shell is needed".to_owned()));
    }
    let table = Table::new(reflections, settings, true)?;
    let volumes = || table.observations.iter().map(|one| one.volume);
    let low = volumes().fold(f64::INFINITY, f64::min);
    let high = volumes().fold(f64::NEG_INFINITY, f64::max);
    let step = (high - low) / shells as f64;
    let mut sums: Vec<Sums> = (0..shells).map(|_| Sums::new(0)).collect();
    table.for_each_reflection(|reflection| {
        // A single spacing has step 0, and a quotient that is NaN and so shell 0.
        let shell = ((reflection[0].volume - low) / step) as usize;
        sums[shell.min(shells - 1)].add(reflection, settings.seed);
    });
    let spacing = |edge: usize| (low + step * edge as f64).powf(-1.0 / 3.0);
    let numbered = sums.into_iter().enumerate();
    Ok(numbered
        .map(|(shell, sums)| MergingShell {
            d_max: spacing(shell),
            d_min: spacing(shell + 1),
            merging: sums.finish(),
        })
        .collect())
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    hkl: [i32; 3],
    intensity: f64,
    weight: f64,
    /// 1/d³; 0 where spacings are of no matter.
    volume: f64,
}

/// The observations that take part, those of a reflection beside each other.
struct Table {
    observations: Vec<Observation>,
    left_out: usize,
}

impl Table {
    fn new(
        reflections: &Reflections<'_>,
        settings: MergingSettings,
        shells: bool,
    ) -> Result<Self, Error> {
        let count = reflections.hkl.len();
        let sigma = match settings.weights {
            Weights::Equal => None,
            Weights::InverseVariance => Some(
                reflections
                    .sigma
                    .ok_or(missing("sigma, or equal weights"))?,
            ),
        };
        let spacing = match shells {
            true => Some(reflections.spacing.ok_or(missing("the spacings d"))?),
            false => None,
        };
        let lengths = [
            Some(reflections.intensity),
            reflections.sigma,
            reflections.spacing,
        ];
        for found in lengths.into_iter().flatten().map(<[f64]>::len) {
            if found != count {
                return Err(unsuitable(format!(
                    "{count} hkl and {found} values; there has to be one for each"
                )));
            }
        }
        let all = (0..count).map(|at| Observation {
            hkl: reflections.hkl[at],
            intensity: reflections.intensity[at],
            weight: sigma.map_or(1.0, |sigma| positive(sigma[at]).powi(-2)),
            volume: spacing.map_or(0.0, |spacing| positive(spacing[at]).powi(-3)),
        });
        let finite = |one: &Observation| {
            one.intensity.is_finite() && one.weight.is_finite() && one.volume.is_finite()
        };
        let mut observations: Vec<Observation> = all.filter(finite).collect();
        observations.sort_by_key(|one| one.hkl);
        Ok(Self {
            left_out: count - observations.len(),
            observations,
        })
    }

    fn for_each_reflection(&self, take: impl FnMut(&[Observation])) {
        self.observations
            .chunk_by(|a, b| a.hkl == b.hkl)
            .for_each(take);
    }
}

/// Sums over reflections.
struct Sums {
    observations: usize,
    left_out: usize,
    unique: usize,
    intensity: Sum,
    /// Numerators of Rmerge, Rmeas and Rpim.
    deviations: [Sum; 3],
    /// var/(n/2).
    error_variance: Sum,
    means: Vec<f64>,
    halves: HalfSets,
}

impl Sums {
    fn new(left_out: usize) -> Self {
        Self {
            observations: 0,
            left_out,
            unique: 0,
            intensity: Sum::default(),
            deviations: [Sum::default(); 3],
            error_variance: Sum::default(),
            means: Vec::new(),
            halves: HalfSets::default(),
        }
    }

    fn add(&mut self, reflection: &[Observation], seed: u64) {
        self.unique += 1;
        self.observations += reflection.len();
        if reflection.len() < 2 {
            return;
        }
        let pairs = reflection.iter().map(|one| (one.intensity, one.weight));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let mean = weighted_mean(&pairs);
        let (mut apart, mut squares, mut weights) = (0.0, 0.0, 0.0);
        for &(intensity, weight) in &pairs {
            self.intensity.add(intensity);
            apart += (intensity - mean).abs();
            squares += weight * (intensity - mean).powi(2);
            weights += weight;
        }
        let count = pairs.len() as f64;
        let others = count - 1.0;
        let factors = [1.0, (count / others).sqrt(), others.recip().sqrt()];
        for (sum, factor) in self.deviations.iter_mut().zip(factors) {
            sum.add(apart * factor);
        }
        let variance = squares / weights * (count / others);
        self.error_variance.add(variance / (count / 2.0));
        self.means.push(mean);
        self.halves.add(&pairs, reflection[0].hkl, seed);
    }

    fn finish(self) -> Merging {
        let repeated = self.means.len();
        let signal = variance(&self.means);
        let error = self.error_variance.value() / repeated as f64;
        let cc_half = (signal - error / 2.0) / (signal + error / 2.0);
        let [r_merge, r_meas, r_pim] = self
            .deviations
            .map(|sum| sum.value() / self.intensity.value());
        Merging {
            observations: self.observations,
            left_out: self.left_out,
            unique: self.unique,
            repeated,
            multiplicity: self.observations as f64 / self.unique as f64,
            r_merge,
            r_meas,
            r_pim,
            cc_half,
            cc_star: (2.0 * cc_half / (1.0 + cc_half)).sqrt(),
            cc_half_random: self.halves.cc_half(),
            r_split: self.halves.r_split(),
        }
    }
}

/// Variance with n − 1; NaN for fewer than two.
fn variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let (mut sum, mut squares) = (Sum::default(), Sum::default());
    values.iter().for_each(|value| sum.add(*value));
    let mean = sum.value() / count;
    values
        .iter()
        .for_each(|value| squares.add((value - mean).powi(2)));
    squares.value()
        / if values.len() < 2 {
            f64::NAN
        } else {
            count - 1.0
        }
}

/// The number, or NaN where it is not positive.
fn positive(value: f64) -> f64 {
    if value > 0.0 { value } else { f64::NAN }
}

fn missing(what: &'static str) -> Error {
    Error::Missing {
        metric: "merging",
        what,
    }
}

fn unsuitable(reason: String) -> Error {
    Error::Unsuitable {
        metric: "merging",
        reason,
    }
}
