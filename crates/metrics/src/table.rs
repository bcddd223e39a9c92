//! All metrics, and the profiles that name several.

use crate::{
    Error, Metric, azimuthal, azimuthal_difference, disks, distribution, edge, error_acf, frc, fsc,
    g2, g2_by_frame, lossless, mask, max_abs, merging_resolution, merging_table, ms_ssim, otsu,
    peak_intensities, peak_matching, peaks, pearson, pointwise_relative, poisson_entropy,
    power_spectrum, preview, psnr, radial_model, range_relative, relaxation, residual_entropy,
    segmentation, sigma_relative, squared_error, ssim, tomography, tomography_edge, tomography_frc,
    tomography_masks, two_time, virtual_images,
};

/// Every metric. The command, the Python package and the tests list them from here.
pub static METRICS: &[&Metric] = &[
    &azimuthal::METRIC,
    &azimuthal_difference::METRIC,
    &disks::METRIC,
    &distribution::EARTH_MOVER,
    &distribution::KS,
    &edge::KNIFE_EDGE,
    &edge::MTF,
    &error_acf::METRIC,
    &frc::METRIC,
    &fsc::METRIC,
    &g2::METRIC,
    &g2_by_frame::METRIC,
    &lossless::ENTROPY,
    &lossless::SPARSITY,
    &lossless::UNIQUE,
    &mask::METRIC,
    &max_abs::METRIC,
    &merging_table::HALF_SETS,
    &merging_table::MERGING,
    &merging_resolution::METRIC,
    &ms_ssim::METRIC,
    &otsu::METRIC,
    &peak_intensities::METRIC,
    &peak_matching::METRIC,
    &peaks::METRIC,
    &pearson::METRIC,
    &pointwise_relative::METRIC,
    &poisson_entropy::METRIC,
    &power_spectrum::METRIC,
    &preview::METRIC,
    &psnr::METRIC,
    &radial_model::METRIC,
    &range_relative::METRIC,
    &relaxation::METRIC,
    &residual_entropy::METRIC,
    &segmentation::METRIC,
    &sigma_relative::METRIC,
    &squared_error::METRIC,
    &ssim::METRIC,
    &tomography::METRIC,
    &tomography_edge::METRIC,
    &tomography_frc::METRIC,
    &tomography_masks::METRIC,
    &two_time::METRIC,
    &virtual_images::CENTRE_OF_MASS,
    &virtual_images::VIRTUAL_IMAGE,
];

/// Names of metrics that suit a method, by profile.
const PROFILES: &[(&str, &[&str])] = &[
    (
        "4dstem",
        &[
            "abs",
            "sigma",
            "rmse",
            "sparsity",
            "virtual_image",
            "centre_of_mass",
            "mask",
        ],
    ),
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
            "ssim",
            "power_spectrum",
            "mask",
        ],
    ),
    (
        "lossless",
        &[
            "abs",
            "mask",
            "unique",
            "entropy",
            "residual_entropy",
            "poisson_bound",
            "sparsity",
        ],
    ),
    (
        "mx",
        &[
            "abs",
            "sigma",
            "rmse",
            "sparsity",
            "peaks",
            "peak_matching",
            "peak_intensities",
            "mask",
        ],
    ),
    (
        "saxs",
        &[
            "abs",
            "sigma",
            "rmse",
            "iq",
            "iq_difference",
            "radial_model",
            "mask",
        ],
    ),
    (
        "segmentation",
        &["abs", "rmse", "psnr", "otsu", "segmentation", "mask"],
    ),
    (
        "tomography",
        &[
            "abs",
            "sigma",
            "rmse",
            "psnr",
            "error_acf",
            "ssim",
            "otsu",
            "segmentation",
            "mask",
        ],
    ),
    (
        "xpcs",
        &[
            "abs",
            "sigma",
            "rmse",
            "error_acf",
            "sparsity",
            "g2",
            "relaxation",
            "mask",
        ],
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
