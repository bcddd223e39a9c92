//! Indices of regions — masks, labels, segments — as a zstd frame of the indices themselves.
//!
//! Bits of indices are shuffled so that noise costs no more than it has to. Where there is no noise, what remains are edges,
//! and a row differs from the one above by little: zstd copies rows, which in bit planes are torn into blocks. Such indices
//! take half to a third of what they take in bit planes, and decode faster.
//!
//! The frame holds one index after the other, little-endian, and no other bytes.

use crate::entropy::indices::{Indices, grow};
use crate::entropy::zstd;
use crate::params::Speed;
use crate::{Context, Error};

/// There is a region where so many indices are like the one to the left or the one above, for each that is like neither.
const LIKE_NEIGHBOURS: usize = 100;
/// There may be one from so many on.
const SOME_LIKE_NEIGHBOURS: usize = 10;
/// Rows that are looked at; the first and every other one have the next row below them.
const MOST_ROWS: usize = 64;
/// Columns of a single row, at least: of fewer, little is to be saved.
const LEAST_COLUMNS: usize = 1024;
/// Columns that are looked at in a row, at most.
const MOST_COLUMNS: usize = 4096;

/// zstd's levels to try: 9 copies rows of any length and still encodes a gigabyte of large regions in a second. No higher
/// level is best for all.
fn levels(speed: Speed) -> &'static [i32] {
    match speed {
        Speed::Fast => &[1],
        Speed::Balanced => &[9],
        Speed::Small => &[12, 15],
    }
}

/// Whether indices lie in regions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Regions {
    None,
    /// With this part of the indices like no neighbour.
    Perhaps(f64),
    Certain,
}

/// Bits that a value takes that lies anywhere, about, besides its place.
const VALUE_BITS: f64 = 4.0;

impl Regions {
    /// Whether contours may take less than `other` bits for an index: they do not where what is like no neighbour lies
    /// anywhere and takes no more than that. Not where speed is asked for.
    pub(super) fn may_be_worth(self, other: f64, speed: Speed) -> bool {
        match self {
            Self::Perhaps(part) => {
                let bits = part * ((1.0 / part).log2() + VALUE_BITS);
                speed != Speed::Fast && other > bits
            }
            _ => false,
        }
    }
}

/// Whether indices lie in regions, going by pairs of rows.
pub(super) fn regions_of(indices: &Indices) -> Regions {
    let &Indices { bytes, width, .. } = indices;
    let columns = indices.origin.shape.last().map_or(1, |&columns| columns);
    let pair = 2 * columns * width;
    let pairs = bytes.len().checked_div(pair).unwrap_or(0);
    if pairs == 0 && columns == indices.len() && columns >= LEAST_COLUMNS {
        // A single row is its own row above: only what is to the left counts.
        let novel = match width {
            1 => steps_of::<1>(bytes),
            2 => steps_of::<2>(bytes),
            _ => steps_of::<4>(bytes),
        };
        return like(novel, columns - 1);
    }
    if pairs == 0 || columns < 2 {
        return Regions::None;
    }
    let step = pairs.div_ceil(MOST_ROWS / 2);
    let looked_at = columns.min(MOST_COLUMNS);
    let mut novel = 0;
    let mut seen = 0;
    for rows in bytes.chunks_exact(pair).step_by(step) {
        let (above, row) = rows.split_at(pair / 2);
        novel += match width {
            1 => novel_in::<1>(above, row, looked_at),
            2 => novel_in::<2>(above, row, looked_at),
            _ => novel_in::<4>(above, row, looked_at),
        };
        seen += looked_at - 1;
    }
    like(novel, seen)
}

fn like(novel: usize, seen: usize) -> Regions {
    if novel * LIKE_NEIGHBOURS < seen {
        Regions::Certain
    } else if novel * SOME_LIKE_NEIGHBOURS < seen {
        Regions::Perhaps(novel as f64 / seen as f64)
    } else {
        Regions::None
    }
}

/// Indices of a row that are not like the one to the left.
fn steps_of<const WIDTH: usize>(row: &[u8]) -> usize {
    let row = row.as_chunks::<WIDTH>().0;
    row.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Indices of a row that are neither like the one to the left nor like the one above.
fn novel_in<const WIDTH: usize>(above: &[u8], row: &[u8], columns: usize) -> usize {
    let above = &above.as_chunks::<WIDTH>().0[..columns];
    let row = &row.as_chunks::<WIDTH>().0[..columns];
    let pairs = row.windows(2).zip(&above[1..]);
    pairs
        .filter(|(pair, above)| pair[1] != pair[0] && pair[1] != **above)
        .count()
}

/// Writes the frame to the front of `dst`; `None` where it does not fit.
pub(super) fn encode(context: &mut Context, indices: &Indices, dst: &mut [u8]) -> Option<usize> {
    let levels = levels(indices.origin.speed);
    let mut encode = |&level: &i32| {
        let len = context.zstd.compress_chunk(indices.bytes, dst, level);
        len.unwrap_or(usize::MAX)
    };
    let lens = levels.iter().map(|level| (encode(level), level));
    let (mut len, best) = lens.min()?;
    if levels.last() != Some(best) {
        len = encode(best);
    }
    (len < usize::MAX).then_some(len)
}

/// Reads `len` bytes of indices from all of `payload` into the front of `indices`.
pub(super) fn decode(
    context: &mut Context,
    len: usize,
    payload: &[u8],
    indices: &mut Vec<u8>,
) -> Result<(), Error> {
    let damaged = Error::Damaged {
        what: "frame of indices",
        offset: 0,
        len: payload.len(),
    };
    if len > zstd::max_decoded_len(payload.len()) {
        return Err(damaged);
    }
    grow(indices, len);
    match context.zstd.decompress(payload, &mut indices[..len]) {
        true => Ok(()),
        false => Err(damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::indices::{Backend, Origin, decode_narrow, encode_narrow, width_for};

    const SHAPE: [usize; 3] = [2, 300, 400];

    fn origin(speed: Speed) -> Origin<'static> {
        Origin {
            shape: &SHAPE,
            speed,
            first_bin: 0,
            first_code: u32::MAX,
        }
    }

    /// Discs of numbers up to `max` on a ground of zeros.
    fn discs(max: u32) -> Vec<u8> {
        let [frames, rows, columns] = SHAPE;
        let disc = |i: usize| {
            let (y, x) = (i / columns % rows, i % columns);
            let (cy, cx) = (y / 40 * 40 + 20, x / 50 * 50 + 25);
            let is_inside = y.abs_diff(cy).pow(2) + x.abs_diff(cx).pow(2) < 300;
            let number = (y / 40 * 31 + x / 50 * 17 + i / (rows * columns)) as u32;
            if is_inside {
                max - number % max.min(97)
            } else {
                0
            }
        };
        let width = width_for(max);
        (0..frames * rows * columns)
            .flat_map(|i| disc(i).to_le_bytes().into_iter().take(width))
            .collect()
    }

    #[test]
    fn labels_of_every_width_are_regions_and_come_back() {
        for max in [200, 60_000, 1 << 20] {
            let indices = discs(max);
            let width = width_for(max);
            for speed in Speed::ALL {
                let mut context = Context::new();
                let mut dst = vec![0xcc; indices.len() + 64];
                let mut encode = |backend| {
                    let origin = origin(speed);
                    let len = encode_narrow(&mut context, backend, max, origin, &indices, &mut dst);
                    len.unwrap().unwrap()
                };
                let shuffled = encode(Backend::Bitshuffle);
                let len = encode(Backend::Regions);
                assert!(dst[0] == 5 && len < shuffled, "{max}: {len}, {shuffled}");
                let mut back: Vec<u8> = Vec::new();
                let consume = |block: &[u8]| {
                    back.extend(block);
                    true
                };
                let count = indices.len() / width;
                decode_narrow(&mut context, width, count, &dst[..len], consume).unwrap();
                assert!(back == indices, "{max}");
            }
        }
    }

    #[test]
    fn a_frame_cannot_claim_more_than_it_holds() {
        let mut context = Context::new();
        let mut dst = vec![0; 1 << 17];
        let indices = discs(1);
        let all = Indices {
            bytes: &indices,
            width: 1,
            max: 1,
            origin: origin(Speed::Fast),
        };
        let len = encode(&mut context, &all, &mut dst).unwrap();
        let mut back = Vec::new();
        for claimed in [indices.len() - 1, indices.len() + 1, usize::MAX] {
            assert!(decode(&mut context, claimed, &dst[..len], &mut back).is_err());
        }
        assert!(back.len() <= indices.len() + 1);
    }

    #[test]
    fn noise_is_no_region() {
        let mut state = 1u64;
        let mut bit = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            u8::from(state >> 58 == 0)
        };
        let noise: Vec<u8> = (0..SHAPE.iter().product()).map(|_| bit()).collect();
        let all = Indices {
            bytes: &noise,
            width: 1,
            max: 1,
            origin: origin(Speed::Balanced),
        };
        assert_ne!(regions_of(&all), Regions::Certain);
    }
}
