//! The record of a loss: attributes of the dataset that say what was done to its values, and what it cost.
//!
//! docs/FORMAT.md has the table. A dataset that loses a second time keeps the earlier record under other names:
//! `etalon_parameters` becomes `etalon_1_parameters`, and so on. The date is in the group that `etalon_process` names.

use std::path::Path;

use etalon_codec::{BoundUnit, Certificate, Filter, Guarantee, Spec, Tally};

use crate::chunk_encoder::ChunkEncoder;
use crate::chunk_source::ChunkSource;
use crate::claim::Claim;
use crate::compression_record::{Measures, ratio};
use crate::dataset::Dataset;
use crate::fault::{Blame, Fault};
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::{Id, Result as H5Result, attribute, file};
use crate::inspect::Inspection;
use crate::known_filters::{filter_name, is_lossless};
use crate::loss::DatasetLoss;
use crate::plan::Loss;
use crate::source_digest::{dataset_digest, hexadecimal};

/// Names without prefix, in the order of writing.
const NAMES: [&str; 21] = [
    "codec",
    "version",
    "parameters",
    "mode",
    "guarantee",
    "bound_asked",
    "bound_unit",
    "max_abs_error",
    "max_sigma_error",
    "mean_error",
    "rms_error",
    "exceptions",
    "synthetic_background",
    "source_file",
    "source_sha256",
    "source_sha256_chunk",
    "raw_bytes",
    "stored_bytes",
    "ratio",
    "metrics",
    PROCESS,
];
/// Path of the group that has date and configuration.
const PROCESS: &str = "process";
/// The one that every record has.
const PARAMETERS: &str = "parameters";
/// What netCDF's writers say of values that they rounded.
const NETCDF_QUANTISED: [&str; 3] = [
    "_QuantizeBitGroomNumberOfSignificantDigits",
    "_QuantizeGranularBitRoundNumberOfSignificantDigits",
    "_QuantizeBitRoundNumberOfSignificantBits",
];

/// What happened to a dataset.
pub(crate) struct Provenance {
    pub(crate) codec: &'static str,
    /// The SPEC.
    pub(crate) parameters: String,
    /// `max` or `standard`.
    pub(crate) mode: &'static str,
    /// Promise and loss of the whole dataset.
    pub(crate) certificate: Certificate,
    /// Elements of the dataset, written or not.
    pub(crate) elements: u64,
    /// Name of the source file, without folders: those are of no use elsewhere.
    pub(crate) source_file: String,
    /// As `source_digest` says.
    pub(crate) source_sha256: String,
    pub(crate) source_sha256_chunk: Vec<u64>,
    /// Decoded size of the chunks written, and their size in the file.
    pub(crate) raw_bytes: u64,
    pub(crate) stored_bytes: u64,
    /// What was measured of this dataset and codec before.
    pub(crate) measures: Measures,
}

/// What is to be recorded of a dataset whose chunks lost `loss`.
pub(crate) fn record(
    encoder: &ChunkEncoder<'_>,
    dataset: &Dataset,
    chunks: &ChunkSource<'_>,
    loss: &mut DatasetLoss,
    stored_bytes: u64,
) -> Result<Provenance, Fault> {
    let file = file::name(&dataset.file).input(|| "the source has no name".into())?;
    let file = Path::new(&file).file_name().unwrap_or_default();
    let digest = dataset_digest(chunks.grid(), &mut loss.digests, &chunks.fill_value());
    Ok(Provenance {
        codec: encoder.codec.codec().name,
        parameters: encoder.codec.to_string(),
        mode: match encoder.loss {
            Loss::InValues => "standard",
            _ => "max",
        },
        certificate: loss.certificate,
        elements: dataset.raw_bytes() / dataset.open.element_bytes as u64,
        source_file: file.to_string_lossy().into_owned(),
        source_sha256: hexadecimal(&digest),
        source_sha256_chunk: chunks.chunk_shape().to_vec(),
        raw_bytes: (0..chunks.len())
            .map(|index| chunks.inside_bytes(index))
            .sum(),
        stored_bytes,
        measures: Measures::new(),
    })
}

/// Writes the record to the copy of `source`; returns a warning where the values had lost before.
pub(crate) fn write(
    record: &Provenance,
    source: &Dataset,
    copy: &OpenDataset,
) -> Result<Option<String>, Fault> {
    let earlier = keep_earlier(source, copy).and_then(|earlier| {
        record.write(copy)?;
        Ok(earlier)
    });
    let earlier = earlier.output(|| format!("{}: the record of its loss", source.path))?;
    Ok(match earlier {
        Some((number, spec)) => Some(format!(
            "{} had lost values before, to {spec}: the errors add up, and that record is kept as etalon_{number}_…",
            source.path
        )),
        None => foreign_loss(source).map(|reason| {
            format!(
                "{} may have lost values before, and nobody recorded how many: {reason}",
                source.path
            )
        }),
    })
}

/// What of others' doing tells that values may have lost.
fn foreign_loss(source: &Dataset) -> Option<String> {
    let doubtful =
        (source.filters.iter()).find(|filter| !is_lossless(filter.id, &filter.cd_values));
    let by_filter = doubtful.map(|filter| {
        format!(
            "it is stored with {}, which can lose",
            filter_name(filter.id, &filter.name)
        )
    });
    by_filter.or_else(|| {
        let id = source.open.id();
        let said = |name: &&&str| attribute::exists(id, name).unwrap_or(false);
        let name = NETCDF_QUANTISED.iter().find(said)?;
        Some(format!("it has the attribute {name}"))
    })
}

/// How often the values of a dataset lost, as far as its records tell.
pub(crate) fn losses(dataset: &OpenDataset) -> H5Result<u32> {
    let latest = attribute::exists(dataset.id(), &name(None, PARAMETERS))?;
    Ok(records(dataset.id())? - 1 + u32::from(latest))
}

/// Names the group that has date and configuration, in a dataset that has a record.
pub(crate) fn write_process(dataset: &OpenDataset, path: &str) -> H5Result<()> {
    attribute::write_text(dataset.id(), &name(None, PROCESS), path)
}

impl Provenance {
    /// Writes the attributes.
    fn write(&self, dataset: &OpenDataset) -> H5Result<()> {
        let (id, certificate) = (dataset.id(), &self.certificate);
        let loss = &certificate.loss;
        let mean = |sum: f64| sum / self.elements.max(1) as f64;
        let text = |key, value: &str| attribute::write_text(id, &name(None, key), value);
        let number = |key, value| attribute::write_number(id, &name(None, key), value);
        let count = |key, value| attribute::write_count(id, &name(None, key), value);
        text("codec", self.codec)?;
        text("version", env!("CARGO_PKG_VERSION"))?;
        text(PARAMETERS, &self.parameters)?;
        text("mode", self.mode)?;
        text("guarantee", certificate.guarantee.name())?;
        number("bound_asked", certificate.bound_asked)?;
        text("bound_unit", certificate.bound_unit.name())?;
        number("max_abs_error", loss.max_abs_error)?;
        if let Some(error) = loss.max_sigma_error {
            number("max_sigma_error", f64::from(error))?;
        }
        number("mean_error", mean(loss.sum_error))?;
        number("rms_error", mean(loss.sum_squared_error).sqrt())?;
        count("exceptions", loss.exceptions)?;
        count(
            "synthetic_background",
            u64::from(certificate.synthetic_background),
        )?;
        text("source_file", &self.source_file)?;
        text("source_sha256", &self.source_sha256)?;
        let chunk = name(None, "source_sha256_chunk");
        attribute::write_counts(id, &chunk, &self.source_sha256_chunk)?;
        count("raw_bytes", self.raw_bytes)?;
        count("stored_bytes", self.stored_bytes)?;
        number("ratio", ratio(self.raw_bytes, self.stored_bytes))?;
        if !self.measures.is_empty() {
            let json = serde_json::to_string(&self.measures).unwrap_or_default();
            text("metrics", &json)?;
        }
        Ok(())
    }
}

/// Makes room for a new record in a copy of `source`; returns number and SPEC of the one before, where there is one.
fn keep_earlier(source: &Dataset, copy: &OpenDataset) -> H5Result<Option<(u32, String)>> {
    let id = copy.id();
    let next = records(id)?;
    for key in NAMES {
        if attribute::exists(id, &name(None, key))? {
            attribute::rename(id, &name(None, key), &name(Some(next), key))?;
        }
    }
    let kept = name(Some(next), PARAMETERS);
    // Frames that another writer made have no attributes, and go away with their certificates.
    let lossy = source.filters.iter().find_map(|filter| {
        let own = Filter::by_id(u32::try_from(filter.id).ok()?)?;
        (own.is_lossy)(&filter.cd_values).then(|| (own.spec_of)(&filter.cd_values))?
    });
    let earlier = match (attribute::read_text(id, &kept)?, lossy) {
        (Some(earlier), _) => earlier,
        (None, Some(spec)) => {
            attribute::write_text(id, &kept, &spec.to_string())?;
            spec.to_string()
        }
        (None, None) => return Ok(None),
    };
    Ok(Some((next, earlier)))
}

/// What the latest record of a dataset says, as far as it can be checked.
pub(crate) struct Record {
    certificate: Certificate,
    spec: Option<Spec>,
    pub(crate) source: Source,
}

/// What a record says of the values that it was made of.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) sha256_chunk: Vec<u64>,
}

/// An earlier record: its source, and how much was lost from there to the source of the latest record.
pub(crate) struct Earlier {
    pub(crate) source: Source,
    /// The largest errors of the records from this one on, added up, without the latest; `None` where one says nothing.
    pub(crate) max_abs_error: Option<f64>,
    /// Number of records from this one on, with the latest.
    pub(crate) records: u32,
}

impl Record {
    /// What it says of every chunk.
    pub(crate) fn claim(&self) -> Claim {
        Claim::of_certificate(Some(self.certificate), self.spec.as_ref())
    }

    /// The largest error that it admits.
    pub(crate) fn max_abs_error(&self) -> f64 {
        self.certificate.loss.max_abs_error
    }
}

/// The latest record of `dataset`, where it has one.
pub(crate) fn latest(dataset: &Dataset) -> Result<Option<Record>, Fault> {
    read_latest(dataset.open.id())
        .input(|| format!("{}: its record of loss cannot be read", dataset.path))
}

fn read_latest(id: &Id) -> H5Result<Option<Record>> {
    let text = |key| attribute::read_text(id, &name(None, key));
    let number = |key| attribute::read_number(id, &name(None, key));
    let Some(parameters) = text(PARAMETERS)? else {
        return Ok(None);
    };
    let guarantee = text("guarantee")?.unwrap_or_default();
    let bound_unit = text("bound_unit")?.unwrap_or_default();
    let loss = Tally {
        max_abs_error: number("max_abs_error")?.unwrap_or(f64::INFINITY),
        ..Tally::default()
    };
    Ok(Some(Record {
        certificate: Certificate {
            guarantee: Guarantee::named(&guarantee).unwrap_or_default(),
            bound_unit: BoundUnit::named(&bound_unit).unwrap_or_default(),
            bound_asked: number("bound_asked")?.unwrap_or(0.0),
            loss,
            ..Certificate::default()
        },
        spec: parameters.parse().ok(),
        source: read_source(id, None)?,
    }))
}

fn read_source(id: &Id, record: Option<u32>) -> H5Result<Source> {
    let text = |key| attribute::read_text(id, &name(record, key));
    Ok(Source {
        file: text("source_file")?.unwrap_or_default(),
        sha256: text("source_sha256")?.unwrap_or_default(),
        sha256_chunk: attribute::read_counts(id, &name(record, "source_sha256_chunk"))?,
    })
}

/// The records of `dataset` before the latest, the later first.
pub(crate) fn earlier(dataset: &Dataset) -> Result<Vec<Earlier>, Fault> {
    read_earlier(dataset.open.id())
        .input(|| format!("{}: its records of loss cannot be read", dataset.path))
}

fn read_earlier(id: &Id) -> H5Result<Vec<Earlier>> {
    let mut earlier = Vec::new();
    let (next, mut sum) = (records(id)?, Some(0.0));
    for record in (1..next).rev() {
        let error = attribute::read_number(id, &name(Some(record), "max_abs_error"))?;
        sum = sum.zip(error).map(|(sum, error)| sum + error);
        earlier.push(Earlier {
            source: read_source(id, Some(record))?,
            max_abs_error: sum,
            records: next - record + 1,
        });
    }
    Ok(earlier)
}

/// Fills in what attributes say of a dataset whose filters lose nothing; nothing where there is no record.
///
/// Where it lost several times the errors are added up, which bounds the error against the first source.
pub(crate) fn describe(dataset: &Dataset, inspection: &mut Inspection) -> Result<(), Fault> {
    let stored_exactly = inspection.max_abs_error == Some(0.0);
    let promised = inspection.guarantee.as_deref().unwrap_or("lossless");
    if !stored_exactly || promised != "lossless" {
        return Ok(());
    }
    read(dataset.open.id(), inspection)
        .input(|| format!("{}: its record of loss cannot be read", dataset.path))
}

fn read(id: &Id, inspection: &mut Inspection) -> H5Result<()> {
    let earlier = (1..records(id)?).map(Some);
    for record in earlier.chain([None]) {
        let text = |key| attribute::read_text(id, &name(record, key));
        let number = |key| attribute::read_number(id, &name(record, key));
        if text(PARAMETERS)?.is_none() {
            continue;
        }
        let sum = |so_far: Option<f64>, more: Option<f64>| Some(so_far? + more?);
        inspection.guarantee = text("guarantee")?;
        inspection.bound_asked = number("bound_asked")?;
        inspection.max_abs_error = sum(inspection.max_abs_error, number("max_abs_error")?);
        let mean_error = inspection.mean_error.or(Some(0.0));
        inspection.mean_error = sum(mean_error, number("mean_error")?);
        inspection.max_sigma_error = number("max_sigma_error")?;
        inspection.exceptions = number("exceptions")?.unwrap_or(0.0) as u64;
        inspection.synthetic_background |= number("synthetic_background")? == Some(1.0);
    }
    Ok(())
}

/// The number that the next record to be kept gets: 1 more than there are.
fn records(id: &Id) -> H5Result<u32> {
    let mut next = 1;
    while attribute::exists(id, &name(Some(next), PARAMETERS))? {
        next += 1;
    }
    Ok(next)
}

/// The attribute for `key`, of the latest record or an earlier one.
fn name(record: Option<u32>, key: &str) -> String {
    match record {
        None => format!("etalon_{key}"),
        Some(number) => format!("etalon_{number}_{key}"),
    }
}
