//! Datasets of one value, or of a short list of texts: what NeXus calls fields.

use std::ffi::{CString, c_char, c_void};

use hdf5_metno_sys::h5d::{H5Dcreate2, H5Dread, H5Dwrite};
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5t::{H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, H5T_NATIVE_UINT64, H5T_STD_U64LE};

use super::dataset::OpenDataset;
use super::object::{Kind, identity, open};
use super::values::Values;
use super::{DEFAULT, Id, Result, c_string, dataspace, datatype, plist};

/// Longer lists of texts are not stored in the object header, which takes 64 KiB.
const MOST_COMPACT_TEXTS: usize = 1000;

/// Writes a text, which h5py reads as `str`.
pub(crate) fn write_text(group: &Id, name: &str, value: &str) -> Result<Id> {
    write_texts_in(group, name, &[value], &dataspace::scalar()?)
}

/// Writes a list of texts.
pub(crate) fn write_texts(group: &Id, name: &str, values: &[&str]) -> Result<Id> {
    let space = dataspace::simple(&[values.len() as u64])?;
    write_texts_in(group, name, values, &space)
}

/// Writes a number.
pub(crate) fn write_number(group: &Id, name: &str, value: f64) -> Result<Id> {
    let field = create(group, name, *H5T_IEEE_F64LE, &dataspace::scalar()?, true)?;
    let buffer: *const f64 = &value;
    write(&field, *H5T_NATIVE_DOUBLE, buffer.cast())?;
    Ok(field)
}

/// Writes a whole number.
pub(crate) fn write_count(group: &Id, name: &str, value: u64) -> Result<Id> {
    let field = create(group, name, *H5T_STD_U64LE, &dataspace::scalar()?, true)?;
    let buffer: *const u64 = &value;
    write(&field, *H5T_NATIVE_UINT64, buffer.cast())?;
    Ok(field)
}

/// `space` has as many elements as there are values.
fn write_texts_in(group: &Id, name: &str, values: &[&str], space: &Id) -> Result<Id> {
    let texts: Vec<CString> = values
        .iter()
        .map(|text| c_string(text))
        .collect::<Result<_>>()?;
    let pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    let datatype = datatype::text()?;
    let is_compact = values.len() <= MOST_COMPACT_TEXTS;
    let field = create(group, name, datatype.raw(), space, is_compact)?;
    write(&field, datatype.raw(), pointers.as_ptr().cast())?;
    Ok(field)
}

fn create(group: &Id, name: &str, datatype: hid_t, space: &Id, is_compact: bool) -> Result<Id> {
    let name = c_string(name)?;
    let creation = plist::field_plist(is_compact)?;
    Ok(Id::own(h5!(H5Dcreate2(
        group.raw(),
        name.as_ptr(),
        datatype,
        space.raw(),
        DEFAULT,
        creation.raw(),
        DEFAULT,
    ))?))
}

/// `buffer` has the values of the whole field in the type `memory`.
fn write(field: &Id, memory: hid_t, buffer: *const c_void) -> Result<()> {
    h5!(H5Dwrite(
        field.raw(),
        memory,
        DEFAULT,
        DEFAULT,
        DEFAULT,
        buffer
    ))
    .map(drop)
}

/// The field at `path`, seen from `group`, where there is one.
fn find(group: &Id, path: &str) -> Option<OpenDataset> {
    let object = open(group, path).ok()?;
    let (kind, _) = identity(&object).ok()?;
    (kind == Kind::Dataset).then(|| OpenDataset::of(object).ok())?
}

/// The field at `path`, where it is one text.
pub(crate) fn read_text(group: &Id, path: &str) -> Result<Option<String>> {
    let Some(field) = find(group, path) else {
        return Ok(None);
    };
    let shape = dataspace::extents(&field.space)?.shape;
    if shape.iter().product::<u64>() != 1 || !datatype::is_text(&field.datatype)? {
        return Ok(None);
    }
    let offset = vec![0; shape.len()];
    Ok(Values::of_dataset(&field, &offset, &shape)?.any_text())
}

/// The field at `path`, where it is one number.
pub(crate) fn read_number(group: &Id, path: &str) -> Result<Option<f64>> {
    let Some(field) = find(group, path) else {
        return Ok(None);
    };
    if !datatype::is_number(&field.datatype)? || dataspace::elements(&field.space)? != 1 {
        return Ok(None);
    }
    let mut value = 0.0_f64;
    let buffer: *mut f64 = &mut value;
    let (field, memory) = (field.id.raw(), *H5T_NATIVE_DOUBLE);
    h5!(H5Dread(
        field,
        memory,
        DEFAULT,
        DEFAULT,
        DEFAULT,
        buffer.cast()
    ))?;
    Ok(Some(value))
}
