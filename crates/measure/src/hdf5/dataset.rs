//! Datasets: opening, creating, and reading or writing boxes of plain elements.

use hdf5_metno_sys::h5d::{
    H5D_space_status_t, H5Dcreate2, H5Dget_create_plist, H5Dget_space, H5Dget_space_status,
    H5Dget_storage_size, H5Dget_type, H5Dopen2, H5Dread,
};
use hdf5_metno_sys::h5p::{H5P_CLS_DATASET_ACCESS, H5Pcreate, H5Pset_chunk_cache};

use super::{DEFAULT, H5Error, Id, Result, c_string, dataspace, datatype, link, plist};

/// An open dataset with what every call needs of it.
#[derive(Debug)]
pub(crate) struct OpenDataset {
    pub(super) id: Id,
    /// The datatype, as elements lie in memory.
    pub(crate) datatype: Id,
    /// The dataspace.
    pub(crate) space: Id,
    /// The creation list.
    pub(crate) creation: Id,
    /// Bytes of an element in memory.
    pub(crate) element_bytes: usize,
}

impl OpenDataset {
    /// Opens the dataset at `path` in `file`; HDF5's chunk cache holds `cache_bytes`, where given.
    pub(crate) fn open(file: &Id, path: &str, cache_bytes: Option<usize>) -> Result<Self> {
        let path = c_string(path)?;
        let access = Id::own(h5!(H5Pcreate(*H5P_CLS_DATASET_ACCESS))?);
        if let Some(bytes) = cache_bytes {
            h5!(H5Pset_chunk_cache(access.raw(), 12_421, bytes, 1.0))?;
        }
        Self::of(Id::own(h5!(H5Dopen2(
            file.raw(),
            path.as_ptr(),
            access.raw()
        ))?))
    }

    /// Takes over an open dataset.
    pub(crate) fn of(id: Id) -> Result<Self> {
        let datatype = Id::own(h5!(H5Dget_type(id.raw()))?);
        Ok(Self {
            element_bytes: datatype::size(&datatype)?,
            datatype,
            space: Id::own(h5!(H5Dget_space(id.raw()))?),
            creation: Id::own(h5!(H5Dget_create_plist(id.raw()))?),
            id,
        })
    }

    /// Its identifier.
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Creates a dataset of the shape of `source`.
    pub(crate) fn create(
        parent: &Id,
        name: &link::Name,
        source: &Self,
        datatype: &Id,
        creation: &Id,
    ) -> Result<()> {
        let text = c_string(&name.text)?;
        let links = plist::link_plist(name.encoding)?;
        let id = h5!(H5Dcreate2(
            parent.raw(),
            text.as_ptr(),
            datatype.raw(),
            source.space.raw(),
            links.raw(),
            creation.raw(),
            DEFAULT,
        ))?;
        drop(Id::own(id));
        Ok(())
    }

    /// Bytes of the data in the file.
    pub(crate) fn stored_bytes(&self) -> u64 {
        hdf5_metno::sync::sync(|| {
            // SAFETY: the identifier is live.
            unsafe { H5Dget_storage_size(self.id.raw()) }
        })
    }

    /// Whether any of the data has a place in the file.
    pub(crate) fn is_allocated(&self) -> Result<bool> {
        let mut status = H5D_space_status_t::H5D_SPACE_STATUS_NOT_ALLOCATED;
        h5!(H5Dget_space_status(self.id.raw(), &mut status))?;
        Ok(status != H5D_space_status_t::H5D_SPACE_STATUS_NOT_ALLOCATED)
    }

    /// Reads the box at `offset` of `count` elements into the front corner of a chunk of shape `shape`, which `bytes`
    /// holds. The rest of the chunk keeps what it had. Elements have no variable parts and no references.
    pub(crate) fn read_box(
        &self,
        offset: &[u64],
        count: &[u64],
        shape: &[u64],
        bytes: &mut [u8],
    ) -> Result<()> {
        let (memory, file) = self.boxes(offset, count, shape, bytes.len())?;
        let buffer = bytes.as_mut_ptr().cast();
        h5!(H5Dread(
            self.id.raw(),
            self.datatype.raw(),
            memory.raw(),
            file.raw(),
            DEFAULT,
            buffer
        ))
        .map(drop)
    }

    fn boxes(&self, offset: &[u64], count: &[u64], shape: &[u64], len: usize) -> Result<(Id, Id)> {
        let needed = shape.iter().product::<u64>() as usize * self.element_bytes;
        if len != needed {
            return Err(H5Error::new(format!(
                "a buffer of {len} bytes is given where {needed} are needed"
            )));
        }
        if shape.is_empty() {
            // A scalar: its one element is all there is to select.
            return Ok((self.space.clone(), self.space.clone()));
        }
        let memory = dataspace::simple(shape)?;
        dataspace::select(&memory, &vec![0; shape.len()], count)?;
        // A fresh dataspace, since selecting changes it.
        let file = Id::own(h5!(H5Dget_space(self.id.raw()))?);
        dataspace::select(&file, offset, count)?;
        Ok((memory, file))
    }
}
