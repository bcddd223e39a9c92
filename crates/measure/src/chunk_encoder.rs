//! One chunk encoded, with what it lost.
//!
//! A codec that loses puts the loss into its own frame, or into the values before a stream that every reader knows.
//! Either way it is the same loss: the values that the frame decodes to.

use anyhow::{Context as _, Result};
use etalon_codec::{Chunk, Context, Layout, Spec, Tally, frame, round};

use crate::loss::ChunkLoss;
use crate::pipeline::{Pipeline, Workspace};
use crate::plan::Loss;
use crate::source_digest::{chunk_digest, runs};

/// Encodes chunks of one dataset, on any thread.
pub(crate) struct ChunkEncoder<'a> {
    pub(crate) codec: &'a Spec,
    /// Whole chunks.
    pub(crate) layout: &'a Layout,
    pub(crate) loss: Loss,
    /// What the dataset's filters do.
    pub(crate) pipeline: Pipeline,
}

/// What a thread keeps between chunks.
#[derive(Default)]
pub(crate) struct EncoderState {
    workspace: Workspace,
    context: Context,
    decoded: Vec<u8>,
}

impl ChunkEncoder<'_> {
    /// Encodes `raw`, of which the front corner of extents `inside` is data, into the front of `stored`; returns the
    /// number of bytes, and what was lost where the codec may lose.
    pub(crate) fn encode(
        &self,
        state: &mut EncoderState,
        raw: &[u8],
        inside: &[u64],
        stored: &mut Vec<u8>,
    ) -> Result<(usize, Option<ChunkLoss>)> {
        let (len, certificate, decoded_crc, refusal) = match self.loss {
            Loss::None => {
                let len = self.pipeline.encode(&mut state.workspace, raw, stored)?;
                return Ok((len, None));
            }
            Loss::InFrame => {
                let len = self.pipeline.encode(&mut state.workspace, raw, stored)?;
                let info = frame::inspect(&stored[..len])?;
                let refusal = state.workspace.take_refusal();
                (len, info.certificate.unwrap_or_default(), None, refusal)
            }
            Loss::InValues => {
                let chunk = Chunk {
                    spec: self.codec,
                    layout: self.layout,
                    bytes: raw,
                };
                state.decoded.resize(raw.len(), 0);
                let certificate = round(&mut state.context, &chunk, &mut state.decoded)?;
                let refusal = state.context.take_refusal();
                let (workspace, rounded) = (&mut state.workspace, &state.decoded);
                let len = self.pipeline.encode(workspace, rounded, stored)?;
                (len, certificate, Some(frame::crc32c(rounded)), refusal)
            }
        };
        let shape: Vec<u64> = self.layout.shape.iter().map(|&e| e as u64).collect();
        let mut inside_loss = certificate.loss;
        if shape != inside {
            if self.loss == Loss::InFrame {
                self.decode(state, &stored[..len], raw.len())?;
            }
            inside_loss = Tally {
                max_sigma_error: certificate.loss.max_sigma_error,
                exceptions: certificate.loss.exceptions,
                ..self.loss_inside(raw, &state.decoded, &shape, inside)?
            };
        }
        let loss = ChunkLoss {
            certificate,
            inside: inside_loss,
            decoded_crc,
            refusal,
            source_digest: chunk_digest(raw, &shape, inside, self.layout.element.bytes),
        };
        Ok((len, Some(loss)))
    }

    fn decode(&self, state: &mut EncoderState, stored: &[u8], raw_bytes: usize) -> Result<()> {
        state.decoded.resize(raw_bytes, 0);
        self.pipeline
            .decode(&mut state.workspace, stored, 0, &mut state.decoded)
            .context("the chunk that was just encoded")
    }

    fn loss_inside(
        &self,
        raw: &[u8],
        decoded: &[u8],
        shape: &[u64],
        inside: &[u64],
    ) -> Result<Tally> {
        let element = &self.layout.element;
        let mut loss = Tally::default();
        for run in runs(shape, inside, element.bytes) {
            loss.merge(&Tally::between(element, &raw[run.clone()], &decoded[run])?);
        }
        Ok(loss)
    }
}
