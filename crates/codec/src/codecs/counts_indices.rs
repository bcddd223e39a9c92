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
//! Zero is the index of the number 0, or of most elements; the last of all indices is a code too where it is far more
//! frequent than the one before. The encoder chooses, and the numbers are stored.
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

use super::auto_sample::{LARGE, MEDIUM, Size};
use super::counts::{self, Model};
use super::counts_choice;
use super::counts_fir_merge::Contexts;
use super::counts_numbers::{Reader, write_number};
use super::counts_pixels::Pixels;
use crate::entropy::bits::BLOCK;
use crate::entropy::indices::{Indices, grow};
use crate::kernels::indices::{Turn, to_indices, to_words};
use crate::kernels::levels::Level;
use crate::params::Speed;
use crate::{ByteOrder, Context, Element, ElementClass, Error, Layout};

/// How indices are to be coded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    turn: Turn<u32>,
    model: (Model, Contexts),
    /// Whether a prediction from more pixels than `counts` looks at would hardly be better.
    pub(crate) is_plain: bool,
}

/// Counts are chosen where they take less than this fraction of the best back end that is no model of pixels, and save so
/// many bits for an index. Masks and labels take less than that altogether.
///
/// Sparse frames decode from them at a half to a sixth of the speed of bitshuffle, and up to twice as fast as from residuals
/// (`dictionary:backend=…` on frames of Pilatus 6M, DFXM and simulated SSX). So at `fast` they have to save a quarter.
pub(crate) fn worth_at(speed: Speed) -> (f64, f64) {
    match speed {
        Speed::Fast => (0.75, 0.05),
        Speed::Balanced => (0.97, 0.02),
        Speed::Small => (0.99, 0.001),
    }
}

/// The sample of indices on which models are tried.
pub(crate) fn sample_for(speed: Speed) -> &'static Size {
    match speed {
        Speed::Fast | Speed::Balanced => &MEDIUM,
        Speed::Small => &LARGE,
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
    let size = sample_for(speed);
    let choice = counts_choice::choose(context, speed, None, all, (&mut sample, size), |bytes| {
        turn_to_words(indices.width, turn, bytes);
    });
    context.sample = sample;
    let choice = choice?;
    let plan = Plan {
        turn,
        model: (choice.model, choice.contexts),
        is_plain: choice.is_plain,
    };
    Some((plan, 8.0 * choice.bytes / indices.len() as f64))
}

/// Indices that are looked at to find zero.
const SEEN: usize = 1 << 11;
/// Less than one in so many is rare.
const RARE_PART: usize = 16;
/// Different marks of pixels, at most.
const MOST_MARKS: usize = 3;
/// The last index is a mark of pixels if it is so many times as frequent as the one before, and then some.
const OUT_OF_LINE: usize = 2;
const OUT_OF_LINE_PIXELS: usize = 8;

/// The turn that suits a sample of the indices. `None` where there are no bins.
///
/// Where no codes are named, the last of all indices may be one: a detector marks pixels with its largest value.
fn turn_for(indices: &Indices) -> Option<Turn<u32>> {
    let max = indices.max;
    let mut seen = [0; SEEN];
    let step = (indices.len() / SEEN) | 1; // odd, to meet all columns
    let strided = indices.bytes.chunks_exact(indices.width).step_by(step);
    let len = seen
        .iter_mut()
        .zip(strided)
        .map(|(seen, bytes)| *seen = index_of(bytes))
        .count();
    let seen = &mut seen[..len];
    seen.sort_unstable();
    let bins = indices.origin.first_code.min(max.checked_add(1)?);
    let is_code = bins > max
        && max > 0
        && count_of(seen, max) > OUT_OF_LINE * count_of(seen, max - 1) + OUT_OF_LINE_PIXELS;
    let zero = zero_of(seen, bins, indices.origin.first_bin)?;
    let is_code = is_code && zero < max;
    let bins = bins - u32::from(is_code);
    Some(Turn {
        zero,
        last_bin: bins - 1,
        codes: max + 1 - bins,
    })
}

/// The index that is word 0, going by sorted indices: that of the number 0, unless it is rare and most are another; none
/// with many different ones below it, which are no marks.
fn zero_of(seen: &[u32], bins: u32, first_bin: i64) -> Option<u32> {
    let seen = &seen[..seen.partition_point(|&index| index < bins)];
    let runs = || seen.chunk_by(|a, b| a == b);
    let (most, frequent) = runs().map(|run| (run.len(), run[0])).max()?;
    let are_most = most * 2 > seen.len();
    let is_rare = |zero| count_of(seen, zero) * RARE_PART < seen.len();
    let number_zero = u32::try_from(-first_bin).ok().filter(|&zero| zero < bins);
    let zero = match number_zero {
        Some(zero) if !are_most || !is_rare(zero) => zero,
        _ if are_most => frequent,
        _ => 0,
    };
    let below = runs().take_while(|run| run[0] < zero).count();
    let is_zero = below <= MOST_MARKS || (are_most && zero == frequent);
    Some(if is_zero { zero } else { 0 })
}

/// How many of sorted indices are this one.
fn count_of(seen: &[u32], index: u32) -> usize {
    let end = seen.partition_point(|&seen| seen <= index);
    end - seen.partition_point(|&seen| seen < index)
}

fn index_of(bytes: &[u8]) -> u32 {
    let mut index = [0; 4];
    index[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(index)
}

/// So many unsigned integers in frames of rows and columns.
pub(crate) fn words_layout(width: usize, count: usize, rows: usize, columns: usize) -> Layout {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::indices::{Backend, Origin, decode_narrow, encode_narrow, width_for};

    const SHAPE: [usize; 3] = [2, 90, 100];

    /// Bin `zero` but for one in ten, the next, and for a column of `mark`.
    fn sparse(zero: u32, mark: u32) -> Vec<u32> {
        let mut state = 1u64;
        let index = |i: usize| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            match i % 100 {
                7 => mark,
                _ => zero + u32::from((state >> 40).is_multiple_of(10)),
            }
        };
        (0..SHAPE.iter().product()).map(index).collect()
    }

    fn narrow(indices: &[u32], width: usize) -> Vec<u8> {
        let bytes = indices.iter().map(|index| index.to_le_bytes());
        bytes
            .flat_map(|bytes| bytes.into_iter().take(width))
            .collect()
    }

    fn packed(backend: Backend, indices: &[u32], max: u32, codes: u32, first_bin: i64) -> Vec<u8> {
        let origin = Origin {
            shape: &SHAPE,
            speed: Speed::Balanced,
            first_bin,
            first_code: max + 1 - codes,
        };
        let bytes = narrow(indices, width_for(max));
        let mut dst = vec![0xcc; bytes.len() + 64];
        let context = &mut Context::new();
        let len = encode_narrow(context, backend, max, origin, &bytes, &mut dst);
        dst.truncate(len.unwrap().unwrap());
        dst
    }

    fn unpacked(payload: &[u8], width: usize) -> Result<Vec<u8>, Error> {
        let mut back = Vec::new();
        let count = SHAPE.iter().product();
        decode_narrow(&mut Context::new(), width, count, payload, |block| {
            back.extend(block);
            true
        })?;
        Ok(back)
    }

    #[test]
    fn sparse_frames_with_marks_are_counts_and_come_back() {
        for max in [9, 4000, 70_000] {
            for (zero, mark, codes, first_bin) in [
                (0, max, 1, 0),      // a code
                (0, max, 0, 0),      // the largest value of a detector
                (1, 0, 0, -1),       // the number −1
                (2, 1, 0, -2),       // negative, and not all are there
                (max / 2, 0, 0, -4), // the most frequent one is not the number 0
            ] {
                let indices = sparse(zero, mark);
                let case = format!("{zero} {mark} of {max}");
                let auto = packed(Backend::Auto, &indices, max, codes, first_bin);
                assert_eq!(auto[0], 4, "{case}");
                // About 0.47 bits for an element are random.
                let most = indices.len() * 17 / 256;
                assert!(auto.len() < most, "{case}: {} of {most}", auto.len());
                let width = width_for(max);
                assert!(
                    unpacked(&auto, width).unwrap() == narrow(&indices, width),
                    "{case}"
                );
                for len in 0..auto.len() {
                    assert!(
                        unpacked(&auto[..len], width).is_err(),
                        "{case}: {len} bytes"
                    );
                }
            }
        }
    }

    #[test]
    fn impossible_heads_are_refused() {
        let payload = packed(Backend::Counts, &sparse(0, 9), 9, 1, 0);
        let (head, body) = payload.split_at(7);
        assert_eq!(head, [4, 1, 90, 100, 0, 9, 1]);
        let decoded = |head: &[u8]| unpacked(&[&[4, 1], head, body].concat(), 1);
        assert!(decoded(&[90, 100, 0, 9, 1]).is_ok());
        for (head, what) in [
            (&[91, 100, 0, 9, 1][..], "frames"),
            (&[0, 100, 0, 9, 1], "frames"),
            (&[90, 100, 9, 9, 1], "words"),
            (&[90, 100, 0, 0, 1], "words"),
            (&[90, 100, 0, 0x80, 2, 1], "words"),
        ] {
            let error = decoded(head).unwrap_err().to_string();
            assert!(error.contains(what), "{head:?}: {error}");
        }
    }
}
