//! What a metric is: a name, what it yields, and the pass over the data that yields it.

use std::any::Any;

use crate::{Error, Frames, Outcome, Settings};

/// Extents of the data that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of frames.
    pub frames: usize,
    /// Extent of a frame in the slow direction.
    pub rows: usize,
    /// Extent of a frame in the fast direction.
    pub columns: usize,
}

/// A row of the table of metrics.
#[derive(Debug)]
pub struct Metric {
    /// Number in the list of definitions, as `E6`.
    pub id: &'static str,
    /// Name in settings, as `psnr`.
    pub name: &'static str,
    /// One line for people, with the definition.
    pub about: &'static str,
    /// Names of the numbers it yields, with their units; `1` is none, `data` that of the values.
    pub values: &'static [(&'static str, &'static str)],
    /// Names of its curves.
    pub curves: &'static [&'static str],
    /// Settings without which it refuses, in words: `geometry.center`.
    pub needs: &'static [&'static str],
    /// What goes over the data.
    pub pass: &'static Pass,
}

/// Goes over the data and yields the numbers of one or more metrics.
#[derive(Debug)]
pub struct Pass {
    /// Name, unique among passes.
    pub name: &'static str,
    /// Whether partial results of parts of the data can be merged, in any order.
    pub mergeable: bool,
    /// Whether the numbers mean something for a single chunk.
    pub per_chunk: bool,
    /// Of what part of a dataset the numbers are, up to chance, those of the whole.
    pub sample: Part,
    /// Whether it begins with `Settings::data_range`, which [`evaluate`](crate::evaluate) finds where none is given.
    pub needs_range: bool,
    /// Whether [`evaluate_on`](crate::evaluate_on) may give runs of frames to partial results of their own, on several
    /// threads: mergeable, of one round, and little to begin and to merge.
    pub splits: bool,
    /// Begins, after looking at the settings: whatever is missing or contradictory is said here, not after hours.
    pub start: fn(&Settings, Shape) -> Started,
}

/// A part of a dataset from which the whole can be estimated. Later ones are larger or more connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Any elements.
    Elements,
    /// Any frames.
    Frames,
    /// Frames that follow each other.
    Run,
    /// Slices of a tomographic scan: some rows of all frames, or some frames where these are sinograms.
    Slices,
    /// Nothing less than everything.
    Whole,
}

/// A partial result of nothing yet, or why there cannot be one.
pub type Started = Result<Box<dyn Accumulator>, Error>;

/// A partial result.
pub trait Accumulator: Send {
    /// Takes frames, those of a dataset in order unless the pass is mergeable.
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error>;

    /// Takes the partial result of other frames; only called where the pass is mergeable.
    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error>;

    /// Called when all frames were added: whether they are needed once more from the first, as by a histogram whose range
    /// had to be found.
    fn again(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    /// The numbers.
    fn finish(&mut self) -> Result<Outcome, Error>;

    /// For [`merge`](Accumulator::merge).
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// The other partial result of a merge as what it is.
///
/// # Panics
/// Where two different passes are merged, which is a mistake of the caller.
pub(crate) fn same<A: 'static>(other: Box<dyn Accumulator>) -> A {
    *other
        .into_any()
        .downcast()
        .expect("partial results of one pass are merged")
}
