//! Special numbers: masked pixels and other values that say nothing about their neighbours.
//!
//! They are listed and their places stored apart, so that they cost no residual and disturb no prediction.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | how many there are, at most 4; the next fields follow only where there are any |
//! | 4 each | the numbers, i32 |
//! | 4 | bytes of the next field |
//! | | zstd frame of one bit map per number: bit i mod 8 of byte ⌊i/8⌋ is set if either pixel i or the pixel at its place in the frame before has the number, and not both |

use super::predict_lines::Extent;
use crate::Error;
use crate::entropy::indices::grow;
use crate::entropy::zstd::{self, Zstd};
use crate::frame::array;
use crate::kernels::counts::bytes_of_planes;
use crate::kernels::levels::Level;

/// The most special numbers there are.
pub(super) const MOST: usize = 4;
/// A number is special where so small a part of a sample has it, at least.
const LEAST_PART: f64 = 2e-4;
const SAMPLED: usize = 1 << 14;

/// A number that pixels of a region have is special where so large a part of a sample has it, and where its pixels save more
/// than their places cost: they have no low bits, and others have as many as
/// their median difference has octaves above `LOW_BITS_CONTRAST`. A pixel that is the first of a run takes about so many bits.
const REGION_PART: f64 = 0.02;
const EDGE_BITS: f64 = 16.0;
const LOW_BITS_CONTRAST: f64 = 10.0;
/// The least median difference of others.
const REGION_CONTRAST: u32 = 16;

/// Whether pixels of one number make up regions beside pixels whose residuals have low bits, which those would have too.
fn is_region((numbers, step): (&[i32], usize), number: i32, differences: &mut Vec<u32>) -> bool {
    let (mut have, mut runs) = (0, 0);
    differences.clear();
    for at in (step..numbers.len()).step_by(step) {
        let (left, own) = (numbers[at - 1], numbers[at]);
        if own == number {
            have += 1;
            runs += usize::from(left == number);
        } else if left != number {
            differences.push(own.abs_diff(left));
        }
    }
    let middle = differences.len() / 2;
    if have == 0 || differences.is_empty() {
        return false;
    }
    let contrast = *differences.select_nth_unstable(middle).1;
    let low_bits = (f64::from(contrast) / LOW_BITS_CONTRAST).log2();
    let place_bits = EDGE_BITS * (have - runs) as f64 / have as f64;
    contrast >= REGION_CONTRAST && low_bits > place_bits
}

/// Which pixels are special: 0 for those that are not, 1 and more for the listed numbers.
#[derive(Default)]
pub(crate) struct Specials {
    pub(crate) numbers: Vec<i32>,
    pub(crate) kinds: Vec<u8>,
    maps: Vec<u8>,
    compressed: Vec<u8>,
    sample: Vec<i32>,
    differences: Vec<u32>,
}

/// The ends of the range of a sample.
struct Ends {
    low: i32,
    high: i32,
    /// How often the sample has the lowest and the highest.
    below: usize,
    above: usize,
    /// The next to the lowest and to the highest, where there are others.
    second: i32,
    last: i32,
}

impl Ends {
    fn of(sample: &[i32]) -> Self {
        let low = sample.iter().fold(i32::MAX, |low, &x| low.min(x));
        let high = sample.iter().fold(i32::MIN, |high, &x| high.max(x));
        let mut ends = Self {
            low,
            high,
            below: 0,
            above: 0,
            second: i32::MAX,
            last: i32::MIN,
        };
        for &x in sample {
            ends.below += usize::from(x == low);
            ends.above += usize::from(x == high);
            ends.second = ends.second.min(if x == low { i32::MAX } else { x });
            ends.last = ends.last.max(if x == high { i32::MIN } else { x });
        }
        ends
    }
}

impl Specials {
    /// Finds the special numbers of a chunk; they are the ends of the range that stand far apart from the rest, and
    /// `named` ones that occur.
    pub(crate) fn find(&mut self, numbers: &[i32], named: &[i32]) {
        self.numbers.clear();
        let step = (numbers.len() / SAMPLED).max(1) | 1;
        self.sample.clear();
        self.sample.extend(numbers.iter().step_by(step));
        let sample = &mut self.sample;
        let least = (LEAST_PART * sample.len() as f64) as usize + 1;
        for &number in named {
            if sample.contains(&number) && self.numbers.len() < MOST {
                self.numbers.push(number);
                let ends = Ends::of(sample);
                if number == ends.low || number == ends.high {
                    sample.retain(|&x| x != number);
                }
            }
        }
        while self.numbers.len() < MOST && sample.len() > 2 * least {
            let ends = Ends::of(sample);
            if ends.below + ends.above >= sample.len() {
                break;
            }
            let [low, second, last, high] =
                [ends.low, ends.second, ends.last, ends.high].map(i64::from);
            let is_far = |gap: i64, range: i64| gap > range.max(2);
            let special = if ends.above >= least && is_far(high - last, last - low) {
                ends.high
            } else if ends.below >= least && is_far(second - low, high - second) {
                ends.low
            } else if let Some((end, _)) = [(ends.low, ends.below), (ends.high, ends.above)]
                .into_iter()
                .filter(|&(_, count)| count as f64 > REGION_PART * sample.len() as f64)
                .find(|&(end, _)| is_region((numbers, step), end, &mut self.differences))
            {
                end
            } else {
                break;
            };
            self.numbers.push(special);
            sample.retain(|&x| x != special);
        }
    }

    /// Marks the special pixels and gives them the number of the pixel before.
    pub(crate) fn mark(&mut self, numbers: &mut [i32]) {
        if self.numbers.is_empty() {
            return;
        }
        grow(&mut self.kinds, numbers.len());
        self.kinds[..numbers.len()].fill(0);
        for (kind, &special) in (1..).zip(&self.numbers) {
            for (stored, &number) in self.kinds.iter_mut().zip(&*numbers) {
                *stored |= if number == special { kind } else { 0 };
            }
        }
        let first = numbers
            .iter()
            .zip(&self.kinds)
            .find(|(_, kind)| **kind == 0);
        let mut last = first.map_or(0, |(&number, _)| number);
        for (number, &kind) in numbers.iter_mut().zip(&self.kinds) {
            if kind == 0 {
                last = *number;
            } else {
                *number = last;
            }
        }
    }

    /// The kinds of `count` pixels; none where nothing is special.
    pub(crate) fn kinds(&self, count: usize) -> Option<&[u8]> {
        (!self.numbers.is_empty()).then(|| &self.kinds[..count])
    }

    /// Gives pixels that have a kind its number.
    pub(crate) fn restore(&self, kinds: &[u8], numbers: &mut [i32]) {
        // Most blocks have none.
        const BLOCK: usize = 32;
        for (numbers, kinds) in numbers.chunks_mut(BLOCK).zip(kinds.chunks(BLOCK)) {
            if kinds.iter().fold(0, |any, &kind| any | kind) == 0 {
                continue;
            }
            for (number, &kind) in numbers.iter_mut().zip(kinds) {
                if let Some(&special) = self.numbers.get(usize::from(kind).wrapping_sub(1)) {
                    *number = special;
                }
            }
        }
    }

    /// Appends list and places to `bytes`.
    pub(crate) fn write(
        &mut self,
        extent: &Extent,
        zstd: &mut Zstd,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        bytes.push(self.numbers.len() as u8);
        if self.numbers.is_empty() {
            return Ok(());
        }
        for number in &self.numbers {
            bytes.extend(number.to_le_bytes());
        }
        let count = extent.frame() * extent.frames;
        let map_bytes = count.div_ceil(8);
        grow(&mut self.maps, map_bytes * MOST);
        let maps = &mut self.maps[..map_bytes * self.numbers.len()];
        maps.fill(0);
        for (kind, map) in (1..).zip(maps.chunks_exact_mut(map_bytes)) {
            write_map(kind, extent.frame(), &self.kinds[..count], map);
        }
        grow(&mut self.compressed, zstd::bound(map_bytes * MOST));
        let len = zstd.compress(maps, &mut self.compressed, 3)?;
        bytes.extend((len as u32).to_le_bytes());
        bytes.extend(&self.compressed[..len]);
        Ok(())
    }

    /// Reads list and places from the front of `payload`; returns their length.
    pub(crate) fn read(
        &mut self,
        extent: &Extent,
        zstd: &mut Zstd,
        payload: &[u8],
    ) -> Result<usize, Error> {
        let truncated = |offset, needed| Error::Truncated {
            what: "the special numbers",
            offset,
            needed,
            len: payload.len(),
        };
        let damaged = |offset| Error::Damaged {
            what: "special numbers are not valid",
            offset,
            len: payload.len(),
        };
        self.numbers.clear();
        let listed = usize::from(*payload.first().ok_or(truncated(0, 1))?);
        if listed == 0 {
            return Ok(1);
        }
        if listed > MOST {
            return Err(damaged(0));
        }
        let start = 1 + 4 * listed + 4;
        let fixed = payload.get(1..start).ok_or(truncated(1, start - 1))?;
        let len = u32::from_le_bytes(array(&fixed[4 * listed..])) as usize;
        let compressed = payload[start..].get(..len).ok_or(truncated(start, len))?;
        let count = extent.frame() * extent.frames;
        let map_bytes = count.div_ceil(8);
        grow(&mut self.maps, map_bytes * listed);
        let maps = &mut self.maps[..map_bytes * listed];
        if !zstd.decompress(compressed, maps) {
            return Err(damaged(start));
        }
        grow(&mut self.kinds, count);
        self.kinds[..count].fill(0);
        for (kind, map) in (1..).zip(maps.chunks_exact_mut(map_bytes)) {
            read_map(kind, extent.frame(), map, &mut self.kinds[..count]);
        }
        self.numbers.extend(
            fixed[..4 * listed]
                .as_chunks()
                .0
                .iter()
                .map(|number| i32::from_le_bytes(*number)),
        );
        Ok(start + len)
    }
}

/// Gives pixels their kind: the inverse of [`write_map`].
fn read_map(kind: u8, frame: usize, map: &[u8], kinds: &mut [u8]) {
    const BLOCK: usize = 4096;
    let mut changed = [0; BLOCK];
    let count = kinds.len();
    // Of smaller frames, a block would have pixels of several.
    let block = if frame < BLOCK { 8 } else { BLOCK };
    for (map, start) in map.chunks(block / 8).zip((0..count).step_by(block)) {
        let end = count.min(start + block);
        let changed = &mut changed[..8 * map.len()];
        bytes_of_planes(Level::best(), map, 1, changed);
        let changed = &changed[..end - start];
        if frame < BLOCK {
            for (pixel, &changed) in (start..).zip(changed) {
                let was = pixel >= frame && kinds[pixel - frame] == kind;
                kinds[pixel] = if was != (changed == 1) {
                    kind
                } else {
                    kinds[pixel]
                };
            }
            continue;
        }
        let (before, these) = kinds[..end].split_at_mut(start);
        let later = frame.clamp(start, end) - start;
        let (first, others) = these.split_at_mut(later);
        for (this, &changed) in first.iter_mut().zip(changed) {
            *this = if changed == 1 { kind } else { *this };
        }
        let before = before
            .get((start + later).saturating_sub(frame)..)
            .unwrap_or(&[]);
        for ((this, &changed), &was) in others.iter_mut().zip(&changed[later..]).zip(before) {
            *this = if (was == kind) != (changed == 1) {
                kind
            } else {
                *this
            };
        }
    }
}

/// Sets a bit for each pixel that is of a kind while the same pixel of the frame before is not, or the other way round.
fn write_map(kind: u8, frame: usize, kinds: &[u8], map: &mut [u8]) {
    const BLOCK: usize = 1024;
    for (block, bytes) in map.chunks_mut(BLOCK / 8).enumerate() {
        let start = block * BLOCK;
        let end = kinds.len().min(start + BLOCK);
        let mut changed = [0; BLOCK];
        for (changed, &is) in changed.iter_mut().zip(&kinds[start..end]) {
            *changed = u8::from(is == kind);
        }
        let later = frame.clamp(start, end);
        if let Some(before) = kinds.get(later.wrapping_sub(frame)..end.wrapping_sub(frame)) {
            for (changed, &was) in changed[later - start..].iter_mut().zip(before) {
                *changed ^= u8::from(was == kind);
            }
        }
        for (byte, eight) in bytes.iter_mut().zip(changed.as_chunks().0) {
            // The product has the lowest bits of the eight bytes in its highest byte.
            *byte = (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
        }
    }
}
