//! Chunks as they lie in the file, past HDF5's filters and chunk cache.

use std::ffi::{c_int, c_uint, c_void};

use hdf5_metno_sys::h5::{haddr_t, hsize_t};
use hdf5_metno_sys::h5d::{
    H5Dchunk_iter, H5Dget_chunk_info_by_coord, H5Dread_chunk2, H5Dwrite_chunk,
};

use super::dataset::OpenDataset;
use super::{DEFAULT, H5Error, Result, dataspace};
use crate::dataset::StoredChunk;

/// The chunks that exist in the file, in the order of the index.
pub(crate) fn stored_chunks(dataset: &OpenDataset) -> Result<Vec<StoredChunk>> {
    let rank = dataspace::extents(&dataset.space)?.shape.len();
    let mut visited = Visited {
        rank,
        chunks: Vec::new(),
    };
    let data = std::ptr::from_mut(&mut visited).cast();
    h5!(H5Dchunk_iter(dataset.id.raw(), DEFAULT, Some(visit), data))?;
    Ok(visited.chunks)
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
    let (mut mask, mut address, mut len) = (0, 0, 0);
    let id = dataset.id.raw();
    // The size is asked for anew, so that the buffer fits whatever became of the file since the index was listed.
    h5!(H5Dget_chunk_info_by_coord(
        id,
        offset.as_ptr(),
        &mut mask,
        &mut address,
        &mut len
    ))?;
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
