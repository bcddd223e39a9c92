//! `etalon inspect`: how the datasets of a file are stored, and which chunks are damaged.

use std::path::Path;

use anyhow::anyhow;
use clap::Args;
use etalon_measure::inspect::{Depth, Inspection, inspect};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, shown};
use crate::progress::{self, STEPS};
use crate::table::{Table, extents, size};
use crate::target::Target;

/// Arguments of `etalon inspect`.
#[derive(Args)]
#[command(after_help = "\
Of chunks of Etalon's filters only the header is read, which says how long the chunk is and what \
it lost: that finds chunks whose beginning was overwritten, of another size, or beyond the end of \
the file. --checksums reads whole chunks: it verifies the checksums of filter 59297 and fletcher32, \
and the block lengths of bitshuffle, which has no checksums. --deep decodes every chunk.

Examples:
  etalon inspect run42.h5
  etalon inspect run42.h5 --checksums
  etalon inspect run42.h5::/entry/data --deep
  etalon inspect run42.h5 --json | jq '.datasets[] | {dataset, ratio, damaged}'

Exit code 3: a chunk is damaged.")]
pub(crate) struct Arguments {
    /// File, or file.h5::/dataset
    #[arg(value_name = "FILE")]
    target: Target,
    /// Only datasets whose path matches; may be given several times
    #[arg(short, long, value_name = "GLOB")]
    dataset: Vec<String>,
    /// Read whole chunks and verify their checksums
    #[arg(long, conflicts_with = "deep")]
    checksums: bool,
    /// Decode every chunk
    #[arg(long)]
    deep: bool,
}

impl Arguments {
    fn depth(&self) -> Depth {
        match (self.checksums, self.deep) {
            (_, true) => Depth::Decoded,
            (true, false) => Depth::Checksums,
            (false, false) => Depth::Headers,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(serialize_with = "shown")]
    file: &'a Path,
    datasets: &'a [Inspection],
}

/// Inspects every dataset.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let datasets = arguments.target.datasets(&arguments.dataset)?;
    let bar = progress::bar(output, 0, STEPS);
    let mut inspections = Vec::new();
    for dataset in &datasets {
        bar.set_message(dataset.path.clone());
        bar.inc_length(dataset.stored_chunks()?.len() as u64);
        inspections.push(inspect(dataset, arguments.depth(), || bar.inc(1))?);
    }
    bar.finish_and_clear();
    if output.json {
        output.document(&Document {
            file: &arguments.target.file,
            datasets: &inspections,
        })?;
    } else {
        text_lines(&inspections)
            .iter()
            .try_for_each(|line| output.line(line))?;
    }
    let chunks: usize = inspections.iter().map(|inspection| inspection.chunks).sum();
    let damaged: usize = inspections
        .iter()
        .map(|inspection| inspection.damaged.len())
        .sum();
    if damaged > 0 {
        let file = arguments.target.file.display();
        return Err(Failure::Input(anyhow!(
            "{damaged} of {chunks} chunks are damaged in {file}"
        )));
    }
    Ok(Outcome::Done)
}

/// What a lossy dataset lost, in one line.
fn loss_line(inspection: &Inspection) -> Option<String> {
    let guarantee = inspection
        .guarantee
        .as_ref()
        .filter(|class| *class != "lossless")?;
    let sigma = inspection
        .max_sigma_error
        .map_or(String::new(), |error| format!(" ({error:.3} σ)"));
    let synthetic = if inspection.synthetic_background {
        ", background drawn from a model"
    } else {
        ""
    };
    Some(format!(
        "{}: guarantee {guarantee}, bound asked {}, largest error {}{sigma}, mean error {:.3e}, {} values kept exactly{synthetic}",
        inspection.dataset,
        inspection.bound_asked.unwrap_or(0.0),
        inspection.max_abs_error.unwrap_or(0.0),
        inspection.mean_error.unwrap_or(0.0),
        inspection.exceptions,
    ))
}

/// What was checked of how many chunks, and what was not.
fn checked_lines(inspections: &[Inspection]) -> Vec<String> {
    let kinds = [
        (
            "headers",
            "checked by their headers; damage behind them shows with --checksums or --deep",
        ),
        ("checksums", "checked by their checksums, not decoded"),
        ("decoded", "decoded"),
        ("none", "not checked: no filter of Etalon stored them"),
    ];
    let chunks = |checked| {
        let of_kind = inspections
            .iter()
            .filter(|inspection| inspection.checked == checked);
        of_kind.map(|inspection| inspection.chunks).sum::<usize>()
    };
    kinds
        .into_iter()
        .map(|(checked, text)| (chunks(checked), text))
        .filter(|(chunks, _)| *chunks > 0)
        .map(|(chunks, text)| format!("{chunks} chunks: {text}"))
        .collect()
}

fn text_lines(inspections: &[Inspection]) -> Vec<String> {
    let mut table = Table::new(&[
        "dataset", "type", "shape", "chunk", ">chunks", "codec", ">raw", ">stored", ">ratio",
    ]);
    for inspection in inspections {
        table.row([
            inspection.dataset.clone(),
            inspection.dtype.clone(),
            extents(&inspection.shape),
            inspection
                .chunk
                .as_ref()
                .map_or("–".into(), |chunk| extents(chunk)),
            inspection.chunks.to_string(),
            inspection.spec.clone(),
            size(inspection.raw_bytes),
            size(inspection.stored_bytes),
            format!("{:.2}", inspection.ratio),
        ]);
    }
    let mut lines = table.lines();
    lines.extend(inspections.iter().filter_map(loss_line));
    lines.extend(checked_lines(inspections));
    for inspection in inspections {
        for (chunk, reason) in inspection.damaged.iter().zip(&inspection.reasons) {
            lines.push(format!(
                "DAMAGED {} chunk {chunk:?}: {reason}",
                inspection.dataset
            ));
        }
    }
    lines
}
