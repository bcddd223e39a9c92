//! Metrics that another command measured and printed as JSON, by dataset.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use etalon_codec::Spec;
use etalon_measure::compression_record::Measures;
use serde_json::Value;

use crate::failure::Failure;

/// What a result says of datasets that went through `spec`. A result that says nothing of it is a wrong argument.
pub(crate) fn measured(path: &Path, spec: &Spec) -> Result<BTreeMap<String, Measures>, Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::Input)?;
    let document: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is no JSON", path.display()))
        .map_err(Failure::Arguments)?;
    let found = of_rows(&document, spec);
    if found.is_empty() {
        return Err(Failure::Arguments(anyhow!(
            "{} has no metrics of {spec}: it is what `etalon measure SRC --codec {spec} --metrics … --json` prints",
            path.display()
        )));
    }
    Ok(found)
}

fn of_rows(document: &Value, spec: &Spec) -> BTreeMap<String, Measures> {
    let rows = document["datasets"].as_array().into_iter().flatten();
    let rows = rows.filter(|row| is_of(&row["codec"], spec));
    let found = rows.filter_map(|row| {
        let measures = measures(&row["metrics"]);
        let dataset = row["dataset"].as_str()?;
        (!measures.is_empty()).then(|| (dataset.to_owned(), measures))
    });
    found.collect()
}

/// Whether a SPEC of the result is the one that is meant, however it is written.
fn is_of(codec: &Value, spec: &Spec) -> bool {
    let parsed = codec.as_str().and_then(|text| text.parse::<Spec>().ok());
    parsed.is_some_and(|parsed| parsed.to_string() == spec.to_string())
}

/// Numbers by name; those that are not defined are left out.
pub(crate) fn measures(metrics: &Value) -> Measures {
    let numbers = metrics.as_object().into_iter().flatten();
    numbers
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_the_same_codec_count() {
        let document = serde_json::json!({"datasets": [
            {"dataset": "/a", "codec": "quantise:abs=1e0", "metrics": {"ssim": 0.5, "fwhm": null}},
            {"dataset": "/a", "codec": "quantise:abs=2", "metrics": {"ssim": 0.4}},
            {"dataset": "/b", "codec": "bitshuffle", "metrics": {"ssim": 1.0}},
        ]});
        let found = of_rows(&document, &"quantise:abs=1".parse().unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found["/a"], Measures::from([("ssim".to_owned(), 0.5)]));
    }
}
