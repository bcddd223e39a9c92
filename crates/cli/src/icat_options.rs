//! What `etalon recompress` is told about the record for ICAT.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use etalon_measure::icat::Request;

use crate::failure::Failure;

/// Options of the record for ICAT.
#[derive(Args)]
pub(crate) struct IcatOptions {
    /// Write the record of a processed dataset for ICAT, as pyicat-plus does offline
    #[arg(long, value_name = "OUT.xml")]
    icat: Option<PathBuf>,
    /// Fields of ICAT: TOML, or JSON in a file called .json, such as proposal = "hg123", Sample_name = "tooth",
    /// input_datasets = ["/data/raw/a", "/data/raw/b"]
    #[arg(long, value_name = "FIELDS.toml", requires = "icat")]
    icat_fields: Option<PathBuf>,
    /// A field of ICAT, which counts more than that of a file; may be given several times, input_datasets as a list
    /// with commas
    #[arg(long, value_name = "NAME=VALUE", requires = "icat")]
    icat_field: Vec<String>,
}

/// The field that is a list.
const INPUTS: &str = "input_datasets";

impl IcatOptions {
    /// What is asked for, if anything.
    pub(crate) fn request(&self, force: bool) -> Result<Option<Request>, Failure> {
        let Some(out) = &self.icat else {
            return Ok(None);
        };
        let mut fields = match &self.icat_fields {
            Some(path) => read(path)?,
            None => BTreeMap::new(),
        };
        for field in &self.icat_field {
            let (name, value) = field
                .split_once('=')
                .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                .ok_or_else(|| {
                    Failure::arguments(format!("--icat-field: '{field}' is not NAME=VALUE"))
                })?;
            let values = match name {
                INPUTS => value.split(',').map(str::to_owned).collect(),
                _ => vec![value.to_owned()],
            };
            fields.insert(name.to_owned(), values);
        }
        Ok(Some(Request {
            out: out.clone(),
            fields,
            force,
        }))
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::Input)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    parse(&text, is_json)
        .with_context(|| format!("{}: fields of ICAT", path.display()))
        .map_err(Failure::Arguments)
}

fn parse(text: &str, is_json: bool) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let fields: BTreeMap<String, serde_json::Value> = match is_json {
        true => serde_json::from_str(text)?,
        false => toml::from_str(text)?,
    };
    let texts = fields.into_iter().map(|(name, value)| {
        let texts = match &value {
            serde_json::Value::Array(values) => values.iter().map(single).collect(),
            single_value => single(single_value).map(|text| vec![text]),
        };
        let texts = texts.with_context(|| format!("{name} is no text, number or list of them"))?;
        anyhow::ensure!(!texts.is_empty(), "{name} is an empty list");
        Ok((name, texts))
    });
    texts.collect()
}

/// A value as ICAT stores it.
fn single(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value::{Array, Null, Object, String};
    match value {
        String(text) => Some(text.clone()),
        Null | Array(_) | Object(_) => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_texts_numbers_and_lists() {
        let toml = "proposal = 'hg1'\nscanNumber = 3\ninput_datasets = ['/a', '/b']";
        let json = r#"{"proposal": "hg1", "scanNumber": 3, "input_datasets": ["/a", "/b"]}"#;
        for (text, is_json) in [(toml, false), (json, true)] {
            let fields = parse(text, is_json).unwrap();
            assert_eq!(fields["proposal"], ["hg1"]);
            assert_eq!(fields["scanNumber"], ["3"]);
            assert_eq!(fields["input_datasets"], ["/a", "/b"]);
        }
        for text in ["a = []", "a = {b = 1}", "a ="] {
            assert!(parse(text, false).is_err(), "{text}");
        }
    }
}
