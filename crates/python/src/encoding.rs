//! Chunks of an array, encoded on several threads into memory of the caller, for HDF5 to write.

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::boxes::{Part, Picked};
use crate::decoding::fill;
use crate::storage::{Scratch, Storage};
use crate::workers;

/// Encodes the chunks that begin at `origins` (n × rank, in elements of the array) of an array of `shape`, given as
/// bytes, into `out`: n times `storage.bound_bytes()`. Returns the number of bytes that each takes there.
///
/// What a chunk has beyond the end of the array is the fill value.
#[pyfunction]
pub(crate) fn encode_chunks(
    py: Python<'_>,
    storage: &Storage,
    array: PyReadonlyArray1<'_, u8>,
    shape: Vec<usize>,
    origins: PyReadonlyArray2<'_, u64>,
    mut out: PyReadwriteArray1<'_, u8>,
    threads: usize,
) -> PyResult<Vec<usize>> {
    let bound = storage.bound().map_err(PyOSError::new_err)?;
    let (array, out) = (array.as_slice()?, out.as_slice_mut()?);
    let rank = storage.rank();
    let elements = shape.iter().product::<usize>();
    let fits = array.len() == elements * storage.element_bytes && shape.len() == rank;
    let origins = origins.as_slice()?;
    if !fits || rank == 0 || out.len() != origins.len() / rank * bound {
        return Err(PyValueError::new_err("an array of another size"));
    }
    let whole: Vec<Picked> = shape
        .iter()
        .map(|&count| Picked {
            start: 0,
            step: 1,
            count,
        })
        .collect();
    let mut lens = vec![0; origins.len() / rank];
    // Threads that have no chunk of their own work inside the others'.
    let inside = threads / lens.len().max(1);
    let jobs = origins
        .chunks_exact(rank)
        .zip(out.chunks_exact_mut(bound))
        .zip(&mut lens);
    py.detach(|| {
        workers::for_each(
            threads,
            jobs,
            || Scratch::with_threads(inside),
            |scratch, ((origin, stored), len)| {
                let origin: Vec<usize> = origin.iter().map(|&element| element as usize).collect();
                *len = encode(storage, scratch, array, &whole, &origin, stored)
                    .map_err(|error| format!("chunk at {origin:?}: {error}"))?;
                Ok(())
            },
        )
    })
    .map_err(PyOSError::new_err::<String>)?;
    Ok(lens)
}

fn encode(
    storage: &Storage,
    scratch: &mut Scratch,
    array: &[u8],
    whole: &[Picked],
    origin: &[usize],
    stored: &mut [u8],
) -> Result<usize, String> {
    let part = Part::of(whole, origin, &storage.chunk_shape, storage.element_bytes)
        .ok_or("it lies outside the array")?;
    let (context, between, elements) = scratch.parts();
    let mut pieces = part.pieces();
    if let (true, Some(piece), None) = (part.is_whole_chunk(), pieces.next(), pieces.next()) {
        let elements = &array[piece.start..piece.start + piece.len];
        return storage.encode(context, between, elements, stored);
    }
    elements.resize(storage.chunk_bytes, 0);
    if part.elements() * storage.element_bytes < storage.chunk_bytes {
        fill(elements, &storage.fill);
    }
    part.copy_to_chunk(array, elements);
    storage.encode(context, between, elements, stored)
}
