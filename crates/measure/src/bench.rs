//! The rows of `etalon bench`: codecs stored, checked and timed on the chunks of a dataset, all by one route.
//!
//! * Through h5py, where a Python has it: every codec is an HDF5 filter, and a write or a read costs what it costs a user.
//! * In memory otherwise: Etalon's codecs and gzip, without HDF5.
//!
//! Codecs take turns in every run, so that what disturbs the machine disturbs all of them alike. What is stored first is
//! read back and compared; that pass is not counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use etalon_codec::{ByteOrder, Element, ElementClass};
use serde::{Deserialize, Serialize};

use crate::absolute_error::max_abs_error;
use crate::bounds::{Bounds, bounds};
use crate::candidate::Candidate;
use crate::h5py_worker::{Clock, Opened, RunTime, Side, Worker};
use crate::machine::{Machine, Versions};
use crate::measure::Subject;
use crate::sha256::sha256;
use crate::speed::{RawChunk, measure_speeds, median, variation};

/// Runs where nothing is said, as in the 4D-STEM paper.
pub const DEFAULT_RUNS: usize = 10;

/// One dataset stored by one codec. Names that `etalon measure` has too mean the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchRow {
    /// The file, or what was simulated.
    pub file: String,
    /// Path in the file.
    pub dataset: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// Shape of a chunk.
    pub chunk: Vec<u64>,
    /// The codec as a SPEC.
    pub codec: String,
    /// Whether it promises every bit.
    pub lossless: bool,
    /// `h5py` or `memory`.
    pub route: String,
    /// `wall` or `cpu`.
    pub clock: String,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Raw over stored bytes.
    pub ratio: f64,
    /// Ratio over that of the zeroth-order entropy.
    pub fraction_of_bound: Option<f64>,
    /// Bytes of raw data in the measured chunks.
    pub raw_bytes: u64,
    /// Bytes of the measured chunks as stored.
    pub stored_bytes: u64,
    /// Chunks that an optional filter left as they were.
    pub unfiltered_chunks: usize,
    /// 10⁹ bytes of raw data a second, one thread, median over the runs.
    pub encode_gbps: Option<f64>,
    /// The same for decoding.
    pub decode_gbps: Option<f64>,
    /// The larger coefficient of variation of the two.
    pub cv: Option<f64>,
    /// That of the encoding times.
    pub encode_cv: Option<f64>,
    /// That of the decoding times.
    pub decode_cv: Option<f64>,
    /// Largest difference between a decoded value and the raw one.
    pub max_abs_error: Option<f64>,
    /// Largest error that the settings allow, where they name one.
    pub bound: Option<f64>,
    /// Number of runs.
    pub runs: usize,
    /// Chunks that were measured.
    pub measured_chunks: usize,
    /// Chunks that the dataset has.
    pub total_chunks: usize,
    /// What the data allow.
    pub bounds: Option<Bounds>,
}

impl BenchRow {
    /// Whether the values that came back keep what the codec promises.
    pub fn holds(&self) -> bool {
        if self.refused.is_some() {
            return true;
        }
        match (self.lossless, self.bound, self.max_abs_error) {
            (true, _, error) => error == Some(0.0),
            (false, Some(bound), error) => error.is_some_and(|error| error <= bound),
            (false, None, _) => true,
        }
    }
}

/// The chunks of a dataset that are measured.
pub struct Sampled {
    /// The file, or what was simulated.
    pub file: String,
    /// How the dataset is named, and its layout.
    pub subject: Subject,
    /// The chunks.
    pub chunks: Vec<RawChunk>,
}

impl Sampled {
    /// Names the bytes of the chunks.
    pub fn sha256(&self) -> String {
        sha256(self.chunks.iter().map(|chunk| chunk.bytes.as_slice()))
    }

    fn raw_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }
}

/// A Python that has h5py, and the folder of Etalon's plugins where there is one.
#[derive(Debug, Clone)]
pub struct Python {
    /// The interpreter.
    pub program: PathBuf,
    /// `HDF5_PLUGIN_PATH` for Etalon's codecs.
    pub plugins: Option<PathBuf>,
}

enum Route {
    H5py {
        own: Option<Box<Worker>>,
        peers: Box<Worker>,
    },
    Memory,
}

/// A benchmark ready to run.
pub struct Bench {
    route: Route,
    clock: Clock,
    runs: usize,
    /// The machine.
    pub machine: Machine,
    /// Versions of everything that figures depend on.
    pub versions: BTreeMap<String, String>,
}

impl Bench {
    /// Starts the processes that the route needs.
    pub fn start(python: Option<&Python>, clock: Clock, runs: usize) -> Result<Self> {
        let Versions { etalon, hdf5 } = Versions::this();
        let mut versions = BTreeMap::from([("etalon".into(), etalon.into())]);
        let route = match python {
            Some(python) => {
                let peers = Worker::start(&python.program, Side::Peers, clock)?;
                versions.extend(peers.versions.clone());
                let own = match &python.plugins {
                    Some(folder) => {
                        versions.insert("etalon_plugins".into(), hash_of_plugins(folder)?);
                        Some(Worker::start(&python.program, Side::Own(folder), clock)?)
                    }
                    None => None,
                };
                Route::H5py {
                    own: own.map(Box::new),
                    peers: Box::new(peers),
                }
            }
            None => {
                versions.insert("hdf5".into(), hdf5);
                let program = std::fs::read(std::env::current_exe()?)?;
                versions.insert("etalon_program".into(), short_hash(&program));
                Route::Memory
            }
        };
        let machine = Machine::this();
        Ok(Self {
            // What runs in this process is timed by the wall.
            clock: if python.is_some() { clock } else { Clock::Wall },
            route,
            runs,
            machine,
            versions,
        })
    }

    /// `h5py` or `memory`.
    pub fn route(&self) -> &'static str {
        match self.route {
            Route::H5py { .. } => "h5py",
            Route::Memory => "memory",
        }
    }

    /// What the time of a run is.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Runs per codec.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Measures the candidates on a sample, one row each; `progress` is called after each run of each of them.
    pub fn rows(
        &mut self,
        sampled: &Sampled,
        candidates: &[Candidate],
        mut progress: impl FnMut(),
    ) -> Result<Vec<BenchRow>> {
        let layout = &sampled.subject.layout;
        let bounds = bounds(&layout.element, &layout.shape, &sampled.chunks);
        let blank = self.blank(sampled, bounds);
        let is_float = layout.element.class == ElementClass::Float;
        let named = |candidate: &Candidate| BenchRow {
            codec: candidate.to_string(),
            lossless: candidate.is_lossless(),
            bound: candidate.absolute_bound(is_float),
            ..blank.clone()
        };
        let mut rows: Vec<BenchRow> = candidates.iter().map(named).collect();
        match &mut self.route {
            Route::Memory => rows_in_memory(&mut rows, sampled, candidates, self.runs, progress),
            Route::H5py { own, peers } => {
                let mut raw = Vec::with_capacity(sampled.raw_bytes());
                for chunk in &sampled.chunks {
                    raw.extend_from_slice(&chunk.bytes);
                }
                let dtype = numpy_type(&layout.element);
                let chunk: Vec<u64> = layout.shape.iter().map(|&extent| extent as u64).collect();
                peers.load(&dtype, &chunk, &raw)?;
                if let Some(own) = own {
                    own.load(&dtype, &chunk, &raw)?;
                }
                let mut workers = Workers { own, peers };
                for (row, candidate) in rows.iter_mut().zip(candidates) {
                    workers.check(row, sampled, candidate, &raw)?;
                }
                let mut times = vec![Vec::with_capacity(self.runs); rows.len()];
                for _ in 0..self.runs {
                    for ((row, candidate), times) in rows.iter().zip(candidates).zip(&mut times) {
                        if row.refused.is_none() {
                            times.push(workers.of(candidate)?.run(&row.codec)?);
                        }
                        progress();
                    }
                }
                for (row, times) in rows.iter_mut().zip(&times) {
                    take_times(row, times);
                }
            }
        }
        for row in rows.iter_mut().filter(|row| row.refused.is_none()) {
            row.ratio = row.raw_bytes as f64 / row.stored_bytes as f64;
            let ratio_bound = row.bounds.and_then(|bounds| bounds.ratio_bound);
            row.fraction_of_bound = ratio_bound.map(|bound| row.ratio / bound);
        }
        Ok(rows)
    }

    /// What all rows of a sample have in common.
    fn blank(&self, sampled: &Sampled, bounds: Option<Bounds>) -> BenchRow {
        let subject = &sampled.subject;
        BenchRow {
            file: sampled.file.clone(),
            dataset: subject.dataset.clone(),
            dtype: subject.dtype.clone(),
            shape: subject.shape.clone(),
            chunk: (subject.layout.shape.iter())
                .map(|&extent| extent as u64)
                .collect(),
            route: self.route().into(),
            clock: self.clock.name().into(),
            raw_bytes: sampled.raw_bytes() as u64,
            runs: self.runs,
            measured_chunks: sampled.chunks.len(),
            total_chunks: subject.total_chunks,
            bounds,
            ..BenchRow::default()
        }
    }
}

/// The processes of the route through h5py.
struct Workers<'a> {
    own: &'a mut Option<Box<Worker>>,
    peers: &'a mut Worker,
}

impl Workers<'_> {
    fn of(&mut self, candidate: &Candidate) -> Result<&mut Worker> {
        match candidate {
            Candidate::Own(_) => self.own.as_deref_mut().context("no folder of plugins"),
            Candidate::Peer(_) => Ok(self.peers),
        }
    }

    /// Stores the sample, reads it back and compares; what does not work is the row's reason.
    fn check(
        &mut self,
        row: &mut BenchRow,
        sampled: &Sampled,
        candidate: &Candidate,
        raw: &[u8],
    ) -> Result<()> {
        let layout = &sampled.subject.layout;
        if matches!(candidate, Candidate::Own(_)) && self.own.is_none() {
            row.refused = Some("Etalon's plugins are not found (make plugins)".into());
            return Ok(());
        }
        let storage = match candidate.storage(layout) {
            Ok(storage) => storage,
            Err(error) => {
                row.refused = Some(error.to_string());
                return Ok(());
            }
        };
        match self.of(candidate)?.open(&row.codec, &storage)? {
            Err(reason) => row.refused = Some(reason),
            Ok(Opened {
                stored_bytes,
                unfiltered_chunks,
                decoded,
            }) => {
                if matches!(candidate, Candidate::Own(_)) && unfiltered_chunks > 0 {
                    // h5py lets HDF5 store what a filter refuses as it is; the loss refused has a reason.
                    row.refused = Some(why_refused(candidate, sampled));
                    return Ok(());
                }
                row.stored_bytes = stored_bytes;
                row.unfiltered_chunks = unfiltered_chunks;
                row.max_abs_error = Some(max_abs_error(&layout.element, raw, &decoded));
            }
        }
        Ok(())
    }
}

/// What the codec says of the first chunk that it refuses.
fn why_refused(candidate: &Candidate, sampled: &Sampled) -> String {
    let Some(method) = candidate.method() else {
        return "the filter fails".into();
    };
    let encoded = method.coder(&sampled.subject.layout).and_then(|mut coder| {
        for chunk in &sampled.chunks {
            let mut stored = vec![0; coder.bound(chunk.bytes.len())?];
            coder.encode(&chunk.bytes, &mut stored)?;
        }
        Ok(())
    });
    match encoded {
        Err(error) => error.to_string(),
        Ok(()) => "the plugin's filter fails where the codec does not".into(),
    }
}

fn take_times(row: &mut BenchRow, times: &[RunTime]) {
    if times.is_empty() {
        return;
    }
    let nanoseconds = |seconds: f64| (seconds * 1e9).max(1.0);
    let encode: Vec<f64> = times.iter().map(|run| nanoseconds(run.encode_s)).collect();
    let decode: Vec<f64> = times.iter().map(|run| nanoseconds(run.decode_s)).collect();
    let gbps = |runs: &[f64]| Some(row.raw_bytes as f64 / median(runs));
    (row.encode_gbps, row.decode_gbps) = (gbps(&encode), gbps(&decode));
    let (encode_cv, decode_cv) = (variation(&encode), variation(&decode));
    (row.encode_cv, row.decode_cv) = (Some(encode_cv), Some(decode_cv));
    row.cv = Some(encode_cv.max(decode_cv));
}

fn rows_in_memory(
    rows: &mut [BenchRow],
    sampled: &Sampled,
    candidates: &[Candidate],
    runs: usize,
    progress: impl FnMut(),
) {
    let methods: Vec<_> = candidates
        .iter()
        .filter_map(|candidate| candidate.method())
        .collect();
    let layout = &sampled.subject.layout;
    let mut measured =
        measure_speeds(&methods, layout, &sampled.chunks, runs, progress).into_iter();
    for (row, candidate) in rows.iter_mut().zip(candidates) {
        let outcome = candidate.method().and_then(|_| measured.next());
        match outcome {
            None => row.refused = Some("needs a Python with h5py and hdf5plugin".into()),
            Some(Err(error)) => row.refused = Some(error.to_string()),
            Some(Ok(measured)) => {
                let speed = measured.total;
                row.stored_bytes = speed.stored_bytes;
                row.max_abs_error = Some(speed.max_abs_error);
                (row.encode_gbps, row.decode_gbps) =
                    (Some(speed.encode_gbps), Some(speed.decode_gbps));
                (row.encode_cv, row.decode_cv) = (Some(speed.encode_cv), Some(speed.decode_cv));
                row.cv = Some(speed.encode_cv.max(speed.decode_cv));
            }
        }
    }
}

/// An element type as numpy writes it; what is no number is opaque.
fn numpy_type(element: &Element) -> String {
    let order = match element.order {
        ByteOrder::Little => '<',
        ByteOrder::Big => '>',
    };
    let class = match element.class {
        ElementClass::Unsigned => 'u',
        ElementClass::Signed => 'i',
        ElementClass::Float => 'f',
        ElementClass::Other => return format!("V{}", element.bytes),
    };
    format!("{order}{class}{}", element.bytes)
}

/// Names the build of the plugins: their version alone does not.
fn hash_of_plugins(folder: &Path) -> Result<String> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("libh5etalon") && path.is_file())
    });
    paths.sort();
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend(std::fs::read(path)?);
    }
    Ok(short_hash(&bytes))
}

fn short_hash(bytes: &[u8]) -> String {
    let mut digits = sha256([bytes]);
    digits.truncate(12);
    digits
}
