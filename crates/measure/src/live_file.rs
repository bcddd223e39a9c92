//! A file that frames are added to while others read it: one chunk per frame, in NeXus groups.
//!
//! ```text
//! /entry                     NXentry: start_time, end_time
//! /entry/instrument/detector NXdetector
//!     data                   frame n is data[n − first number]; encoded by the caller
//!     frame_number           the detector's number of each frame; 2⁶⁴ − 1 where there is none
//!     timestamp              nanoseconds since 1970; 2⁶⁴ − 1 where there is none
//!     max_abs_error, sum_error, sum_squared_error   where the codec loses: the loss of each frame
//! /entry/data                NXdata: data and frame_number once more
//! ```
//!
//! * Everything that has a name is created before SWMR begins, as HDF5 demands, also what is known at the end only:
//!   [`LiveFile::finish`] overwrites it. So nothing that frames need moves to the end of the file, where it would be
//!   lost first if the file is cut. A file with an `end_time` of spaces was not finished.
//! * A flush writes the frames first and their numbers after them: a frame whose number can be read can be read.
//! * The format is that of HDF5 1.10, so that every reader since knows it.
//! * Before every frame there must be space for it and some more, so that the file can be closed on a full disk.

use std::path::{Path, PathBuf};

use etalon_codec::{ByteOrder, Certificate, Element, ElementClass};

use crate::disk_space::free_bytes;
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::growing::{self, Growing};
use crate::hdf5::{H5Error, Id, Result as H5Result, attribute, chunk, file, object};
use crate::timestamp;

const DETECTOR: &str = "/entry/instrument/detector";
const DATA: &str = "/entry/instrument/detector/data";
/// Rows of the columns beside the frames that HDF5 stores together.
const ROWS_PER_CHUNK: u64 = 1024;
/// Numbers of frames wait in memory until the next flush, but no more than these.
const MOST_WAITING: usize = 1024;

/// How the frames of a file are stored.
#[derive(Debug, Clone)]
pub struct FrameFormat {
    /// Element type.
    pub element: Element,
    /// Shape of a frame.
    pub frame_shape: Vec<u64>,
    /// The filter of the chunks.
    pub filter_id: u32,
    /// Its values.
    pub cd_values: Vec<u32>,
    /// The codec's name.
    pub codec: &'static str,
    /// The SPEC.
    pub parameters: String,
    /// `max` or `standard` where the codec loses; `None` where it does not.
    pub loss: Option<&'static str>,
}

/// A frame beside its pixels.
#[derive(Debug, Clone, Copy)]
pub struct FrameRecord {
    /// Its place in the dataset.
    pub index: u64,
    /// The detector's number.
    pub number: u64,
    /// Nanoseconds since 1970.
    pub timestamp_ns: u64,
    /// What encoding it lost.
    pub certificate: Certificate,
}

/// What is known at the end.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Length of the dataset: one more than the last index that any frame had, written or lost.
    pub rows: u64,
    /// Frames that were written.
    pub frames_written: u64,
    /// Frames that were not.
    pub frames_lost: u64,
    /// First and last number of each run of lost frames.
    pub lost: Vec<(u64, u64)>,
    /// Whether `lost` names all of them.
    pub lost_is_complete: bool,
    /// Promise and loss of all frames together.
    pub certificate: Certificate,
}

/// A file that is being written.
pub struct LiveFile {
    file: Id,
    path: PathBuf,
    data: OpenDataset,
    columns: Vec<(&'static Column, OpenDataset)>,
    /// Current shape of `data`.
    shape: Vec<u64>,
    waiting: Vec<FrameRecord>,
    /// Rows as they are stored, one column at a time.
    bytes: Vec<u8>,
    spare_bytes: u64,
    elements_per_frame: u64,
    format: FrameFormat,
}

impl LiveFile {
    /// Creates the file, which must not exist; others may read it when this returns. Once no more than `spare_bytes` are
    /// free on its disk, frames are refused.
    pub fn create(path: &Path, format: FrameFormat, spare_bytes: u64) -> Result<Self, String> {
        let create = || -> H5Result<Self> {
            let file = growing::create_file(path)?;
            let (data, columns) = create_objects(&file, &format)?;
            growing::flush_file(&file)?;
            growing::start_swmr(&file)?;
            let mut shape = vec![0];
            shape.extend(&format.frame_shape);
            Ok(Self {
                file,
                path: path.to_owned(),
                data,
                columns,
                shape,
                waiting: Vec::with_capacity(MOST_WAITING),
                bytes: Vec::with_capacity(8 * MOST_WAITING),
                spare_bytes,
                elements_per_frame: format.frame_shape.iter().product(),
                format,
            })
        };
        create().map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Adds a frame, which `stored` is as the filter wants it. Each index is used once.
    pub fn write(&mut self, frame: &FrameRecord, stored: &[u8]) -> Result<(), String> {
        if self.waiting.len() == MOST_WAITING {
            self.flush()?;
        }
        self.check_space(stored.len() as u64)?;
        self.write_chunk(frame, stored)
            .map_err(|error| self.describe(&error))?;
        self.waiting.push(*frame);
        Ok(())
    }

    fn check_space(&self, needed: u64) -> Result<(), String> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let free = free_bytes(folder).map_err(|error| self.describe(&error))?;
        if free >= needed.saturating_add(self.spare_bytes) {
            return Ok(());
        }
        Err(format!(
            "{}: the disk is full: {free} bytes are free, a frame takes {needed} and {} are kept to close the file",
            self.path.display(),
            self.spare_bytes
        ))
    }

    fn write_chunk(&mut self, frame: &FrameRecord, stored: &[u8]) -> H5Result<()> {
        if frame.index >= self.shape[0] {
            self.shape[0] = frame.index + 1;
            self.data.resize(&self.shape)?;
        }
        let mut offset = [0; 33];
        offset[0] = frame.index;
        chunk::write(&self.data, &offset[..self.shape.len()], 0, stored)
    }

    /// Hands everything so far to the operating system: readers see it from here on, also if this process is killed.
    pub fn flush(&mut self) -> Result<(), String> {
        self.flush_rows().map_err(|error| self.describe(&error))
    }

    fn flush_rows(&mut self) -> H5Result<()> {
        self.data.flush()?;
        self.waiting.sort_unstable_by_key(|frame| frame.index);
        for (column, dataset) in &self.columns {
            dataset.resize(&self.shape[..1])?;
            // Runs without a gap are written at once.
            for run in self.waiting.chunk_by(|a, b| a.index + 1 == b.index) {
                self.bytes.clear();
                self.bytes.extend(run.iter().flat_map(column.value));
                dataset.write_rows(run[0].index, &self.bytes)?;
            }
            dataset.flush()?;
        }
        self.waiting.clear();
        // The end of the file, which h5clear does not find out by itself.
        growing::flush_file(&self.file)
    }

    /// Closes the file and writes down how it went. What fails does not keep the rest from being tried.
    pub fn finish(mut self, ending: &Ending) -> Result<(), String> {
        let mut outcome = Ok(());
        if ending.rows > self.shape[0] {
            self.shape[0] = ending.rows;
            outcome = self.data.resize(&self.shape);
        }
        let outcome = outcome.map_err(|error| self.describe(&error));
        let outcome = outcome.and(self.flush());
        let Self {
            file,
            path,
            data,
            columns,
            format,
            elements_per_frame,
            ..
        } = self;
        drop((data, columns));
        let describe = |error: H5Error| format!("{}: {error}", path.display());
        let closed = file::close(file).map_err(describe);
        let elements = elements_per_frame * ending.frames_written;
        let described = match closed {
            // HDF5 still holds the file.
            Err(_) => Ok(()),
            Ok(()) => write_ending(&path, &format, ending, elements).map_err(describe),
        };
        outcome.and(closed).and(described)
    }

    fn describe(&self, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.path.display())
    }
}

/// A number of 8 bytes for each frame, beside the frames.
#[derive(Debug)]
struct Column {
    name: &'static str,
    class: ElementClass,
    fill: [u8; 8],
    value: fn(&FrameRecord) -> [u8; 8],
    only_with_loss: bool,
}

const NONE: [u8; 8] = u64::MAX.to_le_bytes();
const NAN: [u8; 8] = f64::NAN.to_le_bytes();

static COLUMNS: [Column; 5] = [
    Column {
        name: "frame_number",
        class: ElementClass::Unsigned,
        fill: NONE,
        value: |frame| frame.number.to_le_bytes(),
        only_with_loss: false,
    },
    Column {
        name: "timestamp",
        class: ElementClass::Unsigned,
        fill: NONE,
        value: |frame| frame.timestamp_ns.to_le_bytes(),
        only_with_loss: false,
    },
    Column {
        name: "max_abs_error",
        class: ElementClass::Float,
        fill: NAN,
        value: |frame| frame.certificate.loss.max_abs_error.to_le_bytes(),
        only_with_loss: true,
    },
    Column {
        name: "sum_error",
        class: ElementClass::Float,
        fill: NAN,
        value: |frame| frame.certificate.loss.sum_error.to_le_bytes(),
        only_with_loss: true,
    },
    Column {
        name: "sum_squared_error",
        class: ElementClass::Float,
        fill: NAN,
        value: |frame| frame.certificate.loss.sum_squared_error.to_le_bytes(),
        only_with_loss: true,
    },
];

type Objects = (OpenDataset, Vec<(&'static Column, OpenDataset)>);

/// Creates everything that the file will hold.
fn create_objects(file: &Id, format: &FrameFormat) -> H5Result<Objects> {
    let root = object::open(file, "/")?;
    attribute::write_text(&root, "default", "entry")?;
    let entry = create_group(file, "/entry", "NXentry")?;
    attribute::write_text(&entry, "default", "data")?;
    let now = timestamp::now();
    growing::create_text(&entry, "start_time", &now)?;
    growing::create_text(&entry, "end_time", &" ".repeat(now.len()))?;
    create_group(file, "/entry/instrument", "NXinstrument")?;
    let detector = create_group(file, DETECTOR, "NXdetector")?;
    attribute::write_count(&detector, "frames_written", 0)?;
    attribute::write_count(&detector, "frames_lost", 0)?;
    let data = create_data(&detector, format)?;
    let mut columns = Vec::new();
    for column in &COLUMNS {
        if !column.only_with_loss || format.loss.is_some() {
            columns.push((column, column.create(&detector)?));
        }
    }
    let timestamp = object::open(&detector, "timestamp")?;
    attribute::write_text(&timestamp, "units", "ns")?;
    let plot = create_group(file, "/entry/data", "NXdata")?;
    attribute::write_text(&plot, "signal", "data")?;
    growing::link(file, DATA, "/entry/data/data")?;
    let numbers = format!("{DETECTOR}/frame_number");
    growing::link(file, &numbers, "/entry/data/frame_number")?;
    Ok((data, columns))
}

fn create_group(file: &Id, path: &str, class: &str) -> H5Result<Id> {
    let group = growing::create_group(file, path)?;
    attribute::write_text(&group, "NX_class", class)?;
    Ok(group)
}

fn create_data(detector: &Id, format: &FrameFormat) -> H5Result<OpenDataset> {
    let mut chunk = vec![1];
    chunk.extend(&format.frame_shape);
    let data = Growing {
        element: format.element,
        chunk: &chunk,
        filter: Some((format.filter_id, &format.cd_values)),
        fill: None,
    }
    .create(detector, "data")?;
    if let Some(mode) = format.loss {
        for (name, value) in [
            ("etalon_codec", format.codec),
            ("etalon_version", env!("CARGO_PKG_VERSION")),
            ("etalon_parameters", &format.parameters),
            ("etalon_mode", mode),
        ] {
            attribute::write_text(data.id(), name, value)?;
        }
        create_loss(data.id())?;
    }
    Ok(data)
}

impl Column {
    fn create(&self, detector: &Id) -> H5Result<OpenDataset> {
        let element = Element {
            class: self.class,
            bytes: 8,
            order: ByteOrder::Little,
        };
        Growing {
            element,
            chunk: &[ROWS_PER_CHUNK],
            filter: None,
            fill: Some(&self.fill),
        }
        .create(detector, self.name)
    }
}

/// Writes what is known at the end only: the time, what was lost on the way, and the record of the codec's loss.
fn write_ending(path: &Path, format: &FrameFormat, ending: &Ending, elements: u64) -> H5Result<()> {
    growing::change_file(path, |file| {
        if format.loss.is_some() {
            let data = object::open(file, DATA)?;
            write_loss(&data, &ending.certificate, elements)?;
        }
        write_counts(file, ending)?;
        let end_time = object::open(file, "/entry/end_time")?;
        growing::write_text(&end_time, &timestamp::now())
    })
}

fn write_counts(file: &Id, ending: &Ending) -> H5Result<()> {
    let detector = object::open(file, DETECTOR)?;
    attribute::rewrite_count(&detector, "frames_written", ending.frames_written)?;
    attribute::rewrite_count(&detector, "frames_lost", ending.frames_lost)?;
    if !ending.lost.is_empty() {
        let runs: Vec<u64> = ending.lost.iter().flat_map(|run| [run.0, run.1]).collect();
        attribute::write_counts(&detector, "frames_lost_runs", &runs)?;
        let complete = u64::from(ending.lost_is_complete);
        attribute::write_count(&detector, "frames_lost_runs_complete", complete)?;
    }
    Ok(())
}

/// The record of the codec's loss as docs/FORMAT.md has it, before anything is known.
fn create_loss(data: &Id) -> H5Result<()> {
    for name in ["etalon_guarantee", "etalon_bound_unit"] {
        attribute::write_text(data, name, "")?;
    }
    for name in NUMBERS_OF_LOSS.into_iter().chain([SIGMA]) {
        attribute::write_number(data, name, f64::NAN)?;
    }
    attribute::write_count(data, "etalon_synthetic_background", 0)?;
    attribute::write_count(data, "etalon_exceptions", 0)
}

const NUMBERS_OF_LOSS: [&str; 4] = [
    "etalon_bound_asked",
    "etalon_max_abs_error",
    "etalon_mean_error",
    "etalon_rms_error",
];
const SIGMA: &str = "etalon_max_sigma_error";

fn write_loss(data: &Id, certificate: &Certificate, elements: u64) -> H5Result<()> {
    let loss = &certificate.loss;
    let mean = |sum: f64| sum / elements.max(1) as f64;
    attribute::rewrite_text(data, "etalon_guarantee", certificate.guarantee.name())?;
    attribute::rewrite_text(data, "etalon_bound_unit", certificate.bound_unit.name())?;
    match loss.max_sigma_error {
        Some(error) => attribute::rewrite_number(data, SIGMA, f64::from(error))?,
        None => attribute::delete(data, SIGMA)?,
    }
    let values = [
        certificate.bound_asked,
        loss.max_abs_error,
        mean(loss.sum_error),
        mean(loss.sum_squared_error).sqrt(),
    ];
    for (name, value) in NUMBERS_OF_LOSS.into_iter().zip(values) {
        attribute::rewrite_number(data, name, value)?;
    }
    let synthetic = u64::from(certificate.synthetic_background);
    attribute::rewrite_count(data, "etalon_synthetic_background", synthetic)?;
    attribute::rewrite_count(data, "etalon_exceptions", loss.exceptions)
}
