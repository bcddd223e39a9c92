//! Options by which a user names metrics and tells what they need to know.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use etalon_metrics::{Limit, METRICS, Metric, Settings, metric_named, profile};
use toml::{Table, Value};

use crate::failure::Failure;

/// The options.
#[derive(Args)]
pub(crate) struct MetricOptions {
    /// Metrics by name (see `etalon metrics`), or `all` that need no settings
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    metrics: Vec<String>,
    /// The metrics that suit a method: imaging, tomography, mx, xpcs, saxs, 4dstem, segmentation, lossless
    #[arg(short, long, value_name = "P")]
    profile: Option<String>,
    /// A limit on a number, as in psnr>=40 or max_abs_error<=2; may be given several times
    #[arg(short, long = "limit", value_name = "NAME<=X")]
    limits: Vec<String>,
    /// What the metrics have to know, as TOML: mask, noise, geometry, regions …
    #[arg(long, value_name = "FILE.toml")]
    settings: Option<PathBuf>,
    /// One such setting, as in noise.gain=2 or geometry.center=[512.5,514]; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl MetricOptions {
    /// The limits asked for.
    pub(crate) fn limits(&self) -> Result<Vec<Limit>, Failure> {
        let limits = self.limits.iter().map(|text| text.parse());
        limits
            .collect::<Result<_, etalon_metrics::Error>>()
            .map_err(Failure::arguments)
    }

    /// The metrics asked for or limited, each once, in the order of the table.
    pub(crate) fn metrics(&self) -> Result<Vec<&'static Metric>, Failure> {
        let mut names: Vec<&str> = self.metrics.iter().map(String::as_str).collect();
        if let Some(name) = &self.profile {
            names.extend(profile(name).ok_or_else(|| {
                Failure::arguments(format!("--profile {name}: there is no such profile"))
            })?);
        }
        let mut asked = Vec::new();
        for name in names {
            match name {
                "all" => asked.extend(METRICS.iter().filter(|metric| metric.needs.is_empty())),
                _ => asked.push(metric_named(name).map_err(Failure::arguments)?),
            }
        }
        for limit in self.limits()? {
            asked.push(metric_named(&limit.value).map_err(Failure::arguments)?);
        }
        let mut metrics = METRICS.to_vec();
        metrics.retain(|metric| asked.iter().any(|other| other.name == metric.name));
        Ok(metrics)
    }

    /// The settings: those of the file, then the single ones.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let mut table = match &self.settings {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))
                    .map_err(Failure::Input)?;
                text.parse::<Table>()
                    .with_context(|| format!("{} is not TOML", path.display()))
                    .map_err(Failure::Arguments)?
            }
            None => Table::new(),
        };
        for setting in &self.set {
            merge(&mut table, single(setting)?);
        }
        Value::Table(table)
            .try_into()
            .context("the settings of the metrics")
            .map_err(Failure::Arguments)
    }
}

/// `noise.gain=2` as a table; a value that is no TOML is text.
fn single(setting: &str) -> Result<Table, Failure> {
    let Some((key, value)) = setting.split_once('=') else {
        return Err(Failure::arguments(format!(
            "--set {setting}: KEY=VALUE is wanted, as in noise.gain=2"
        )));
    };
    let quoted = Value::String(value.into());
    [format!("{key} = {value}"), format!("{key} = {quoted}")]
        .iter()
        .find_map(|text| text.parse::<Table>().ok())
        .ok_or_else(|| Failure::arguments(format!("--set {setting}: '{key}' is no key")))
}

/// Adds the settings of `from`; where both have one, that of `from` holds.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(other)) => merge(inner, other),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(set: &[&str]) -> MetricOptions {
        MetricOptions {
            metrics: Vec::new(),
            profile: None,
            limits: Vec::new(),
            settings: None,
            set: set.iter().map(|text| text.to_string()).collect(),
        }
    }

    #[test]
    fn single_settings_are_merged() {
        let settings = options(&[
            "noise.gain=2",
            "noise.read=1.5",
            "mask=[-1,-2]",
            "noise.gain=3",
        ])
        .settings()
        .unwrap();
        assert_eq!((settings.noise.gain, settings.noise.read), (3.0, 1.5));
        assert_eq!(settings.mask, [-1.0, -2.0]);
    }

    #[test]
    fn mistakes_are_named() {
        for (set, word) in [
            ("noise", "KEY=VALUE"),
            ("noise.gian=2", "gian"),
            ("noise.gain=much", "gain"),
            ("no ise=2", "no ise"),
        ] {
            let error = options(&[set]).settings().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
