//! Lines of a payload with one context: nothing is to be known of a line before its symbols are decoded, so that residuals
//! become numbers and what is remembered of them in one pass over cells of 16 bits.
//!
//! It gives what [`Walker::predict`] and [`Walker::leave`] give. Where a number or a residual does not have 16 bits, the line is left
//! to those.

use super::bit_stream::BitReader;
use super::predict_bits::read_residuals;
use super::predict_bounds::Bounds;
use super::predict_history::Walker;
use crate::Error;
use crate::kernels::predict::DIRECT;
use crate::kernels::predict_correct::{MOST_LOW_BITS, NO_LIMIT, correct, residuals};

/// The cells of a line, and what they lack.
pub(super) struct Cells<'a> {
    pub(super) center: i32,
    pub(super) numbers: &'a [i16],
}

impl Walker<'_, i16> {
    /// The numbers of a line of known symbols and low bits, which is remembered. `None` where it is left to others: then nothing
    /// has changed but the place of the line.
    pub(super) fn correct(
        &mut self,
        line: usize,
        symbols: &[u8],
        lows: &[u8],
        large: &mut BitReader,
    ) -> Result<Option<Cells<'_>>, Error> {
        let low_bits = self.model.low_bits;
        let in_steps = self.model.sides || self.model.bounds != Bounds::None;
        if in_steps || low_bits > MOST_LOW_BITS {
            return Ok(None);
        }
        let len = symbols.len();
        let line_residuals = &mut self.history.residuals[..len];
        let largest = residuals(self.level, symbols, low_bits, lows, line_residuals);
        let before = (u32::from(largest) >= DIRECT).then(|| large.clone());
        let have_16_bits =
            before.is_none() || read_residuals(large, symbols, low_bits, line_residuals)?;
        if have_16_bits && self.step(line, len) {
            return Ok(Some(Cells {
                center: self.center,
                numbers: &self.history.numbers[..len],
            }));
        }
        if let Some(before) = before {
            *large = before;
        }
        Ok(None)
    }

    /// Numbers from residuals. False where one is no cell.
    fn step(&mut self, line: usize, len: usize) -> bool {
        let mut numbers = std::mem::take(&mut self.history.numbers);
        let mut remembered = std::mem::take(&mut self.history.remembered);
        let limit = self.model.limit;
        let neighbours = self.neighbours(line);
        let sums = self.sums(line, &neighbours);
        let (line_residuals, level) = (&self.history.residuals, self.level);
        let are_cells = correct(
            level,
            &sums,
            limit,
            line_residuals,
            len,
            &mut numbers,
            &mut remembered,
        );
        if are_cells {
            let at = self.begin_line(line);
            let kept = if limit < NO_LIMIT {
                &remembered
            } else {
                &numbers
            };
            self.history.values[at..at + len].copy_from_slice(&kept[..len]);
            self.keep(line, at, len);
        }
        self.history.numbers = numbers;
        self.history.remembered = remembered;
        are_cells
    }
}
