//! Metrics for the rows of a catalogue: from the record in the file, and from results that other commands printed as JSON.
//!
//! A result belongs to the files that it names, if a name is absolute or lies beside the result. What `measure` says of
//! a codec belongs to copies made with that codec; what it or `verify` say of two files belongs to the second.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::catalogue_columns::metric_column;
use crate::catalogue_rows::{Row, technique};
use crate::findings::{Finding, findings};

/// Columns that results set, beside those of metrics.
const OF_RESULTS: [&str; 3] = ["technique", "result_file", "holds"];

/// Larger files are no results of ours.
const MOST_BYTES: u64 = 256 << 20;

/// Results, to be looked up by the names of the files that they are of.
#[derive(Default)]
pub struct Results {
    /// Results read.
    count: usize,
    /// Paths of results and what they found, in the order of reading, by the name of the file without its folder.
    by_name: HashMap<OsString, Vec<(PathBuf, Finding)>>,
}

impl Results {
    /// Reads those of `paths` that are results of ours.
    pub fn read(paths: &BTreeSet<PathBuf>) -> Self {
        let mut results = Self::default();
        for path in paths {
            if let Some(document) = document(path) {
                results.add(path, &document);
            }
        }
        results
    }

    /// Number of results that found something.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, path: &Path, document: &Value) {
        let findings = findings(document);
        self.count += usize::from(!findings.is_empty());
        for finding in findings {
            let name = finding.file.file_name().unwrap_or_default().to_owned();
            let found = self.by_name.entry(name).or_default();
            found.push((path.to_owned(), finding));
        }
    }

    /// Sets the columns of metrics anew. Of two results the later counts, and both more than the record.
    pub fn apply(&self, row: &mut Row) {
        row.retain(|name, _| !name.starts_with("metric_") && !OF_RESULTS.contains(&name.as_str()));
        let definition = row.get("definition").and_then(Value::as_str);
        if let Some(technique) = definition.and_then(technique) {
            row.insert("technique".into(), json!(technique));
        }
        let recorded = row.get("recorded_metrics").and_then(Value::as_str);
        let recorded: Value = recorded
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        for (name, value) in recorded.as_object().into_iter().flatten() {
            row.insert(metric_column(name), value.clone());
        }
        let name = |column: &str| {
            let path = row.get(column).and_then(Value::as_str)?;
            Path::new(path).file_name().map(OsString::from)
        };
        let names = BTreeSet::from([name("source_file"), name("file")]);
        let found = names
            .iter()
            .flatten()
            .filter_map(|name| self.by_name.get(name));
        for (path, finding) in found.flatten() {
            if belongs(finding, row, path) {
                insert(row, path, finding);
            }
        }
    }
}

fn document(path: &Path) -> Option<Value> {
    let metadata = std::fs::metadata(path).ok()?;
    // Reading a pipe would wait for a writer.
    (metadata.is_file() && metadata.len() <= MOST_BYTES).then_some(())?;
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn insert(row: &mut Row, path: &Path, finding: &Finding) {
    let columns = finding.metrics.iter();
    row.extend(columns.map(|(name, value)| (metric_column(name), json!(value))));
    row.insert("result_file".into(), json!(path.to_string_lossy()));
    if let Some(holds) = finding.holds {
        row.insert("holds".into(), json!(holds));
    }
    if let Some(profile) = &finding.profile {
        row.entry("technique").or_insert_with(|| json!(profile));
    }
}

fn belongs(finding: &Finding, row: &Row, result: &Path) -> bool {
    let text = |column: &str| row.get(column).and_then(Value::as_str);
    let Some(file) = text("file").map(Path::new) else {
        return false;
    };
    let is_dataset = match (&finding.dataset, text("dataset")) {
        (Some(named), Some(dataset)) => named == dataset,
        (named, dataset) => named.is_none() && dataset.is_some(),
    };
    if !is_dataset {
        return false;
    }
    let is_file = is_named(&finding.file, file, result);
    let stored_so = finding.codec.is_none() || finding.codec.as_deref() == text("spec");
    let is_copy = || {
        let source = text("source_file").map(Path::new);
        let made_so = finding.codec.is_some() && finding.codec.as_deref() == text("loss_spec");
        let beside = result.parent() == file.parent();
        let same = |source: &Path| {
            source == finding.file || beside && source.file_name() == finding.file.file_name()
        };
        made_so && source.is_some_and(same)
    };
    is_file && stored_so || is_copy()
}

/// Whether `name`, as a result at `result` has it, is that of `file`.
fn is_named(name: &Path, file: &Path, result: &Path) -> bool {
    let beside = result.parent() == file.parent();
    name == file || beside && name.file_name() == file.file_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: Value) -> Row {
        columns.as_object().unwrap().clone()
    }

    fn results(found: &[(&str, &Value)]) -> Results {
        let mut results = Results::default();
        let mut add = |(path, document): &(&str, &Value)| results.add(Path::new(path), document);
        found.iter().for_each(&mut add);
        results
    }

    #[test]
    fn numbers_go_to_the_file_and_the_codec_that_they_are_of() {
        let copy = json!({"file": "/x/small.h5", "dataset": "/d", "source_file": "/raw/a.h5",
            "loss_spec": "noise:sigma=1", "spec": "noise:sigma=1", "recorded_metrics": "{\"psnr\": 30.5}"});
        let document = json!({"file": "a.h5", "datasets": [
            {"dataset": "/d", "codec": "noise:sigma=1", "metrics": {"dice": 0.99, "iq_z_max": null}},
            {"dataset": "/d", "codec": "noise:sigma=2", "metrics": {"dice": 0.5}},
            {"dataset": "/e", "codec": "noise:sigma=1", "metrics": {"dice": 0.4}}]});
        let mut beside = row(copy.clone());
        results(&[("/x/a.json", &document)]).apply(&mut beside);
        assert_eq!(beside["metric_dice"], 0.99);
        assert_eq!(beside["metric_psnr"], 30.5);
        let mut elsewhere = row(copy);
        results(&[("/y/a.json", &document)]).apply(&mut elsewhere);
        assert!(!elsewhere.contains_key("metric_dice") && elsewhere["metric_psnr"] == 30.5);
    }

    #[test]
    fn a_technique_is_that_of_the_definition_else_that_of_the_profile() {
        let row_of = |definition: Option<&str>| {
            let mut row = row(
                json!({"file": "/x/b.h5", "dataset": "/d", "source_file": "/x/a.h5",
                "loss_spec": "noise:sigma=1"}),
            );
            row.extend(definition.map(|text| ("definition".to_owned(), json!(text))));
            row
        };
        let chosen = json!({"spec": "noise:sigma=1", "metrics": {"dice": 0.9, "a/b": 1}});
        let document = json!({"file": "a.h5", "dataset": "/d", "chosen": chosen,
            "verified": {"holds": true, "metrics": {"dice": 0.8}}, "requirement": {"profile": "xpcs"}});
        for (definition, technique) in [(None, "xpcs"), (Some("NXtomo"), "tomography")] {
            let mut row = row_of(definition);
            results(&[("/x/scan.json", &document)]).apply(&mut row);
            assert_eq!(row["technique"], technique);
            assert_eq!(
                (&row["metric_dice"], &row["holds"]),
                (&json!(0.8), &json!(true))
            );
            assert!(!row.contains_key("metric_a/b"));
            results(&[]).apply(&mut row);
            assert_eq!(row.contains_key("technique"), definition.is_some());
        }
    }

    #[test]
    fn a_comparison_belongs_to_the_second_file_and_a_verification_to_its_own() {
        let mut stored = row(json!({"file": "/x/b.h5", "dataset": "/d", "spec": "bitshuffle"}));
        let compared = json!({"file": "a.h5", "decoded_file": "b.h5",
            "datasets": [{"dataset": "/d", "codec": "bitshuffle", "metrics": {"ssim": 0.5}}]});
        let verified = json!({"file": "/x/b.h5", "datasets": [{"dataset": "/d", "holds": false,
            "verdicts": [{"value": "dice", "measured": 0.7}]}]});
        results(&[("/x/c.json", &compared), ("/z/v.json", &verified)]).apply(&mut stored);
        assert_eq!(stored["metric_ssim"], 0.5);
        assert_eq!(
            (&stored["metric_dice"], &stored["holds"]),
            (&json!(0.7), &json!(false))
        );
        results(&[("/x/c.json", &compared)]).apply(&mut stored);
        assert!(!stored.contains_key("metric_dice") && !stored.contains_key("holds"));
    }
}
