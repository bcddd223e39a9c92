//! Chunks of one dataset, decoded and encoded anew on several threads, and compared afterwards.
//!
//! The calling thread does all reading and writing, in file order, so the same input gives the same file. What is in
//! flight is bounded in bytes.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use anyhow::anyhow;
use etalon_codec::Element;

use crate::chunk_encoder::{ChunkEncoder, EncoderState};
use crate::chunk_source::{ChunkSource, Decoder, Loaded};
use crate::fault::{Blame, Fault};
use crate::hdf5::chunk;
use crate::hdf5::dataset::OpenDataset;
use crate::loss::{ChunkLoss, DatasetLoss};
use crate::ordered;
use crate::plan::Loss;
use crate::value_copy::check;

/// Memory for chunks between reading and writing, as long as every thread has one.
const IN_FLIGHT_BYTES: usize = 64 << 20;

/// How to go about it.
#[derive(Clone, Copy)]
pub(crate) struct Crew<'a> {
    /// Threads, the calling one included.
    pub(crate) jobs: usize,
    /// Looked at before each chunk.
    pub(crate) stop: &'a AtomicBool,
}

/// A chunk on its way. Its buffers serve one chunk after the other.
#[derive(Default)]
struct Job {
    index: usize,
    source: Loaded,
    /// The encoded chunk, in the front of a buffer that keeps its size.
    encoded: Vec<u8>,
    encoded_len: usize,
    /// The chunk read back.
    copy: Loaded,
    loss: Option<ChunkLoss>,
}

/// What was written of a dataset.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) stored_bytes: u64,
    /// Where the codec may lose.
    pub(crate) loss: Option<DatasetLoss>,
}

/// Writes every chunk of `source` to `destination` through `encoder`.
pub(crate) fn encode(
    source: &ChunkSource<'_>,
    destination: &OpenDataset,
    encoder: &ChunkEncoder<'_>,
    crew: Crew<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Written, Fault> {
    let mut written = Written {
        stored_bytes: 0,
        loss: (encoder.loss != Loss::None).then(DatasetLoss::default),
    };
    let pool = RefCell::new(Vec::new());
    let mut indices = 0..source.len();
    ordered::run(
        crew.jobs,
        in_flight(source, crew.jobs),
        || (source.decoder(), EncoderState::default(), Vec::new()),
        || {
            check(crew.stop)?;
            let Some(index) = indices.next() else {
                return Ok(None);
            };
            let mut job = next_job(&pool, index);
            source.load(index, &mut job.source)?;
            Ok(Some(job))
        },
        |(decoder, state, raw), mut job: Job| {
            decode(source, decoder, job.index, &mut job.source, raw)?;
            let inside = source.inside(job.index);
            (job.encoded_len, job.loss) = encoder
                .encode(state, raw, &inside, &mut job.encoded)
                .map_err(|error| unencodable(error, &source.offset(job.index)))?;
            Ok(job)
        },
        |job| {
            let (offset, bytes) = (source.offset(job.index), &job.encoded[..job.encoded_len]);
            chunk::write(destination, &offset, 0, bytes)
                .output(|| format!("the chunk at {offset:?} cannot be written"))?;
            written.stored_bytes += bytes.len() as u64;
            if let (Some(all), Some(chunk)) = (&mut written.loss, &job.loss) {
                all.add(source.number(job.index), chunk);
            }
            progress(source.inside_bytes(job.index));
            pool.borrow_mut().push(job);
            Ok(())
        },
    )?;
    Ok(written)
}

/// What settings the codec refuses once it sees the values was asked for by the user.
fn unencodable(error: anyhow::Error, offset: &[u64]) -> Fault {
    let is_refusal = matches!(
        error.downcast_ref(),
        Some(etalon_codec::Error::Settings(_) | etalon_codec::Error::Refused(_))
    );
    let error = error.context(format!("the chunk at {offset:?} cannot be encoded"));
    if is_refusal {
        Fault::Arguments(error)
    } else {
        Fault::Output(error)
    }
}

/// Reads every chunk of `source` and of `copy` again and compares them.
///
/// Where nothing was to be lost every bit counts, also those of padding and of NaNs; otherwise `loss` says what each
/// chunk must come back as.
pub(crate) fn compare(
    source: &ChunkSource<'_>,
    copy: &ChunkSource<'_>,
    element: &Element,
    loss: Option<&DatasetLoss>,
    crew: Crew<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    if source.len() != copy.len() {
        return Err(Fault::Check(anyhow!(
            "{} chunks were written, {} are there",
            source.len(),
            copy.len()
        )));
    }
    let pool = RefCell::new(Vec::new());
    let mut indices = 0..source.len();
    ordered::run(
        crew.jobs,
        in_flight(source, crew.jobs),
        || (source.decoder(), copy.decoder(), Vec::new(), Vec::new()),
        || {
            check(crew.stop)?;
            let Some(index) = indices.next() else {
                return Ok(None);
            };
            let mut job = next_job(&pool, index);
            source.load(index, &mut job.source)?;
            copy.load_at(&source.offset(index), &mut job.copy)
                .map_err(of_the_copy)?;
            Ok(Some(job))
        },
        |(decoder, copy_decoder, raw, read_back), mut job: Job| {
            decode(source, decoder, job.index, &mut job.source, raw)?;
            decode(copy, copy_decoder, job.index, &mut job.copy, read_back).map_err(of_the_copy)?;
            let verdict = match loss {
                Some(loss) => loss.check(job.index, element, raw, read_back),
                None if raw == read_back => Ok(()),
                None => Err(Fault::Check(anyhow!("it comes back with other values"))),
            };
            verdict.map_err(|fault| {
                fault.context(format!("the chunk at {:?}", source.offset(job.index)))
            })?;
            Ok(job)
        },
        |job| {
            progress(source.inside_bytes(job.index));
            pool.borrow_mut().push(job);
            Ok(())
        },
    )
}

fn next_job(pool: &RefCell<Vec<Job>>, index: usize) -> Job {
    let job = pool.borrow_mut().pop().unwrap_or_default();
    Job { index, ..job }
}

fn decode(
    source: &ChunkSource<'_>,
    decoder: &mut Decoder,
    index: usize,
    loaded: &mut Loaded,
    raw: &mut Vec<u8>,
) -> Result<(), Fault> {
    decoder
        .decode(loaded, raw)
        .map_err(|error| source.damaged(index, error))
}

/// What cannot be read of our own file is a failed check, not a damaged input.
fn of_the_copy(fault: Fault) -> Fault {
    match fault {
        Fault::Input(error) => Fault::Check(error.context("the copy cannot be read back")),
        other => other,
    }
}

/// Every thread has a chunk and finds the next one ready; more would only wait.
fn in_flight(source: &ChunkSource<'_>, jobs: usize) -> usize {
    let jobs = jobs.max(1);
    (IN_FLIGHT_BYTES / (2 * source.chunk_bytes()).max(1)).clamp(jobs, 4 * jobs)
}
