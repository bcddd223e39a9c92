//! `etalon report`: one page of plots, pictures and verdicts, from what `etalon measure --json` printed.
//!
//! The page stands by itself: style, script, data and the plotting library are inside, nothing is fetched, and it is
//! smaller than [`MOST_BYTES`], so that it can be sent by mail and kept with the data. Pictures and curves are reduced until
//! that holds; the tables always have every number.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::report_data::{Data, Detail, sections};
use crate::report_input::Results;
use crate::report_page::page;
use crate::table::size;

/// A page is smaller than this.
const MOST_BYTES: usize = 1_000_000;
/// From most to least: points of a curve, pixels of a picture's side, steps of its scale.
const DETAILS: [(usize, usize, f64); 8] = [
    (1024, 256, 254.0),
    (512, 256, 62.0),
    (512, 256, 30.0),
    (256, 256, 14.0),
    (256, 128, 62.0),
    (256, 128, 30.0),
    (256, 64, 30.0),
    (128, 32, 30.0),
];

/// Arguments of `etalon report`.
#[derive(Args)]
#[command(after_help = "\
The page shows how ratio, error and speed of the codecs relate, the curves and pictures of all metrics, the chunks, and \
which limits hold. It needs no network and is smaller than 1 MB. Plots can be saved as SVG and PNG; to print it, use the \
browser.

Examples:
  etalon measure run42.h5 -c bitshuffle -c noise:sigma=0.5 --profile imaging --metrics preview --per-chunk --json > run42.json
  etalon report run42.json -o run42.html
  etalon report monday.json tuesday.json -o both.html")]
pub(crate) struct Arguments {
    /// What `etalon measure --json` printed; several are shown on one page
    #[arg(value_name = "RESULT", required = true)]
    results: Vec<PathBuf>,
    /// The page to write
    #[arg(short, long, value_name = "HTML")]
    out: PathBuf,
}

/// Reads the results and writes the page.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let mut results = Results::default();
    for path in &arguments.results {
        results.read(path)?;
    }
    if arguments
        .results
        .iter()
        .any(|path| is_same_file(path, &arguments.out))
    {
        return Err(Failure::arguments(format!(
            "{} is one of the results; the page needs a name of its own",
            arguments.out.display()
        )));
    }
    let html = smaller_page(&results)?;
    std::fs::write(&arguments.out, &html).map_err(|error| {
        let context = format!("cannot write {}", arguments.out.display());
        Failure::Output(anyhow::Error::new(error).context(context))
    })?;
    output.note(&format!(
        "{}: {}",
        arguments.out.display(),
        size(html.len() as u64)
    ));
    Ok(Outcome::Done)
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    // What does not exist is not the same.
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The page in the most detail that is small enough.
fn smaller_page(results: &Results) -> Result<String, Failure> {
    let sections = sections(&results.rows);
    let mut least = 0;
    for (points, side, steps) in DETAILS {
        let data = Data::new(
            &sections,
            Detail {
                points,
                side,
                steps,
            },
        );
        let html = page(results, &sections, &data)?;
        if html.len() < MOST_BYTES {
            return Ok(html);
        }
        least = html.len();
    }
    Err(Failure::arguments(format!(
        "the page would be {}, more than {}: report fewer datasets or codecs at a time",
        size(least as u64),
        size(MOST_BYTES as u64)
    )))
}
