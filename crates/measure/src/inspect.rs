//! How a dataset is stored, and which of its chunks are damaged, without decoding them.
//!
//! A filter of this library says from a chunk's header and block lengths how many bytes the chunk decodes to; a chunk
//! that says anything but the size of a chunk, or whose lengths do not fit, is damaged. That finds cut and overwritten
//! chunks. Damage inside a compressed block shows only when it is decoded (`deep`).
//!
//! A frame of filter 59297 also has a checksum of its payload and a certificate of its loss: these are checked and added
//! up here, still without decoding. A dataset whose values had lost before they were stored losslessly has a record of
//! that in attributes (`provenance`).

use std::collections::BTreeMap;

use anyhow::anyhow;
use etalon_codec::frame::{self, Info};
use etalon_codec::{Filter, Guarantee, Tally, etalon_filter};
use serde::Serialize;

use crate::chunk_source::{ChunkSource, Loaded};
use crate::dataset::{Dataset, StoredChunk};
use crate::fault::Fault;
use crate::pipeline::Pipeline;
use crate::pipeline_spec::pipeline_spec;
use crate::provenance;

/// What is known of a dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Path in the file.
    pub dataset: String,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Extents, slowest dimension first.
    pub shape: Vec<u64>,
    /// Extents of a chunk, `None` where it is not stored in chunks.
    pub chunk: Option<Vec<u64>>,
    /// Its filters as a SPEC.
    pub spec: String,
    /// Its filters, in the order in which they were applied.
    pub filters: Vec<FilterSettings>,
    /// Chunks by codec.
    pub codecs: BTreeMap<String, usize>,
    /// The bound that was asked of a lossy codec.
    pub bound_asked: Option<f64>,
    /// The class of a lossy codec's promise.
    pub guarantee: Option<String>,
    /// The largest error of any value: 0 where all filters are lossless and no loss before is recorded, `None` where it
    /// is not known.
    pub max_abs_error: Option<f64>,
    /// The largest error in units of the noise.
    pub max_sigma_error: Option<f64>,
    /// The mean error.
    pub mean_error: Option<f64>,
    /// Values that a lossy codec keeps exactly.
    pub exceptions: u64,
    /// Whether some values are drawn from a model of the background.
    pub synthetic_background: bool,
    /// Bytes of all elements.
    pub raw_bytes: u64,
    /// Bytes in the file.
    pub stored_bytes: u64,
    /// Raw over stored bytes; 0 where nothing is stored.
    pub ratio: f64,
    /// Number of chunks in the file.
    pub chunks: usize,
    /// How the chunks were checked: `decoded`, `headers`, or `none` where no filter of etalon says anything.
    pub checked: &'static str,
    /// Coordinates of damaged chunks.
    pub damaged: Vec<Vec<u64>>,
    /// What is wrong with them, in the same order.
    pub reasons: Vec<String>,
}

/// A filter with its settings, as stored.
#[derive(Debug, Clone, Serialize)]
pub struct FilterSettings {
    /// The id.
    pub id: i32,
    /// The name that the file keeps beside it.
    pub name: String,
    /// Its client data.
    pub cd_values: Vec<u32>,
}

/// Inspects `dataset`; `deep` decodes every chunk. `progress` is called after each chunk.
pub fn inspect(
    dataset: &Dataset,
    deep: bool,
    mut progress: impl FnMut(),
) -> Result<Inspection, Fault> {
    let chunks = dataset.stored_chunks()?;
    let checked = how_to_check(dataset, deep);
    let mut inspection = describe(dataset, &chunks, checked);
    let mut loss = Loss::default();
    let damaged = match checked {
        "decoded" => {
            inconsistent(dataset, &chunks, &mut loss, &mut || ());
            undecodable(dataset, &mut progress)?
        }
        "headers" => inconsistent(dataset, &chunks, &mut loss, &mut progress),
        _ => Vec::new(),
    };
    loss.describe(&mut inspection);
    provenance::describe(dataset, &mut inspection)?;
    (inspection.damaged, inspection.reasons) = damaged.into_iter().unzip();
    Ok(inspection)
}

/// What the frames of a dataset say of themselves, added up.
#[derive(Default)]
struct Loss {
    frames: BTreeMap<String, usize>,
    guarantee: Option<Guarantee>,
    bound_asked: Option<f64>,
    synthetic_background: bool,
    tally: Tally,
    elements: usize,
}

impl Loss {
    fn add(&mut self, info: &Info) {
        let certificate = info.certificate.unwrap_or_default();
        let fell_back = if certificate.fell_back {
            " (fell back)"
        } else {
            ""
        };
        *self
            .frames
            .entry(format!("{}{fell_back}", info.codec))
            .or_default() += 1;
        self.guarantee = self.guarantee.max(Some(certificate.guarantee));
        if certificate.guarantee != Guarantee::Lossless {
            let asked = self.bound_asked.unwrap_or(certificate.bound_asked);
            self.bound_asked = Some(asked.max(certificate.bound_asked));
        }
        self.synthetic_background |= certificate.synthetic_background;
        self.tally.merge(&certificate.loss);
        self.elements += info.layout.elements().unwrap_or(0);
    }

    /// Fills in what the filters' settings alone cannot tell; nothing where there was no frame.
    fn describe(self, inspection: &mut Inspection) {
        let Some(guarantee) = self.guarantee else {
            return;
        };
        inspection.guarantee = Some(
            match guarantee {
                Guarantee::Lossless => "lossless",
                Guarantee::ByConstruction => "A",
                Guarantee::Verified => "B",
            }
            .into(),
        );
        inspection.codecs = self.frames;
        inspection.bound_asked = self.bound_asked;
        inspection.max_abs_error = Some(self.tally.max_abs_error);
        inspection.max_sigma_error = self.tally.max_sigma_error.map(f64::from);
        inspection.mean_error = Some(self.tally.sum_error / self.elements.max(1) as f64);
        inspection.exceptions = self.tally.exceptions;
        inspection.synthetic_background = self.synthetic_background;
    }
}

/// Coordinates of a damaged chunk, and what is wrong with it.
type Damage = (Vec<u64>, String);

fn how_to_check(dataset: &Dataset, deep: bool) -> &'static str {
    let is_known = Pipeline::of(&dataset.filters).is_some();
    let last_is_own = dataset
        .filters
        .last()
        .is_some_and(|filter| own_filter(filter.id).is_some());
    match (
        deep && is_known && dataset.chunk_shape().is_some(),
        last_is_own,
    ) {
        (true, _) => "decoded",
        (false, true) => "headers",
        (false, false) => "none",
    }
}

fn undecodable(dataset: &Dataset, progress: &mut impl FnMut()) -> Result<Vec<Damage>, Fault> {
    let source = ChunkSource::new(dataset, None)?;
    let mut decoder = source.decoder();
    let (mut loaded, mut raw) = (Loaded::default(), Vec::new());
    let mut damaged = Vec::new();
    for at in 0..source.len() {
        let verdict = match source.load(at, &mut loaded) {
            Ok(()) => decoder
                .decode(&mut loaded, &mut raw)
                .map_err(|error| format!("{error:#}")),
            Err(fault) => Err(fault.to_string()),
        };
        damaged.extend(
            verdict
                .err()
                .map(|reason| (source.offset(at).to_vec(), reason)),
        );
        progress();
    }
    Ok(damaged)
}

fn inconsistent(
    dataset: &Dataset,
    chunks: &[StoredChunk],
    loss: &mut Loss,
    progress: &mut impl FnMut(),
) -> Vec<Damage> {
    let mut bytes = Vec::new();
    let mut damaged = Vec::new();
    for chunk in chunks {
        let verdict = check_header(dataset, chunk, &mut bytes)
            .map(|info| info.iter().for_each(|info| loss.add(info)));
        damaged.extend(
            verdict
                .err()
                .map(|error| (chunk.offset.clone(), format!("{error:#}"))),
        );
        progress();
    }
    damaged
}

fn own_filter(id: i32) -> Option<&'static Filter> {
    u32::try_from(id).ok().and_then(Filter::by_id)
}

fn describe(dataset: &Dataset, chunks: &[StoredChunk], checked: &'static str) -> Inspection {
    let filters = dataset
        .filters
        .iter()
        .map(|filter| (filter.id, filter.name.as_str(), filter.cd_values.as_slice()));
    let spec = pipeline_spec(filters);
    let lossless = dataset.filters.iter().all(|filter| is_lossless(filter.id));
    Inspection {
        dataset: dataset.path.clone(),
        dtype: dataset.dtype.clone(),
        shape: dataset.shape.clone(),
        chunk: dataset.chunk_shape().map(<[u64]>::to_vec),
        codecs: codecs_by_chunk(chunks, &spec),
        spec,
        filters: dataset
            .filters
            .iter()
            .map(|filter| FilterSettings {
                id: filter.id,
                name: filter.name.clone(),
                cd_values: filter.cd_values.clone(),
            })
            .collect(),
        bound_asked: None,
        guarantee: None,
        max_abs_error: lossless.then_some(0.0),
        max_sigma_error: None,
        mean_error: None,
        exceptions: 0,
        synthetic_background: false,
        raw_bytes: dataset.raw_bytes(),
        stored_bytes: dataset.stored_bytes,
        ratio: match dataset.stored_bytes {
            0 => 0.0,
            stored => dataset.raw_bytes() as f64 / stored as f64,
        },
        chunks: chunks.len(),
        checked,
        damaged: Vec::new(),
        reasons: Vec::new(),
    }
}

/// Filters that lose nothing whatever their settings; others may.
fn is_lossless(id: i32) -> bool {
    matches!(
        id,
        1..=4 | 305 | 307 | 32000 | 32001 | 32004 | 32008 | 32015
    )
}

/// Counts chunks by what was done to them: a filter mask says that filters were skipped.
fn codecs_by_chunk(chunks: &[StoredChunk], spec: &str) -> BTreeMap<String, usize> {
    let mut codecs = BTreeMap::new();
    for chunk in chunks {
        let skipped = if chunk.filter_mask == 0 {
            ""
        } else {
            " (filters skipped)"
        };
        *codecs.entry(format!("{spec}{skipped}")).or_default() += 1;
    }
    codecs
}

/// Checks that the last filter's stream says of itself what it should; returns what a frame says.
fn check_header(
    dataset: &Dataset,
    chunk: &StoredChunk,
    bytes: &mut Vec<u8>,
) -> anyhow::Result<Option<Info>> {
    let filter_mask = dataset.read_stored(&chunk.offset, bytes)?;
    let Some((filter, earlier)) = dataset.filters.split_last() else {
        return Ok(None);
    };
    let (Some(own), 0) = (own_filter(filter.id), filter_mask & 1 << earlier.len()) else {
        return Ok(None);
    };
    let len = (own.decoded_len)(&filter.cd_values, bytes)?;
    // Only the first filter of a pipeline is given the chunk itself.
    match chunk_bytes(dataset) {
        Some(needed) if earlier.is_empty() && len as u64 != needed => {
            Err(anyhow!("decodes to {len} bytes where {needed} are needed"))
        }
        _ if own.id == etalon_filter::FILTER.id => Ok(Some(frame::verify_payload(bytes)?)),
        _ => Ok(None),
    }
}

fn chunk_bytes(dataset: &Dataset) -> Option<u64> {
    let elements: u64 = dataset.chunk_shape()?.iter().product();
    Some(elements * dataset.element?.bytes as u64)
}
