//! Rows of labels, each pixel as the one of its neighbours that it is like.
//!
//! For masks, labels, segments and maps: images whose pixels are nearly all like a neighbour. Contexts are which of the
//! neighbours are alike, so that what is learnt of one edge serves all edges, whatever the labels on its sides.
//!
//! Everything is asked, as `entropy/binary.rs` codes answers; each question has a chance of its own for each context.
//! With w the pixel to the left, n the one above, e to the right and so on, ww two to the left, and p the same pixel of
//! the frame before:
//!
//! ```text
//! is the row like the one above?                              context: the last two answers
//! where earlier frames are looked at: is it like that of the frame before?
//! for blocks of 32 pixels, if not for those of 8, where all above, from one to the left to three to the right, are alike:
//!     are all like w?                                         context: size; w = n; p = w all along; the last answer
//! for other pixels:
//!     is x = w?                                               context: see `Around::first`
//!     for candidates c of n, ne, nw, p, nn, nee, ww that were not asked for, four at most:
//!         is x = c?                                           context: which, how many, and what else is like it
//!     else x is what followed w and n last, or last but one, or the highest label so far and 1, or w and a distance
//! ```
//!
//! Left of a row is the first pixel of the row above, right of it its last. Above the first row of a frame are zeros.

use super::binary::{Binary, Chance, answer};
use crate::entropy::indices::grow;

/// Pixels beside a row.
const PAD: usize = 4;
/// Pixels that are asked for at once.
const BLOCK: usize = 32;
const SMALL_BLOCK: usize = 8;
/// Bits of the contexts of the first question for a pixel, without and with earlier frames.
const FIRST_BITS: usize = 14;
const LATER_BITS: usize = 4;
/// Bits of the contexts that a new one begins with.
const COARSE_BITS: usize = 8;
/// Labels that a pixel is asked for, all of them neighbours.
const MOST_ASKED: usize = 5;
const CANDIDATES: usize = 7;
/// Bits of the contexts of further candidates.
const NEXT_BITS: usize = 3 + 3 + CANDIDATES;
/// Pairs of neighbours whose followers are remembered.
const FOLLOWERS_BITS: u32 = 10;
/// Bits of a distance that are learnt, below its highest.
const LEARNT_BITS: u32 = 3;
/// No label.
const NONE: u32 = u32::MAX;

/// Memory of the walk over rows, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct Memory {
    /// Three rows in turn.
    rows: [Vec<u32>; 3],
    /// The frame before.
    before: Vec<u32>,
    first: Vec<Chance>,
    coarse: Vec<Chance>,
    next: Vec<Chance>,
    followers: Vec<[u32; 2]>,
    pub(super) bytes: Vec<u8>,
}

/// Frames, rows and columns, and whether earlier frames are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) frames: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) is_temporal: bool,
}

/// Chances of questions that have few contexts.
struct Few {
    same_row: [Chance; 4],
    same_before: [Chance; 4],
    blocks: [[Chance; 8]; 2],
    followers: [Chance; 4],
    highest: Chance,
    exponents: [Chance; 64],
    mantissas: [[Chance; 1 << LEARNT_BITS]; 32],
}

/// What is known when a row is coded.
pub(super) struct Walk<'a> {
    extent: Extent,
    memory: &'a mut Memory,
    few: Few,
    /// The largest label there may be, and the largest so far.
    max: u32,
    highest: u32,
    /// The last answers for rows and blocks.
    last_rows: usize,
    last_before: usize,
    last_block: bool,
    /// Whether a label was decoded that cannot be.
    pub(super) is_damaged: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(extent: Extent, max: u32, memory: &'a mut Memory) -> Self {
        let pitch = extent.columns + 2 * PAD;
        for row in &mut memory.rows {
            grow(row, pitch);
        }
        if extent.is_temporal {
            grow(&mut memory.before, extent.rows * pitch);
            memory.before[..extent.rows * pitch].fill(0);
        }
        let bits = FIRST_BITS + if extent.is_temporal { LATER_BITS } else { 0 };
        for (chances, bits) in [
            (&mut memory.first, bits),
            (&mut memory.coarse, COARSE_BITS),
            (&mut memory.next, NEXT_BITS),
        ] {
            chances.clear();
            chances.resize(1 << bits, Chance::HALF);
        }
        memory.followers.clear();
        memory.followers.resize(1 << FOLLOWERS_BITS, [NONE; 2]);
        Self {
            extent,
            memory,
            few: Few {
                same_row: [Chance::HALF; 4],
                same_before: [Chance::HALF; 4],
                blocks: [[Chance::HALF; 8]; 2],
                followers: [Chance::HALF; 4],
                highest: Chance::HALF,
                exponents: [Chance::HALF; 64],
                mantissas: [[Chance::HALF; 1 << LEARNT_BITS]; 32],
            },
            max,
            highest: 0,
            last_rows: 0,
            last_before: 0,
            last_block: false,
            is_damaged: false,
        }
    }

    /// Codes the rows of all frames in order; `labels` are put in by an encoder and taken out by a decoder, row by row,
    /// until `visit` says no.
    pub(super) fn rows<C: Binary>(
        &mut self,
        coder: &mut C,
        mut fill: impl FnMut(&mut [u32]),
        mut visit: impl FnMut(&C, &[u32]) -> bool,
    ) -> bool {
        let Extent {
            frames,
            rows,
            columns,
            ..
        } = self.extent;
        let inner = PAD..PAD + columns;
        for _ in 0..frames {
            for row in &mut self.memory.rows {
                row.fill(0);
            }
            for y in 0..rows {
                self.memory.rows.rotate_right(1);
                let [mut row, above, above_2] = std::mem::take(&mut self.memory.rows);
                fill(&mut row[inner.clone()]);
                row[..PAD].fill(above[PAD]);
                self.row(coder, y, (&mut row, &above, &above_2));
                let last = row[PAD + columns - 1];
                row[PAD + columns..].fill(last);
                let is_wanted = visit(coder, &row[inner.clone()]);
                if self.extent.is_temporal {
                    let pitch = columns + 2 * PAD;
                    self.memory.before[y * pitch..][..pitch].copy_from_slice(&row[..pitch]);
                }
                self.memory.rows = [row, above, above_2];
                if !is_wanted {
                    return false;
                }
            }
        }
        true
    }

    fn row<C: Binary>(
        &mut self,
        coder: &mut C,
        y: usize,
        (row, above, above_2): (&mut [u32], &[u32], &[u32]),
    ) {
        let columns = self.extent.columns;
        let inner = PAD..PAD + columns;
        let is_same = row[inner.clone()] == above[inner.clone()];
        let is_same = answer(coder, &mut self.few.same_row[self.last_rows], is_same);
        self.last_rows = (self.last_rows << 1 | usize::from(is_same)) % 4;
        if is_same {
            row[inner.clone()].copy_from_slice(&above[inner]);
            return;
        }
        let before = std::mem::take(&mut self.memory.before);
        let pitch = columns + 2 * PAD;
        let frame_row = |y: usize| &before[y.min(self.extent.rows - 1) * pitch..][..pitch];
        let (before_row, before_below) = match self.extent.is_temporal {
            true => (frame_row(y), frame_row(y + 1)),
            false => (above, above),
        };
        let mut is_same = false;
        if self.extent.is_temporal {
            is_same = row[inner.clone()] == before_row[inner.clone()];
            is_same = answer(coder, &mut self.few.same_before[self.last_before], is_same);
            self.last_before = (self.last_before << 1 | usize::from(is_same)) % 4;
        }
        if is_same {
            row[inner.clone()].copy_from_slice(&before_row[inner]);
        } else {
            let near = Near {
                above,
                above_2,
                before: before_row,
                before_below,
            };
            self.pixels(coder, row, &near);
        }
        self.memory.before = before;
    }

    fn pixels<C: Binary>(&mut self, coder: &mut C, row: &mut [u32], near: &Near) {
        let end = PAD + self.extent.columns;
        let mut at = PAD;
        while at < end {
            let done = match (at - PAD) % SMALL_BLOCK {
                0 => self.blocks(coder, row, near, at),
                _ => 0,
            };
            if done > 0 {
                at += done;
                continue;
            }
            row[at] = self.pixel(coder, row, near, at);
            at += 1;
        }
    }

    /// Codes a block that is like the pixel to its left; returns its pixels, 0 where there is none.
    #[inline(always)]
    fn blocks<C: Binary>(
        &mut self,
        coder: &mut C,
        row: &mut [u32],
        near: &Near,
        at: usize,
    ) -> usize {
        let is_large = (at - PAD).is_multiple_of(BLOCK);
        if is_large && self.block::<C, BLOCK>(coder, row, near, at) {
            return BLOCK;
        }
        match self.block::<C, SMALL_BLOCK>(coder, row, near, at) {
            true => SMALL_BLOCK,
            false => 0,
        }
    }

    #[inline(always)]
    fn block<C: Binary, const N: usize>(
        &mut self,
        coder: &mut C,
        row: &mut [u32],
        near: &Near,
        at: usize,
    ) -> bool {
        let fits = at + N <= PAD + self.extent.columns;
        if !fits || !all_are(&near.above[at - 1..at + N + 3], near.above[at]) {
            return false;
        }
        let left = row[at - 1];
        let is_before = self.extent.is_temporal && all_are(&near.before[at..at + N], left);
        let context = usize::from(left == near.above[at])
            | usize::from(is_before) << 1
            | usize::from(self.last_block) << 2;
        let block = &mut row[at..at + N];
        let chance = &mut self.few.blocks[usize::from(N == BLOCK)][context];
        self.last_block = answer(coder, chance, all_are(block, left));
        if self.last_block {
            block.fill(left);
        }
        self.last_block
    }

    #[inline(always)]
    fn pixel<C: Binary>(&mut self, coder: &mut C, row: &[u32], near: &Near, at: usize) -> u32 {
        let around = Around::of(row, near, at);
        let x = row[at];
        let (first, coarse) = around.first(self.extent.is_temporal);
        let (chance, coarse) = (
            &mut self.memory.first[first],
            &mut self.memory.coarse[coarse],
        );
        if chance.is_new() {
            *chance = *coarse;
        }
        let is_left = coder.code(*chance, x == around.w);
        chance.update(is_left);
        coarse.update(is_left);
        if is_left {
            return around.w;
        }
        let mut asked = [NONE; MOST_ASKED];
        asked[0] = around.w;
        let mut count = 1;
        let candidates = around.candidates(self.extent.is_temporal);
        for (which, &candidate) in candidates.iter().enumerate() {
            if count == MOST_ASKED || asked[..count].contains(&candidate) || candidate == NONE {
                continue;
            }
            let alike = candidates.iter().fold(0, |bits, &other| {
                bits << 1 | usize::from(other == candidate)
            });
            let context = (which << 3 | count) << CANDIDATES | alike;
            if answer(coder, &mut self.memory.next[context], x == candidate) {
                return candidate;
            }
            asked[count] = candidate;
            count += 1;
        }
        self.other(coder, x, &around, &asked[..count])
    }

    /// A label that no neighbour has.
    fn other<C: Binary>(&mut self, coder: &mut C, x: u32, around: &Around, asked: &[u32]) -> u32 {
        let hash = around.w.wrapping_mul(0x9E37_79B1) ^ around.n.wrapping_mul(0x85EB_CA6B);
        let place = (hash >> (u32::BITS - FOLLOWERS_BITS)) as usize;
        let followers = self.memory.followers[place];
        for (turn, follower) in followers.into_iter().enumerate() {
            if follower == NONE || asked.contains(&follower) {
                continue;
            }
            let context = 2 * turn + usize::from(around.w == around.n);
            if answer(coder, &mut self.few.followers[context], x == follower) {
                if turn > 0 {
                    self.memory.followers[place].swap(0, 1);
                }
                return follower;
            }
        }
        let next = self.highest.wrapping_add(1);
        let is_next = next <= self.max && answer(coder, &mut self.few.highest, x == next);
        let mut label = if is_next {
            next
        } else {
            self.distance(coder, x, around.w)
        };
        if label > self.max {
            self.is_damaged = true;
            label = 0;
        }
        self.highest = self.highest.max(label);
        self.memory.followers[place] = [label, followers[0]];
        label
    }

    /// A label by its distance from another: the number of bits of the distance, then those below its highest.
    fn distance<C: Binary>(&mut self, coder: &mut C, x: u32, from: u32) -> u32 {
        let signed = x.wrapping_sub(from) as i32;
        let folded = ((signed << 1) ^ (signed >> 31)) as u32;
        let mut node = 1;
        for bit in (0..5).rev() {
            let is_set = folded.max(1).ilog2() >> bit & 1 == 1;
            let is_set = answer(coder, &mut self.few.exponents[node], is_set);
            node = node << 1 | usize::from(is_set);
        }
        let exponent = (node - 32) as u32;
        let mut found = 1u32;
        for bit in (0..exponent).rev() {
            let is_set = folded >> bit & 1 == 1;
            let is_learnt = exponent - bit <= LEARNT_BITS;
            let is_set = match is_learnt {
                true => {
                    let chances = &mut self.few.mantissas[exponent as usize];
                    answer(
                        coder,
                        &mut chances[found as usize % (1 << LEARNT_BITS)],
                        is_set,
                    )
                }
                false => coder.code(Chance::HALF, is_set),
            };
            found = found << 1 | u32::from(is_set);
        }
        let signed = (found >> 1) as i32 ^ -((found & 1) as i32);
        from.wrapping_add(signed as u32)
    }
}

/// The rows around one.
struct Near<'a> {
    above: &'a [u32],
    above_2: &'a [u32],
    /// The row of the frame before, and the one below that.
    before: &'a [u32],
    before_below: &'a [u32],
}

fn all_are(labels: &[u32], label: u32) -> bool {
    labels
        .iter()
        .fold(0, |differences, &other| differences | (other ^ label))
        == 0
}

/// The pixels around one.
struct Around {
    w: u32,
    ww: u32,
    www: u32,
    n: u32,
    nw: u32,
    nww: u32,
    ne: u32,
    nee: u32,
    neee: u32,
    nn: u32,
    nnw: u32,
    nne: u32,
    p: u32,
    pe: u32,
    ps: u32,
}

impl Around {
    #[inline(always)]
    fn of(row: &[u32], near: &Near, at: usize) -> Self {
        Self {
            w: row[at - 1],
            ww: row[at - 2],
            www: row[at - 3],
            n: near.above[at],
            nw: near.above[at - 1],
            nww: near.above[at - 2],
            ne: near.above[at + 1],
            nee: near.above[at + 2],
            neee: near.above[at + 3],
            nn: near.above_2[at],
            nnw: near.above_2[at - 1],
            nne: near.above_2[at + 1],
            p: near.before[at],
            pe: near.before[at + 1],
            ps: near.before_below[at],
        }
    }

    /// Contexts of the question whether a pixel is like the one to the left, and the coarse one, lowest bit first:
    /// n, nw, ne, ww, nn like w; n like ne and nw; with earlier frames p like w, else nee like w. Then, in the fine one,
    /// nee, nww, nnw, nne, www, neee like w; n like nn; p and pe and ps like w, p like n.
    #[inline(always)]
    fn first(&self, is_temporal: bool) -> (usize, usize) {
        let w = self.w;
        let spatial = [
            self.n == w,
            self.nw == w,
            self.ne == w,
            self.ww == w,
            self.nn == w,
            self.n == self.ne,
            self.n == self.nw,
        ];
        let more = [
            self.nee == w,
            self.nww == w,
            self.nnw == w,
            self.nne == w,
            self.www == w,
            self.neee == w,
            self.n == self.nn,
        ];
        let later = [self.p == w, self.pe == w, self.ps == w, self.p == self.n];
        let coarse =
            bits(&spatial) | usize::from(if is_temporal { later[0] } else { more[0] }) << 7;
        let fine = bits(&spatial) | bits(&more) << 7;
        match is_temporal {
            true => (fine | bits(&later) << FIRST_BITS, coarse),
            false => (fine, coarse),
        }
    }

    #[inline(always)]
    fn candidates(&self, is_temporal: bool) -> [u32; CANDIDATES] {
        let p = if is_temporal { self.p } else { NONE };
        [self.n, self.ne, self.nw, p, self.nn, self.nee, self.ww]
    }
}

#[inline(always)]
fn bits(answers: &[bool]) -> usize {
    let bit = |(place, &yes): (usize, &bool)| usize::from(yes) << place;
    answers.iter().enumerate().map(bit).sum()
}
