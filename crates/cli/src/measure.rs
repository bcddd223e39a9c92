//! `etalon measure`: ratio, speed and error of codecs on the datasets of a file.

use std::path::Path;

use clap::Args;
use etalon_codec::Layout;
use etalon_measure::chunk_source::{ChunkSource, Loaded};
use etalon_measure::dataset::Dataset;
use etalon_measure::machine::{Machine, Versions};
use etalon_measure::measure::{
    DEFAULT_SAMPLE_BYTES, LEAST_RUNS, Row, Subject, measure, stratified,
};
use etalon_measure::method::Method;
use etalon_measure::recompress::LEAST_BYTES;
use etalon_measure::speed::RawChunk;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::progress::{self, STEPS};
use crate::table::{Table, extents, size};
use crate::target::Target;

/// Arguments of `etalon measure`.
#[derive(Args)]
#[command(after_help = "\
Chunks are read and decoded first; then every codec encodes and decodes them in memory, on one \
thread. Speeds are the median of the runs in 10⁹ bytes of raw data a second, and CV is the variation \
between runs. Every result is compared with the raw data. Of a large dataset a sample of chunks is \
measured, spread evenly over all of them.

Besides Etalon's codecs (see `etalon codecs`), gzip:level=N and shuffle+gzip:level=N stand for what HDF5 has built in.

Examples:
  etalon measure run42.h5 -c bitshuffle -c bitshuffle:compressor=zstd -c shuffle+gzip
  etalon measure run42.h5::/entry/data -c bitshuffle:block=65536 --per-chunk --csv

Exit code 1: a codec that is lossless changed a value.")]
pub(crate) struct Arguments {
    /// File, or file.h5::/dataset
    #[arg(value_name = "FILE")]
    target: Target,
    /// Only datasets whose path matches; may be given several times
    #[arg(short, long, value_name = "GLOB")]
    dataset: Vec<String>,
    /// Codec and settings, as in bitshuffle:compressor=zstd; may be given several times
    #[arg(short, long = "codec", value_name = "SPEC", required = true)]
    codecs: Vec<String>,
    /// Runs per codec, at least 5
    #[arg(long, value_name = "N", default_value_t = LEAST_RUNS)]
    runs: usize,
    /// Add a row for every chunk
    #[arg(long)]
    per_chunk: bool,
    /// Measure all chunks of a dataset, whatever memory that takes
    #[arg(long)]
    all: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    machine: Machine,
    versions: Versions,
    file: &'a Path,
    datasets: &'a [Row],
}

/// Measures every codec on every dataset.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    if arguments.runs < LEAST_RUNS {
        return Err(Failure::arguments(format!(
            "--runs: fewer than {LEAST_RUNS} runs have no meaningful median"
        )));
    }
    let mut methods = Vec::new();
    for codec in &arguments.codecs {
        methods.push(codec.parse::<Method>()?);
    }
    let datasets = measurable(arguments, output)?;
    let limit = if arguments.all {
        u64::MAX
    } else {
        DEFAULT_SAMPLE_BYTES
    };
    let mut rows = Vec::new();
    for dataset in &datasets {
        let sample = Sample::read(dataset, limit)?;
        let measured = measure_dataset(&sample, &methods, arguments, output)?;
        print_rows(&measured, arguments, output, rows.is_empty())?;
        rows.extend(measured);
    }
    if output.json {
        output.document(&Document {
            machine: Machine::this(),
            versions: Versions::this(),
            file: &arguments.target.file,
            datasets: &rows,
        })?;
    }
    Ok(Outcome::of_check(rows.iter().all(Row::holds)))
}

/// The datasets asked for; of a whole file, those that are large enough to say something.
fn measurable(arguments: &Arguments, output: Output) -> Result<Vec<Dataset>, Failure> {
    let mut datasets = arguments.target.datasets(&arguments.dataset)?;
    let is_named = arguments.target.pattern.is_some() || !arguments.dataset.is_empty();
    datasets.retain(|dataset| {
        let takes = dataset.element.is_some()
            && dataset.raw_bytes() >= if is_named { 1 } else { LEAST_BYTES };
        if !takes {
            output.detail(&format!(
                "{}: left out ({} {})",
                dataset.path,
                dataset.dtype,
                size(dataset.raw_bytes())
            ));
        }
        takes
    });
    if datasets.is_empty() {
        return Err(Failure::arguments(format!(
            "{} has no dataset of numbers of {} or more; name a smaller one with --dataset",
            arguments.target.file.display(),
            size(LEAST_BYTES)
        )));
    }
    Ok(datasets)
}

/// Decoded chunks of a dataset: all, or some that are spread over it.
pub(crate) struct Sample {
    /// How the dataset is named in its rows.
    pub(crate) subject: Subject,
    /// The shape of a chunk.
    pub(crate) chunk_shape: Vec<u64>,
    /// The chunks.
    pub(crate) chunks: Vec<RawChunk>,
}

impl Sample {
    /// As many chunks as fit into `limit` bytes, one at least.
    pub(crate) fn read(dataset: &Dataset, limit: u64) -> Result<Self, Failure> {
        let element = dataset.element.ok_or_else(|| {
            Failure::arguments(format!("{}: elements of variable length", dataset.path))
        })?;
        let source = ChunkSource::new(dataset, None)?;
        let fitting = limit / (source.chunk_bytes() as u64).max(1);
        let mut decoder = source.decoder();
        let mut loaded = Loaded::default();
        let mut chunks = Vec::new();
        for at in stratified(source.len(), usize::try_from(fitting).unwrap_or(usize::MAX)) {
            let offset = source.offset(at).to_vec();
            let mut bytes = Vec::new();
            source.load(at, &mut loaded)?;
            decoder.decode(&mut loaded, &mut bytes).map_err(|error| {
                Failure::Input(error.context(format!("{}, chunk {offset:?}", dataset.path)))
            })?;
            chunks.push(RawChunk { offset, bytes });
        }
        Ok(Self {
            subject: Subject {
                dataset: dataset.path.clone(),
                dtype: dataset.dtype.clone(),
                layout: Layout {
                    element,
                    shape: source
                        .chunk_shape()
                        .iter()
                        .map(|&extent| extent as usize)
                        .collect(),
                    fill: dataset.fill_value.clone(),
                },
                shape: dataset.shape.clone(),
                total_chunks: source.len(),
            },
            chunk_shape: source.chunk_shape().to_vec(),
            chunks,
        })
    }
}

fn measure_dataset(
    sample: &Sample,
    methods: &[Method],
    arguments: &Arguments,
    output: Output,
) -> Result<Vec<Row>, Failure> {
    let bar = progress::bar(output, (methods.len() * arguments.runs) as u64, STEPS);
    let mut rows = Vec::new();
    for method in methods {
        bar.set_message(format!("{} {method}", sample.subject.dataset));
        let step = || bar.inc(1);
        let row = measure(
            &sample.subject,
            method,
            &sample.chunks,
            arguments.runs,
            arguments.per_chunk,
            step,
        )?;
        if !row.holds() {
            output.note(&format!("{}: {} changed values", row.dataset, row.codec));
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    Ok(rows)
}

fn print_rows(
    rows: &[Row],
    arguments: &Arguments,
    output: Output,
    first: bool,
) -> Result<(), Failure> {
    if output.json {
        return Ok(());
    }
    let lines = if arguments.csv {
        csv_lines(rows, first)
    } else {
        text_lines(rows, first)
    };
    lines.iter().try_for_each(|line| output.line(line))
}

fn text_lines(rows: &[Row], first: bool) -> Vec<String> {
    let mut lines = if first {
        Vec::new()
    } else {
        vec![String::new()]
    };
    let Some(any) = rows.first() else {
        return lines;
    };
    let sample = if any.measured_chunks < any.total_chunks {
        format!(
            ", sample of {} of {} chunks",
            any.measured_chunks, any.total_chunks
        )
    } else {
        String::new()
    };
    lines.push(format!(
        "{}  {} {}, {} measured{sample}",
        any.dataset,
        any.dtype,
        extents(&any.shape),
        size(any.raw_bytes)
    ));
    let mut table = Table::new(&[
        "codec",
        ">ratio",
        ">stored",
        ">encode GB/s",
        ">decode GB/s",
        ">CV",
        ">max error",
    ]);
    for row in rows {
        table.row(text_cells(row));
        for chunk in &row.chunks {
            table.row([
                format!("  {:?}", chunk.chunk),
                format!("{:.2}", chunk.ratio),
                size(chunk.stored_bytes),
                format!("{:.3}", chunk.encode_gbps),
                format!("{:.3}", chunk.decode_gbps),
                String::new(),
                chunk.max_abs_error.to_string(),
            ]);
        }
    }
    lines.extend(table.lines());
    lines
}

fn text_cells(row: &Row) -> [String; 7] {
    [
        row.codec.clone(),
        format!("{:.2}", row.ratio),
        size(row.stored_bytes),
        format!("{:.3}", row.encode_gbps),
        format!("{:.3}", row.decode_gbps),
        format!("{:.1} %", row.cv * 100.0),
        row.max_abs_error.to_string(),
    ]
}

/// RFC 4180; the column `chunk` is empty in the row of a whole dataset.
fn csv_lines(rows: &[Row], first: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if first {
        lines.push(
            "dataset,dtype,shape,codec,chunk,raw_bytes,stored_bytes,ratio,encode_gbps,decode_gbps,encode_cv,decode_cv,\
             max_abs_error,measured_chunks,total_chunks"
                .into(),
        );
    }
    let joined = |numbers: &[u64]| {
        numbers
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    for row in rows {
        let head = [&row.dataset, &row.dtype, &joined(&row.shape), &row.codec]
            .map(|field| quoted(field))
            .join(",");
        lines.push(format!(
            "{head},,{},{},{},{},{},{},{},{},{},{}",
            row.raw_bytes,
            row.stored_bytes,
            row.ratio,
            row.encode_gbps,
            row.decode_gbps,
            row.encode_cv,
            row.decode_cv,
            row.max_abs_error,
            row.measured_chunks,
            row.total_chunks
        ));
        lines.extend(row.chunks.iter().map(|chunk| {
            format!(
                "{head},{},{},{},{},{},{},,,{},,",
                joined(&chunk.chunk),
                chunk.raw_bytes,
                chunk.stored_bytes,
                chunk.ratio,
                chunk.encode_gbps,
                chunk.decode_gbps,
                chunk.max_abs_error
            )
        }));
    }
    lines
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
