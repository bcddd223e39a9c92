//! Bands of a dataset in memory, and what a codec makes of them.

use std::time::Instant;

use anyhow::anyhow;
use etalon_codec::{Element, Layout};
use etalon_metrics::{
    Error, FrameSource, Frames, Metric, Outcome, Settings, Shape, Task, Values, evaluate_on,
};

use crate::box_copy::{Placed, copy_common};
use crate::chunk_source::{ChunkSource, Loaded};
use crate::dataset::Dataset;
use crate::fault::Fault;
use crate::method::{Coder, Method};
use crate::ordered;
use crate::slabs::Slabs;
use crate::typed_values::TypedValues;

/// Frames that are given to metrics at a time have about so many elements.
const BATCH: usize = 1 << 23;

/// Bands beside each other, as if the dataset had no others.
pub(crate) struct Sample {
    pub(crate) element: Element,
    pub(crate) layout: Layout,
    /// Extents of all bands together.
    pub(crate) extents: Vec<u64>,
    pub(crate) shape: Shape,
    /// Places in the dataset along the axis of the bands, in order.
    pub(crate) places: Vec<u64>,
    chunks: Vec<Chunk>,
    chunk_shape: Vec<u64>,
    bytes: Vec<u8>,
    original: TypedValues,
    valid: Option<Vec<bool>>,
}

/// A chunk of the sample.
struct Chunk {
    /// Where its first element is in the sample.
    offset: Vec<u64>,
    /// Where those of its elements end that are inside the dataset.
    end: Vec<u64>,
    /// Its elements, those outside the dataset too.
    raw: Vec<u8>,
}

/// What a codec made of a sample.
pub(crate) struct Trial {
    pub(crate) raw_bytes: u64,
    pub(crate) stored_bytes: u64,
    /// 10⁹ bytes of raw data a second, on one thread.
    pub(crate) encode_gbps: f64,
    pub(crate) decode_gbps: f64,
    /// Chunks in which a lossy codec fell back to a finer setting or to a lossless one.
    pub(crate) fallbacks: usize,
    decoded: TypedValues,
}

impl Sample {
    /// Reads bands along `axis`.
    pub(crate) fn load(
        dataset: &Dataset,
        source: &ChunkSource<'_>,
        axis: usize,
        bands: &[u64],
        mask: &[f64],
    ) -> Result<Self, Fault> {
        let typed = |element: &Element| TypedValues::new(element);
        let (element, mut original) = (dataset.element)
            .and_then(|element| Some((element, typed(&element)?)))
            .ok_or_else(|| {
                Fault::Arguments(anyhow!(
                    "{}: its elements ({}) are no numbers that metrics are defined for",
                    dataset.path,
                    dataset.dtype
                ))
            })?;
        let places = places(dataset, source, axis, bands);
        let mut extents = dataset.shape.clone();
        if let Some(extent) = extents.get_mut(axis) {
            *extent = places.len() as u64;
        }
        let chunks = chunks(dataset, source, axis, bands)?;
        let elements: u64 = extents.iter().product();
        let mut bytes = vec![0; elements as usize * element.bytes];
        for chunk in &chunks {
            let from = (chunk.place(source.chunk_shape()), chunk.raw.as_slice());
            copy_common(
                from,
                (whole(&extents), &mut bytes),
                &chunk.end,
                element.bytes,
            );
        }
        original.load(&element, &bytes);
        let slabs = Slabs::new(vec![0; extents.len()], extents.clone(), None, 1, u64::MAX);
        let (frames, rows, columns) = slabs.shape();
        Ok(Self {
            valid: original.valid(mask),
            layout: source.layout(element),
            chunk_shape: source.chunk_shape().to_vec(),
            shape: Shape {
                frames,
                rows,
                columns,
            },
            element,
            extents,
            places,
            chunks,
            bytes,
            original,
        })
    }

    /// Number of chunks.
    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes of raw data.
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Encodes and decodes all chunks on `jobs` threads.
    pub(crate) fn encode(&self, method: &Method, jobs: usize) -> Result<Trial, Fault> {
        let refused = |error: etalon_codec::Error| Fault::Arguments(error.into());
        // What is wrong with the settings is said once, not by every thread.
        method.coder(&self.layout).map_err(refused)?;
        let mut bytes = self.bytes.clone();
        let mut sum = Sum::default();
        let mut numbers = 0..self.chunks.len();
        ordered::run(
            jobs,
            2 * jobs,
            || method.coder(&self.layout).map(Worker::new),
            || Ok(numbers.next()),
            |worker, at| match worker {
                Ok(worker) => worker.round_trip(at, &self.chunks[at].raw),
                Err(error) => Err(refused(error.clone())),
            },
            |coded: Coded| {
                let chunk = &self.chunks[coded.at];
                let from = (chunk.place(&self.chunk_shape), coded.decoded.as_slice());
                let to = (whole(&self.extents), bytes.as_mut_slice());
                copy_common(from, to, &chunk.end, self.element.bytes);
                sum.add(&coded);
                Ok(())
            },
        )?;
        let mut decoded = TypedValues::new(&self.element).unwrap_or(TypedValues::U8(Vec::new()));
        decoded.load(&self.element, &bytes);
        Ok(sum.trial(decoded))
    }

    /// What metrics say of what was decoded, or of the original beside itself.
    pub(crate) fn evaluate(
        &self,
        trial: Option<&Trial>,
        metrics: &[&'static Metric],
        settings: &Settings,
        jobs: usize,
    ) -> Result<Outcome, Fault> {
        let mut pair = self.pair(trial);
        let workers = &mut |tasks: Vec<Task<'_>>| ordered::run_tasks(jobs, tasks);
        let outcome = evaluate_on(metrics, settings, &mut pair, workers);
        outcome.map_err(|error| Fault::Arguments(error.into()))
    }

    /// All frames beside those of a trial, or beside themselves.
    pub(crate) fn pair<'a>(&'a self, trial: Option<&'a Trial>) -> Pair<'a> {
        let original = self.original.values();
        Pair(Frames {
            original,
            decoded: trial.map_or(original, |trial| trial.decoded.values()),
            valid: self.valid.as_deref(),
            first: 0,
            count: self.shape.frames,
            rows: self.shape.rows,
            columns: self.shape.columns,
        })
    }

    /// The numbers of the original.
    pub(crate) fn values(&self) -> Values<'_> {
        self.original.values()
    }
}

impl Chunk {
    fn place<'a>(&'a self, extents: &'a [u64]) -> Placed<'a> {
        Placed {
            offset: &self.offset,
            extents,
        }
    }
}

/// The sample's array.
fn whole(extents: &[u64]) -> Placed<'_> {
    const ORIGIN: [u64; 32] = [0; 32];
    Placed {
        offset: &ORIGIN[..extents.len()],
        extents,
    }
}

/// Places along the axis that lie in the bands.
fn places(dataset: &Dataset, source: &ChunkSource<'_>, axis: usize, bands: &[u64]) -> Vec<u64> {
    let (Some(chunk), Some(extent)) = (source.chunk_shape().get(axis), dataset.shape.get(axis))
    else {
        return vec![0];
    };
    let of_band = |band: &u64| band * chunk..((band + 1) * chunk).min(*extent);
    bands.iter().flat_map(of_band).collect()
}

/// All chunks of the bands, decoded.
fn chunks(
    dataset: &Dataset,
    source: &ChunkSource<'_>,
    axis: usize,
    bands: &[u64],
) -> Result<Vec<Chunk>, Fault> {
    let mut decoder = source.decoder();
    let mut loaded = Loaded::default();
    let mut chunks = Vec::new();
    let mut start = 0;
    for band in bands {
        let extent = source.chunk_shape().get(axis).copied().unwrap_or(1);
        let (mut offset, mut extents) = (vec![0; dataset.shape.len()], dataset.shape.clone());
        let mut inside = 1;
        if axis < offset.len() {
            offset[axis] = band * extent;
            extents[axis] = extent;
            inside = extent.min(dataset.shape[axis] - offset[axis]);
        }
        for number in source.grid().touching(&offset, &extents) {
            let mut raw = Vec::new();
            source.load_or_fill(number, &mut loaded)?;
            let mut place = source.grid().offset(number);
            decoder.decode(&mut loaded, &mut raw).map_err(|error| {
                let text = format!("{}: the chunk at {place:?} is damaged", dataset.path);
                Fault::Input(error.context(text))
            })?;
            let mut end = dataset.shape.clone();
            if axis < place.len() {
                place[axis] = start;
                end[axis] = start + inside;
            }
            chunks.push(Chunk {
                offset: place,
                end,
                raw,
            });
        }
        start += inside;
    }
    Ok(chunks)
}

/// A codec on one thread.
struct Worker {
    coder: Coder,
    stored: Vec<u8>,
}

/// A chunk that was encoded and decoded.
struct Coded {
    at: usize,
    decoded: Vec<u8>,
    stored_bytes: usize,
    encode_seconds: f64,
    decode_seconds: f64,
    fell_back: bool,
}

impl Worker {
    fn new(coder: Coder) -> Self {
        let stored = Vec::new();
        Self { coder, stored }
    }

    fn round_trip(&mut self, at: usize, raw: &[u8]) -> Result<Coded, Fault> {
        let failed = |error: etalon_codec::Error| Fault::Arguments(error.into());
        let bound = self.coder.bound(raw.len()).map_err(failed)?;
        self.stored.resize(bound.max(self.stored.len()), 0);
        let start = Instant::now();
        let len = self.coder.encode(raw, &mut self.stored).map_err(failed)?;
        let encode_seconds = start.elapsed().as_secs_f64();
        let mut decoded = vec![0; raw.len()];
        let start = Instant::now();
        self.coder
            .decode(&self.stored[..len], &mut decoded)
            .map_err(|error| Fault::Check(error.into()))?;
        Ok(Coded {
            at,
            decoded,
            stored_bytes: len,
            encode_seconds,
            decode_seconds: start.elapsed().as_secs_f64(),
            fell_back: self.coder.fell_back(&self.stored[..len]),
        })
    }
}

#[derive(Default)]
struct Sum {
    raw_bytes: u64,
    stored_bytes: u64,
    encode_seconds: f64,
    decode_seconds: f64,
    fallbacks: usize,
}

impl Sum {
    fn add(&mut self, coded: &Coded) {
        self.raw_bytes += coded.decoded.len() as u64;
        self.stored_bytes += coded.stored_bytes as u64;
        self.encode_seconds += coded.encode_seconds;
        self.decode_seconds += coded.decode_seconds;
        self.fallbacks += usize::from(coded.fell_back);
    }

    fn trial(self, decoded: TypedValues) -> Trial {
        let gigabytes = self.raw_bytes as f64 / 1e9;
        Trial {
            raw_bytes: self.raw_bytes,
            stored_bytes: self.stored_bytes,
            encode_gbps: gigabytes / self.encode_seconds,
            decode_gbps: gigabytes / self.decode_seconds,
            fallbacks: self.fallbacks,
            decoded,
        }
    }
}

/// The frames of a sample, and what was decoded of them.
pub(crate) struct Pair<'a>(pub(crate) Frames<'a>);

impl FrameSource for Pair<'_> {
    fn shape(&self) -> Shape {
        Shape {
            frames: self.0.count,
            rows: self.0.rows,
            columns: self.0.columns,
        }
    }

    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let frame = (self.0.rows * self.0.columns).max(1);
        let step = (BATCH / frame).max(1);
        (0..self.0.count)
            .step_by(step)
            .try_for_each(|first| take(&self.0.part(first..(first + step).min(self.0.count))))
    }
}
