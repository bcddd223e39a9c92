//! Why something is not done, in the words of who asked for it.

use std::fmt;

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Settings contradict each other, are unknown, or do not fit the frames.
    Settings(String),
    /// The frame has another size than was agreed.
    Size {
        /// Bytes of the frame.
        given: usize,
        /// Bytes that were agreed.
        needed: usize,
    },
    /// The number was used before, or is out of range.
    Number(u64),
    /// No buffer is free, and the writer drops frames rather than wait. The frame is lost, counted and named.
    Dropped(u64),
    /// The writer has been closed.
    Closed,
    /// The file cannot be written. Frames from here on are lost, counted and named.
    File(String),
}

impl Error {
    pub(crate) fn settings(text: &str) -> Self {
        Self::Settings(text.to_owned())
    }
}

impl From<etalon_codec::Error> for Error {
    fn from(error: etalon_codec::Error) -> Self {
        Self::Settings(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(text) | Self::File(text) => f.write_str(text),
            Self::Size { given, needed } => {
                write!(f, "the frame has {given} bytes where {needed} are needed")
            }
            Self::Number(number) => {
                write!(
                    f,
                    "frame number {number} was used before or is out of range"
                )
            }
            Self::Dropped(number) => write!(f, "frame {number} is lost: no buffer was free"),
            Self::Closed => f.write_str("the writer is closed"),
        }
    }
}

impl std::error::Error for Error {}
