//! What the chunks of one dataset lost: told by the codec chunk by chunk, added up, and checked against what is read back.

use anyhow::anyhow;
use etalon_codec::{BoundUnit, Certificate, Element, Tally, frame};

use crate::fault::Fault;
use crate::method::is_refused;
use crate::source_digest::Sha;

/// What encoding one chunk lost.
pub(crate) struct ChunkLoss {
    /// Promise and loss of the whole chunk.
    pub(crate) certificate: Certificate,
    /// The loss inside the dataset: padding beyond the edge is not data.
    pub(crate) inside: Tally,
    /// CRC-32C of the values that the chunk must come back with, where the stored chunk does not hold its own.
    pub(crate) decoded_crc: Option<u32>,
    /// SHA-256 of the source's values inside the dataset.
    pub(crate) source_digest: Sha,
    /// Why the codec refused the values, which are stored losslessly then.
    pub(crate) refusal: Option<String>,
}

/// What a dataset lost.
#[derive(Default)]
pub(crate) struct DatasetLoss {
    /// Promise of all chunks and loss inside the dataset.
    pub(crate) certificate: Certificate,
    /// What each chunk must come back as, in the order of writing.
    promises: Vec<Promise>,
    /// Chunks that the codec refused, and why it refused the first of them.
    refused: usize,
    refusal: Option<String>,
    /// Digests of the source's chunks by their number in the grid.
    pub(crate) digests: Vec<(u64, Sha)>,
}

/// What a chunk must come back as.
struct Promise {
    max_abs_error: f64,
    decoded_crc: Option<u32>,
}

impl DatasetLoss {
    /// Adds the chunk with this number in the grid, in the order of writing.
    pub(crate) fn add(&mut self, number: u64, chunk: &ChunkLoss) {
        self.certificate.merge(&Certificate {
            loss: chunk.inside,
            ..chunk.certificate
        });
        self.promises.push(Promise {
            max_abs_error: chunk.certificate.loss.max_abs_error,
            decoded_crc: chunk.decoded_crc,
        });
        self.digests.push((number, chunk.source_digest));
        self.refused += usize::from(chunk.refusal.is_some());
        if self.refusal.is_none() {
            self.refusal.clone_from(&chunk.refusal);
        }
    }

    /// What is to be said of chunks that the codec refused; an error where those are half of all.
    pub(crate) fn judge_refusals(&self) -> Result<Option<String>, Fault> {
        let Some(reason) = &self.refusal else {
            return Ok(None);
        };
        let (refused, all) = (self.refused, self.promises.len());
        if is_refused(refused, all) {
            return Err(Fault::Arguments(anyhow!("{reason}")));
        }
        Ok(Some(format!(
            "{refused} of {all} chunks are stored losslessly; of the first: {reason}"
        )))
    }

    /// Checks that the loss of all chunks together keeps to the bound, where that is one number for all values. Other
    /// bounds are of each value or each chunk; the codec compared those.
    pub(crate) fn check_bound(&self) -> Result<(), Fault> {
        let Certificate {
            bound_unit,
            bound_asked,
            loss,
            ..
        } = &self.certificate;
        let error = match bound_unit {
            BoundUnit::Absolute => loss.max_abs_error,
            // Rounded up to f32.
            BoundUnit::Sigma => f64::from(loss.max_sigma_error.unwrap_or(0.0)) * (1.0 - 1e-6),
            _ => return Ok(()),
        };
        if error > *bound_asked {
            let text = format!("an error of {error} is above the bound of {bound_asked}");
            return Err(Fault::Check(anyhow!(text)));
        }
        Ok(())
    }

    /// Checks the values that chunk `index` came back with: they are those that were encoded, and no value is further
    /// from the source than was recorded.
    pub(crate) fn check(
        &self,
        index: usize,
        element: &Element,
        source: &[u8],
        copy: &[u8],
    ) -> Result<(), Fault> {
        let promise = self
            .promises
            .get(index)
            .ok_or_else(|| Fault::Check(anyhow!("it was never written")))?;
        let loss = Tally::between(element, source, copy).map_err(|e| Fault::Check(e.into()))?;
        if loss.max_abs_error > promise.max_abs_error {
            return Err(Fault::Check(anyhow!(
                "a value comes back with an error of {} where {} was recorded",
                loss.max_abs_error,
                promise.max_abs_error
            )));
        }
        match promise.decoded_crc {
            Some(crc) if frame::crc32c(copy) != crc => Err(Fault::Check(anyhow!(
                "it comes back with other values than were written"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::{ByteOrder, ElementClass};

    #[test]
    fn a_chunk_with_other_values_or_a_larger_error_fails_the_check() {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 1,
            order: ByteOrder::Little,
        };
        let (source, copy) = ([10, 20, 30], [11, 20, 28]);
        let loss = Tally::between(&element, &source, &copy).unwrap();
        let chunk = ChunkLoss {
            certificate: Certificate {
                loss,
                ..Certificate::default()
            },
            inside: loss,
            decoded_crc: Some(frame::crc32c(&copy)),
            source_digest: Sha::default(),
            refusal: None,
        };
        let mut all = DatasetLoss::default();
        all.add(0, &chunk);
        let check = |index, copy: [u8; 3]| all.check(index, &element, &source, &copy);
        assert!(check(0, copy).is_ok());
        for (index, copy) in [(0, [11, 20, 27]), (0, [11, 20, 29]), (1, copy)] {
            assert!(
                matches!(check(index, copy), Err(Fault::Check(_))),
                "{copy:?}"
            );
        }
    }
}
