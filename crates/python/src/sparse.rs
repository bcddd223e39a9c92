//! The elements of a selection that are not zero, without a dense array of it.

use std::sync::Mutex;

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::boxes::{Part, Picked};
use crate::decoding::pick;
use crate::file_chunks::{ChunkList, Chunks};
use crate::storage::{Scratch, Storage};
use crate::workers;

/// What one chunk has.
#[derive(Default)]
struct Found {
    index: Vec<i64>,
    /// The elements, as stored.
    values: Vec<u8>,
}

type IndexAndBytes<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u8>>);

/// Index in the selection (C order) and bytes of every element that is not all zero bits, chunk after chunk.
#[pyfunction]
pub(crate) fn sparse_chunks<'py>(
    py: Python<'py>,
    storage: &Storage,
    list: ChunkList<'_>,
    selection: Vec<(usize, usize, usize)>,
    threads: usize,
) -> PyResult<IndexAndBytes<'py>> {
    let picked = pick(storage, &selection)?;
    let chunks = list.chunks()?;
    let found = py
        .detach(|| find_all(storage, &chunks, &picked, threads))
        .map_err(PyOSError::new_err)?;
    Ok((found.index.into_pyarray(py), found.values.into_pyarray(py)))
}

fn find_all(
    storage: &Storage,
    chunks: &Chunks<'_>,
    picked: &[Picked],
    threads: usize,
) -> Result<Found, String> {
    let mut found: Vec<Mutex<Found>> = Vec::new();
    found.resize_with(chunks.count(), Mutex::default);
    let jobs = found.iter().enumerate();
    workers::for_each(
        threads,
        jobs,
        Scratch::default,
        |scratch, (chunk, found)| {
            let here = find(storage, chunks, picked, scratch, chunk)
                .map_err(|error| format!("chunk at {:?}: {error}", chunks.origin(chunk)))?;
            *found.lock().map_err(|_| "a thread panicked")? = here;
            Ok::<_, String>(())
        },
    )?;
    let mut all = Found::default();
    for one in found {
        let mut one = one.into_inner().map_err(|_| "a thread panicked")?;
        all.index.append(&mut one.index);
        all.values.append(&mut one.values);
    }
    Ok(all)
}

fn find(
    storage: &Storage,
    chunks: &Chunks<'_>,
    picked: &[Picked],
    scratch: &mut Scratch,
    chunk: usize,
) -> Result<Found, String> {
    let mut found = Found::default();
    let origin = chunks.origin(chunk);
    let size = storage.element_bytes;
    let Some(part) = Part::of(picked, &origin, &storage.chunk_shape, size) else {
        return Ok(found);
    };
    scratch.elements.resize(storage.chunk_bytes, 0);
    match chunks.stored(chunk, &mut scratch.stored)? {
        Some(stored) => {
            let mask = chunks.mask(chunk);
            storage.decode(&mut scratch.context, mask, stored, &mut scratch.elements)?;
        }
        None if storage.fill.iter().all(|&byte| byte == 0) => return Ok(found),
        None => crate::decoding::fill(&mut scratch.elements, &storage.fill),
    }
    for (in_chunk, in_array) in part.elements_in_chunk_and_array() {
        let element = &scratch.elements[in_chunk * size..][..size];
        if element.iter().any(|&byte| byte != 0) {
            found.index.push(in_array as i64);
            found.values.extend_from_slice(element);
        }
    }
    Ok(found)
}
