//! Attributes of an object: copied with their exact types, or single ones written and read.

use std::ffi::{c_char, c_void};

use hdf5_metno_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_metno_sys::h5a::{
    H5A_info_t, H5Acreate2, H5Adelete, H5Aexists, H5Aget_info, H5Aget_name, H5Aget_space,
    H5Aget_type, H5Aopen, H5Aopen_by_idx, H5Aread, H5Arename, H5Awrite,
};
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5t::{
    H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, H5T_NATIVE_UINT64, H5T_STD_U64LE, H5T_cset_t,
};

use super::object::{Kind, attribute_count, creation_plist};
use super::reference::Remap;
use super::values::Values;
use super::{DEFAULT, H5Error, Id, Result, c_string, dataspace, datatype, plist, text};

/// Copies all attributes of an object. `datatype_for` gives the destination's datatype for one of the source.
pub(crate) fn copy_all(
    source: &Id,
    kind: Kind,
    destination: &Id,
    remap: &mut Remap<'_>,
    datatype_for: &mut dyn FnMut(&Id) -> Result<Id>,
) -> Result<()> {
    let index = if plist::tracks_attribute_order(&creation_plist(source, kind)?)? {
        H5_index_t::H5_INDEX_CRT_ORDER
    } else {
        H5_index_t::H5_INDEX_NAME
    };
    for position in 0..attribute_count(source)? {
        let attribute = Id::own(h5!(H5Aopen_by_idx(
            source.raw(),
            c".".as_ptr(),
            index,
            H5_iter_order_t::H5_ITER_INC,
            position,
            DEFAULT,
            DEFAULT,
        ))?);
        let name = text(|buffer, len| h5!(H5Aget_name(attribute.raw(), len, buffer)))?;
        copy(&attribute, &name, destination, remap, datatype_for)
            .map_err(|error| error.of(&format!("attribute '{name}'")))?;
    }
    Ok(())
}

fn copy(
    attribute: &Id,
    name: &str,
    destination: &Id,
    remap: &mut Remap<'_>,
    datatype_for: &mut dyn FnMut(&Id) -> Result<Id>,
) -> Result<()> {
    let mut info = H5A_info_t::default();
    h5!(H5Aget_info(attribute.raw(), &mut info))?;
    let source_type = Id::own(h5!(H5Aget_type(attribute.raw()))?);
    let space = Id::own(h5!(H5Aget_space(attribute.raw()))?);
    let (creation, new_type) = (
        plist::attribute_plist(info.cset)?,
        datatype_for(&source_type)?,
    );
    let text = c_string(name)?;
    let (object, list) = (destination.raw(), creation.raw());
    let copy = Id::own(h5!(H5Acreate2(
        object,
        text.as_ptr(),
        new_type.raw(),
        space.raw(),
        list,
        DEFAULT
    ))?);
    if dataspace::elements(&space)? == 0 {
        return Ok(());
    }
    let mut values = Values::of_attribute(attribute, &source_type, &space)?;
    values.remap(&datatype::anatomy(&source_type)?, remap)?;
    values.write_to_attribute(&copy)
}

/// Whether `object` has an attribute of this name.
pub(crate) fn exists(object: &Id, name: &str) -> Result<bool> {
    let name = c_string(name)?;
    Ok(h5!(H5Aexists(object.raw(), name.as_ptr()))? > 0)
}

/// Gives an attribute another name.
pub(crate) fn rename(object: &Id, from: &str, to: &str) -> Result<()> {
    let (from, to) = (c_string(from)?, c_string(to)?);
    h5!(H5Arename(object.raw(), from.as_ptr(), to.as_ptr())).map(drop)
}

/// Writes a text of any length, which h5py reads as `str`.
pub(crate) fn write_text(object: &Id, name: &str, value: &str) -> Result<()> {
    let text = c_string(value)?;
    let pointer: *const c_char = text.as_ptr();
    let (datatype, space) = (datatype::text()?, dataspace::scalar()?);
    let attribute = create(object, name, datatype.raw(), &space)?;
    let (attribute, buffer): (_, *const *const c_char) = (attribute.raw(), &pointer);
    h5!(H5Awrite(attribute, datatype.raw(), buffer.cast::<c_void>())).map(drop)
}

/// Writes a number.
pub(crate) fn write_number(object: &Id, name: &str, value: f64) -> Result<()> {
    let attribute = create(object, name, *H5T_IEEE_F64LE, &dataspace::scalar()?)?;
    let buffer: *const f64 = &value;
    h5!(H5Awrite(attribute.raw(), *H5T_NATIVE_DOUBLE, buffer.cast())).map(drop)
}

/// Writes a whole number.
pub(crate) fn write_count(object: &Id, name: &str, value: u64) -> Result<()> {
    write_counts_in(object, name, &[value], &dataspace::scalar()?)
}

/// Writes a list of whole numbers.
pub(crate) fn write_counts(object: &Id, name: &str, values: &[u64]) -> Result<()> {
    write_counts_in(
        object,
        name,
        values,
        &dataspace::simple(&[values.len() as u64])?,
    )
}

/// Gives a text of any length another value, without moving the attribute.
pub(crate) fn rewrite_text(object: &Id, name: &str, value: &str) -> Result<()> {
    let text = c_string(value)?;
    let pointer: *const c_char = text.as_ptr();
    let buffer: *const *const c_char = &pointer;
    let datatype = datatype::text()?;
    rewrite(object, name, datatype.raw(), buffer.cast())
}

/// Gives a number another value.
pub(crate) fn rewrite_number(object: &Id, name: &str, value: f64) -> Result<()> {
    let buffer: *const f64 = &value;
    rewrite(object, name, *H5T_NATIVE_DOUBLE, buffer.cast())
}

/// Gives a whole number another value.
pub(crate) fn rewrite_count(object: &Id, name: &str, value: u64) -> Result<()> {
    let buffer: *const u64 = &value;
    rewrite(object, name, *H5T_NATIVE_UINT64, buffer.cast())
}

/// `value` is one element of `datatype`, of the class that the attribute has.
fn rewrite(object: &Id, name: &str, datatype: hid_t, value: *const c_void) -> Result<()> {
    let Some((attribute, _, space)) = open(object, name)? else {
        return Err(H5Error::new(format!("there is no attribute '{name}'")));
    };
    if dataspace::elements(&space)? != 1 {
        return Err(H5Error::new(format!("attribute '{name}' is a list")));
    }
    h5!(H5Awrite(attribute.raw(), datatype, value)).map(drop)
}

/// Takes an attribute away.
pub(crate) fn delete(object: &Id, name: &str) -> Result<()> {
    let name = c_string(name)?;
    h5!(H5Adelete(object.raw(), name.as_ptr())).map(drop)
}

/// `space` has as many elements as there are values.
fn write_counts_in(object: &Id, name: &str, values: &[u64], space: &Id) -> Result<()> {
    let attribute = create(object, name, *H5T_STD_U64LE, space)?;
    let buffer = values.as_ptr().cast();
    h5!(H5Awrite(attribute.raw(), *H5T_NATIVE_UINT64, buffer)).map(drop)
}

fn create(object: &Id, name: &str, datatype: hid_t, space: &Id) -> Result<Id> {
    let (name, creation) = (
        c_string(name)?,
        plist::attribute_plist(H5T_cset_t::H5T_CSET_ASCII)?,
    );
    let (object, name, list) = (object.raw(), name.as_ptr(), creation.raw());
    Ok(Id::own(h5!(H5Acreate2(
        object,
        name,
        datatype,
        space.raw(),
        list,
        DEFAULT
    ))?))
}

/// The attribute of this name with its type and space, where there is one.
fn open(object: &Id, name: &str) -> Result<Option<(Id, Id, Id)>> {
    if !exists(object, name)? {
        return Ok(None);
    }
    let name = c_string(name)?;
    let attribute = Id::own(h5!(H5Aopen(object.raw(), name.as_ptr(), DEFAULT))?);
    let datatype = Id::own(h5!(H5Aget_type(attribute.raw()))?);
    let space = Id::own(h5!(H5Aget_space(attribute.raw()))?);
    Ok(Some((attribute, datatype, space)))
}

/// The attribute of this name, where it is one text of any length.
pub(crate) fn read_text(object: &Id, name: &str) -> Result<Option<String>> {
    let Some((attribute, datatype, space)) = open(object, name)? else {
        return Ok(None);
    };
    Ok(Values::of_attribute(&attribute, &datatype, &space)?.text())
}

/// The attribute of this name, where it is one text of any kind.
pub(crate) fn read_any_text(object: &Id, name: &str) -> Result<Option<String>> {
    let Some((attribute, datatype, space)) = open(object, name)? else {
        return Ok(None);
    };
    Ok(Values::of_attribute(&attribute, &datatype, &space)?.any_text())
}

/// The attribute of this name as whole numbers; none where there is no such attribute, or it is not of numbers.
pub(crate) fn read_counts(object: &Id, name: &str) -> Result<Vec<u64>> {
    let Some((attribute, datatype, space)) = open(object, name)? else {
        return Ok(Vec::new());
    };
    if !datatype::is_number(&datatype)? {
        return Ok(Vec::new());
    }
    let mut values = vec![0; dataspace::elements(&space)? as usize];
    let buffer = values.as_mut_ptr();
    h5!(H5Aread(attribute.raw(), *H5T_NATIVE_UINT64, buffer.cast()))?;
    Ok(values)
}

/// The attribute of this name, where it is one number.
pub(crate) fn read_number(object: &Id, name: &str) -> Result<Option<f64>> {
    let Some((attribute, datatype, space)) = open(object, name)? else {
        return Ok(None);
    };
    if !datatype::is_number(&datatype)? || dataspace::elements(&space)? != 1 {
        return Ok(None);
    }
    let mut value = 0.0_f64;
    let buffer: *mut f64 = &mut value;
    h5!(H5Aread(attribute.raw(), *H5T_NATIVE_DOUBLE, buffer.cast()))?;
    Ok(Some(value))
}
