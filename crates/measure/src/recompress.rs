//! `recompress`: a copy of a file in which datasets are stored by another codec, and everything else is as it was.
//!
//! The copy is written under a temporary name, synced, closed, opened again and compared with the source chunk by chunk,
//! and only then gets its name (`staged_file`). Links that lead out of the file (soft, external, virtual datasets) are
//! copied as they are, so relative ones hold if the copy stands in the source's folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::anyhow;
use etalon_codec::{Certificate, Spec};

use crate::chunk_encoder::ChunkEncoder;
use crate::chunk_source::ChunkSource;
use crate::compression_record::{CompressedDataset, CompressionRecord, Measures, ratio};
use crate::dataset::Dataset;
use crate::disk_space::free_bytes;
use crate::events::{Event, Observer, Phase};
use crate::fault::{Blame, Fault};
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::object::Token;
use crate::hdf5::{BySide, Id, Result as H5Result, file};
use crate::known_filters::filter_name;
use crate::loss::DatasetLoss;
use crate::pipeline::Pipeline;
use crate::plan::{FLETCHER32, Plan, Recoding, Treatment};
use crate::process_group::{self, Process};
use crate::recode::{Crew, Written, compare, encode};
use crate::source_file::SourceFile;
use crate::staged_file::StagedFile;
use crate::tree_copy::TreeCopy;
use crate::value_copy::{check, copy_chunks, copy_values};
use crate::{icat, nexus, provenance, timestamp};

/// How to recompress.
#[derive(Debug, Clone)]
pub struct Options {
    /// Glob patterns of dataset paths to recompress; empty means every dataset of [`LEAST_BYTES`] and more that the
    /// codec takes. Everything else is copied as it is.
    pub datasets: Vec<String>,
    /// Where a loss is put: `None` for the codec's own frames; otherwise into the values, which are then stored losslessly
    /// in this stream of bitshuffle, readable without any plugin of etalon's.
    pub stream: Option<Spec>,
    /// Chunk shape to write, for datasets of that rank; others keep theirs.
    pub chunk: Option<Vec<u64>>,
    /// Number of threads, the calling one included.
    pub jobs: usize,
    /// Read everything back and compare before the destination gets its name.
    pub verify: bool,
    /// Replace a destination that exists.
    pub force: bool,
    /// Write an NXprocess group: wherever values may have lost, and otherwise into entries of NeXus.
    pub provenance: bool,
    /// What was measured before of this codec, by the path of the dataset; an empty path is all of them.
    pub measures: BTreeMap<String, Measures>,
    /// A record for ICAT to write.
    pub icat: Option<icat::Request>,
}

/// Datasets below this decoded size stay as they are, unless named.
pub const LEAST_BYTES: u64 = 16 << 10;

/// Space that a copy may take, in sizes of the source: codecs differ, and what was stored better before grows.
const SPACE_MARGIN: f64 = 1.1;

/// Writes a copy of `source` to `destination` with datasets stored as `spec` says, and returns [`Event::Done`].
///
/// `stop` is looked at between chunks; once it is true the run ends with [`Fault::Interrupted`] and no destination.
/// A fault is also told to `observer`, as [`Event::Error`].
pub fn recompress(
    source: &Path,
    destination: &Path,
    spec: &Spec,
    options: &Options,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Event, Fault> {
    let outcome = Run {
        spec,
        options,
        stop,
        observer,
        began: Instant::now(),
    }
    .run(source, destination);
    match &outcome {
        Ok(done) => observer.event(done),
        Err(fault) => observer.event(&Event::Error {
            message: fault.to_string(),
            exit_code: fault.exit_code(),
        }),
    }
    outcome
}

struct Run<'a> {
    spec: &'a Spec,
    options: &'a Options,
    stop: &'a AtomicBool,
    observer: &'a mut dyn Observer,
    began: Instant,
}

/// A dataset that has been recoded.
struct Recoded<'a> {
    dataset: &'a Dataset,
    recoding: &'a Recoding,
    chunks: usize,
    seconds: f64,
    summary: CompressedDataset,
    /// Known from the chunks' certificates, or from reading back.
    max_abs_error: Option<f64>,
    loss: Option<DatasetLoss>,
}

impl Run<'_> {
    fn run(&mut self, source_path: &Path, destination: &Path) -> Result<Event, Fault> {
        let source = SourceFile::open_complete(source_path)?;
        let staged = StagedFile::new(source_path, destination, self.options.force)?;
        let plan = Plan::new(&source, self.spec, self.options)?;
        let process = self.process(&source)?;
        let request = self.options.icat.as_ref();
        let icat = request.map(|icat| icat.complete(&source, destination, &process.source));
        let icat = icat.transpose()?;
        let little_space = little_space(source_path, &staged)?;
        self.observer.event(&Event::Start {
            source: source_path.display().to_string(),
            destination: destination.display().to_string(),
            codec: self.spec.to_string(),
            datasets: plan.recoded.len(),
            raw_bytes: plan
                .recoded
                .iter()
                .map(|(_, dataset)| dataset.raw_bytes())
                .sum(),
            source_bytes: plan.source_bytes,
            warnings: little_space.into_iter().collect(),
        });
        let mut warnings = plan.warnings.clone();
        let mut recoded = self.write(&source, &plan, &staged, &process, &mut warnings)?;
        copy_userblock(&source, &staged)?;
        staged.sync()?;
        if self.options.verify {
            self.verify(&staged, &mut recoded)?;
        }
        for dataset in &recoded {
            self.observer.event(&dataset.event());
        }
        check(self.stop)?;
        let done = self.done(&recoded, source_path, &staged, warnings)?;
        staged.finish()?;
        if let Some(icat) = icat {
            let summaries = recoded.iter().map(|recoded| recoded.summary.clone());
            icat.write(&self.record(summaries.collect()), &process)?;
        }
        Ok(done)
    }

    /// What the run says of itself.
    fn process(&self, source: &SourceFile) -> Result<Process, Fault> {
        let path = fs::canonicalize(source.path());
        Ok(Process {
            date: timestamp::now(),
            sequence_index: nexus::last_sequence_index(source) + 1,
            source: path.input(|| "the source is gone".into())?,
            stream: self.options.stream.clone(),
        })
    }

    fn record(&self, datasets: Vec<CompressedDataset>) -> CompressionRecord {
        CompressionRecord {
            spec: self.spec.to_string(),
            mode: match self.options.stream {
                Some(_) => "standard",
                None => "max",
            },
            datasets,
        }
    }

    fn write<'p>(
        &mut self,
        source: &SourceFile,
        plan: &'p Plan,
        staged: &StagedFile,
        process: &Process,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Recoded<'p>>, Fault> {
        let destination = file::create_like(staged.path(), &source.id)
            .output(|| format!("cannot create {}", staged.path().display()))?;
        let mut copy = TreeCopy::new(source, &destination, plan)?;
        for step in &source.tree.steps {
            check(self.stop)?;
            copy.make(step)?;
        }
        for token in &source.tree.order {
            check(self.stop)?;
            copy.copy_attributes(token)?;
        }
        self.copy_untouched(source, plan, &mut copy)?;
        let mut recoded = Vec::new();
        for (token, dataset) in &plan.recoded {
            recoded.push(self.recode(plan, token, dataset, &mut copy, warnings)?);
        }
        if copy.dangling > 0 {
            warnings.push(format!(
                "{} references lead nowhere; they are null in the copy",
                copy.dangling
            ));
        }
        if plan.recoded.is_empty() {
            warnings.push("no dataset was recompressed".into());
        }
        drop(copy);
        if self.options.provenance {
            self.write_process(&destination, process, &recoded)
                .output(|| "the record of what was done cannot be written".into())?;
        }
        file::close(destination).output(|| format!("cannot write {}", staged.path().display()))?;
        Ok(recoded)
    }

    /// Writes the NXprocess groups, and the way to them to datasets that have a record of loss.
    fn write_process(&self, file: &Id, process: &Process, recoded: &[Recoded<'_>]) -> H5Result<()> {
        let mut holders: BTreeMap<String, Vec<CompressedDataset>> = BTreeMap::new();
        for recoded in recoded {
            let holder = nexus::entry_of(file, &recoded.dataset.path);
            if holder != "/" || recoded.loss.is_some() {
                holders
                    .entry(holder)
                    .or_default()
                    .push(recoded.summary.clone());
            }
        }
        for (holder, datasets) in holders {
            let record = self.record(datasets);
            let path = process_group::write(file, &holder, process, &record)?;
            for dataset in recoded.iter().filter(|recoded| recoded.loss.is_some()) {
                if record.holds(&dataset.summary.path) {
                    let copy = OpenDataset::open(file, &dataset.summary.path, None)?;
                    provenance::write_process(&copy, &path)?;
                }
            }
        }
        Ok(())
    }

    fn copy_untouched(
        &mut self,
        source: &SourceFile,
        plan: &Plan,
        copy: &mut TreeCopy<'_>,
    ) -> Result<(), Fault> {
        for token in source.tokens() {
            let treatment = &plan.treatments[&token];
            if !matches!(treatment, Treatment::Chunks | Treatment::Values) {
                continue;
            }
            let dataset = source.dataset(&token)?;
            let (stop, observer) = (self.stop, &mut *self.observer);
            let mut progress = |bytes| observer.advance(Phase::Copy, &dataset.path, bytes);
            copy.copy_values(&token, |destination, remap| match treatment {
                Treatment::Chunks => {
                    copy_chunks(&dataset, destination, &|_| false, stop, &mut progress)
                }
                _ => copy_values(
                    &dataset,
                    destination,
                    remap,
                    &|_| false,
                    stop,
                    &mut progress,
                ),
            })?;
        }
        Ok(())
    }

    fn recode<'p>(
        &mut self,
        plan: &'p Plan,
        token: &Token,
        dataset: &'p Dataset,
        copy: &mut TreeCopy<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Recoded<'p>, Fault> {
        let began = Instant::now();
        let Treatment::Recode(recoding) = &plan.treatments[token] else {
            return Err(Fault::Arguments(anyhow!(
                "{} is not to be recompressed",
                dataset.path
            )));
        };
        let chunks = ChunkSource::new(dataset, Some(&recoding.chunk))?;
        let pipeline = Pipeline::of(&recoding.filters)
            .ok_or_else(|| Fault::Arguments(anyhow!("the codec has no filter in this program")))?;
        let encoder = ChunkEncoder {
            codec: self.spec,
            layout: &recoding.layout,
            loss: recoding.loss,
            pipeline,
        };
        let crew = Crew {
            jobs: self.options.jobs,
            stop: self.stop,
        };
        let mut written = Written::default();
        let mut summary = self.summary(dataset, recoding, &chunks);
        let observer = &mut *self.observer;
        let mut progress = |bytes| observer.advance(Phase::Encode, &dataset.path, bytes);
        copy.copy_values(token, |destination, _| {
            written = encode(&chunks, destination, &encoder, crew, &mut progress)
                .map_err(|fault| fault.context(dataset.path.clone()))?;
            summary.stored_bytes = written.stored_bytes;
            if let Some(loss) = &mut written.loss {
                let said = loss
                    .judge_refusals()
                    .map_err(|fault| fault.context(dataset.path.clone()))?;
                warnings.extend(said.map(|said| format!("{}: {said}", dataset.path)));
                let mut record =
                    provenance::record(&encoder, dataset, &chunks, loss, written.stored_bytes)?;
                record.measures.clone_from(&summary.measures);
                warnings.extend(provenance::write(&record, dataset, destination)?);
                summary.certificate = record.certificate;
                summary.source_sha256 = record.source_sha256;
            }
            let losses = provenance::losses(destination);
            summary.losses = losses.output(|| format!("{}: its records", dataset.path))?;
            Ok(())
        })?;
        Ok(Recoded {
            dataset,
            recoding,
            chunks: chunks.len(),
            summary,
            seconds: began.elapsed().as_secs_f64(),
            max_abs_error: written
                .loss
                .as_ref()
                .map(|loss| loss.certificate.loss.max_abs_error),
            loss: written.loss,
        })
    }

    /// What is known of a dataset before it is written.
    fn summary(
        &self,
        dataset: &Dataset,
        recoding: &Recoding,
        chunks: &ChunkSource<'_>,
    ) -> CompressedDataset {
        let units = nexus::text_attribute(dataset.open.id(), "units");
        // A checksum is no codec.
        let filters = (recoding.filters.iter()).filter(|filter| filter.id != FLETCHER32);
        CompressedDataset {
            path: dataset.path.clone(),
            raw_bytes: (0..chunks.len())
                .map(|index| chunks.inside_bytes(index))
                .sum(),
            stored_bytes: 0,
            elements: dataset.raw_bytes() / dataset.open.element_bytes as u64,
            certificate: Certificate::default(),
            losses: 0,
            source_sha256: String::new(),
            units: units.ok().flatten(),
            filters: filters
                .map(|filter| filter_name(filter.id, &filter.name))
                .collect(),
            measures: self.measures(&dataset.path),
        }
    }

    fn measures(&self, dataset: &str) -> Measures {
        let known = &self.options.measures;
        let found = known.get(dataset).or_else(|| known.get(""));
        found.cloned().unwrap_or_default()
    }

    /// Opens the copy anew and compares what was recoded with the source.
    fn verify(&mut self, staged: &StagedFile, recoded: &mut [Recoded<'_>]) -> Result<(), Fault> {
        let copy =
            file::open(staged.path()).by_side(|| "the copy cannot be opened again".into())?;
        for dataset in recoded {
            let began = Instant::now();
            self.verify_dataset(&copy, dataset)
                .map_err(|fault| fault.context(dataset.dataset.path.clone()))?;
            dataset.max_abs_error = dataset.max_abs_error.or(Some(0.0));
            dataset.seconds += began.elapsed().as_secs_f64();
        }
        Ok(())
    }

    fn verify_dataset(&mut self, copy: &Id, recoded: &Recoded<'_>) -> Result<(), Fault> {
        let source = recoded.dataset;
        if let Some(loss) = &recoded.loss {
            loss.check_bound()?;
        }
        let copy = Dataset::open(copy, &source.path).map_err(|error| {
            Fault::Check(anyhow!(error).context("the copy cannot be opened again"))
        })?;
        let (Some(element), true) = (&source.element, copy.element == source.element) else {
            return Err(Fault::Check(anyhow!("the copy has another element type")));
        };
        let source_chunks = ChunkSource::new(source, Some(&recoded.recoding.chunk))?;
        let copy_chunks = ChunkSource::new(&copy, None)?;
        let crew = Crew {
            jobs: self.options.jobs,
            stop: self.stop,
        };
        let observer = &mut *self.observer;
        let mut progress = |bytes| observer.advance(Phase::Verify, &source.path, bytes);
        compare(
            &source_chunks,
            &copy_chunks,
            element,
            recoded.loss.as_ref(),
            crew,
            &mut progress,
        )
    }

    fn done(
        &self,
        recoded: &[Recoded<'_>],
        source: &Path,
        staged: &StagedFile,
        warnings: Vec<String>,
    ) -> Result<Event, Fault> {
        let size = |path: &Path| fs::metadata(path).map(|metadata| metadata.len());
        let raw_bytes = recoded.iter().map(|each| each.summary.raw_bytes).sum();
        let stored_bytes = recoded.iter().map(|each| each.summary.stored_bytes).sum();
        let mut errors = recoded.iter().map(|dataset| dataset.max_abs_error);
        Ok(Event::Done {
            datasets: recoded.len(),
            raw_bytes,
            source_bytes: recoded
                .iter()
                .map(|dataset| dataset.dataset.stored_bytes)
                .sum(),
            stored_bytes,
            ratio: ratio(raw_bytes, stored_bytes),
            source_file_bytes: size(source).input(|| "the source is gone".into())?,
            file_bytes: size(staged.path()).output(|| "the copy is gone".into())?,
            seconds: self.began.elapsed().as_secs_f64(),
            max_abs_error: errors.try_fold(0.0, |most, error| Some(error?.max(most))),
            warnings,
        })
    }
}

impl Recoded<'_> {
    fn event(&self) -> Event {
        Event::Dataset {
            dataset: self.dataset.path.clone(),
            raw_bytes: self.summary.raw_bytes,
            source_bytes: self.dataset.stored_bytes,
            stored_bytes: self.summary.stored_bytes,
            ratio: ratio(self.summary.raw_bytes, self.summary.stored_bytes),
            chunks: self.chunks,
            chunk: self.recoding.chunk.clone(),
            seconds: self.seconds,
            max_abs_error: self.max_abs_error,
        }
    }
}

/// What to say where the copy may not fit. Nobody knows how small it will be, and a write that fails leaves nothing.
fn little_space(source: &Path, staged: &StagedFile) -> Result<Option<String>, Fault> {
    let size = fs::metadata(source)
        .input(|| format!("cannot look at {}", source.display()))?
        .len();
    let folder = staged.folder();
    let free =
        free_bytes(folder).output(|| format!("cannot look at the folder {}", folder.display()))?;
    let needed = (size as f64 * SPACE_MARGIN) as u64;
    Ok((free < needed).then(|| {
        format!(
            "{} has {free} bytes free; {needed} may be needed, {SPACE_MARGIN} times the size of the source",
            folder.display()
        )
    }))
}

/// Copies the bytes before the HDF5 part, which belong to the user.
pub(crate) fn copy_userblock(source: &SourceFile, staged: &StagedFile) -> Result<(), Fault> {
    let len = file::userblock(&source.id).input(|| "the user block cannot be measured".into())?;
    if len == 0 {
        return Ok(());
    }
    let mut bytes = vec![0; len as usize];
    let read = File::open(source.path()).and_then(|mut file| file.read_exact(&mut bytes));
    read.input(|| "the user block cannot be read".into())?;
    let write = File::options()
        .write(true)
        .open(staged.path())
        .and_then(|mut file| {
            file.rewind()?;
            file.write_all(&bytes)
        });
    write.output(|| "the user block cannot be written".into())
}
