//! Who reads the demo's files back: h5py with the plugin, or this program's own library where there is none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, anyhow};
use etalon_measure::chunk_source::ChunkSource;
use etalon_measure::compare::{Against, Comparison};
use etalon_measure::dataset::Dataset;
use etalon_metrics::{Settings, metric_named};
use serde::Deserialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::python::{PLUGIN, h5py_version, interpreters, plugin_folder};
use crate::target::Target;

/// How a dataset came back.
#[derive(Debug, Deserialize)]
pub(crate) struct ReadBack {
    /// Whether every byte is equal.
    pub(crate) equal: bool,
    /// Largest difference.
    pub(crate) max_abs_error: f64,
    /// 10⁹ bytes a second, file included.
    pub(crate) gbps: f64,
}

/// A way to read files back.
pub(crate) enum Reader {
    /// A Python that has h5py, with the folder of the plugins.
    H5py {
        /// The interpreter.
        python: PathBuf,
        /// `HDF5_PLUGIN_PATH` for it.
        plugins: PathBuf,
        /// Versions of h5py and its HDF5.
        version: String,
    },
    /// This program.
    Own,
}

const SCRIPT: &str = include_str!("demo_readback.py");

#[derive(Deserialize)]
struct Answer {
    datasets: Vec<ReadBack>,
}

impl Reader {
    /// h5py if there is one, and a remark if not.
    pub(crate) fn find(output: Output) -> Self {
        let Some(plugins) = plugin_folder() else {
            output.note(&format!(
                "NOTE: {PLUGIN} is not found (run `make plugins`, or set HDF5_PLUGIN_PATH), so the files are read back \
                 with etalon's own library instead of h5py."
            ));
            return Self::Own;
        };
        match interpreters()
            .into_iter()
            .find_map(|python| Some((h5py_version(&python)?, python)))
        {
            Some((version, python)) => {
                output.detail(&format!(
                    "{} {version}, HDF5_PLUGIN_PATH={}",
                    python.display(),
                    plugins.display()
                ));
                Self::H5py {
                    python,
                    plugins,
                    version,
                }
            }
            None => {
                output.note(
                    "NOTE: no Python with h5py is found in $PYTHON, .venv/bin/python or python3 (pip install h5py), so \
                     the files are read back with etalon's own library instead.",
                );
                Self::Own
            }
        }
    }

    /// Who this is.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::H5py { version, .. } => format!("h5py {version} through the plugin"),
            Self::Own => "etalon's own library (h5py or the plugin is missing)".into(),
        }
    }

    /// Compares datasets of two files, in the order of `paths`.
    pub(crate) fn compare(
        &self,
        original: &Path,
        copy: &Path,
        paths: &[&str],
    ) -> Result<Vec<ReadBack>, Failure> {
        match self {
            Self::H5py {
                python, plugins, ..
            } => compare_by_h5py(python, plugins, original, copy, paths),
            Self::Own => compare_by_etalon(original, copy, paths),
        }
    }
}

fn compare_by_h5py(
    python: &Path,
    plugins: &Path,
    original: &Path,
    copy: &Path,
    paths: &[&str],
) -> Result<Vec<ReadBack>, Failure> {
    let arguments = ["-c", SCRIPT].map(OsString::from);
    let done = Command::new(python)
        .args(arguments)
        .args([original, copy])
        .args(paths)
        .env("HDF5_PLUGIN_PATH", plugins)
        .output()
        .with_context(|| format!("cannot run {}", python.display()))
        .map_err(Failure::Input)?;
    if !done.status.success() {
        let text = String::from_utf8_lossy(&done.stderr);
        let reason = text
            .trim()
            .lines()
            .last()
            .unwrap_or("no message")
            .to_owned();
        return Err(Failure::Check(anyhow!(
            "h5py cannot read {}: {reason}",
            copy.display()
        )));
    }
    let answer: Answer = serde_json::from_slice(&done.stdout)
        .context("h5py's answer makes no sense")
        .map_err(Failure::Check)?;
    Ok(answer.datasets)
}

fn compare_by_etalon(
    original: &Path,
    copy: &Path,
    paths: &[&str],
) -> Result<Vec<ReadBack>, Failure> {
    let names: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let originals = Target::whole(original).datasets(&names)?;
    let copies = Target::whole(copy).datasets(&names)?;
    let mut results = Vec::new();
    for path in paths {
        let of =
            |datasets: &'_ [Dataset]| datasets.iter().position(|dataset| dataset.path == *path);
        let (Some(from), Some(to)) = (of(&originals), of(&copies)) else {
            return Err(Failure::Check(anyhow!(
                "{path} is missing in {}",
                copy.display()
            )));
        };
        results.push(compare_datasets(&originals[from], &copies[to])?);
    }
    Ok(results)
}

fn compare_datasets(from: &Dataset, to: &Dataset) -> Result<ReadBack, Failure> {
    let copy = ChunkSource::new(to, None)?;
    // In chunks of the copy's shape: the original may have others, or none.
    let original = ChunkSource::new(from, Some(copy.chunk_shape()))?;
    let mut equal = original.len() == copy.len();
    let mut seconds = 0.0;
    for at in 0..copy.len().min(original.len()) {
        let start = Instant::now();
        let after = copy.read(at)?;
        seconds += start.elapsed().as_secs_f64();
        equal &= original.offset(at) == copy.offset(at) && original.read(at)? == after;
    }
    Ok(ReadBack {
        equal,
        max_abs_error: if equal { 0.0 } else { largest_error(from, to)? },
        gbps: to.raw_bytes() as f64 / seconds / 1e9,
    })
}

fn largest_error(from: &Dataset, to: &Dataset) -> Result<f64, Failure> {
    let settings = Settings::default();
    let abs = metric_named("abs").map_err(Failure::arguments)?;
    let mut comparison = Comparison::new(from, &Against::Dataset(to), &settings, |_| ())?;
    let outcome = comparison.evaluate(&[abs], &settings)?;
    Ok(outcome
        .values
        .get("max_abs_error")
        .copied()
        .unwrap_or(f64::INFINITY))
}
