//! `etalon inspect`: how the datasets of a file are stored, and which chunks are damaged.

use std::path::Path;

use anyhow::anyhow;
use clap::Args;
use etalon_measure::inspect::{Inspection, inspect};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::progress::{self, STEPS};
use crate::table::{Table, extents, size};
use crate::target::Target;

/// Arguments of `etalon inspect`.
#[derive(Args)]
#[command(after_help = "\
Chunks of Etalon's filters are checked by their headers and lengths, without decoding them: that \
finds chunks that were cut or overwritten. --deep decodes every chunk.

Examples:
  etalon inspect run42.h5
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
    /// Decode every chunk
    #[arg(long)]
    deep: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
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
        inspections.push(inspect(dataset, arguments.deep, || bar.inc(1))?);
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
