//! A processed dataset as the catalogue ICAT of European facilities takes it: flat parameters, and the location of the
//! data that it was made of.
//!
//! One dataset of ICAT is one folder. The folder of the copy is the dataset, and that of the source is its input, unless
//! fields say otherwise: several inputs for one dataset (N:1) are given as `input_datasets`; one input for several
//! datasets (1:N) is one run for each. Names of fields are those of icat-esrf-definitions; whatever else is given is
//! passed on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::compression_record::CompressionRecord;
use crate::fault::{Blame, Fault};
use crate::hdf5::Id;
use crate::hdf5::object::{Kind, open};
use crate::icat_xml;
use crate::nexus;
use crate::process_group::Process;
use crate::source_file::SourceFile;
use crate::staged_file::StagedFile;
use crate::timestamp;

/// What to write, as the user asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The XML file.
    pub out: PathBuf,
    /// Fields of ICAT; lists are joined by commas.
    pub fields: BTreeMap<String, Vec<String>>,
    /// Replace a file that exists.
    pub force: bool,
}

/// Where a field that ICAT insists on comes from if nobody gave it.
struct Mandatory {
    name: &'static str,
    /// Fields of a NeXus entry.
    nexus: &'static [&'static str],
}

const MANDATORY: [Mandatory; 3] = [
    Mandatory {
        name: "beamlineID",
        nexus: &["instrument/beamline", "instrument/name"],
    },
    Mandatory {
        name: "proposal",
        nexus: &["experiment_identifier", "proposal_identifier"],
    },
    Mandatory {
        name: "Sample_name",
        nexus: &["sample/name"],
    },
];
/// ICAT stores these in lower case.
const LOWER_CASE: [&str; 2] = ["beamlineID", "proposal"];
const INPUTS: &str = "input_datasets";

/// A request that has all it needs.
pub(crate) struct Draft {
    staged: StagedFile,
    fields: BTreeMap<String, Vec<String>>,
    /// The file that the record is about.
    destination: PathBuf,
}

impl Request {
    /// Looks up what the user left out, before any work is done; what is nowhere is [`Fault::Arguments`].
    pub(crate) fn complete(
        &self,
        source: &SourceFile,
        destination: &Path,
        source_path: &Path,
    ) -> Result<Draft, Fault> {
        let mut fields = self.fields.clone();
        let entry = first_entry(source);
        for mandatory in &MANDATORY {
            if fields.contains_key(mandatory.name) {
                continue;
            }
            let texts = mandatory.nexus.iter();
            let text = texts.filter_map(|path| nexus::text(entry.as_ref()?, path));
            let text = text.map(|text| vec![text]).next();
            fields.insert(
                mandatory.name.into(),
                text.ok_or_else(|| missing(mandatory))?,
            );
        }
        for name in LOWER_CASE {
            let texts = fields.get_mut(name).into_iter().flatten();
            texts.for_each(|text| *text = text.to_lowercase());
        }
        locate(&mut fields, destination, source_path)?;
        if self.out == destination {
            return Err(Fault::Arguments(anyhow!("--icat names DST itself")));
        }
        check_lists(&fields)?;
        Ok(Draft {
            staged: StagedFile::new(source_path, &self.out, self.force)?,
            fields,
            destination: destination.to_owned(),
        })
    }
}

fn missing(mandatory: &Mandatory) -> Fault {
    let paths: Vec<String> = mandatory
        .nexus
        .iter()
        .map(|path| format!("/entry/{path}"))
        .collect();
    Fault::Arguments(anyhow!(
        "ICAT needs {0}: give --icat-field {0}=…, or a source with {1}",
        mandatory.name,
        paths.join(" or ")
    ))
}

/// The first group that is an NXentry.
fn first_entry(source: &SourceFile) -> Option<Id> {
    let groups = source.tree.order.iter().filter_map(|token| {
        let is_group = source.tree.objects[token].kind == Kind::Group;
        let path = source.tree.path(token).filter(|_| is_group)?;
        open(&source.id, path).ok()
    });
    let mut groups = groups;
    groups.find(|group| nexus::class(group).is_some_and(|class| class == "NXentry"))
}

/// Fills in the folders of the copy and of the source, and the name of the dataset, which is that of its folder.
fn locate(
    fields: &mut BTreeMap<String, Vec<String>>,
    destination: &Path,
    source: &Path,
) -> Result<(), Fault> {
    let destination = std::path::absolute(destination);
    let destination = destination.input(|| "the destination has no folder".into())?;
    let folder = |path: &Path| path.parent().unwrap_or(path).display().to_string();
    for (name, default) in [("location", folder(&destination)), (INPUTS, folder(source))] {
        let paths = fields.entry(name.into()).or_insert_with(|| vec![default]);
        for path in paths {
            *path = absolute(name, path)?;
        }
    }
    let location = fields["location"].join(",");
    if fields[INPUTS].contains(&location) {
        let text = format!(
            "ICAT keeps one dataset in a folder, and {location} is both the copy's and the source's: write DST into a \
             folder of its own, or give --icat-field location=… and --icat-field input_datasets=…"
        );
        return Err(Fault::Arguments(anyhow!(text)));
    }
    let name = Path::new(&location).file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    fields
        .entry("datasetName".into())
        .or_insert_with(|| vec![name]);
    Ok(())
}

/// A path without `.`, doubled and trailing slashes, which names the same folder anywhere.
fn absolute(field: &str, path: &str) -> Result<String, Fault> {
    if !path.starts_with('/') {
        let text = format!("{field}: ICAT needs absolute paths, and {path} is not one");
        return Err(Fault::Arguments(anyhow!(text)));
    }
    let clean: PathBuf = Path::new(path).components().collect();
    let clean = clean.display().to_string();
    // As pyicat-plus does: where computers of the ESRF have mounted what everybody calls /data.
    let unmounted = clean.strip_prefix("/mnt/multipath-shares");
    Ok(unmounted.map_or(clean.clone(), str::to_owned))
}

/// Elements of lists are told apart by commas.
fn check_lists(fields: &BTreeMap<String, Vec<String>>) -> Result<(), Fault> {
    let listed = fields
        .iter()
        .filter(|(name, values)| *name == INPUTS || values.len() > 1);
    for (name, values) in listed {
        if let Some(value) = values.iter().find(|value| value.contains(',')) {
            let text = format!("{name}: ICAT joins lists with commas, and '{value}' has one");
            return Err(Fault::Arguments(anyhow!(text)));
        }
    }
    Ok(())
}

impl Draft {
    /// Writes the record of a copy that has its name.
    pub(crate) fn write(self, record: &CompressionRecord, process: &Process) -> Result<(), Fault> {
        let mut parameters: BTreeMap<String, String> = record_fields(record, process);
        parameters.insert("Compression_scope".into(), self.scope(record));
        // What the user says counts more.
        for (name, values) in &self.fields {
            parameters.insert(name.clone(), values.join(","));
        }
        let xml = icat_xml::dataset(&parameters);
        std::fs::write(self.staged.path(), xml)
            .output(|| format!("cannot write {}", self.staged.path().display()))?;
        self.staged.sync()?;
        self.staged.finish()
    }

    /// The datasets as URLs of HDF5.
    fn scope(&self, record: &CompressionRecord) -> String {
        let file = self.destination.file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let urls = record
            .datasets
            .iter()
            .map(|dataset| format!("{file}?path={}", dataset.path));
        urls.collect::<Vec<_>>().join(",")
    }
}

/// What the run itself knows. Names of ICAT's own end where `Etalon_` begins.
fn record_fields(record: &CompressionRecord, process: &Process) -> BTreeMap<String, String> {
    let certificate = record.certificate();
    let loss = &certificate.loss;
    let type_of_compression = if record.is_lossy() {
        "lossy"
    } else {
        "lossless"
    };
    let (mean, square) = (
        record.mean(loss.sum_error),
        record.mean(loss.sum_squared_error),
    );
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut fields: BTreeMap<String, String> = [
        ("startDate", process.date.clone()),
        ("endDate", timestamp::now()),
        ("machine", machine.trim().to_owned()),
        ("software", format!("etalon_v{}", env!("CARGO_PKG_VERSION"))),
        ("complete", "true".into()),
        ("Compression_type", type_of_compression.into()),
        ("Compression_codec", record.filters().join(",")),
        ("Process_program", "etalon".into()),
        ("Process_version", env!("CARGO_PKG_VERSION").into()),
        (
            "Process_note",
            record.configuration(process.stream.as_ref()),
        ),
        ("Process_sequence_index", process.sequence_index.to_string()),
        ("Process_triggering", "MANUAL".into()),
        ("Etalon_spec", record.spec.clone()),
        ("Etalon_mode", record.mode.into()),
        ("Etalon_guarantee", certificate.guarantee.name().into()),
        ("Etalon_bound_unit", certificate.bound_unit.name().into()),
        ("Etalon_bound_asked", number(certificate.bound_asked)),
        ("Etalon_max_abs_error", number(loss.max_abs_error)),
        ("Etalon_mean_error", number(mean)),
        ("Etalon_rms_error", number(square.sqrt())),
        ("Etalon_exceptions", loss.exceptions.to_string()),
        ("Etalon_losses", record.losses().to_string()),
        ("Etalon_raw_bytes", record.raw_bytes().to_string()),
        ("Etalon_stored_bytes", record.stored_bytes().to_string()),
        ("Etalon_ratio", number(record.ratio())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if let Some(error) = loss.max_sigma_error {
        fields.insert("Etalon_max_sigma_error".into(), number(f64::from(error)));
    }
    for (name, value) in record.measures() {
        let name = format!("Etalon_{name}");
        fields.entry(name).or_insert_with(|| number(value));
    }
    fields
}

/// The shortest digits that mean this number.
fn number(value: f64) -> String {
    format!("{value:?}")
}
