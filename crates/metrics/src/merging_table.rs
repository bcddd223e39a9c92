//! X4 and X5 of a table of reflections: the statistics of merging from its intensities, original and decoded.
//!
//! What is measured is the column of intensities; the other columns are those of the original. Observations that are not
//! valid, and those whose scale or variance is not positive, are left out of both. Definitions and references are
//! those of [`merging`](mod@crate::merging).

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::cell::spacings;
use crate::laue_group::LaueGroup;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::{
    Error, Frames, Merging, MergingSettings, MergingShell, Outcome, Reflections, Settings, Weights,
    merging, merging_by_shell,
};

/// Shells of resolution where their number is not given.
const DEFAULT_SHELLS: usize = 10;

/// The row of the table for R values.
pub(crate) static MERGING: Metric = Metric {
    id: "X4",
    name: "merging",
    about: "agreement of repeated observations of reflections, from their intensities: Rmerge, Rmeas, Rpim",
    values: &[
        ("merging_observations", "observations"),
        ("unique_reflections", "reflections"),
        ("multiplicity", "1"),
        ("r_merge", "1"),
        ("r_merge_decoded", "1"),
        ("r_meas", "1"),
        ("r_meas_decoded", "1"),
        ("r_pim", "1"),
        ("r_pim_decoded", "1"),
        ("r_merge_change_percent", "%"),
        ("r_meas_change_percent", "%"),
        ("r_pim_change_percent", "%"),
    ],
    curves: &[],
    needs: &["merging.hkl"],
    pass: &PASS,
};

/// The row of the table for half sets.
pub(crate) static HALF_SETS: Metric = Metric {
    id: "X5",
    name: "cc_half",
    about: "correlation of half sets of reflections: CC½ (σ-τ) and CC*, CC½ and Rsplit of random halves",
    values: &[
        ("cc_half", "1"),
        ("cc_half_decoded", "1"),
        ("cc_star", "1"),
        ("cc_star_decoded", "1"),
        ("cc_half_random", "1"),
        ("cc_half_random_decoded", "1"),
        ("r_split", "1"),
        ("r_split_decoded", "1"),
    ],
    curves: &[],
    needs: &["merging.hkl"],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "merging",
    mergeable: false,
    per_chunk: false,
    sample: Part::Whole,
    needs_range: false,
    splits: false,
    start,
};

/// Where the other columns of the table are, and how it is merged. Names of datasets are those beside the intensities, or
/// begin with `/`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MergingTable {
    /// Dataset of the Miller indices, three for each observation.
    pub hkl: Option<String>,
    /// Dataset of the variances of the intensities; weights of 1/σ² need it.
    pub variance: Option<String>,
    /// Dataset of what intensities are divided by, as DIALS has it.
    pub scale: Option<String>,
    /// Dataset of the spacings d in Å, for shells of resolution.
    pub spacing: Option<String>,
    /// The cell, a, b, c in Å and α, β, γ in degrees, from which spacings follow where there is no such dataset.
    pub cell: Option<[f64; 6]>,
    /// Number of shells of resolution; 10 if not given.
    pub shells: Option<usize>,
    /// Symmetry by which indices are reduced.
    pub laue: LaueGroup,
    /// Weights of the observations of a reflection.
    pub weights: Weights,
    /// Seed of the random halves.
    pub seed: u64,
    /// The columns, which whoever opens the file puts here.
    #[serde(skip)]
    pub columns: MergingColumns,
}

/// Columns of a table of reflections.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MergingColumns {
    /// Miller indices.
    pub hkl: Vec<[i32; 3]>,
    /// Variances of the intensities.
    pub variance: Option<Vec<f64>>,
    /// What intensities are divided by.
    pub scale: Option<Vec<f64>>,
    /// Spacings d in Å.
    pub spacing: Option<Vec<f64>>,
}

/// One of the statistics.
type Number = fn(&Merging) -> f64;

/// The table, and the intensities that were seen.
#[derive(Default)]
pub(crate) struct Intensities {
    table: MergingTable,
    original: Vec<f64>,
    decoded: Vec<f64>,
}

struct Progress(Intensities);

fn start(settings: &Settings, shape: Shape) -> Started {
    Ok(Box::new(Progress(start_intensities(settings, shape)?)))
}

/// Refuses a table whose columns do not fit the intensities.
pub(crate) fn start_intensities(settings: &Settings, shape: Shape) -> Result<Intensities, Error> {
    let mut table = settings.merging.clone();
    let observations = shape.frames * shape.rows * shape.columns;
    if table.columns.hkl.is_empty() && observations > 0 {
        return Err(Error::Missing {
            metric: MERGING.name,
            what: "merging.hkl, the dataset of the Miller indices, as in --set merging.hkl=miller_index",
        });
    }
    if table.weights == Weights::InverseVariance && table.columns.variance.is_none() {
        return Err(Error::Missing {
            metric: MERGING.name,
            what: "merging.variance for weights of 1/σ²",
        });
    }
    let columns = &table.columns;
    let others = [&columns.variance, &columns.scale, &columns.spacing];
    let lengths = others.into_iter().flatten().map(Vec::len);
    for found in lengths.chain([table.columns.hkl.len()]) {
        if found != observations {
            return Err(Error::Unsuitable {
                metric: MERGING.name,
                reason: format!(
                    "{observations} intensities and a column of {found}; there has to be one for each"
                ),
            });
        }
    }
    table.laue.reduce(&mut table.columns.hkl);
    if let (None, Some(cell)) = (&table.columns.spacing, table.cell) {
        table.columns.spacing = Some(spacings(&table.columns.hkl, cell));
    }
    Ok(Intensities {
        table,
        ..Intensities::default()
    })
}

impl Intensities {
    /// Takes intensities, NaN where not valid.
    pub(crate) fn add(&mut self, frames: &Frames<'_>) {
        let all = 0..frames.original.len();
        let is_valid = |at: usize| frames.valid.is_none_or(|valid| valid[at]);
        let (a, b) = (
            frames.original.to_f64(all.clone()),
            frames.decoded.to_f64(all),
        );
        for (at, (a, b)) in a.iter().zip(b.iter()).enumerate() {
            let valid = is_valid(at) && a.is_finite();
            self.original.push(if valid { *a } else { f64::NAN });
            self.decoded.push(if valid { *b } else { f64::NAN });
        }
    }

    /// The spacings of the observations.
    pub(crate) fn spacing(&self) -> Option<&[f64]> {
        self.table.columns.spacing.as_deref()
    }

    /// Statistics by shells of resolution, of the original and of what was decoded.
    pub(crate) fn shells(&self) -> Result<[Vec<MergingShell>; 2], Error> {
        let shells = self.table.shells.unwrap_or(DEFAULT_SHELLS);
        let by_shell = |reflections: &Reflections<'_>, settings| {
            merging_by_shell(reflections, settings, shells)
        };
        Ok([
            self.table.of(&self.original, by_shell)?,
            self.table.of(&self.decoded, by_shell)?,
        ])
    }
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
        let Intensities {
            table,
            original,
            decoded,
        } = &self.0;
        let [original, decoded] = [table.of(original, merging)?, table.of(decoded, merging)?];
        let mut outcome = Outcome::default();
        outcome.value("merging_observations", original.observations as f64);
        outcome.value("unique_reflections", original.unique as f64);
        outcome.value("multiplicity", original.multiplicity);
        let numbers: [(&str, Number); 7] = [
            ("r_merge", |merging| merging.r_merge),
            ("r_meas", |merging| merging.r_meas),
            ("r_pim", |merging| merging.r_pim),
            ("cc_half", |merging| merging.cc_half),
            ("cc_star", |merging| merging.cc_star),
            ("cc_half_random", |merging| merging.cc_half_random),
            ("r_split", |merging| merging.r_split),
        ];
        for (name, number) in numbers {
            outcome.value(name, number(&original));
            outcome.value(&format!("{name}_decoded"), number(&decoded));
            if name.starts_with("r_") && name != "r_split" {
                let change = 100.0 * (number(&decoded) / number(&original) - 1.0);
                outcome.value(&format!("{name}_change_percent"), change);
            }
        }
        if decoded.observations != original.observations {
            let lost = original.observations.abs_diff(decoded.observations);
            outcome.notes.push(format!(
                "merging: {lost} observations are no numbers any more in what was decoded"
            ));
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl MergingTable {
    /// What `statistics` says of intensities that are not scaled yet.
    fn of<T>(
        &self,
        intensity: &[f64],
        statistics: impl Fn(&Reflections<'_>, MergingSettings) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let columns = &self.columns;
        let scale = |at: usize| columns.scale.as_ref().map_or(1.0, |scale| scale[at]);
        let sigma: Option<Vec<f64>> = columns.variance.as_ref().map(|variance| {
            let numbered = variance.iter().enumerate();
            numbered
                .map(|(at, variance)| variance.sqrt() / scale(at))
                .collect()
        });
        let sound = |at: usize| scale(at) > 0.0 && sigma.as_ref().is_none_or(|s| s[at] > 0.0);
        let scaled: Vec<f64> = intensity
            .iter()
            .enumerate()
            .map(|(at, value)| {
                if sound(at) {
                    value / scale(at)
                } else {
                    f64::NAN
                }
            })
            .collect();
        let reflections = Reflections {
            hkl: &columns.hkl,
            intensity: &scaled,
            sigma: sigma.as_deref(),
            spacing: columns.spacing.as_deref(),
        };
        let settings = MergingSettings {
            weights: self.weights,
            seed: self.seed,
        };
        statistics(&reflections, settings)
    }
}
