//! The numbers of lost frames, in memory of fixed size.

/// As many runs fit into an attribute of a file.
const MOST_RUNS: usize = 2000;

/// Numbers of lost frames: how many, and which, as runs.
#[derive(Debug, Clone)]
pub(crate) struct LostFrames {
    count: u64,
    /// First and last number, in the order in which runs began.
    runs: Vec<(u64, u64)>,
    is_complete: bool,
}

impl LostFrames {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            runs: Vec::with_capacity(MOST_RUNS),
            is_complete: true,
        }
    }

    pub(crate) fn add(&mut self, number: u64) {
        self.count += 1;
        // Several producers lose frames in turn: the run that this one continues is among the latest.
        let continued = self.runs.iter_mut().rev().take(16);
        let continued = continued.filter(|run| run.1.checked_add(1) == Some(number));
        if let Some(run) = continued.last() {
            run.1 = number;
        } else if self.runs.len() < MOST_RUNS {
            self.runs.push((number, number));
        } else {
            self.is_complete = false;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// First and last numbers in ascending order, and whether all lost frames are named.
    pub(crate) fn runs(&self) -> (Vec<(u64, u64)>, bool) {
        let mut sorted = self.runs.clone();
        sorted.sort_unstable();
        sorted.dedup_by(|next, run| {
            let continues = run.1.checked_add(1) == Some(next.0);
            if continues {
                run.1 = next.1;
            }
            continues
        });
        (sorted, self.is_complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_numbers_become_runs_in_any_order() {
        let mut lost = LostFrames::new();
        for number in [5, 6, 20, 7, 21, 3, 4, 9] {
            lost.add(number);
        }
        assert_eq!(lost.runs(), (vec![(3, 7), (9, 9), (20, 21)], true));
        assert_eq!(lost.count(), 8);
    }

    #[test]
    fn too_many_runs_are_counted_and_said_to_be_incomplete() {
        let mut lost = LostFrames::new();
        let numbers = (0..2 * MOST_RUNS as u64).map(|at| 2 * at);
        numbers.for_each(|number| lost.add(number));
        let (runs, is_complete) = lost.runs();
        assert_eq!((lost.count(), runs.len()), (4000, MOST_RUNS));
        assert!(!is_complete);
    }
}
