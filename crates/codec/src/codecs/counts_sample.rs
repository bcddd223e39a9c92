//! What a sample of rows says about a chunk: its special values and the number of planes.

use super::counts_bbp::MAX_PLANES;
use super::counts_mask::MAX_SPECIALS;
use super::counts_pixels::Pixels;
use crate::kernels::counts_seen::{self as kernel, BLOCK};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// Values that are counted one by one.
const SMALL: usize = 256;
const PARTS: usize = 4;
/// Pixels that suffice; one row in 8 is seen at least.
const PIXELS: usize = 1 << 16;
/// Values that may be special and are followed.
const CANDIDATES: usize = 8;
/// A value is special if so many pixels have it: fewer are cheaper one by one.
const SPECIAL_PIXELS: u32 = 4;
/// Part of the pixels with large values that special ones must account for.
const EXPLAINED: f64 = 0.8;
/// Bits that a pixel beyond the limit costs.
const ESCAPE_BITS: f64 = 16.0;
/// What a plane costs in time, as bits per pixel.
const PLANE_BITS: f64 = 0.0005;
/// The cost that fewer planes may have beyond the least.
const SLACK: f64 = 1.005;

/// Counts of a sample.
pub(crate) struct Sample {
    small: Vec<u32>,
    /// Small values counted in turns.
    parts: Box<[[u32; SMALL]; PARTS]>,
    /// Of blocks that have no word above 3: all words, and those of 1, 2 and 3.
    smallest: [u32; 4],
    /// Of a row: whether blocks have a larger one.
    is_large: Vec<bool>,
    /// Of a row: values of blocks that have a large one.
    large: Vec<u32>,
    /// Pixels by number of bits.
    by_bits: Vec<u32>,
    /// By number of bits: pixels that have bit j.
    ones: Vec<[u32; 32]>,
    candidates: Vec<(u32, u32)>,
    /// Pixels whose value was followed.
    followed: u32,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            small: Vec::new(),
            parts: Box::new([[0; SMALL]; PARTS]),
            smallest: [0; 4],
            is_large: Vec::new(),
            large: Vec::new(),
            by_bits: Vec::new(),
            ones: Vec::new(),
            candidates: Vec::new(),
            followed: 0,
        }
    }
}

/// What the sample suggests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    pub(super) specials: [u32; MAX_SPECIALS],
    pub(super) special_count: usize,
    pub(super) planes: usize,
    /// Bits a pixel, without contexts.
    pub(super) bits: f64,
    /// Part of the pixels that are so large, special ones left out: 1 or more, 4 or more, 16 or more, 128 or more.
    pub(super) from_1: f64,
    pub(super) from_4: f64,
    pub(super) from_16: f64,
    pub(super) from_128: f64,
}

impl Sample {
    /// Looks at a sample of rows, each of them read into `words`; `None` where one has an element without a word.
    pub(super) fn choose<W: Word>(
        &mut self,
        pixels: &Pixels,
        bytes: &[u8],
        words: &mut [W],
    ) -> Option<Choice> {
        self.small.clear();
        self.small.resize(SMALL, 0);
        self.parts.as_flattened_mut().fill(0);
        self.smallest = [0; 4];
        self.by_bits.clear();
        self.by_bits.resize(33, 0);
        self.ones.clear();
        self.ones.resize(33, [0; 32]);
        self.candidates.clear();
        self.followed = 0;
        let rows = pixels.frames * pixels.rows;
        let every = (pixels.len() / PIXELS).clamp(1, 8);
        let mut seen = 0u64;
        // Rows are taken from the middle of their share, so that edges are not all there is.
        for row in (every / 2..rows).step_by(every) {
            if !pixels.load(bytes, row * pixels.columns, words) {
                return None;
            }
            self.add(words);
            seen += words.len() as u64;
        }
        self.spread_small();
        let (specials, special_count) = self.take_specials(W::new(u32::MAX).value());
        let (planes, bits) = self.planes(MAX_PLANES.min(8 * W::BYTES));
        let seen = seen.max(1) as f64;
        let part_from = |bits: usize| {
            let pixels: u64 = self.by_bits[bits + 1..].iter().map(|&n| u64::from(n)).sum();
            pixels as f64 / seen
        };
        Some(Choice {
            specials,
            special_count,
            planes,
            bits: bits / seen,
            from_1: part_from(0),
            from_4: part_from(2),
            from_16: part_from(4),
            from_128: part_from(7),
        })
    }

    fn add<W: Word>(&mut self, words: &[W]) {
        self.is_large.clear();
        self.is_large.resize(words.len() / BLOCK, false);
        let level = Level::best();
        kernel::count_small(level, words, &mut self.smallest, &mut self.is_large);
        let is_large = std::mem::take(&mut self.is_large);
        let of_small = is_large.iter().filter(|large| !**large).count() * BLOCK;
        self.smallest[0] += of_small as u32;
        for (block, _) in words
            .chunks(BLOCK)
            .zip(&is_large)
            .filter(|(_, large)| **large)
        {
            self.add_block(block);
        }
        self.add_block(&words[is_large.len() * BLOCK..]);
        self.is_large = is_large;
        self.add_large((W::new(u32::MAX).value() / 2).min(65534));
    }

    fn add_block<W: Word>(&mut self, words: &[W]) {
        let [small, others @ ..] = &mut *self.parts;
        let first_followed = (W::new(u32::MAX).value() / 2).min(65534);
        let largest = words
            .iter()
            .fold(0, |largest, word| word.value().max(largest));
        if largest >= first_followed.min(SMALL as u32) {
            self.large.extend(words.iter().map(|word| word.value()));
            return;
        }
        // Equal values in succession would wait for each other's count.
        for four in words.chunks(4) {
            small[four[0].value() as usize % SMALL] += 1;
            for (part, word) in others.iter_mut().zip(&four[1..]) {
                part[word.value() as usize % SMALL] += 1;
            }
        }
    }

    /// Adds the blocks that have large values, of which those from `first_followed` on may be special.
    fn add_large(&mut self, first_followed: u32) {
        let large = std::mem::take(&mut self.large);
        for run in large.chunk_by(|a, b| a == b) {
            let (value, count) = (run[0], run.len() as u32);
            match self.small.get_mut(value as usize) {
                Some(small) => *small += count,
                None => self.add_bits(value, count),
            }
            if value >= first_followed {
                self.follow(value, count);
            }
        }
        self.large = large;
        self.large.clear();
    }

    fn add_bits(&mut self, value: u32, count: u32) {
        let bits = u32::BITS - value.leading_zeros();
        self.by_bits[bits as usize] += count;
        for (bit, ones) in self.ones[bits as usize].iter_mut().enumerate() {
            *ones += (value >> bit & 1) * count;
        }
    }

    /// Notes a value that may be special and that so many pixels have.
    fn follow(&mut self, value: u32, count: u32) {
        self.followed += count;
        let known = self
            .candidates
            .iter_mut()
            .find(|(candidate, _)| *candidate == value);
        if let Some((_, known)) = known {
            *known += count;
        } else if self.candidates.len() < CANDIDATES {
            self.candidates.push((value, count));
        } else {
            // Misra and Gries: what is frequent outlives what is not.
            let least = self.candidates.iter().map(|&(_, known)| known).min();
            let lost = least.unwrap_or(0).min(count);
            for (_, known) in &mut self.candidates {
                *known -= lost;
            }
            self.candidates.retain(|&(_, known)| known > 0);
            if count > lost {
                self.candidates.push((value, count - lost));
            }
        }
    }

    /// Adds the values counted one by one to the others.
    fn spread_small(&mut self) {
        let [all, above @ ..] = self.smallest;
        self.smallest[0] = all - above.iter().sum::<u32>();
        for (small, count) in self.small.iter_mut().zip(self.smallest) {
            *small += count;
        }
        for value in 0..SMALL {
            self.small[value] += self.parts.iter().map(|part| part[value]).sum::<u32>();
            let count = self.small[value];
            if count > 0 {
                self.add_bits(value as u32, count);
            }
        }
    }

    /// The special values, the most frequent first; they become pixels of 0.
    ///
    /// Where large values are many, they are measurements, and only the two largest words may be special.
    fn take_specials(&mut self, largest: u32) -> ([u32; MAX_SPECIALS], usize) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.retain(|&(_, count)| count >= SPECIAL_PIXELS);
        candidates.sort_by_key(|&(value, count)| (std::cmp::Reverse(count), value));
        candidates.truncate(MAX_SPECIALS);
        let explained: u32 = candidates.iter().map(|&(_, count)| count).sum();
        if f64::from(explained) < EXPLAINED * f64::from(self.followed) {
            candidates.retain(|&(value, _)| value >= largest - 1);
        }
        let mut specials = [0; MAX_SPECIALS];
        for (special, &(value, count)) in specials.iter_mut().zip(&candidates) {
            *special = value;
            let bits = u32::BITS - value.leading_zeros();
            self.by_bits[bits as usize] -= count.min(self.by_bits[bits as usize]);
            for (bit, ones) in self.ones[bits as usize].iter_mut().enumerate() {
                *ones -= ((value >> bit & 1) * count).min(*ones);
            }
            self.by_bits[0] += count;
            if let Some(small) = self.small.get_mut(value as usize) {
                *small -= count.min(*small);
            }
        }
        let count = candidates.len();
        self.candidates = candidates;
        (specials, count)
    }

    /// The least number of planes whose cost is close to the least, and that cost in bits.
    fn planes(&self, most: usize) -> (usize, f64) {
        let costs: Vec<f64> = (1..=most).map(|planes| self.cost(planes)).collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let chosen = costs.iter().position(|&cost| cost <= least * SLACK);
        let chosen = chosen.unwrap_or(most - 1);
        (chosen + 1, costs[chosen])
    }

    fn cost(&self, planes: usize) -> f64 {
        let count = |range: &[u32]| range.iter().map(|&count| f64::from(count)).sum::<f64>();
        let pixels = count(&self.by_bits);
        let beyond = count(&self.by_bits[planes + 1..]);
        // Of those with as many bits as planes, the one with all bits set escapes too.
        let at_limit = match self.small.get((1 << planes) - 1) {
            Some(&count) => f64::from(count),
            None => f64::from(self.by_bits[planes]) / f64::from(1u32 << (planes - 1)),
        };
        let mut bits = ESCAPE_BITS * (beyond + at_limit) + PLANE_BITS * pixels * planes as f64;
        for plane in 0..planes {
            let below: u32 = self.ones[..=planes].iter().map(|ones| ones[plane]).sum();
            bits += pixels * binary_entropy((f64::from(below) + beyond) / pixels.max(1.0));
        }
        bits
    }
}

fn binary_entropy(p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return 0.0;
    }
    -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
}
