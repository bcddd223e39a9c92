//! A selection of a dataset, decoded on several threads straight into the array of the caller.

use numpy::PyReadwriteArray1;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::boxes::{Part, Picked};
use crate::file_chunks::{ChunkList, Chunks};
use crate::storage::{Scratch, Storage};
use crate::workers;

/// Places that are cut out of the array at a time: a chunk that is one element wide has as many as elements.
const MOST_PIECES: usize = 1 << 20;

/// A chunk, and the places of the array that it fills.
struct Job<'out> {
    chunk: usize,
    part: Part,
    pieces: Vec<&'out mut [u8]>,
}

/// Decodes the chunks of `list` into `out`, the bytes of an array of `(start, step, count)` elements along each
/// dimension. The chunks cover the selection and are in the order of the dataset.
#[pyfunction]
pub(crate) fn read_chunks(
    py: Python<'_>,
    storage: &Storage,
    list: ChunkList<'_>,
    selection: Vec<(usize, usize, usize)>,
    mut out: PyReadwriteArray1<'_, u8>,
    threads: usize,
) -> PyResult<()> {
    let picked = pick(storage, &selection)?;
    let chunks = list.chunks()?;
    let out = out.as_slice_mut()?;
    let elements = picked.iter().map(|side| side.count).product::<usize>();
    if out.len() != elements * storage.element_bytes || chunks.rank != storage.rank() {
        return Err(PyValueError::new_err("an array of another size"));
    }
    py.detach(|| decode_all(storage, &chunks, &picked, out, threads))
        .map_err(PyOSError::new_err)
}

/// The selection, checked.
pub(crate) fn pick(
    storage: &Storage,
    selection: &[(usize, usize, usize)],
) -> PyResult<Vec<Picked>> {
    if selection.len() != storage.rank() || selection.iter().any(|&(_, step, _)| step == 0) {
        return Err(PyValueError::new_err("a selection of another rank"));
    }
    let pick = |&(start, step, count): &_| Picked { start, step, count };
    Ok(selection.iter().map(pick).collect())
}

fn decode_all(
    storage: &Storage,
    chunks: &Chunks<'_>,
    picked: &[Picked],
    out: &mut [u8],
    threads: usize,
) -> Result<(), String> {
    let mut next = 0;
    while next < chunks.count() {
        let (jobs, end) = cut(storage, chunks, picked, out, next)?;
        // Threads that have no chunk of their own work inside the others'.
        let inside = threads / jobs.len().max(1);
        workers::for_each(
            threads,
            jobs.into_iter(),
            || Scratch::with_threads(inside),
            |scratch, job| {
                let chunk = job.chunk;
                decode(storage, chunks, scratch, job)
                    .map_err(|error| format!("chunk at {:?}: {error}", chunks.origin(chunk)))
            },
        )?;
        next = end;
    }
    Ok(())
}

/// Cuts the places of the chunks from `first` on out of the array; returns them with the first chunk that is left.
fn cut<'out>(
    storage: &Storage,
    chunks: &Chunks<'_>,
    picked: &[Picked],
    out: &'out mut [u8],
    first: usize,
) -> Result<(Vec<Job<'out>>, usize), String> {
    let (mut jobs, mut places, mut end) = (Vec::new(), Vec::new(), first);
    while end < chunks.count() && places.len() < MOST_PIECES {
        let origin = chunks.origin(end);
        if let Some(part) = Part::of(picked, &origin, &storage.chunk_shape, storage.element_bytes) {
            places.extend(part.pieces().map(|piece| (piece, jobs.len())));
            jobs.push(Job {
                chunk: end,
                part,
                pieces: Vec::new(),
            });
        }
        end += 1;
    }
    places.sort_unstable_by_key(|(piece, _)| piece.start);
    let (mut rest, mut cut_off) = (out, 0);
    for (piece, job) in places {
        let gap = piece.start.checked_sub(cut_off);
        let after = gap
            .and_then(|gap| rest.split_at_mut_checked(gap))
            .map(|(_, after)| after);
        let (target, after) = after
            .and_then(|after| after.split_at_mut_checked(piece.len))
            .ok_or("a chunk is listed twice")?;
        jobs[job].pieces.push(target);
        (rest, cut_off) = (after, piece.start + piece.len);
    }
    Ok((jobs, end))
}

fn decode(
    storage: &Storage,
    chunks: &Chunks<'_>,
    scratch: &mut Scratch,
    mut job: Job<'_>,
) -> Result<(), String> {
    let Some(stored) = chunks.stored(job.chunk, &mut scratch.stored)? else {
        for piece in job.pieces {
            fill(piece, &storage.fill);
        }
        return Ok(());
    };
    let mask = chunks.mask(job.chunk);
    if let ([piece], true) = (&mut job.pieces[..], job.part.is_whole_chunk()) {
        return storage.decode(&mut scratch.context, mask, stored, piece);
    }
    scratch.elements.resize(storage.chunk_bytes, 0);
    storage.decode(&mut scratch.context, mask, stored, &mut scratch.elements)?;
    job.part.copy_to_pieces(&scratch.elements, &mut job.pieces);
    Ok(())
}

/// Repeats one element.
pub(crate) fn fill(elements: &mut [u8], element: &[u8]) {
    for target in elements.chunks_exact_mut(element.len()) {
        target.copy_from_slice(element);
    }
}
