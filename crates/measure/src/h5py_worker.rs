//! A Python process that stores and times chunks through h5py, as any HDF5 program would.
//!
//! hdf5plugin's filters need an HDF5 library in a file of its own, which this program does not have; through h5py all
//! codecs are timed by one and the same route. There are two processes: hdf5plugin brings filters whose numbers are also
//! those of Etalon's plugins, and one process has one filter of a number.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SCRIPT: &str = include_str!("h5py_worker.py");
/// Where no plugin is found: an empty `HDF5_PLUGIN_PATH` would mean HDF5's default folder.
const NO_PLUGINS: &str = "/nonexistent";
/// Settings of the libraries below the filters.
const ONE_THREAD: [&str; 4] = [
    "BLOSC_NTHREADS",
    "BLOSC2_NTHREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
];

/// Whose filters a process has.
#[derive(Debug, Clone)]
pub enum Side {
    /// Etalon's plugins in this folder.
    Own(PathBuf),
    /// What h5py has built in, and hdf5plugin where it is installed.
    Peers,
}

/// What the time of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Time that passes.
    Wall,
    /// Time a processor works for the process, which other programs disturb less.
    Cpu,
}

impl Clock {
    /// As the worker's argument and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
        }
    }
}

/// How the worker makes a dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Storage {
    /// HDF5's shuffle comes first.
    pub shuffle: bool,
    /// `id`, `builtin` or `plugin`.
    pub kind: &'static str,
    /// Name of the built-in filter, or of hdf5plugin's class.
    pub name: &'static str,
    /// Settings of `name`.
    pub arguments: BTreeMap<&'static str, Value>,
    /// Filter of kind `id`.
    pub id: u32,
    /// Its values.
    pub cd_values: Vec<u32>,
}

/// A dataset that was stored once.
pub struct Opened {
    /// Bytes of all chunks as HDF5 counts them.
    pub stored_bytes: u64,
    /// Chunks that an optional filter left as they were.
    pub unfiltered_chunks: usize,
    /// What was read back.
    pub decoded: Vec<u8>,
}

/// Seconds of one run over all chunks.
#[derive(Debug, Clone, Copy)]
pub struct RunTime {
    /// Of writing.
    pub encode_s: f64,
    /// Of reading.
    pub decode_s: f64,
}

/// The process.
pub struct Worker {
    python: PathBuf,
    side: Side,
    clock: Clock,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Versions of Python and of what it imports.
    pub versions: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    error: Option<String>,
    bytes: usize,
    versions: BTreeMap<String, String>,
    stored_bytes: u64,
    unfiltered_chunks: usize,
    encode_s: f64,
    decode_s: f64,
}

impl Worker {
    /// Starts the process; an error says what `python` misses.
    pub fn start(python: &Path, side: Side, clock: Clock) -> Result<Self> {
        let (name, plugins) = match &side {
            Side::Own(folder) => ("own", folder.as_path()),
            Side::Peers => ("peers", Path::new(NO_PLUGINS)),
        };
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, name, clock.name()])
            .env("HDF5_PLUGIN_PATH", plugins)
            .envs(ONE_THREAD.map(|key| (key, "1")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut worker = Self {
            python: python.to_owned(),
            side,
            clock,
            child,
            input,
            output: BufReader::new(output.context("the process has no output")?),
            versions: BTreeMap::new(),
        };
        let (answer, _) = worker
            .ask(&json!({"command": "hello"}), &[])
            .with_context(|| format!("{} has no h5py", python.display()))?;
        worker.versions = answer.versions;
        Ok(worker)
    }

    /// Another process in the place of one that a filter has crashed; it has no chunks.
    pub fn restart(&mut self) -> Result<()> {
        *self = Self::start(&self.python, self.side.clone(), self.clock)?;
        Ok(())
    }

    /// Gives the chunks that are stored from here on, `raw` one after the other.
    pub fn load(&mut self, dtype: &str, chunk: &[u64], raw: &[u8]) -> Result<()> {
        let command =
            json!({"command": "load", "dtype": dtype, "chunk": chunk, "bytes": raw.len()});
        self.ask(&command, raw).map(drop)
    }

    /// Stores and reads the chunks once; a filter's reason is an answer, the end of the process is an error.
    pub fn open(&mut self, key: &str, storage: &Storage) -> Result<Result<Opened, String>> {
        let command = json!({"command": "open", "key": key, "storage": storage});
        let (answer, decoded) = self.exchange(&command, &[]).context(key.to_owned())?;
        Ok(match answer.error {
            Some(reason) => Err(reason),
            None => Ok(Opened {
                stored_bytes: answer.stored_bytes,
                unfiltered_chunks: answer.unfiltered_chunks,
                decoded,
            }),
        })
    }

    /// Writes and reads what [`Worker::open`] stored again.
    pub fn run(&mut self, key: &str) -> Result<RunTime> {
        let (answer, _) = self
            .ask(&json!({"command": "run", "key": key}), &[])
            .context(key.to_owned())?;
        Ok(RunTime {
            encode_s: answer.encode_s,
            decode_s: answer.decode_s,
        })
    }

    fn ask(&mut self, command: &Value, payload: &[u8]) -> Result<(Answer, Vec<u8>)> {
        let (answer, payload) = self.exchange(command, payload)?;
        match answer.error {
            Some(error) => bail!(error),
            None => Ok((answer, payload)),
        }
    }

    fn exchange(&mut self, command: &Value, payload: &[u8]) -> Result<(Answer, Vec<u8>)> {
        let input = self.input.as_mut().context("the process was ended")?;
        let mut line = command.to_string().into_bytes();
        line.push(b'\n');
        let written = input
            .write_all(&line)
            .and_then(|()| input.write_all(payload))
            .and_then(|()| input.flush());
        let mut text = String::new();
        if written.is_err() || self.output.read_line(&mut text)? == 0 {
            return Err(self.ended());
        }
        let answer: Answer =
            serde_json::from_str(&text).context("the Python process answers nonsense")?;
        let mut payload = vec![0; answer.bytes];
        self.output.read_exact(&mut payload)?;
        Ok((answer, payload))
    }

    fn ended(&mut self) -> anyhow::Error {
        match self.child.wait() {
            Ok(status) => anyhow!("the Python process ended: {status}"),
            Err(error) => error.into(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input ends the process.
        self.input = None;
        let _ = self.child.wait();
    }
}
