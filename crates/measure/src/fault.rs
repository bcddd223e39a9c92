//! How work on files fails, in the four ways that the command's exit codes distinguish, and interruption.

use std::fmt;

/// Why a file could not be read, checked or written.
#[derive(Debug)]
pub enum Fault {
    /// The result is not what was promised.
    Check(anyhow::Error),
    /// The request makes no sense for this file.
    Arguments(anyhow::Error),
    /// The input cannot be read or is damaged.
    Input(anyhow::Error),
    /// The output cannot be written.
    Output(anyhow::Error),
    /// The caller asked to stop.
    Interrupted,
}

impl Fault {
    /// The exit code of the command: 1 check, 2 arguments, 3 input, 4 output (an interrupted run wrote no output).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Check(_) => 1,
            Self::Arguments(_) => 2,
            Self::Input(_) => 3,
            Self::Output(_) | Self::Interrupted => 4,
        }
    }

    /// The fault with a sentence in front that says what was being done.
    #[must_use]
    pub fn context(self, text: impl fmt::Display + Send + Sync + 'static) -> Self {
        match self {
            Self::Check(error) => Self::Check(error.context(text)),
            Self::Arguments(error) => Self::Arguments(error.context(text)),
            Self::Input(error) => Self::Input(error.context(text)),
            Self::Output(error) => Self::Output(error.context(text)),
            Self::Interrupted => Self::Interrupted,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The alternate form joins a chain of causes with colons.
            Self::Check(error)
            | Self::Arguments(error)
            | Self::Input(error)
            | Self::Output(error) => write!(f, "{error:#}"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Fault {}

/// Says on which side an error happened.
pub trait Blame<T> {
    /// The input is at fault.
    fn input(self, doing: impl FnOnce() -> String) -> Result<T, Fault>;
    /// The output is at fault.
    fn output(self, doing: impl FnOnce() -> String) -> Result<T, Fault>;
}

impl<T, E: Into<anyhow::Error>> Blame<T> for Result<T, E> {
    fn input(self, doing: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|error| Fault::Input(error.into().context(doing())))
    }

    fn output(self, doing: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|error| Fault::Output(error.into().context(doing())))
    }
}
