//! What other commands found of datasets, from the JSON that they printed: `measure`, `verify` and `scan`.

use std::path::PathBuf;

use serde_json::Value;

/// Numbers of a dataset.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Name as printed.
    pub file: PathBuf,
    /// For a codec that was tried in memory: its SPEC. The finding is one of copies of `file`.
    pub codec: Option<String>,
    /// `None` for all.
    pub dataset: Option<String>,
    /// Those that are defined, by name.
    pub metrics: Vec<(String, f64)>,
    /// Whether everything that was asked for holds, where something was.
    pub holds: Option<bool>,
    /// The shipped requirement that it was held against: a technique, in a word.
    pub profile: Option<String>,
}

/// What `document` says; nothing where it is none of these.
pub fn findings(document: &Value) -> Vec<Finding> {
    let name = |key: &str| document[key].as_str().map(PathBuf::from);
    let Some(file) = name("file") else {
        return Vec::new();
    };
    let decoded = name("decoded_file");
    let rows = document["datasets"].as_array().into_iter().flatten();
    let mut found: Vec<Finding> = rows
        .map(|row| {
            let tried = row["codec"].as_str().filter(|_| decoded.is_none());
            Finding {
                file: decoded.clone().unwrap_or_else(|| file.clone()),
                codec: tried.map(str::to_owned),
                dataset: row["dataset"].as_str().map(str::to_owned),
                metrics: numbers(row),
                holds: row["holds"].as_bool(),
                profile: None,
            }
        })
        .collect();
    // What a search for a working point chose.
    let chosen = &document["chosen"];
    if let Some(spec) = chosen["spec"].as_str() {
        found.push(Finding {
            file,
            codec: Some(spec.to_owned()),
            dataset: document["dataset"].as_str().map(str::to_owned),
            // On chunks that no point was looked for on, the metrics say more.
            metrics: [chosen, &document["verified"]]
                .into_iter()
                .flat_map(numbers)
                .collect(),
            holds: document["verified"]["holds"].as_bool(),
            profile: document["requirement"]["profile"]
                .as_str()
                .map(str::to_owned),
        });
    }
    found.retain(|finding| !finding.metrics.is_empty() || finding.holds.is_some());
    found
}

/// `metrics` of a row, and what was measured for its limits. Their names become those of fields and columns.
fn numbers(row: &Value) -> Vec<(String, f64)> {
    let metrics = row["metrics"].as_object().into_iter().flatten();
    let metrics = metrics.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
    let verdicts = row["verdicts"].as_array().into_iter().flatten();
    let verdicts = verdicts.filter_map(|verdict| {
        let name = verdict["value"].as_str()?;
        Some((name.to_owned(), verdict["measured"].as_f64()?))
    });
    let is_name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && name.bytes().all(plain)
    };
    let all = metrics.chain(verdicts);
    all.filter(|(name, _)| is_name(name)).collect()
}
