//! Tables of flat rows as Parquet, or as JSON lines: whole files, written and read at once.
//!
//! Parquet without compression: repeated texts are stored once by its dictionaries, and every reader takes it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::types::Type;
use serde_json::{Value, json};

use crate::catalogue_columns::Kind;
use crate::catalogue_rows::Row;

/// Rows that a reader has in memory at once.
const ROWS_A_GROUP: usize = 16_384;

/// How a table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line, without columns that have no value.
    Lines,
}

impl Form {
    /// What the name of a file means.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "jsonl" => Some(Self::Lines),
            _ => None,
        }
    }

    /// Writes `rows` to a new file at `path`. A value of another kind than its column is left out.
    pub fn write(
        self,
        path: &Path,
        columns: &[(String, Kind)],
        rows: &mut dyn Iterator<Item = Row>,
    ) -> Result<()> {
        match self {
            Self::Parquet => write_parquet(path, columns, rows),
            Self::Lines => {
                let mut file = BufWriter::new(File::create(path)?);
                for row in rows {
                    writeln!(file, "{}", Value::Object(row))?;
                }
                Ok(file.flush()?)
            }
        }
    }

    /// Hands the rows of the file at `path` to `take`, one after the other.
    pub fn read(self, path: &Path, take: &mut dyn FnMut(Row)) -> Result<()> {
        match self {
            Self::Parquet => read_parquet(path, take),
            Self::Lines => {
                for line in BufReader::new(File::open(path)?).lines() {
                    take(serde_json::from_str(&line?)?);
                }
                Ok(())
            }
        }
    }
}

fn write_parquet(
    path: &Path,
    columns: &[(String, Kind)],
    rows: &mut dyn Iterator<Item = Row>,
) -> Result<()> {
    let fields = columns.iter().map(|(name, kind)| {
        let (physical, logical) = match kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Number => (Physical::DOUBLE, None),
            Kind::Count => (Physical::INT64, None),
            Kind::Flag => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        Ok(Arc::new(field.build()?))
    });
    let schema = Type::group_type_builder("catalogue").with_fields(fields.collect::<Result<_>>()?);
    let properties = Arc::new(WriterProperties::builder().build());
    let file = File::create(path)?;
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema.build()?), properties)?;
    loop {
        let group: Vec<Row> = rows.take(ROWS_A_GROUP).collect();
        if group.is_empty() {
            break;
        }
        let mut group_writer = writer.next_row_group()?;
        for (name, _) in columns {
            write_column(&mut group_writer, name, &group)?;
        }
        group_writer.close()?;
    }
    writer.close()?;
    Ok(())
}

fn write_column(
    writer: &mut SerializedRowGroupWriter<'_, File>,
    name: &str,
    rows: &[Row],
) -> Result<()> {
    let mut column = writer
        .next_column()?
        .context("fewer columns than the schema has")?;
    let cells = || rows.iter().map(|row| row.get(name));
    match column.untyped() {
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let (values, levels) = present(cells().map(|cell| cell?.as_str().map(ByteArray::from)));
            writer.write_batch(&values, Some(&levels), None)?;
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let (values, levels) = present(cells().map(|cell| cell?.as_f64()));
            writer.write_batch(&values, Some(&levels), None)?;
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let (values, levels) = present(cells().map(|cell| cell?.as_i64()));
            writer.write_batch(&values, Some(&levels), None)?;
        }
        ColumnWriter::BoolColumnWriter(writer) => {
            let (values, levels) = present(cells().map(|cell| cell?.as_bool()));
            writer.write_batch(&values, Some(&levels), None)?;
        }
        _ => bail!("{name}: a kind of column that is not written"),
    }
    Ok(column.close()?)
}

/// The values there are, and for every row whether there is one.
fn present<T>(cells: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    (values, levels)
}

fn read_parquet(path: &Path, take: &mut dyn FnMut(Row)) -> Result<()> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    for row in reader.get_row_iter(None)? {
        let row = row?;
        let cells = row.get_column_iter().filter_map(|(name, field)| {
            let value = match field {
                Field::Str(text) => json!(text),
                Field::Double(number) => json!(number),
                Field::Long(count) => json!(count),
                Field::Bool(flag) => json!(flag),
                _ => return None,
            };
            Some((name.clone(), value))
        });
        take(cells.collect());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_both_forms() {
        let folder = tempfile::tempdir().unwrap();
        let columns = [
            ("text", Kind::Text),
            ("number", Kind::Number),
            ("count", Kind::Count),
            ("flag", Kind::Flag),
            ("empty", Kind::Number),
        ];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
        let rows = [
            json!({"text": "é", "number": 0.1, "count": -3, "flag": false}),
            json!({}),
            json!({"text": "", "number": 1e300, "flag": true}),
        ];
        let rows = rows.map(|row| row.as_object().unwrap().clone());
        for name in ["a.parquet", "a.jsonl"] {
            let path = folder.path().join(name);
            let form = Form::of(&path).unwrap();
            let mut given = rows.iter().cloned();
            form.write(&path, &columns, &mut given).unwrap();
            let mut back = Vec::new();
            form.read(&path, &mut |row| back.push(row)).unwrap();
            assert_eq!(back, rows, "{name}");
        }
        assert_eq!(Form::of(Path::new("a.csv")), None);
    }
}
