//! Results as `etalon report` reads them: the document of `etalon measure --json`, or JSON lines with the same fields.
//!
//! Whatever is not known is taken as it comes: a number of a line is a metric, a curve or picture of any name is shown. A
//! field that is absent is unknown, and `null` is a number that is not defined.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// What one or more result files say.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// The rows, in the order of the files.
    pub(crate) rows: Vec<Row>,
    /// Machines and versions, a line each, without repetition.
    pub(crate) made_by: Vec<String>,
}

/// One dataset stored by one method.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    /// The data file, where the results name it.
    #[serde(skip)]
    pub(crate) file: String,
    pub(crate) dataset: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) codec: String,
    pub(crate) lossless: bool,
    pub(crate) ratio: Option<f64>,
    pub(crate) raw_bytes: Option<u64>,
    pub(crate) stored_bytes: Option<u64>,
    pub(crate) encode_gbps: Option<f64>,
    pub(crate) decode_gbps: Option<f64>,
    pub(crate) cv: Option<f64>,
    pub(crate) max_abs_error: Option<f64>,
    pub(crate) refused: Option<String>,
    pub(crate) measured_chunks: Option<u64>,
    pub(crate) total_chunks: Option<u64>,
    pub(crate) metrics: BTreeMap<String, Option<f64>>,
    pub(crate) curves: BTreeMap<String, Curve>,
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) notes: Vec<String>,
    pub(crate) chunks: Vec<ChunkRow>,
}

/// Curves over one axis.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Curve {
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) x: Vec<Option<f64>>,
    pub(crate) y: BTreeMap<String, Vec<Option<f64>>>,
}

/// A picture.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Image {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) label: String,
    pub(crate) values: Vec<Option<f32>>,
}

/// A limit, and whether it is kept.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) value: String,
    pub(crate) at_least: bool,
    pub(crate) limit: f64,
    pub(crate) measured: Option<f64>,
    pub(crate) holds: bool,
}

/// One chunk of a row.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChunkRow {
    pub(crate) chunk: Vec<u64>,
    pub(crate) ratio: Option<f64>,
    pub(crate) encode_gbps: Option<f64>,
    pub(crate) decode_gbps: Option<f64>,
    pub(crate) max_abs_error: Option<f64>,
    pub(crate) metrics: BTreeMap<String, Option<f64>>,
}

/// Fields of a line that are no metrics though they are numbers.
const FIELDS: [&str; 14] = [
    "ratio",
    "raw_bytes",
    "stored_bytes",
    "encode_gbps",
    "decode_gbps",
    "cv",
    "encode_cv",
    "decode_cv",
    "max_abs_error",
    "measured_chunks",
    "total_chunks",
    "runs",
    "chunk",
    "shape",
];

impl Results {
    /// Adds what a file says.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), Failure> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(Failure::Input)?;
        let before = self.rows.len();
        let added = match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(document)) if document.contains_key("datasets") => {
                self.add_document(document)
            }
            Ok(Value::Array(rows)) => rows.into_iter().try_for_each(|row| self.add_line(row)),
            Ok(other) => self.add_line(other),
            Err(error) => self.add_lines(&text, error),
        };
        added
            .and_then(|()| match self.rows.len() > before {
                true => Ok(()),
                false => Err(anyhow!("there is no dataset in it")),
            })
            .with_context(|| format!("{} is no result of etalon measure --json", path.display()))
            .map_err(Failure::Input)
    }

    fn add_document(&mut self, mut document: Map<String, Value>) -> anyhow::Result<()> {
        let file = document.get("file").and_then(Value::as_str).unwrap_or("");
        let file = file.to_owned();
        self.note_maker(&document);
        let Some(Value::Array(rows)) = document.remove("datasets") else {
            return Err(anyhow!("'datasets' is no list"));
        };
        for row in rows {
            self.add_row(row, &file)?;
        }
        Ok(())
    }

    /// Remembers machine and versions, which may be objects of any fields.
    fn note_maker(&mut self, document: &Map<String, Value>) {
        let mut words = Vec::new();
        for (key, value) in ["machine", "versions"]
            .iter()
            .filter_map(|part| document.get(*part)?.as_object())
            .flatten()
        {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            words.push(format!("{key} {value}"));
        }
        let line = words.join(", ");
        if !line.is_empty() && !self.made_by.contains(&line) {
            self.made_by.push(line);
        }
    }

    fn add_lines(&mut self, text: &str, error: serde_json::Error) -> anyhow::Result<()> {
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        // A broken document is said to be broken where it is; its first line alone is no JSON either.
        if lines.len() < 2 || serde_json::from_str::<Value>(lines[0]).is_err() {
            return Err(error.into());
        }
        for line in lines {
            self.add_line(serde_json::from_str(line)?)?;
        }
        Ok(())
    }

    /// A line of `--lines` or of `etalon bench`: a row, or a chunk of the row before.
    fn add_line(&mut self, mut line: Value) -> anyhow::Result<()> {
        let Some(fields) = line.as_object_mut() else {
            return Err(anyhow!("a row is an object, and this is none: {line}"));
        };
        if fields.get("datasets").is_some() {
            let Value::Object(document) = line else {
                unreachable!("it is an object")
            };
            return self.add_document(document);
        }
        self.note_maker(fields);
        // Of a line of `--lines`, words; a list of numbers in a line of `etalon bench` is the shape of all chunks.
        let chunk = fields.get("chunk").and_then(Value::as_str);
        let is_chunk = chunk.is_some_and(|start| !start.is_empty());
        for name in ["shape", "chunk"] {
            if let Some(Value::String(words)) = fields.get(name) {
                let numbers: Vec<u64> = words.split_whitespace().flat_map(str::parse).collect();
                fields.insert(name.into(), json!(numbers));
            }
        }
        flat_numbers_are_metrics(fields);
        if is_chunk && let Some(row) = self.rows.last_mut() {
            row.chunks.push(serde_json::from_value(line)?);
            return Ok(());
        }
        name_route(fields);
        let file = fields.get("file").and_then(Value::as_str).unwrap_or("");
        let file = file.to_owned();
        self.add_row(line, &file)
    }

    fn add_row(&mut self, row: Value, file: &str) -> anyhow::Result<()> {
        for name in ["dataset", "codec"] {
            if row.get(name).is_none_or(|value| !value.is_string()) {
                return Err(anyhow!("a row has no '{name}'"));
            }
        }
        let mut row: Row = serde_json::from_value(row)?;
        row.file = file.to_owned();
        row.check()?;
        self.rows.push(row);
        Ok(())
    }
}

/// A codec that is measured by way of h5py is another row than the same in memory.
fn name_route(fields: &mut Map<String, Value>) {
    let route = fields.get("route").and_then(Value::as_str);
    if let (Some(route), Some(codec)) = (route, fields.get("codec").and_then(Value::as_str))
        && route != "memory"
    {
        let named = format!("{codec} ({route})");
        fields.insert("codec".into(), json!(named));
    }
}

/// Moves numbers at the top of a line to its metrics.
fn flat_numbers_are_metrics(fields: &mut Map<String, Value>) {
    let numbers: Vec<(String, Value)> = fields
        .iter()
        .filter(|(name, value)| value.is_number() && !FIELDS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let metrics = fields.entry("metrics").or_insert_with(|| json!({}));
    if let Some(metrics) = metrics.as_object_mut() {
        metrics.extend(numbers);
    }
}

impl Row {
    /// Lengths that contradict each other would be drawn wrong.
    fn check(&self) -> anyhow::Result<()> {
        for (name, curve) in &self.curves {
            if curve.y.values().any(|y| y.len() != curve.x.len()) {
                return Err(anyhow!("curve '{name}' is not as long as its axis"));
            }
        }
        for (name, image) in &self.images {
            if image.rows.checked_mul(image.columns) != Some(image.values.len()) {
                return Err(anyhow!("picture '{name}' is not rows × columns"));
            }
        }
        Ok(())
    }

    /// Whether a method that promises every bit changed one.
    pub(crate) fn breaks_promise(&self) -> bool {
        self.lossless && self.refused.is_none() && self.max_abs_error != Some(0.0)
    }

    /// Every number of the row that may stand on an axis, by name.
    pub(crate) fn numbers(&self) -> BTreeMap<&str, f64> {
        let metrics = self.metrics.iter();
        let mut numbers: BTreeMap<&str, f64> = metrics
            .filter_map(|(name, value)| Some((name.as_str(), (*value)?)))
            .collect();
        if let Some(error) = self.max_abs_error {
            numbers.entry("max_abs_error").or_insert(error);
        }
        numbers
    }
}
