//! Dataspaces: extents and selections.

use hdf5_metno_sys::h5s::{
    H5S_UNLIMITED, H5S_class_t, H5S_seloper_t, H5Screate, H5Screate_simple,
    H5Sget_simple_extent_dims, H5Sget_simple_extent_ndims, H5Sget_simple_extent_npoints,
    H5Sget_simple_extent_type, H5Sselect_hyperslab,
};

use super::{Id, Result};

/// Extents of a dataspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Extents {
    /// Current extents; empty for a scalar.
    pub(crate) shape: Vec<u64>,
    /// Largest extents, `None` for unlimited.
    pub(crate) max_shape: Vec<Option<u64>>,
    /// Whether there is no element at all and never will be.
    pub(crate) is_null: bool,
}

/// The extents of `space`.
pub(crate) fn extents(space: &Id) -> Result<Extents> {
    let class = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live; HDF5 returns a value of the enum.
        unsafe { H5Sget_simple_extent_type(space.raw()) }
    });
    let rank = h5!(H5Sget_simple_extent_ndims(space.raw()))? as usize;
    let (mut shape, mut most) = (vec![0; rank], vec![0; rank]);
    h5!(H5Sget_simple_extent_dims(
        space.raw(),
        shape.as_mut_ptr(),
        most.as_mut_ptr()
    ))?;
    Ok(Extents {
        shape,
        max_shape: most
            .into_iter()
            .map(|extent| (extent != H5S_UNLIMITED).then_some(extent))
            .collect(),
        is_null: class == H5S_class_t::H5S_NULL,
    })
}

/// Number of elements of `space`.
pub(super) fn elements(space: &Id) -> Result<usize> {
    Ok(h5!(H5Sget_simple_extent_npoints(space.raw()))? as usize)
}

/// The dataspace of a single value.
pub(super) fn scalar() -> Result<Id> {
    Ok(Id::own(h5!(H5Screate(H5S_class_t::H5S_SCALAR))?))
}

/// A dataspace of fixed extents.
pub(super) fn simple(shape: &[u64]) -> Result<Id> {
    Ok(Id::own(h5!(H5Screate_simple(
        shape.len() as i32,
        shape.as_ptr(),
        std::ptr::null()
    ))?))
}

/// Selects a box in `space`, whose rank is that of `offset` and `count`.
pub(super) fn select(space: &Id, offset: &[u64], count: &[u64]) -> Result<()> {
    let rank = h5!(H5Sget_simple_extent_ndims(space.raw()))? as usize;
    assert!(
        offset.len() == rank && count.len() == rank,
        "a box of the dataspace's rank"
    );
    h5!(H5Sselect_hyperslab(
        space.raw(),
        H5S_seloper_t::H5S_SELECT_SET,
        offset.as_ptr(),
        std::ptr::null(),
        count.as_ptr(),
        std::ptr::null(),
    ))
    .map(drop)
}
