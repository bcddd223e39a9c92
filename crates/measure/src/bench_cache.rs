//! Rows that are measured already, one a line in a file, so that a benchmark can be stopped and continued.
//!
//! A row is appended by one write as soon as it is known. A line that a stopped process left half-written is passed over.
//! A row serves again where everything that figures depend on is the same: the bytes of the sample, the codec, the runs,
//! the machine and all versions. The name of the file is not among them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, Sampled};
use crate::bench_row::BenchRow;
use crate::h5py_worker::Clock;
use crate::machine::Machine;

/// What figures depend on, but for the codec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    sample_sha256: String,
    dtype: String,
    chunk: Vec<usize>,
    runs: usize,
    route: String,
    clock: Clock,
    machine: Machine,
    versions: BTreeMap<String, String>,
}

impl Circumstances {
    /// Those of measuring `sampled` by `bench`.
    pub fn of(bench: &Bench, sampled: &Sampled) -> Self {
        Self {
            sample_sha256: sampled.sha256(),
            dtype: sampled.subject.dtype.clone(),
            chunk: sampled.subject.layout.shape.clone(),
            runs: bench.runs(),
            route: bench.route().into(),
            clock: bench.clock(),
            machine: bench.machine.clone(),
            versions: bench.versions.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    circumstances: Circumstances,
    row: BenchRow,
}

/// The file, and what is in it.
pub struct Cache {
    path: PathBuf,
    lines: Vec<Line>,
    /// Lines that are not rows of this version.
    pub unreadable: usize,
}

impl Cache {
    /// Reads the file, where it exists.
    pub fn open(path: &Path) -> Result<Self> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other.with_context(|| path.display().to_string())?,
        };
        let parsed: Vec<Option<Line>> = text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).ok())
            .collect();
        Ok(Self {
            path: path.to_owned(),
            unreadable: parsed.iter().filter(|line| line.is_none()).count(),
            lines: parsed.into_iter().flatten().collect(),
        })
    }

    /// The row of a codec, under the names that `sampled` has at present.
    pub fn row(
        &self,
        circumstances: &Circumstances,
        codec: &str,
        sampled: &Sampled,
    ) -> Option<BenchRow> {
        let line = self
            .lines
            .iter()
            .find(|line| line.row.codec == codec && line.circumstances == *circumstances)?;
        Some(BenchRow {
            file: sampled.file.clone(),
            dataset: sampled.subject.dataset.clone(),
            shape: sampled.subject.shape.clone(),
            total_chunks: sampled.subject.total_chunks,
            ..line.row.clone()
        })
    }

    /// Adds a row to the file.
    pub fn append(&mut self, circumstances: &Circumstances, row: &BenchRow) -> Result<()> {
        let line = Line {
            circumstances: circumstances.clone(),
            row: row.clone(),
        };
        // The line feed in front ends a line that somebody left half-written.
        let text = format!("\n{}\n", serde_json::to_string(&line)?);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_data()
            })
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.lines.push(line);
        Ok(())
    }
}
