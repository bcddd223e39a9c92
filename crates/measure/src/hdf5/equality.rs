//! Whether values in memory are the same, text and sequences of any length by what their pointers lead to.
//!
//! References are equal whatever they lead to: addresses of two files say nothing. Where they stand among fields that are
//! not told apart from them here, nothing is said.

use std::ffi::{CStr, c_char};

use hdf5_metno_sys::h5t::hvl_t;

use super::datatype::Anatomy;
use super::values::Values;

/// Whether `one` and `other`, elements that look as `anatomy` says, are the same; `None` where that cannot be told.
pub(crate) fn are_equal(one: &Values, other: &Values, anatomy: &Anatomy) -> Option<bool> {
    let (count, bytes) = (one.elements(), one.element_bytes());
    if (count, bytes) != (other.elements(), other.element_bytes()) {
        return Some(false);
    }
    // SAFETY: both hold `count` elements of `bytes` that HDF5 filled with the datatype of `anatomy`.
    unsafe { runs_are_equal([one.first(), other.first()], count, bytes, anatomy) }
}

/// Compares `count` elements of `bytes` each.
///
/// # Safety
/// Both pointers lead to that many initialised elements that look as `anatomy` says.
unsafe fn runs_are_equal(
    firsts: [*const u8; 2],
    count: usize,
    bytes: usize,
    anatomy: &Anatomy,
) -> Option<bool> {
    for index in 0..count {
        // SAFETY: `index` is below the number of elements.
        let elements = firsts.map(|first| unsafe { first.add(index * bytes) });
        // SAFETY: as said of the run.
        if !unsafe { elements_are_equal(elements, bytes, anatomy) }? {
            return Some(false);
        }
    }
    Some(true)
}

/// # Safety
/// Both pointers lead to an initialised element of `bytes` that looks as `anatomy` says.
unsafe fn elements_are_equal(
    elements: [*const u8; 2],
    bytes: usize,
    anatomy: &Anatomy,
) -> Option<bool> {
    match anatomy {
        // SAFETY: an element has `bytes` bytes.
        Anatomy::Plain => unsafe { Some(span(elements[0], bytes) == span(elements[1], bytes)) },
        Anatomy::Reference(_) => Some(true),
        Anatomy::Text => {
            // SAFETY: a text is a pointer, which may stand unaligned in a packed compound.
            let pointers =
                elements.map(|at| unsafe { at.cast::<*const c_char>().read_unaligned() });
            let texts = pointers.map(|at| match at.is_null() {
                true => &[][..],
                // SAFETY: HDF5 has put a text that ends in zero there.
                false => unsafe { CStr::from_ptr(at) }.to_bytes(),
            });
            Some(texts[0] == texts[1])
        }
        Anatomy::Sequence { bytes, of } => {
            // SAFETY: a sequence is an hvl_t, which HDF5 filled; it may stand unaligned in a packed compound.
            let [one, other] = elements.map(|at| unsafe { at.cast::<hvl_t>().read_unaligned() });
            if one.len != other.len {
                return Some(false);
            }
            let firsts = [one.p.cast_const().cast(), other.p.cast_const().cast()];
            // SAFETY: HDF5 allocated `len` elements at `p`.
            unsafe { runs_are_equal(firsts, one.len, *bytes, of) }
        }
        // SAFETY: an array is its elements one after the other.
        Anatomy::Array { count, bytes, of } => unsafe {
            runs_are_equal(elements, *count, *bytes, of)
        },
        // SAFETY: as said of this function.
        Anatomy::Compound(fields) => unsafe { compounds_are_equal(elements, bytes, fields) },
    }
}

/// # Safety
/// Both pointers lead to an initialised compound of `bytes` with `fields` among plain ones.
unsafe fn compounds_are_equal(
    elements: [*const u8; 2],
    bytes: usize,
    fields: &[(usize, Anatomy)],
) -> Option<bool> {
    let mut fields: Vec<(usize, usize, &Anatomy)> = fields
        .iter()
        .map(|(offset, field)| Some((*offset, bytes_of(field)?, field)))
        .collect::<Option<_>>()?;
    fields.sort_by_key(|(offset, _, _)| *offset);
    let mut plain_from = 0;
    for (offset, len, field) in fields {
        // SAFETY: HDF5 gave the offset of this field in the element, and what lies before it is plain.
        let (plain, same) = unsafe {
            let plain = elements.map(|at| span(at.add(plain_from), offset - plain_from));
            let field = elements_are_equal(elements.map(|at| at.add(offset)), len, field);
            (plain, field?)
        };
        if plain[0] != plain[1] || !same {
            return Some(false);
        }
        plain_from = offset + len;
    }
    // SAFETY: what lies behind the last field is plain.
    let rest = elements.map(|at| unsafe { span(at.add(plain_from), bytes - plain_from) });
    Some(rest[0] == rest[1])
}

/// Bytes of a field that is not plain; `None` of a compound in a compound, which does not say.
fn bytes_of(field: &Anatomy) -> Option<usize> {
    match field {
        Anatomy::Plain | Anatomy::Compound(_) => None,
        Anatomy::Array { count, bytes, .. } => Some(count * bytes),
        Anatomy::Sequence { .. } => Some(size_of::<hvl_t>()),
        Anatomy::Text => Some(size_of::<*const c_char>()),
        Anatomy::Reference(kind) => Some(kind.bytes()),
    }
}

/// # Safety
/// `first` leads to `bytes` initialised bytes that live as long as what is returned.
unsafe fn span<'a>(first: *const u8, bytes: usize) -> &'a [u8] {
    // SAFETY: as said of this function.
    unsafe { std::slice::from_raw_parts(first, bytes) }
}
