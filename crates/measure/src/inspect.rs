//! How a dataset is stored, what its chunks say they lost, and which of them are damaged.
//!
//! By default only the headers of chunks are read, so that ten gigabytes take seconds: a filter of this library says in
//! the first bytes of a chunk how many it decodes to, and a frame of filter 59297 has a certificate of its loss there.
//! That finds chunks whose beginning was overwritten, that are of another size, or that lie beyond the end of the file.
//! Damage behind the header shows in the checksums of whole chunks, or when they are decoded ([`Depth`]).
//!
//! A dataset whose values had lost before they were stored losslessly has a record of that in attributes (`provenance`).

use std::collections::BTreeMap;

use etalon_codec::frame::Info;
use etalon_codec::{Guarantee, Tally};
use serde::Serialize;

use crate::chunk_check::{ChunkCheck, what_is_checked};
use crate::chunk_source::{ChunkSource, Loaded};
use crate::dataset::{Dataset, StoredChunk};
use crate::fault::Fault;
use crate::known_filters::is_lossless;
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
    /// What was checked of the chunks: `headers`; `checksums` of whole chunks, where there are any; `decoded`; or `none`
    /// where no filter of etalon says anything.
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

/// How much of each chunk is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The header.
    Headers,
    /// All of it: checksums of frames and of fletcher32, lengths of all blocks of bitshuffle.
    Checksums,
    /// All of it, and it is decoded.
    Decoded,
}

/// Inspects `dataset`. `progress` is called after each chunk.
pub fn inspect(
    dataset: &Dataset,
    depth: Depth,
    mut progress: impl FnMut(),
) -> Result<Inspection, Fault> {
    let chunks = dataset.stored_chunks()?;
    let is_decodable = Pipeline::of(&dataset.filters).is_some() && dataset.chunk_shape().is_some();
    let checked = match depth {
        Depth::Decoded if is_decodable => "decoded",
        _ => what_is_checked(&dataset.filters, depth != Depth::Headers),
    };
    let mut inspection = describe(dataset, &chunks, checked);
    let mut loss = Loss::default();
    let damaged = match checked {
        "decoded" => {
            inconsistent(dataset, &chunks, false, &mut loss, &mut || ());
            undecodable(dataset, &mut progress)?
        }
        "none" => Vec::new(),
        _ => {
            let whole = depth != Depth::Headers;
            inconsistent(dataset, &chunks, whole, &mut loss, &mut progress)
        }
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

/// Adds up the loss that the chunks state; returns those that state what cannot be.
fn inconsistent(
    dataset: &Dataset,
    chunks: &[StoredChunk],
    whole: bool,
    loss: &mut Loss,
    progress: &mut impl FnMut(),
) -> Vec<Damage> {
    let mut check = ChunkCheck::new(dataset, chunks, whole);
    let mut damaged = Vec::new();
    for chunk in chunks {
        match check.check(chunk) {
            Ok(info) => info.iter().for_each(|info| loss.add(info)),
            Err(error) => damaged.push((chunk.offset.clone(), format!("{error:#}"))),
        }
        progress();
    }
    damaged
}

fn describe(dataset: &Dataset, chunks: &[StoredChunk], checked: &'static str) -> Inspection {
    let filters = dataset
        .filters
        .iter()
        .map(|filter| (filter.id, filter.name.as_str(), filter.cd_values.as_slice()));
    let spec = pipeline_spec(filters);
    let mut all = dataset.filters.iter();
    let lossless = all.all(|filter| is_lossless(filter.id, &filter.cd_values));
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
