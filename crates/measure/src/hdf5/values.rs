//! Elements in memory that hold pointers or references: text and sequences of any length, references to objects.

use std::ffi::{CStr, c_char, c_void};

use hdf5_metno_sys::h5a::{H5Aread, H5Awrite};
use hdf5_metno_sys::h5d::{H5Dget_space, H5Dread, H5Dwrite};
use hdf5_metno_sys::h5t::H5Treclaim;

use super::dataset::OpenDataset;
use super::datatype::Anatomy;
use super::reference::Remap;
use super::{DEFAULT, H5Error, Id, Result, dataspace, datatype};

/// Elements of any datatype. What HDF5 allocated for them is given back when they are dropped.
pub(crate) struct Values {
    /// Words, so that pointers are aligned.
    words: Vec<u64>,
    elements: usize,
    element_bytes: usize,
    datatype: Id,
    space: Id,
}

impl Values {
    fn empty(datatype: &Id, space: &Id) -> Result<Self> {
        let elements = dataspace::elements(space)?;
        let element_bytes = datatype::size(datatype)?;
        let bytes = elements
            .checked_mul(element_bytes)
            .ok_or_else(|| H5Error::new("the values do not fit into memory"))?;
        Ok(Self {
            words: vec![0; bytes.div_ceil(8)],
            elements,
            element_bytes,
            datatype: datatype.clone(),
            space: space.clone(),
        })
    }

    /// Reads the box at `offset` of `count` elements.
    pub(crate) fn of_dataset(dataset: &OpenDataset, offset: &[u64], count: &[u64]) -> Result<Self> {
        let (memory, file) = boxes(dataset, offset, count)?;
        let mut values = Self::empty(&dataset.datatype, &memory)?;
        let (id, datatype, buffer) = (dataset.id.raw(), dataset.datatype.raw(), values.pointer());
        h5!(H5Dread(
            id,
            datatype,
            memory.raw(),
            file.raw(),
            DEFAULT,
            buffer
        ))?;
        Ok(values)
    }

    /// Writes the values to the box at `offset` of `count` elements, as many as there are values.
    pub(crate) fn write_to(
        &self,
        dataset: &OpenDataset,
        offset: &[u64],
        count: &[u64],
    ) -> Result<()> {
        let (memory, file) = boxes(dataset, offset, count)?;
        if dataspace::elements(&memory)? != self.elements {
            return Err(H5Error::new(
                "the box has another number of elements than were read",
            ));
        }
        let (id, datatype, buffer) = (
            dataset.id.raw(),
            self.datatype.raw(),
            self.words.as_ptr().cast(),
        );
        h5!(H5Dwrite(
            id,
            datatype,
            memory.raw(),
            file.raw(),
            DEFAULT,
            buffer
        ))
        .map(drop)
    }

    /// Reads a whole attribute of the given type and space.
    pub(super) fn of_attribute(attribute: &Id, datatype: &Id, space: &Id) -> Result<Self> {
        let mut values = Self::empty(datatype, space)?;
        h5!(H5Aread(attribute.raw(), datatype.raw(), values.pointer()))?;
        Ok(values)
    }

    /// Writes a whole attribute, of the type and space that the values were read with.
    pub(super) fn write_to_attribute(&self, attribute: &Id) -> Result<()> {
        h5!(H5Awrite(
            attribute.raw(),
            self.datatype.raw(),
            self.words.as_ptr().cast()
        ))
        .map(drop)
    }

    /// The value, where it is one text of any length.
    pub(super) fn text(&self) -> Option<String> {
        let is_text = datatype::anatomy(&self.datatype).is_ok_and(|it| it == Anatomy::Text);
        if !is_text || self.elements != 1 {
            return None;
        }
        let pointer = *self.words.first()? as usize as *const c_char;
        if pointer.is_null() {
            return None;
        }
        // SAFETY: HDF5 has put a pointer to a text that ends in zero here, which lives until `self` is dropped.
        let text = unsafe { CStr::from_ptr(pointer) };
        Some(text.to_string_lossy().into_owned())
    }

    /// The value, where it is one text: of any length, or of a fixed one, which ends at the first zero.
    pub(crate) fn any_text(&self) -> Option<String> {
        if self.elements != 1 || !datatype::is_text(&self.datatype).ok()? {
            return None;
        }
        if let Some(text) = self.text() {
            return Some(text);
        }
        if datatype::anatomy(&self.datatype).ok()? != Anatomy::Plain {
            return None;
        }
        let bytes = self.words.iter().flat_map(|word| word.to_ne_bytes());
        let text: Vec<u8> = bytes
            .take(self.element_bytes)
            .take_while(|&byte| byte != 0)
            .collect();
        Some(String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    /// Number of elements.
    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    /// Bytes of an element in memory.
    pub(super) fn element_bytes(&self) -> usize {
        self.element_bytes
    }

    /// Where the first element is.
    pub(super) fn first(&self) -> *const u8 {
        self.words.as_ptr().cast()
    }

    fn pointer(&mut self) -> *mut c_void {
        self.words.as_mut_ptr().cast()
    }

    /// Makes every reference in the values one to the same object in the destination file.
    pub(crate) fn remap(&mut self, anatomy: &Anatomy, remap: &mut Remap<'_>) -> Result<()> {
        if !anatomy.has_references() {
            return Ok(());
        }
        let (elements, bytes) = (self.elements, self.element_bytes);
        // SAFETY: the buffer holds `elements` elements of `bytes` that HDF5 filled with the datatype of `anatomy`.
        unsafe { remap_run(self.pointer().cast(), elements, bytes, anatomy, remap) }
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        let buffer = self.pointer();
        // A failure leaks memory and nothing else.
        let _ = h5!(H5Treclaim(
            self.datatype.raw(),
            self.space.raw(),
            DEFAULT,
            buffer
        ));
    }
}

fn boxes(dataset: &OpenDataset, offset: &[u64], count: &[u64]) -> Result<(Id, Id)> {
    if count.is_empty() {
        return Ok((dataset.space.clone(), dataset.space.clone()));
    }
    let file = Id::own(h5!(H5Dget_space(dataset.id.raw()))?);
    dataspace::select(&file, offset, count)?;
    Ok((dataspace::simple(count)?, file))
}

/// Remaps the references in `count` elements of `bytes` each.
///
/// # Safety
/// `first` points to that many initialised elements that look as `anatomy` says.
unsafe fn remap_run(
    first: *mut u8,
    count: usize,
    bytes: usize,
    anatomy: &Anatomy,
    remap: &mut Remap<'_>,
) -> Result<()> {
    if !anatomy.has_references() {
        return Ok(());
    }
    for index in 0..count {
        // SAFETY: `index` is below the number of elements.
        unsafe { remap_element(first.add(index * bytes), anatomy, remap) }?;
    }
    Ok(())
}

/// # Safety
/// `element` points to an initialised element that looks as `anatomy` says.
unsafe fn remap_element(element: *mut u8, anatomy: &Anatomy, remap: &mut Remap<'_>) -> Result<()> {
    match anatomy {
        Anatomy::Plain | Anatomy::Text => Ok(()),
        Anatomy::Compound(fields) => fields.iter().try_for_each(|(offset, field)| {
            // SAFETY: HDF5 gave the offset of this field in the element.
            unsafe { remap_element(element.add(*offset), field, remap) }
        }),
        Anatomy::Array { count, bytes, of } => {
            // SAFETY: an array is its elements one after the other.
            unsafe { remap_run(element, *count, *bytes, of, remap) }
        }
        Anatomy::Sequence { bytes, of } => {
            // SAFETY: a sequence is an hvl_t, which HDF5 filled; it may stand unaligned in a packed compound.
            let sequence = unsafe {
                element
                    .cast::<hdf5_metno_sys::h5t::hvl_t>()
                    .read_unaligned()
            };
            // SAFETY: HDF5 allocated `len` elements at `p`.
            unsafe { remap_run(sequence.p.cast(), sequence.len, *bytes, of, remap) }
        }
        Anatomy::Reference(kind) => {
            // SAFETY: a reference of this kind has so many bytes, and nothing else looks at them meanwhile.
            let bytes = unsafe { std::slice::from_raw_parts_mut(element, kind.bytes()) };
            remap.reference(*kind, bytes)
        }
    }
}
