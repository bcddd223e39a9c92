//! Attributes of an object, copied with their exact types.

use hdf5_metno_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_metno_sys::h5a::{
    H5A_info_t, H5Acreate2, H5Aget_info, H5Aget_name, H5Aget_space, H5Aget_type, H5Aopen_by_idx,
};

use super::object::{Kind, attribute_count, creation_plist};
use super::reference::Remap;
use super::values::Values;
use super::{DEFAULT, Id, Result, c_string, dataspace, datatype, plist, text};

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
