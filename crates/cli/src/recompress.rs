//! `etalon recompress`: a copy of a file in which datasets are stored by another codec.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use etalon_codec::Spec;
use etalon_measure::events::{Event, Observer, Phase};
use etalon_measure::fault::Fault;
use etalon_measure::recompress::{Options, recompress};
use indicatif::ProgressBar;

use crate::failure::{Failure, Outcome};
use crate::icat_options::IcatOptions;
use crate::measured::measured;
use crate::output::Output;
use crate::progress::{self, BYTES};
use crate::table::{Table, counted, extents, size};
use crate::target::Target;

/// Arguments of `etalon recompress`.
#[derive(Args)]
#[command(after_help = "\
Groups, attributes, links, references and all other datasets are kept. DST gets its name only when \
everything is written, read back and compared; after an error or Ctrl-C there is no DST, and SRC is \
never touched.

Examples:
  etalon recompress run42.h5 small.h5 --codec bitshuffle:compressor=zstd
  etalon recompress run42.h5 small.h5 -c bitshuffle -d \"/entry/*\" --chunk 1,512,1024
  etalon recompress run42.h5 small.h5 -c bitshuffle --json | tail -1 | jq .ratio
  etalon recompress run42.h5 small.h5 -c noise:sigma=0.5 --mode standard
  etalon recompress run42.h5 forxds.h5 -c noise:sigma=0.5 --mode standard --stream bitshuffle
  etalon recompress raw/run42.h5 small/run42.h5 -c noise:sigma=0.5 --icat small.xml --icat-field proposal=hg123

Programs that read DST need the plugin: export HDF5_PLUGIN_PATH=…/h5plugins (`etalon doctor DST` checks). \
With --mode standard any plugin for bitshuffle will do, such as hdf5plugin's: the loss is in the values. \
What was lost stands in attributes etalon_… of the dataset (docs/FORMAT.md), and `etalon inspect` shows it. \
Who did it, when and to what stands in the group `compression` of the NXentry (docs/PROVENANCE.md).")]
pub(crate) struct Arguments {
    /// The file to copy; file.h5::/dataset is file.h5 with --dataset /dataset
    #[arg(value_name = "SRC")]
    source: Target,
    /// The file to write
    #[arg(value_name = "DST")]
    destination: PathBuf,
    /// Codec and settings, as in bitshuffle:compressor=zstd (see `etalon codecs`)
    #[arg(short, long, value_name = "SPEC")]
    codec: String,
    /// Only datasets whose path matches, instead of all that are large enough; may be given several times
    #[arg(short, long, value_name = "GLOB")]
    dataset: Vec<String>,
    /// Chunk shape to write, for datasets of as many dimensions
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    chunk: Vec<u64>,
    /// How a loss is stored: in Etalon's own frames, or in streams that every bitshuffle reader knows
    #[arg(long, value_enum, default_value_t = Mode::Max)]
    mode: Mode,
    /// With --mode standard: how values are stored after the loss; bitshuffle alone is LZ4, which XDS reads
    /// [default: bitshuffle:compressor=zstd]
    #[arg(long, value_name = "SPEC")]
    stream: Option<String>,
    /// Read everything back and compare, which is the default
    #[arg(long, overrides_with = "no_verify")]
    verify: bool,
    /// Do not read back what was written
    #[arg(long)]
    no_verify: bool,
    /// Replace DST where it exists
    #[arg(short, long)]
    force: bool,
    /// Write no NXprocess group that says what was done; attributes that say what was lost are written all the same
    #[arg(long)]
    no_provenance: bool,
    /// Metrics to record beside the loss, for the datasets and the codec that they are of: what `measure SRC --codec SPEC
    /// --json` printed
    #[arg(long, value_name = "RESULT.json")]
    measured: Option<PathBuf>,
    #[command(flatten)]
    icat: IcatOptions,
}

/// Where a loss is recorded. A lossless codec stores the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Best ratio
    Max,
    /// Readable by every program that reads bitshuffle today
    Standard,
}

/// Every reader of bitshuffle knows zstd since version 0.4 of 2022; it is smaller than LZ4, which only XDS insists on.
const STANDARD_STREAM: &str = "bitshuffle:compressor=zstd";

/// The filter that programs without any plugin of Etalon's can have.
const REGISTERED_FILTER: u32 = 32008;

/// Set by SIGINT, SIGTERM and SIGHUP; looked at between chunks.
static STOP: AtomicBool = AtomicBool::new(false);

/// Makes a signal end the run in an orderly way instead of at once.
pub(crate) fn stop_on_signals() -> &'static AtomicBool {
    // A handler that is there already sets the same flag.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed));
    &STOP
}

/// What to say where a signal came.
pub(crate) fn interrupted() -> Result<(), Failure> {
    if STOP.load(Ordering::Relaxed) {
        return Err(Fault::Interrupted.into());
    }
    Ok(())
}

/// Recompresses SRC into DST.
pub(crate) fn run(arguments: &Arguments, output: Output, jobs: usize) -> Result<Outcome, Failure> {
    let spec: Spec = arguments.codec.parse()?;
    if arguments.chunk.contains(&0) {
        return Err(Failure::arguments("--chunk: an extent of 0 holds nothing"));
    }
    let options = Options {
        datasets: (arguments.source.pattern.iter().chain(&arguments.dataset))
            .cloned()
            .collect(),
        stream: standard_stream(arguments, &spec)?,
        chunk: (!arguments.chunk.is_empty()).then(|| arguments.chunk.clone()),
        jobs,
        verify: !arguments.no_verify,
        force: arguments.force,
        provenance: !arguments.no_provenance,
        measures: match &arguments.measured {
            Some(path) => measured(path, &spec)?,
            None => BTreeMap::new(),
        },
        icat: arguments.icat.request(arguments.force)?,
    };
    let mut follower = Follower::new(output, options.verify);
    output.detail(&format!("{jobs} threads"));
    let result = recompress(
        &arguments.source.file,
        &arguments.destination,
        &spec,
        &options,
        stop_on_signals(),
        &mut follower,
    );
    follower.bar.finish_and_clear();
    follower.written?;
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(fault) => Err(fault.into()),
    }
}

/// The stream that holds the values after a loss; `None` where the codec writes its own.
fn standard_stream(arguments: &Arguments, spec: &Spec) -> Result<Option<Spec>, Failure> {
    let codec = spec.codec();
    let refuse = |text: String| Err(Failure::arguments(text));
    let is_registered = codec.filter.id == REGISTERED_FILTER;
    match (arguments.mode, &arguments.stream) {
        (Mode::Max, None) => Ok(None),
        (Mode::Max, Some(_)) => refuse("--stream goes with --mode standard".into()),
        (Mode::Standard, Some(_)) if is_registered => {
            refuse(format!("--stream: {} is a stream itself", codec.name))
        }
        (Mode::Standard, None) if is_registered => Ok(None),
        (Mode::Standard, _) if codec.lossless => refuse(format!(
            "--mode standard: {} exists only as Etalon's own frames, and has no loss that could be put into plain values; \
             use --codec bitshuffle, or --mode max",
            codec.name
        )),
        (Mode::Standard, stream) => {
            let stream: Spec = stream.as_deref().unwrap_or(STANDARD_STREAM).parse()?;
            if stream.codec().filter.id != REGISTERED_FILTER {
                return refuse(format!(
                    "--stream: {} is not what every reader knows; use bitshuffle",
                    stream.codec().name
                ));
            }
            Ok(Some(stream))
        }
    }
}

/// Shows events as JSON lines or text, and the progress on a terminal.
struct Follower {
    output: Output,
    bar: ProgressBar,
    /// How often every byte is counted: once encoded, once read back.
    phases: u64,
    table: Table,
    written: Result<(), Failure>,
}

impl Follower {
    fn new(output: Output, verify: bool) -> Self {
        Self {
            output,
            bar: progress::bar(output, 0, BYTES),
            phases: if verify { 2 } else { 1 },
            table: Table::new(&[
                "dataset",
                "chunk",
                ">raw",
                ">before",
                ">after",
                ">ratio",
                ">max error",
            ]),
            written: Ok(()),
        }
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        if let Event::Start { warnings, .. } | Event::Done { warnings, .. } = event {
            for warning in warnings {
                self.output.note(&format!("warning: {warning}"));
            }
        }
        if self.output.json {
            return self.output.json_line(event);
        }
        match event {
            Event::Start { .. } | Event::Error { .. } => Ok(()),
            Event::Dataset {
                dataset,
                raw_bytes,
                source_bytes,
                stored_bytes,
                ratio,
                chunk,
                max_abs_error,
                ..
            } => {
                self.table.row([
                    dataset.clone(),
                    extents(chunk),
                    size(*raw_bytes),
                    size(*source_bytes),
                    size(*stored_bytes),
                    format!("{ratio:.2}"),
                    max_abs_error.map_or("not checked".into(), |error| error.to_string()),
                ]);
                Ok(())
            }
            Event::Done { .. } => self.show_end(event),
        }
    }

    fn show_end(&self, event: &Event) -> Result<(), Failure> {
        let Event::Done {
            datasets,
            source_file_bytes,
            file_bytes,
            seconds,
            raw_bytes,
            ..
        } = event
        else {
            return Ok(());
        };
        if *datasets > 0 {
            self.table
                .lines()
                .iter()
                .try_for_each(|line| self.output.line(line))?;
        }
        let speed = *raw_bytes as f64 / seconds / 1e9;
        self.output.line(&format!(
            "{} recompressed; file {} → {} in {seconds:.1} s ({speed:.2} GB/s of raw data)",
            counted(*datasets, "dataset"),
            size(*source_file_bytes),
            size(*file_bytes)
        ))
    }
}

impl Observer for Follower {
    fn event(&mut self, event: &Event) {
        if let Event::Start { raw_bytes, .. } = event {
            self.bar.set_length(raw_bytes * self.phases);
        }
        if self.written.is_ok() {
            self.written = self.show(event);
        }
    }

    fn advance(&mut self, phase: Phase, dataset: &str, bytes: u64) {
        if phase != Phase::Copy {
            let verb = if phase == Phase::Encode {
                "write"
            } else {
                "check"
            };
            self.bar.set_message(format!("{verb} {dataset}"));
            self.bar.inc(bytes);
        }
    }
}
