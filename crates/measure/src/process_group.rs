//! The NXprocess group that a recompression leaves in the file: who did what to which datasets, when, and at what cost.
//!
//! It stands in the NXentry that holds the datasets, or in the root group of a file without one, and is called
//! `compression`, or `compression_2` and so on beside earlier ones. docs/PROVENANCE.md has the layout. NXparameters
//! rather than NXcollection, because validators look into it.

use std::path::PathBuf;

use etalon_codec::{BoundUnit, Spec};
use etalon_metrics::METRICS;

use crate::compression_record::CompressionRecord;
use crate::hdf5::object::{create_group_in, has_link, open};
use crate::hdf5::{Id, Result as H5Result, attribute, scalar};
use crate::nexus::{PROCESS_NAME, PROGRAM};
use crate::tree::child;

/// What a run says of itself.
pub(crate) struct Process {
    /// When it began, ISO 8601 with zone.
    pub(crate) date: String,
    /// One more than the source had.
    pub(crate) sequence_index: u64,
    /// Absolute path.
    pub(crate) source: PathBuf,
    pub(crate) stream: Option<Spec>,
}

/// Writes a group in `holder`, and returns its path.
pub(crate) fn write(
    file: &Id,
    holder: &str,
    process: &Process,
    record: &CompressionRecord,
) -> H5Result<String> {
    let parent = open(file, holder)?;
    let name = free_name(&parent)?;
    let group = create(&parent, &name, "NXprocess")?;
    let path = child(holder, &name);
    process
        .write(&group, record)
        .map_err(|error| error.of(&path))?;
    Ok(path)
}

fn free_name(parent: &Id) -> H5Result<String> {
    let mut name = PROCESS_NAME.to_owned();
    let mut number = 1;
    while has_link(parent, &name)? {
        number += 1;
        name = format!("{PROCESS_NAME}_{number}");
    }
    Ok(name)
}

fn create(parent: &Id, name: &str, class: &str) -> H5Result<Id> {
    let group = create_group_in(parent, name)?;
    attribute::write_text(&group, "NX_class", class)?;
    Ok(group)
}

impl Process {
    fn write(&self, group: &Id, record: &CompressionRecord) -> H5Result<()> {
        scalar::write_text(group, "program", PROGRAM)?;
        scalar::write_text(group, "version", env!("CARGO_PKG_VERSION"))?;
        scalar::write_text(group, "date", &self.date)?;
        scalar::write_count(group, "sequence_index", self.sequence_index)?;
        write_parameters(&create(group, "parameters", "NXparameters")?, record)?;
        let configuration = create(group, "configuration", "NXnote")?;
        scalar::write_text(&configuration, "type", "application/json")?;
        let json = record.configuration(self.stream.as_ref());
        scalar::write_text(&configuration, "data", &json)?;
        let source = create(group, "source", "NXnote")?;
        scalar::write_text(&source, "type", "application/x-hdf5")?;
        scalar::write_text(&source, "file_name", &self.source.to_string_lossy())?;
        let text = "the file that the datasets were read from; source_sha256 of parameters are their hashes";
        scalar::write_text(&source, "description", text).map(drop)
    }
}

fn write_parameters(group: &Id, record: &CompressionRecord) -> H5Result<()> {
    let certificate = record.certificate();
    let loss = &certificate.loss;
    let fields = Fields {
        group,
        units: record.units(),
    };
    fields.texts(record)?;
    fields.text("spec", &record.spec, "codec and its settings")?;
    let text = "max: in frames of filter 59297; standard: a loss is in the values";
    fields.text("mode", record.mode, text)?;
    let guarantee = certificate.guarantee.name();
    fields.text("guarantee", guarantee, "weakest class of all chunks")?;
    if certificate.bound_unit != BoundUnit::None {
        let (asked, unit) = (certificate.bound_asked, certificate.bound_unit.name());
        let field = scalar::write_number(group, "bound_asked", asked)?;
        describe(&field, Some(unit), "largest bound asked of a chunk")?;
        fields.text("bound_unit", unit, "what the bound is measured in")?;
    }
    fields.error("max_abs_error", loss.max_abs_error, "largest error caused")?;
    if let Some(error) = loss.max_sigma_error {
        let field = scalar::write_number(group, "max_sigma_error", f64::from(error))?;
        describe(&field, Some("sigma"), "the same in units of the noise")?;
    }
    let (mean, square) = (
        record.mean(loss.sum_error),
        record.mean(loss.sum_squared_error),
    );
    fields.error("mean_error", mean, "mean of decoded - original")?;
    fields.error("rms_error", square.sqrt(), "root of its mean square")?;
    let text = "elements kept exactly although the codec would have changed them";
    fields.count("exceptions", loss.exceptions, None, text)?;
    let synthetic = u64::from(certificate.synthetic_background);
    let text = "1: some values are drawn from a model of the background";
    fields.count("synthetic_background", synthetic, None, text)?;
    let text = "how often values of any dataset lost, this time included";
    fields.count("losses", u64::from(record.losses()), None, text)?;
    fields.count("raw_bytes", record.raw_bytes(), Some("byte"), "decoded")?;
    let stored = record.stored_bytes();
    fields.count("stored_bytes", stored, Some("byte"), "in the file")?;
    let ratio = scalar::write_number(group, "ratio", record.ratio())?;
    describe(&ratio, Some("1"), "raw_bytes / stored_bytes")?;
    write_measures(group, record)
}

/// Metrics that were measured before, each with its unit; those whose names are taken are the numbers above.
fn write_measures(group: &Id, record: &CompressionRecord) -> H5Result<()> {
    for (name, value) in record.measures() {
        if has_link(group, &name)? {
            continue;
        }
        let all = METRICS.iter().flat_map(|metric| metric.values);
        let unit = all.copied().find(|(known, _)| *known == name);
        let field = scalar::write_number(group, &name, value)?;
        let unit = unit.map(|(_, unit)| unit);
        describe(&field, unit, "metric, measured against the source")?;
    }
    Ok(())
}

/// Writes fields with their attributes.
struct Fields<'a> {
    group: &'a Id,
    /// Units of the data.
    units: Option<&'a str>,
}

impl Fields<'_> {
    fn texts(&self, record: &CompressionRecord) -> H5Result<()> {
        let datasets = &record.datasets;
        let paths: Vec<&str> = datasets.iter().map(|d| d.path.as_str()).collect();
        let field = scalar::write_texts(self.group, "datasets", &paths)?;
        describe(&field, None, "what the other fields are about")?;
        let hashes: Vec<&str> = datasets.iter().map(|d| d.source_sha256.as_str()).collect();
        if hashes.iter().any(|hash| !hash.is_empty()) {
            let field = scalar::write_texts(self.group, "source_sha256", &hashes)?;
            describe(&field, None, "of their values in the source")?;
        }
        Ok(())
    }

    fn text(&self, name: &str, value: &str, description: &str) -> H5Result<()> {
        describe(
            &scalar::write_text(self.group, name, value)?,
            None,
            description,
        )
    }

    fn error(&self, name: &str, value: f64, description: &str) -> H5Result<()> {
        let field = scalar::write_number(self.group, name, value)?;
        describe(&field, self.units, description)
    }

    fn count(
        &self,
        name: &str,
        value: u64,
        units: Option<&str>,
        description: &str,
    ) -> H5Result<()> {
        let field = scalar::write_count(self.group, name, value)?;
        describe(&field, units, description)
    }
}

fn describe(field: &Id, units: Option<&str>, description: &str) -> H5Result<()> {
    if let Some(units) = units {
        attribute::write_text(field, "units", units)?;
    }
    attribute::write_text(field, "description", description)
}
