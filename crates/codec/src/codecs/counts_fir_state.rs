//! The rows above the one that is coded, in numbers of 32 bits: what weights are learnt from, and what large values need.

use super::counts_fir::{Model, Scale};
use crate::kernels::counts::GROUP;
use crate::kernels::counts_fir::{self as kernel, Above, HALO};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// The rows above, and what they make expect.
#[derive(Default)]
pub(crate) struct State {
    /// V₁, V₂ and V₃, each with its halo.
    rows: [Vec<i32>; 3],
    /// C with its halo.
    columns: Vec<i32>,
    /// Of the row: e of `fir`, base of `variance`.
    pub(super) estimates: Vec<i32>,
    pub(super) bins: Vec<u8>,
}

impl State {
    /// Begins a frame.
    pub(super) fn begin(&mut self, columns: usize) {
        for row in self.rows.iter_mut().chain([&mut self.columns]) {
            row.clear();
            row.resize(columns + 2 * HALO, 0);
        }
        self.estimates.resize(columns, 0);
        self.bins.resize(columns, 0);
    }

    pub(super) fn above(&self) -> Above<'_> {
        Above {
            rows: [&self.rows[0], &self.rows[1], &self.rows[2]],
            columns: &self.columns,
        }
    }

    /// Sets estimates and bins of the next row.
    pub(super) fn expect(&mut self, level: Level, model: &Model) {
        kernel::around(level, &self.columns, &mut self.estimates);
        let mut estimates = std::mem::take(&mut self.estimates);
        kernel::estimate(level, self.above(), &model.weights, &mut estimates);
        self.estimates = estimates;
        match model.scale {
            Scale::Roots => kernel::root_bins(level, &self.estimates, &mut self.bins),
            Scale::Values { limit } => {
                kernel::value_bins(level, &mut self.estimates, limit, &mut self.bins);
            }
        }
    }

    /// For want of weights, the row above is what special pixels are taken for.
    pub(super) fn expect_above(&mut self, scale: Scale) {
        let inner = &self.rows[0][HALO..];
        for (estimate, &above) in self.estimates.iter_mut().zip(inner) {
            *estimate = match scale {
                Scale::Roots => above << 8,
                Scale::Values { .. } => above,
            };
        }
    }

    /// Takes the row that was expected, the special pixels of which have a bit in `special`.
    pub(super) fn learn<W: Word>(
        &mut self,
        level: Level,
        (scale, origin): (Scale, u32),
        words: &[W],
        special: &[u8],
    ) {
        self.rows.rotate_right(1);
        let row = &mut self.rows[0];
        let inner = &mut row[HALO..HALO + words.len()];
        let origin = W::new(origin);
        match scale {
            Scale::Roots => kernel::roots(level, words, origin, inner),
            Scale::Values { limit } => kernel::values(level, words, origin, limit, inner),
        }
        for ((&bits, states), estimates) in special
            .iter()
            .zip(inner.chunks_mut(GROUP))
            .zip(self.estimates.chunks(GROUP))
            .filter(|((bits, _), _)| **bits != 0)
        {
            for (i, (state, &estimate)) in states.iter_mut().zip(estimates).enumerate() {
                if bits >> i & 1 == 1 {
                    *state = match scale {
                        Scale::Roots => (estimate >> 8).clamp(0, 1024),
                        Scale::Values { .. } => estimate,
                    };
                }
            }
        }
        let gain = match scale {
            Scale::Roots => 3,
            Scale::Values { .. } => 6,
        };
        repeat_ends(row);
        kernel::follow(level, row, gain, &mut self.columns);
    }
}

/// Makes the halo the first and the last pixel.
fn repeat_ends(row: &mut [i32]) {
    let last = row.len() - HALO - 1;
    let (first, end) = (row[HALO], row[last]);
    row[..HALO].fill(first);
    row[last + 1..].fill(end);
}
