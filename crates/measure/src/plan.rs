//! What recompression does to each dataset of a file.

use std::collections::HashMap;

use anyhow::anyhow;
use etalon_codec::Spec;
use etalon_codec::codecs::bitshuffle;

use crate::chunk_shape::default_chunk;
use crate::dataset::{Dataset, Layout, StoredFilter};
use crate::fault::{Blame, Fault};
use crate::hdf5::datatype::is_text;
use crate::hdf5::object::Token;
use crate::missing_filter::missing_filter;
use crate::pipeline::Pipeline;
use crate::recompress::{LEAST_BYTES, Options};
use crate::source_file::SourceFile;

/// HDF5's filter with a checksum.
pub(crate) const FLETCHER32: i32 = 3;
/// The largest chunk that HDF5 1.10 reads.
const LARGEST_CHUNK_BYTES: u64 = u32::MAX as u64;

/// What happens to a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Its values get new chunks.
    Recode(Recoding),
    /// Its chunks are copied as they lie in the file.
    Chunks,
    /// HDF5 copies it as a whole: it has filters that may be missing here, or that would choose their settings anew.
    Whole,
    /// Its values are copied: text and sequences of any length, references, and what is not in chunks.
    Values,
    /// It has no values in this file.
    Nothing,
}

/// How a dataset is stored anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recoding {
    pub(crate) chunk: Vec<u64>,
    pub(crate) filters: Vec<StoredFilter>,
    /// Whole chunks, as codecs see them.
    pub(crate) layout: etalon_codec::Layout,
    pub(crate) loss: Loss,
}

/// Where a loss is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing is lost.
    None,
    /// Into the frames of the codec.
    InFrame,
    /// Into the values, before a stream that every reader knows.
    InValues,
}

/// Datasets and what happens to them.
pub(crate) struct Plan {
    pub(crate) treatments: HashMap<Token, Treatment>,
    /// Those that are recoded, in the order of the walk.
    pub(crate) recoded: Vec<(Token, Dataset)>,
    /// Bytes of the chunks that the recoded datasets have in the source.
    pub(crate) source_bytes: u64,
    /// Why datasets that one would expect to be recoded are not.
    pub(crate) warnings: Vec<String>,
}

impl Plan {
    /// Copies every dataset of `source` as it is.
    pub(crate) fn copying(source: &SourceFile) -> Result<Self, Fault> {
        let treatment = |token: Token| Ok((token, untouched(&source.dataset(&token)?)));
        Ok(Self {
            treatments: source
                .tokens()
                .map(treatment)
                .collect::<Result<_, Fault>>()?,
            recoded: Vec::new(),
            source_bytes: 0,
            warnings: Vec::new(),
        })
    }
}

/// A dataset is recoded, is not for a reason that needs no words, or is not for one that does.
enum Choice {
    Yes,
    No,
    Unreadable(String),
}

impl Plan {
    /// Decides for every dataset of `source`.
    pub(crate) fn new(source: &SourceFile, spec: &Spec, options: &Options) -> Result<Self, Fault> {
        check_options(source, options)?;
        check_stream(spec, options)?;
        let mut plan = Self {
            treatments: HashMap::new(),
            recoded: Vec::new(),
            source_bytes: 0,
            warnings: Vec::new(),
        };
        let mut refused_by_codec = None;
        for token in source.tokens() {
            let dataset = source.dataset(&token)?;
            let treatment = match choose(source, &token, &dataset, options)? {
                Choice::No => untouched(&dataset),
                Choice::Unreadable(reason) => {
                    plan.warnings
                        .push(format!("{} is copied as it is: {reason}", dataset.path));
                    untouched(&dataset)
                }
                Choice::Yes => match recoding(&dataset, spec, options) {
                    Ok(recoding) => Treatment::Recode(recoding),
                    Err(error) => {
                        refused_by_codec.get_or_insert(error.context(dataset.path.clone()));
                        untouched(&dataset)
                    }
                },
            };
            if let Treatment::Recode(_) = treatment {
                plan.source_bytes += dataset.stored_bytes;
                plan.recoded.push((token, dataset));
            }
            plan.treatments.insert(token, treatment);
        }
        check_chunk_rank(&plan.recoded, options)?;
        match refused_by_codec {
            // One element type that the codec does not take is left alone; if it takes none, the SPEC is at fault.
            Some(error) if plan.recoded.is_empty() || !options.datasets.is_empty() => Err(error),
            _ => Ok(plan),
        }
    }
}

fn check_options(source: &SourceFile, options: &Options) -> Result<(), Fault> {
    for pattern in &options.datasets {
        if !source.tokens().any(|token| source.matches(&token, pattern)) {
            let text = format!(
                "no dataset of {} matches '{pattern}'",
                source.path().display()
            );
            return Err(Fault::Arguments(anyhow!(text)));
        }
    }
    match &options.chunk {
        Some(chunk) if chunk.is_empty() || chunk.contains(&0) => Err(Fault::Arguments(anyhow!(
            "every extent of a chunk is 1 or more, and there is at least one"
        ))),
        _ => Ok(()),
    }
}

/// Refuses a chunk shape that would be used nowhere.
fn check_chunk_rank(recoded: &[(Token, Dataset)], options: &Options) -> Result<(), Fault> {
    let Some((chunk, (_, first))) = options.chunk.as_ref().zip(recoded.first()) else {
        return Ok(());
    };
    let mut ranks = recoded.iter().map(|(_, dataset)| dataset.shape.len());
    if ranks.any(|rank| rank == chunk.len()) {
        return Ok(());
    }
    Err(Fault::Arguments(anyhow!(
        "a chunk of {} dimensions suits no dataset that is recompressed; {} has {}",
        chunk.len(),
        first.path,
        first.shape.len()
    )))
}

/// Refuses what is not a loss followed by a stream without one.
fn check_stream(spec: &Spec, options: &Options) -> Result<(), Fault> {
    let Some(stream) = &options.stream else {
        return Ok(());
    };
    let (codec, stream) = (spec.codec().name, stream.codec());
    if spec.codec().lossless {
        return Err(Fault::Arguments(anyhow!(
            "{codec} loses nothing: there is nothing to put into values before another stream"
        )));
    }
    if stream.filter.id != bitshuffle::FILTER.id {
        return Err(Fault::Arguments(anyhow!(
            "{} is no stream that every reader knows; bitshuffle is",
            stream.name
        )));
    }
    Ok(())
}

/// Whether the user, or the default, wants this dataset recoded, and whether it can be.
fn choose(
    source: &SourceFile,
    token: &Token,
    dataset: &Dataset,
    options: &Options,
) -> Result<Choice, Fault> {
    let mut matching = options
        .datasets
        .iter()
        .filter(|pattern| source.matches(token, pattern))
        .peekable();
    let is_wanted = if options.datasets.is_empty() {
        let is_text = is_text(&dataset.open.datatype).input(|| dataset.path.clone())?;
        // netCDF's dimensions without a variable are datasets without storage.
        let is_empty = dataset.chunk_shape().is_none() && dataset.stored_bytes == 0;
        !is_text && !is_empty && dataset.raw_bytes() >= LEAST_BYTES
    } else {
        matching.peek().is_some()
    };
    if !is_wanted {
        return Ok(Choice::No);
    }
    let (unsuitable, unreadable) = (why_not(dataset), missing_filter(dataset));
    let Some(reason) = unsuitable.map(String::from).or(unreadable.clone()) else {
        return Ok(Choice::Yes);
    };
    // A pattern takes what can be taken; a name is a demand.
    if matching.any(|pattern| !pattern.contains(['*', '?'])) {
        let error = anyhow!("{} cannot be recompressed: {reason}", dataset.path);
        return Err(if unsuitable.is_some() {
            Fault::Arguments(error)
        } else {
            Fault::Input(error)
        });
    }
    Ok(if unsuitable.is_some() {
        Choice::No
    } else {
        Choice::Unreadable(reason)
    })
}

/// Why a dataset cannot be stored by a codec.
fn why_not(dataset: &Dataset) -> Option<&'static str> {
    match dataset.layout {
        Layout::Virtual => Some("it is virtual, its values are in other datasets"),
        Layout::External => Some("its values are in other files"),
        _ if dataset.element.is_none() => {
            Some("its elements have variable length or hold references")
        }
        _ if dataset.is_null || dataset.shape.is_empty() => {
            Some("it is a single value, which has no chunks")
        }
        Layout::Chunked(_) => None,
        _ if dataset.raw_bytes() == 0 => Some("it has no elements"),
        _ => None,
    }
}

fn recoding(dataset: &Dataset, spec: &Spec, options: &Options) -> Result<Recoding, Fault> {
    let element = dataset
        .element
        .ok_or_else(|| Fault::Arguments(anyhow!("no fixed element size")))?;
    let codec = spec.codec();
    let chunk = chunk_shape(dataset, options);
    let layout = etalon_codec::Layout {
        element,
        shape: chunk.iter().map(|&extent| extent as usize).collect(),
        fill: dataset.fill_value.clone(),
    };
    let cd_values_of = |spec: &Spec| {
        (spec.codec().filter.cd_values)(spec, &layout)
            .map_err(|error| Fault::Arguments(error.into()))
    };
    // Also where another stream is written: only the codec knows what it takes.
    cd_values_of(spec)?;
    let loss = match (&options.stream, codec.lossless) {
        (_, true) => Loss::None,
        (None, false) => Loss::InFrame,
        (Some(_), false) => Loss::InValues,
    };
    let stored = options.stream.as_ref().unwrap_or(spec);
    let filter = stored.codec().filter;
    let cd_values = cd_values_of(stored)?;
    let chunk_bytes = chunk.iter().fold(element.bytes as u64, |bytes, &extent| {
        bytes.saturating_mul(extent)
    });
    if chunk_bytes > LARGEST_CHUNK_BYTES {
        let text =
            format!("chunks of {chunk:?} elements have {chunk_bytes} bytes; 4 GiB is the limit");
        return Err(Fault::Arguments(anyhow!(text)));
    }
    let mut filters = vec![StoredFilter {
        id: filter.id as i32,
        name: filter.class_name.to_string_lossy().into_owned(),
        cd_values,
        // As `etalon args` prints it: a writer without the plugin must fail rather than store plain chunks.
        optional: false,
    }];
    // Whoever asked for checksums keeps them.
    filters.extend(
        dataset
            .filters
            .iter()
            .filter(|filter| filter.id == FLETCHER32)
            .cloned(),
    );
    Ok(Recoding {
        chunk,
        filters,
        layout,
        loss,
    })
}

/// The user's chunk shape for datasets of its rank, else the dataset's own, else a default.
fn chunk_shape(dataset: &Dataset, options: &Options) -> Vec<u64> {
    let asked = options
        .chunk
        .as_ref()
        .filter(|chunk| chunk.len() == dataset.shape.len());
    let Some(asked) = asked else {
        let bytes = dataset.element.map_or(1, |element| element.bytes);
        return dataset
            .chunk_shape()
            .map_or_else(|| default_chunk(&dataset.shape, bytes), <[u64]>::to_vec);
    };
    // HDF5 refuses chunks that are larger than the dataset can ever be.
    let most = dataset
        .max_shape
        .iter()
        .map(|most| most.unwrap_or(u64::MAX).max(1));
    asked
        .iter()
        .zip(most)
        .map(|(&extent, most)| extent.min(most))
        .collect()
}

fn untouched(dataset: &Dataset) -> Treatment {
    let has_own_pipeline =
        Pipeline::of(&dataset.filters).is_some() && !dataset.leaves_edge_chunks_unfiltered;
    match dataset.layout {
        _ if dataset.is_null => Treatment::Nothing,
        Layout::Virtual | Layout::External => Treatment::Nothing,
        _ if dataset.element.is_none() => Treatment::Values,
        Layout::Chunked(_) if has_own_pipeline => Treatment::Chunks,
        Layout::Chunked(_) => Treatment::Whole,
        Layout::Compact | Layout::Contiguous => Treatment::Values,
    }
}
