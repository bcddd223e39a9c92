//! Results on stdout, remarks on stderr.
//!
//! A reader that has seen enough (`etalon inspect … | head`) closes the pipe. That is no error: the rest of the
//! output is dropped in silence and the command goes on to its end, because a recompression must not stop half-way
//! over it.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::failure::Failure;

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
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(
                anyhow::Error::new(error).context("cannot write to standard output"),
            )),
            _ => Ok(()),
        }
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

fn serialised(text: serde_json::Result<String>) -> Result<String, Failure> {
    text.map_err(|error| Failure::Output(error.into()))
}
