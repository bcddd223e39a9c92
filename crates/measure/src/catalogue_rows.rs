//! One file as rows of a catalogue: one for each dataset that is worth one, with what its file says around it.
//!
//! Whatever cannot be read becomes a row that says so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::catalogue_columns::VERSION;
use crate::dataset::Dataset;
use crate::hdf5::object::{Token, open};
use crate::hdf5::{Id, attribute, scalar};
use crate::inspect::{Depth, Inspection, inspect};
use crate::nexus;
use crate::provenance;
use crate::recompress::LEAST_BYTES;
use crate::source_file::SourceFile;

/// A row: columns that have a value.
pub type Row = Map<String, Value>;

/// What tells that a file is the one that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    bytes: u64,
    mtime_ns: i64,
}

impl Identity {
    /// Of the file at `path`.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Ok(Self {
            bytes: metadata.len(),
            mtime_ns: seconds.saturating_add(metadata.mtime_nsec()),
        })
    }

    /// What a row says of its file, if it is of this version.
    pub fn of_row(row: &Row) -> Option<Self> {
        (row.get("catalogue_version")?.as_u64()? == VERSION).then_some(())?;
        Some(Self {
            bytes: row.get("file_bytes")?.as_u64()?,
            mtime_ns: row.get("file_mtime_ns")?.as_i64()?,
        })
    }
}

/// The rows of the file at `path`: at least one.
pub fn rows(path: &Path) -> Vec<Row> {
    let mut head = Row::new();
    head.insert("file".into(), json!(path.to_string_lossy()));
    head.insert("catalogue_version".into(), json!(VERSION));
    let found = match Identity::of(path) {
        Ok(identity) => {
            head.insert("file_bytes".into(), json!(identity.bytes));
            head.insert("file_mtime_ns".into(), json!(identity.mtime_ns));
            of_file(path)
        }
        Err(error) => vec![failed(&error)],
    };
    let complete = |row: Row| {
        let mut all = head.clone();
        all.extend(row.into_iter().filter(|(_, value)| !value.is_null()));
        all
    };
    found.into_iter().map(complete).collect()
}

fn failed(error: &impl std::fmt::Display) -> Row {
    Row::from_iter([("error".to_owned(), json!(error.to_string()))])
}

fn of_file(path: &Path) -> Vec<Row> {
    let source = match SourceFile::open(path) {
        Ok(source) => source,
        Err(fault) => return vec![failed(&fault)],
    };
    let processes = Processes::of(&source);
    let rows = source
        .tokens()
        .filter_map(|token| of_dataset(&source, &token, &processes));
    let rows: Vec<Row> = rows.collect();
    match rows.is_empty() {
        // The file was read, and there is nothing in it.
        true => vec![Row::new()],
        false => rows,
    }
}

/// The row of a dataset; `None` where it is too small for one.
fn of_dataset(source: &SourceFile, token: &Token, processes: &Processes) -> Option<Row> {
    let path = source.tree.path(token).unwrap_or_default();
    let outcome = source.dataset(token).and_then(|dataset| {
        let is_small = dataset.raw_bytes() < LEAST_BYTES && dataset.filters.is_empty();
        if is_small {
            return Ok(None);
        }
        let inspection = inspect(&dataset, Depth::Headers, || ())?;
        Ok(Some(describe(&dataset, &inspection, processes)))
    });
    let mut row = match outcome {
        Ok(row) => row?,
        Err(fault) => failed(&fault),
    };
    row.insert("dataset".into(), json!(path));
    row.extend(surroundings(&source.id, path));
    Some(row)
}

fn describe(dataset: &Dataset, inspection: &Inspection, processes: &Processes) -> Row {
    let id = dataset.open.id();
    let text = |key: &str| {
        attribute::read_text(id, &format!("etalon_{key}"))
            .ok()
            .flatten()
    };
    let number = |key: &str| {
        attribute::read_number(id, &format!("etalon_{key}"))
            .ok()
            .flatten()
    };
    let losses = provenance::losses(&dataset.open).unwrap_or(0);
    let promised = inspection.guarantee.as_deref();
    let lossy = match (promised, inspection.max_abs_error) {
        _ if losses > 0 => Some(true),
        (Some(class), _) => Some(class != "lossless"),
        (None, Some(error)) => Some(error > 0.0),
        (None, None) => None,
    };
    let mut row = json!({
        "dtype": inspection.dtype,
        "shape": joined(&inspection.shape),
        "chunk": inspection.chunk.as_deref().map(joined),
        "chunks": inspection.chunks,
        "damaged_chunks": inspection.damaged.len(),
        "spec": inspection.spec,
        "codec": commonest(inspection),
        "lossy": lossy,
        "guarantee": inspection.guarantee,
        "bound_asked": inspection.bound_asked,
        "bound_unit": text("bound_unit"),
        "max_abs_error": inspection.max_abs_error,
        "max_sigma_error": inspection.max_sigma_error,
        "mean_error": inspection.mean_error,
        "rms_error": number("rms_error"),
        "exceptions": inspection.exceptions,
        "synthetic_background": inspection.synthetic_background,
        "losses": losses,
        "raw_bytes": inspection.raw_bytes,
        "stored_bytes": inspection.stored_bytes,
        "ratio": inspection.ratio,
        "loss_spec": text("parameters"),
        "source_file": text("source_file"),
        "source_sha256": text("source_sha256"),
        "recorded_metrics": text("metrics"),
    });
    let row = std::mem::take(row.as_object_mut().unwrap_or(&mut Map::new()));
    with_process(
        row,
        processes.of_dataset(&dataset.path, text("process").as_deref()),
    )
}

/// The codec of most chunks.
fn commonest(inspection: &Inspection) -> Option<&str> {
    let most = inspection.codecs.iter().max_by_key(|(_, chunks)| **chunks);
    most.map(|(codec, _)| codec.split([':', ' ']).next().unwrap_or_default())
}

/// Extents as `etalon measure --lines` writes them.
fn joined(extents: &[u64]) -> String {
    let words: Vec<String> = extents.iter().map(u64::to_string).collect();
    words.join(" ")
}

/// What the entry around a dataset says.
fn surroundings(file: &Id, path: &str) -> Row {
    let holder = nexus::entry_of(file, path);
    let Ok(entry) = open(file, &holder) else {
        return Row::new();
    };
    let first = |paths: &[&str]| paths.iter().find_map(|path| nexus::text(&entry, path));
    let definition = first(&["definition"]);
    let definition = definition.or_else(|| {
        let is_exchange = ["theta", "data_white"].map(|name| format!("/exchange/{name}"));
        let found = is_exchange.iter().any(|path| open(file, path).is_ok());
        (path.starts_with("/exchange/") && found).then(|| DATA_EXCHANGE.to_owned())
    });
    let row = [
        ("definition", definition),
        ("sample_name", first(&["sample/name"])),
        (
            "beamline",
            first(&["instrument/beamline", "instrument/name"]),
        ),
        (
            "proposal",
            first(&["experiment_identifier", "proposal_identifier"]),
        ),
        ("start_time", first(&["start_time"])),
        ("end_time", first(&["end_time"])),
    ];
    row.into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

/// The format of tomography at the APS (<https://dxfile.readthedocs.io>), which names itself nowhere.
const DATA_EXCHANGE: &str = "DataExchange";

/// The technique in one word, from the application definition of NeXus.
pub(crate) fn technique(definition: &str) -> Option<&'static str> {
    const TECHNIQUES: &[(&str, &str)] = &[
        ("NXtomo", "tomography"),
        (DATA_EXCHANGE, "tomography"),
        ("NXxpcs", "xpcs"),
        ("NXmx", "mx"),
        ("NXcanSAS", "saxs"),
        ("NXsas", "saxs"),
        ("NXptycho", "ptychography"),
        ("NXcxi_ptycho", "ptychography"),
        ("NXmpes", "photoemission"),
        ("NXarpes", "photoemission"),
        ("NXmonopd", "powder"),
        ("NXxrd", "powder"),
        ("NXem", "em"),
        ("NXfluo", "fluorescence"),
        ("NXxas", "xas"),
        ("NXstxm", "microscopy"),
    ];
    let known = TECHNIQUES
        .iter()
        .find(|(prefix, _)| definition.starts_with(prefix));
    known.map(|(_, technique)| *technique)
}

/// The NXprocess groups that this program wrote.
struct Processes(Vec<Process>);

struct Process {
    path: String,
    index: u64,
    version: Option<String>,
    date: Option<String>,
    source: Option<String>,
}

impl Processes {
    fn of(source: &SourceFile) -> Self {
        let own = nexus::processes(source)
            .into_iter()
            .filter_map(|(path, group)| {
                (nexus::text(&group, "program")? == nexus::PROGRAM).then_some(())?;
                let index = scalar::read_number(&group, "sequence_index").ok().flatten();
                Some(Process {
                    path,
                    index: index.unwrap_or(0.0) as u64,
                    version: nexus::text(&group, "version"),
                    date: nexus::text(&group, "date"),
                    source: nexus::text(&group, "source/file_name"),
                })
            });
        Self(own.collect())
    }

    /// The one that the dataset names, else the latest of the groups around it.
    fn of_dataset(&self, dataset: &str, named: Option<&str>) -> Option<&Process> {
        let by_name = self
            .0
            .iter()
            .find(|process| Some(process.path.as_str()) == named);
        let around = self.0.iter().filter(|process| {
            let holder = process
                .path
                .rsplit_once('/')
                .map_or("", |(holder, _)| holder);
            !holder.is_empty() && dataset.starts_with(&format!("{holder}/"))
        });
        by_name.or_else(|| around.max_by_key(|process| process.index))
    }
}

fn with_process(mut row: Row, process: Option<&Process>) -> Row {
    let Some(process) = process else {
        return row;
    };
    row.insert("process".into(), json!(process.path));
    row.insert("process_program".into(), json!(nexus::PROGRAM));
    row.insert("process_version".into(), json!(process.version));
    row.insert("process_date".into(), json!(process.date));
    row.insert("process_sequence_index".into(), json!(process.index));
    if let Some(source) = &process.source {
        row.insert("source_file".into(), json!(source));
    }
    row
}
