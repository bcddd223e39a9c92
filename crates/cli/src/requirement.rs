//! A requirement file: what the science asks of the data, as limits on metrics.
//!
//! ```toml
//! limits = ["ssim>=0.99", "max_sigma_error<=0.5"]
//!
//! [settings]                       # what the metrics have to know, as for `etalon measure --settings`
//! mask = [65535]
//! noise = { gain = 2.0 }
//! ```
//!
//! JSON with the same keys is accepted as well.

use std::path::Path;

use anyhow::Context as _;
use etalon_metrics::{Limit, METRICS, Metric, Settings};
use serde::Deserialize;

use crate::failure::Failure;

/// A requirement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    limits: Vec<String>,
    #[serde(default)]
    settings: Settings,
}

/// A requirement whose limits are understood.
#[derive(Debug)]
pub(crate) struct Requirement {
    /// At least one.
    pub(crate) limits: Vec<Limit>,
    /// What the metrics have to know.
    pub(crate) settings: Settings,
}

impl Requirement {
    /// Reads a requirement from a file of TOML, or of JSON where its name ends in `.json`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(Failure::Input)?;
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        Self::parse(&text, is_json)
            .with_context(|| format!("{} is no requirement", path.display()))
            .map_err(Failure::Arguments)
    }

    fn parse(text: &str, is_json: bool) -> anyhow::Result<Self> {
        let document: Document = match is_json {
            true => serde_json::from_str(text)?,
            false => toml::from_str(text)?,
        };
        anyhow::ensure!(
            !document.limits.is_empty(),
            "give at least one limit, as in limits = [\"ssim>=0.99\"]"
        );
        let limits = document.limits.iter().map(|text| text.parse());
        Ok(Self {
            limits: limits.collect::<Result<_, etalon_metrics::Error>>()?,
            settings: document.settings,
        })
    }

    /// The metrics that are limited, each once.
    pub(crate) fn metrics(&self) -> Vec<&'static Metric> {
        let limited = |metric: &&'static Metric| {
            let mut numbers = metric.values.iter();
            numbers.any(|(name, _)| self.limits.iter().any(|limit| limit.value == *name))
        };
        METRICS.iter().copied().filter(limited).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_read_from_toml_and_json() {
        let toml = "limits = ['ssim>=0.99', 'max_abs_error<=2']\n[settings]\nmask = [-1]";
        let json = r#"{"limits": ["ssim>=0.99", "max_abs_error<=2"], "settings": {"mask": [-1]}}"#;
        for (text, is_json) in [(toml, false), (json, true)] {
            let requirement = Requirement::parse(text, is_json).unwrap();
            assert_eq!(requirement.limits[1].to_string(), "max_abs_error<=2");
            assert_eq!(requirement.settings.mask, [-1.0]);
            let names: Vec<&str> = requirement.metrics().iter().map(|m| m.name).collect();
            assert_eq!(names, ["abs", "ssim"]);
        }
    }

    #[test]
    fn what_is_no_requirement_is_refused() {
        for text in [
            "limits = []",
            "limits = ['beauty>=1']",
            "limit = ['ssim>=1']",
            "{",
        ] {
            assert!(Requirement::parse(text, false).is_err(), "{text}");
        }
    }
}
