//! Values of datasets that are not recompressed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::chunk_shape::{Grid, default_chunk};
use crate::dataset::{Dataset, Layout};
use crate::fault::Fault;
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::reference::Remap;
use crate::hdf5::values::Values;
use crate::hdf5::{BySide, chunk};

/// Copies chunks as they lie in the file.
pub(crate) fn copy_chunks(
    source: &Dataset,
    destination: &OpenDataset,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let mut bytes = Vec::new();
    for stored in source.stored_chunks()? {
        check(stop)?;
        let filter_mask = source.read_stored(&stored.offset, &mut bytes)?;
        chunk::write(destination, &stored.offset, filter_mask, &bytes)
            .by_side(|| format!("{}: the chunk at {:?} cannot be written", source.path, stored.offset))?;
        progress(stored.stored_bytes);
    }
    Ok(())
}

/// Copies values through HDF5, piece by piece, with references moved to the destination.
pub(crate) fn copy_values(
    source: &Dataset,
    destination: &OpenDataset,
    remap: &mut Remap<'_>,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    for (offset, count) in pieces(source)? {
        check(stop)?;
        let mut copy = || {
            let mut values = Values::of_dataset(&source.open, &offset, &count)?;
            values.remap(&source.anatomy, remap)?;
            values.write_to(destination, &offset, &count)
        };
        copy().by_side(|| format!("{}: the values at {offset:?} cannot be copied", source.path))?;
        progress(count.iter().product::<u64>() * source.open.element_bytes as u64);
    }
    Ok(())
}

/// Boxes that together hold everything that was written: the chunks, or pieces of chunk size.
fn pieces(source: &Dataset) -> Result<Vec<(Vec<u64>, Vec<u64>)>, Fault> {
    let shape = match &source.layout {
        Layout::Chunked(chunk) => chunk.clone(),
        _ => default_chunk(&source.shape, source.open.element_bytes),
    };
    let grid = Grid::new(&source.shape, &shape);
    let offsets: Vec<Vec<u64>> = match source.layout {
        Layout::Chunked(_) => source.stored_chunks()?.into_iter().map(|chunk| chunk.offset).collect(),
        _ if !source.open.is_allocated().by_side(|| source.path.clone())? => Vec::new(),
        _ => (0..grid.len()).map(|number| grid.offset(number)).collect(),
    };
    let boxes = offsets.into_iter().map(|offset| (grid.inside(&offset), offset)).map(|(count, offset)| (offset, count));
    Ok(boxes.filter(|(_, count)| !count.contains(&0)).collect())
}

/// Ends the work where the caller asked for it.
pub(crate) fn check(stop: &AtomicBool) -> Result<(), Fault> {
    if stop.load(Ordering::Relaxed) { Err(Fault::Interrupted) } else { Ok(()) }
}
