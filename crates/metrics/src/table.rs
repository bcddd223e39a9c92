//! All metrics, and the profiles that name several.

use crate::{
    Error, Metric, distribution, error_acf, lossless, mask, max_abs, pearson, pointwise_relative,
    preview, psnr, range_relative, sigma_relative, squared_error,
};

/// Every metric. The command, the Python package and the tests list them from here.
pub static METRICS: &[&Metric] = &[
    &distribution::EARTH_MOVER,
    &distribution::KS,
    &error_acf::METRIC,
    &lossless::ENTROPY,
    &lossless::SPARSITY,
    &lossless::UNIQUE,
    &mask::METRIC,
    &max_abs::METRIC,
    &pearson::METRIC,
    &pointwise_relative::METRIC,
    &preview::METRIC,
    &psnr::METRIC,
    &range_relative::METRIC,
    &sigma_relative::METRIC,
    &squared_error::METRIC,
];

/// Names of metrics that suit a method, by profile.
const PROFILES: &[(&str, &[&str])] = &[
    ("4dstem", &["abs", "sigma", "rmse", "sparsity", "mask"]),
    (
        "imaging",
        &[
            "abs",
            "sigma",
            "rmse",
            "psnr",
            "pearson",
            "ks",
            "error_acf",
            "mask",
        ],
    ),
    (
        "lossless",
        &["abs", "mask", "unique", "entropy", "sparsity"],
    ),
    ("mx", &["abs", "sigma", "rmse", "sparsity", "mask"]),
    ("saxs", &["abs", "sigma", "rmse", "mask"]),
    ("segmentation", &["abs", "rmse", "psnr", "mask"]),
    (
        "tomography",
        &["abs", "sigma", "rmse", "psnr", "error_acf", "mask"],
    ),
    (
        "xpcs",
        &["abs", "sigma", "rmse", "error_acf", "sparsity", "mask"],
    ),
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
        hint: nearest(name).map_or(String::new(), |near| format!("; did you mean '{near}'?")),
    })
}

/// The name of a metric, number or profile that differs from `name` in at most a third of its characters.
fn nearest(name: &str) -> Option<&'static str> {
    let metrics = METRICS.iter().flat_map(|metric| {
        let values = metric.values.iter().map(|(value, _)| *value);
        values.chain([metric.name])
    });
    let names = metrics.chain(PROFILES.iter().map(|(profile, _)| *profile));
    let (distance, near) = names
        .map(|known| (strsim::levenshtein(name, known), known))
        .min()?;
    (3 * distance <= near.len().max(name.len())).then_some(near)
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
    fn a_wrong_name_suggests_the_nearest() {
        let hint = |name: &str| metric_named(name).unwrap_err().to_string();
        assert!(hint("earth_mver").ends_with("did you mean 'earth_mover'?"));
        assert!(hint("lossles").ends_with("did you mean 'lossless'?"));
        assert!(hint("quite something else").ends_with("'quite something else'"));
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
