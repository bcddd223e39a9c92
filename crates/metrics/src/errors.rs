//! Why a metric cannot be computed, said so that the user knows what to give.

/// Why a metric cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A metric or profile of this name does not exist.
    #[error("there is no metric or profile '{name}'{hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name as a question, or nothing.
        hint: String,
    },
    /// A setting that the metric needs was not given.
    #[error("{metric} needs {what}")]
    Missing {
        /// Name of the metric.
        metric: &'static str,
        /// The setting and how it is given.
        what: &'static str,
    },
    /// The data do not suit the metric.
    #[error("{metric}: {reason}")]
    Unsuitable {
        /// Name of the metric.
        metric: &'static str,
        /// What is wrong, and what would do.
        reason: String,
    },
    /// The data could not be read.
    #[error("{0}")]
    Source(String),
}
