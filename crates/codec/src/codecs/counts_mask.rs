//! Where a chunk has its special values: gaps between modules, dead pixels, whatever a detector marks with a number.
//!
//! Each special value has a *plane*: a byte for every group of 8 pixels of a row, ⌈columns/8⌉ groups, in which bit i is
//! set if pixel i from the left has the value. A row of a plane is predicted:
//!
//! * in a frame after the first: the same row of the frame before;
//! * in the first frame, row 0: no pixel; else from the row above, u, and the one above that, u₂ (u in row 1): 255 where
//!   u is 255, else u & u₂. So a gap goes on, and so does a column; an isolated pixel does not.
//!
//! The *mode* of a row says what is made of that:
//!
//! | mode | row of the plane |
//! |---|---|
//! | 0 | the prediction |
//! | 1 | the prediction exclusive-or a coded residual |
//! | 2 | every pixel of the row |
//! | 3 | a coded residual |
//!
//! The residuals of a plane are coded in one level (`entropy/bernoulli.rs`), each in its row, by the model.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | number of special values, at most 4; the next three fields for each |
//! | 1, 2 or 4 | the value, a word |
//! | 1 | level of its residuals |
//! | | modes, see below |
//!
//! The modes of all rows of the chunk are one byte that says how they are written, and then: 0: nothing, all are 0; 1:
//! four to a byte, the first in the low bits; 2: runs, each a LEB128 number of mode + 4 · (rows − 1).

use super::counts_numbers::{Reader, write_number};
use crate::Error;
use crate::entropy::bernoulli::{LEVELS, level_for, probability};
use crate::kernels::counts as kernel;
use crate::kernels::counts_rows as rows;
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// Special values of a chunk, at most.
pub(crate) const MAX_SPECIALS: usize = 4;

const PREDICTED: u8 = 0;
const CORRECTED: u8 = 1;
const FULL: u8 = 2;
const ANEW: u8 = 3;

const ALL_PREDICTED: u8 = 0;
const PACKED: u8 = 1;
const RUNS: u8 = 2;

/// The planes of a chunk while its rows are coded one after the other.
#[derive(Default)]
pub(crate) struct Masks {
    /// Those of the chunk first; the others keep memory of chunks before.
    planes: Vec<Plane>,
    count: usize,
    rows: usize,
    columns: usize,
}

/// One special value.
#[derive(Default)]
struct Plane {
    value: u32,
    level: u8,
    /// One per row of the chunk.
    modes: Vec<u8>,
    /// The rows of a frame, each as it was coded last.
    bytes: Vec<u8>,
    /// Encoder: the residuals of the rows that have one, in order.
    residuals: Vec<u8>,
    residual_ones: u64,
}

impl Masks {
    /// Forgets everything and keeps the memory.
    fn begin(&mut self, count: usize, rows: usize, columns: usize) {
        self.rows = rows;
        self.columns = columns;
        self.count = count;
        if self.planes.len() < count {
            self.planes.resize_with(count, Plane::default);
        }
        let bytes = rows * self.groups();
        for plane in &mut self.planes[..count] {
            plane.bytes.clear();
            plane.bytes.resize(bytes, 0);
            plane.modes.clear();
            plane.residuals.clear();
            plane.residual_ones = 0;
        }
    }

    fn groups(&self) -> usize {
        self.columns.div_ceil(8)
    }

    /// Number of special values.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The level of the residuals of plane `plane`.
    pub(crate) fn level(&self, plane: usize) -> u8 {
        self.planes[plane].level
    }

    /// Whether row `row` of the chunk has a residual in plane `plane`.
    pub(crate) fn has_residual(&self, plane: usize, row: usize) -> bool {
        matches!(self.planes[plane].modes[row], CORRECTED | ANEW)
    }

    /// Row `row` of a plane, after [`Masks::put_row`] or [`Masks::take`].
    pub(crate) fn plane_row(&self, plane: usize, row: usize) -> &[u8] {
        let groups = self.groups();
        let start = row % self.rows * groups;
        &self.planes[plane].bytes[start..start + groups]
    }

    /// Writes the special values into a decoded row.
    pub(crate) fn apply<W: Word>(&self, row: usize, words: &mut [W]) {
        for plane in 0..self.count {
            let value = W::new(self.planes[plane].value);
            kernel::fill_masked(self.plane_row(plane, row), value, words);
        }
    }

    /// The same in words that are little-endian bytes.
    pub(crate) fn apply_to_bytes<W: Word>(&self, row: usize, words: &mut [u8]) {
        for plane in 0..self.count {
            let value = W::new(self.planes[plane].value);
            rows::put_masked(Level::best(), self.plane_row(plane, row), value, words);
        }
    }

    /// Bits of the first pixels of a row that a group beyond the last pixel does not have.
    fn last_group(&self) -> u8 {
        let filled = self.columns % 8;
        if filled == 0 { 255 } else { (1 << filled) - 1 }
    }
}

/// The prediction for a row into `predicted`, given the planes of its frame so far and the frame before.
fn predict(bytes: &[u8], rows: usize, row: usize, predicted: &mut [u8]) {
    let groups = predicted.len();
    let (frame, y) = (row / rows, row % rows);
    let row_of = |y: usize| &bytes[y * groups..][..groups];
    if frame > 0 {
        predicted.copy_from_slice(row_of(y));
    } else if y == 0 {
        predicted.fill(0);
    } else {
        let (above, further) = (row_of(y - 1), row_of(y.saturating_sub(2)));
        kernel::continue_masks(Level::best(), above, further, predicted);
    }
}

/// Encoding: rows in order, then [`Masks::write`], then residuals in any order.
impl Masks {
    /// Begins a chunk of frames of `rows` and `columns` with these special values.
    pub(crate) fn begin_encoding(&mut self, values: &[u32], rows: usize, columns: usize) {
        self.begin(values.len(), rows, columns);
        for (plane, &value) in self.planes.iter_mut().zip(values) {
            plane.value = value;
        }
    }

    /// Takes the special values out of the next row: their words become 0.
    pub(crate) fn take<W: Word>(&mut self, row: usize, words: &mut [W], scratch: &mut Vec<u8>) {
        let groups = self.groups();
        let last_group = self.last_group();
        let level = Level::best();
        scratch.resize(10 * groups, 0);
        let (flags, scratch) = scratch.split_at_mut(8 * groups);
        let (found, predicted) = scratch.split_at_mut(groups);
        for plane in &mut self.planes[..self.count] {
            rows::take_equal(level, words, W::new(plane.value), flags, found);
            predict(&plane.bytes, self.rows, row, predicted);
            plane.choose_mode(found, predicted, last_group);
            plane.bytes[row % self.rows * groups..][..groups].copy_from_slice(found);
        }
    }

    /// Appends what a decoder needs to know before the first row.
    pub(crate) fn write(&mut self, word_bytes: usize, bytes: &mut Vec<u8>) {
        bytes.push(self.count as u8);
        for plane in &mut self.planes[..self.count] {
            let bits = 8.0 * plane.residuals.len() as f64;
            plane.level = level_for(plane.residual_ones as f64, bits);
            bytes.extend(&plane.value.to_le_bytes()[..word_bytes]);
            bytes.push(plane.level);
            write_modes(&plane.modes, bytes);
        }
    }

    /// About how many bits the residuals take, once [`Masks::write`] has chosen levels.
    pub(crate) fn residual_bits(&self) -> f64 {
        let bits_of = |plane: &Plane| {
            let bits = 8.0 * plane.residuals.len() as f64;
            let ones = plane.residual_ones as f64;
            -ones * probability(plane.level).log2()
                - (bits - ones) * (1.0 - probability(plane.level)).log2()
        };
        self.planes[..self.count].iter().map(bits_of).sum()
    }

    /// The residual of the last row that has one, which is then forgotten.
    pub(crate) fn pop_residual(&mut self, plane: usize, residual: &mut [u8]) {
        let residuals = &mut self.planes[plane].residuals;
        let rest = residuals.len() - residual.len();
        residual.copy_from_slice(&residuals[rest..]);
        residuals.truncate(rest);
    }
}

impl Plane {
    fn choose_mode(&mut self, found: &[u8], predicted: &[u8], last_group: u8) {
        if found == predicted {
            self.modes.push(PREDICTED);
            return;
        }
        let (last, others) = found.split_last().unwrap_or((&0, &[]));
        if *last == last_group && others.iter().all(|&group| group == 255) {
            self.modes.push(FULL);
            return;
        }
        let level = Level::best();
        let corrected = kernel::differing_bits(level, found, predicted);
        let anew = kernel::bits_set(level, found);
        if corrected <= anew {
            self.modes.push(CORRECTED);
            self.residuals
                .extend(found.iter().zip(predicted).map(|(a, b)| a ^ b));
        } else {
            self.modes.push(ANEW);
            self.residuals.extend(found);
        }
        self.residual_ones += corrected.min(anew);
    }
}

fn write_modes(modes: &[u8], bytes: &mut Vec<u8>) {
    if modes.iter().all(|&mode| mode == PREDICTED) {
        bytes.push(ALL_PREDICTED);
        return;
    }
    let start = bytes.len();
    bytes.push(RUNS);
    for run in modes.chunk_by(|a, b| a == b) {
        write_number((run.len() as u64 - 1) << 2 | u64::from(run[0]), bytes);
    }
    if bytes.len() - start > 1 + modes.len().div_ceil(4) {
        bytes.truncate(start);
        bytes.push(PACKED);
        let pack = |four: &[u8]| four.iter().rev().fold(0, |packed, mode| packed << 2 | mode);
        bytes.extend(modes.chunks(4).map(pack));
    }
}

/// Decoding: [`Masks::read`], then for each row the residuals it has, and [`Masks::put_row`].
impl Masks {
    /// Reads the special values of a chunk of so many frames.
    pub(crate) fn read(
        &mut self,
        reader: &mut Reader,
        word_bytes: usize,
        (frames, rows, columns): (usize, usize, usize),
    ) -> Result<(), Error> {
        let count = usize::from(reader.byte()?);
        if count > MAX_SPECIALS {
            return Err(reader.damaged("too many special values"));
        }
        self.begin(count, rows, columns);
        for plane in &mut self.planes[..count] {
            let mut value = [0; 4];
            value[..word_bytes].copy_from_slice(reader.bytes(word_bytes)?);
            let level = reader.byte()?;
            if usize::from(level) >= LEVELS {
                return Err(reader.damaged("level of a mask out of range"));
            }
            plane.value = u32::from_le_bytes(value);
            plane.level = level;
            read_modes(reader, frames * rows, &mut plane.modes)?;
        }
        Ok(())
    }

    /// Makes row `row` of plane `plane`, with the residual where it has one.
    pub(crate) fn put_row(&mut self, plane: usize, row: usize, residual: &[u8]) {
        let (groups, rows, last_group) = (self.groups(), self.rows, self.last_group());
        let Plane { modes, bytes, .. } = &mut self.planes[plane];
        let mode = modes[row];
        let (frame, start) = (row / rows, row % rows * groups);
        if frame > 0 && mode == PREDICTED {
            return;
        }
        let (above, at_and_below) = bytes.split_at_mut(start);
        let made = &mut at_and_below[..groups];
        if frame == 0 && matches!(mode, PREDICTED | CORRECTED) && start > 0 {
            let u = &above[start - groups..];
            let u2 = &above[start.saturating_sub(2 * groups)..][..groups];
            kernel::continue_masks(Level::best(), u, u2, made);
        }
        match mode {
            CORRECTED => {
                for (made, residual) in made.iter_mut().zip(residual) {
                    *made ^= residual;
                }
            }
            FULL => {
                made.fill(255);
                made[groups - 1] = last_group;
            }
            ANEW => made.copy_from_slice(residual),
            _ => {}
        }
        made[groups - 1] &= last_group;
    }
}

fn read_modes(reader: &mut Reader, rows: usize, modes: &mut Vec<u8>) -> Result<(), Error> {
    match reader.byte()? {
        ALL_PREDICTED => modes.resize(rows, PREDICTED),
        PACKED => {
            let packed = reader.bytes(rows.div_ceil(4))?;
            let mode = |row: usize| packed[row / 4] >> (row % 4 * 2) & 3;
            modes.extend((0..rows).map(mode));
        }
        RUNS => {
            while modes.len() < rows {
                let run = reader.number()?;
                let len = (run >> 2) + 1;
                if len > (rows - modes.len()) as u64 {
                    return Err(reader.damaged("modes of more rows than there are"));
                }
                modes.resize(modes.len() + len as usize, run as u8 & 3);
            }
        }
        _ => return Err(reader.damaged("unknown way to write row modes")),
    }
    Ok(())
}
