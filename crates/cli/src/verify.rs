//! `etalon verify`: whether a file is what it claims to be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use etalon_measure::compare::{Against, Comparison};
use etalon_measure::dataset::Dataset;
use etalon_measure::recompress::LEAST_BYTES;
use etalon_measure::requirement::Requirement;
use etalon_measure::salvage::{Damaged, salvage};
use etalon_measure::verify::{Verification, Work, verify};
use etalon_metrics::Verdict;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::measure::counterparts;
use crate::output::{Output, shown, shown_if_any};
use crate::progress::{self, BYTES};
use crate::recompress::stop_on_signals;
use crate::table::counted;
use crate::target::Target;

/// Arguments of `etalon verify`.
#[derive(Args)]
#[command(after_help = "\
Every chunk is read and decoded, which compares its checksums where it has some. With --against, the \
values are compared with those of ORIGINAL: datasets that claim to be exact must be equal bit for bit; \
elsewhere the loss must be no larger than was recorded, and within the bound that was asked. A whole file \
must have every dataset of ORIGINAL.

A requirement is TOML, or JSON in a file called .json:
  limits = [\"ssim>=0.99\", \"max_sigma_error<=0.5\"]
  [settings]                  # as for `etalon measure --settings`
  mask = [65535]
Of a whole file it is asked of the datasets that differ from ORIGINAL.

Examples:
  etalon verify small.h5
  etalon verify small.h5 --against run42.h5 --require saxs.toml
  etalon verify small.h5::/entry/data --against run42.h5::/entry/raw
  etalon verify broken.h5 --salvage rest.h5

Exit code 0 only if all holds; 1 if not; 3 if nothing failed, and a dataset was not checked because a filter is missing \
here.")]
pub(crate) struct Arguments {
    /// File, or file.h5::/dataset
    #[arg(value_name = "FILE")]
    target: Target,
    /// What it was made of: a file, or file.h5::/dataset
    #[arg(long, value_name = "ORIGINAL")]
    against: Option<Target>,
    /// Limits on metrics that must be kept as well
    #[arg(long, value_name = "R.toml")]
    require: Option<PathBuf>,
    /// Only datasets whose path matches; may be given several times
    #[arg(short, long, value_name = "GLOB")]
    dataset: Vec<String>,
    /// Write a copy of FILE without its damaged chunks, which have the fill value there
    #[arg(long, value_name = "OUT", conflicts_with = "dataset")]
    salvage: Option<PathBuf>,
    /// Replace OUT where it exists
    #[arg(short, long, requires = "salvage")]
    force: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(serialize_with = "shown")]
    file: &'a Path,
    holds: bool,
    datasets: &'a [Row],
    /// The copy without damaged chunks.
    #[serde(serialize_with = "shown_if_any")]
    salvaged: Option<&'a PathBuf>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    verification: Verification,
    /// The limits of the requirement.
    verdicts: Vec<Verdict>,
}

/// Verifies every dataset.
pub(crate) fn run(arguments: &Arguments, output: Output, jobs: usize) -> Result<Outcome, Failure> {
    let requirement = arguments.require.as_deref().map(Requirement::read);
    let requirement = requirement.transpose()?;
    let mut rows = Vec::new();
    let datasets = arguments.target.datasets(&arguments.dataset)?;
    let originals = counterparts(&datasets, arguments.against.as_ref())?;
    let pairs: Vec<Pair<'_>> = datasets
        .iter()
        .zip(originals.iter().map(Option::as_ref))
        .collect();
    for pair in &pairs {
        rows.push(row(*pair, output, jobs)?);
    }
    if let Some(requirement) = &requirement {
        for at in judged(arguments, &datasets, &rows) {
            rows[at].verdicts = verdicts(requirement, pairs[at])?;
        }
    }
    rows.extend(missing(arguments, &datasets)?);
    if let Some(out) = &arguments.salvage {
        let (file, force) = (&arguments.target.file, arguments.force);
        let warnings = salvage(file, out, &damaged(&rows), force, stop_on_signals())?;
        warnings.iter().for_each(|warning| output.note(warning));
    }
    let holds = rows.iter().all(Row::holds);
    if output.json {
        output.document(&Document {
            file: &arguments.target.file,
            holds,
            datasets: &rows,
            salvaged: arguments.salvage.as_ref(),
        })?;
    } else {
        let lines = rows.iter().flat_map(Row::lines);
        lines.into_iter().try_for_each(|line| output.line(&line))?;
        if let Some(out) = &arguments.salvage {
            output.line(&format!("the undamaged chunks are in {}", out.display()))?;
        }
    }
    let unchecked: Vec<&Row> = rows.iter().filter(|row| row.is_unchecked()).collect();
    match rows.iter().all(|row| row.is_unchecked() || row.holds()) {
        true if !unchecked.is_empty() => Err(Failure::Input(anyhow!(
            "{} of {} not checked",
            unchecked.len(),
            counted(rows.len(), "dataset")
        ))),
        held => Ok(Outcome::of_check(held)),
    }
}

/// A dataset, and its original where that is given.
type Pair<'a> = (&'a Dataset, Option<&'a Dataset>);

fn row((dataset, original): Pair<'_>, output: Output, jobs: usize) -> Result<Row, Failure> {
    let bar = progress::bar(output, dataset.raw_bytes(), BYTES);
    bar.set_message(dataset.path.clone());
    let work = Work {
        jobs,
        stop: stop_on_signals(),
    };
    let verification = verify(dataset, original, work, &mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    Ok(Row {
        verification,
        verdicts: Vec::new(),
    })
}

/// The datasets that a requirement is about, of those that are sound: what is named; else what differs from the original,
/// and if nothing does, the largest. Without an original, what is as large as data. A mask or a list of angles beside the
/// data keeps no limit on peaks or reconstructions.
fn judged(arguments: &Arguments, datasets: &[Dataset], rows: &[Row]) -> Vec<usize> {
    let is_sound = |row: &Row| row.verification.failures.is_empty() && row.verification.chunks > 0;
    let sound: Vec<usize> = (0..rows.len()).filter(|at| is_sound(&rows[*at])).collect();
    let only = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
        sound.iter().copied().filter(|at| keep(*at)).collect()
    };
    if arguments.target.pattern.is_some() || !arguments.dataset.is_empty() {
        return sound;
    }
    let differs = |at: usize| {
        rows[at]
            .verification
            .max_abs_error
            .is_some_and(|error| error != 0.0)
    };
    let preferred = match arguments.against {
        Some(_) => only(&differs),
        None => only(&|at| datasets[at].raw_bytes() >= LEAST_BYTES),
    };
    if !preferred.is_empty() {
        return preferred;
    }
    let largest = sound
        .iter()
        .copied()
        .max_by_key(|at| datasets[*at].raw_bytes());
    largest.into_iter().collect()
}

/// The datasets that a whole original has and the file has not.
fn missing(arguments: &Arguments, datasets: &[Dataset]) -> Result<Vec<Row>, Failure> {
    let is_whole = arguments.target.pattern.is_none() && arguments.dataset.is_empty();
    let Some(original) =
        (arguments.against.as_ref()).filter(|original| is_whole && original.pattern.is_none())
    else {
        return Ok(Vec::new());
    };
    let there: BTreeSet<&str> = datasets
        .iter()
        .map(|dataset| dataset.path.as_str())
        .collect();
    let mut originals = original.datasets(&[])?;
    originals.retain(|original| !there.contains(original.path.as_str()));
    let rows = originals.iter().map(|original| Row {
        verification: Verification::of_missing(original),
        verdicts: Vec::new(),
    });
    Ok(rows.collect())
}

fn verdicts(
    requirement: &Requirement,
    (dataset, original): Pair<'_>,
) -> Result<Vec<Verdict>, Failure> {
    let (settings, metrics) = (&requirement.settings, requirement.metrics());
    let (first, against) = match original {
        Some(original) => (original, Against::Dataset(dataset)),
        None => (dataset, Against::Nothing),
    };
    let outcome =
        Comparison::new(first, &against, settings, |_| ())?.evaluate(&metrics, settings)?;
    let limits = requirement.limits();
    Ok(limits.map(|limit| limit.judge(&outcome)).collect())
}

/// The chunks that the copy is to leave out.
fn damaged(rows: &[Row]) -> Damaged {
    let chunks = |row: &Row| -> BTreeSet<Vec<u64>> {
        let failures = row.verification.failures.iter();
        failures
            .filter(|failure| failure.is_damage)
            .filter_map(|failure| failure.chunk.clone())
            .collect()
    };
    rows.iter()
        .map(|row| (row.verification.dataset.clone(), chunks(row)))
        .collect()
}

impl Row {
    fn holds(&self) -> bool {
        self.verification.holds && self.verdicts.iter().all(|verdict| verdict.holds)
    }

    fn is_unchecked(&self) -> bool {
        self.verification.not_checked.is_some()
    }

    /// What was found, for a reader.
    fn lines(&self) -> Vec<String> {
        let found = &self.verification;
        if let Some(reason) = &found.not_checked {
            return vec![format!("{}: NOT CHECKED: {reason}", found.dataset)];
        }
        let mut lines = vec![format!("{}: {}", found.dataset, self.summary())];
        for failure in &found.failures {
            lines.push(match &failure.chunk {
                Some(chunk) => format!("  chunk at {chunk:?}: {}", failure.reason),
                None => format!("  {}", failure.reason),
            });
        }
        for verdict in &self.verdicts {
            let word = if verdict.holds { "holds" } else { "BROKEN" };
            lines.push(format!(
                "  {}: {} ({word})",
                verdict.limit, verdict.measured
            ));
        }
        lines
    }

    fn summary(&self) -> String {
        let found = &self.verification;
        let chunks = counted(found.chunks, "chunk");
        let compared = match found.max_abs_error {
            Some(0.0) => ", equal to the original".into(),
            Some(error) if found.losses > 1 => format!(
                ", largest error {error} against the original, {} losses ago",
                found.losses
            ),
            Some(error) => format!(", largest error {error} against the original"),
            None => String::new(),
        };
        let word = if self.holds() {
            "holds"
        } else {
            "DOES NOT HOLD"
        };
        format!("{word} ({chunks} decoded{compared})")
    }
}
