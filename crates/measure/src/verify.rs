//! Whether a dataset is what it claims to be.
//!
//! Every chunk is read, its checksums compared, and decoded. Beside the original its values are compared as well: what is
//! claimed to be exact must be equal bit for bit, and elsewhere the loss is measured anew and must be no larger than was
//! recorded and within the bound that was asked (see `claim`). Beside an original of several losses ago they add up
//! (`loss_chain`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

use anyhow::anyhow;
use etalon_codec::frame::Info;
use etalon_codec::{Element, Filter, Spec, Tally};
use serde::Serialize;

use crate::chunk_check::ChunkCheck;
use crate::chunk_source::{ChunkSource, Decoder, Loaded};
use crate::claim::Claim;
use crate::dataset::{Dataset, StoredChunk, StoredFilter};
use crate::fault::Fault;
use crate::known_filters::is_lossless;
use crate::loss_chain::Digests;
use crate::missing_filter::missing_filter;
use crate::ordered;
use crate::provenance::{self, Earlier, Record};
use crate::source_digest::{Sha, chunk_digest, dataset_digest, hexadecimal, runs};
use crate::value_check::{self, Found as Values};
use crate::value_copy::check;

/// What was found of a dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Path in the file.
    pub dataset: String,
    /// Whether nothing is wrong with it.
    pub holds: bool,
    /// Chunks that were decoded.
    pub chunks: usize,
    /// Whether the values were compared with the original's.
    pub compared: bool,
    /// The largest error measured; `None` where nothing was compared.
    pub max_abs_error: Option<f64>,
    /// Losses between the original and this, one after the other, whose errors add up; 0 where nothing was compared.
    pub losses: u32,
    /// Why it was not checked, where it could not be: a filter is missing here. It does not hold then, and is not damaged.
    pub not_checked: Option<String>,
    /// What is wrong.
    pub failures: Vec<Failure>,
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Coordinates of the chunk's first element; `None` for the dataset as a whole.
    pub chunk: Option<Vec<u64>>,
    /// What is wrong, in a sentence.
    pub reason: String,
    /// Whether the chunk cannot be read, rather than being read and not what was claimed.
    #[serde(skip)]
    pub is_damage: bool,
}

impl Failure {
    /// Of the dataset as a whole.
    fn of_all(reason: String) -> Self {
        Self {
            chunk: None,
            reason,
            is_damage: false,
        }
    }
}

impl Verification {
    /// A dataset that this program has no filter for.
    fn of_unreadable(dataset: &Dataset, reason: String) -> Self {
        Self {
            holds: false,
            not_checked: Some(reason),
            ..Self::of_nothing(dataset)
        }
    }

    /// The same with something wrong with it as a whole.
    fn broken(self, reason: &str, compared: bool) -> Self {
        Self {
            holds: false,
            compared,
            failures: vec![Failure::of_all(reason.to_owned())],
            ..self
        }
    }

    /// A dataset that the original has, and the file has not.
    pub fn of_missing(original: &Dataset) -> Self {
        let reason = "the original has it, and it is not in the file";
        Self::of_nothing(original).broken(reason, false)
    }

    /// A dataset whose values have no codec: single ones, texts of any length, references.
    fn of_nothing(dataset: &Dataset) -> Self {
        Self {
            dataset: dataset.path.clone(),
            holds: true,
            chunks: 0,
            compared: false,
            max_abs_error: None,
            losses: 0,
            not_checked: None,
            failures: Vec::new(),
        }
    }
}

/// How to go about it.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Threads, the calling one included.
    pub jobs: usize,
    /// Looked at before each chunk.
    pub stop: &'a AtomicBool,
}

/// Chunks between reading and comparing, for each thread.
const IN_FLIGHT: usize = 2;

/// Verifies `dataset`, against `original` where that is given. `progress` is told the bytes done.
pub fn verify(
    dataset: &Dataset,
    original: Option<&Dataset>,
    work: Work<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verification, Fault> {
    if let Some(original) = original {
        same_kind(dataset, original)?;
    }
    if let Some(reason) = missing_filter(dataset) {
        return Ok(Verification::of_unreadable(dataset, reason));
    }
    if let Some(reason) = original.and_then(missing_filter) {
        let reason = format!("the original: {reason}");
        return Ok(Verification::of_unreadable(dataset, reason));
    }
    let Some(element) = dataset.element.filter(|_| !dataset.shape.is_empty()) else {
        return of_values(dataset, original, work.stop);
    };
    let source = ChunkSource::new(dataset, None)?;
    let shape = source.chunk_shape().to_vec();
    let whole_original = original;
    let original = original
        .map(|original| ChunkSource::new(original, Some(&shape)))
        .transpose()?;
    let mut task = Task {
        claims: Claims::of(dataset)?,
        numbers: numbers(&source, original.as_ref()),
        dataset,
        element,
        source,
        original,
        found: Found::default(),
    };
    task.run(work, progress)?;
    let earlier = task.check_digest(whole_original, work.stop)?;
    Ok(task.result(earlier))
}

/// Compares values that have no codec with those of the original, where that is given.
fn of_values(
    dataset: &Dataset,
    original: Option<&Dataset>,
    stop: &AtomicBool,
) -> Result<Verification, Fault> {
    let found = Verification::of_nothing(dataset);
    let Some(original) = original else {
        return Ok(found);
    };
    Ok(match value_check::compare(dataset, original, stop) {
        Ok(Values::Equal) => Verification {
            compared: true,
            max_abs_error: Some(0.0),
            ..found
        },
        Ok(Values::Unknown) => found,
        Ok(Values::Different) => found.broken("it is not what the original has", true),
        Err(Fault::Input(error)) => found.broken(&format!("{error:#}"), false),
        Err(fault) => return Err(fault),
    })
}

/// Refuses what cannot be compared.
fn same_kind(dataset: &Dataset, original: &Dataset) -> Result<(), Fault> {
    if dataset.shape == original.shape && dataset.element == original.element {
        return Ok(());
    }
    Err(Fault::Arguments(anyhow!(
        "{} is {} {:?} and the original {} {:?}: name the original's dataset as FILE::/path",
        dataset.path,
        dataset.dtype,
        dataset.shape,
        original.dtype,
        original.shape
    )))
}

/// Numbers of the chunks that hold data on either side: what was lost altogether must be found as well.
fn numbers(source: &ChunkSource<'_>, original: Option<&ChunkSource<'_>>) -> Vec<u64> {
    let of = |source: &ChunkSource<'_>| {
        let numbers = (0..source.len()).map(|index| source.number(index));
        numbers.collect::<BTreeSet<u64>>()
    };
    let mut numbers = of(source);
    numbers.extend(original.map(of).into_iter().flatten());
    numbers.into_iter().collect()
}

/// What the filters and attributes of a dataset claim of its chunks.
struct Claims {
    spec: Option<Spec>,
    record: Option<Record>,
    /// Of the records before that one.
    earlier: Vec<Earlier>,
    lossless: bool,
}

impl Claims {
    fn of(dataset: &Dataset) -> Result<Self, Fault> {
        let own = |filter: &StoredFilter| {
            let own = Filter::by_id(u32::try_from(filter.id).ok()?)?;
            (own.spec_of)(&filter.cd_values)
        };
        Ok(Self {
            spec: dataset.filters.iter().find_map(own),
            record: provenance::latest(dataset)?,
            earlier: provenance::earlier(dataset)?,
            lossless: (dataset.filters.iter())
                .all(|filter| is_lossless(filter.id, &filter.cd_values)),
        })
    }

    /// What is claimed of a chunk whose frame, if it has one, says `info`.
    fn of_chunk(&self, info: Option<&Info>) -> Claim {
        match (info, &self.record) {
            (Some(info), _) if info.certificate.is_some() => {
                Claim::of_certificate(info.certificate, self.spec.as_ref())
            }
            (_, Some(record)) => record.claim(),
            _ if self.lossless => Claim::Exact,
            _ => Claim::Unknown,
        }
    }
}

/// One dataset on its way.
struct Task<'a> {
    dataset: &'a Dataset,
    element: Element,
    source: ChunkSource<'a>,
    original: Option<ChunkSource<'a>>,
    claims: Claims,
    numbers: Vec<u64>,
    found: Found,
}

#[derive(Default)]
struct Found {
    chunks: usize,
    /// The largest error of any certificate.
    certified: f64,
    loss: Tally,
    digests: Vec<(u64, Sha)>,
    failures: Vec<Failure>,
    /// Chunks that are not what the latest record, or the earlier ones with it, claim.
    broken: BTreeMap<Since, Vec<Failure>>,
}

/// The losses that are claimed to lie between the original and the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    Latest,
    /// The one in this place of the earlier ones.
    Earlier(usize),
}

/// A chunk on its way.
#[derive(Default)]
struct Job {
    number: u64,
    /// Whether the chunk is in the file; else it has the fill value.
    is_stored: bool,
    claim: Claim,
    /// The largest error by its own certificate.
    certified: f64,
    stored: Loaded,
    original: Option<Loaded>,
    loss: Tally,
    digest: Option<Sha>,
    /// Why it cannot be read.
    failure: Option<String>,
    /// Why it is not what is claimed.
    broken: Vec<(Since, String)>,
}

/// What a thread keeps from chunk to chunk.
struct Hands {
    decoder: Decoder,
    original_decoder: Option<Decoder>,
    raw: Vec<u8>,
    original: Vec<u8>,
}

impl<'a> Task<'a> {
    fn run(&mut self, work: Work<'_>, progress: &mut dyn FnMut(u64)) -> Result<(), Fault> {
        let chunks = self.dataset.stored_chunks()?;
        let mut headers = ChunkCheck::new(self.dataset, &chunks, false);
        let by_offset: HashMap<&[u64], &StoredChunk> = chunks
            .iter()
            .map(|chunk| (&chunk.offset[..], chunk))
            .collect();
        let mut found = std::mem::take(&mut self.found);
        let mut numbers = self.numbers.iter();
        let this = &*self;
        ordered::run(
            work.jobs,
            IN_FLIGHT * work.jobs,
            || this.hands(),
            || {
                check(work.stop)?;
                let Some(&number) = numbers.next() else {
                    return Ok(None);
                };
                let offset = this.source.grid().offset(number);
                let header = by_offset.get(&offset[..]);
                this.load(number, header.map(|chunk| headers.check(chunk)))
                    .map(Some)
            },
            |hands, job| Ok(this.examine(hands, job)),
            |job: Job| {
                let offset = this.source.grid().offset(job.number);
                progress(this.inside_bytes(&offset));
                found.add(job, offset);
                Ok(())
            },
        )?;
        self.found = found;
        Ok(())
    }

    fn inside_bytes(&self, offset: &[u64]) -> u64 {
        let elements = self.source.grid().inside(offset).iter().product::<u64>();
        elements * self.element.bytes as u64
    }

    fn hands(&self) -> Hands {
        Hands {
            decoder: self.source.decoder(),
            original_decoder: self.original.as_ref().map(ChunkSource::decoder),
            raw: Vec::new(),
            original: Vec::new(),
        }
    }

    /// Reads what there is of chunk `number`, whose header says `header`. Only the original must be readable.
    fn load(
        &self,
        number: u64,
        header: Option<anyhow::Result<Option<Info>>>,
    ) -> Result<Job, Fault> {
        let (info, failure) = match header {
            Some(Ok(info)) => (info, None),
            Some(Err(error)) => (None, Some(format!("{error:#}"))),
            None => (None, None),
        };
        let mut job = Job {
            number,
            is_stored: self.source.holds(number),
            claim: self.claims.of_chunk(info.as_ref()),
            certified: (info.and_then(|info| info.certificate))
                .map_or(0.0, |certificate| certificate.loss.max_abs_error),
            failure,
            ..Job::default()
        };
        if job.failure.is_none() {
            let loaded = self.source.load_or_fill(number, &mut job.stored);
            job.failure = loaded.err().map(|fault| fault.to_string());
        }
        if let Some(original) = &self.original {
            original.load_or_fill(number, job.original.get_or_insert_default())?;
        }
        Ok(job)
    }

    /// Decodes a chunk and compares it with the original's.
    fn examine(&self, hands: &mut Hands, mut job: Job) -> Job {
        if job.failure.is_some() {
            return job;
        }
        if let Err(error) = hands.decoder.decode(&mut job.stored, &mut hands.raw) {
            job.failure = Some(format!("{error:#}"));
            return job;
        }
        let (Some(decoder), Some(loaded)) = (&mut hands.original_decoder, &mut job.original) else {
            return job;
        };
        if let Err(error) = decoder.decode(loaded, &mut hands.original) {
            job.failure = Some(format!("the original cannot be decoded: {error:#}"));
            return job;
        }
        self.compare(hands, &mut job);
        job
    }

    fn compare(&self, hands: &Hands, job: &mut Job) {
        let shape = self.source.chunk_shape();
        let inside = self
            .source
            .grid()
            .inside(&self.source.grid().offset(job.number));
        let bytes = self.element.bytes;
        let gather = |whole: &[u8]| -> Vec<u8> {
            let runs = runs(shape, &inside, bytes);
            runs.flat_map(|run| whole[run].to_vec()).collect()
        };
        let (original, stored) = match inside == shape {
            true => (None, None),
            false => (Some(gather(&hands.original)), Some(gather(&hands.raw))),
        };
        let pair = [
            original.as_deref().unwrap_or(&hands.original),
            stored.as_deref().unwrap_or(&hands.raw),
        ];
        let (loss, reason) = job.claim.check(&self.element, pair);
        job.digest = Some(chunk_digest(&hands.original, shape, &inside, bytes));
        job.broken
            .extend(reason.map(|reason| (Since::Latest, reason)));
        for (place, earlier) in self.claims.earlier.iter().enumerate() {
            let before = earlier.max_abs_error;
            let reason = before.and_then(|before| job.claim.exceeded(&loss, before));
            (job.broken).extend(reason.map(|reason| (Since::Earlier(place), reason)));
        }
        job.loss = loss;
        if !job.is_stored {
            for (_, reason) in &mut job.broken {
                *reason = format!("it is not in the file: {reason}");
            }
        }
    }

    /// What is wrong where the attributes admit less than the chunks do.
    fn understated(&self) -> Option<Failure> {
        let (recorded, certified) = (
            self.claims.record.as_ref()?.max_abs_error(),
            self.found.certified,
        );
        (recorded < certified).then(|| {
            Failure::of_all(format!(
                "its attribute etalon_max_abs_error is {recorded}, and a chunk records {certified}"
            ))
        })
    }

    fn result(mut self, since: Since) -> Verification {
        let understated = self.understated();
        let mut failures = self.found.failures;
        failures.extend(understated);
        failures.extend(self.found.broken.remove(&since).unwrap_or_default());
        // Of the dataset as a whole last.
        failures.sort_by(|a, b| (a.chunk.is_none(), &a.chunk).cmp(&(b.chunk.is_none(), &b.chunk)));
        let losses = match since {
            Since::Latest => u32::from(self.found.loss.max_abs_error > 0.0),
            Since::Earlier(place) => self.claims.earlier[place].records,
        };
        Verification {
            dataset: self.dataset.path.clone(),
            holds: failures.is_empty(),
            chunks: self.found.chunks,
            compared: self.original.is_some(),
            max_abs_error: self
                .original
                .is_some()
                .then_some(self.found.loss.max_abs_error),
            losses,
            not_checked: None,
            failures,
        }
    }

    /// Which of the records, if any, names the original as its source; a failure where none does.
    fn check_digest(
        &mut self,
        whole_original: Option<&Dataset>,
        stop: &AtomicBool,
    ) -> Result<Since, Fault> {
        let (Some(record), Some(original), Some(whole)) =
            (&self.claims.record, &self.original, whole_original)
        else {
            return Ok(Since::Latest);
        };
        let complete = self.found.digests.len() == self.numbers.len();
        // A copy of what had lost before is equal to that, and keeps the record of how it was made.
        let equal = self.found.loss.max_abs_error == 0.0;
        let chunk = self.source.chunk_shape();
        if !complete || equal || record.source.sha256_chunk != chunk {
            return Ok(Since::Latest);
        }
        let fill = original.fill_value();
        let digest = dataset_digest(self.source.grid(), &mut self.found.digests, &fill);
        let digest = hexadecimal(&digest);
        if digest == record.source.sha256 {
            return Ok(Since::Latest);
        }
        let mut digests = Digests::new(whole, stop, chunk, digest);
        if let Some(place) = digests.find(&self.claims.earlier)? {
            return Ok(Since::Earlier(place));
        }
        let reason = format!(
            "its values were made of others than these: SHA-256 {} is recorded for {}",
            record.source.sha256, record.source.file
        );
        self.found.failures.push(Failure::of_all(reason));
        Ok(Since::Latest)
    }
}

impl Found {
    fn add(&mut self, job: Job, offset: Vec<u64>) {
        self.chunks += usize::from(job.is_stored);
        self.certified = self.certified.max(job.certified);
        self.loss.merge(&job.loss);
        self.digests
            .extend(job.digest.map(|digest| (job.number, digest)));
        for (since, reason) in job.broken {
            self.broken.entry(since).or_default().push(Failure {
                chunk: Some(offset.clone()),
                reason,
                is_damage: false,
            });
        }
        self.failures.extend(job.failure.map(|reason| Failure {
            chunk: Some(offset),
            reason,
            is_damage: true,
        }));
    }
}
