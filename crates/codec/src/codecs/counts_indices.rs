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
use crate::entropy::indices::{Origin, grow};
use crate::kernels::indices::{Turn, to_indices, to_words};
use crate::kernels::levels::Level;
use crate::params::Speed;
use crate::{ByteOrder, Context, Element, ElementClass, Error, Layout};

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
pub(crate) fn worth(
    context: &mut Context,
    width: usize,
    max: u32,
    origin: Origin,
    indices: &[u8],
    other: f64,
) -> Option<(Plan, f64)> {
    let (part, saving) = worth_at(origin.speed);
    if indices.len() < FEWEST * width || other <= saving {
        return None;
    }
    let planned = plan(context, width, max, origin, indices);
    planned.filter(|&(_, bits)| bits < (part * other).min(other - saving))
}

/// Chooses turn and model on samples, and says about how many bits an index takes.
pub(crate) fn plan(
    context: &mut Context,
    width: usize,
    max: u32,
    origin: Origin,
    indices: &[u8],
) -> Option<(Plan, f64)> {
    let turn = turn_for(width, max, origin.first_code, indices)?;
    let layout = layout_of(width, origin.shape, indices.len() / width);
    let mut sample = std::mem::take(&mut context.sample);
    let all = (&layout, indices);
    let choice = counts_choice::choose(context, origin.speed, all, &mut sample, |bytes| {
        turn_to_words(width, turn, bytes);
    });
    context.sample = sample;
    let choice = choice?;
    let plan = Plan {
        turn,
        model: choice.model,
        is_plain: choice.is_plain,
    };
    let elements = indices.len() / width;
    Some((plan, 8.0 * choice.bytes / elements as f64))
}

/// Indices that are looked at to find zero.
const SEEN: usize = 1 << 11;
/// Part of the bins, one in so many, that zero has at least.
const ZERO_PART: usize = 2;
/// The last index is a mark of pixels if it is so many times as frequent as the one before, and then some.
const OUT_OF_LINE: usize = 2;
const OUT_OF_LINE_PIXELS: usize = 8;

/// The turn that makes the most frequent bin zero, if most are of that bin. `None` where there are no bins.
///
/// Where no codes are named, the last of all indices may be one: a detector marks pixels with its largest value.
fn turn_for(width: usize, max: u32, first_code: u32, indices: &[u8]) -> Option<Turn<u32>> {
    let mut seen = [0; SEEN];
    let step = indices.len() / width / SEEN | 1; // odd, to meet all columns
    let strided = indices.chunks_exact(width).step_by(step);
    let len = seen
        .iter_mut()
        .zip(strided)
        .map(|(seen, bytes)| *seen = index_of(bytes))
        .count();
    let seen = &mut seen[..len];
    seen.sort_unstable();
    let bins = first_code.min(max.checked_add(1)?);
    let seen_bins = seen.partition_point(|&index| index < bins);
    let runs = seen[..seen_bins].chunk_by(|a, b| a == b);
    let (frequent, index) = runs.map(|run| (run.len(), run[0])).max()?;
    let zero = if frequent * ZERO_PART > seen_bins { index } else { 0 };
    let seen_of = |index| {
        seen.partition_point(|&seen| seen <= index) - seen.partition_point(|&seen| seen < index)
    };
    let is_code = bins > max
        && index < max
        && seen_of(max) > OUT_OF_LINE * seen_of(max - 1) + OUT_OF_LINE_PIXELS;
    let bins = bins - u32::from(is_code);
    Some(Turn {
        zero,
        last_bin: bins - 1,
        codes: max + 1 - bins,
    })
}

fn index_of(bytes: &[u8]) -> u32 {
    let mut index = [0; 4];
    index[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(index)
}

/// Frames of words.
fn layout_of(width: usize, shape: &[usize], count: usize) -> Layout {
    let (rows, columns) = match *shape {
        [.., rows, columns] if shape.iter().product::<usize>() == count => (rows, columns),
        _ => (1, count),
    };
    layout_with(width, count, rows, columns)
}

fn layout_with(width: usize, count: usize, rows: usize, columns: usize) -> Layout {
    let element = Element {
        class: ElementClass::Unsigned,
        bytes: width,
        order: ByteOrder::Little,
    };
    let frames = count / (rows * columns).max(1);
    Layout::new(element, vec![frames, rows, columns])
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

/// Encodes indices of `width` bytes; `None` where they do not fit.
pub(crate) fn encode(
    context: &mut Context,
    width: usize,
    plan: Plan,
    origin: Origin,
    indices: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let layout = layout_of(width, origin.shape, indices.len() / width);
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
    grow(&mut words, indices.len());
    let turned = &mut words[..indices.len()];
    turned.copy_from_slice(indices);
    turn_to_words(width, turn, turned);
    let len = counts::encode_with(context, plan.model, &pixels, &layout, turned, rest);
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
fn read_head(reader: &mut Reader, width: usize, elements: usize) -> Result<(Layout, Turn<u32>), Error> {
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
    let layout = layout_with(width, elements, rows as usize, columns as usize);
    Ok((layout, turn))
}
