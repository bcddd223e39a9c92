//! `etalon catalogue`: certificates, metrics and links of many files in one table.

use std::path::PathBuf;

use clap::Args;
use etalon_measure::catalogue::{Options, Summary, collect};
use etalon_measure::shard::Shard;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, shown};
use crate::progress::{self, STEPS};
use crate::recompress::stop_on_signals;
use crate::table::counted;

/// Arguments of `etalon catalogue`.
#[derive(Args)]
#[command(after_help = "\
A row for every dataset: how it is stored, what it lost, who did it and to what, and the metrics of results (.json, as \
`measure`, `verify` and `scan` print them with --json) that lie beside it. docs/CATALOGUE.md has the columns. Only headers \
of chunks are read. What cannot be read has a row with an error.

Files that did not change are not read again. A run that was stopped is taken up by the next.

Examples:
  etalon catalogue /data/visitor/hg123 -o hg123.parquet
  etalon catalogue /data/archive --shard 2/8 -o part2.parquet
  duckdb -c \"select file, ratio, metric_dice from 'hg123.parquet' where technique = 'tomography' and lossy and \
ratio > 10 and metric_dice < .995\"")]
pub(crate) struct Arguments {
    /// Folders, searched to the bottom, or files
    #[arg(value_name = "DIR", required = true)]
    places: Vec<PathBuf>,
    /// The table: .parquet, or .jsonl for JSON lines; brought up to date where it exists
    #[arg(short, long, value_name = "OUT.parquet")]
    out: PathBuf,
    /// Only part I of N of the files, chosen by their names, for N machines; each writes a table of its own
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<Shard>,
    /// Read every file again
    #[arg(long)]
    anew: bool,
}

fn parse_shard(text: &str) -> Result<Shard, String> {
    text.parse()
        .map_err(|fault: etalon_measure::fault::Fault| fault.to_string())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(serialize_with = "shown")]
    out: &'a PathBuf,
    #[serde(flatten)]
    summary: Summary,
}

/// Collects.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let options = Options {
        places: arguments.places.clone(),
        out: arguments.out.clone(),
        shard: arguments.shard.unwrap_or_default(),
        anew: arguments.anew,
    };
    let bar = progress::bar(output, 0, STEPS);
    let summary = collect(&options, stop_on_signals(), &mut |done, files, file| {
        bar.set_length(files as u64);
        bar.set_position(done as u64);
        bar.set_message(file.display().to_string());
    })?;
    bar.finish_and_clear();
    if output.json {
        output.document(&Document {
            out: &options.out,
            summary,
        })?;
    } else {
        output.line(&format!(
            "{} of {} in {} ({} read, {} unchanged, {}); {}",
            counted(summary.datasets, "dataset"),
            counted(summary.files, "file"),
            options.out.display(),
            summary.read,
            summary.unchanged,
            counted(summary.results, "result"),
            counted(summary.errors, "error"),
        ))?;
    }
    Ok(Outcome::Done)
}
