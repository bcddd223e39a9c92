//! How far a limit that was kept on a sample is kept by the whole dataset.
//!
//! The class follows from what the codec promises of each element (A) or checks in each chunk when it encodes (B):
//!
//! - A mean of squares over the dataset is at most the largest of its chunks: a `psnr` that `quantise` checks in every
//!   chunk holds for the dataset, if both speak of one range. The codec's own range of each chunk is none.
//! - Elements that the metric leaves out have to be among those that the codec leaves out of its mean; else they could hide
//!   the error of the others.
//! - Dice is checked by the threshold of each chunk; that of the dataset is another one, which is why B is all it gets.

use etalon_codec::Spec;
use etalon_metrics::{Limit, Settings};
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

/// The class of a limit under a codec; `settings` are those of the metrics.
pub(crate) fn class(limit: &Limit, spec: &Spec, settings: &Settings) -> Class {
    if spec.codec().lossless || is_kept(limit, spec, settings) {
        Class::A
    } else if is_checked(limit, spec, settings) {
        Class::B
    } else {
        Class::C
    }
}

/// Whether a bound that the codec keeps in every element implies the limit.
fn is_kept(limit: &Limit, spec: &Spec, settings: &Settings) -> bool {
    let is_within = |bound: f64| match limit.at_least {
        true => -bound >= limit.limit,
        false => bound <= limit.limit,
    };
    let at_most = |bound: Option<f64>| !limit.at_least && bound.is_some_and(is_within);
    let given = |key: &str| spec.number(key).filter(|_| spec.is_given(key));
    match (spec.codec().name, limit.value.as_str()) {
        (_, "mask_mismatches") => leaves_out(spec, settings) && at_most(Some(0.0)),
        ("quantise", "max_abs_error" | "rmse" | "mean_abs_error") => at_most(given("abs")),
        ("quantise", "mean_error") => given("abs").is_some_and(is_within),
        ("quantise", "psnr") => {
            let ratio = given("abs").zip(settings.data_range);
            limit.at_least && ratio.is_some_and(|(abs, l)| 20.0 * (l / abs).log10() >= limit.limit)
        }
        ("quantise", "max_relative_error" | "nrmse") => at_most(given("rel")),
        ("quantise", "max_pointwise_error") => at_most(given("pw")),
        ("noise", "max_sigma_error" | "rms_sigma_error") if is_model(spec, settings) => {
            let step = match spec.choice("mode") {
                "det" | "dither" => spec.number("sigma").map(|step| step / 2.0),
                _ => spec.number("sigma"),
            };
            at_most(step)
        }
        _ => false,
    }
}

/// Whether what the codec checks in every chunk implies the limit, or is the same number of the chunk.
fn is_checked(limit: &Limit, spec: &Spec, settings: &Settings) -> bool {
    if spec.codec().name != "quantise" {
        return false;
    }
    let given = |key: &str| spec.number(key).filter(|_| spec.is_given(key));
    // The largest root mean square in a chunk.
    let rmse = given("psnr")
        .zip(stated_range(spec))
        .filter(|_| leaves_out(spec, settings))
        .map(|(decibels, range)| range * 10_f64.powf(-decibels / 20.0));
    match limit.value.as_str() {
        "dice" | "dice_own_threshold" => {
            limit.at_least && given("otsu").is_some_and(|least| least >= limit.limit)
        }
        "rmse" => !limit.at_least && rmse.is_some_and(|rmse| rmse <= limit.limit),
        "psnr" => {
            let ratio = settings.data_range.zip(rmse);
            // What rounding leaves of a limit that equals the setting.
            let decibels = |(l, rmse): (f64, f64)| 20.0 * (l / rmse).log10() + 1e-9;
            limit.at_least && ratio.is_some_and(|ratio| decibels(ratio) >= limit.limit)
        }
        _ => false,
    }
}

/// hi − lo of `range=lo;hi`.
fn stated_range(spec: &Spec) -> Option<f64> {
    let (low, high) = spec.text("range").split_once(';')?;
    let (low, high): (f64, f64) = (low.parse().ok()?, high.parse().ok()?);
    Some(high - low)
}

/// Whether the codec leaves out every value that the metrics leave out. NaN is one by itself.
fn leaves_out(spec: &Spec, settings: &Settings) -> bool {
    let left_out = spec.values("mask").iter();
    let left_out: Vec<f64> = left_out.filter_map(|value| value.parse().ok()).collect();
    let mut masked = settings.mask.iter();
    masked.all(|value| value.is_nan() || left_out.contains(value))
}

/// Whether the codec and the metric mean the same noise.
fn is_model(spec: &Spec, settings: &Settings) -> bool {
    let noise = &settings.noise;
    let of_spec = ["gain", "offset", "read"].map(|key| spec.number(key));
    of_spec == [noise.gain, noise.offset, noise.read].map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(limit: &str, spec: &str, settings: &Settings) -> Class {
        class(&limit.parse().unwrap(), &spec.parse().unwrap(), settings)
    }

    #[test]
    fn classes_follow_from_what_the_codec_promises() {
        for (limit, spec, expected) in [
            ("max_abs_error<=2", "quantise:abs=2", Class::A),
            ("max_abs_error<=2", "quantise:abs=3", Class::C),
            ("max_abs_error<=2", "noise:sigma=0.5", Class::C),
            ("mean_abs_error<=2", "quantise:abs=2", Class::A),
            ("mean_error>=-2", "quantise:abs=2", Class::A),
            ("mean_error>=-1", "quantise:abs=2", Class::C),
            ("max_sigma_error<=0.25", "noise:sigma=0.5", Class::A),
            ("max_sigma_error<=0.25", "noise:sigma=0.5,gain=2", Class::C),
            ("ssim>=0.99", "auto", Class::A),
            ("ssim>=0.99", "quantise:abs=2", Class::C),
            ("dice>=0.995", "quantise:levels=9,otsu=0.995", Class::B),
            ("dice>=0.995", "quantise:levels=9,otsu=0.9", Class::C),
            ("mask_mismatches<=0", "noise", Class::A),
        ] {
            let found = class_of(limit, spec, &Settings::default());
            assert_eq!(found, expected, "{limit} {spec}");
        }
    }

    #[test]
    fn a_psnr_of_every_chunk_is_one_of_the_dataset_where_both_have_one_range() {
        let settings = Settings {
            data_range: Some(1000.0),
            mask: vec![-1.0],
            ..Settings::default()
        };
        for (limit, spec, expected) in [
            (
                "psnr>=60",
                "quantise:psnr=60,range=0;1000,mask=-1",
                Class::B,
            ),
            ("psnr>=60", "quantise:psnr=60,range=0;500,mask=-1", Class::B),
            (
                "psnr>=60",
                "quantise:psnr=60,range=0;2000,mask=-1",
                Class::C,
            ),
            (
                "psnr>=60",
                "quantise:psnr=67,range=0;2000,mask=-1",
                Class::B,
            ),
            ("psnr>=60", "quantise:psnr=60,range=0;1000", Class::C),
            ("psnr>=60", "quantise:psnr=60,mask=-1", Class::C),
            ("rmse<=1", "quantise:psnr=60,range=0;1000,mask=-1", Class::B),
            (
                "rmse<=0.9",
                "quantise:psnr=60,range=0;1000,mask=-1",
                Class::C,
            ),
            ("psnr>=60", "quantise:abs=1", Class::A),
            ("psnr>=61", "quantise:abs=1", Class::C),
            ("mask_mismatches<=0", "quantise:abs=1", Class::C),
            ("mask_mismatches<=0", "quantise:abs=1,mask=-1", Class::A),
        ] {
            assert_eq!(class_of(limit, spec, &settings), expected, "{limit} {spec}");
        }
        let unknown = Settings {
            data_range: None,
            ..settings
        };
        let spec = "quantise:psnr=60,range=0;1000,mask=-1";
        assert_eq!(class_of("psnr>=60", spec, &unknown), Class::C);
    }
}
