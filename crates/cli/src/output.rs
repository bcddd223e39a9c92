//! Results on stdout, remarks on stderr.
//!
//! A reader that has seen enough (`etalon inspect … | head`) closes the pipe. That is no error: the rest of the
//! output is dropped in silence and the command goes on to its end, because a recompression must not stop half-way
//! over it.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Serialize, Serializer};

use crate::failure::Failure;

/// Whether anything was printed on stdout.
static HAS_RESULT: AtomicBool = AtomicBool::new(false);

/// What `--json` prints where there is no result: the event `error` of `recompress`.
#[derive(Serialize)]
struct ErrorDocument {
    event: &'static str,
    message: String,
    exit_code: u8,
}

/// Where results go, and in which form.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Output {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// No remarks and no progress.
    pub(crate) quiet: bool,
    /// How many times `-v` was given.
    pub(crate) verbose: u8,
}

impl Output {
    /// Prints text that is a result, with a line feed.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints bytes that are a result.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        HAS_RESULT.store(true, Ordering::Relaxed);
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(
                anyhow::Error::new(error).context("cannot write to standard output"),
            )),
            _ => Ok(()),
        }
    }

    /// With `--json`: what went wrong, unless a result has been printed, so that there is one document whatever happens.
    pub(crate) fn error(&self, failure: &Failure) -> Result<(), Failure> {
        if !self.json || HAS_RESULT.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.json_line(&ErrorDocument {
            event: "error",
            message: failure.to_string(),
            exit_code: failure.code(),
        })
    }

    /// Prints one JSON document, indented.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&serialised(serde_json::to_string_pretty(value))?)
    }

    /// Prints one JSON line.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&serialised(serde_json::to_string(value))?)
    }

    /// Prints a remark, unless told to be quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Prints a detail, where asked to say more.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose > 0 {
            eprintln!("{text}");
        }
    }

    /// Whether to draw progress: only for a person who looks on.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr())
    }
}

/// Serialises a path as it is shown: JSON has no bytes that are not UTF-8.
pub(crate) fn shown<S: Serializer>(
    path: &impl AsRef<Path>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.as_ref().display())
}

/// The same of a path that need not be there.
pub(crate) fn shown_if_any<S: Serializer>(
    path: &Option<impl AsRef<Path>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => shown(path, serializer),
        None => serializer.serialize_none(),
    }
}

fn serialised(text: serde_json::Result<String>) -> Result<String, Failure> {
    text.map_err(|error| Failure::Output(error.into()))
}
