//! The rows of `etalon measure` as text, comma-separated values, or flat JSON lines.

use etalon_measure::measure::{ChunkRow, Row};
use etalon_metrics::Metric;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::table::{Table, extents, size};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One document at the end: not here.
    Document,
    /// Tables for people.
    Text,
    /// RFC 4180.
    Csv,
    /// One flat object a line, which tables of data frames and Parquet take as it is.
    Lines,
}

impl Form {
    /// What the options say.
    pub(crate) fn of(output: Output, csv: bool, lines: bool) -> Self {
        match (output.json, csv, lines) {
            (true, ..) => Self::Document,
            (_, true, _) => Self::Csv,
            (_, _, true) => Self::Lines,
            _ => Self::Text,
        }
    }
}

/// Prints the rows of one dataset; `first`: nothing was printed before.
pub(crate) fn print_rows(
    rows: &[Row],
    metrics: &[&'static Metric],
    form: Form,
    first: bool,
    output: Output,
) -> Result<(), Failure> {
    let lines = match form {
        Form::Document => Vec::new(),
        Form::Text => text_lines(rows, metrics, first),
        Form::Csv => csv_lines(rows, metrics, first),
        Form::Lines => flat_lines(rows, metrics),
    };
    lines.iter().try_for_each(|line| output.line(line))
}

fn text_lines(rows: &[Row], metrics: &[&'static Metric], first: bool) -> Vec<String> {
    let mut lines = if first {
        Vec::new()
    } else {
        vec![String::new()]
    };
    let Some(any) = rows.first() else {
        return lines;
    };
    let sample = if any.measured_chunks < any.total_chunks {
        format!(
            ", sample of {} of {} chunks",
            any.measured_chunks, any.total_chunks
        )
    } else {
        String::new()
    };
    lines.push(format!(
        "{}  {} {}, {} measured{sample}",
        any.dataset,
        any.dtype,
        extents(&any.shape),
        size(any.raw_bytes)
    ));
    lines.extend(codec_table(rows).lines());
    if !metrics.is_empty() {
        lines.push(String::new());
        lines.extend(metric_table(rows, metrics).lines());
    }
    let notes = rows.iter().flat_map(|row| &row.notes);
    lines.extend(notes.map(|note| format!("note: {note}")));
    lines
}

fn codec_table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "codec",
        ">ratio",
        ">stored",
        ">encode GB/s",
        ">decode GB/s",
        ">CV",
        ">max error",
    ]);
    let absent = || "–".to_owned();
    let speed = |gbps: Option<f64>| gbps.map_or_else(absent, |gbps| format!("{gbps:.3}"));
    for row in rows {
        if row.refused.is_some() {
            let mut cells = vec![row.codec.clone(), "refused".into()];
            cells.resize_with(7, String::new);
            table.row(cells);
            continue;
        }
        table.row([
            row.codec.clone(),
            format!("{:.2}", row.ratio),
            size(row.stored_bytes),
            speed(row.encode_gbps),
            speed(row.decode_gbps),
            row.cv
                .map_or_else(absent, |cv| format!("{:.1} %", cv * 100.0)),
            row.max_abs_error
                .map_or_else(absent, |error| error.to_string()),
        ]);
        for chunk in &row.chunks {
            table.row([
                format!("  {:?}", chunk.chunk),
                chunk
                    .ratio
                    .map_or_else(absent, |ratio| format!("{ratio:.2}")),
                chunk.stored_bytes.map_or_else(absent, size),
                speed(chunk.encode_gbps),
                speed(chunk.decode_gbps),
                String::new(),
                chunk.error().map_or_else(absent, |error| error.to_string()),
            ]);
        }
    }
    table
}

/// A line for each number, a column for each row of `rows`.
fn metric_table(rows: &[Row], metrics: &[&'static Metric]) -> Table {
    let titles = ["metric", "unit"]
        .map(str::to_owned)
        .into_iter()
        .chain(rows.iter().map(|row| format!(">{}", row.codec)));
    let mut table = Table::new(&titles.collect::<Vec<_>>());
    for (name, unit) in numbers(metrics) {
        let cells = rows.iter().map(|row| {
            row.metrics
                .get(name)
                .map_or("–".into(), |value| digits(*value))
        });
        table.row([name.to_owned(), unit.to_owned()].into_iter().chain(cells));
    }
    table
}

/// Numbers that metrics yield, with their units.
fn numbers(metrics: &[&'static Metric]) -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = metrics.iter().flat_map(|metric| metric.values);
    all.map(|&(name, unit)| (name, if unit == "1" { "" } else { unit }))
}

/// Six digits, which is more than any of these numbers means.
fn digits(value: f64) -> String {
    let magnitude = value.abs();
    if value.is_nan() {
        "undefined".into()
    } else if value == value.trunc() && magnitude < 1e15 {
        format!("{value}")
    } else if (1e-3..1e6).contains(&magnitude) {
        let decimals = 5 - magnitude.log10().floor() as i32;
        format!("{value:.*}", decimals.max(0) as usize)
    } else {
        format!("{value:.5e}")
    }
}

/// RFC 4180; the column `chunk` is empty in the row of a whole dataset, and a number that is not known is empty.
fn csv_lines(rows: &[Row], metrics: &[&'static Metric], first: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        for record in std::iter::once(None).chain(row.chunks.iter().map(Some)) {
            let record = flat(row, record, metrics);
            if first && lines.is_empty() {
                lines.push(record.keys().cloned().collect::<Vec<_>>().join(","));
            }
            let fields = record.values().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => quoted(text),
                other => other.to_string(),
            });
            lines.push(fields.collect::<Vec<_>>().join(","));
        }
    }
    lines
}

fn flat_lines(rows: &[Row], metrics: &[&'static Metric]) -> Vec<String> {
    let records = rows.iter().flat_map(|row| {
        std::iter::once(None)
            .chain(row.chunks.iter().map(Some))
            .map(|chunk| flat(row, chunk, metrics))
    });
    records
        .map(|record| Value::Object(record).to_string())
        .collect()
}

/// A row, or one of its chunks, without structure: the same keys in all of them, in the same order.
fn flat(row: &Row, chunk: Option<&ChunkRow>, metrics: &[&'static Metric]) -> Map<String, Value> {
    let joined = |numbers: &[u64]| {
        let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
        words.join(" ")
    };
    let whole = chunk.is_none();
    let head = json!({
        "dataset": row.dataset,
        "dtype": row.dtype,
        "shape": joined(&row.shape),
        "codec": row.codec,
        "chunk": chunk.map_or(String::new(), |chunk| joined(&chunk.chunk)),
        "raw_bytes": chunk.map_or(row.raw_bytes, |chunk| chunk.raw_bytes),
        "stored_bytes": chunk.map_or(Some(row.stored_bytes), |chunk| chunk.stored_bytes),
        "ratio": chunk.map_or(Some(row.ratio), |chunk| chunk.ratio),
        "encode_gbps": chunk.map_or(row.encode_gbps, |chunk| chunk.encode_gbps),
        "decode_gbps": chunk.map_or(row.decode_gbps, |chunk| chunk.decode_gbps),
        "encode_cv": row.encode_cv.filter(|_| whole),
        "decode_cv": row.decode_cv.filter(|_| whole),
        "max_abs_error": chunk.map_or(row.max_abs_error, ChunkRow::error),
        "refused": row.refused.as_ref().filter(|_| whole),
        "measured_chunks": whole.then_some(row.measured_chunks),
        "total_chunks": whole.then_some(row.total_chunks),
    });
    let Value::Object(mut record) = head else {
        unreachable!("an object was written")
    };
    let values = chunk.map_or(&row.metrics, |chunk| &chunk.metrics);
    for (name, _) in numbers(metrics) {
        if !record.contains_key(name) {
            record.insert(name.to_owned(), json!(values.get(name)));
        }
    }
    record
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (-12.5, "-12.5000"),
            (123456.789, "123457"),
            (0.001_234_567, "0.00123457"),
            (1.234_567_8e-7, "1.23457e-7"),
            (f64::NAN, "undefined"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(digits(value), text);
        }
    }
}
