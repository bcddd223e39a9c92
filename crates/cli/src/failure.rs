//! How a command ends: exit codes 0 to 4, the same for every subcommand.

use std::fmt;
use std::process::ExitCode;

use etalon_measure::fault::Fault;

/// A command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, and all holds: exit code 0.
    Done,
    /// A check failed or a requirement is not met: exit code 1.
    CheckFailed,
}

impl Outcome {
    /// `Done` where `holds`.
    pub(crate) fn of_check(holds: bool) -> Self {
        if holds { Self::Done } else { Self::CheckFailed }
    }

    /// What the process returns.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::CheckFailed => 1,
        })
    }
}

/// A command that could not run to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A check failed on the way: exit code 1.
    Check(anyhow::Error),
    /// The arguments are wrong: exit code 2.
    Arguments(anyhow::Error),
    /// An input cannot be read or is damaged: exit code 3.
    Input(anyhow::Error),
    /// An output cannot be written: exit code 4.
    Output(anyhow::Error),
}

impl Failure {
    /// Wrong arguments, in one sentence.
    pub(crate) fn arguments(text: impl fmt::Display) -> Self {
        Self::Arguments(anyhow::anyhow!("{text}"))
    }

    /// What the process returns.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The same as a number.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Check(_) => 1,
            Self::Arguments(_) => 2,
            Self::Input(_) => 3,
            Self::Output(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Check(error)
        | Self::Arguments(error)
        | Self::Input(error)
        | Self::Output(error)) = self;
        // The alternate form joins a chain of causes with colons.
        write!(f, "{error:#}")
    }
}

/// A SPEC or other setting that a codec refuses is a wrong argument.
impl From<etalon_codec::Error> for Failure {
    fn from(error: etalon_codec::Error) -> Self {
        Self::Arguments(error.into())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Check(error) => Self::Check(error),
            Fault::Arguments(error) => Self::Arguments(error),
            Fault::Input(error) => Self::Input(error),
            Fault::Output(error) => Self::Output(error),
            Fault::Interrupted => Self::Output(anyhow::anyhow!("interrupted; nothing was written")),
        }
    }
}
