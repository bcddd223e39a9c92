//! The predictor as it walks over the lines of all frames: what it remembers, expects and is told.
//!
//! For each line in turn, [`Predictor::predict`] gives predictions and bins of expected spread, then
//! [`Predictor::leave`] takes the numbers. Neighbours outside the frame:
//!
//! * beside a line, its first or last number is repeated;
//! * before the first line of a frame come 16 lines equal to the first line of the frame before; in the first frame,
//!   lines of the model's starting number with spreads of zero. On diagonals the first line is one number;
//! * in earlier frames, before the first line comes the first and after the last comes the last.
//!
//! What is remembered of a number is its prediction and the residual, limited to the model's largest distance. Running
//! means move 1, 1/2, 1/3 … 1/8 of the way to each frame, and have four fraction bits. Lines of the mean before the
//! current one hold the current frame already.

use super::predict_fit::Samples;
use super::predict_lines::{Extent, Lines};
use super::predict_model::{self, MAX_SPREADS, MAX_TAPS, Model, Source, base, spread_taps, taps};
use crate::entropy::indices::grow;
use crate::kernels::levels::Level;
use crate::kernels::predict::{self as kernels, BLOCK, Left, padded};

/// Lines of the current frame that are remembered: three rows above and a column to the left are 13 diagonals back.
const RING: usize = 16;
/// Numbers repeated on both sides of a line.
const PAD: usize = 4;
/// 256 / n: how far running means move towards frame n.
const GAINS: [i32; 8] = [256, 128, 85, 64, 51, 43, 37, 32];
const MEAN_BITS: u32 = 4;
/// Every so many numbers of a line are a sample.
const SAMPLE_STEP: usize = 7;

/// Memory of a predictor, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct History {
    values: Vec<i32>,
    spreads: Vec<i32>,
    averages: Vec<i32>,
    roots: Vec<i32>,
    zeros: Vec<i32>,
    predictions: Vec<i32>,
    /// Where the model has them: −1 for predictions that were rounded down, otherwise 0.
    sides: Vec<i32>,
    distances: Vec<i32>,
    bins: Vec<u8>,
    /// The first line of the frame before: values, then spreads.
    first_line: Vec<i32>,
    before: Vec<i32>,
    incoming: Vec<i32>,
    fine_means: Vec<i32>,
    means: Vec<i32>,
    spread_means: Vec<i32>,
    /// Where position 0 of each line is, or would be, in the five above.
    origins: Vec<isize>,
}

/// See the module.
pub(super) struct Predictor<'a> {
    pub(crate) model: &'a Model,
    pub(crate) lines: Lines,
    level: Level,
    history: &'a mut History,
    pitch: usize,
    /// Where position 0 of each line in the ring is, or would be.
    starts: [isize; RING],
    /// How many lines back and positions along each neighbour is.
    offsets: [(isize, isize); MAX_TAPS],
    frame: usize,
}

impl<'a> Predictor<'a> {
    /// `None` where the frames are too small for the model.
    pub(crate) fn new(model: &'a Model, extent: &Extent, history: &'a mut History) -> Option<Self> {
        let lines = Lines::new(model.order, extent)?;
        let line = padded(lines.longest());
        let pitch = line + 2 * PAD + BLOCK;
        grow(&mut history.values, RING * pitch);
        grow(&mut history.spreads, RING * pitch);
        grow(&mut history.averages, lines.positions() + BLOCK);
        for scratch in [
            &mut history.roots,
            &mut history.zeros,
            &mut history.predictions,
            &mut history.sides,
            &mut history.distances,
        ] {
            grow(scratch, line);
        }
        grow(&mut history.bins, line);
        grow(&mut history.first_line, 2 * pitch);
        if model.temporal {
            let mut end = PAD;
            history.origins.clear();
            for index in 0..lines.count() {
                history
                    .origins
                    .push(end as isize - lines.first(index) as isize);
                end += lines.len(index) + 2 * PAD;
            }
            for frame in [
                &mut history.before,
                &mut history.incoming,
                &mut history.fine_means,
                &mut history.means,
                &mut history.spread_means,
            ] {
                grow(frame, end + BLOCK);
            }
            history.fine_means[..end].fill(0);
            history.spread_means[..end].fill(0);
        }
        history.averages[..lines.positions()].fill(0);
        history.zeros[..line].fill(0);
        history.first_line[..pitch].fill(model.start);
        history.first_line[pitch..2 * pitch].fill(0);
        let mut offsets = [(0, 0); MAX_TAPS];
        for (offset, tap) in offsets.iter_mut().zip(taps(model.order, true)) {
            *offset = lines.neighbour(tap.above.into(), tap.left.into());
        }
        Some(Self {
            model,
            lines,
            level: Level::best(),
            history,
            pitch,
            starts: [0; RING],
            offsets,
            frame: 0,
        })
    }

    /// Prepares for the lines of a frame; frames come in order.
    pub(crate) fn begin_frame(&mut self, frame: usize) {
        self.frame = frame;
        self.starts = std::array::from_fn(|slot| (slot * self.pitch + PAD) as isize);
        let history = &mut *self.history;
        let (values, spreads) = history.first_line.split_at(self.pitch);
        for line in history.values[..RING * self.pitch].chunks_exact_mut(self.pitch) {
            line.copy_from_slice(values);
        }
        for line in history.spreads[..RING * self.pitch].chunks_exact_mut(self.pitch) {
            line.copy_from_slice(&spreads[..self.pitch]);
        }
        if frame > 0 {
            std::mem::swap(&mut history.before, &mut history.incoming);
        }
    }

    /// Which set of weights the current frame has.
    pub(crate) fn set(&self) -> usize {
        usize::from(self.later())
    }

    fn later(&self) -> bool {
        self.model.later(self.frame)
    }

    /// Where the number at a position is, in a line of the ring.
    fn in_ring(&self, line: isize, position: isize) -> usize {
        (self.starts[line as usize % RING] + position) as usize
    }

    /// Where the number at a position is, in a line of an earlier frame.
    fn in_frame(&self, line: isize, position: isize) -> usize {
        let origins = &self.history.origins;
        let line = (line.max(0) as usize).min(origins.len() - 1);
        (origins[line] + position) as usize
    }

    /// Where the first number of a line is, in an earlier frame.
    fn place(&self, line: usize) -> usize {
        self.in_frame(line as isize, self.lines.first(line) as isize)
    }

    /// The neighbours of a line, in their order.
    fn neighbours(&self, line: usize) -> [&[i32]; MAX_TAPS] {
        let mut slices: [&[i32]; MAX_TAPS] = [&[]; MAX_TAPS];
        let first = self.lines.first(line) as isize;
        let taps = taps(self.model.order, self.later());
        for ((slice, tap), &offset) in slices.iter_mut().zip(taps).zip(&self.offsets) {
            *slice = self.neighbour(tap.source, line as isize, first, offset);
        }
        slices
    }

    /// One neighbour of a line, whose first position is given.
    #[inline(always)]
    fn neighbour(
        &self,
        source: Source,
        line: isize,
        first: isize,
        (back, along): (isize, isize),
    ) -> &[i32] {
        let (line, position) = (line - back, first + along);
        match source {
            Source::Frame => &self.history.values[self.in_ring(line, position)..],
            Source::Before => &self.history.before[self.in_frame(line, position)..],
            Source::Mean => &self.history.means[self.in_frame(line, position)..],
        }
    }

    /// The spreads that are looked at for a line, after its roots are known, and their number.
    pub(crate) fn spreads(&self, line: usize) -> ([&[i32]; MAX_SPREADS], usize) {
        let first = self.lines.first(line);
        let mut slices: [&[i32]; MAX_SPREADS] = [&[]; MAX_SPREADS];
        let near = spread_taps(self.model.order);
        for (slice, &(above, left)) in slices.iter_mut().zip(near) {
            let (back, along) = self.lines.neighbour(above.into(), left.into());
            let at = self.in_ring(line as isize - back, first as isize + along);
            *slice = &self.history.spreads[at..];
        }
        slices[near.len()] = &self.history.averages[first..];
        slices[near.len() + 1] = &self.history.roots;
        if self.later() {
            let at = self.place(line);
            slices[near.len() + 2] = &self.history.spread_means[at..];
        }
        let count = predict_model::spreads(self.model, self.set());
        if self.model.sides {
            slices[count - 1] = &self.history.distances;
        }
        (slices, count)
    }

    /// Predicts a line and the spread of its residuals.
    pub(crate) fn predict(&mut self, line: usize) {
        let len = padded(self.lines.len(line));
        let mut predictions = std::mem::take(&mut self.history.predictions);
        let mut sides = std::mem::take(&mut self.history.sides);
        let mut distances = std::mem::take(&mut self.history.distances);
        let mut roots = std::mem::take(&mut self.history.roots);
        let mut bins = std::mem::take(&mut self.history.bins);
        let weights = &self.model.weights[self.set()];
        let neighbours = self.neighbours(line);
        let base = self.base(line);
        let count = taps(self.model.order, self.later()).len();
        let (start, shift) = if self.model.sides {
            (
                &self.history.zeros[..],
                self.model.shift - kernels::SIDE_BITS,
            )
        } else {
            (base, self.model.shift)
        };
        kernels::predict(
            self.level,
            &neighbours[..count],
            &weights.taps[..count],
            weights.bias,
            shift,
            start,
            &mut predictions[..len],
        );
        if self.model.sides {
            kernels::sides(
                self.level,
                base,
                &mut predictions[..len],
                &mut sides[..len],
                &mut distances[..len],
            );
        }
        kernels::roots(self.level, &predictions[..len], &mut roots[..len]);
        self.history.roots = roots;
        self.history.distances = distances;
        let (spreads, count) = self.spreads(line);
        kernels::bins(
            self.level,
            &spreads[..count],
            &weights.spreads[..count],
            weights.spread_bias,
            &mut bins[..len],
        );
        self.history.predictions = predictions;
        self.history.sides = sides;
        self.history.bins = bins;
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

    /// Predictions of the line that was predicted last.
    pub(crate) fn predictions(&self, len: usize) -> &[i32] {
        &self.history.predictions[..len]
    }

    /// Bins of expected spread of the line that was predicted last.
    pub(crate) fn bins(&self, len: usize) -> &[u8] {
        &self.history.bins[..len]
    }

    /// What the predictions of a line are corrections to: it stands for numbers that are not coded.
    pub(crate) fn base(&self, line: usize) -> &[i32] {
        let base = base(self.model.order, self.later());
        match taps(self.model.order, self.later()).get(base) {
            Some(tap) => {
                let first = self.lines.first(line) as isize;
                self.neighbour(tap.source, line as isize, first, self.offsets[base])
            }
            None => &self.history.zeros,
        }
    }

    /// Adds samples of the line that was predicted last: of what is looked at, and the spread that is found.
    pub(crate) fn sample_spreads(&self, line: usize, numbers: &[i32], samples: &mut Samples) {
        let (slices, count) = self.spreads(line);
        for i in (line % SAMPLE_STEP..numbers.len()).step_by(SAMPLE_STEP) {
            let residual = numbers[i].wrapping_sub(self.history.predictions[i]);
            let features = slices[..count].iter().map(|slice| slice[i] as f32);
            samples.push(
                features,
                kernels::spread(residual, self.model.low_bits) as f32,
            );
        }
    }

    /// Takes the numbers of the line that was predicted last.
    pub(crate) fn leave(&mut self, line: usize, numbers: &[i32]) {
        let len = numbers.len();
        let first = self.lines.first(line);
        let slot = line % RING;
        self.starts[slot] = (slot * self.pitch + PAD) as isize - first as isize;
        let at = self.in_ring(line as isize, first as isize);
        let history = &mut *self.history;
        kernels::leave(
            self.level,
            numbers,
            &history.predictions[..len],
            self.model.limit,
            self.model.low_bits,
            Left {
                values: &mut history.values[at..at + len],
                spreads: &mut history.spreads[at..at + len],
            },
        );
        repeat_ends(&mut history.values[at - PAD..at + len + PAD]);
        repeat_ends(&mut history.spreads[at - PAD..at + len + PAD]);
        kernels::blur(
            self.level,
            &history.spreads[at - 2..at + len + 2],
            &mut history.averages[first..first + len],
        );
        if line == 0 {
            let numbers = at - PAD..at - PAD + self.pitch;
            let (values, spreads) = history.first_line.split_at_mut(self.pitch);
            values.copy_from_slice(&history.values[numbers.clone()]);
            spreads[..self.pitch].copy_from_slice(&history.spreads[numbers]);
            values[PAD + len..].fill(history.values[at + len - 1]);
            spreads[PAD + len..self.pitch].fill(history.spreads[at + len - 1]);
        }
        if self.model.temporal {
            self.remember(line, at, len);
        }
    }

    /// Keeps a line, which the ring has at `at`, for the frames after this one.
    fn remember(&mut self, line: usize, at: usize, len: usize) {
        let place = self.place(line);
        let history = &mut *self.history;
        let gain = GAINS[self.frame.min(GAINS.len() - 1)];
        let inner = place..place + len;
        let outer = place - PAD..place + len + PAD;
        history.incoming[outer.clone()].copy_from_slice(&history.values[at - PAD..at + len + PAD]);
        kernels::average(
            self.level,
            &history.values[at..at + len],
            MEAN_BITS,
            gain,
            &mut history.fine_means[inner.clone()],
        );
        kernels::rounded(
            self.level,
            &history.fine_means[inner.clone()],
            MEAN_BITS,
            &mut history.means[inner.clone()],
        );
        repeat_ends(&mut history.means[outer.clone()]);
        kernels::average(
            self.level,
            &history.spreads[at..at + len],
            0,
            gain,
            &mut history.spread_means[inner],
        );
        repeat_ends(&mut history.spread_means[outer]);
    }
}

/// Repeats the first and last number of a line on both sides.
fn repeat_ends(line: &mut [i32]) {
    let end = line.len() - PAD;
    let (first, last) = (line[PAD], line[end - 1]);
    line[..PAD].fill(first);
    line[end..].fill(last);
}
