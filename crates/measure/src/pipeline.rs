//! HDF5 filter pipelines on buffers, without the library: any thread decodes and encodes while another one holds
//! HDF5's lock.
//!
//! Known are deflate (1), shuffle (2), fletcher32 (3) and the filters of `etalon-codec`. A pipeline with any other
//! filter is left to HDF5.
//!
//! * A bit of the filter mask says that a filter was skipped when the chunk was written.
//! * deflate is libdeflate's: the whole chunk is at hand and its decoded size is known, which zlib's stream interface
//!   makes no use of.

use anyhow::{Context as _, Result, anyhow, bail};
use etalon_codec::{Context, Filter};
use libdeflater::{CompressionLvl, Compressor, Decompressor};

use crate::byte_shuffle::{shuffle, unshuffle};
use crate::dataset::StoredFilter;
use crate::fletcher32::{CHECKSUM_BYTES, append_checksum, without_checksum};

/// A pipeline that needs no HDF5.
#[derive(Clone, Default)]
pub struct Pipeline {
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Deflate {
        level: u32,
    },
    Shuffle {
        element_bytes: usize,
    },
    Fletcher32,
    Own {
        filter: &'static Filter,
        cd_values: Vec<u32>,
    },
}

/// What a thread keeps between chunks: compressor states and buffers between filters.
#[derive(Default)]
pub struct Workspace {
    context: Context,
    inflate: Option<Decompressor>,
    deflate: Option<(u32, Compressor)>,
    front: Vec<u8>,
    back: Vec<u8>,
}

impl Workspace {
    /// Why the chunk that was encoded last is stored losslessly, where a lossy codec has refused its values.
    pub(crate) fn take_refusal(&mut self) -> Option<String> {
        self.context.take_refusal()
    }
}

impl Pipeline {
    /// The pipeline of `filters`, in the order in which they are applied; `None` if HDF5 must do it.
    pub fn of(filters: &[StoredFilter]) -> Option<Self> {
        let steps = filters.iter().map(Step::of).collect::<Option<Vec<_>>>()?;
        Some(Self { steps })
    }

    /// Decodes `stored` into `raw`, which has the size of the chunk.
    pub fn decode(
        &self,
        workspace: &mut Workspace,
        stored: &[u8],
        filter_mask: u32,
        raw: &mut [u8],
    ) -> Result<()> {
        let active = self.active(filter_mask);
        let bounds = input_bounds(&active, raw.len())?;
        let (mut from, mut to) = (
            std::mem::take(&mut workspace.front),
            std::mem::take(&mut workspace.back),
        );
        let mut outcome = Ok(stored.len());
        for (at, step) in active.iter().enumerate().rev() {
            let Ok(len) = outcome else { break };
            let input = if at + 1 == active.len() {
                stored
            } else {
                &from[..len]
            };
            outcome = if at == 0 {
                step.undo(workspace, input, raw)
            } else {
                grow(&mut to, bounds[at]);
                let outcome = step.undo(workspace, input, &mut to[..bounds[at]]);
                std::mem::swap(&mut from, &mut to);
                outcome
            };
        }
        (workspace.front, workspace.back) = (from, to);
        let len = outcome?;
        if len != raw.len() {
            bail!(
                "the chunk decodes to {len} bytes where {} are needed",
                raw.len()
            );
        }
        if active.is_empty() {
            raw.copy_from_slice(stored);
        }
        Ok(())
    }

    /// Encodes `raw` into the front of `stored`, which grows as needed, by all filters; returns the number of bytes.
    pub fn encode(
        &self,
        workspace: &mut Workspace,
        raw: &[u8],
        stored: &mut Vec<u8>,
    ) -> Result<usize> {
        let active = self.active(0);
        let mut from = std::mem::take(&mut workspace.front);
        let mut outcome = Ok(raw.len());
        for (at, step) in active.iter().enumerate() {
            let Ok(len) = outcome else { break };
            if at > 0 {
                std::mem::swap(&mut from, stored);
            }
            let input = if at == 0 { raw } else { &from[..len] };
            outcome = step.bound(input.len()).and_then(|bound| {
                grow(stored, bound);
                step.apply(workspace, input, stored)
            });
        }
        workspace.front = from;
        if active.is_empty() {
            grow(stored, raw.len());
            stored[..raw.len()].copy_from_slice(raw);
        }
        outcome
    }

    fn active(&self, filter_mask: u32) -> Vec<&Step> {
        let is_active = |at: usize| at >= 32 || filter_mask & (1 << at) == 0;
        self.steps
            .iter()
            .enumerate()
            .filter(|(at, _)| is_active(*at))
            .map(|(_, step)| step)
            .collect()
    }
}

/// The most bytes that could have gone into each step when the chunk was written.
fn input_bounds(steps: &[&Step], raw_bytes: usize) -> Result<Vec<usize>> {
    let mut bounds = Vec::with_capacity(steps.len());
    let mut bytes = raw_bytes;
    for step in steps {
        bounds.push(bytes);
        bytes = step.bound(bytes)?;
    }
    Ok(bounds)
}

/// Makes room; the content is overwritten.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        *buffer = vec![0; len];
    }
}

impl Step {
    fn of(filter: &StoredFilter) -> Option<Self> {
        let first = filter.cd_values.first().copied();
        Some(match filter.id {
            1 => Self::Deflate {
                level: first.unwrap_or(6).min(9),
            },
            2 => Self::Shuffle {
                element_bytes: first? as usize,
            },
            3 => Self::Fletcher32,
            id => Self::Own {
                filter: Filter::by_id(u32::try_from(id).ok()?)?,
                cd_values: filter.cd_values.clone(),
            },
        })
    }

    fn bound(&self, len: usize) -> Result<usize> {
        Ok(match self {
            // zlib's compressBound, rounded up; libdeflate's is below it.
            Self::Deflate { .. } => len + len / 1000 + 64,
            Self::Shuffle { .. } => len,
            Self::Fletcher32 => len + CHECKSUM_BYTES,
            Self::Own { filter, cd_values } => (filter.bound)(cd_values, len)?,
        })
    }

    fn undo(&self, workspace: &mut Workspace, stored: &[u8], raw: &mut [u8]) -> Result<usize> {
        match self {
            Self::Deflate { .. } => {
                let inflate = workspace.inflate.get_or_insert_with(Decompressor::new);
                inflate.zlib_decompress(stored, raw).map_err(|error| {
                    anyhow!(
                        "the deflate stream of {} bytes is damaged: {error}",
                        stored.len()
                    )
                })
            }
            Self::Shuffle { element_bytes } => {
                let raw = front(raw, stored.len())?;
                unshuffle(*element_bytes, stored, raw);
                Ok(stored.len())
            }
            Self::Fletcher32 => {
                let data = without_checksum(stored)?;
                front(raw, data.len())?.copy_from_slice(data);
                Ok(data.len())
            }
            Self::Own { filter, cd_values } => {
                let len = (filter.decoded_len)(cd_values, stored)?;
                let raw = front(raw, len)?;
                (filter.decode)(&mut workspace.context, cd_values, stored, raw)?;
                Ok(len)
            }
        }
    }

    fn apply(&self, workspace: &mut Workspace, raw: &[u8], stored: &mut [u8]) -> Result<usize> {
        match self {
            Self::Deflate { level } => {
                let compressor = compressor(&mut workspace.deflate, *level)?;
                compressor.zlib_compress(raw, stored).context("deflate")
            }
            Self::Shuffle { element_bytes } => {
                shuffle(*element_bytes, raw, &mut stored[..raw.len()]);
                Ok(raw.len())
            }
            Self::Fletcher32 => Ok(append_checksum(raw, stored)),
            Self::Own { filter, cd_values } => Ok((filter.encode)(
                &mut workspace.context,
                cd_values,
                raw,
                stored,
            )?),
        }
    }
}

fn front(buffer: &mut [u8], len: usize) -> Result<&mut [u8]> {
    let room = buffer.len();
    buffer
        .get_mut(..len)
        .ok_or_else(|| anyhow!("the chunk decodes to {len} bytes where at most {room} are right"))
}

fn compressor(kept: &mut Option<(u32, Compressor)>, level: u32) -> Result<&mut Compressor> {
    if kept.as_ref().is_none_or(|(of, _)| *of != level) {
        let setting = CompressionLvl::new(level as i32)
            .map_err(|_| anyhow!("deflate has no level {level}"))?;
        *kept = Some((level, Compressor::new(setting)));
    }
    kept.as_mut()
        .map(|(_, compressor)| compressor)
        .context("deflate")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(id: i32, cd_values: &[u32]) -> StoredFilter {
        StoredFilter {
            id,
            name: String::new(),
            cd_values: cd_values.to_vec(),
            optional: false,
        }
    }

    fn raw() -> Vec<u8> {
        (0..40_000_u32)
            .map(|at| (at * at % 7 + at / 1000) as u8)
            .collect()
    }

    #[test]
    fn every_order_of_filters_comes_back() {
        let own = filter(32008, &[0, 4, 2, 0, 2]);
        let (deflate, shuffle, checksum) = (filter(1, &[4]), filter(2, &[2]), filter(3, &[]));
        for filters in [
            vec![],
            vec![deflate.clone()],
            vec![shuffle.clone(), deflate.clone()],
            vec![shuffle, deflate.clone(), checksum.clone()],
            vec![checksum.clone(), deflate.clone()],
            vec![own.clone(), checksum],
            vec![own, deflate],
        ] {
            let pipeline = Pipeline::of(&filters).unwrap();
            let (raw, mut stored, mut workspace) = (raw(), Vec::new(), Workspace::default());
            let len = pipeline.encode(&mut workspace, &raw, &mut stored).unwrap();
            let mut decoded = vec![0xcc; raw.len()];
            pipeline
                .decode(&mut workspace, &stored[..len], 0, &mut decoded)
                .unwrap();
            assert!(decoded == raw, "{filters:?}");
            let cut = pipeline.decode(&mut workspace, &stored[..len - 1], 0, &mut decoded);
            assert!(cut.is_err(), "{filters:?}");
        }
    }

    #[test]
    fn masked_filters_are_not_undone() {
        let (mut workspace, raw) = (Workspace::default(), raw());
        let both = Pipeline::of(&[filter(2, &[2]), filter(1, &[1])]).unwrap();
        let only_deflate = Pipeline::of(&[filter(1, &[1])]).unwrap();
        let mut stored = Vec::new();
        let len = only_deflate
            .encode(&mut workspace, &raw, &mut stored)
            .unwrap();
        let mut decoded = vec![0; raw.len()];
        both.decode(&mut workspace, &stored[..len], 0b01, &mut decoded)
            .unwrap();
        assert!(decoded == raw);
        both.decode(&mut workspace, &raw, 0b11, &mut decoded)
            .unwrap();
        assert!(decoded == raw);
    }

    #[test]
    fn foreign_filters_are_left_to_hdf5() {
        assert!(Pipeline::of(&[filter(2, &[2]), filter(32001, &[])]).is_none());
        assert!(Pipeline::of(&[filter(4, &[])]).is_none());
    }
}
