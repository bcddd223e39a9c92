//! What a scan found as rows of `etalon measure`, which a report draws.

use etalon_metrics::{Metric, metric_named};

use super::answer::{Chosen, Verified};
use super::guarantee::Class;
use super::point::{self, Point};
use super::{LOSSLESS, Task};
use crate::fault::Fault;
use crate::measure::Row;
use crate::method::Method;

impl Task<'_> {
    /// The chosen point, lossless storage and the best of every codec as rows, with curves and pictures.
    pub(super) fn rows(&self, chosen: &Chosen, verified: &Verified) -> Result<Vec<Row>, Fault> {
        let mut specs = vec![chosen.spec.as_str(), LOSSLESS];
        for codec in self.points.iter().map(|point| &point.codec) {
            let own = self.points.iter().filter(|point| &point.codec == codec);
            let best = own
                .filter(|point| point.holds)
                .max_by(|a, b| a.ratio.total_cmp(&b.ratio));
            specs.extend(best.map(|point| point.spec.as_str()));
        }
        let shown = self.points.iter();
        let shown = shown.filter(|point| specs.contains(&point.spec.as_str()));
        let mut rows = Vec::new();
        for point in shown {
            let mut row = self.row(point)?;
            if point.spec == chosen.spec {
                row.notes.extend(promises(chosen, verified));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&self, point: &Point) -> Result<Row, Fault> {
        let (set, jobs) = (&self.sets[0], self.options.jobs);
        let beside: Vec<&Metric> = ["abs", "preview"]
            .iter()
            .filter_map(|name| metric_named(name).ok())
            .filter(|metric| self.metrics.iter().all(|known| known.name != metric.name))
            .collect();
        let made;
        let (trial, known) = match self.kept.shown(&point.spec) {
            Some(shown) => (&shown.trial, shown.outcome.clone()),
            None => {
                let method: Method = (point.spec.parse())
                    .map_err(|error: etalon_codec::Error| Fault::Arguments(error.into()))?;
                made = set.sample.encode(&method, jobs)?;
                (&made, self.measured(&made, 0)?)
            }
        };
        let mut outcome = (set.sample).evaluate(Some(trial), &beside, &set.settings, jobs)?;
        outcome.extend(known);
        let limits: Vec<_> = self.requirement.limits().collect();
        let mut row = point.row(self.dataset);
        row.max_abs_error = outcome.values.get("max_abs_error").copied();
        row.metrics = outcome.values;
        row.curves = outcome.curves;
        row.curves
            .extend(point::by_ratio(&self.points, &point.codec, &limits));
        row.images = outcome.images;
        row.measured_chunks = set.sample.chunk_count();
        row.total_chunks = self.source.len();
        Ok(row)
    }
}

/// The answer in words.
fn promises(chosen: &Chosen, verified: &Verified) -> Vec<String> {
    let mut words = vec![match verified.chunks {
        0 => "chosen".to_owned(),
        chunks => {
            format!("chosen, and verified on {chunks} chunks that no setting was looked for on")
        }
    }];
    words.extend(
        chosen
            .reason
            .iter()
            .map(|reason| format!("lossless: {reason}")),
    );
    words.extend(chosen.classes.iter().map(|(limit, class)| {
        let promise = match class {
            Class::A => "kept in every element, by the way the codec works",
            Class::B => "checked in every chunk when it is encoded",
            Class::C => "measured on a sample",
        };
        format!("{limit}: class {class:?}, {promise}")
    }));
    words
}
