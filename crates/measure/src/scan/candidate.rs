//! What a scan tries: a SPEC, or a SPEC with one setting open.
//!
//! `quantise:psnr=*` leaves `psnr` open, and a lossy codec without any bound its usual one. The open setting is what is
//! searched; where it is smaller for more loss, as decibels are, its reciprocal is.

use etalon_codec::{Element, ElementClass, Error, Spec};
use etalon_metrics::Noise;

use super::growth::{Growth, grows};
use super::search::Scale;
use crate::method::Method;
use crate::requirement::Requirement;

/// A codec of which working points are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// `name`, or `name:key=value,…` without the open key.
    fixed: String,
    open: Option<&'static Open>,
}

/// A setting that can be open.
#[derive(Debug, PartialEq)]
struct Open {
    codec: &'static str,
    key: &'static str,
    /// In the order of the loss, from the least.
    values: [f64; 2],
    is_integer: bool,
    /// Where the data say what is usual, not `values`.
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// That of the data.
    Data,
    /// A standard deviation of the noise.
    Sigma,
    /// None.
    One,
}

macro_rules! open {
    ($codec:literal $key:literal $least:literal .. $most:literal, $is_integer:literal, $unit:ident) => {
        Open {
            codec: $codec,
            key: $key,
            values: [$least, $most],
            is_integer: $is_integer,
            unit: Unit::$unit,
        }
    };
}

/// The first of a codec is its usual one.
static OPEN: [Open; 9] = [
    open!("noise" "sigma" 0.02 .. 8.0, false, Sigma),
    open!("quantise" "abs" 0.0 .. 0.0, false, Data),
    open!("quantise" "rel" 1e-7 .. 0.25, false, One),
    open!("quantise" "pw" 1e-7 .. 0.25, false, One),
    open!("quantise" "psnr" 160.0 .. 10.0, false, One),
    open!("quantise" "levels" 65536.0 .. 2.0, true, One),
    open!("quantise" "bits" 50.0 .. 1.0, true, One),
    open!("sigma-clip" "kappa" 1.0 .. 20.0, false, One),
    open!("sigma-clip" "sigma" 0.02 .. 8.0, false, Sigma),
];

/// What is known of the data before anything is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    pub(crate) element: Element,
    /// max − min.
    pub(crate) range: f64,
    /// Typical standard deviation of the noise, in units of the data.
    pub(crate) sigma: f64,
}

impl Candidate {
    /// What a user asks for.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let pairs = || settings.split(',').filter(|pair| !pair.is_empty());
        let starred: Vec<&str> = pairs().filter_map(|pair| pair.strip_suffix("=*")).collect();
        let rest: Vec<&str> = pairs().filter(|pair| !pair.ends_with("=*")).collect();
        let fixed = match rest.is_empty() {
            true => name.to_owned(),
            false => format!("{name}:{}", rest.join(",")),
        };
        let open = match starred[..] {
            [] => usual(name, &rest),
            [key] => Some(Open::named(name, key)?),
            _ => {
                return Err(Error::Settings(format!(
                    "{text}: one setting can be open, not {}",
                    starred.len()
                )));
            }
        };
        let candidate = Self { fixed, open };
        // What is wrong with the settings is said before anything is tried.
        candidate.method(match candidate.open {
            Some(open) if open.unit == Unit::Data => 1.0,
            Some(open) => open.position(open.values[0]),
            None => 0.0,
        })?;
        Ok(candidate)
    }

    /// The codecs that are tried where none is named: with a bound per pixel, and for Bragg peaks on a background that of
    /// rings. `noise` is the model that all of them use, and `growth` how much more a bias weighs in all data.
    pub(crate) fn usual(
        requirement: &Requirement,
        element: &Element,
        noise: &Noise,
        growth: Growth,
    ) -> Vec<Self> {
        let mask = mask_setting(requirement);
        let Noise { gain, offset, read } = noise;
        let has_growing = requirement.limits().any(|limit| grows(&limit.value));
        let mode = match (has_growing && growth.is_large(), element.class) {
            (false, _) => "",
            (true, ElementClass::Float) => ",mode=dither",
            (true, _) => ",mode=unbiased",
        };
        let model = format!("gain={gain},offset={offset},read={read}{mode}");
        let mut texts = vec![
            format!("noise:{model}{mask}"),
            format!("quantise:abs=*{mask}"),
        ];
        let has_peaks = requirement
            .metrics()
            .iter()
            .any(|metric| metric.name.starts_with("peak"));
        if let (true, Some([x, y])) = (has_peaks, requirement.settings.geometry.center)
            && element.class != ElementClass::Float
        {
            let geometry = format!("cx={x},cy={y}");
            texts.push(format!("sigma-clip:variant=azimuthal,{geometry}{mask}"));
            texts.push(format!(
                "sigma-clip:variant=lattice,sigma=*,{geometry}{mask}"
            ));
        }
        texts
            .iter()
            .filter_map(|text| Self::parse(text).ok())
            .collect()
    }

    /// The name of the codec.
    pub(crate) fn codec(&self) -> &str {
        self.fixed.split(':').next().unwrap_or_default()
    }

    /// Name and settings, without the one that is open.
    pub(crate) fn settings(&self) -> &str {
        &self.fixed
    }

    /// The method at a position of the search.
    pub(crate) fn method(&self, position: f64) -> Result<Method, Error> {
        let Some(open) = self.open else {
            return self.fixed.parse();
        };
        let value = open.value(position);
        let separator = if self.fixed.contains(':') { ',' } else { ':' };
        format!("{}{separator}{}={value}", self.fixed, open.key).parse()
    }

    /// The scale of the open setting and where to start; `None` where there is no open setting.
    pub(crate) fn search(&self, requirement: &Requirement, data: &Data) -> Option<(Scale, f64)> {
        let open = self.open?;
        let is_integer_data = data.element.class != ElementClass::Float;
        let scale = match open.unit {
            Unit::Data if is_integer_data => Scale {
                least: 1.0,
                most: (data.range / 2.0).floor().max(1.0),
                is_integer: true,
            },
            Unit::Data => Scale {
                least: data.range * 1e-9,
                most: data.range / 2.0,
                is_integer: false,
            },
            Unit::Sigma | Unit::One => open.scale(),
        };
        let (step, error) = (
            step_over_sigma(requirement),
            stated_error(requirement, data),
        );
        let start = match (open.unit, open.key) {
            (Unit::Sigma, _) => step
                .or(error.map(|error| 2.0 * error / data.sigma))
                .unwrap_or(0.5),
            (Unit::Data, _) => error.unwrap_or_else(|| step.unwrap_or(0.5) / 2.0 * data.sigma),
            (Unit::One, "psnr") => {
                let stated = limit_on(requirement, "psnr");
                open.position(stated.unwrap_or(50.0))
            }
            (Unit::One, "kappa") => 3.0,
            (Unit::One, _) => (scale.least * scale.most).sqrt(),
        };
        Some((scale, start))
    }
}

impl Open {
    fn named(codec: &str, key: &str) -> Result<&'static Self, Error> {
        let mut all = OPEN.iter();
        all.find(|open| (open.codec, open.key) == (codec, key))
            .ok_or_else(|| {
                let known: Vec<String> = OPEN
                    .iter()
                    .map(|open| format!("{}:{}=*", open.codec, open.key))
                    .collect();
                Error::Settings(format!(
                    "{codec}:{key}=* cannot be searched; these can: {}",
                    known.join(", ")
                ))
            })
    }

    /// Whether the setting is smaller for more loss.
    fn falls(&self) -> bool {
        self.values[0] > self.values[1]
    }

    fn scale(&self) -> Scale {
        let [least, most] = self.values.map(|value| self.position(value));
        Scale {
            least,
            most,
            is_integer: false,
        }
    }

    fn position(&self, value: f64) -> f64 {
        if self.falls() { 1.0 / value } else { value }
    }

    fn value(&self, position: f64) -> f64 {
        let value = self.position(position);
        match self.is_integer {
            // Of two whole numbers the one that loses less.
            true => (value - 1e-9).ceil(),
            false if self.falls() => (value * 100.0).ceil() / 100.0,
            false => value,
        }
    }
}

/// The setting that a codec leaves open where its SPEC states no bound.
fn usual(name: &str, given: &[&str]) -> Option<&'static Open> {
    let key = |pair: &&str| pair.split('=').next().unwrap_or_default().to_owned();
    let given: Vec<String> = given.iter().map(key).collect();
    let own = || OPEN.iter().filter(|open| open.codec == name);
    if own().any(|open| given.iter().any(|key| key == open.key)) {
        return None;
    }
    own().next()
}

fn mask_setting(requirement: &Requirement) -> String {
    let values: Vec<String> = (requirement.settings.mask.iter())
        .filter(|value| !value.is_nan())
        .map(f64::to_string)
        .collect();
    match values.is_empty() {
        true => String::new(),
        false => format!(",mask={}", values.join(";")),
    }
}

/// The strictest limit on a number.
fn limit_on(requirement: &Requirement, value: &str) -> Option<f64> {
    let limits = requirement.limits().filter(|limit| limit.value == value);
    let strictest = limits.reduce(|a, b| match (b.limit > a.limit) == b.at_least {
        true => b,
        false => a,
    });
    strictest.map(|limit| limit.limit)
}

/// The step in units of the noise that the limits allow by closed forms: an error of a bin of width ε σ is at most ε/2 σ,
/// and ε/√12 σ in the mean square. A linear reconstruction and a sum over pixels keep that ratio.
fn step_over_sigma(requirement: &Requirement) -> Option<f64> {
    const MEAN_SQUARES: [&str; 5] = [
        "rms_sigma_error",
        "reconstruction_error_over_noise",
        "iq_z_rms",
        "virtual_image_z_rms",
        "centre_of_mass_z_rms",
    ];
    let largest = limit_on(requirement, "max_sigma_error").map(|limit| 2.0 * limit);
    let mean_squares = MEAN_SQUARES
        .iter()
        .filter_map(|value| Some(limit_on(requirement, value)? * 12_f64.sqrt()));
    mean_squares.chain(largest).min_by(f64::total_cmp)
}

/// The largest error in units of the data that the limits name, or imply where errors are spread evenly below it.
fn stated_error(requirement: &Requirement, data: &Data) -> Option<f64> {
    let limit = |value| limit_on(requirement, value);
    let data_range = requirement.settings.data_range.unwrap_or(data.range);
    let mean_square = [
        limit("rmse"),
        limit("nrmse").map(|limit| limit * data.range),
        limit("psnr").map(|decibels| data_range * 10_f64.powf(-decibels / 20.0)),
    ];
    let largest = [
        limit("max_abs_error"),
        limit("max_relative_error").map(|limit| limit * data.range),
    ];
    let implied = mean_square
        .into_iter()
        .flatten()
        .map(|error| error * 3_f64.sqrt());
    let stated = largest.into_iter().flatten().chain(implied);
    stated.filter(|error| *error > 0.0).min_by(f64::total_cmp)
}

/// The SPEC of a method of ours.
pub(crate) fn spec_of(method: &Method) -> Option<&Spec> {
    match method {
        Method::Codec(spec) => Some(spec),
        Method::Gzip { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::ByteOrder;

    fn requirement(limits: &str) -> Requirement {
        Requirement::parse(&format!("limits = [{limits}]"), false).unwrap()
    }

    const DATA: Data = Data {
        element: Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        },
        range: 1000.0,
        sigma: 10.0,
    };

    #[test]
    fn the_open_setting_is_filled_in() {
        for (text, position, spec) in [
            ("noise", 0.5, "noise:sigma=0.5"),
            ("noise:gain=2", 0.5, "noise:sigma=0.5,gain=2"),
            ("quantise:psnr=*", 1.0 / 50.0, "quantise:psnr=50"),
            ("quantise:bits=*", 1.0 / 7.4, "quantise:bits=8"),
            ("quantise:abs=3", 7.0, "quantise:abs=3"),
            ("auto", 7.0, "auto"),
        ] {
            let candidate = Candidate::parse(text).unwrap();
            assert_eq!(candidate.method(position).unwrap().to_string(), spec);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("noise:gain=*", "noise:sigma=*"),
            ("quantise:abs=*,psnr=*", "one setting"),
            ("nois", "noise"),
            ("noise:gian=2", "gain"),
        ] {
            let error = Candidate::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn searches_start_where_closed_forms_say() {
        let start = |text: &str, limits: &str| {
            let candidate = Candidate::parse(text).unwrap();
            candidate.search(&requirement(limits), &DATA).unwrap().1
        };
        assert_eq!(start("noise", "'max_sigma_error<=0.25'"), 0.5);
        assert!((start("noise", "'iq_z_rms<=0.1'") - 0.3464).abs() < 1e-4);
        assert_eq!(start("quantise", "'max_abs_error<=7'"), 7.0);
        assert_eq!(start("quantise:psnr=*", "'psnr>=62'"), 1.0 / 62.0);
        assert_eq!(start("quantise", "'dice>=0.99'"), 2.5);
        assert!(
            Candidate::parse("auto")
                .unwrap()
                .search(&requirement("'psnr>=1'"), &DATA)
                .is_none()
        );
    }

    #[test]
    fn peaks_with_a_centre_are_tried_with_clipping() {
        let text = "profile = 'mx'\n[settings]\nmask = [-1.0]\ngeometry.center = [10.5, 12.0]";
        let requirement = Requirement::parse(text, false).unwrap();
        let usual = |requirement: &Requirement, growth: Growth| {
            Candidate::usual(requirement, &DATA.element, &Noise::default(), growth)
        };
        let all = usual(&requirement, Growth::of(1, 9));
        let codecs: Vec<&str> = all.iter().map(Candidate::codec).collect();
        assert_eq!(codecs, ["noise", "quantise", "sigma-clip", "sigma-clip"]);
        let spec = all[2].method(3.0).unwrap().to_string();
        assert!(
            spec.contains("cx=10.5") && spec.contains("mask=-1"),
            "{spec}"
        );
        // A mean of all frames asks for a codec without bias, where there are many more than were looked at.
        let saxs = Requirement::parse("profile = 'saxs'", false).unwrap();
        let is_unbiased = |sampled| {
            let all = usual(&saxs, Growth::of(sampled, 9));
            all[0].settings().contains("mode=unbiased")
        };
        assert_eq!([1, 9].map(is_unbiased), [true, false]);
    }
}
