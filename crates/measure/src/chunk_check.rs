//! Whether stored chunks say of themselves what they should, without decoding them.
//!
//! A chunk is looked at from its end of the pipeline: a checksum (fletcher32) is taken off, then a filter of this library
//! says from a header how many bytes it decodes to. Whatever a filter mask says was skipped is not there.

use anyhow::{bail, ensure};
use etalon_codec::frame::{self, Info};
use etalon_codec::{Filter, etalon_filter};

use crate::chunk_front::Fronts;
use crate::chunk_shape::Grid;
use crate::dataset::{Dataset, StoredChunk, StoredFilter};
use crate::fletcher32::{CHECKSUM_BYTES, without_checksum};

const SHUFFLE: i32 = 2;
const FLETCHER32: i32 = 3;

/// Checks the chunks of a dataset one after the other.
pub(crate) struct ChunkCheck<'a> {
    dataset: &'a Dataset,
    fronts: Fronts<'a>,
    /// Whether chunks are read whole.
    whole: bool,
    bytes: Vec<u8>,
}

impl<'a> ChunkCheck<'a> {
    /// For `chunks` of `dataset`. `whole` chunks are checked against their checksums and block lengths; otherwise only
    /// their headers are read.
    pub(crate) fn new(dataset: &'a Dataset, chunks: &[StoredChunk], whole: bool) -> Self {
        Self {
            dataset,
            fronts: Fronts::new(dataset, chunks),
            whole,
            bytes: Vec::new(),
        }
    }

    /// Checks one chunk; returns what its frame says, where it is one.
    pub(crate) fn check(&mut self, chunk: &StoredChunk) -> anyhow::Result<Option<Info>> {
        if self.whole {
            self.dataset.read_stored(&chunk.offset, &mut self.bytes)?;
        } else {
            self.fronts.read(chunk, &mut self.bytes)?;
        }
        let filters = active(self.dataset, chunk);
        let (mut data, mut len) = (self.bytes.as_slice(), chunk.stored_bytes as usize);
        if self.whole {
            len = data.len();
        }
        let mut earlier = filters.as_slice();
        while let Some((filter, before)) = earlier.split_last()
            && filter.id == FLETCHER32
        {
            ensure!(
                len >= CHECKSUM_BYTES,
                "the chunk is too short for its checksum"
            );
            if self.whole {
                data = without_checksum(data)?;
            }
            len -= CHECKSUM_BYTES;
            data = &data[..data.len().min(len)];
            earlier = before;
        }
        let Some((last, earlier)) = earlier.split_last() else {
            return self.expect(len).map(|()| None);
        };
        let Some(own) = own_filter(last.id) else {
            return Ok(None);
        };
        let announced = match self.whole {
            true => (own.decoded_len)(&last.cd_values, data)?,
            false => (own.announced_len)(&last.cd_values, data, len)?,
        };
        if earlier.iter().all(|filter| keeps_length(filter.id)) {
            self.expect(announced)?;
        }
        match (own.id == etalon_filter::FILTER.id, self.whole) {
            (false, _) => Ok(None),
            (true, false) => Ok(Some(frame::inspect_front(data, len)?)),
            (true, true) => Ok(Some(frame::verify_payload(data)?)),
        }
    }

    /// Whether `len` is that of a decoded chunk.
    fn expect(&self, len: usize) -> anyhow::Result<()> {
        match self.dataset.chunk_bytes() {
            Some(needed) if len as u64 != needed => {
                bail!("decodes to {len} bytes where {needed} are needed")
            }
            _ => Ok(()),
        }
    }
}

/// What [`ChunkCheck`] can check of a dataset: nothing, headers, or with `whole` chunks checksums.
pub(crate) fn what_is_checked(filters: &[StoredFilter], whole: bool) -> &'static str {
    let checksums = filters
        .iter()
        .rev()
        .take_while(|filter| filter.id == FLETCHER32)
        .count();
    let last = filters[..filters.len() - checksums].last();
    let own = last.and_then(|filter| own_filter(filter.id));
    let is_frame = own.is_some_and(|own| own.id == etalon_filter::FILTER.id);
    if whole && (is_frame || checksums > 0) {
        return "checksums";
    }
    if own.is_some() { "headers" } else { "none" }
}

/// The filters that were applied to a chunk, in their order.
fn active<'a>(dataset: &'a Dataset, chunk: &StoredChunk) -> Vec<&'a StoredFilter> {
    let is_cut = |shape| Grid::new(&dataset.shape, shape).is_cut(&chunk.offset);
    if dataset.leaves_edge_chunks_unfiltered && dataset.chunk_shape().is_some_and(is_cut) {
        return Vec::new();
    }
    let is_active = |at: usize| at >= 32 || chunk.filter_mask & (1 << at) == 0;
    let filters = dataset.filters.iter().enumerate();
    filters
        .filter(|(at, _)| is_active(*at))
        .map(|(_, filter)| filter)
        .collect()
}

fn keeps_length(id: i32) -> bool {
    id == SHUFFLE || own_filter(id).is_some_and(|filter| filter.in_place)
}

fn own_filter(id: i32) -> Option<&'static Filter> {
    u32::try_from(id).ok().and_then(Filter::by_id)
}
