//! References from one object to another, moved from the source file to its copy.
//!
//! A reference holds a place in its file, so a copy of its bytes would lead anywhere. Each one is followed in the source
//! to an object, and made again in the destination to the object at the same path.

use std::ffi::c_void;

use hdf5_metno_sys::h5r::{
    H5R_ref_t, H5R_type_t, H5Rcreate, H5Rcreate_attr, H5Rcreate_object, H5Rcreate_region,
    H5Rdereference2, H5Rdestroy, H5Rget_attr_name, H5Rget_file_name, H5Rget_region, H5Ropen_object,
    H5Ropen_region,
};

use super::datatype::ReferenceKind;
use super::object::{Token, identity};
use super::{DEFAULT, H5Error, Id, Result, c_string, file_name, text};

impl ReferenceKind {
    /// Bytes of a reference in memory.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Object => 8,
            Self::Region => size_of::<hdf5_metno_sys::h5r::hdset_reg_ref_t>(),
            Self::Any => size_of::<H5R_ref_t>(),
        }
    }
}

/// Moves references from one file to another.
pub(crate) struct Remap<'a> {
    /// The file that the references were read from.
    pub(crate) source: &'a Id,
    /// Its name, as references of HDF5 1.12 hold it.
    pub(crate) source_name: &'a str,
    /// The file that they will be written to.
    pub(crate) destination: &'a Id,
    /// Where an object of the source is in the destination.
    pub(crate) path_of: &'a dyn Fn(&Token) -> Option<&'a str>,
    /// References that led nowhere, and are null in the destination.
    pub(crate) dangling: u64,
}

impl Remap<'_> {
    /// Replaces one reference in place.
    pub(super) fn reference(&mut self, kind: ReferenceKind, bytes: &mut [u8]) -> Result<()> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        match kind {
            ReferenceKind::Object => self.old(H5R_type_t::H5R_OBJECT1, bytes),
            ReferenceKind::Region => self.old(H5R_type_t::H5R_DATASET_REGION1, bytes),
            ReferenceKind::Any => self.any(bytes),
        }
    }

    fn old(&mut self, kind: H5R_type_t, bytes: &mut [u8]) -> Result<()> {
        let pointer: *const c_void = bytes.as_ptr().cast();
        let object = h5!(H5Rdereference2(self.source.raw(), DEFAULT, kind, pointer)).map(Id::own);
        let Some(path) = self.path(object)? else {
            bytes.fill(0);
            return Ok(());
        };
        let region = match kind {
            H5R_type_t::H5R_DATASET_REGION1 => Some(Id::own(h5!(H5Rget_region(
                self.source.raw(),
                kind,
                pointer
            ))?)),
            _ => None,
        };
        let space = region.as_ref().map_or(-1, Id::raw);
        h5!(H5Rcreate(
            bytes.as_mut_ptr().cast(),
            self.destination.raw(),
            path.as_ptr(),
            kind,
            space
        ))
        .map(drop)
    }

    fn any(&mut self, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: the bytes are an H5R_ref_t that HDF5 filled; reading them unaligned makes a bitwise copy, and the
        // original is overwritten below without being destroyed, so one of the two owns what HDF5 allocated.
        let mut old = unsafe { bytes.as_ptr().cast::<H5R_ref_t>().read_unaligned() };
        let file = file_name(|buffer, len| h5!(H5Rget_file_name(&old, buffer, len)))?;
        if file != self.source_name {
            // A reference into another file stays what it is.
            return Ok(());
        }
        let new = self.new_reference(&old)?;
        h5!(H5Rdestroy(&mut old))?;
        // SAFETY: the slice has the size of an H5R_ref_t; the values it belongs to take over the new one.
        unsafe { bytes.as_mut_ptr().cast::<H5R_ref_t>().write_unaligned(new) };
        Ok(())
    }

    fn new_reference(&mut self, old: &H5R_ref_t) -> Result<H5R_ref_t> {
        let mut new = H5R_ref_t::default();
        let object = h5!(H5Ropen_object(old, DEFAULT, DEFAULT)).map(Id::own);
        let Some(path) = self.path(object)? else {
            return Ok(new);
        };
        let destination = self.destination.raw();
        let kind = hdf5_metno::sync::sync(|| {
            // SAFETY: `old` is a live reference; HDF5 returns a value of the enum.
            unsafe { hdf5_metno_sys::h5r::H5Rget_type(old) }
        });
        match kind {
            H5R_type_t::H5R_DATASET_REGION1 | H5R_type_t::H5R_DATASET_REGION2 => {
                let region = Id::own(h5!(H5Ropen_region(old, DEFAULT, DEFAULT))?);
                h5!(H5Rcreate_region(
                    destination,
                    path.as_ptr(),
                    region.raw(),
                    DEFAULT,
                    &mut new
                ))?;
            }
            H5R_type_t::H5R_ATTR => {
                let name = c_string(&text(|buffer, len| {
                    h5!(H5Rget_attr_name(old, buffer, len))
                })?)?;
                h5!(H5Rcreate_attr(
                    destination,
                    path.as_ptr(),
                    name.as_ptr(),
                    DEFAULT,
                    &mut new
                ))?;
            }
            H5R_type_t::H5R_OBJECT1 | H5R_type_t::H5R_OBJECT2 => {
                h5!(H5Rcreate_object(
                    destination,
                    path.as_ptr(),
                    DEFAULT,
                    &mut new
                ))?;
            }
            _ => return Err(H5Error::new("the reference is of an unknown kind")),
        }
        Ok(new)
    }

    /// The destination's path of the object a reference led to; `None`, and counted, where it led nowhere.
    fn path(&mut self, object: Result<Id>) -> Result<Option<std::ffi::CString>> {
        let token = object
            .and_then(|object| identity(&object))
            .map(|(_, token)| token);
        match token.ok().and_then(|token| (self.path_of)(&token)) {
            Some(path) => Ok(Some(c_string(path)?)),
            None => {
                self.dangling += 1;
                Ok(None)
            }
        }
    }
}
