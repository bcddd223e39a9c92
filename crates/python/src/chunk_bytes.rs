//! One chunk, encoded or decoded between two buffers of the caller.

use etalon_codec::{Context, Error};
use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::codec_table::{filter_of, value_error};

/// Largest number of bytes that `encode_chunk` writes for `len` bytes.
#[pyfunction]
pub(crate) fn bound_bytes(filter_id: u32, values: Vec<u32>, len: usize) -> PyResult<usize> {
    (filter_of(filter_id)?.bound)(&values, len).map_err(value_error)
}

/// Encodes `source` into the front of `target`, of `bound_bytes`; returns the number of bytes written.
#[pyfunction]
pub(crate) fn encode_chunk(
    py: Python<'_>,
    filter_id: u32,
    values: Vec<u32>,
    source: PyReadonlyArray1<'_, u8>,
    mut target: PyReadwriteArray1<'_, u8>,
    threads: usize,
) -> PyResult<usize> {
    let filter = filter_of(filter_id)?;
    let (source, target) = (source.as_slice()?, target.as_slice_mut()?);
    py.detach(|| (filter.encode)(&mut Context::with_threads(threads), &values, source, target))
        .map_err(value_error)
}

/// Decodes `source` into `target`. A target of another length than the chunk's is a ValueError, a damaged chunk an
/// OSError.
#[pyfunction]
pub(crate) fn decode_chunk(
    py: Python<'_>,
    filter_id: u32,
    values: Vec<u32>,
    source: PyReadonlyArray1<'_, u8>,
    mut target: PyReadwriteArray1<'_, u8>,
    threads: usize,
) -> PyResult<()> {
    let filter = filter_of(filter_id)?;
    let (source, target) = (source.as_slice()?, target.as_slice_mut()?);
    let decode = || {
        let needed = (filter.decoded_len)(&values, source)?;
        if needed != target.len() {
            let given = target.len();
            return Err(Error::OutputSize { given, needed });
        }
        (filter.decode)(&mut Context::with_threads(threads), &values, source, target)
    };
    py.detach(decode).map_err(|error| match error {
        Error::Truncated { .. } | Error::Damaged { .. } => PyOSError::new_err(error.to_string()),
        other => value_error(other),
    })
}
