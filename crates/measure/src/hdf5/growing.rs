//! Files that are read while they are written (SWMR), and datasets in them that grow along their first dimension.

use std::ffi::c_void;
use std::fs::File;
use std::path::Path;

use etalon_codec::{ByteOrder, Element, ElementClass};
use hdf5_metno_sys::h5d::{
    H5D_alloc_time_t, H5D_fill_time_t, H5Dcreate2, H5Dflush, H5Dget_space, H5Dget_type,
    H5Dset_extent, H5Dwrite,
};
use hdf5_metno_sys::h5f::{
    H5F_ACC_EXCL, H5F_ACC_RDWR, H5F_libver_t, H5F_scope_t, H5Fcreate, H5Fflush, H5Fopen,
    H5Fstart_swmr_write,
};
use hdf5_metno_sys::h5g::H5Gcreate2;
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5l::H5Lcreate_hard;
use hdf5_metno_sys::h5p::{
    H5P_CLS_DATASET_CREATE, H5Pcreate, H5Pset_alloc_time, H5Pset_attr_phase_change, H5Pset_chunk,
    H5Pset_file_locking, H5Pset_fill_time, H5Pset_fill_value, H5Pset_filter, H5Pset_libver_bounds,
};
use hdf5_metno_sys::h5s::{H5S_ALL, H5S_UNLIMITED, H5Screate_simple};
use hdf5_metno_sys::h5t::{
    H5T_IEEE_F32BE, H5T_IEEE_F32LE, H5T_IEEE_F64BE, H5T_IEEE_F64LE, H5T_STD_I8LE, H5T_STD_I16BE,
    H5T_STD_I16LE, H5T_STD_I32BE, H5T_STD_I32LE, H5T_STD_I64BE, H5T_STD_I64LE, H5T_STD_U8LE,
    H5T_STD_U16BE, H5T_STD_U16LE, H5T_STD_U32BE, H5T_STD_U32LE, H5T_STD_U64BE, H5T_STD_U64LE,
};
use hdf5_metno_sys::h5z::H5Z_FLAG_MANDATORY;

use super::dataset::OpenDataset;
use super::file::{self, access_plist, c_path};
use super::registration::register_filters;
use super::{DEFAULT, H5Error, Id, Result, c_string, dataspace, datatype};

/// Creates a file that must not exist, in the format of HDF5 1.10: the oldest that knows SWMR.
pub(crate) fn create_file(path: &Path) -> Result<Id> {
    register_filters()?;
    let (access, version) = (access_plist()?, H5F_libver_t::H5F_LIBVER_V110);
    h5!(H5Pset_libver_bounds(access.raw(), version, version))?;
    let path = c_path(path)?;
    Ok(Id::own(h5!(H5Fcreate(
        path.as_ptr(),
        H5F_ACC_EXCL,
        DEFAULT,
        access.raw()
    ))?))
}

/// Opens a file that nobody else writes to, in the same format, and closes it behind `body`.
///
/// HDF5 wants such a file to itself. Those who followed it in SWMR mode may still have it open, and keep a lock of readers;
/// beside them it is opened without a lock of HDF5, and one of the same kind keeps other writers away.
pub(crate) fn change_file(path: &Path, body: impl FnOnce(&Id) -> Result<()>) -> Result<()> {
    let change = |file: Id| body(&file).and(file::close(file));
    let alone = open_file(path, true);
    let error = match alone {
        Ok(file) => return change(file),
        Err(error) => error,
    };
    let beside_readers = File::open(path).and_then(|file| {
        file.try_lock_shared()?;
        Ok(file)
    });
    match beside_readers {
        Ok(_locked) => change(open_file(path, false)?),
        Err(_) => Err(error),
    }
}

fn open_file(path: &Path, is_locked: bool) -> Result<Id> {
    let (access, version) = (access_plist()?, H5F_libver_t::H5F_LIBVER_V110);
    h5!(H5Pset_libver_bounds(access.raw(), version, version))?;
    if !is_locked {
        h5!(H5Pset_file_locking(access.raw(), 0, 1))?;
    }
    let path = c_path(path)?;
    Ok(Id::own(h5!(H5Fopen(
        path.as_ptr(),
        H5F_ACC_RDWR,
        access.raw()
    ))?))
}

/// From here on others may read. Objects and attributes can no longer be added.
pub(crate) fn start_swmr(file: &Id) -> Result<()> {
    h5!(H5Fstart_swmr_write(file.raw())).map(drop)
}

/// Hands everything that HDF5 keeps in memory to the operating system.
pub(crate) fn flush_file(file: &Id) -> Result<()> {
    h5!(H5Fflush(file.raw(), H5F_scope_t::H5F_SCOPE_GLOBAL)).map(drop)
}

/// Creates an empty group.
pub(crate) fn create_group(parent: &Id, name: &str) -> Result<Id> {
    let name = c_string(name)?;
    Ok(Id::own(h5!(H5Gcreate2(
        parent.raw(),
        name.as_ptr(),
        DEFAULT,
        DEFAULT,
        DEFAULT
    ))?))
}

/// Gives the object at `path` of `file` a second name.
pub(crate) fn link(file: &Id, path: &str, second: &str) -> Result<()> {
    let (path, second, file) = (c_string(path)?, c_string(second)?, file.raw());
    h5!(H5Lcreate_hard(
        file,
        path.as_ptr(),
        file,
        second.as_ptr(),
        DEFAULT,
        DEFAULT
    ))
    .map(drop)
}

/// Creates a dataset of one text, which keeps its length. Its place in the file is taken now.
pub(crate) fn create_text(parent: &Id, name: &str, value: &str) -> Result<()> {
    let name = c_string(name)?;
    let (datatype, space) = (datatype::fixed_text(value.len())?, dataspace::scalar()?);
    let dataset = Id::own(h5!(H5Dcreate2(
        parent.raw(),
        name.as_ptr(),
        datatype.raw(),
        space.raw(),
        DEFAULT,
        DEFAULT,
        DEFAULT
    ))?);
    write_text(&dataset, value)
}

/// Overwrites a text of the same length.
pub(crate) fn write_text(dataset: &Id, value: &str) -> Result<()> {
    let (id, datatype) = (dataset.raw(), datatype::fixed_text(value.len())?);
    let stored = Id::own(h5!(H5Dget_type(id))?);
    if datatype::size(&stored)? != value.len() {
        return Err(H5Error::new(
            "the text has another length than the one before",
        ));
    }
    let buffer = value.as_ptr().cast();
    h5!(H5Dwrite(
        id,
        datatype.raw(),
        H5S_ALL,
        H5S_ALL,
        DEFAULT,
        buffer
    ))
    .map(drop)
}

/// A dataset that grows row by row.
pub(crate) struct Growing<'a> {
    pub(crate) element: Element,
    /// Shape of a chunk; all but the first extent are those of the dataset.
    pub(crate) chunk: &'a [u64],
    /// Filter id and its values.
    pub(crate) filter: Option<(u32, &'a [u32])>,
    /// What rows hold that were never written; zeros otherwise.
    pub(crate) fill: Option<&'a [u8]>,
}

impl Growing<'_> {
    /// Creates it without rows.
    pub(crate) fn create(&self, parent: &Id, name: &str) -> Result<OpenDataset> {
        let (mut shape, mut most) = (self.chunk.to_vec(), self.chunk.to_vec());
        (shape[0], most[0]) = (0, H5S_UNLIMITED);
        let space = Id::own(h5!(H5Screate_simple(
            shape.len() as i32,
            shape.as_ptr(),
            most.as_ptr()
        ))?);
        let (name, creation, datatype) = (
            c_string(name)?,
            self.creation_list()?,
            stored_type(&self.element)?,
        );
        OpenDataset::of(Id::own(h5!(H5Dcreate2(
            parent.raw(),
            name.as_ptr(),
            datatype,
            space.raw(),
            DEFAULT,
            creation.raw(),
            DEFAULT
        ))?))
    }

    fn creation_list(&self) -> Result<Id> {
        let creation = Id::own(h5!(H5Pcreate(*H5P_CLS_DATASET_CREATE))?);
        let list = creation.raw();
        h5!(H5Pset_chunk(
            list,
            self.chunk.len() as i32,
            self.chunk.as_ptr()
        ))?;
        h5!(H5Pset_alloc_time(
            list,
            H5D_alloc_time_t::H5D_ALLOC_TIME_INCR
        ))?;
        h5!(H5Pset_fill_time(list, H5D_fill_time_t::H5D_FILL_TIME_IFSET))?;
        // Attributes stay in the header, at the begin of the file, however many there are.
        h5!(H5Pset_attr_phase_change(list, 64, 0))?;
        if let Some((id, values)) = self.filter {
            h5!(H5Pset_filter(
                list,
                id as i32,
                H5Z_FLAG_MANDATORY,
                values.len(),
                values.as_ptr()
            ))?;
        }
        if let Some(fill) = self.fill {
            if fill.len() != self.element.bytes {
                return Err(H5Error::new("the fill value is not one element"));
            }
            let datatype = stored_type(&self.element)?;
            h5!(H5Pset_fill_value(list, datatype, fill.as_ptr().cast()))?;
        }
        Ok(creation)
    }
}

/// The datatype of a file for elements of this kind.
fn stored_type(element: &Element) -> Result<hid_t> {
    use ElementClass::{Float, Signed, Unsigned};
    let big = element.order == ByteOrder::Big;
    let either = |little: hid_t, of_big: hid_t| if big { of_big } else { little };
    Ok(match (element.class, element.bytes) {
        (Unsigned, 1) => *H5T_STD_U8LE,
        (Unsigned, 2) => either(*H5T_STD_U16LE, *H5T_STD_U16BE),
        (Unsigned, 4) => either(*H5T_STD_U32LE, *H5T_STD_U32BE),
        (Unsigned, 8) => either(*H5T_STD_U64LE, *H5T_STD_U64BE),
        (Signed, 1) => *H5T_STD_I8LE,
        (Signed, 2) => either(*H5T_STD_I16LE, *H5T_STD_I16BE),
        (Signed, 4) => either(*H5T_STD_I32LE, *H5T_STD_I32BE),
        (Signed, 8) => either(*H5T_STD_I64LE, *H5T_STD_I64BE),
        (Float, 4) => either(*H5T_IEEE_F32LE, *H5T_IEEE_F32BE),
        (Float, 8) => either(*H5T_IEEE_F64LE, *H5T_IEEE_F64BE),
        _ => {
            return Err(H5Error::new(
                "frames are of integers, or of floats of 4 or 8 bytes",
            ));
        }
    })
}

impl OpenDataset {
    /// Gives the dataset this shape.
    pub(crate) fn resize(&self, shape: &[u64]) -> Result<()> {
        if shape.len() != dataspace::extents(&self.space)?.shape.len() {
            return Err(H5Error::new("the shape has another rank than the dataset"));
        }
        h5!(H5Dset_extent(self.id.raw(), shape.as_ptr())).map(drop)
    }

    /// Writes rows of a dataset of one dimension, which is long enough. `bytes` are elements as the file stores them.
    pub(crate) fn write_rows(&self, first: u64, bytes: &[u8]) -> Result<()> {
        let rows = (bytes.len() / datatype::size(&self.datatype)?) as u64;
        let (memory, file) = (
            dataspace::simple(&[rows])?,
            Id::own(h5!(H5Dget_space(self.id.raw()))?),
        );
        dataspace::select(&file, &[first], &[rows])?;
        let buffer: *const c_void = bytes.as_ptr().cast();
        h5!(H5Dwrite(
            self.id.raw(),
            self.datatype.raw(),
            memory.raw(),
            file.raw(),
            DEFAULT,
            buffer
        ))
        .map(drop)
    }

    /// Hands what HDF5 keeps of the dataset in memory to the operating system: readers see it from here on.
    pub(crate) fn flush(&self) -> Result<()> {
        h5!(H5Dflush(self.id.raw())).map(drop)
    }
}
