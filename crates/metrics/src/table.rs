//! All metrics, and the profiles that name several.

use crate::{Error, Metric, azimuthal, azimuthal_difference, max_abs, radial_model};

/// Every metric. The command, the Python package and the tests list them from here.
pub static METRICS: &[&Metric] = &[
    &azimuthal::METRIC,
    &azimuthal_difference::METRIC,
    &max_abs::METRIC,
    &radial_model::METRIC,
];

/// Names of metrics that suit a method, by profile.
const PROFILES: &[(&str, &[&str])] = &[
    ("lossless", &["abs"]),
    ("saxs", &["iq", "iq_difference", "radial_model"]),
];

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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_numbers_are_unique() {
        let mut seen = BTreeSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{}", metric.name);
            assert!(seen.insert(metric.id), "{}", metric.id);
            for (value, _) in metric.values {
                assert!(seen.insert(value), "{value}");
            }
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
