//! A dataset beside what was decoded of it: another dataset, or what a codec makes of its chunks. The metrics are fed from
//! here, slab by slab.

use anyhow::anyhow;
use etalon_codec::Element;
use etalon_metrics::{
    Error, FrameSource, Frames, Metric, Outcome, Settings, Shape, Task, evaluate_on,
    with_data_range,
};

use crate::box_copy::{Placed, copy_common};
use crate::chunk_source::{ChunkSource, Decoder, Loaded};
use crate::dataset::Dataset;
use crate::fault::{Blame, Fault};
use crate::hdf5::dataset::OpenDataset;
use crate::method::{Coder, Method};
use crate::ordered;
use crate::slabs::{Slab, Slabs};
use crate::typed_values::TypedValues;

/// Memory of a slab. There are up to six copies of one: stored bytes and numbers, twice, and what metrics make of them.
const SLAB_BYTES: u64 = 32 << 20;
/// Memory in which HDF5 keeps chunks that more than one slab needs.
const CACHE_BYTES: usize = 96 << 20;

/// Two datasets of one shape, or one and a codec.
pub struct Comparison<'a> {
    original: Side,
    decoded: Decoded<'a>,
    slabs: Slabs,
    chunk: Option<Vec<u64>>,
    mask: Vec<f64>,
    threads: usize,
    fault: Option<Fault>,
    progress: Box<dyn FnMut(u64) + 'a>,
}

/// A dataset that is read by slabs.
struct Side {
    open: OpenDataset,
    path: String,
    element: Element,
    bytes: Vec<u8>,
    typed: TypedValues,
}

enum Decoded<'a> {
    /// A single dataset is measured.
    Same,
    /// Another dataset.
    Dataset(Box<Side>),
    /// Every chunk of the original, encoded and decoded.
    Codec(Box<Coded<'a>>),
}

/// What a round over the data needs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LooksAt {
    Both,
    Original,
}

struct Coded<'a> {
    source: ChunkSource<'a>,
    decoder: Decoder,
    coder: Coder,
    loaded: Loaded,
    raw: Vec<u8>,
    stored: Vec<u8>,
    bytes: Vec<u8>,
    typed: TypedValues,
}

/// What a dataset is compared with.
pub enum Against<'a> {
    /// Nothing.
    Nothing,
    /// A dataset of the same shape.
    Dataset(&'a Dataset),
    /// What a codec makes of its chunks.
    Method(&'a Method),
}

impl<'a> Comparison<'a> {
    /// All of `original` beside what `against` says. `progress` is called with the bytes of each slab.
    pub fn new(
        original: &'a Dataset,
        against: &Against<'_>,
        settings: &Settings,
        progress: impl FnMut(u64) + 'a,
    ) -> Result<Self, Fault> {
        let side = Side::new(original)?;
        let decoded = match against {
            Against::Nothing => Decoded::Same,
            Against::Dataset(dataset) => {
                same_shape(original, dataset)?;
                Decoded::Dataset(Box::new(Side::new(dataset)?))
            }
            Against::Method(method) => {
                Decoded::Codec(Box::new(Coded::new(original, &side, method)?))
            }
        };
        let origin = vec![0; original.shape.len()];
        let chunk = original.chunk_shape().map(<[u64]>::to_vec);
        let slabs = slabs(origin, original.shape.clone(), chunk.as_deref(), &side);
        Ok(Self {
            slabs,
            chunk,
            original: side,
            decoded,
            mask: settings.mask.clone(),
            threads: 1,
            fault: None,
            progress: Box::new(progress),
        })
    }

    /// From here on, only the box at `offset` of `extents` is compared, such as a chunk.
    pub fn restrict(&mut self, offset: Vec<u64>, extents: Vec<u64>) {
        self.slabs = slabs(offset, extents, self.chunk.as_deref(), &self.original);
    }

    /// Threads on which metrics look at frames; the numbers do not depend on it.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// The settings with the data range of this dataset, if one of `metrics` needs it and none is given: chunks are judged
    /// by the range of the dataset, not by their own.
    pub fn with_data_range(
        &mut self,
        metrics: &[&'static Metric],
        settings: &Settings,
    ) -> Result<Settings, Fault> {
        let found = with_data_range(metrics, settings, self);
        found.map_err(|error| self.fault_of(error))
    }

    /// What `metrics` say of the pair.
    pub fn evaluate(
        &mut self,
        metrics: &[&'static Metric],
        settings: &Settings,
    ) -> Result<Outcome, Fault> {
        let threads = self.threads;
        let workers = &mut |tasks: Vec<Task<'_>>| ordered::run_tasks(threads, tasks);
        evaluate_on(metrics, settings, self, workers).map_err(|error| self.fault_of(error))
    }

    /// What went wrong below the metrics, if that was it.
    fn fault_of(&mut self, error: Error) -> Fault {
        let path = &self.original.path;
        let fault = self.fault.take();
        fault.unwrap_or_else(|| Fault::Arguments(anyhow!("{path}: {error}")))
    }

    /// Calls `take` with all frames, slab by slab.
    fn feed_all(
        &mut self,
        looks_at: LooksAt,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let slabs = self.slabs.clone();
        for slab in slabs.iter() {
            match self.feed(&slab, looks_at, take) {
                Ok(taken) => taken?,
                Err(fault) => {
                    let text = fault.to_string();
                    self.fault = Some(fault);
                    return Err(Error::Source(text));
                }
            }
        }
        Ok(())
    }

    fn feed(
        &mut self,
        slab: &Slab,
        looks_at: LooksAt,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<Result<(), Error>, Fault> {
        self.original.read(slab)?;
        let original = &self.original;
        let decoded = match &mut self.decoded {
            _ if looks_at == LooksAt::Original => original.typed.values(),
            Decoded::Same => original.typed.values(),
            Decoded::Dataset(side) => {
                side.read(slab)?;
                side.typed.values()
            }
            Decoded::Codec(coded) => {
                coded.read(slab, original)?;
                coded.typed.values()
            }
        };
        let valid = original.typed.valid(&self.mask);
        let (_, rows, columns) = self.slabs.shape();
        (self.progress)(original.bytes.len() as u64);
        Ok(take(&Frames {
            original: original.typed.values(),
            decoded,
            valid: valid.as_deref(),
            first: slab.first,
            count: slab.count,
            rows,
            columns,
        }))
    }
}

fn slabs(offset: Vec<u64>, extents: Vec<u64>, chunk: Option<&[u64]>, side: &Side) -> Slabs {
    Slabs::new(offset, extents, chunk, side.element.bytes, SLAB_BYTES)
}

/// All elements of a dataset in f64.
pub(crate) fn all_values(dataset: &Dataset) -> Result<Vec<f64>, Fault> {
    let mut side = Side::new(dataset)?;
    side.read(&Slab {
        offset: vec![0; dataset.shape.len()],
        extents: dataset.shape.clone(),
        first: 0,
        count: 1,
    })?;
    let values = side.typed.values();
    Ok(values.to_f64(0..values.len()).into_owned())
}

fn same_shape(original: &Dataset, decoded: &Dataset) -> Result<(), Fault> {
    if original.shape == decoded.shape {
        return Ok(());
    }
    Err(Fault::Arguments(anyhow!(
        "{} has the shape {:?}, {} has {:?}: only datasets of one shape can be compared",
        original.path,
        original.shape,
        decoded.path,
        decoded.shape
    )))
}

impl FrameSource for Comparison<'_> {
    fn shape(&self) -> Shape {
        let (frames, rows, columns) = self.slabs.shape();
        Shape {
            frames,
            rows,
            columns,
        }
    }

    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.feed_all(LooksAt::Both, take)
    }

    fn for_each_original(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.feed_all(LooksAt::Original, take)
    }
}

impl Side {
    fn new(dataset: &Dataset) -> Result<Self, Fault> {
        let typed = dataset
            .element
            .and_then(|element| Some((element, TypedValues::new(&element)?)));
        let (element, typed) = typed.ok_or_else(|| {
            Fault::Arguments(anyhow!(
                "{}: its elements ({}) are no numbers that metrics are defined for",
                dataset.path,
                dataset.dtype
            ))
        })?;
        Ok(Self {
            open: OpenDataset::open(&dataset.file, &dataset.path, Some(CACHE_BYTES))
                .input(|| format!("cannot open dataset {}", dataset.path))?,
            path: dataset.path.clone(),
            element,
            bytes: Vec::new(),
            typed,
        })
    }

    fn read(&mut self, slab: &Slab) -> Result<(), Fault> {
        let elements: u64 = slab.extents.iter().product();
        self.bytes.resize(elements as usize * self.element.bytes, 0);
        self.open
            .read_box(&slab.offset, &slab.extents, &slab.extents, &mut self.bytes)
            .input(|| {
                let Slab {
                    offset, extents, ..
                } = slab;
                format!(
                    "{}: the {extents:?} elements at {offset:?} cannot be read",
                    self.path
                )
            })?;
        self.typed.load(&self.element, &self.bytes);
        Ok(())
    }
}

impl<'a> Coded<'a> {
    fn new(dataset: &'a Dataset, side: &Side, method: &Method) -> Result<Self, Fault> {
        let source = ChunkSource::new(dataset, None)?;
        let layout = source.layout(side.element);
        let refused = |error: etalon_codec::Error| Fault::Arguments(error.into());
        let coder = method.coder(&layout).map_err(refused)?;
        let stored = vec![0; coder.bound(source.chunk_bytes()).map_err(refused)?];
        Ok(Self {
            decoder: source.decoder(),
            coder,
            loaded: Loaded::default(),
            raw: Vec::new(),
            stored,
            bytes: Vec::new(),
            typed: TypedValues::new(&side.element).unwrap_or(TypedValues::U8(Vec::new())),
            source,
        })
    }

    /// The elements of `slab` as they come back from the codec. Where the file has no chunk they are the original's.
    fn read(&mut self, slab: &Slab, original: &Side) -> Result<(), Fault> {
        self.bytes.clear();
        self.bytes.extend_from_slice(&original.bytes);
        for chunk in self.source.chunks_in(&slab.offset, &slab.extents) {
            self.code(&chunk)
                .map_err(|error| error.context(format!("{}, chunk {chunk:?}", original.path)))?;
            let chunk_place = Placed {
                offset: &chunk,
                extents: self.source.chunk_shape(),
            };
            let slab_place = Placed {
                offset: &slab.offset,
                extents: &slab.extents,
            };
            let limits = self.source.dataset_shape();
            let element_bytes = original.element.bytes;
            let (from, to) = (
                (chunk_place, self.raw.as_slice()),
                (slab_place, self.bytes.as_mut_slice()),
            );
            copy_common(from, to, limits, element_bytes);
        }
        self.typed.load(&original.element, &self.bytes);
        Ok(())
    }

    /// Encodes and decodes the chunk at `offset`; `raw` holds it afterwards.
    fn code(&mut self, offset: &[u64]) -> Result<(), Fault> {
        self.source.load_at(offset, &mut self.loaded)?;
        self.decoder
            .decode(&mut self.loaded, &mut self.raw)
            .map_err(Fault::Input)?;
        let stored = self.coder.encode(&self.raw, &mut self.stored);
        stored
            .and_then(|len| self.coder.decode(&self.stored[..len], &mut self.raw))
            .map_err(|error| Fault::Check(error.into()))
    }
}
