//! Indices of regions — masks, labels, segments — by their contours.
//!
//! What remains of regions are edges, and an edge goes on as it came: contexts of neighbours say where. Such indices take a
//! half to a fifth of what zstd makes of them.
//!
//! | field | |
//! |---|---|
//! | rows, columns | of a frame, LEB128; the number of indices is a multiple of rows · columns |
//! | the largest index | LEB128 |
//! | a byte | bit 0: earlier frames are looked at; others zero |
//! | | answers, see `entropy/contours.rs`, to the end |

use super::binary::{Decoder, Encoder};
use super::bits::BLOCK;
use super::contours::{Extent, Walk};
use crate::codecs::auto_sample::LARGE;
use crate::codecs::counts_numbers::{Reader, write_number};
use crate::entropy::indices::{Indices, Origin, grow};
use crate::params::Speed;
use crate::{Context, Error};

const IS_TEMPORAL: u8 = 1;
/// Pixels that are like the frame before, for so many that are like the row above and not like the left, make it worth
/// a look.
const LIKE_ABOVE: usize = 2;
/// Pixels that are looked at to find out.
const SEEN: usize = 1 << 16;

/// Contours are chosen where they take less than this fraction of the best other back end: they decode at a tenth of the
/// speed of bitshuffle.
pub(super) fn worth_at(speed: Speed) -> f64 {
    match speed {
        Speed::Fast => 0.7,
        Speed::Balanced => 0.97,
        Speed::Small => 0.99,
    }
}

/// Whether contours take enough less than `other` bits for an index, going by a sample of rows.
pub(super) fn is_worth(context: &mut Context, indices: &Indices, other: f64) -> bool {
    let layout = indices.layout();
    let mut sample = std::mem::take(&mut context.sample);
    sample.take(&layout, indices.bytes, &LARGE);
    let shape = sample.layout(&layout).shape;
    let all = Indices {
        bytes: &sample.bytes,
        origin: Origin {
            shape: &shape,
            ..indices.origin
        },
        ..*indices
    };
    let most = other * worth_at(indices.origin.speed) * all.len() as f64 / 8.0;
    let mut memory = std::mem::take(&mut context.stream);
    grow(&mut memory, most as usize);
    let len = encode(context, &all, &mut memory[..most as usize]);
    context.stream = memory;
    context.sample = sample;
    len.is_some()
}

/// Writes the contours to the front of `dst`; `None` where they do not fit.
pub(super) fn encode(context: &mut Context, indices: &Indices, dst: &mut [u8]) -> Option<usize> {
    let &Indices { bytes, width, .. } = indices;
    match width {
        1 => encode_of::<1>(context, indices, bytes.as_chunks().0, dst),
        2 => encode_of::<2>(context, indices, bytes.as_chunks().0, dst),
        _ => encode_of::<4>(context, indices, bytes.as_chunks().0, dst),
    }
}

fn encode_of<const WIDTH: usize>(
    context: &mut Context,
    indices: &Indices,
    labels: &[[u8; WIDTH]],
    dst: &mut [u8],
) -> Option<usize> {
    let extent = extent_of(indices.origin.shape, labels);
    let mut header = Vec::new();
    for number in [
        extent.rows as u64,
        extent.columns as u64,
        indices.max.into(),
    ] {
        write_number(number, &mut header);
    }
    header.push(if extent.is_temporal { IS_TEMPORAL } else { 0 });
    let (front, room) = dst.split_at_mut_checked(header.len())?;
    front.copy_from_slice(&header);
    let memory = &mut context.contours;
    let mut bytes = std::mem::take(&mut memory.bytes);
    let mut encoder = Encoder::new(&mut bytes);
    let mut walk = Walk::new(extent, indices.max, memory);
    let mut rows = labels.chunks_exact(extent.columns);
    let fill = |row: &mut [u32]| {
        for (label, stored) in row.iter_mut().zip(rows.next().unwrap_or_default()) {
            *label = widened(stored);
        }
    };
    let fits = walk.rows(&mut encoder, fill, |encoder, _| encoder.len() <= room.len());
    encoder.finish();
    let fits = fits && bytes.len() <= room.len();
    if fits {
        room[..bytes.len()].copy_from_slice(&bytes);
    }
    let len = header.len() + bytes.len();
    context.contours.bytes = bytes;
    fits.then_some(len)
}

fn widened<const WIDTH: usize>(stored: &[u8; WIDTH]) -> u32 {
    let mut label = [0; 4];
    label[..WIDTH].copy_from_slice(stored);
    u32::from_le_bytes(label)
}

/// The extent of labels: rows of several frames of one row each are those of one frame.
fn extent_of<T: PartialEq>(shape: &[usize], labels: &[T]) -> Extent {
    let count = labels.len().max(1);
    let (rows, columns) = match *shape {
        [.., rows, columns] if shape.iter().product::<usize>() == labels.len() => (rows, columns),
        _ => (1, count),
    };
    let (rows, columns) = if rows * columns == 0 {
        (1, count)
    } else {
        (rows, columns)
    };
    let rows = if rows == 1 { count / columns } else { rows };
    let extent = Extent {
        frames: count / (rows * columns),
        rows,
        columns,
        is_temporal: false,
    };
    Extent {
        is_temporal: extent.frames > 1 && is_like_before(&extent, labels),
        ..extent
    }
}

/// Whether a pixel that is not like the one to the left tends to be like that of the frame before.
fn is_like_before<T: PartialEq>(extent: &Extent, labels: &[T]) -> bool {
    let (columns, frame) = (extent.columns, extent.rows * extent.columns);
    let step = (labels.len() / SEEN).max(1);
    let (mut above, mut before) = (0, 0);
    for at in (frame + columns + 1..labels.len()).step_by(step | 1) {
        if labels[at] != labels[at - 1] {
            above += usize::from(labels[at] == labels[at - columns]);
            before += usize::from(labels[at] == labels[at - frame]);
        }
    }
    before > 0 && before * LIKE_ABOVE > above
}

/// Decodes `elements` indices of `width` bytes and gives them to `consume`, block by block, until that returns false.
pub(super) fn decode(
    context: &mut Context,
    width: usize,
    elements: usize,
    payload: &[u8],
    mut consume: impl FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let damaged = |what| Error::Damaged {
        what,
        offset: 0,
        len: payload.len(),
    };
    let mut reader = Reader::new(payload);
    let [rows, columns, max] = [reader.number()?, reader.number()?, reader.number()?];
    let flags = reader.byte()?;
    let (rows, columns) = (rows as usize, columns as usize);
    let frame = rows.checked_mul(columns).filter(|&frame| frame > 0);
    let frame = frame.filter(|&frame| frame <= elements && elements.is_multiple_of(frame));
    let Some(frame) = frame else {
        return Err(damaged("contours of another extent"));
    };
    if flags > IS_TEMPORAL || max >> (8 * width) > 0 {
        return Err(damaged("header of contours is not valid"));
    }
    let extent = Extent {
        frames: elements / frame,
        rows,
        columns,
        is_temporal: flags == IS_TEMPORAL,
    };
    let mut decoder = Decoder::new(reader.rest());
    let mut walk = Walk::new(extent, max as u32, &mut context.contours);
    let mut block = Block {
        bytes: [0; 4 * BLOCK],
        len: 0,
    };
    let mut is_wanted = true;
    let visit = |decoder: &Decoder, mut row: &[u32]| {
        while is_wanted && !row.is_empty() {
            row = block.add(width, row);
            if block.len == BLOCK {
                is_wanted = consume(&block.bytes[..BLOCK * width]);
                block.len = 0;
            }
        }
        is_wanted && !decoder.is_overrun()
    };
    let is_complete = walk.rows(&mut decoder, |_| (), visit);
    if !is_wanted {
        return Ok(false);
    }
    if !is_complete || walk.is_damaged || !decoder.is_at_end() {
        return Err(damaged("contours do not end where they should"));
    }
    Ok(block.len == 0 || consume(&block.bytes[..block.len * width]))
}

/// Indices until there are enough to give away.
struct Block {
    bytes: [u8; 4 * BLOCK],
    len: usize,
}

impl Block {
    /// Adds labels as long as there is room; returns those that are left.
    fn add<'a>(&mut self, width: usize, labels: &'a [u32]) -> &'a [u32] {
        let (labels, rest) = labels.split_at(labels.len().min(BLOCK - self.len));
        let room = &mut self.bytes[self.len * width..];
        match width {
            1 => {
                for (stored, &label) in room.iter_mut().zip(labels) {
                    *stored = label as u8;
                }
            }
            2 => {
                for (stored, &label) in room.as_chunks_mut().0.iter_mut().zip(labels) {
                    *stored = (label as u16).to_le_bytes();
                }
            }
            _ => {
                for (stored, &label) in room.as_chunks_mut().0.iter_mut().zip(labels) {
                    *stored = label.to_le_bytes();
                }
            }
        }
        self.len += labels.len();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::indices::{Backend, decode_narrow, encode_narrow, width_for};

    /// The payload of labels up to `max`, which come back from it.
    fn coded(shape: &[usize], max: u32, label: impl Fn(usize) -> u32) -> Vec<u8> {
        let (count, width) = (shape.iter().product(), width_for(max));
        let labels = (0..count).flat_map(|at| label(at).to_le_bytes().into_iter().take(width));
        let labels: Vec<u8> = labels.collect();
        let origin = Origin {
            shape,
            speed: Speed::Balanced,
            first_bin: 0,
            first_code: u32::MAX,
        };
        let mut context = Context::new();
        let mut payload = vec![0xcc; 64 + 8 * labels.len()];
        let backend = Backend::Contours;
        let len = encode_narrow(&mut context, backend, max, origin, &labels, &mut payload);
        payload.truncate(len.unwrap().unwrap());
        let mut back = Vec::new();
        let consume = |block: &[u8]| {
            back.extend_from_slice(block);
            true
        };
        assert_eq!(
            decode_narrow(&mut context, width, count, &payload, consume),
            Ok(true)
        );
        assert!(back == labels, "{shape:?} up to {max}");
        payload
    }

    fn noise(at: usize) -> u32 {
        (at as u32).wrapping_mul(0x9E37_79B1) ^ (at as u32 >> 3).wrapping_mul(0x85EB_CA6B)
    }

    /// Discs in frames of 60 columns that drift slowly, up to `max`.
    fn disc(at: usize, rows: usize, max: u32) -> u32 {
        let (frame, y, x) = (at / (60 * rows), at / 60 % rows, at % 60);
        let place = (y + frame / 3) / 20 * 3 + x / 20;
        let (dy, dx) = ((y + frame / 3) % 20, x % 20);
        let is_inside = dy.abs_diff(10).pow(2) + dx.abs_diff(10).pow(2) < 70;
        if is_inside { noise(place) % max + 1 } else { 0 }
    }

    #[test]
    fn labels_of_every_width_and_shape_come_back() {
        let shapes: [&[usize]; 9] = [
            &[1],
            &[700],
            &[1, 1],
            &[50, 1],
            &[3, 5],
            &[4, 1, 100],
            &[7, 9, 60],
            &[2, 40, 60],
            &[100, 60],
        ];
        for shape in shapes {
            for max in [1, 3, 255, 256, 70_000, u32::MAX] {
                let rows = shape[shape.len().saturating_sub(2)];
                coded(shape, max, |_| max);
                coded(shape, max, |at| disc(at, rows.max(1), max.min(1 << 30)));
                coded(shape, max, |at| noise(at) % max);
                coded(shape, max, |at| (at as u32 * 3).min(max));
            }
        }
    }

    #[test]
    fn frames_like_the_ones_before_cost_less() {
        let one = coded(&[60, 60], 200, |at| disc(at, 60, 200));
        let twelve = coded(&[12, 60, 60], 200, |at| disc(at, 60, 200));
        assert!(
            twelve.len() < 5 * one.len(),
            "{} {}",
            one.len(),
            twelve.len()
        );
    }

    #[test]
    fn every_truncation_is_an_error() {
        let payload = coded(&[2, 30, 60], 9, |at| disc(at, 30, 9));
        let mut context = Context::new();
        for len in 0..payload.len() {
            let decoded = decode_narrow(&mut context, 1, 3600, &payload[..len], |_| true);
            assert!(decoded.is_err(), "{len}");
        }
    }

    #[test]
    fn headers_that_cannot_be_are_refused() {
        let valid = coded(&[30, 60], 9, |at| disc(at, 30, 9));
        let mut context = Context::new();
        // Behind two bytes of every back end: rows, columns, the largest index, flags.
        assert_eq!(valid[2..6], [30, 60, 9, 0]);
        for (at, wrong) in [(2, 0), (2, 31), (3, 0), (3, 61), (5, 2), (5, 0xff)] {
            let mut payload = valid.clone();
            payload[at] = wrong;
            let decoded = decode_narrow(&mut context, 1, 1800, &payload, |_| true);
            assert!(decoded.is_err(), "{at}: {wrong}");
        }
        // A label above the largest, and a largest that a byte does not hold.
        let mut payload = valid.clone();
        payload[4] = 3;
        assert!(decode_narrow(&mut context, 1, 1800, &payload, |_| true).is_err());
        let mut payload = valid[..4].to_vec();
        payload.extend([0x80, 2, 0]);
        payload.extend(&valid[6..]);
        assert!(decode_narrow(&mut context, 1, 1800, &payload, |_| true).is_err());
    }
}
