//! Indices as photon counts: the back end for bins and values of sparse frames, most of which are those of no photon.
//!
//! The models of `counts` take small numbers for likely, and the largest ones for marks of pixels. So the indices are
//! turned: one of them is *zero*, word 0, and its successors are the words 1, 2, …; the *codes* behind the last bin, and
//! the bins before zero behind them, are the largest words. With n bins, s codes and words of b bits, all modulo 2ᵇ:
//!
//! ```text
//! x = word + zero;  index = x + n + s if x ≥ 2ᵇ − s, else x
//! ```
//!
//! Five LEB128 numbers and a payload make up the back end:
//!
//! | field | |
//! |---|---|
//! | rows, columns | of a frame; the number of indices is a multiple of rows · columns |
//! | zero | below n |
//! | n | at least 1; n + s ≤ 2ᵇ |
//! | s | |
//! | | payload of `counts` (see `codecs/counts.rs`) for a chunk frames × rows × columns of the words, unsigned and little-endian |

use super::counts::{self, Model};
use super::counts_choice;
use super::counts_numbers::{Reader, write_number};
use super::counts_pixels::Pixels;
use crate::entropy::bits::BLOCK;
use crate::entropy::indices::{Indices, grow, words_layout};
use crate::kernels::indices::{Turn, to_indices, to_words};
use crate::kernels::levels::Level;
use crate::params::Speed;
use crate::{Context, Error, Layout};

/// How indices are to be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    turn: Turn<u32>,
    model: Model,
    /// Whether a prediction from more pixels than `counts` looks at would hardly be better.
    pub(crate) is_plain: bool,
}

/// Counts are chosen where they take less than this fraction of the best back end that is no model of pixels, and save so
/// many bits for an index. Masks and labels take less than that altogether.
fn worth_at(speed: Speed) -> (f64, f64) {
    match speed {
        Speed::Fast => (0.75, 0.05),
        Speed::Balanced => (0.95, 0.02),
        Speed::Small => (0.99, 0.001),
    }
}

/// Fewer indices are not worth a model.
const FEWEST: usize = 2048;

/// How to code indices, and about how many bits an index takes, where that is enough better than `other` bits.
pub(crate) fn worth(context: &mut Context, indices: &Indices, other: f64) -> Option<(Plan, f64)> {
    let (part, saving) = worth_at(indices.origin.speed);
    if indices.len() < FEWEST || other <= saving {
        return None;
    }
    let planned = plan(context, indices);
    planned.filter(|&(_, bits)| bits < (part * other).min(other - saving))
}

/// Chooses turn and model on samples, and says about how many bits an index takes.
pub(crate) fn plan(context: &mut Context, indices: &Indices) -> Option<(Plan, f64)> {
    let turn = turn_for(indices)?;
    let layout = indices.layout();
    let mut sample = std::mem::take(&mut context.sample);
    let all = (&layout, indices.bytes);
    let speed = indices.origin.speed;
    let choice = counts_choice::choose(context, speed, None, all, &mut sample, |bytes| {
        turn_to_words(indices.width, turn, bytes);
    });
    context.sample = sample;
    let choice = choice?;
    let plan = Plan {
        turn,
        model: choice.model,
        is_plain: choice.is_plain,
    };
    Some((plan, 8.0 * choice.bytes / indices.len() as f64))
}

/// Indices that are looked at to find zero.
const SEEN: usize = 1 << 11;
/// Part of the bins, one in so many, that zero has at least; or else there are so few different ones below it.
const ZERO_PART: usize = 2;
const MOST_BELOW: usize = 3;
/// The last index is a mark of pixels if it is so many times as frequent as the one before, and then some.
const OUT_OF_LINE: usize = 2;
const OUT_OF_LINE_PIXELS: usize = 8;

/// The turn that makes a number of 0 word 0, or else the most frequent bin. `None` where there are no bins.
///
/// Where no codes are named, the last of all indices may be one: a detector marks pixels with its largest value.
fn turn_for(indices: &Indices) -> Option<Turn<u32>> {
    let max = indices.max;
    let mut seen = [0; SEEN];
    let step = indices.len() / SEEN | 1; // odd, to meet all columns
    let strided = indices.bytes.chunks_exact(indices.width).step_by(step);
    let len = seen
        .iter_mut()
        .zip(strided)
        .map(|(seen, bytes)| *seen = index_of(bytes))
        .count();
    let seen = &mut seen[..len];
    seen.sort_unstable();
    let bins = indices.origin.first_code.min(max.checked_add(1)?);
    let seen_of = |index| {
        seen.partition_point(|&seen| seen <= index) - seen.partition_point(|&seen| seen < index)
    };
    let is_code =
        bins > max && max > 0 && seen_of(max) > OUT_OF_LINE * seen_of(max - 1) + OUT_OF_LINE_PIXELS;
    let zero = zero_of(seen, bins, indices.origin.first_bin)?;
    let is_code = is_code && zero < max;
    let bins = bins - u32::from(is_code);
    Some(Turn {
        zero,
        last_bin: bins - 1,
        codes: max + 1 - bins,
    })
}

/// The index that is word 0, going by sorted indices.
fn zero_of(seen: &[u32], bins: u32, first_bin: i64) -> Option<u32> {
    let seen = &seen[..seen.partition_point(|&index| index < bins)];
    let runs = || seen.chunk_by(|a, b| a == b);
    let (most, frequent) = runs().map(|run| (run.len(), run[0])).max()?;
    let number_zero = u32::try_from(-first_bin).ok().filter(|&zero| zero < bins);
    let zero = number_zero.filter(|&zero| zero > 0).unwrap_or(frequent);
    let below = runs().take_while(|run| run[0] < zero).count();
    let is_frequent = zero == frequent && most * ZERO_PART > seen.len();
    Some(
        if is_frequent || (below <= MOST_BELOW && number_zero == Some(zero)) {
            zero
        } else {
            0
        },
    )
}

fn index_of(bytes: &[u8]) -> u32 {
    let mut index = [0; 4];
    index[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(index)
}

fn turn_to_words(width: usize, turn: Turn<u32>, indices: &mut [u8]) {
    let level = Level::best();
    match width {
        1 => to_words::<u8>(level, turn.of(), indices),
        2 => to_words::<u16>(level, turn.of(), indices),
        _ => to_words(level, turn, indices),
    }
}

fn turn_to_indices(width: usize, turn: Turn<u32>, words: &mut [u8]) {
    let level = Level::best();
    match width {
        1 => to_indices::<u8>(level, turn.of(), words),
        2 => to_indices::<u16>(level, turn.of(), words),
        _ => to_indices(level, turn, words),
    }
}

/// Encodes indices; `None` where they do not fit.
pub(crate) fn encode(
    context: &mut Context,
    plan: Plan,
    indices: &Indices,
    dst: &mut [u8],
) -> Option<usize> {
    let layout = indices.layout();
    let pixels = Pixels::new(&layout, None)?;
    let (rows, columns) = layout.frame_shape();
    let turn = plan.turn;
    let mut head = Vec::new();
    let bins = u64::from(turn.last_bin) + 1;
    let [zero, codes] = [turn.zero, turn.codes].map(u64::from);
    for number in [rows as u64, columns as u64, zero, bins, codes] {
        write_number(number, &mut head);
    }
    let (field, rest) = dst.split_at_mut_checked(head.len())?;
    field.copy_from_slice(&head);
    let mut words = std::mem::take(&mut context.stream);
    grow(&mut words, indices.bytes.len());
    let turned = &mut words[..indices.bytes.len()];
    turned.copy_from_slice(indices.bytes);
    turn_to_words(indices.width, turn, turned);
    let len = counts::encode_with(context, plan.model, &pixels, None, (&layout, turned), rest);
    context.stream = words;
    Some(head.len() + len?)
}

/// Decodes `elements` indices of `width` bytes and gives them to `consume`, block by block, until that returns false.
pub(crate) fn decode(
    context: &mut Context,
    width: usize,
    elements: usize,
    payload: &[u8],
    mut consume: impl FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let mut reader = Reader::new(payload);
    let (layout, turn) = read_head(&mut reader, width, elements)?;
    let start = reader.at();
    let mut words = std::mem::take(&mut context.narrow);
    let len = elements * width;
    grow(&mut words, len);
    let decoded = counts::decode(context, &layout, reader.rest(), &mut words[..len])
        .map_err(|error| error.at(start));
    let mut all = || {
        words[..len].chunks_mut(BLOCK * width).all(|block| {
            turn_to_indices(width, turn, block);
            consume(block)
        })
    };
    let consumed = decoded.map(|()| all());
    context.narrow = words;
    consumed
}

/// The chunk of words that `counts` decodes, and the turn.
fn read_head(
    reader: &mut Reader,
    width: usize,
    elements: usize,
) -> Result<(Layout, Turn<u32>), Error> {
    let (rows, columns) = (reader.number()?, reader.number()?);
    let frame = rows
        .checked_mul(columns)
        .and_then(|frame| usize::try_from(frame).ok())
        .filter(|&frame| frame > 0 && elements.is_multiple_of(frame));
    if frame.is_none() {
        return Err(reader.damaged("frames of another number of indices"));
    }
    let (zero, bins, codes) = (reader.number()?, reader.number()?, reader.number()?);
    if zero >= bins || bins + codes > 1 << (8 * width) {
        return Err(reader.damaged("more indices than there are words"));
    }
    let turn = Turn {
        zero: zero as u32,
        last_bin: (bins - 1) as u32,
        codes: codes as u32,
    };
    let layout = words_layout(width, elements, rows as usize, columns as usize);
    Ok((layout, turn))
}
