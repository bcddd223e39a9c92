//! How a dataset is stored: chunk shape, element size, fill value and filters.

use etalon_codec::{Context, Filter};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// What is needed to encode and decode the chunks of one dataset.
#[pyclass(frozen, module = "h5etalon._native")]
pub(crate) struct Storage {
    pub(crate) chunk_shape: Vec<usize>,
    pub(crate) element_bytes: usize,
    pub(crate) chunk_bytes: usize,
    /// One element as stored.
    pub(crate) fill: Vec<u8>,
    /// What changes values in place before they are compressed.
    rounding: Option<Stage>,
    compression: Option<Stage>,
}

/// A filter of the dataset.
struct Stage {
    filter: &'static Filter,
    cd_values: Vec<u32>,
    /// The bit that a chunk's mask has where this filter was left out.
    mask: u32,
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) context: Context,
    /// A chunk as stored.
    pub(crate) stored: Vec<u8>,
    /// A chunk of elements.
    pub(crate) elements: Vec<u8>,
    /// A chunk between two filters.
    between: Vec<u8>,
}

#[pymethods]
impl Storage {
    /// `filters` are `(id, cd_values)`; an id that is not Etalon's is a ValueError.
    #[new]
    fn new(
        chunk_shape: Vec<usize>,
        element_bytes: usize,
        fill: Vec<u8>,
        filters: Vec<(u32, Vec<u32>)>,
    ) -> PyResult<Self> {
        let product = chunk_shape
            .iter()
            .try_fold(element_bytes, |bytes, &extent| bytes.checked_mul(extent));
        let chunk_bytes = product
            .filter(|&bytes| bytes > 0 && fill.len() == element_bytes)
            .ok_or_else(|| PyValueError::new_err("a chunk has elements, and a fill value"))?;
        let mut stages = Vec::new();
        for (index, (id, cd_values)) in filters.into_iter().enumerate() {
            let filter = Filter::by_id(id)
                .ok_or_else(|| PyValueError::new_err(format!("filter {id} is not Etalon's")))?;
            stages.push(Stage {
                filter,
                cd_values,
                mask: 1 << index,
            });
        }
        let compression = stages.pop_if(|stage| !stage.filter.in_place);
        let rounding = stages.pop_if(|stage| stage.filter.in_place);
        if !stages.is_empty() {
            return Err(PyValueError::new_err(
                "more filters than one that rounds and one that compresses",
            ));
        }
        Ok(Self {
            chunk_shape,
            element_bytes,
            chunk_bytes,
            fill,
            rounding,
            compression,
        })
    }

    /// Largest number of bytes that a chunk takes in the file.
    fn bound_bytes(&self) -> PyResult<usize> {
        self.bound().map_err(PyOSError::new_err)
    }
}

impl Storage {
    pub(crate) fn rank(&self) -> usize {
        self.chunk_shape.len()
    }

    pub(crate) fn bound(&self) -> Result<usize, String> {
        let Some(stage) = &self.compression else {
            return Ok(self.chunk_bytes);
        };
        (stage.filter.bound)(&stage.cd_values, self.chunk_bytes).map_err(|error| error.to_string())
    }

    /// Decodes a stored chunk into `elements`. Bits of `mask` are set for filters that were left out.
    pub(crate) fn decode(
        &self,
        context: &mut Context,
        mask: u32,
        stored: &[u8],
        elements: &mut [u8],
    ) -> Result<(), String> {
        let stage = self.compression.as_ref();
        let Some(stage) = stage.filter(|stage| mask & stage.mask == 0) else {
            same_len(stored.len(), elements.len())?;
            elements.copy_from_slice(stored);
            return Ok(());
        };
        // The length of a chunk is known, so what the header says is enough here; decoding checks the rest.
        let len = (stage.filter.announced_len)(&stage.cd_values, stored, stored.len())
            .map_err(|error| error.to_string())?;
        same_len(len, elements.len())?;
        (stage.filter.decode)(context, &stage.cd_values, stored, elements)
            .map_err(|error| error.to_string())
    }

    /// Encodes a chunk of elements into the front of `stored`, of `bound` bytes; returns the number of bytes written.
    pub(crate) fn encode(
        &self,
        context: &mut Context,
        between: &mut Vec<u8>,
        elements: &[u8],
        stored: &mut [u8],
    ) -> Result<usize, String> {
        let rounded = match &self.rounding {
            Some(stage) => {
                between.resize(elements.len(), 0);
                (stage.filter.encode)(context, &stage.cd_values, elements, between)
                    .map_err(|error| error.to_string())?;
                &between[..]
            }
            None => elements,
        };
        let Some(stage) = &self.compression else {
            stored[..rounded.len()].copy_from_slice(rounded);
            return Ok(rounded.len());
        };
        (stage.filter.encode)(context, &stage.cd_values, rounded, stored)
            .map_err(|error| error.to_string())
    }
}

fn same_len(found: usize, needed: usize) -> Result<(), String> {
    if found != needed {
        return Err(format!("it holds {found} bytes where a chunk has {needed}"));
    }
    Ok(())
}

impl Scratch {
    /// Empty, for a thread whose big chunks are worked on by up to `count` threads.
    pub(crate) fn with_threads(count: usize) -> Self {
        Self {
            context: Context::with_threads(count),
            ..Self::default()
        }
    }

    /// Context and memory between filters apart, to be borrowed together with the other fields.
    pub(crate) fn parts(&mut self) -> (&mut Context, &mut Vec<u8>, &mut Vec<u8>) {
        (&mut self.context, &mut self.between, &mut self.elements)
    }
}
