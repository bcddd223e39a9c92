//! Filter 59297: the SPEC and the layout of a chunk as `cd_values`, the frame as the chunk.
//!
//! `cd_values`, 32 bits each:
//!
//! | index | value |
//! |---|---|
//! | 0 | 0xE7A10001: filter id and version of this list |
//! | 1 | number L of values that describe the layout, 0 where `set_local` has still to ask for it |
//! | 2 … L+1 | element code (bits 0–7) and size (bits 8–31), number of dimensions n, n extents, bytes of fill value f, f bytes packed |
//! | L+2 | number of bytes in the SPEC |
//! | L+3 … | the SPEC, UTF-8, four bytes to a value, first byte lowest |
//!
//! The SPEC is kept as text because it is the one notation for settings everywhere: the file says what was asked in the
//! words that the user would use again.

use std::sync::Arc;

use crate::codec::Chunk;
use crate::frame::{self, element_code, element_from};
use crate::{ByteOrder, Context, Element, ElementClass, Error, Filter, Layout, Spec, Stream};

/// The filter of all own codecs.
pub static FILTER: Filter = Filter {
    stream: &STREAM,
    cd_values,
    user_values,
    spec_of: |values| Some(Settings::read(values).ok()?.spec),
};

/// Its frames.
pub static STREAM: Stream = Stream {
    id: 59297,
    name: "etalon",
    class_name: c"etalon; pip install h5etalon",
    in_place: false,
    is_lossy: |values| Settings::read(values).is_ok_and(|settings| !settings.spec.codec().lossless),
    localise,
    bound,
    encode,
    decoded_len: |values, chunk| announced_len(values, chunk, chunk.len()),
    announced_len,
    decode,
};

const MAGIC: u32 = 0xE7A1_0001;
/// HDF5 programs keep `cd_values` in arrays of 256.
const MAX_VALUES: usize = 255;

pub(crate) struct Settings {
    pub(crate) spec: Spec,
    layout: Option<Layout>,
}

impl Settings {
    pub(crate) fn read(values: &[u32]) -> Result<Self, Error> {
        let (layout, rest) = split_layout(values)?;
        let (&spec_len, rest) = rest.split_first().ok_or_else(invalid)?;
        let text = unpack(rest, spec_len as usize).ok_or_else(invalid)?;
        Ok(Self {
            spec: String::from_utf8(text).map_err(|_| invalid())?.parse()?,
            layout: match layout {
                [] => None,
                values => Some(read_layout(values).ok_or_else(invalid)?),
            },
        })
    }

    fn write(&self) -> Result<Vec<u32>, Error> {
        let layout = self.layout.as_ref().map(write_layout).unwrap_or_default();
        let text = self.spec.to_string();
        let mut values = vec![MAGIC, layout.len() as u32];
        values.extend(layout);
        values.push(text.len() as u32);
        values.extend(pack(text.as_bytes()));
        if values.len() > MAX_VALUES {
            return Err(Error::Settings(format!(
                "the SPEC takes {} cd_values where HDF5 programs hold {MAX_VALUES}; shorten it",
                values.len()
            )));
        }
        Ok(values)
    }

    pub(crate) fn with_layout(&self) -> Result<&Layout, Error> {
        self.layout.as_ref().ok_or_else(no_layout)
    }
}

/// The complete settings that a thread read last: those of a dataset are read for its first chunk only.
#[derive(Default)]
pub(crate) struct LastRead(Option<(Vec<u32>, Arc<Settings>)>);

impl LastRead {
    /// What stored `values` say, after checking that the codec accepts it.
    pub(crate) fn settings(&mut self, values: &[u32]) -> Result<Arc<Settings>, Error> {
        if let Some((of, settings)) = &self.0
            && of == values
        {
            return Ok(Arc::clone(settings));
        }
        let settings = Arc::new(Settings::read(values)?);
        check(&settings.spec, settings.with_layout()?)?;
        self.0 = Some((values.to_vec(), Arc::clone(&settings)));
        Ok(settings)
    }
}

fn invalid() -> Error {
    Error::Settings("cd_values are not Etalon's; pass those that `etalon args` prints".into())
}

fn no_layout() -> Error {
    Error::Settings(
        "cd_values do not name element type and chunk shape, and this program hides its HDF5 library; pass the complete \
         ones that `etalon args SPEC --dtype … --chunk …` prints"
            .into(),
    )
}

/// The values that describe the layout, and those after them.
fn split_layout(values: &[u32]) -> Result<(&[u32], &[u32]), Error> {
    let (&[magic, layout_len], rest) = values.split_first_chunk().ok_or_else(invalid)?;
    if magic != MAGIC {
        return Err(if magic >> 16 == MAGIC >> 16 {
            Error::Settings("cd_values are of a newer version; install a newer h5etalon".into())
        } else {
            invalid()
        });
    }
    rest.split_at_checked(layout_len as usize)
        .ok_or_else(invalid)
}

/// Element size and extents, which can be told without reading the SPEC; `None` where they are not there.
fn stated_shape(values: &[u32]) -> Result<Option<(usize, &[u32])>, Error> {
    let (layout, _) = split_layout(values)?;
    let Some((&[element, dimensions], rest)) = layout.split_first_chunk() else {
        return Ok(None);
    };
    let shape = rest.get(..dimensions as usize).ok_or_else(invalid)?;
    Ok(Some(((element >> 8) as usize, shape)))
}

fn write_layout(layout: &Layout) -> Vec<u32> {
    let fill = layout.fill.as_deref().unwrap_or_default();
    let mut values = vec![
        u32::from(element_code(&layout.element)) | (layout.element.bytes as u32) << 8,
        layout.shape.len() as u32,
    ];
    values.extend(layout.shape.iter().map(|&extent| extent as u32));
    values.push(fill.len() as u32);
    values.extend(pack(fill));
    values
}

fn read_layout(values: &[u32]) -> Option<Layout> {
    let (&[element, dimensions], rest) = values.split_first_chunk()?;
    let (shape, rest) = rest.split_at_checked(dimensions as usize)?;
    let (&fill_len, fill) = rest.split_first()?;
    let layout = Layout {
        element: element_from(element as u8, (element >> 8) as usize)?,
        shape: shape.iter().map(|&extent| extent as usize).collect(),
        fill: match fill_len as usize {
            0 => None,
            len => Some(unpack(fill, len)?),
        },
    };
    layout.chunk_bytes().is_some().then_some(layout)
}

fn pack(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks(4).map(|four| {
        four.iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u32::from(byte))
    })
}

fn unpack(values: &[u32], len: usize) -> Option<Vec<u8>> {
    let values = values.get(..len.div_ceil(4))?;
    let mut bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    bytes.truncate(len);
    Some(bytes)
}

fn cd_values(spec: &Spec, layout: &Layout) -> Result<Vec<u32>, Error> {
    check(spec, layout)?;
    Settings {
        spec: spec.clone(),
        layout: Some(layout.clone()),
    }
    .write()
}

/// The SPEC without layout.
pub(crate) fn user_values(spec: &Spec) -> Result<Vec<u32>, Error> {
    check_without_layout(spec)?;
    Settings {
        spec: spec.clone(),
        layout: None,
    }
    .write()
}

/// Refuses settings that go with no element type: a user should hear of them before there is a dataset.
fn check_without_layout(spec: &Spec) -> Result<(), Error> {
    let accepts = |class| {
        let element = Element {
            class,
            bytes: 8,
            order: ByteOrder::Little,
        };
        (spec.codec().accepts)(spec, &Layout::new(element, vec![64, 64]))
    };
    accepts(ElementClass::Float).or_else(|error| accepts(ElementClass::Unsigned).map_err(|_| error))
}

/// Refuses chunks whose extents a frame cannot hold, and what the codec itself refuses.
fn check(spec: &Spec, layout: &Layout) -> Result<(), Error> {
    let fits = |extent: &usize| u32::try_from(*extent).is_ok();
    if !layout.shape.iter().all(fits)
        || layout.element.bytes >= 1 << 24
        || layout.chunk_bytes().is_none()
    {
        return Err(Error::Settings(
            "the chunk is larger than a frame can describe; choose smaller chunks".into(),
        ));
    }
    (spec.codec().accepts)(spec, layout)
}

fn localise(values: &[u32], layout: Option<&Layout>) -> Result<Vec<u32>, Error> {
    let mut settings = Settings::read(values)?;
    if let Some(layout) = layout {
        settings.layout = Some(layout.clone());
    }
    check(&settings.spec, settings.with_layout()?)?;
    settings.write()
}

fn bound(values: &[u32], src_len: usize) -> Result<usize, Error> {
    let (_, shape) = stated_shape(values)?.ok_or_else(no_layout)?;
    Ok(frame::header_bytes(shape.len(), true) + src_len)
}

fn encode(
    context: &mut Context,
    values: &[u32],
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let settings = context.settings.settings(values)?;
    let layout = settings.with_layout()?;
    if layout.chunk_bytes() != Some(src.len()) {
        return Err(Error::Settings(format!(
            "a chunk of {} bytes is not one of {:?} elements of {} bytes; put this filter first in the pipeline",
            src.len(),
            layout.shape,
            layout.element.bytes
        )));
    }
    let chunk = Chunk {
        spec: &settings.spec,
        layout,
        bytes: src,
    };
    frame::encode(context, &chunk, dst)
}

/// The frame's own size, which must be the size that the file announces for its chunks.
fn announced_len(values: &[u32], front: &[u8], chunk_len: usize) -> Result<usize, Error> {
    let info = frame::inspect_front(front, chunk_len)?;
    let len = info.layout.chunk_bytes().unwrap_or(usize::MAX);
    let announced = stated_shape(values)
        .ok()
        .flatten()
        .and_then(|(bytes, shape)| {
            shape.iter().try_fold(bytes, |product, &extent| {
                product.checked_mul(extent as usize)
            })
        });
    match announced {
        Some(announced) if announced != len => Err(Error::Damaged {
            what: "the frame is of another shape than the dataset's chunks",
            offset: 16,
            len: chunk_len,
        }),
        _ => Ok(len),
    }
}

fn decode(
    context: &mut Context,
    _values: &[u32],
    chunk: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    frame::decode(context, chunk, dst)
}
