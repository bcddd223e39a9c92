//! How far a limit that was kept on a sample is kept by the whole dataset.

use etalon_codec::Spec;
use etalon_metrics::{Limit, Noise};
use serde::Serialize;

/// The classes, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Class {
    /// The codec keeps it in every element, by the way it works.
    A,
    /// The codec decodes every chunk again when it encodes, measures this number, and goes finer where it is not kept.
    B,
    /// It was measured on a sample; the rest of the dataset is expected to be alike.
    C,
}

/// The class of a limit under a codec; `noise` is the model that the metrics use.
pub(crate) fn class(limit: &Limit, spec: &Spec, noise: &Noise) -> Class {
    let at_most = |bound: Option<f64>| !limit.at_least && bound.is_some_and(|b| b <= limit.limit);
    let given = |key: &str| spec.number(key).filter(|_| spec.is_given(key));
    let name = spec.codec().name;
    if spec.codec().lossless || limit.value == "mask_mismatches" {
        return Class::A;
    }
    let is_kept = match (name, limit.value.as_str()) {
        ("quantise", "max_abs_error" | "rmse") => at_most(given("abs")),
        ("quantise", "max_relative_error" | "nrmse") => at_most(given("rel")),
        ("quantise", "max_pointwise_error") => at_most(given("pw")),
        ("noise", "max_sigma_error" | "rms_sigma_error") if is_model(spec, noise) => {
            let step = match spec.choice("mode") {
                "det" | "dither" => spec.number("sigma").map(|step| step / 2.0),
                _ => spec.number("sigma"),
            };
            at_most(step)
        }
        _ => false,
    };
    let is_checked = match (name, limit.value.as_str()) {
        ("quantise", "dice" | "dice_own_threshold") => {
            limit.at_least && given("otsu").is_some_and(|least| least >= limit.limit)
        }
        _ => false,
    };
    match (is_kept, is_checked) {
        (true, _) => Class::A,
        (false, true) => Class::B,
        (false, false) => Class::C,
    }
}

/// Whether the codec and the metric mean the same noise.
fn is_model(spec: &Spec, noise: &Noise) -> bool {
    let of_spec = ["gain", "offset", "read"].map(|key| spec.number(key));
    of_spec == [noise.gain, noise.offset, noise.read].map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_from_what_the_codec_promises() {
        for (limit, spec, expected) in [
            ("max_abs_error<=2", "quantise:abs=2", Class::A),
            ("max_abs_error<=2", "quantise:abs=3", Class::C),
            ("max_abs_error<=2", "noise:sigma=0.5", Class::C),
            ("max_sigma_error<=0.25", "noise:sigma=0.5", Class::A),
            ("max_sigma_error<=0.25", "noise:sigma=0.5,gain=2", Class::C),
            ("ssim>=0.99", "auto", Class::A),
            ("ssim>=0.99", "quantise:abs=2", Class::C),
            ("dice>=0.995", "quantise:abs=2,otsu=0.995", Class::B),
            ("dice>=0.995", "quantise:abs=2,otsu=0.9", Class::C),
            ("mask_mismatches<=0", "noise", Class::A),
        ] {
            let class = class(
                &limit.parse().unwrap(),
                &spec.parse().unwrap(),
                &Noise::default(),
            );
            assert_eq!(class, expected, "{limit} {spec}");
        }
    }
}
