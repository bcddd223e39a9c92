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
use etalon_codec::ElementClass;

use crate::bench_route::{Route, Workers, rows_in_memory};
use crate::bench_row::BenchRow;
use crate::bounds::{Bounds, bounds};
use crate::candidate::Candidate;
use crate::h5py_worker::{Clock, Side, Worker};
use crate::machine::{Machine, Versions};
use crate::measure::Subject;
use crate::sha256::sha256;
use crate::speed::RawChunk;

/// Runs where nothing is said, as in the 4D-STEM paper.
pub const DEFAULT_RUNS: usize = 10;

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

    pub(crate) fn raw_bytes(&self) -> usize {
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
                        Some(Worker::start(
                            &python.program,
                            Side::Own(folder.clone()),
                            clock,
                        )?)
                    }
                    None => None,
                };
                Route::H5py(Box::new(Workers { own, peers }))
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
            Route::H5py(_) => "h5py",
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
        progress: impl FnMut(),
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
            Route::H5py(workers) => {
                workers.measure(&mut rows, sampled, candidates, self.runs, progress)?;
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
