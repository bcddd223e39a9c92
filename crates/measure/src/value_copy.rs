//! Values of datasets that are not recompressed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::chunk_source::ChunkSource;
use crate::dataset::Dataset;
use crate::fault::Fault;
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::reference::Remap;
use crate::hdf5::values::Values;
use crate::hdf5::{BySide, chunk};

/// Which pieces of a dataset are left out of a copy, by the coordinates of their first element.
pub(crate) type LeftOut<'a> = &'a dyn Fn(&[u64]) -> bool;

/// Copies chunks as they lie in the file.
pub(crate) fn copy_chunks(
    source: &Dataset,
    destination: &OpenDataset,
    left_out: LeftOut<'_>,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let mut bytes = Vec::new();
    for stored in source.stored_chunks()? {
        check(stop)?;
        if left_out(&stored.offset) {
            continue;
        }
        let filter_mask = source.read_stored(&stored.offset, &mut bytes)?;
        chunk::write(destination, &stored.offset, filter_mask, &bytes).by_side(|| {
            format!(
                "{}: the chunk at {:?} cannot be written",
                source.path, stored.offset
            )
        })?;
        progress(stored.stored_bytes);
    }
    Ok(())
}

/// Copies values through HDF5, piece by piece, with references moved to the destination.
pub(crate) fn copy_values(
    source: &Dataset,
    destination: &OpenDataset,
    remap: &mut Remap<'_>,
    left_out: LeftOut<'_>,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let pieces = ChunkSource::new(source, None)?;
    for index in 0..pieces.len() {
        check(stop)?;
        let (offset, count) = (pieces.offset(index), pieces.inside(index));
        if left_out(&offset) {
            continue;
        }
        let mut copy = || {
            let mut values = Values::of_dataset(&source.open, &offset, &count)?;
            values.remap(&source.anatomy, remap)?;
            values.write_to(destination, &offset, &count)
        };
        copy().by_side(|| format!("{}: the values at {offset:?} cannot be copied", source.path))?;
        progress(pieces.inside_bytes(index));
    }
    Ok(())
}

/// Ends the work where the caller asked for it.
pub(crate) fn check(stop: &AtomicBool) -> Result<(), Fault> {
    if stop.load(Ordering::Relaxed) {
        Err(Fault::Interrupted)
    } else {
        Ok(())
    }
}
