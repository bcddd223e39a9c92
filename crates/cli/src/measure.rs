//! `etalon measure`: ratio, speed and error of codecs on the datasets of a file, and what metrics say of a loss.

use std::path::Path;

use clap::Args;
use etalon_measure::chunk_source::{ChunkSource, Loaded};
use etalon_measure::compare::{Against, Comparison};
use etalon_measure::dataset::Dataset;
use etalon_measure::machine::{Machine, Versions};
use etalon_measure::measure::{
    ChunkRow, DEFAULT_SAMPLE_BYTES, LEAST_RUNS, Row, Subject, measure, stored, stratified,
};
use etalon_measure::merging_columns::with_merging_columns;
use etalon_measure::method::Method;
use etalon_measure::recompress::LEAST_BYTES;
use etalon_measure::speed::RawChunk;
use etalon_metrics::{Limit, Metric, Settings, metric_named};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::measure_rows::{Form, print_rows};
use crate::metric_options::MetricOptions;
use crate::output::{Output, shown, shown_if_any};
use crate::progress::{self, BYTES, STEPS};
use crate::table::size;
use crate::target::Target;

/// Arguments of `etalon measure`.
#[derive(Args)]
#[command(after_help = "\
With --codec, chunks are read and decoded first; then every codec encodes and decodes them in memory, \
on one thread. Speeds are the median of the runs in 10⁹ bytes of raw data a second, and CV is the \
variation between runs. Every result is compared with the raw data. Of a large dataset a sample of \
chunks is timed, spread evenly over all of them; metrics are always of the whole dataset, on as many threads as \
--jobs says.

With FILE2, datasets of the same path are compared: FILE has the originals, FILE2 what was decoded. \
FILE::/a FILE::/b compares two datasets of one file. FILE alone with --metrics measures it by itself.

Besides Etalon's codecs (see `etalon codecs`), gzip:level=N and shuffle+gzip:level=N stand for what HDF5 has built in.

Examples:
  etalon measure run42.h5 -c bitshuffle -c bitshuffle:compressor=zstd -c shuffle+gzip
  etalon measure run42.h5::/entry/data -c noise:sigma=0.5 --profile imaging
  etalon measure run42.h5 small.h5 --metrics psnr,ssim --set noise.gain=2 --json
  etalon measure saxs.h5::/raw saxs.h5::/lossy --profile saxs --set geometry.center=[512.3,498.1]
  etalon measure scaled.h5::/lyso/intensity -c quantise:abs=0.1 -m merging,cc_half --set merging.hkl=miller_index

Exit code 1: a codec that is lossless changed a value, or a --limit is not kept.")]
pub(crate) struct Arguments {
    /// File, or file.h5::/dataset
    #[arg(value_name = "FILE")]
    target: Target,
    /// What was decoded of it: a file, or file.h5::/dataset
    #[arg(value_name = "FILE2", conflicts_with = "codecs")]
    decoded: Option<Target>,
    /// Only datasets whose path matches; may be given several times
    #[arg(short, long, value_name = "GLOB")]
    dataset: Vec<String>,
    /// Codec and settings, as in bitshuffle:compressor=zstd; may be given several times
    #[arg(short, long = "codec", value_name = "SPEC")]
    codecs: Vec<String>,
    #[command(flatten)]
    metric_options: MetricOptions,
    /// Runs per codec, at least 5
    #[arg(long, value_name = "N", default_value_t = LEAST_RUNS)]
    runs: usize,
    /// Add a row for every chunk that is measured
    #[arg(long)]
    per_chunk: bool,
    /// Time all chunks of a dataset, whatever memory that takes
    #[arg(long)]
    all: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print one flat JSON object a line, for every dataset, codec and chunk
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    lines: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    machine: Machine,
    versions: Versions,
    #[serde(serialize_with = "shown")]
    file: &'a Path,
    #[serde(serialize_with = "shown_if_any")]
    decoded_file: Option<&'a Path>,
    settings: &'a Settings,
    datasets: &'a [Row],
}

/// What was asked for, checked.
struct Task<'a> {
    arguments: &'a Arguments,
    methods: Vec<Method>,
    metrics: Vec<&'static Metric>,
    limits: Vec<Limit>,
    settings: Settings,
    output: Output,
    /// Threads of the metrics.
    jobs: usize,
}

/// Measures every codec on every dataset, or every dataset beside another.
pub(crate) fn run(arguments: &Arguments, output: Output, jobs: usize) -> Result<Outcome, Failure> {
    let task = Task::new(arguments, output, jobs)?;
    let datasets = measurable(arguments, output)?;
    let form = Form::of(output, arguments.csv, arguments.lines);
    let others = counterparts(&datasets, arguments.decoded.as_ref())?;
    let mut rows = Vec::new();
    for (dataset, other) in datasets.iter().zip(&others) {
        let measured = task.rows(dataset, other.as_ref())?;
        print_rows(&measured, &task.metrics, form, rows.is_empty(), output)?;
        rows.extend(measured);
    }
    if let Some(reason) = refused_everywhere(&rows) {
        return Err(Failure::arguments(reason));
    }
    if output.json {
        output.document(&Document {
            machine: Machine::this(),
            versions: Versions::this(),
            file: &arguments.target.file,
            decoded_file: arguments.decoded.as_ref().map(|other| other.file.as_path()),
            settings: &task.settings,
            datasets: &rows,
        })?;
    }
    Ok(Outcome::of_check(rows.iter().all(Row::holds)))
}

/// Why no codec takes any of the datasets, which is a wrong argument.
fn refused_everywhere(rows: &[Row]) -> Option<String> {
    let (first, rest) = rows.split_first()?;
    let reason = first.refused.as_ref()?;
    rest.iter()
        .all(|row| row.refused.is_some())
        .then(|| format!("{}: {}: {reason}", first.dataset, first.codec))
}

impl<'a> Task<'a> {
    fn new(arguments: &'a Arguments, output: Output, jobs: usize) -> Result<Self, Failure> {
        if arguments.runs < LEAST_RUNS {
            return Err(Failure::arguments(format!(
                "--runs: fewer than {LEAST_RUNS} runs have no meaningful median"
            )));
        }
        let mut methods = Vec::new();
        for codec in &arguments.codecs {
            methods.push(codec.parse::<Method>()?);
        }
        let mut metrics = arguments.metric_options.metrics()?;
        if methods.is_empty() && metrics.is_empty() {
            if arguments.decoded.is_none() {
                return Err(Failure::arguments(
                    "give --codec to measure codecs, FILE2 to compare with, or --metrics or --profile",
                ));
            }
            metrics.push(metric_named("abs").map_err(Failure::arguments)?);
        }
        Ok(Self {
            arguments,
            methods,
            metrics,
            limits: arguments.metric_options.limits()?,
            settings: arguments.metric_options.settings()?,
            output,
            jobs,
        })
    }

    /// The rows of one dataset.
    fn rows(&self, dataset: &Dataset, other: Option<&Dataset>) -> Result<Vec<Row>, Failure> {
        if !self.methods.is_empty() {
            return self.codec_rows(dataset);
        }
        let Some(other) = other else {
            return Ok(vec![self.stored_row(
                dataset,
                dataset,
                &Against::Nothing,
            )?]);
        };
        let row = self.stored_row(dataset, other, &Against::Dataset(other))?;
        Ok(vec![row])
    }

    fn codec_rows(&self, dataset: &Dataset) -> Result<Vec<Row>, Failure> {
        let limit = match self.arguments.all {
            true => u64::MAX,
            false => DEFAULT_SAMPLE_BYTES,
        };
        let sample = Sample::read(dataset, limit)?;
        let bar = progress::bar(
            self.output,
            (self.methods.len() * self.arguments.runs) as u64,
            STEPS,
        );
        bar.set_message(dataset.path.clone());
        let mut rows = measure(
            &sample.subject,
            &self.methods,
            &sample.chunks,
            self.arguments.runs,
            self.arguments.per_chunk,
            || bar.inc(1),
        );
        bar.finish_and_clear();
        drop(sample.chunks);
        for (row, method) in rows.iter_mut().zip(&self.methods) {
            match (&row.refused, row.holds()) {
                (Some(reason), _) => self
                    .output
                    .note(&format!("{}: {} refuses: {reason}", row.dataset, row.codec)),
                (None, false) if row.lossless => self
                    .output
                    .note(&format!("{}: {} changed values", row.dataset, row.codec)),
                (None, _) => {}
            }
            if row.refused.is_none() {
                self.add_metrics(row, dataset, &Against::Method(method))?;
            }
        }
        Ok(rows)
    }

    /// The row of a dataset as it is stored, `shown`, beside its original.
    fn stored_row(
        &self,
        original: &Dataset,
        shown: &Dataset,
        against: &Against<'_>,
    ) -> Result<Row, Failure> {
        let mut row = stored(shown);
        let source = ChunkSource::new(original, None)?;
        row.total_chunks = source.len();
        row.measured_chunks = source.len();
        if self.arguments.per_chunk {
            row.chunks = (0..source.len())
                .map(|at| ChunkRow {
                    chunk: source.offset(at),
                    raw_bytes: source.inside_bytes(at),
                    ..ChunkRow::default()
                })
                .collect();
        }
        drop(source);
        self.add_metrics(&mut row, original, against)?;
        row.max_abs_error = row.metrics.get("max_abs_error").copied();
        Ok(row)
    }

    /// Adds what the metrics say of the dataset, and of each chunk that has a row.
    fn add_metrics(
        &self,
        row: &mut Row,
        dataset: &Dataset,
        against: &Against<'_>,
    ) -> Result<(), Failure> {
        if self.metrics.is_empty() {
            return Ok(());
        }
        let bar = progress::bar(self.output, dataset.raw_bytes(), BYTES);
        bar.set_message(row.codec.clone());
        let settings = with_merging_columns(dataset, &self.settings)?;
        let mut comparison = Comparison::new(dataset, against, &settings, |n| bar.inc(n))?;
        comparison.set_threads(self.jobs);
        let settings = comparison.with_data_range(&self.metrics, &settings)?;
        let outcome = comparison.evaluate(&self.metrics, &settings)?;
        row.take(outcome, &self.limits);
        for verdict in row.verdicts.iter().filter(|verdict| !verdict.holds) {
            let (limit, measured) = (&verdict.limit, verdict.measured);
            self.output.note(&format!(
                "{}: {}: {limit} does not hold, it is {measured}",
                row.dataset, row.codec
            ));
        }
        if !row.chunks.is_empty() {
            self.add_chunk_metrics(row, dataset, &settings, &mut comparison)?;
        }
        drop(comparison);
        bar.finish_and_clear();
        Ok(())
    }

    /// Adds what the metrics that mean something for a single chunk say of each chunk that has a row.
    fn add_chunk_metrics(
        &self,
        row: &mut Row,
        dataset: &Dataset,
        settings: &Settings,
        comparison: &mut Comparison<'_>,
    ) -> Result<(), Failure> {
        let mut metrics = self.metrics.clone();
        metrics.retain(|metric| metric.pass.per_chunk);
        let extents = ChunkSource::new(dataset, None)?.chunk_shape().to_vec();
        for chunk in &mut row.chunks {
            let inside = (chunk.chunk.iter().zip(&dataset.shape))
                .zip(&extents)
                .map(|((start, extent), chunk)| (extent - start).min(*chunk));
            comparison.restrict(chunk.chunk.clone(), inside.collect());
            chunk.metrics = comparison.evaluate(&metrics, settings)?.values;
        }
        Ok(())
    }
}

/// The datasets of FILE2 that belong to those of FILE, found before any work is done; nothing for each without FILE2.
pub(crate) fn counterparts(
    datasets: &[Dataset],
    decoded: Option<&Target>,
) -> Result<Vec<Option<Dataset>>, Failure> {
    let of = |dataset| {
        decoded
            .map(|decoded| counterpart(dataset, decoded))
            .transpose()
    };
    datasets.iter().map(of).collect()
}

/// The dataset of FILE2 that belongs to one of FILE: the one it names, or the one of the same path.
fn counterpart(dataset: &Dataset, decoded: &Target) -> Result<Dataset, Failure> {
    let path = decoded.pattern.as_ref().unwrap_or(&dataset.path);
    let target = Target {
        file: decoded.file.clone(),
        pattern: Some(path.clone()),
    };
    let mut found = target.datasets(&[])?;
    // A pattern may mean several datasets; the one of the same path is meant then.
    if found.len() > 1 {
        found.retain(|other| other.path == dataset.path);
    }
    found.pop().ok_or_else(|| {
        Failure::arguments(format!(
            "{} has several datasets that match '{path}', and none is {}",
            decoded.file.display(),
            dataset.path
        ))
    })
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
                layout: source.layout(element),
                shape: dataset.shape.clone(),
                total_chunks: source.len(),
            },
            chunk_shape: source.chunk_shape().to_vec(),
            chunks,
        })
    }
}
