//! Creation properties: what an object was created with, and what its copy is created with.

use std::ffi::c_uint;

use hdf5_metno_sys::h5d::{H5D_alloc_time_t, H5D_layout_t};
use hdf5_metno_sys::h5p::{
    H5P_CLS_ATTRIBUTE_CREATE, H5P_CLS_DATASET_CREATE, H5P_CLS_GROUP_CREATE, H5P_CLS_LINK_CREATE,
    H5P_CLS_OBJECT_COPY, H5Pcopy, H5Pcreate, H5Pfill_value_defined, H5Pget_attr_creation_order,
    H5Pget_attr_phase_change, H5Pget_chunk, H5Pget_chunk_opts, H5Pget_est_link_info,
    H5Pget_external_count, H5Pget_fill_value, H5Pget_filter2, H5Pget_layout,
    H5Pget_link_creation_order, H5Pget_link_phase_change, H5Pget_nfilters, H5Pget_obj_track_times,
    H5Premove_filter, H5Pset_alloc_time, H5Pset_attr_creation_order, H5Pset_attr_phase_change,
    H5Pset_char_encoding, H5Pset_chunk, H5Pset_chunk_opts, H5Pset_copy_object,
    H5Pset_est_link_info, H5Pset_filter, H5Pset_layout, H5Pset_link_creation_order,
    H5Pset_link_phase_change, H5Pset_obj_track_times,
};
use hdf5_metno_sys::h5t::H5T_cset_t;
use hdf5_metno_sys::h5z::{H5Z_FILTER_ALL, H5Z_FLAG_MANDATORY, H5Z_FLAG_OPTIONAL};
use hdf5_metno_sys::{h5d, h5o};

use super::{Id, Result};
use crate::dataset::{Layout, StoredFilter};

/// HDF5 hands out at most so many.
const MOST_CD_VALUES: usize = 256;

/// A creation list for a group like one created with `like`.
///
/// Q: Why not `like` itself?
/// A: The list of an existing group with many links carries the addresses of its link storage; a group created with it
///    points into the wrong file ("address of object past end of allocation", HDF5 2.2.0).
pub(super) fn group_like(like: &Id) -> Result<Id> {
    let creation = Id::own(h5!(H5Pcreate(*H5P_CLS_GROUP_CREATE))?);
    copy_group_settings(like, &creation)?;
    Ok(creation)
}

/// Copies order tracking and storage thresholds from one group creation list to another.
pub(super) fn copy_group_settings(from: &Id, to: &Id) -> Result<()> {
    let (mut a, mut b): (c_uint, c_uint) = (0, 0);
    h5!(H5Pget_link_creation_order(from.raw(), &mut a))?;
    h5!(H5Pset_link_creation_order(to.raw(), a))?;
    h5!(H5Pget_attr_creation_order(from.raw(), &mut a))?;
    h5!(H5Pset_attr_creation_order(to.raw(), a))?;
    h5!(H5Pget_link_phase_change(from.raw(), &mut a, &mut b))?;
    h5!(H5Pset_link_phase_change(to.raw(), a, b))?;
    h5!(H5Pget_attr_phase_change(from.raw(), &mut a, &mut b))?;
    h5!(H5Pset_attr_phase_change(to.raw(), a, b))?;
    let mut tracks_times = 0;
    h5!(H5Pget_obj_track_times(from.raw(), &mut tracks_times))?;
    h5!(H5Pset_obj_track_times(to.raw(), tracks_times))?;
    h5!(H5Pget_est_link_info(from.raw(), &mut a, &mut b))?;
    h5!(H5Pset_est_link_info(to.raw(), a, b))?;
    Ok(())
}

/// Whether attributes of an object created with this list remember their order.
pub(super) fn tracks_attribute_order(creation: &Id) -> Result<bool> {
    let mut flags = 0;
    h5!(H5Pget_attr_creation_order(creation.raw(), &mut flags))?;
    Ok(flags & hdf5_metno_sys::h5p::H5P_CRT_ORDER_TRACKED != 0)
}

/// Whether links of a group created with this list remember their order.
pub(super) fn tracks_link_order(creation: &Id) -> Result<bool> {
    let mut flags = 0;
    h5!(H5Pget_link_creation_order(creation.raw(), &mut flags))?;
    Ok(flags & hdf5_metno_sys::h5p::H5P_CRT_ORDER_TRACKED != 0)
}

/// A list for links whose names have the encoding `cset`.
pub(super) fn link_plist(cset: H5T_cset_t) -> Result<Id> {
    let links = Id::own(h5!(H5Pcreate(*H5P_CLS_LINK_CREATE))?);
    h5!(H5Pset_char_encoding(links.raw(), cset))?;
    Ok(links)
}

/// A list for fields, in their object header where they are short. They do not tell when they were made: the same input
/// gives the same file.
pub(super) fn field_plist(is_compact: bool) -> Result<Id> {
    let creation = Id::own(h5!(H5Pcreate(*H5P_CLS_DATASET_CREATE))?);
    if is_compact {
        h5!(H5Pset_layout(creation.raw(), H5D_layout_t::H5D_COMPACT))?;
    }
    h5!(H5Pset_obj_track_times(creation.raw(), 0))?;
    Ok(creation)
}

/// A list for attributes whose names have the encoding `cset`.
pub(super) fn attribute_plist(cset: H5T_cset_t) -> Result<Id> {
    let attributes = Id::own(h5!(H5Pcreate(*H5P_CLS_ATTRIBUTE_CREATE))?);
    h5!(H5Pset_char_encoding(attributes.raw(), cset))?;
    Ok(attributes)
}

/// A list to copy objects without their attributes and onto committed datatypes that are there already.
pub(super) fn copy_plist() -> Result<Id> {
    let copying = Id::own(h5!(H5Pcreate(*H5P_CLS_OBJECT_COPY))?);
    let flags = h5o::H5O_COPY_WITHOUT_ATTR_FLAG | h5o::H5O_COPY_MERGE_COMMITTED_DTYPE_FLAG;
    h5!(H5Pset_copy_object(copying.raw(), flags))?;
    Ok(copying)
}

/// The layout that a dataset creation list asks for, `rank` being the dataset's.
pub(crate) fn layout(creation: &Id, rank: usize) -> Result<Layout> {
    let kind = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live; HDF5 returns a value of the enum, -1 included.
        unsafe { H5Pget_layout(creation.raw()) }
    });
    Ok(match kind {
        H5D_layout_t::H5D_COMPACT => Layout::Compact,
        H5D_layout_t::H5D_CHUNKED => {
            let mut chunk = vec![0; rank];
            h5!(H5Pget_chunk(
                creation.raw(),
                rank as i32,
                chunk.as_mut_ptr()
            ))?;
            Layout::Chunked(chunk)
        }
        H5D_layout_t::H5D_VIRTUAL => Layout::Virtual,
        H5D_layout_t::H5D_CONTIGUOUS if h5!(H5Pget_external_count(creation.raw()))? > 0 => {
            Layout::External
        }
        H5D_layout_t::H5D_CONTIGUOUS => Layout::Contiguous,
        _ => {
            return Err(super::H5Error::new(
                "the layout is unknown to this version of HDF5",
            ));
        }
    })
}

/// Whether chunks that reach over the edge of the dataset are stored without filters.
pub(crate) fn leaves_edge_chunks_unfiltered(creation: &Id) -> Result<bool> {
    let mut options = 0;
    h5!(H5Pget_chunk_opts(creation.raw(), &mut options))?;
    Ok(options & h5d::H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS != 0)
}

/// The filters of a dataset creation list, in the order in which they are applied.
pub(crate) fn filters(creation: &Id) -> Result<Vec<StoredFilter>> {
    let count = h5!(H5Pget_nfilters(creation.raw()))?;
    (0..count as c_uint)
        .map(|index| filter(creation, index))
        .collect()
}

fn filter(creation: &Id, index: c_uint) -> Result<StoredFilter> {
    let mut cd_values = vec![0; MOST_CD_VALUES];
    let (mut flags, mut len) = (0, cd_values.len());
    let mut name = [0_u8; 256];
    let id = h5!(H5Pget_filter2(
        creation.raw(),
        index,
        &mut flags,
        &mut len,
        cd_values.as_mut_ptr(),
        name.len() - 1,
        name.as_mut_ptr().cast(),
        std::ptr::null_mut(),
    ))?;
    if len > MOST_CD_VALUES {
        return Err(super::H5Error::new(format!(
            "filter {id} has {len} values, more than HDF5 hands out"
        )));
    }
    cd_values.truncate(len);
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(StoredFilter {
        id,
        name: String::from_utf8_lossy(name).into_owned(),
        cd_values,
        optional: flags & H5Z_FLAG_OPTIONAL != 0,
    })
}

/// The fill value of a dataset creation list in `datatype`, which has `size` bytes and no variable parts; `None` where
/// the user set none.
pub(crate) fn fill_value(creation: &Id, datatype: &Id, size: usize) -> Result<Option<Vec<u8>>> {
    let mut defined = h5d::H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
    h5!(H5Pfill_value_defined(creation.raw(), &mut defined))?;
    if defined != h5d::H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED {
        return Ok(None);
    }
    let mut bytes = vec![0; size];
    h5!(H5Pget_fill_value(
        creation.raw(),
        datatype.raw(),
        bytes.as_mut_ptr().cast()
    ))?;
    Ok(Some(bytes))
}

/// A copy of a dataset creation list with chunks of shape `chunk` and `filters`.
///
/// Chunks are allocated when they are written, so that those the source never wrote stay away, and edge chunks are
/// filtered like all others.
pub(crate) fn with_filters(creation: &Id, chunk: &[u64], filters: &[StoredFilter]) -> Result<Id> {
    let copy = Id::own(h5!(H5Pcopy(creation.raw()))?);
    h5!(H5Premove_filter(copy.raw(), H5Z_FILTER_ALL))?;
    h5!(H5Pset_chunk(copy.raw(), chunk.len() as i32, chunk.as_ptr()))?;
    h5!(H5Pset_chunk_opts(copy.raw(), 0))?;
    h5!(H5Pset_alloc_time(
        copy.raw(),
        H5D_alloc_time_t::H5D_ALLOC_TIME_INCR
    ))?;
    for filter in filters {
        let flags = if filter.optional {
            H5Z_FLAG_OPTIONAL
        } else {
            H5Z_FLAG_MANDATORY
        };
        h5!(H5Pset_filter(
            copy.raw(),
            filter.id,
            flags,
            filter.cd_values.len(),
            filter.cd_values.as_ptr()
        ))?;
    }
    Ok(copy)
}
