//! Whether a setting holds on data that no setting was looked for on.

use std::rc::Rc;

use super::answer::Verified;
use super::point::Point;
use super::sample::Sample;
use super::{Found, MOST_TRIALS_AGAIN, Set, Task};
use crate::fault::Fault;
use crate::method::Method;

impl Task<'_> {
    /// A setting that holds on data that no setting was looked for on; made finer where it does not at first.
    pub(super) fn verified(
        &mut self,
        mut found: Found,
    ) -> Result<Option<(Method, Verified)>, Fault> {
        let held_out = self.bands.held_out.clone();
        if held_out.is_empty() {
            let method = self.method(&found.candidate, found.position)?;
            let metrics = self.metrics_of(&method);
            return Ok(Some((
                method,
                Verified {
                    chunks: 0,
                    holds: true,
                    metrics,
                },
            )));
        }
        let known = self.sets.len();
        for (number, bands) in held_out.iter().enumerate() {
            let method = self.method(&found.candidate, found.position)?;
            let set = self.load(number, bands)?;
            (self.options.progress)(&format!("{method}, verified"));
            let jobs = self.options.jobs;
            let trial = set.sample.encode(&method, jobs)?;
            let outcome = set
                .sample
                .evaluate(Some(&trial), &self.metrics, &set.settings, jobs)?;
            let point = self.point(&method, found.candidate.codec(), &trial, outcome, &set);
            if point.holds {
                let verified = Verified {
                    chunks: set.sample.chunk_count(),
                    holds: true,
                    metrics: point.metrics,
                };
                let confirmed = self.confirmed(found, method, verified);
                self.sets.truncate(known);
                return confirmed;
            }
            if !self.refuted(&mut found, &point, set)? {
                self.sets.truncate(known);
                return Ok(None);
            }
        }
        if self.want_all() {
            let method = self.method(&found.candidate, found.position)?;
            let confirmed = self.confirmed(found, method, Verified::of_nothing());
            self.sets.truncate(known);
            return confirmed;
        }
        self.sets.truncate(known);
        // The setting holds on all data that were looked at. Is that everything, there is nothing left to doubt.
        if !self.bands.cover_all() {
            return Ok(None);
        }
        let method = self.method(&found.candidate, found.position)?;
        let metrics = self.metrics_of(&method);
        self.notes
            .push("every chunk was searched in the end: none was kept back to verify".into());
        Ok(Some((
            method,
            Verified {
                chunks: 0,
                holds: true,
                metrics,
            },
        )))
    }

    /// Looks for a smaller loss than one that does not hold on `set`; `false` where there is none.
    fn refuted(&mut self, found: &mut Found, broken: &Point, set: Rc<Set>) -> Result<bool, Fault> {
        let share = broken.limit_used;
        self.refute(&broken.spec);
        self.sets.push(set);
        self.finer(found, share)
    }

    /// A setting that holds on data kept back, and on all data together where a part of them says less; made finer where
    /// it does not there.
    fn confirmed(
        &mut self,
        mut found: Found,
        method: Method,
        verified: Verified,
    ) -> Result<Option<(Method, Verified)>, Fault> {
        if !self.want_all() {
            return Ok(Some((method, verified)));
        }
        let all: Vec<u64> = (0..self.bands.count).collect();
        let set = self.load(self.bands.held_out.len(), &all)?;
        let jobs = self.options.jobs;
        (self.options.progress)(&format!("{method}, on all data"));
        let trial = set.sample.encode(&method, jobs)?;
        let outcome = (set.sample).evaluate(Some(&trial), &self.metrics, &set.settings, jobs)?;
        let point = self.point(&method, found.candidate.codec(), &trial, outcome, &set);
        if point.holds {
            self.notes.push(said_of_all(&point));
            return Ok(Some((method, verified)));
        }
        if !self.refuted(&mut found, &point, set)? {
            return Ok(None);
        }
        let method = self.method(&found.candidate, found.position)?;
        self.notes.push(
            format!(
                "{}, which the sample allowed, was broken by all data together: {method} was looked for on those, and nothing was \
                 kept back to verify",
                point.spec
            ),
        );
        let metrics = self.metrics_of(&method);
        Ok(Some((
            method,
            Verified {
                metrics,
                ..Verified::of_nothing()
            },
        )))
    }

    /// Notes that a setting does not hold on other data than those of the search.
    pub(super) fn refute(&mut self, spec: &str) {
        for point in self.points.iter_mut().filter(|point| point.spec == spec) {
            point.refute();
        }
    }

    /// The bands of this number among those kept back.
    fn load(&mut self, number: usize, bands: &[u64]) -> Result<Rc<Set>, Fault> {
        if let Some(set) = self.kept.set(number) {
            return Ok(set);
        }
        let mask = &self.requirement.settings.mask;
        let axis = self.bands.axis;
        let sample = Sample::load(self.dataset, &self.source, axis, bands, mask)?;
        let set = Rc::new(self.set(sample));
        self.kept.keep_set(number, &set);
        Ok(set)
    }

    /// Looks for a smaller loss after a setting was refuted; `false` where there is none.
    fn finer(&mut self, found: &mut Found, share: f64) -> Result<bool, Fault> {
        let Some(scale) = found.scale else {
            return Ok(false);
        };
        let Some(start) = found.search.refute(found.position, share, &scale) else {
            return Ok(false);
        };
        let mut search = std::mem::take(&mut found.search);
        let best = search.run(&scale, start, MOST_TRIALS_AGAIN, |position| {
            let method = self.method(&found.candidate, position)?;
            self.holds(&method, found.candidate.codec())
        })?;
        if best.is_some() {
            (found.position, found.ratio) = self.smallest(&found.candidate, &search)?;
        }
        found.search = search;
        Ok(best.is_some())
    }
}

/// What a setting that holds does to all data.
fn said_of_all(point: &Point) -> String {
    let spec = &point.spec;
    let measured = point.verdicts.iter();
    let measured: Vec<String> = measured
        .map(|verdict| format!("{} is {:.4}", verdict.limit, verdict.measured))
        .collect();
    format!("{spec} on all data together: {}", measured.join(", "))
}
