//! The arguments of `etalon bench`, and the data sets and codecs they mean.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use etalon_codec::{ByteOrder, Element, ElementClass, Layout};
use etalon_measure::bench::{DEFAULT_RUNS, Python, Sampled};
use etalon_measure::candidate::Candidate;
use etalon_measure::chunk_shape::default_chunk;
use etalon_measure::dataset::Dataset;
use etalon_measure::h5py_worker::Clock;
use etalon_measure::measure::{LEAST_RUNS, Subject, stratified};
use etalon_measure::recompress::LEAST_BYTES;
use etalon_measure::simulate::{Pixels, Series};
use etalon_measure::simulate_4dstem::four_d_stem;
use etalon_measure::speed::RawChunk;

use crate::failure::Failure;
use crate::measure::Sample;
use crate::output::Output;
use crate::python::{h5py_version, interpreters, plugin_folder};
use crate::target::Target;

/// Arguments of `etalon bench`.
#[derive(Args)]
#[command(after_help = "\
Every codec stores the chunks through h5py, in a file in memory without a chunk cache, on one thread; \
codecs take turns in every run. Speeds are medians in 10⁹ bytes of raw data a second, CV is the \
variation between runs. What was stored is read back and compared first. Without a Python that has \
h5py, Etalon's codecs and gzip are timed in memory, and the rows say so.

Codecs are those of `etalon codecs`, and none, gzip, lzf, szip (with shuffle+ in front or not), and \
hdf5plugin's bshuf, blosc, blosc2, lz4, zstd, bzip2, htj2k, fcidecomp, sz3, zfp and sperr with \
hdf5plugin's keyword arguments, as in blosc2:cname=zstd,shuffle=bitshuffle. Without --codec all usual \
lossless ones take part; --bound adds lossy ones.

The ratio bound is that of the zeroth-order entropy, which codecs pass that make use of what lies \
beside a value. Over three data sets or more, ratio = prefactor · (1 − sparsity)^exponent is fitted for \
each codec.

Examples:
  etalon bench run42.h5::/entry/data
  etalon bench --simulate 4dstem --markdown > table.md
  etalon bench *.h5 -c bitshuffle -c blosc2:cname=zstd -c gzip:level=9 --out rows.jsonl --json

Exit code 1: a codec changed values that it promises to keep.")]
pub(crate) struct Arguments {
    /// File, or file.h5::/dataset; may be given several times
    #[arg(value_name = "FILE")]
    targets: Vec<Target>,
    /// Codec and settings; may be given several times
    #[arg(short, long = "codec", value_name = "SPEC")]
    codecs: Vec<String>,
    /// Add lossy codecs that keep this absolute error
    #[arg(long, value_name = "ERROR", conflicts_with = "codecs")]
    bound: Option<f64>,
    /// Runs per codec, at least 5
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RUNS)]
    pub(crate) runs: usize,
    /// Add simulated data
    #[arg(long, value_name = "KIND")]
    simulate: Option<Simulation>,
    /// Raw data measured of a dataset, in MiB: chunks are spread evenly over it
    #[arg(long, value_name = "MIB", default_value_t = 16)]
    sample: u64,
    /// Keep rows in this file, and measure only those that it does not have
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) out: Option<PathBuf>,
    /// Python with h5py [default: $PYTHON, .venv/bin/python or python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// What the time of a run is: that passes, or that a processor works, which other programs disturb less
    #[arg(long, value_enum, default_value_t = ClockName::Wall)]
    pub(crate) clock: ClockName,
    /// Print a page of Markdown
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// Data that are made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Simulation {
    /// Electron counts, 16 bits, of which 50, 75, 85 and 93 % are 0
    #[value(name = "4dstem")]
    FourDStem,
}

/// Names of clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClockName {
    Wall,
    Cpu,
}

impl ClockName {
    /// The clock.
    pub(crate) fn clock(self) -> Clock {
        match self {
            Self::Wall => Clock::Wall,
            Self::Cpu => Clock::Cpu,
        }
    }
}

/// Probe positions of a simulated scan; 8 MiB a dose.
const SIMULATED_FRAMES: usize = 256;
const SIMULATION_SEED: u64 = 20_260;

/// A dataset that is yet to be sampled.
pub(crate) enum Source {
    /// Of a file.
    File(String, Box<Dataset>),
    /// Made up.
    Simulated(Box<Series>),
}

impl Arguments {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.targets.is_empty() && self.simulate.is_none() {
            return Err(Failure::arguments(
                "give FILE or file.h5::/dataset to measure, or --simulate 4dstem",
            ));
        }
        if self.runs < LEAST_RUNS {
            return Err(Failure::arguments(format!(
                "--runs: fewer than {LEAST_RUNS} runs have no meaningful median"
            )));
        }
        if self
            .bound
            .is_some_and(|bound| !(bound > 0.0 && bound.is_finite()))
        {
            return Err(Failure::arguments("--bound is a number above 0"));
        }
        if self.sample == 0 {
            return Err(Failure::arguments("--sample is at least 1 MiB"));
        }
        Ok(())
    }

    /// The codecs asked for, each once, or the usual ones.
    pub(crate) fn candidates(&self, with_plugins: bool) -> Result<Vec<Candidate>, Failure> {
        if self.codecs.is_empty() {
            return Ok(Candidate::usual(self.bound, with_plugins)?);
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for text in &self.codecs {
            let candidate: Candidate = text.parse()?;
            let name = candidate.to_string();
            if !candidates.iter().any(|known| known.to_string() == name) {
                candidates.push(candidate);
            }
        }
        Ok(candidates)
    }

    /// The Python that measures, and a remark where there is none.
    pub(crate) fn python(&self, output: Output) -> Result<Option<Python>, Failure> {
        let program = match &self.python {
            Some(given) if h5py_version(given).is_none() => {
                return Err(Failure::arguments(format!(
                    "--python: {} has no h5py",
                    given.display()
                )));
            }
            Some(given) => Some(given.clone()),
            None => interpreters()
                .into_iter()
                .find(|python| h5py_version(python).is_some()),
        };
        let Some(program) = program else {
            output.note(
                "NOTE: no Python with h5py is found in $PYTHON, .venv/bin/python or python3 (pip install h5py \
                 hdf5plugin), so Etalon's codecs and gzip are timed in memory, and no others.",
            );
            return Ok(None);
        };
        let plugins = plugin_folder();
        if plugins.is_none() {
            output.note("NOTE: Etalon's plugins are not found: run `make plugins`, or set HDF5_PLUGIN_PATH.");
        }
        Ok(Some(Python { program, plugins }))
    }

    /// The data sets asked for; of a whole file, those that are large enough to say something.
    pub(crate) fn sources(&self, output: Output) -> Result<Vec<Source>, Failure> {
        let mut sources = Vec::new();
        for target in &self.targets {
            let file = target.file.to_string_lossy();
            let least = if target.pattern.is_some() {
                1
            } else {
                LEAST_BYTES
            };
            for dataset in target.datasets(&[])? {
                let takes = dataset.element.is_some()
                    && !dataset.shape.is_empty()
                    && dataset.raw_bytes() >= least;
                if takes {
                    sources.push(Source::File(file.to_string(), Box::new(dataset)));
                } else {
                    output.detail(&format!("{}: left out", dataset.path));
                }
            }
        }
        if let Some(Simulation::FourDStem) = self.simulate {
            let series = four_d_stem(SIMULATION_SEED, SIMULATED_FRAMES);
            sources.extend(
                series
                    .into_iter()
                    .map(|one| Source::Simulated(Box::new(one))),
            );
        }
        if sources.is_empty() {
            return Err(Failure::arguments(
                "there is no dataset of numbers that is large enough; name one, as in file.h5::/dataset",
            ));
        }
        Ok(sources)
    }

    /// Reads the chunks of a source that are measured.
    pub(crate) fn sampled(&self, source: Source) -> Result<Sampled, Failure> {
        let limit = self.sample << 20;
        match source {
            Source::File(file, dataset) => {
                let sample = Sample::read(&dataset, limit)?;
                Ok(Sampled {
                    file,
                    subject: sample.subject,
                    chunks: sample.chunks,
                })
            }
            Source::Simulated(series) => Ok(sampled_series(*series, limit)),
        }
    }
}

fn sampled_series(series: Series, limit: u64) -> Sampled {
    let (bytes, values) = match series.pixels {
        Pixels::U16(values) => (2, le_bytes(&values, u16::to_le_bytes)),
        Pixels::U32(values) => (4, le_bytes(&values, u32::to_le_bytes)),
    };
    let shape: Vec<u64> = series.shape.iter().map(|&extent| extent as u64).collect();
    let chunk = default_chunk(&shape, bytes);
    let chunk_bytes = chunk.iter().product::<u64>() as usize * bytes;
    // Chunks of whole frames; the last one is measured where it is full.
    let all: Vec<&[u8]> = values.chunks_exact(chunk_bytes).collect();
    let fitting = usize::try_from(limit).unwrap_or(usize::MAX) / chunk_bytes;
    let chunks = stratified(all.len(), fitting)
        .into_iter()
        .map(|at| RawChunk {
            offset: vec![at as u64 * chunk[0], 0, 0],
            bytes: all[at].to_vec(),
        });
    let element = Element {
        class: ElementClass::Unsigned,
        bytes,
        order: ByteOrder::Little,
    };
    Sampled {
        file: "simulated 4D-STEM".into(),
        chunks: chunks.collect(),
        subject: Subject {
            dataset: format!("/{}", series.name),
            dtype: format!("<u{bytes}"),
            layout: Layout::new(
                element,
                chunk.iter().map(|&extent| extent as usize).collect(),
            ),
            shape,
            total_chunks: all.len(),
        },
    }
}

fn le_bytes<T: Copy, const N: usize>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to_bytes(value)).collect()
}
