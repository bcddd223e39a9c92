//! The largest setting that keeps a requirement, found with few trials.
//!
//! Settings are tried on a logarithmic scale, first outwards from a start in growing steps, then by bisection.
//! Most metrics grow with the loss, but not all do, and noise plays its part: the answer is the largest setting below
//! every one that failed.

/// Values that a setting may take; a larger one loses more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) is_integer: bool,
}

/// Two settings of which one holds and the other does not, and that differ by less than this factor, are close enough.
const CLOSE: f64 = 1.06;

impl Scale {
    /// Whether there is anything between the ends: numbers that a SPEC takes.
    pub(crate) fn is_searchable(&self) -> bool {
        1e-300 <= self.least && self.least <= self.most && self.most <= 1e300
    }

    /// The nearest value that the setting may take: whole, or of three digits.
    pub(crate) fn snap(&self, value: f64) -> f64 {
        let value = value.clamp(self.least, self.most);
        if self.is_integer {
            return value.round();
        }
        three_digits(value).clamp(self.least, self.most)
    }

    fn between(&self, low: f64, high: f64) -> f64 {
        let middle = match low > 0.0 {
            true => (low * high).sqrt(),
            false => high / 2.0,
        };
        match self.is_integer {
            // Next to `low` where they are neighbours but one.
            true => middle.floor().max(low + 1.0),
            false => self.snap(middle),
        }
    }
}

/// The nearest number of three digits, for a number that is not 0.
pub(crate) fn three_digits(value: f64) -> f64 {
    let digits = 10_f64.powf(2.0 - value.abs().log10().floor());
    (value * digits).round() / digits
}

/// The trials of a search.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Values tried, and whether they held.
    tried: Vec<(f64, bool)>,
}

impl Search {
    /// Tries values from `start` on, `most_trials` at most, and returns the largest one that holds.
    pub(crate) fn run<E>(
        &mut self,
        scale: &Scale,
        start: f64,
        most_trials: usize,
        mut holds: impl FnMut(f64) -> Result<bool, E>,
    ) -> Result<Option<f64>, E> {
        let mut next = Some(scale.snap(start));
        for _ in 0..most_trials {
            let Some(value) = next else { break };
            let outcome = holds(value)?;
            self.tried.push((value, outcome));
            next = self.next(scale);
        }
        Ok(self.best())
    }

    /// Takes back what was found of `value`: on other data it does not hold, and uses up `share` of a limit. Returns where to
    /// go on.
    pub(crate) fn refute(&mut self, value: f64, share: f64, scale: &Scale) -> Option<f64> {
        self.tried.retain(|(tried, _)| *tried != value);
        self.tried.push((value, false));
        // What holds on the data of the search may not hold on others: those are to be tried anew.
        self.tried.retain(|(_, held)| !held);
        // Most numbers are in proportion to the loss.
        let factor = match share.is_finite() && share > 0.0 {
            true => (0.9 / share).clamp(0.1, 0.8),
            false => 0.8,
        };
        let next = scale.snap(value * factor);
        (next < value).then_some(next)
    }

    /// The smallest value that failed.
    fn failed(&self) -> Option<f64> {
        let failed = self.tried.iter().filter(|(_, held)| !held);
        failed.map(|(value, _)| *value).min_by(f64::total_cmp)
    }

    /// The largest value that held, below all that failed.
    fn best(&self) -> Option<f64> {
        self.held().max_by(f64::total_cmp)
    }

    /// All that held, below all that failed.
    pub(crate) fn held(&self) -> impl Iterator<Item = f64> + '_ {
        let failed = self.failed().unwrap_or(f64::INFINITY);
        let held = self.tried.iter().filter(|(_, held)| *held);
        held.map(|(value, _)| *value)
            .filter(move |value| *value < failed)
    }

    /// The factor of the next step outwards: 2, 4, then 8.
    fn stride(&self) -> f64 {
        f64::from(1 << self.tried.len().min(3))
    }

    fn next(&self, scale: &Scale) -> Option<f64> {
        let next = match (self.best(), self.failed()) {
            (Some(held), Some(failed)) if failed / held < CLOSE => return None,
            (Some(held), Some(failed)) => scale.between(held, failed),
            (Some(held), None) => scale.snap(held * self.stride()),
            (None, Some(failed)) if scale.is_integer => {
                (failed / self.stride()).floor().max(scale.least)
            }
            (None, Some(failed)) => scale.snap(failed / self.stride()),
            (None, None) => return None,
        };
        let is_tried = self.tried.iter().any(|(value, _)| *value == next);
        (!is_tried).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: Scale = Scale {
        least: 0.01,
        most: 8.0,
        is_integer: false,
    };

    fn found(scale: &Scale, start: f64, holds: impl Fn(f64) -> bool) -> (Option<f64>, usize) {
        let mut search = Search::default();
        let best = search.run::<()>(scale, start, 12, |value| Ok(holds(value)));
        (best.unwrap(), search.tried.len())
    }

    #[test]
    fn the_crossing_is_found_from_either_side() {
        for crossing in [0.02, 0.3, 0.5, 1.37, 7.9] {
            for start in [0.01, 0.5, 8.0] {
                let (best, trials) = found(&REAL, start, |value| value <= crossing);
                let best = best.unwrap();
                assert!(best <= crossing && best > crossing / CLOSE / 1.01, "{best}");
                assert!(trials <= 12, "{trials}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_answers_and_nothing_may_hold() {
        assert_eq!(found(&REAL, 0.5, |_| true).0, Some(8.0));
        assert_eq!(found(&REAL, 0.5, |_| false).0, None);
    }

    #[test]
    fn the_answer_is_below_every_failure() {
        // Holds again between 2 and 3, which must not count.
        let (best, _) = found(&REAL, 2.5, |value| {
            value <= 0.7 || (2.0..3.0).contains(&value)
        });
        assert!(best.unwrap() <= 0.7 || best.unwrap() >= 2.0);
        let (best, _) = found(&REAL, 1.0, |value| {
            value <= 0.7 || (2.0..3.0).contains(&value)
        });
        assert!(best.unwrap() <= 0.7);
    }

    #[test]
    fn what_holds_above_a_failure_does_not_count() {
        let search = Search {
            tried: vec![(1.0, true), (3.0, true), (2.0, false), (0.5, true)],
        };
        assert_eq!(search.best(), Some(1.0));
        let next = search.next(&REAL).unwrap();
        assert!(1.0 < next && next < 2.0, "{next}");
        let search = Search {
            tried: vec![(3.0, true), (0.02, false)],
        };
        assert_eq!(search.best(), None);
    }

    #[test]
    fn whole_numbers_are_tried_once() {
        let scale = Scale {
            least: 1.0,
            most: 1000.0,
            is_integer: true,
        };
        for crossing in [1.0, 2.0, 3.0, 17.0, 999.0] {
            let (best, _) = found(&scale, 4.0, |value| value <= crossing);
            let best = best.unwrap();
            assert!(best <= crossing && (best == crossing || (best + 1.0) / best < CLOSE));
        }
        assert_eq!(found(&scale, 4.0, |_| false).0, None);
    }

    #[test]
    fn a_refuted_value_is_never_the_answer_again() {
        let mut search = Search::default();
        let best = search.run::<()>(&REAL, 1.0, 12, |value| Ok(value <= 2.0));
        let next = search.refute(best.unwrap().unwrap(), 1.1, &REAL).unwrap();
        assert!(next < 2.0);
        let again = search.run::<()>(&REAL, next, 6, |value| Ok(value <= 1.9));
        assert!(again.unwrap().unwrap() <= 1.9);
    }
}
