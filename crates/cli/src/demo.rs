//! `etalon demo`: frames, codecs, a stock h5py that reads them back through the plugin, a table and a page to look at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, anyhow};
use clap::Args;
use etalon_codec::Spec;
use etalon_measure::dataset::Dataset;
use etalon_measure::inspect::{Depth, inspect};
use etalon_measure::machine::{Machine, Versions};
use etalon_measure::method::Method;
use etalon_measure::recompress::{Options, recompress};
use etalon_measure::simulate::all_series;
use etalon_measure::simulated_file::write_series;
use etalon_measure::speed::measure_speed;
use serde::Serialize;

use crate::demo_reader::{ReadBack, Reader};
use crate::demo_report;
use crate::failure::{Failure, Outcome};
use crate::measure::Sample;
use crate::output::Output;
use crate::picture::frame_of;
use crate::recompress::{interrupted, stop_on_signals};
use crate::table::{Table, extents, size};
use crate::target::Target;

/// Arguments of `etalon demo`.
#[derive(Args)]
#[command(after_help = "\
Writes the data once per codec, reads every file back with h5py that knows the plugin by \
HDF5_PLUGIN_PATH alone, compares every value, measures ratio and speed, and leaves the files and \
report.html in a folder.

h5py is looked for in $PYTHON, .venv/bin/python and python3.

Examples:
  etalon demo
  etalon demo run42.h5 --out /tmp/demo && xdg-open /tmp/demo/report.html")]
pub(crate) struct Arguments {
    /// Show Etalon on the larger datasets of this file instead of simulated frames
    #[arg(value_name = "FILE")]
    file: Option<Target>,
    /// Folder for the files and the report
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    /// Frames of the simulated diffraction series; the other series are of like size
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1000))]
    frames: u16,
    /// Seed of the simulation
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
}

/// What is shown: Etalon's codecs, then what HDF5 has built in.
const CODECS: [&str; 3] = [
    "bitshuffle:compressor=lz4",
    "bitshuffle:compressor=zstd",
    "auto",
];
/// A codec with loss: half a standard deviation of photon noise as step.
const LOSSY_CODECS: [&str; 1] = ["noise:sigma=0.5"];
const PEERS: [&str; 1] = ["shuffle+gzip:level=4"];
/// Datasets below this size show nothing.
const LEAST_BYTES: u64 = 1 << 20;
/// Most datasets shown of a file.
const MOST_DATASETS: usize = 12;
/// Raw data that the speed is measured on, per dataset.
const SAMPLE_BYTES: u64 = 32 << 20;
const RUNS: usize = 5;

/// Everything the demo found out.
#[derive(Serialize)]
pub(crate) struct DemoResult {
    /// Where the data come from, in a sentence.
    pub(crate) source_about: String,
    /// The source file.
    pub(crate) source: PathBuf,
    /// Who read the files back.
    pub(crate) reader: String,
    /// Runs behind every speed.
    pub(crate) runs: usize,
    /// The machine.
    pub(crate) machine: String,
    /// Versions of this program, HDF5 and the reader's.
    pub(crate) versions: String,
    /// How to get the same again.
    pub(crate) command: String,
    /// The folder with all files.
    pub(crate) folder: PathBuf,
    /// The files written.
    pub(crate) files: Vec<PathBuf>,
    /// The datasets.
    pub(crate) datasets: Vec<DemoDataset>,
}

/// A dataset with its rows.
#[derive(Serialize)]
pub(crate) struct DemoDataset {
    /// Path in the file.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) about: String,
    /// Element type as numpy writes it.
    pub(crate) dtype: String,
    /// Extents.
    pub(crate) shape: Vec<u64>,
    /// Bytes of all elements.
    pub(crate) raw_bytes: u64,
    /// A frame as a `data:` address.
    #[serde(skip)]
    pub(crate) picture: Option<String>,
    /// One row per codec and peer.
    pub(crate) rows: Vec<DemoRow>,
}

/// A dataset stored by one codec.
#[derive(Serialize)]
pub(crate) struct DemoRow {
    /// The codec as a SPEC.
    pub(crate) codec: String,
    /// Whether it is there for comparison only.
    pub(crate) peer: bool,
    /// Whether the codec may change values.
    pub(crate) lossy: bool,
    /// Bytes of the dataset as stored; of a peer, extrapolated from the sample.
    pub(crate) stored_bytes: u64,
    /// Raw over stored bytes.
    pub(crate) ratio: f64,
    /// One thread in memory.
    pub(crate) encode_gbps: f64,
    /// One thread in memory.
    pub(crate) decode_gbps: f64,
    /// Through the reader, file included.
    pub(crate) reader_gbps: Option<f64>,
    /// Over all values.
    pub(crate) max_abs_error: f64,
    /// What the reader found: "equal", "as certified" where no error is larger than the file says, or "DIFFERENT".
    pub(crate) read_back: Option<String>,
}

impl DemoDataset {
    /// The rows of Etalon's codecs.
    pub(crate) fn own_rows(&self) -> impl Iterator<Item = &DemoRow> {
        self.rows.iter().filter(|row| !row.peer)
    }
}

impl DemoRow {
    /// Whether every value was read back and is what was promised.
    pub(crate) fn is_proven(&self) -> bool {
        match self.read_back.as_deref() {
            Some("equal") => true,
            Some("as certified") => self.lossy,
            _ => false,
        }
    }
}

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments, output: Output, jobs: usize) -> Result<Outcome, Failure> {
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make {}", arguments.out.display()))
        .map_err(Failure::Output)?;
    let source = Source::prepare(arguments, output)?;
    let datasets = larger_datasets(&source.target)?;
    let reader = Reader::find(output);
    let mut demo = Demo {
        source,
        datasets,
        reader,
        jobs,
        output,
        files: Vec::new(),
    };
    let mut result = demo.result(arguments)?;
    for codec in CODECS {
        let shown = demo.show_codec(codec, &arguments.out, &mut result);
        // A signal also reaches h5py, whose end then is no finding.
        interrupted().and(shown)?;
    }
    for codec in LOSSY_CODECS {
        match demo.show_codec(codec, &arguments.out, &mut result) {
            // A file of the user may hold what this codec refuses, and says why.
            Err(Failure::Arguments(reason)) => {
                output.note(&format!("{codec}: left out: {reason:#}"))
            }
            shown => interrupted().and(shown)?,
        }
    }
    for peer in PEERS {
        demo.show_peer(peer, &mut result)?;
        interrupted()?;
    }
    result.files.clone_from(&demo.files);
    finish(&result, arguments, output)?;
    let proven = result
        .datasets
        .iter()
        .flat_map(DemoDataset::own_rows)
        .all(DemoRow::is_proven);
    Ok(Outcome::of_check(proven))
}

/// The file to show.
struct Source {
    target: Target,
    /// Where the data come from, in a sentence.
    about: String,
    /// What datasets stand for, by path.
    datasets: Vec<(String, &'static str)>,
}

impl Source {
    /// The file given, or simulated frames.
    fn prepare(arguments: &Arguments, output: Output) -> Result<Self, Failure> {
        if let Some(target) = &arguments.file {
            return Ok(Self {
                target: target.clone(),
                about: format!("The larger datasets of {}.", target.file.display()),
                datasets: Vec::new(),
            });
        }
        output.note("simulating detector frames …");
        let series = all_series(arguments.seed, usize::from(arguments.frames));
        let file = arguments.out.join("source.h5");
        write_series(&file, &series)?;
        Ok(Self {
            target: Target::whole(&file),
            about: "Simulated detector frames.".into(),
            datasets: series
                .iter()
                .map(|one| (format!("/{}", one.name), one.about))
                .collect(),
        })
    }

    fn about(&self, dataset: &str) -> String {
        let found = self.datasets.iter().find(|(path, _)| path == dataset);
        found.map_or(String::new(), |(_, about)| (*about).to_owned())
    }
}

fn larger_datasets(target: &Target) -> Result<Vec<Dataset>, Failure> {
    let mut datasets = target.datasets(&[])?;
    datasets.retain(|dataset| dataset.element.is_some() && dataset.raw_bytes() >= LEAST_BYTES);
    datasets.sort_by_key(|dataset| std::cmp::Reverse(dataset.raw_bytes()));
    datasets.truncate(MOST_DATASETS);
    if datasets.is_empty() {
        return Err(Failure::arguments(format!(
            "{} has no dataset of {} or more to show",
            target.file.display(),
            size(LEAST_BYTES)
        )));
    }
    Ok(datasets)
}

struct Demo {
    source: Source,
    datasets: Vec<Dataset>,
    reader: Reader,
    jobs: usize,
    output: Output,
    files: Vec<PathBuf>,
}

impl Demo {
    /// The result without rows.
    fn result(&self, arguments: &Arguments) -> Result<DemoResult, Failure> {
        let mut datasets = Vec::new();
        for dataset in &self.datasets {
            let middle = Sample::read(dataset, 0)?;
            let frame = middle.chunks.first().and_then(|chunk| {
                frame_of(
                    &middle.subject.layout.element,
                    &middle.chunk_shape,
                    &chunk.bytes,
                )
            });
            datasets.push(DemoDataset {
                name: dataset.path.clone(),
                about: self.source.about(&dataset.path),
                dtype: dataset.dtype.clone(),
                shape: dataset.shape.clone(),
                raw_bytes: dataset.raw_bytes(),
                picture: frame.map(|frame| frame.data_uri()),
                rows: Vec::new(),
            });
        }
        let (machine, versions) = (Machine::this(), Versions::this());
        Ok(DemoResult {
            source_about: self.source.about.clone(),
            source: self.source.target.file.clone(),
            reader: self.reader.name(),
            runs: RUNS,
            machine: format!(
                "{}, {} processors, {} kernels",
                machine.cpu, machine.processors, machine.simd
            ),
            versions: format!("etalon {}, HDF5 {} inside", versions.etalon, versions.hdf5),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            folder: arguments.out.clone(),
            files: Vec::new(),
            datasets,
        })
    }

    /// Stores all datasets by `codec`, reads them back and measures.
    fn show_codec(
        &mut self,
        codec: &str,
        folder: &Path,
        result: &mut DemoResult,
    ) -> Result<(), Failure> {
        let spec: Spec = codec.parse()?;
        let file = folder.join(file_name(&self.source.target.file, codec));
        self.output
            .note(&format!("{codec}: writing {} …", file.display()));
        self.store(&spec, &file)?;
        let paths: Vec<&str> = self
            .datasets
            .iter()
            .map(|dataset| dataset.path.as_str())
            .collect();
        let read_back = self
            .reader
            .compare(&self.source.target.file, &file, &paths)?;
        let stored = Target::whole(&file).datasets(&[])?;
        let method = Method::Codec(spec);
        for (at, back) in read_back.iter().enumerate() {
            let copy = stored
                .iter()
                .find(|dataset| dataset.path == self.datasets[at].path)
                .ok_or_else(|| Failure::Output(anyhow!("{} was not written", file.display())))?;
            let row = self.row(&self.datasets[at], &method, Some((copy, back)))?;
            result.datasets[at].rows.push(row);
        }
        self.files.push(file);
        Ok(())
    }

    fn show_peer(&self, peer: &str, result: &mut DemoResult) -> Result<(), Failure> {
        self.output.note(&format!("{peer}: measuring …"));
        let method: Method = peer.parse()?;
        for (dataset, shown) in self.datasets.iter().zip(&mut result.datasets) {
            shown.rows.push(self.row(dataset, &method, None)?);
        }
        Ok(())
    }

    fn store(&self, spec: &Spec, file: &Path) -> Result<(), Failure> {
        let options = Options {
            datasets: self
                .datasets
                .iter()
                .map(|dataset| dataset.path.clone())
                .collect(),
            stream: None,
            chunk: None,
            jobs: self.jobs,
            // The reader checks what is in the file.
            verify: false,
            force: true,
            provenance: false,
            measures: BTreeMap::new(),
            icat: None,
        };
        let start = Instant::now();
        let stop = stop_on_signals();
        recompress(
            &self.source.target.file,
            file,
            spec,
            &options,
            stop,
            &mut (),
        )?;
        self.output.detail(&format!(
            "written in {:.2} s by {} threads",
            start.elapsed().as_secs_f64(),
            self.jobs
        ));
        Ok(())
    }

    fn row(
        &self,
        dataset: &Dataset,
        method: &Method,
        stored: Option<(&Dataset, &ReadBack)>,
    ) -> Result<DemoRow, Failure> {
        let sample = Sample::read(dataset, SAMPLE_BYTES)?;
        let layout = &sample.subject.layout;
        let measured = measure_speed(method, layout, &sample.chunks, RUNS)?.total;
        let stored_bytes = match stored {
            Some((copy, _)) => copy.stored_bytes,
            None => (dataset.raw_bytes() as f64 / measured.ratio()).round() as u64,
        };
        let back = stored.map(|(_, back)| back);
        let read_back = stored.map(|(copy, back)| verdict(copy, back)).transpose()?;
        Ok(DemoRow {
            codec: method.to_string(),
            peer: back.is_none(),
            lossy: !method.is_lossless(),
            stored_bytes,
            ratio: dataset.raw_bytes() as f64 / stored_bytes as f64,
            encode_gbps: measured.encode_gbps,
            decode_gbps: measured.decode_gbps,
            reader_gbps: back.map(|back| back.gbps),
            max_abs_error: back.map_or(measured.max_abs_error, |back| {
                back.max_abs_error.max(measured.max_abs_error)
            }),
            read_back,
        })
    }
}

/// What the reader found, beside what the certificates of the file say.
fn verdict(copy: &Dataset, back: &ReadBack) -> Result<String, Failure> {
    if back.equal {
        return Ok("equal".into());
    }
    let certified = inspect(copy, Depth::Headers, || ())?.max_abs_error;
    Ok(match certified {
        Some(worst) if worst >= back.max_abs_error => "as certified",
        _ => "DIFFERENT",
    }
    .into())
}

/// `run42-bitshuffle-zstd-level-1.h5`
fn file_name(source: &Path, codec: &str) -> String {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let words = codec
        .replace("compressor=", "")
        .replace([':', ',', '='], "-");
    format!("{stem}-{words}.h5")
}

fn finish(result: &DemoResult, arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let report = arguments.out.join("report.html");
    std::fs::write(&report, demo_report::html(result))
        .with_context(|| format!("cannot write {}", report.display()))
        .map_err(Failure::Output)?;
    if output.json {
        return output.document(result);
    }
    for dataset in &result.datasets {
        text_lines(dataset)
            .iter()
            .try_for_each(|line| output.line(line))?;
    }
    output.line(&format!(
        "Read back by {}. {}.",
        result.reader, result.machine
    ))?;
    output.line(&format!(
        "Speeds: one thread in memory, median of {RUNS} runs, 10⁹ bytes of raw data a second."
    ))?;
    output.line(&format!("Source: {}", result.source.display()))?;
    for file in &result.files {
        output.line(&format!("File:   {}", file.display()))?;
    }
    output.line(&format!("Report: {}", report.display()))
}

fn text_lines(dataset: &DemoDataset) -> Vec<String> {
    let mut table = Table::new(&[
        "codec",
        ">stored",
        ">ratio",
        ">encode GB/s",
        ">decode GB/s",
        ">h5py GB/s",
        ">max error",
        "read back",
    ]);
    for row in &dataset.rows {
        table.row([
            row.codec.clone(),
            size(row.stored_bytes),
            format!("{:.2}", row.ratio),
            demo_report::three_digits(row.encode_gbps),
            demo_report::three_digits(row.decode_gbps),
            row.reader_gbps
                .map_or("–".into(), demo_report::three_digits),
            row.max_abs_error.to_string(),
            row.read_back.clone().unwrap_or("–".into()),
        ]);
    }
    let mut lines = vec![format!(
        "{}  {} {}, {}",
        dataset.name,
        dataset.dtype,
        extents(&dataset.shape),
        size(dataset.raw_bytes)
    )];
    lines.extend(table.lines());
    lines.push(String::new());
    lines
}
