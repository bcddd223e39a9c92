//! `etalon metrics`: the table of metrics.

use etalon_metrics::{METRICS, Metric};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Lists every metric with the numbers that it yields and the settings that it needs.
pub(crate) fn run(output: Output) -> Result<Outcome, Failure> {
    if output.json {
        let list: Vec<Listed> = METRICS.iter().map(|metric| Listed::of(metric)).collect();
        output.document(&list)?;
        return Ok(Outcome::Done);
    }
    for metric in METRICS {
        output.line(&format!(
            "{} ({}): {}",
            metric.name, metric.id, metric.about
        ))?;
        let values: Vec<String> = metric
            .values
            .iter()
            .map(|(name, unit)| format!("{name} [{unit}]"))
            .collect();
        output.line(&format!("    yields {}", values.join(", ")))?;
        if !metric.curves.is_empty() {
            output.line(&format!("    curves {}", metric.curves.join(", ")))?;
        }
        if !metric.needs.is_empty() {
            output.line(&format!("    needs {}", metric.needs.join(", ")))?;
        }
    }
    Ok(Outcome::Done)
}

/// A metric as `--json` prints it.
#[derive(Serialize)]
struct Listed {
    id: &'static str,
    name: &'static str,
    about: &'static str,
    values: Vec<Value>,
    curves: &'static [&'static str],
    needs: &'static [&'static str],
    per_chunk: bool,
}

/// A number that a metric yields.
#[derive(Serialize)]
struct Value {
    name: &'static str,
    unit: &'static str,
}

impl Listed {
    fn of(metric: &'static Metric) -> Self {
        Self {
            id: metric.id,
            name: metric.name,
            about: metric.about,
            values: metric
                .values
                .iter()
                .map(|&(name, unit)| Value { name, unit })
                .collect(),
            curves: metric.curves,
            needs: metric.needs,
            per_chunk: metric.pass.per_chunk,
        }
    }
}
