//! `h5etalon._native`: what the Python package does in Rust, on memory that Python owns.
//!
//! Everything here takes and fills numpy arrays of bytes; shapes, types, HDF5 and words for users are the Python half's
//! (`crates/python/h5etalon`). Chunks are worked on without the interpreter's lock, on threads that end with the call: a
//! pool would not survive `fork`, which Python programs do.

mod boxes;
mod certificates;
mod chunk_bytes;
mod codec_table;
mod decoding;
mod encoding;
mod file_chunks;
mod measuring;
mod sparse;
mod storage;
mod workers;

use pyo3::prelude::*;

/// The module's functions, as Python sees them.
#[pymodule]
#[pyo3(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::certificates::inspect_frame;
    #[pymodule_export]
    use crate::chunk_bytes::{bound_bytes, decode_chunk, encode_chunk};
    #[pymodule_export]
    use crate::codec_table::{cd_values, codecs, filters, spec_of, user_values};
    #[pymodule_export]
    use crate::decoding::read_chunks;
    #[pymodule_export]
    use crate::encoding::encode_chunks;
    #[pymodule_export]
    use crate::measuring::{compare, metrics};
    #[pymodule_export]
    use crate::sparse::sparse_chunks;
    #[pymodule_export]
    use crate::storage::Storage;
}
