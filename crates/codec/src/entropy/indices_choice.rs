//! Which back end suits indices, going by samples of them: frequencies, what zstd makes of packed planes, and models of
//! pixels.

use crate::codecs::counts_indices;
use crate::entropy::bits::{BLOCK, packed_len};
use crate::entropy::indices::{Indices, grow};
use crate::entropy::indices_predicted::{self, Rivals};
use crate::entropy::{literals, zstd};
use crate::{Context, Error};

/// A back end without a model of pixels, with the length from which on bits are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Bits,
    Bitshuffle(usize),
    Literals(usize),
}

/// A back end with a model of pixels.
#[derive(Debug, Clone, Copy)]
pub(super) enum Model {
    Counts(counts_indices::Plan),
    Predicted,
}

/// Fewer indices are not worth a code of their own.
const FEWEST_LITERALS: usize = 4096;

/// The best of the back ends without a model of pixels, and about how many bits it takes for an index.
pub(super) fn choose(
    context: &mut Context,
    width: usize,
    bits: u32,
    indices: &[u8],
    packed: &[u8],
) -> Result<(Choice, f64), Error> {
    let limit = packed.len() - packed.len() / 7;
    let shrinkage = shrinkage(context, bits, packed)?;
    let bits = f64::from(bits);
    let shuffled = bits * shrinkage;
    let coded = if indices.len() < FEWEST_LITERALS * width {
        bits
    } else {
        let mut memory = std::mem::take(&mut context.stream);
        grow(&mut memory, SAMPLE);
        let coded = literals::estimated_bits(width, sample(indices, width, &mut memory));
        context.stream = memory;
        coded
    };
    Ok(if shuffled < 0.86 * bits && shuffled < 0.95 * coded {
        (Choice::Bitshuffle(limit), shuffled)
    } else if coded < 0.78 * bits {
        (Choice::Literals(limit), coded)
    } else {
        (Choice::Bits, bits)
    })
}

/// The back end with a model of pixels, where one is enough better than `plain` bits for an index, and its bits.
pub(super) fn choose_model(
    context: &mut Context,
    indices: &Indices,
    plain: f64,
) -> Result<Option<(Model, f64)>, Error> {
    let counted = counts_indices::worth(context, indices, plain);
    let model = counted.map(|(plan, bits)| (Model::Counts(plan), bits));
    if counted.is_some_and(|(plan, _)| plan.is_plain) {
        return Ok(model);
    }
    let rivals = Rivals {
        plain,
        counts: counted.map(|(_, bits)| bits),
    };
    let predicted = indices_predicted::worth(context, indices, rivals)?;
    Ok(predicted.map(|bits| (Model::Predicted, bits)).or(model))
}

/// Bytes of a piece of a [`sample`], about, and of a sample.
const PIECE: usize = 4 << 10;
const SAMPLE: usize = 8 * PIECE;

/// At least two pieces of whole units, spread evenly, in the front of `room`, which holds [`SAMPLE`] bytes. A unit has half
/// as many at most.
fn sample<'a>(bytes: &[u8], unit: usize, room: &'a mut [u8]) -> &'a [u8] {
    if bytes.len() <= SAMPLE {
        room[..bytes.len()].copy_from_slice(bytes);
        return &room[..bytes.len()];
    }
    let piece = unit * (PIECE / unit).max(1);
    let pieces = SAMPLE / piece;
    let last = (bytes.len() - piece) / unit;
    let sample = &mut room[..pieces * piece];
    for (at, room) in sample.chunks_exact_mut(piece).enumerate() {
        // In the middles of equal parts: where images begin and end, there is less in them.
        let start = last * (2 * at + 1) / (2 * pieces) * unit;
        room.copy_from_slice(&bytes[start..][..piece]);
    }
    sample
}

/// The length that zstd makes of a sample of packed planes, as a fraction. The sample has as much of every plane: the
/// high ones shrink more than the low ones.
fn shrinkage(context: &mut Context, bits: u32, packed: &[u8]) -> Result<f64, Error> {
    let mut memory = std::mem::take(&mut context.stream);
    grow(&mut memory, SAMPLE + zstd::bound(SAMPLE));
    let (room, compressed) = memory.split_at_mut(SAMPLE);
    let block = (packed_len(BLOCK, bits).unwrap_or(0)).max(1);
    let sample = sample(packed, block, room);
    let len = context.zstd.compress(sample, compressed, 1);
    let sample_len = sample.len().max(1);
    context.stream = memory;
    Ok(len? as f64 / sample_len as f64)
}
