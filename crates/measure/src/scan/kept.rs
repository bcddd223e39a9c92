//! What a scan keeps in memory, so that nothing is read or encoded twice.
//!
//! Data kept back are read once, whatever the number of codecs that are verified on them. Of every codec, what it made of
//! the data of the search is kept for the smallest point so far that holds: those are the points that a report shows. Where
//! `sample.kept_bytes` does not allow it, both are made anew; the answer is the same.

use std::collections::BTreeMap;
use std::rc::Rc;

use etalon_metrics::Outcome;

use super::Set;
use super::point::Point;
use super::sample::Trial;

/// A sample holds its chunks, its array, and the numbers of that.
const COPIES_OF_A_SAMPLE: u64 = 3;

/// What is kept.
pub(super) struct Kept {
    left_bytes: u64,
    held_out: BTreeMap<usize, Rc<Set>>,
    trials: BTreeMap<String, Shown>,
}

/// A point that a report shows.
pub(super) struct Shown {
    spec: String,
    ratio: f64,
    pub(super) trial: Trial,
    pub(super) outcome: Outcome,
}

impl Kept {
    /// Nothing yet, and `most_bytes` at most.
    pub(super) fn new(most_bytes: u64) -> Self {
        Self {
            left_bytes: most_bytes,
            held_out: BTreeMap::new(),
            trials: BTreeMap::new(),
        }
    }

    /// The set of this number among those kept back, if it was read before.
    pub(super) fn set(&self, number: usize) -> Option<Rc<Set>> {
        self.held_out.get(&number).cloned()
    }

    /// Keeps the set of this number.
    pub(super) fn keep_set(&mut self, number: usize, set: &Rc<Set>) {
        if self.takes(COPIES_OF_A_SAMPLE * set.sample.raw_bytes()) {
            self.held_out.insert(number, Rc::clone(set));
        }
    }

    /// Keeps what a codec made of the data of the search, instead of a larger one of the same codec.
    pub(super) fn keep_trial(&mut self, point: &Point, trial: Trial, outcome: Outcome) {
        let before = self.trials.get(&point.codec);
        let is_smallest = before.is_none_or(|before| point.ratio > before.ratio);
        if !point.holds || !is_smallest {
            return;
        }
        // All trials have the same size: they are of the same data.
        if before.is_some() || self.takes(trial.raw_bytes) {
            let shown = Shown {
                spec: point.spec.clone(),
                ratio: point.ratio,
                trial,
                outcome,
            };
            self.trials.insert(point.codec.clone(), shown);
        }
    }

    /// What was kept of a SPEC.
    pub(super) fn shown(&self, spec: &str) -> Option<&Shown> {
        self.trials.values().find(|shown| shown.spec == spec)
    }

    /// Whether there is room for so many bytes, which are then taken.
    fn takes(&mut self, bytes: u64) -> bool {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left.unwrap_or(self.left_bytes);
        left.is_some()
    }
}
