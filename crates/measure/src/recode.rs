//! Chunks of one dataset, decoded and encoded anew on several threads, and compared afterwards.
//!
//! The calling thread does all reading and writing, in file order, so the same input gives the same file. What is in
//! flight is bounded in bytes.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use anyhow::anyhow;
use etalon_codec::Element;

use crate::absolute_error::max_abs_error;
use crate::chunk_source::{ChunkSource, Decoder, Loaded};
use crate::fault::{Blame, Fault};
use crate::hdf5::chunk;
use crate::hdf5::dataset::OpenDataset;
use crate::ordered;
use crate::pipeline::{Pipeline, Workspace};
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
    error: f64,
}

/// Writes every chunk of `source` to `destination` through `pipeline`; returns the bytes written.
pub(crate) fn encode(
    source: &ChunkSource<'_>,
    destination: &OpenDataset,
    pipeline: &Pipeline,
    crew: Crew<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Fault> {
    let mut stored_bytes = 0;
    let pool = RefCell::new(Vec::new());
    let mut indices = 0..source.len();
    ordered::run(
        crew.jobs,
        in_flight(source, crew.jobs),
        || (source.decoder(), Workspace::default(), Vec::new()),
        || {
            check(crew.stop)?;
            let Some(index) = indices.next() else {
                return Ok(None);
            };
            let mut job = next_job(&pool, index);
            source.load(index, &mut job.source)?;
            Ok(Some(job))
        },
        |(decoder, workspace, raw), mut job: Job| {
            decode(source, decoder, job.index, &mut job.source, raw)?;
            job.encoded_len = pipeline
                .encode(workspace, raw, &mut job.encoded)
                .output(|| {
                    format!(
                        "the chunk at {:?} cannot be encoded",
                        source.offset(job.index)
                    )
                })?;
            Ok(job)
        },
        |job| {
            let (offset, bytes) = (source.offset(job.index), &job.encoded[..job.encoded_len]);
            chunk::write(destination, &offset, 0, bytes)
                .output(|| format!("the chunk at {offset:?} cannot be written"))?;
            stored_bytes += bytes.len() as u64;
            progress(source.inside_bytes(job.index));
            pool.borrow_mut().push(job);
            Ok(())
        },
    )?;
    Ok(stored_bytes)
}

/// Reads every chunk of `source` and of `copy` again and compares them; returns the largest error.
///
/// With `is_lossless` every bit counts, also those of padding and of NaNs.
pub(crate) fn compare(
    source: &ChunkSource<'_>,
    copy: &ChunkSource<'_>,
    element: &Element,
    is_lossless: bool,
    crew: Crew<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<f64, Fault> {
    if source.len() != copy.len() {
        return Err(Fault::Check(anyhow!(
            "{} chunks were written, {} are there",
            source.len(),
            copy.len()
        )));
    }
    let mut largest = 0.0_f64;
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
            let is_equal = raw == read_back;
            if is_lossless && !is_equal {
                let offset = source.offset(job.index);
                return Err(Fault::Check(anyhow!(
                    "the chunk at {offset:?} comes back with other values"
                )));
            }
            job.error = if is_equal {
                0.0
            } else {
                max_abs_error(element, raw, read_back)
            };
            Ok(job)
        },
        |job| {
            largest = largest.max(job.error);
            progress(source.inside_bytes(job.index));
            pool.borrow_mut().push(job);
            Ok(())
        },
    )?;
    Ok(largest)
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
