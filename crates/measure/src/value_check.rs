//! Whether values that no codec takes are those of the original: single ones, texts of any length.

use std::sync::atomic::AtomicBool;

use crate::chunk_source::ChunkSource;
use crate::dataset::Dataset;
use crate::fault::{Blame as _, Fault};
use crate::hdf5::equality::are_equal;
use crate::hdf5::values::Values;
use crate::value_copy::check;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Every value is the original's.
    Equal,
    /// A value is not.
    Different,
    /// Elements whose parts are not told apart.
    Unknown,
}

/// Compares the values of two datasets of one shape, piece by piece.
pub(crate) fn compare(
    dataset: &Dataset,
    original: &Dataset,
    stop: &AtomicBool,
) -> Result<Found, Fault> {
    if dataset.is_null || original.is_null {
        return Ok(found(Some(dataset.is_null == original.is_null)));
    }
    if dataset.anatomy != original.anatomy {
        return Ok(Found::Different);
    }
    let pieces = ChunkSource::new(dataset, None)?;
    for index in 0..pieces.len() {
        check(stop)?;
        let (offset, count) = (pieces.offset(index), pieces.inside(index));
        let values = |of: &Dataset| {
            Values::of_dataset(&of.open, &offset, &count)
                .input(|| format!("{}: the values at {offset:?} cannot be read", of.path))
        };
        let is_equal = are_equal(&values(dataset)?, &values(original)?, &dataset.anatomy);
        if is_equal != Some(true) {
            return Ok(found(is_equal));
        }
    }
    Ok(Found::Equal)
}

fn found(is_equal: Option<bool>) -> Found {
    match is_equal {
        Some(true) => Found::Equal,
        Some(false) => Found::Different,
        None => Found::Unknown,
    }
}
