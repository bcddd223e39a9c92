//! A requirement: what the science asks of the data, as limits on metrics.
//!
//! ```toml
//! profile = "saxs"                 # limits that suit a method, see PROFILES
//! limits = ["ssim>=0.99", "max_sigma_error<=0.5"]
//!
//! [[limit]]                        # the same with where it comes from
//! limit = "iq_z_max<=0.3"
//! source = "our beamline's review of 2026"
//! optional = true                  # only where the metric has its settings and is defined for the original
//!
//! [settings]                       # what the metrics have to know, as for `etalon measure --settings`
//! mask = [65535]
//! noise = { gain = 2.0 }
//!
//! [sample]                         # what `etalon scan` looks at
//! bytes = 67108864
//! seed = 0
//! ```
//!
//! JSON with the same keys is accepted as well. A limit that is stated replaces the profile's on the same number and side.

use std::path::Path;

use anyhow::Context as _;
use etalon_metrics::{Limit, METRICS, Metric, Noise, Settings};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The requirements that come with the program: name and text.
pub const PROFILES: &[(&str, &str)] = &[
    ("4dstem", include_str!("../profiles/4dstem.toml")),
    ("imaging", include_str!("../profiles/imaging.toml")),
    ("lossless", include_str!("../profiles/lossless.toml")),
    ("merging", include_str!("../profiles/merging.toml")),
    ("mx", include_str!("../profiles/mx.toml")),
    ("saxs", include_str!("../profiles/saxs.toml")),
    (
        "segmentation",
        include_str!("../profiles/segmentation.toml"),
    ),
    ("ssx", include_str!("../profiles/mx.toml")),
    ("tomography", include_str!("../profiles/tomography.toml")),
    ("xpcs", include_str!("../profiles/xpcs.toml")),
];

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    profile: Option<String>,
    limits: Vec<String>,
    limit: Vec<SourcedLimit>,
    settings: Settings,
    sample: SamplePolicy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourcedLimit {
    limit: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    optional: bool,
}

/// A limit, and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Demand {
    /// The limit.
    #[serde(flatten)]
    pub limit: Limit,
    /// Who says so; empty where the user does.
    pub source: String,
    /// Whether it counts only where the metric has the settings that it needs, and is defined for the original.
    pub optional: bool,
}

/// Which part of a dataset a scan looks at.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplePolicy {
    /// Bytes of raw data that working points are looked for on.
    pub bytes: u64,
    /// Bytes of raw data that the chosen one is verified on, and that no point was looked for on.
    pub held_out_bytes: u64,
    /// Least number of chunks of either, whatever their size.
    pub least_chunks: usize,
    /// Bytes of memory for what was read and encoded already. Less of it costs time, and changes no answer.
    pub kept_bytes: u64,
    /// Seed of the choice.
    pub seed: u64,
}

impl Default for SamplePolicy {
    fn default() -> Self {
        Self {
            bytes: 48 << 20,
            held_out_bytes: 48 << 20,
            least_chunks: 8,
            kept_bytes: 512 << 20,
            seed: 0,
        }
    }
}

/// A requirement whose limits are understood.
#[derive(Debug, Clone, Serialize)]
pub struct Requirement {
    /// The profile it is based on.
    pub profile: Option<String>,
    /// At least one.
    pub limits: Vec<Demand>,
    /// What the metrics have to know.
    pub settings: Settings,
    /// Whether the noise of the detector is stated; else it may be estimated.
    pub states_noise: bool,
    /// What a scan looks at.
    pub sample: SamplePolicy,
    /// Optional limits that do not count, and why.
    pub left_out: Vec<String>,
}

/// The text of a profile as JSON with the same keys, which is a requirement as well.
pub fn profile_as_json(text: &str) -> Result<serde_json::Value, Fault> {
    toml::from_str(text).map_err(|error| Fault::Arguments(error.into()))
}

impl Requirement {
    /// Reads a requirement from a file of TOML, or of JSON where its name ends in `.json`. The name of a profile stands for
    /// the profile where there is no such file.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let name = path.to_str().unwrap_or_default();
        let text = match profile_text(name) {
            Some(text) if !path.exists() => return Self::of_profile(name, text),
            _ => std::fs::read_to_string(path)
                .with_context(|| match path.exists() {
                    true => format!("cannot read {}", path.display()),
                    false => format!(
                        "there is no file {}, and {}",
                        path.display(),
                        no_profile(name)
                    ),
                })
                .map_err(Fault::Input)?,
        };
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        Self::parse(&text, is_json)
            .with_context(|| format!("{} is no requirement", path.display()))
            .map_err(Fault::Arguments)
    }

    fn of_profile(name: &str, text: &str) -> Result<Self, Fault> {
        let requirement = Self::parse(text, false).map_err(Fault::Arguments)?;
        Ok(Self {
            profile: Some(name.to_owned()),
            ..requirement
        })
    }

    /// Reads a requirement from TOML, or from JSON.
    pub fn parse(text: &str, is_json: bool) -> anyhow::Result<Self> {
        let value: toml::Value = match is_json {
            true => serde_json::from_str(text)?,
            false => toml::from_str(text)?,
        };
        let settings = value.get("settings");
        let states_noise = settings.is_some_and(|settings| settings.get("noise").is_some());
        let document: Document = value.try_into()?;
        let mut limits = match &document.profile {
            Some(name) => demands(&parse_document(known_profile(name)?)?)?,
            None => Vec::new(),
        };
        let stated = demands(&document)?;
        let side = |demand: &Demand| (demand.limit.value.clone(), demand.limit.at_least);
        limits.retain(|other| stated.iter().all(|demand| side(demand) != side(other)));
        limits.extend(stated);
        check_noise(&document.settings.noise)?;
        anyhow::ensure!(
            !limits.is_empty(),
            "give at least one limit, as in limits = [\"ssim>=0.99\"], or a profile, as in profile = \"saxs\""
        );
        let mut requirement = Self {
            profile: document.profile,
            limits,
            settings: document.settings,
            states_noise,
            sample: document.sample,
            left_out: Vec::new(),
        };
        requirement.leave_out_optional();
        Ok(requirement)
    }

    /// Drops optional limits whose metric misses settings, unless nothing would be left.
    fn leave_out_optional(&mut self) {
        let settings = serde_json::to_value(&self.settings).unwrap_or_default();
        let missing = |demand: &Demand| {
            let metric = etalon_metrics::metric_named(&demand.limit.value).ok()?;
            let needs = metric.needs.iter();
            needs
                .copied()
                .find(|need| !is_given(&settings, need))
                .map(|need| format!("{}: {need} is not given", demand.limit))
        };
        let (mut kept, mut left_out) = (Vec::new(), Vec::new());
        for demand in std::mem::take(&mut self.limits) {
            match missing(&demand).filter(|_| demand.optional) {
                Some(reason) => left_out.push(reason),
                None => kept.push(demand),
            }
        }
        self.limits = kept;
        self.left_out = left_out;
    }

    /// The limits.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter().map(|demand| &demand.limit)
    }

    /// The metrics that are limited, each once.
    pub fn metrics(&self) -> Vec<&'static Metric> {
        let limited = |metric: &&'static Metric| {
            let mut numbers = metric.values.iter();
            numbers.any(|(name, _)| self.limits().any(|limit| limit.value == *name))
        };
        METRICS.iter().copied().filter(limited).collect()
    }
}

fn demands(document: &Document) -> anyhow::Result<Vec<Demand>> {
    let plain = document.limits.iter().map(|limit| (limit, "", false));
    let sourced = document.limit.iter();
    let sourced = sourced.map(|one| (&one.limit, one.source.as_str(), one.optional));
    let demands = plain.chain(sourced).map(|(limit, source, optional)| {
        Ok(Demand {
            limit: limit.parse()?,
            source: source.to_owned(),
            optional,
        })
    });
    demands.collect()
}

/// Refuses a noise that no detector has.
fn check_noise(noise: &Noise) -> anyhow::Result<()> {
    let is_amount = |value: f64| value.is_finite() && value >= 0.0;
    anyhow::ensure!(
        is_amount(noise.gain) && is_amount(noise.read) && noise.offset.is_finite(),
        "settings.noise: gain and read are 0 or more"
    );
    Ok(())
}

fn parse_document(text: &str) -> anyhow::Result<Document> {
    Ok(toml::from_str(text)?)
}

fn profile_text(name: &str) -> Option<&'static str> {
    let mut profiles = PROFILES.iter();
    profiles
        .find(|(profile, _)| *profile == name)
        .map(|(_, text)| *text)
}

fn known_profile(name: &str) -> anyhow::Result<&'static str> {
    profile_text(name).with_context(|| no_profile(name))
}

fn no_profile(name: &str) -> String {
    let names: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    format!("there is no profile '{name}'; there are {names}")
}

/// Whether settings have something at a place such as `geometry.center`, or at one of those that `or` joins.
fn is_given(settings: &serde_json::Value, places: &str) -> bool {
    let found = |place: &str| {
        let mut keys = place.split('.');
        keys.try_fold(settings, |value, key| value.get(key))
    };
    places.split(" or ").any(|place| match found(place) {
        Some(serde_json::Value::Array(list)) => !list.is_empty(),
        Some(serde_json::Value::Null) | None => false,
        Some(_) => true,
    })
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
            assert_eq!(requirement.limits[1].limit.to_string(), "max_abs_error<=2");
            assert_eq!(requirement.settings.mask, [-1.0]);
            assert!(!requirement.states_noise);
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
            "profile = 'sacks'",
            "limits = ['ssim>=0.9']\n[sample]\nbites = 3",
            "limits = ['ssim>=0.9']\n[settings.noise]\ngain = -1",
            "{",
        ] {
            assert!(Requirement::parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn of_two_limits_on_one_number_both_count() {
        for text in ["['psnr>=50', 'psnr>=40']", "['psnr>=40', 'psnr>=50']"] {
            let both = Requirement::parse(&format!("limits = {text}"), false).unwrap();
            assert_eq!(both.limits.len(), 2, "{text}");
        }
    }

    #[test]
    fn every_profile_has_limits_with_a_source() {
        for (name, text) in PROFILES {
            let requirement = Requirement::parse(text, false).unwrap();
            assert!(!requirement.limits.is_empty(), "{name}");
            assert!(requirement.limits.iter().all(|one| !one.source.is_empty()));
        }
    }

    #[test]
    fn a_stated_limit_replaces_that_of_the_profile_and_optional_ones_count_with_their_settings() {
        let text = "profile = 'saxs'\nlimits = ['iq_z_max <= 0.3']";
        let saxs = Requirement::parse(text, false).unwrap();
        let limits: Vec<String> = saxs.limits().map(Limit::to_string).collect();
        assert_eq!(limits, ["iq_z_rms<=0.1", "iq_z_max<=0.3"]);
        let bare = Requirement::parse("profile = 'tomography'", false).unwrap();
        assert_eq!((bare.limits.len(), bare.left_out.len()), (1, 4));
        let scan = |settings: &str| {
            let text = format!("profile = 'tomography'\n[settings.tomography]\n{settings}");
            let scan = Requirement::parse(&text, false).unwrap();
            (scan.limits.len(), scan.left_out.len())
        };
        assert_eq!(scan("angle_range_deg = [0.0, 180.0]"), (3, 2));
        assert_eq!(scan("angles_deg = [0.0, 90.0]"), (3, 2));
        let edge = "angles_deg = [0.0, 90.0]\nedge.roi = [0, 0, 9, 9]";
        assert_eq!(scan(edge), (5, 0));
    }
}
