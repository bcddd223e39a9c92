//! Lines of models with sides or bounds, predicted step by step: weighted sums, which keep fraction bits for the sides; bounds;
//! sides; and then the spreads, which are told how far bounds are from each other and sums from the middle of their step.

use super::predict_bounds::{self, Bounds};
use super::predict_history::{History, Walker};
use super::predict_model::Model;
use crate::kernels::predict::{self as kernels, padded};
use crate::kernels::predict_bounds::{MOST_BOUNDS, Within, bound, set_flat_apart};
use crate::kernels::predict_expect::{Cell, Expect, expect, expected_bins};

impl<C: Cell> Walker<'_, C> {
    /// Predicts a line and the spread of its residuals: sums keep fraction bits until sides are known, and spreads come after.
    pub(super) fn predict_in_steps(&mut self, line: usize) {
        let len = padded(self.lines.len(line));
        let mut predictions = std::mem::take(&mut self.history.predictions);
        let mut sides = std::mem::take(&mut self.history.sides);
        let mut distances = std::mem::take(&mut self.history.distances);
        let mut ranges = std::mem::take(&mut self.history.ranges);
        let mut bins = std::mem::take(&mut self.history.bins);
        let weights = &self.model.weights[self.set()];
        let neighbours = self.neighbours(line);
        let (fraction_bits, base) = match self.model.sides {
            true => (kernels::SIDE_BITS, &self.history.zeros[..]),
            false => (0, self.base(line)),
        };
        let e = Expect {
            shift: self.model.shift - fraction_bits,
            base,
            ..self.sums(line, &neighbours)
        };
        expect(self.level, &e, &mut predictions[..len], &mut bins[..len]);
        if self.model.bounds != Bounds::None {
            self.bound(line, &mut predictions[..len], &mut ranges[..len]);
        }
        if self.model.sides {
            kernels::sides(
                self.level,
                self.base(line),
                self.center,
                &mut predictions[..len],
                &mut sides[..len],
                &mut distances[..len],
            );
        }
        self.history.distances = distances;
        self.history.ranges = ranges;
        if self.has_spreads {
            let (spreads, count) = self.spreads(line);
            let neighbours = self.neighbours(line);
            let e = Expect {
                spreads: &spreads[..count],
                spread_weights: &weights.spreads[..count],
                ..self.sums(line, &neighbours)
            };
            expected_bins(self.level, &e, &predictions[..len], &mut bins[..len]);
            if self.model.bounds != Bounds::None {
                set_flat_apart(self.level, &self.history.ranges[..len], &mut bins[..len]);
            }
        }
        self.history.predictions = predictions;
        self.history.sides = sides;
        self.history.bins = bins;
    }

    /// Bounds the predictions of a line, or where there are sides the sums they are made of.
    fn bound(&self, line: usize, predictions: &mut [i32], ranges: &mut [C]) {
        let Model {
            order,
            bounds,
            low_bits,
            sides,
            ..
        } = *self.model;
        let first = self.lines.first(line) as isize;
        let mut near: [&[C]; MOST_BOUNDS] = [&[]; MOST_BOUNDS];
        let taps = predict_bounds::taps(order, bounds, self.later());
        for (slice, tap) in near.iter_mut().zip(taps) {
            let offset = self.lines.neighbour(tap.above.into(), tap.left.into());
            *slice = self.neighbour(tap.source, line as isize, first, offset);
        }
        let (base, fraction_bits) = match sides {
            true => (self.base(line), kernels::SIDE_BITS),
            false => (&self.history.zeros[..], 0),
        };
        let within = Within {
            near: &near[..taps.len()],
            base,
            fraction_bits,
            low_bits,
        };
        bound(self.level, &within, predictions, ranges);
    }

    /// Mirrors numbers of the line that was predicted last, or mirrors them back: what is likelier, one more or one less
    /// than the prediction, becomes one less.
    pub(crate) fn mirror(&self, numbers: &mut [i32]) {
        if self.model.sides {
            let History {
                predictions, sides, ..
            } = &*self.history;
            kernels::mirror(self.level, predictions, sides, numbers);
        }
    }
}
