//! Metrics that another command measured and printed as JSON, by dataset.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use etalon_codec::Spec;
use etalon_measure::compression_record::Measures;
use etalon_measure::findings::{Finding, findings};
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
    let found = of_codec(&findings(&document), spec);
    if found.is_empty() {
        return Err(Failure::Arguments(anyhow!(
            "{} has no metrics of {spec}: it is what `etalon measure SRC --codec {spec} --metrics … --json` prints",
            path.display()
        )));
    }
    Ok(found)
}

fn of_codec(findings: &[Finding], spec: &Spec) -> BTreeMap<String, Measures> {
    let mut found = BTreeMap::new();
    for finding in findings.iter().filter(|finding| is_of(finding, spec)) {
        // A result without a name is of whatever is recompressed.
        let dataset = finding.dataset.clone().unwrap_or_default();
        let measures: &mut Measures = found.entry(dataset).or_default();
        measures.extend(finding.metrics.iter().cloned());
    }
    found.retain(|_, measures| !measures.is_empty());
    found
}

/// Whether a finding is of the SPEC that is meant, however that is written.
fn is_of(finding: &Finding, spec: &Spec) -> bool {
    let codec = finding.codec.as_deref();
    let parsed = codec.and_then(|text| text.parse::<Spec>().ok());
    parsed.is_some_and(|parsed| parsed.to_string() == spec.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_the_same_codec_count() {
        let document = serde_json::json!({"file": "a.h5", "datasets": [
            {"dataset": "/a", "codec": "quantise:abs=1e0", "metrics": {"ssim": 0.5, "fwhm": null}},
            {"dataset": "/a", "codec": "quantise:abs=2", "metrics": {"ssim": 0.4}},
            {"dataset": "/b", "codec": "bitshuffle", "metrics": {"ssim": 1.0}},
        ]});
        let spec = "quantise:abs=1".parse().unwrap();
        let found = of_codec(&findings(&document), &spec);
        assert_eq!(found.len(), 1);
        assert_eq!(found["/a"], Measures::from([("ssim".to_owned(), 0.5)]));
    }

    #[test]
    fn the_point_that_a_search_chose_is_of_all_datasets() {
        let chosen = serde_json::json!({"spec": "noise:sigma=0.5", "metrics": {"dice": 0.99}});
        let document = serde_json::json!({"file": "a.h5", "chosen": chosen});
        let found = of_codec(&findings(&document), &"noise:sigma=.5".parse().unwrap());
        assert_eq!(found[""], Measures::from([("dice".to_owned(), 0.99)]));
    }
}
