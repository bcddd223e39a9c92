//! What the header of a frame says.

use etalon_codec::{Certificate, Error, frame};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::codec_table::{dtype_of, value_error};

/// The header of a chunk of filter 59297 as a dictionary; nothing is decoded.
#[pyfunction]
pub(crate) fn inspect_frame<'py>(
    py: Python<'py>,
    chunk: PyReadonlyArray1<'_, u8>,
) -> PyResult<Bound<'py, PyDict>> {
    let info = frame::inspect(chunk.as_slice()?).map_err(|error| match error {
        Error::Settings(_) | Error::Refused(_) => value_error(error),
        other => PyOSError::new_err(other.to_string()),
    })?;
    let found = PyDict::new(py);
    found.set_item("version", info.version)?;
    found.set_item("codec", info.codec)?;
    found.set_item("dtype", dtype_of(&info.layout.element))?;
    found.set_item("shape", info.layout.shape)?;
    found.set_item("header_bytes", info.header_bytes)?;
    let certificate = info.certificate.map(|row| certificate(py, &row));
    found.set_item("certificate", certificate.transpose()?)?;
    Ok(found)
}

fn certificate<'py>(py: Python<'py>, row: &Certificate) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("guarantee", row.guarantee.name())?;
    found.set_item("bound_unit", row.bound_unit.name())?;
    found.set_item("bound_asked", row.bound_asked)?;
    found.set_item("max_abs_error", row.loss.max_abs_error)?;
    found.set_item("max_sigma_error", row.loss.max_sigma_error)?;
    found.set_item("sum_error", row.loss.sum_error)?;
    found.set_item("sum_squared_error", row.loss.sum_squared_error)?;
    found.set_item("exceptions", row.loss.exceptions)?;
    found.set_item("synthetic_background", row.synthetic_background)?;
    found.set_item("fell_back", row.fell_back)?;
    Ok(found)
}
