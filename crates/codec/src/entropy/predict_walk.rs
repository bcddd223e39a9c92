//! The predictor: a [`Walker`] with cells of 16 bits for as long as all numbers are near to each other, then one with
//! cells of 32 bits. The predictions of both are the same.

use super::bit_stream::BitReader;
use super::predict_fit::Samples;
use super::predict_history::{History, Walker};
use super::predict_lines::{Extent, Lines};
use super::predict_model::Model;
use super::predict_single::Cells;
use crate::Error;
use crate::kernels::levels::Level;
use crate::kernels::predict_expect::is_narrow_faster;

/// Memory of a predictor, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct Histories {
    wide: History<i32>,
    narrow: History<i16>,
}

/// See the module.
pub(super) struct Predictor<'a> {
    pub(crate) lines: Lines,
    walk: Walk<'a>,
    /// Memory to go on with where a number is no cell of 16 bits.
    spare: Option<&'a mut History<i32>>,
}

enum Walk<'a> {
    Narrow(Walker<'a, i16>),
    Wide(Walker<'a, i32>),
}

/// Runs `$body` with `$walker` standing for the walker.
macro_rules! walker {
    ($walk:expr, $walker:ident => $body:expr) => {
        match $walk {
            Walk::Narrow($walker) => $body,
            Walk::Wide($walker) => $body,
        }
    };
}

/// What the numbers of a chunk are supposed to be near to, after the first one; `None` where they are to be cells of 32
/// bits. Means of numbers far beyond 16 bits wrap, and would not if a center were taken from them.
fn center(model: &Model) -> Option<i32> {
    const K: i32 = 1 << 10;
    match model.start {
        // Most have a type of 16 bits; with a limit, what is remembered may be a little negative.
        0..48_000 if model.limit < i32::MAX => Some(30 * K),
        0..65_536 => Some(32 * K),
        -16_000..0 => Some(0),
        _ => None,
    }
}

impl<'a> Predictor<'a> {
    /// `None` where the frames are too small for the model. Without spreads all bins are zero.
    pub(crate) fn new(
        model: &'a Model,
        extent: &Extent,
        has_spreads: bool,
        histories: &'a mut Histories,
    ) -> Option<Self> {
        let is_narrow = is_narrow_faster(Level::best());
        let center = center(model).filter(|_| is_narrow);
        Self::with_center(model, extent, center, has_spreads, histories)
    }

    fn with_center(
        model: &'a Model,
        extent: &Extent,
        center: Option<i32>,
        has_spreads: bool,
        histories: &'a mut Histories,
    ) -> Option<Self> {
        let Histories { wide, narrow } = histories;
        let (walk, spare) = match center {
            Some(center) => {
                let walker = Walker::new(model, extent, (center, has_spreads), narrow)?;
                (Walk::Narrow(walker), Some(wide))
            }
            None => {
                let walker = Walker::new(model, extent, (0, has_spreads), wide)?;
                (Walk::Wide(walker), None)
            }
        };
        Some(Self {
            lines: walker!(&walk, walker => walker.lines),
            walk,
            spare,
        })
    }

    /// Prepares for the lines of a frame; frames come in order.
    pub(crate) fn begin_frame(&mut self, frame: usize) {
        walker!(&mut self.walk, walker => walker.begin_frame(frame));
    }

    /// Which set of weights the current frame has.
    pub(crate) fn set(&self) -> usize {
        walker!(&self.walk, walker => walker.set())
    }

    /// Predicts a line and the spread of its residuals.
    pub(crate) fn predict(&mut self, line: usize) {
        walker!(&mut self.walk, walker => walker.predict(line));
    }

    /// Predictions of the line that was predicted last.
    pub(crate) fn predictions(&self, len: usize) -> &[i32] {
        walker!(&self.walk, walker => walker.predictions(len))
    }

    /// Bins of expected spread of the line that was predicted last.
    pub(crate) fn bins(&self, len: usize) -> &[u8] {
        walker!(&self.walk, walker => walker.bins(len))
    }

    /// What the predictions of a line are corrections to: it stands for numbers that are not coded.
    pub(crate) fn put_base(&self, line: usize, numbers: &mut [i32]) {
        walker!(&self.walk, walker => walker.put_base(line, numbers));
    }

    /// Mirrors numbers of the line that was predicted last, or mirrors them back: what is likelier, one more or one less
    /// than the prediction, becomes one less.
    pub(crate) fn mirror(&self, numbers: &mut [i32]) {
        walker!(&self.walk, walker => walker.mirror(numbers));
    }

    /// Adds every `step`-th number of the line that was predicted last to samples: what is looked at, and the spread that
    /// is found.
    pub(crate) fn sample_spreads(
        &self,
        line: usize,
        step: usize,
        numbers: &[i32],
        samples: &mut Samples,
    ) {
        walker!(&self.walk, walker => walker.sample_spreads(line, step, numbers, samples));
    }

    /// Without spreads: the numbers of a line of known symbols and low bits, which is remembered; `None` where it has to be
    /// predicted and left.
    pub(crate) fn correct(
        &mut self,
        line: usize,
        symbols: &[u8],
        lows: &[u8],
        large: &mut BitReader,
    ) -> Result<Option<Cells<'_>>, Error> {
        match &mut self.walk {
            Walk::Narrow(walker) => walker.correct(line, symbols, lows, large),
            Walk::Wide(_) => Ok(None),
        }
    }

    /// Takes the numbers of the line that was predicted last.
    pub(crate) fn leave(&mut self, line: usize, numbers: &[i32]) {
        let are_cells = walker!(&mut self.walk, walker => walker.leave(line, numbers));
        if !are_cells && let Some(wide) = self.spare.take() {
            if let Walk::Narrow(walker) = &self.walk {
                self.walk = Walk::Wide(walker.widened(wide));
            }
            walker!(&mut self.walk, walker => walker.leave(line, numbers));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::predict_bounds::Bounds;
    use super::super::predict_lines::Order;
    use super::super::predict_model::{MAX_SPREADS, Weights, taps};
    use super::*;

    fn model(order: Order, temporal: bool, (sides, bounds): (bool, Bounds), limit: i32) -> Model {
        let mut weights = [Weights::NONE; 2];
        for (set, weights) in weights.iter_mut().enumerate() {
            for i in 0..taps(order, set == 1).len() {
                weights.taps[i] = [900, -350, 200, -777, 10][i % 5];
            }
            weights.bias = 8000;
            for i in 0..MAX_SPREADS {
                weights.spreads[i] = [300, 200, -50, 400][i % 4];
            }
        }
        Model {
            order,
            temporal,
            sides,
            bounds,
            low_bits: if sides { 0 } else { 2 },
            shift: 14,
            start: 1000,
            limit,
            weights,
        }
    }

    /// Noise, and after a while a number that is no cell of 16 bits.
    fn numbers(seed: usize, len: usize, outlier: bool) -> Vec<i32> {
        let number = |i: usize| {
            let mixed = (seed * 1000 + i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            1000 + (mixed >> 54) as i32
        };
        let mut numbers: Vec<i32> = (0..len).map(number).collect();
        numbers[len / 2] += if outlier { 100_000 } else { 0 };
        numbers
    }

    /// Predictions and bins of all lines.
    fn walk(model: &Model, center: Option<i32>, has_spreads: bool) -> (Vec<i32>, Vec<u8>) {
        let extent = Extent {
            frames: 3,
            rows: 23,
            columns: 150,
        };
        let mut histories = Histories::default();
        let predictor = Predictor::with_center(model, &extent, center, has_spreads, &mut histories);
        let mut predictor = predictor.unwrap();
        let (mut predictions, mut bins) = (Vec::new(), Vec::new());
        for frame in 0..extent.frames {
            predictor.begin_frame(frame);
            for line in 0..predictor.lines.count() {
                let len = predictor.lines.len(line);
                predictor.predict(line);
                predictions.extend(predictor.predictions(len));
                bins.extend(predictor.bins(len));
                let outlier = (frame, line) == (1, 17);
                predictor.leave(line, &numbers(100 * frame + line, len, outlier));
            }
        }
        assert!(
            matches!(predictor.walk, Walk::Wide(_))
                == (model.limit == i32::MAX || center.is_none())
        );
        (predictions, bins)
    }

    #[test]
    fn cells_of_16_bits_predict_what_those_of_32_bits_do_and_become_them() {
        let orders = [Order::Flat, Order::Rows, Order::Diagonals];
        let kinds = [
            (false, Bounds::None),
            (true, Bounds::None),
            (false, Bounds::Frame),
            (true, Bounds::Frames),
        ];
        for (order, kind) in orders
            .iter()
            .flat_map(|&order| kinds.map(|kind| (order, kind)))
        {
            for (temporal, limit) in [(false, i32::MAX), (true, i32::MAX), (true, 900)] {
                let model = model(order, temporal, kind, limit);
                let (predictions, bins) = walk(&model, None, true);
                for center in [0, 24 << 10, 30_000] {
                    let narrow = walk(&model, Some(center), true);
                    assert!(
                        narrow == (predictions.clone(), bins.clone()),
                        "{model:?} {center}"
                    );
                    let (found, zeros) = walk(&model, Some(center), false);
                    assert!(found == predictions && zeros.iter().all(|&bin| bin == 0));
                }
            }
        }
    }
}
