//! All metrics, and the profiles that name several.

use crate::{Error, Metric, edge, frc, fsc, max_abs, ms_ssim, power_spectrum, psnr, ssim};

/// Every metric. The command, the Python package and the tests list them from here.
pub static METRICS: &[&Metric] = &[
    &edge::KNIFE_EDGE,
    &edge::MTF,
    &frc::METRIC,
    &fsc::METRIC,
    &max_abs::METRIC,
    &ms_ssim::METRIC,
    &power_spectrum::METRIC,
    &psnr::METRIC,
    &ssim::METRIC,
];

/// Names of metrics that suit a method, by profile.
const PROFILES: &[(&str, &[&str])] = &[("lossless", &["abs"])];

/// The metrics of a profile.
pub fn profile(name: &str) -> Option<&'static [&'static str]> {
    PROFILES
        .iter()
        .find(|(profile, _)| *profile == name)
        .map(|(_, metrics)| *metrics)
}

/// The metric of this name, of this id, or that yields a number of this name.
pub fn metric_named(name: &str) -> Result<&'static Metric, Error> {
    let found = METRICS.iter().find(|metric| {
        metric.name == name
            || metric.id == name
            || metric.values.iter().any(|(value, _)| *value == name)
    });
    found.copied().ok_or_else(|| Error::Unknown {
        name: name.to_owned(),
        hint: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn a_name_means_one_metric() {
        let mut seen = BTreeMap::new();
        for metric in METRICS {
            let values = metric.values.iter().map(|(value, _)| *value);
            // A metric may be called as a number that it yields.
            let names: BTreeSet<&str> = values.chain([metric.name, metric.id]).collect();
            for name in names {
                assert_eq!(seen.insert(name, metric.id), None, "{name}");
            }
        }
    }

    #[test]
    fn numbers_are_yielded_once() {
        for metric in METRICS {
            let names: BTreeSet<_> = metric.values.iter().collect();
            assert_eq!(names.len(), metric.values.len(), "{}", metric.name);
        }
    }

    #[test]
    fn profiles_name_metrics() {
        for (_, names) in PROFILES {
            for name in *names {
                metric_named(name).unwrap();
            }
        }
    }
}
