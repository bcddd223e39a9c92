//! Datatypes: what an element holds, as far as copying and coding must know it.

use etalon_codec::{ByteOrder, Element, ElementClass};
use hdf5_metno_sys::h5t::{
    H5T_C_S1, H5T_STD_REF, H5T_STD_REF_DSETREG, H5T_STD_REF_OBJ, H5T_VARIABLE, H5T_class_t,
    H5T_cset_t, H5T_order_t, H5T_sign_t, H5T_str_t, H5Tcommitted, H5Tcopy, H5Tequal,
    H5Tget_array_dims2, H5Tget_array_ndims, H5Tget_class, H5Tget_ebias, H5Tget_fields,
    H5Tget_member_offset, H5Tget_member_type, H5Tget_nmembers, H5Tget_order, H5Tget_sign,
    H5Tget_size, H5Tget_super, H5Tis_variable_str, H5Tset_cset, H5Tset_size, H5Tset_strpad,
};

use super::{H5Error, Id, Result};

/// What an element in memory is made of, down to the parts that do not survive a copy of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Anatomy {
    /// Bytes that mean the same anywhere.
    Plain,
    /// Fields at byte offsets; plain ones are left out.
    Compound(Vec<(usize, Anatomy)>),
    /// So many of the same, each of so many bytes.
    Array {
        count: usize,
        bytes: usize,
        of: Box<Anatomy>,
    },
    /// A length and a pointer to elements of so many bytes.
    Sequence { bytes: usize, of: Box<Anatomy> },
    /// A pointer to text.
    Text,
    /// A reference to another object.
    Reference(ReferenceKind),
}

/// Kinds of references, by how they lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReferenceKind {
    /// `hobj_ref_t`: the address of an object.
    Object,
    /// `hdset_reg_ref_t`: where a selection is stored.
    Region,
    /// `H5R_ref_t` of HDF5 1.12: object, region or attribute.
    Any,
}

impl Anatomy {
    /// Whether elements hold references.
    pub(crate) fn has_references(&self) -> bool {
        match self {
            Self::Plain | Self::Text => false,
            Self::Reference(_) => true,
            Self::Compound(fields) => fields.iter().any(|(_, field)| field.has_references()),
            Self::Array { of, .. } | Self::Sequence { of, .. } => of.has_references(),
        }
    }
}

/// The anatomy of `datatype`.
pub(crate) fn anatomy(datatype: &Id) -> Result<Anatomy> {
    match class(datatype)? {
        H5T_class_t::H5T_COMPOUND => compound(datatype),
        H5T_class_t::H5T_ARRAY => {
            let base = base(datatype)?;
            let rank = h5!(H5Tget_array_ndims(datatype.raw()))? as usize;
            let mut extents = vec![0; rank];
            h5!(H5Tget_array_dims2(datatype.raw(), extents.as_mut_ptr()))?;
            Ok(match anatomy(&base)? {
                Anatomy::Plain => Anatomy::Plain,
                of => Anatomy::Array {
                    count: extents.iter().product::<u64>() as usize,
                    bytes: size(&base)?,
                    of: Box::new(of),
                },
            })
        }
        H5T_class_t::H5T_VLEN => {
            let base = base(datatype)?;
            Ok(Anatomy::Sequence {
                bytes: size(&base)?,
                of: Box::new(anatomy(&base)?),
            })
        }
        H5T_class_t::H5T_STRING if h5!(H5Tis_variable_str(datatype.raw()))? > 0 => {
            Ok(Anatomy::Text)
        }
        H5T_class_t::H5T_REFERENCE => Ok(Anatomy::Reference(reference_kind(datatype)?)),
        _ => Ok(Anatomy::Plain),
    }
}

fn compound(datatype: &Id) -> Result<Anatomy> {
    let count = h5!(H5Tget_nmembers(datatype.raw()))? as u32;
    let mut fields = Vec::new();
    for index in 0..count {
        let field = Id::own(h5!(H5Tget_member_type(datatype.raw(), index))?);
        let field = anatomy(&field)?;
        if field != Anatomy::Plain {
            let offset = hdf5_metno::sync::sync(|| {
                // SAFETY: the identifier is live and `index` is below the number of members.
                unsafe { H5Tget_member_offset(datatype.raw(), index) }
            });
            fields.push((offset, field));
        }
    }
    Ok(if fields.is_empty() {
        Anatomy::Plain
    } else {
        Anatomy::Compound(fields)
    })
}

fn reference_kind(datatype: &Id) -> Result<ReferenceKind> {
    for (known, kind) in [
        (*H5T_STD_REF_OBJ, ReferenceKind::Object),
        (*H5T_STD_REF_DSETREG, ReferenceKind::Region),
        (*H5T_STD_REF, ReferenceKind::Any),
    ] {
        if h5!(H5Tequal(datatype.raw(), known))? > 0 {
            return Ok(kind);
        }
    }
    // A datatype of a file says "in memory" or "on disk", which H5Tequal tells apart; the size does not lie.
    match size(datatype)? {
        8 => Ok(ReferenceKind::Object),
        12 => Ok(ReferenceKind::Region),
        64 => Ok(ReferenceKind::Any),
        bytes => Err(H5Error::new(format!(
            "references of {bytes} bytes are unknown"
        ))),
    }
}

fn class(datatype: &Id) -> Result<H5T_class_t> {
    let class = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live; HDF5 returns a value of the enum, -1 included.
        unsafe { H5Tget_class(datatype.raw()) }
    });
    match class {
        H5T_class_t::H5T_NO_CLASS => Err(H5Error::new("the datatype has no class")),
        class => Ok(class),
    }
}

fn base(datatype: &Id) -> Result<Id> {
    Ok(Id::own(h5!(H5Tget_super(datatype.raw()))?))
}

/// Bytes of an element in memory.
pub(crate) fn size(datatype: &Id) -> Result<usize> {
    let size = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live.
        unsafe { H5Tget_size(datatype.raw()) }
    });
    if size == 0 {
        Err(H5Error::new("the datatype has no size"))
    } else {
        Ok(size)
    }
}

/// Whether the datatype is an object of its file.
pub(crate) fn is_committed(datatype: &Id) -> Result<bool> {
    Ok(h5!(H5Tcommitted(datatype.raw()))? > 0)
}

/// The element type as numpy writes it, and as codecs see it.
pub(crate) fn element(datatype: &Id) -> Result<(String, Element)> {
    let class = class(datatype)?;
    let bytes = size(datatype)?;
    if class == H5T_class_t::H5T_ENUM {
        return element(&base(datatype)?);
    }
    let (letter, element_class) = match class {
        H5T_class_t::H5T_INTEGER if is_signed(datatype) => ('i', ElementClass::Signed),
        H5T_class_t::H5T_INTEGER => ('u', ElementClass::Unsigned),
        H5T_class_t::H5T_FLOAT if is_ieee(datatype)? => ('f', ElementClass::Float),
        H5T_class_t::H5T_COMPLEX => ('c', ElementClass::Other),
        H5T_class_t::H5T_STRING => ('S', ElementClass::Other),
        _ => ('V', ElementClass::Other),
    };
    let is_number = matches!(letter, 'i' | 'u' | 'f' | 'c');
    let order = if is_number {
        order(datatype)
    } else {
        ByteOrder::Little
    };
    let sign = match order {
        _ if !is_number || bytes == 1 => '|',
        ByteOrder::Little => '<',
        ByteOrder::Big => '>',
    };
    Ok((
        format!("{sign}{letter}{bytes}"),
        Element {
            class: element_class,
            bytes,
            order,
        },
    ))
}

/// Text of any length, in UTF-8.
pub(super) fn text() -> Result<Id> {
    let text = Id::own(h5!(H5Tcopy(*H5T_C_S1))?);
    h5!(H5Tset_size(text.raw(), H5T_VARIABLE))?;
    h5!(H5Tset_cset(text.raw(), H5T_cset_t::H5T_CSET_UTF8))?;
    Ok(text)
}

/// Text of so many bytes, in UTF-8.
pub(super) fn fixed_text(bytes: usize) -> Result<Id> {
    let text = Id::own(h5!(H5Tcopy(*H5T_C_S1))?);
    h5!(H5Tset_size(text.raw(), bytes))?;
    h5!(H5Tset_strpad(text.raw(), H5T_str_t::H5T_STR_NULLPAD))?;
    h5!(H5Tset_cset(text.raw(), H5T_cset_t::H5T_CSET_UTF8))?;
    Ok(text)
}

/// Whether elements are integers or floats.
pub(super) fn is_number(datatype: &Id) -> Result<bool> {
    Ok(matches!(
        class(datatype)?,
        H5T_class_t::H5T_INTEGER | H5T_class_t::H5T_FLOAT
    ))
}

/// Whether elements are text of fixed length.
pub(crate) fn is_text(datatype: &Id) -> Result<bool> {
    Ok(class(datatype)? == H5T_class_t::H5T_STRING)
}

fn is_signed(datatype: &Id) -> bool {
    let sign = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live; HDF5 returns a value of the enum.
        unsafe { H5Tget_sign(datatype.raw()) }
    });
    sign == H5T_sign_t::H5T_SGN_2
}

fn order(datatype: &Id) -> ByteOrder {
    let order = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live; HDF5 returns a value of the enum.
        unsafe { H5Tget_order(datatype.raw()) }
    });
    if order == H5T_order_t::H5T_ORDER_BE {
        ByteOrder::Big
    } else {
        ByteOrder::Little
    }
}

/// Whether sign, exponent and mantissa lie as in IEEE 754's binary16, binary32 or binary64.
fn is_ieee(datatype: &Id) -> Result<bool> {
    let mut at = [0_usize; 5];
    let [sign, exponent, exponent_bits, mantissa, mantissa_bits] = &mut at;
    h5!(H5Tget_fields(
        datatype.raw(),
        sign,
        exponent,
        exponent_bits,
        mantissa,
        mantissa_bits
    ))?;
    let bias = hdf5_metno::sync::sync(|| {
        // SAFETY: the identifier is live.
        unsafe { H5Tget_ebias(datatype.raw()) }
    });
    Ok(match size(datatype)? {
        2 => (at, bias) == ([15, 10, 5, 0, 10], 15),
        4 => (at, bias) == ([31, 23, 8, 0, 23], 127),
        8 => (at, bias) == ([63, 52, 11, 0, 52], 1023),
        _ => false,
    })
}
