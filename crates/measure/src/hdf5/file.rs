//! Files: opening, creating, closing.

use std::ffi::{CString, c_uint};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hdf5_metno_sys::h5f::{
    H5F_ACC_EXCL, H5F_ACC_RDONLY, H5F_ACC_SWMR_READ, H5F_LIBVER_LATEST, H5F_close_degree_t,
    H5F_info2_t, H5F_libver_t, H5F_scope_t, H5Fclose, H5Fcreate, H5Fflush, H5Fget_create_plist,
    H5Fget_info2, H5Fget_name, H5Fopen,
};
use hdf5_metno_sys::h5p::{
    H5P_CLS_FILE_ACCESS, H5P_CLS_FILE_CREATE, H5Pcreate, H5Pget_file_space_page_size,
    H5Pget_file_space_strategy, H5Pget_userblock, H5Pset_fclose_degree, H5Pset_file_locking,
    H5Pset_file_space_page_size, H5Pset_file_space_strategy, H5Pset_libver_bounds,
    H5Pset_userblock,
};

use super::registration::register_filters;
use super::{H5Error, Id, Result, file_name, plist};

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<Id> {
    open_with(path, H5F_ACC_RDONLY)
}

/// Opens a file for reading that is being written for readers.
pub(crate) fn open_while_written(path: &Path) -> Result<Id> {
    open_with(path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ)
}

fn open_with(path: &Path, flags: c_uint) -> Result<Id> {
    register_filters()?;
    let access = access_plist()?;
    let path = c_path(path)?;
    Ok(Id::own(h5!(H5Fopen(path.as_ptr(), flags, access.raw()))?))
}

/// Creates a file that must not exist, with the file-wide settings of `like`.
///
/// Old source, old format: a program that can read the source can read the copy. The lower bound decides which format
/// HDF5 prefers; the upper one only forbids, so it stays open for what needs more (references of HDF5 1.12).
pub(crate) fn create_like(path: &Path, like: &Id) -> Result<Id> {
    register_filters()?;
    let access = access_plist()?;
    let (low, high) = (lower_bound(like)?, H5F_LIBVER_LATEST);
    h5!(H5Pset_libver_bounds(access.raw(), low, high))?;
    let creation = creation_plist(like)?;
    let path = c_path(path)?;
    Ok(Id::own(h5!(H5Fcreate(
        path.as_ptr(),
        H5F_ACC_EXCL,
        creation.raw(),
        access.raw()
    ))?))
}

/// The name of a file as references of HDF5 1.12 hold it.
pub(crate) fn name(file: &Id) -> Result<String> {
    file_name(|buffer, len| h5!(H5Fget_name(file.raw(), buffer, len)))
}

/// Writes everything to the operating system and closes the file.
pub(crate) fn close(file: Id) -> Result<()> {
    let flushed = h5!(H5Fflush(file.raw(), H5F_scope_t::H5F_SCOPE_GLOBAL));
    let raw = file.raw();
    std::mem::forget(file);
    let closed = h5!(H5Fclose(raw));
    flushed.and(closed).map(drop)
}

/// Bytes before the HDF5 part of the file.
pub(crate) fn userblock(file: &Id) -> Result<u64> {
    let creation = Id::own(h5!(H5Fget_create_plist(file.raw()))?);
    let mut bytes = 0;
    h5!(H5Pget_userblock(creation.raw(), &mut bytes))?;
    Ok(bytes)
}

/// How files are opened.
pub(super) fn access_plist() -> Result<Id> {
    let access = Id::own(h5!(H5Pcreate(*H5P_CLS_FILE_ACCESS))?);
    // Objects that an error left open must not keep the file open.
    h5!(H5Pset_fclose_degree(
        access.raw(),
        H5F_close_degree_t::H5F_CLOSE_STRONG
    ))?;
    // Lock where the file system can; many network file systems cannot.
    h5!(H5Pset_file_locking(access.raw(), 1, 1))?;
    Ok(access)
}

/// Superblocks 0 and 1 are of HDF5 before 1.8. Later ones allow what 1.8 brought: large attributes, compact groups.
fn lower_bound(file: &Id) -> Result<H5F_libver_t> {
    let mut info = H5F_info2_t::default();
    h5!(H5Fget_info2(file.raw(), &mut info))?;
    Ok(match info.super_.version {
        0 | 1 => H5F_libver_t::H5F_LIBVER_EARLIEST,
        _ => H5F_libver_t::H5F_LIBVER_V18,
    })
}

fn creation_plist(like: &Id) -> Result<Id> {
    let source = Id::own(h5!(H5Fget_create_plist(like.raw()))?);
    let creation = Id::own(h5!(H5Pcreate(*H5P_CLS_FILE_CREATE))?);
    let userblock = userblock(like)?;
    h5!(H5Pset_userblock(creation.raw(), userblock))?;
    let (mut strategy, mut persist, mut threshold) = (Default::default(), 0, 0);
    h5!(H5Pget_file_space_strategy(
        source.raw(),
        &mut strategy,
        &mut persist,
        &mut threshold
    ))?;
    h5!(H5Pset_file_space_strategy(
        creation.raw(),
        strategy,
        persist,
        threshold
    ))?;
    let mut page = 0;
    h5!(H5Pget_file_space_page_size(source.raw(), &mut page))?;
    h5!(H5Pset_file_space_page_size(creation.raw(), page))?;
    plist::copy_group_settings(
        &super::object::group_plist(&super::object::open(like, "/")?)?,
        &creation,
    )?;
    Ok(creation)
}

pub(super) fn c_path(path: &Path) -> Result<CString> {
    // Names are bytes to HDF5 and to the system, in whatever encoding.
    let bytes = path.as_os_str().as_bytes();
    CString::new(bytes).map_err(|_| H5Error::new("the file name has a NUL"))
}
