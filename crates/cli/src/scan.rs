//! `etalon scan`: the smallest way to store a dataset that keeps a requirement.

use std::path::{Path, PathBuf};

use clap::Args;
use etalon_measure::dataset::Dataset;
use etalon_measure::machine::{Machine, Versions};
use etalon_measure::recompress::LEAST_BYTES;
use etalon_measure::requirement::{PROFILES, Requirement, profile_as_json};
use etalon_measure::scan::{Options, Point, Scan, scan};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, shown};
use crate::progress::{self, STEPS};
use crate::recompress::stop_on_signals;
use crate::table::{Table, counted, extents, size};
use crate::target::Target;

/// Arguments of `etalon scan`.
#[derive(Args)]
#[command(after_help = "\
Settings are tried on a sample of chunks; the smallest that keeps every limit is verified on other chunks. \
The answer is a SPEC for `etalon recompress`, and what it promises of the rest of the dataset, by limit:
  A  kept in every element, by the way the codec works
  B  checked by the codec in every chunk when it encodes
  C  measured on the sample, and verified on chunks that no setting was looked for on
Where a sample says too little, as of reconstructed slices and of means over many frames, what is chosen is tried on all \
data as well if they are a few hundred megabytes; else a note says what to take care of.

R.toml has limits, a profile or both (`etalon profiles` lists them); a profile's name may stand for it:
  profile = \"saxs\"
  limits = [\"iq_z_max<=0.3\"]
  [settings]                      # as for `etalon measure --settings`
  geometry.center = [512.3, 498.1]
  [sample]
  bytes = 50_000_000              # of raw data; the same is kept back to verify
  seed = 0

Examples:
  etalon scan saxs.h5 --require saxs.toml
  etalon scan volume.h5::/entry/data --require segmentation
  etalon scan run42.h5 --require mx.toml --codec noise --codec sigma-clip:variant=block
  etalon scan scan.h5 --require r.toml --codec \"quantise:psnr=*\" --json > scan.json
  etalon report scan.json -o scan.html

Exit code 1: not even the original keeps the requirement.")]
pub(crate) struct Arguments {
    /// File, or file.h5::/dataset
    #[arg(value_name = "FILE")]
    target: Target,
    /// Limits on metrics, or the name of a profile
    #[arg(long, value_name = "R.toml")]
    require: PathBuf,
    /// Codec to try, one setting of which may be open, as in noise or quantise:psnr=*; may be given several times
    #[arg(short, long = "codec", visible_alias = "codecs", value_name = "SPEC")]
    codecs: Vec<String>,
    /// Seed of the sample, instead of that of the requirement
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print every setting that was tried
    #[arg(long)]
    all: bool,
}

/// Trials that a search takes, more or less: the length of the progress bar.
const TRIALS: u64 = 9;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    machine: Machine,
    versions: Versions,
    #[serde(serialize_with = "shown")]
    file: &'a Path,
    #[serde(flatten)]
    scan: &'a Scan,
}

/// Looks for the working point of a dataset.
pub(crate) fn run(arguments: &Arguments, output: Output, jobs: usize) -> Result<Outcome, Failure> {
    let mut requirement = Requirement::read(&arguments.require)?;
    requirement.sample.seed = arguments.seed.unwrap_or(requirement.sample.seed);
    let dataset = only_dataset(&arguments.target)?;
    let codecs = arguments.codecs.len().max(3) as u64;
    let bar = progress::bar(output, TRIALS * codecs, STEPS);
    let mut progress = |text: &str| {
        bar.set_message(text.to_owned());
        bar.inc(1);
        bar.set_length(bar.length().unwrap_or(0).max(bar.position() + 1));
    };
    let found = scan(
        &dataset,
        &requirement,
        Options {
            codecs: &arguments.codecs,
            jobs,
            stop: stop_on_signals(),
            progress: &mut progress,
        },
    );
    bar.finish_and_clear();
    let found = found?;
    for note in &found.notes {
        output.note(note);
    }
    if output.json {
        output.document(&Document {
            machine: Machine::this(),
            versions: Versions::this(),
            file: &arguments.target.file,
            scan: &found,
        })?;
    } else {
        let lines = text(&found, arguments.all);
        lines.iter().try_for_each(|line| output.line(line))?;
    }
    Ok(Outcome::of_check(found.verified.holds))
}

/// Prints the profiles, or the text of one.
pub(crate) fn profiles(name: Option<&str>, output: Output) -> Result<Outcome, Failure> {
    let named = |wanted: &str| PROFILES.iter().find(|(name, _)| *name == wanted);
    match name {
        Some(wanted) => {
            let Some((_, text)) = named(wanted) else {
                let names: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
                return Err(Failure::arguments(format!(
                    "there is no profile '{wanted}'; there are {}",
                    names.join(", ")
                )));
            };
            match output.json {
                true => output.document(&profile_as_json(text)?)?,
                false => output.line(text.trim_end())?,
            }
        }
        None if output.json => output.document(&PROFILES)?,
        None => {
            for (name, text) in PROFILES {
                let about = text.lines().next().unwrap_or_default();
                output.line(&format!("{name:13} {}", about.trim_start_matches("# ")))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// The dataset that is meant: the only one, or the only large one.
fn only_dataset(target: &Target) -> Result<Dataset, Failure> {
    let mut datasets = target.datasets(&[])?;
    datasets.retain(|dataset| dataset.element.is_some());
    if datasets.len() > 1 && target.pattern.is_none() {
        datasets.retain(|dataset| dataset.raw_bytes() >= LEAST_BYTES);
    }
    let names: Vec<String> = datasets
        .iter()
        .map(|dataset| dataset.path.clone())
        .collect();
    match (datasets.pop(), names.len()) {
        (Some(dataset), 1) => Ok(dataset),
        (None, _) => Err(Failure::arguments(format!(
            "{} has no dataset of numbers of {} or more; name a smaller one, as in {}::/entry/data",
            target.file.display(),
            size(LEAST_BYTES),
            target.file.display()
        ))),
        _ => Err(Failure::arguments(format!(
            "a scan is of one dataset; name one of {}, as in {}::{}",
            names.join(", "),
            target.file.display(),
            names[0]
        ))),
    }
}

fn text(found: &Scan, all: bool) -> Vec<String> {
    let sample = &found.sample;
    let mut lines = vec![
        format!(
            "{}  {} {}, searched {} of {} ({}), {} kept back",
            found.dataset,
            found.dtype,
            extents(&found.shape),
            sample.searched_chunks,
            counted(sample.total_chunks, "chunk"),
            size(sample.searched_bytes),
            sample.held_out_chunks
        ),
        String::new(),
    ];
    lines.extend(table(found, all).lines());
    lines.push(String::new());
    lines.push(found.chosen.spec.clone());
    if let Some(reason) = &found.chosen.reason {
        lines.push(format!("  lossless: {reason}"));
    }
    for demand in &found.requirement.limits {
        lines.push(limit_line(
            found,
            &demand.limit.value,
            &demand.limit.to_string(),
        ));
    }
    lines
}

/// A limit, what was measured, and what is promised.
fn limit_line(found: &Scan, value: &str, limit: &str) -> String {
    let number = |metrics: &std::collections::BTreeMap<String, f64>| {
        let number = metrics.get(value).copied().unwrap_or(f64::NAN);
        shortened(number)
    };
    let classes = found.chosen.classes.iter();
    let class = classes
        .filter(|(of, _)| of == limit)
        .map(|(_, class)| format!("class {class:?}"));
    let verified = match found.verified.chunks {
        0 => String::new(),
        chunks => format!(
            ", {} on {} kept back",
            number(&found.verified.metrics),
            counted(chunks, "chunk")
        ),
    };
    let class = class.collect::<String>();
    format!(
        "  {limit}: {}{verified} ({class})",
        number(&found.chosen.metrics)
    )
}

fn table(found: &Scan, all: bool) -> Table {
    let limits: Vec<String> = (found.requirement.limits.iter())
        .map(|demand| demand.limit.to_string())
        .collect();
    let mut titles: Vec<String> = ["codec", ">ratio", ">enc GB/s", ">dec GB/s"]
        .map(String::from)
        .to_vec();
    titles.extend(limits.iter().map(|limit| format!(">{limit}")));
    titles.push("".into());
    let mut table = Table::new(&titles);
    let shown = found.points.iter().filter(|point| {
        all || point.refused.is_some()
            || point.refuted
            || point.spec == found.chosen.spec
            || is_best(point, found)
    });
    for point in shown {
        let mut cells = vec![point.spec.clone()];
        match &point.refused {
            Some(_) => cells.extend(vec![String::from("–"); limits.len() + 3]),
            None => {
                cells.push(format!("{:.2}", point.ratio));
                cells.push(format!("{:.2}", point.encode_gbps));
                cells.push(format!("{:.2}", point.decode_gbps));
                let measured = point.verdicts.iter();
                cells.extend(measured.map(|verdict| shortened(verdict.measured)));
            }
        }
        cells.push(remark(point, found));
        table.row(cells);
    }
    table
}

/// The best point of its codec that holds.
fn is_best(point: &Point, found: &Scan) -> bool {
    let own = found
        .points
        .iter()
        .filter(|other| other.codec == point.codec);
    let largest = own
        .filter(|other| other.holds)
        .map(|other| other.ratio)
        .fold(0.0, f64::max);
    point.holds && point.ratio == largest
}

fn remark(point: &Point, found: &Scan) -> String {
    if let Some(reason) = &point.refused {
        return format!("refuses: {reason}");
    }
    let mut words = Vec::new();
    if point.spec == found.chosen.spec {
        words.push("chosen".to_owned());
    }
    if point.refuted {
        words.push("broken by data kept back".to_owned());
    } else if !point.holds {
        words.push("breaks the requirement".into());
    }
    if point.on_front {
        words.push("on the front".into());
    }
    if point.fallbacks > 0 {
        words.push(format!(
            "fell back in {}",
            counted(point.fallbacks, "chunk")
        ));
    }
    words.join(", ")
}

/// Four digits.
fn shortened(number: f64) -> String {
    if number != 0.0 && (number.abs() < 1e-3 || number.abs() >= 1e5) {
        return format!("{number:.2e}");
    }
    format!("{number:.4}")
}
