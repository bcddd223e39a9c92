//! Chunks as they lie in the file, past HDF5's filters and chunk cache.

use std::ffi::{c_int, c_uint, c_void};

use hdf5_metno_sys::h5::{haddr_t, herr_t, hsize_t};
use hdf5_metno_sys::h5d::{H5Dchunk_iter, H5Dget_chunk_index_type, H5Dread_chunk2, H5Dwrite_chunk};
use hdf5_metno_sys::h5i::hid_t;

use super::dataset::OpenDataset;
use super::{DEFAULT, H5Error, Result, dataspace, plist};
use crate::dataset::{Layout, StoredChunk};

unsafe extern "C" {
    // Missing in hdf5-metno-sys. H5Dget_chunk_info_by_coord searches the whole index, among wrong places where
    // `correct_offsets` is needed.
    fn H5Dget_chunk_storage_size(
        dataset: hid_t,
        offset: *const hsize_t,
        size: *mut hsize_t,
    ) -> herr_t;
}

/// `H5D_CHUNK_IDX_EARRAY`: chunks in an extensible array, along the one dimension without limit.
const EXTENSIBLE_ARRAY: u32 = 4;

/// The chunks that exist in the file, in the order of the index.
pub(crate) fn stored_chunks(dataset: &OpenDataset) -> Result<Vec<StoredChunk>> {
    let rank = dataspace::extents(&dataset.space)?.shape.len();
    let mut visited = Visited {
        rank,
        chunks: Vec::new(),
    };
    let data = std::ptr::from_mut(&mut visited).cast();
    h5!(H5Dchunk_iter(dataset.id.raw(), DEFAULT, Some(visit), data))?;
    correct_offsets(dataset, &mut visited.chunks)?;
    Ok(visited.chunks)
}

/// Undoes a fault of HDF5 (2.0 and before): an extensible array is numbered with the unlimited dimension first, and
/// `H5Dchunk_iter` counts its elements as if that were the dataset's order.
///
/// Offsets at which there is a chunk each are right: they are as many as there are chunks.
fn correct_offsets(dataset: &OpenDataset, chunks: &mut [StoredChunk]) -> Result<()> {
    let extents = dataspace::extents(&dataset.space)?;
    let Layout::Chunked(chunk) = plist::layout(&dataset.creation, extents.shape.len())? else {
        return Ok(());
    };
    let unlimited = extents.max_shape.iter().position(Option::is_none);
    let Some(unlimited) = unlimited.filter(|&dimension| dimension > 0) else {
        return Ok(());
    };
    let mut index = 0;
    h5!(H5Dget_chunk_index_type(dataset.id.raw(), &mut index))?;
    let is_there = |chunk: &StoredChunk| stored_len(dataset, &chunk.offset).unwrap_or(0) > 0;
    if index != EXTENSIBLE_ARRAY || chunks.iter().all(is_there) {
        return Ok(());
    }
    let most = extents.max_shape.iter().zip(&chunk);
    let cells: Vec<Option<u64>> = most
        .map(|(most, chunk)| most.map(|most| most.div_ceil(*chunk)))
        .collect();
    for stored in chunks {
        stored.offset = unswizzled(&stored.offset, &chunk, &cells, unlimited);
    }
    Ok(())
}

/// The offset of the chunk that HDF5 reports at `offset`; `cells` are the most chunks along each dimension.
fn unswizzled(offset: &[u64], chunk: &[u64], cells: &[Option<u64>], unlimited: usize) -> Vec<u64> {
    // Its number in the array: dimensions before the unlimited one never count.
    let number = (unlimited..chunk.len()).fold(0, |number, dimension| {
        number * cells[dimension].unwrap_or(1) + offset[dimension] / chunk[dimension]
    });
    let mut rest = number;
    let mut place = vec![0; chunk.len()];
    for dimension in (0..chunk.len()).rev() {
        if let Some(cells) = cells[dimension] {
            place[dimension] = rest % cells * chunk[dimension];
            rest /= cells;
        }
    }
    place[unlimited] = rest * chunk[unlimited];
    place
}

/// Bytes of the chunk at `offset` in the file; an error where there is none.
fn stored_len(dataset: &OpenDataset, offset: &[u64]) -> Result<u64> {
    let mut len = 0;
    h5!(H5Dget_chunk_storage_size(
        dataset.id.raw(),
        offset.as_ptr(),
        &mut len
    ))?;
    Ok(len)
}

struct Visited {
    rank: usize,
    chunks: Vec<StoredChunk>,
}

unsafe extern "C" fn visit(
    offset: *const hsize_t,
    filter_mask: c_uint,
    address: haddr_t,
    size: hsize_t,
    data: *mut c_void,
) -> c_int {
    // SAFETY: `data` is the `Visited` of `stored_chunks`, which nothing else uses meanwhile, and HDF5 passes one
    // coordinate for each of the dataset's dimensions.
    let visited = unsafe { &mut *data.cast::<Visited>() };
    // SAFETY: as above.
    let offset = unsafe { std::slice::from_raw_parts(offset, visited.rank) }.to_vec();
    visited.chunks.push(StoredChunk {
        offset,
        filter_mask,
        address,
        stored_bytes: size,
    });
    0
}

/// Reads the chunk at `offset` into `bytes`, which takes its length; returns the filter mask.
pub(crate) fn read(dataset: &OpenDataset, offset: &[u64], bytes: &mut Vec<u8>) -> Result<u32> {
    check_rank(dataset, offset)?;
    let (mut mask, id) = (0, dataset.id.raw());
    // The size is asked for anew, so that the buffer fits whatever became of the file since the index was listed.
    let len = stored_len(dataset, offset)?;
    if len == 0 {
        return Err(H5Error::new("the chunk is not in the file"));
    }
    let mut len = len as usize;
    bytes.resize(len, 0);
    h5!(H5Dread_chunk2(
        id,
        DEFAULT,
        offset.as_ptr(),
        &mut mask,
        bytes.as_mut_ptr().cast(),
        &mut len
    ))?;
    Ok(mask)
}

/// Writes `bytes` as the chunk at `offset`, all filters applied but those in `filter_mask`.
pub(crate) fn write(
    dataset: &OpenDataset,
    offset: &[u64],
    filter_mask: u32,
    bytes: &[u8],
) -> Result<()> {
    check_rank(dataset, offset)?;
    let buffer = bytes.as_ptr().cast();
    h5!(H5Dwrite_chunk(
        dataset.id.raw(),
        DEFAULT,
        filter_mask,
        offset.as_ptr(),
        bytes.len(),
        buffer
    ))
    .map(drop)
}

fn check_rank(dataset: &OpenDataset, offset: &[u64]) -> Result<()> {
    let rank = dataspace::extents(&dataset.space)?.shape.len();
    if offset.len() == rank {
        return Ok(());
    }
    Err(H5Error::new(format!(
        "{} coordinates are given for {rank} dimensions",
        offset.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_an_extensible_array_become_places_again() {
        // 13 × 2 chunks at most in the other dimensions, so that the array holds 26 for every step along the second.
        let (chunk, cells) = ([16, 64, 8], [Some(13), None, Some(2)]);
        for (row, step, column) in [(0, 0, 0), (1, 0, 1), (12, 3, 0), (5, 700, 1)] {
            let number = (step * 13 + row) * 2 + column;
            let reported = [0, number / 2 * 64, number % 2 * 8];
            assert_eq!(
                unswizzled(&reported, &chunk, &cells, 1),
                [row * 16, step * 64, column * 8]
            );
        }
    }
}
