//! What is remembered of the lines of all frames, and what is expected of the next one.
//!
//! For each line in turn, [`Walker::predict`] gives predictions and bins of expected spread, then [`Walker::leave`]
//! takes the numbers. Neighbours outside the frame:
//!
//! * beside a line, its first or last number is repeated;
//! * before the first line of a frame come 16 lines equal to the first line of the frame before; in the first frame,
//!   lines of the model's starting number with spreads of zero. On diagonals the first line is one number;
//! * in earlier frames, before the first line comes the first and after the last comes the last.
//!
//! What is remembered of a number is its prediction and the residual, limited to the model's largest distance. Running
//! means move 1, 1/2, 1/3 … 1/8 of the way to each frame, and have four fraction bits. Lines of the mean before the
//! current one hold the current frame already.
//!
//! Numbers are remembered as cells of 32 bits, or of 16 bits without a center that all are near to.

use super::predict_bounds::Bounds;
use super::predict_fit::Samples;
use super::predict_lines::{Extent, Lines};
use super::predict_model::{self, MAX_SPREADS, MAX_TAPS, Model, Source, base, spread_taps, taps};
use crate::entropy::indices::grow;
use crate::kernels::levels::Level;
use crate::kernels::predict::{self as kernels, BLOCK, Left, padded};
use crate::kernels::predict_expect::{Cell, Expect, expect};

/// Lines of the current frame that are remembered: three rows above and a column to the left are 13 diagonals back.
const RING: usize = 16;
/// Numbers repeated on both sides of a line.
const PAD: usize = 4;
/// 256 / n: how far running means move towards frame n.
const GAINS: [i32; 8] = [256, 128, 85, 64, 51, 43, 37, 32];
const MEAN_BITS: u32 = 4;

/// Memory of a walker, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct History<C> {
    pub(super) values: Vec<C>,
    /// A line of residuals, of its numbers and of what is remembered of them, where there are no spreads.
    pub(super) residuals: Vec<C>,
    pub(super) numbers: Vec<C>,
    pub(super) remembered: Vec<C>,
    spreads: Vec<C>,
    averages: Vec<C>,
    pub(super) zeros: Vec<C>,
    pub(super) predictions: Vec<i32>,
    /// Where the model has them: −1 for predictions that were rounded down, otherwise 0.
    pub(super) sides: Vec<i32>,
    pub(super) distances: Vec<C>,
    /// Where the model has bounds: spreads of how far they are from each other.
    pub(super) ranges: Vec<C>,
    pub(super) bins: Vec<u8>,
    /// The first line of the frame before: values, then spreads.
    first_line: Vec<C>,
    before: Vec<C>,
    incoming: Vec<C>,
    fine_means: Vec<i32>,
    means: Vec<C>,
    spread_means: Vec<C>,
    /// Where position 0 of each line is, or would be, in the five above.
    origins: Vec<isize>,
}

/// See the module.
pub(super) struct Walker<'a, C> {
    pub(crate) model: &'a Model,
    pub(crate) lines: Lines,
    pub(super) level: Level,
    pub(super) history: &'a mut History<C>,
    /// What cells leave out of numbers.
    pub(super) center: i32,
    pitch: usize,
    /// Where position 0 of each line in the ring is, or would be.
    starts: [isize; RING],
    /// How many lines back and positions along each neighbour is.
    offsets: [(isize, isize); MAX_TAPS],
    /// Those that have a weight in the current frame, and these weights.
    looked_at: [(Source, (isize, isize)); MAX_TAPS],
    weights: [i32; MAX_TAPS],
    count: usize,
    frame: usize,
    /// Whether spreads are of interest: with one context, they are not.
    pub(super) has_spreads: bool,
    /// Bias of the prediction, and what the cells lack: each product of one lacks that of the center.
    bias: i32,
}

impl<'a, C: Cell> Walker<'a, C> {
    /// `None` where the frames are too small for the model.
    pub(crate) fn new(
        model: &'a Model,
        extent: &Extent,
        (center, has_spreads): (i32, bool),
        history: &'a mut History<C>,
    ) -> Option<Self> {
        let lines = Lines::new(model.order, extent)?;
        let line = padded(lines.longest());
        let pitch = line + 2 * PAD + BLOCK;
        grow(&mut history.values, RING * pitch);
        grow(&mut history.spreads, RING * pitch);
        grow(&mut history.averages, lines.positions() + BLOCK);
        grow(&mut history.zeros, line);
        grow(&mut history.residuals, line);
        grow(&mut history.numbers, line);
        grow(&mut history.remembered, line);
        grow(&mut history.predictions, line);
        grow(&mut history.sides, line);
        grow(&mut history.distances, line);
        grow(&mut history.ranges, line);
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
                &mut history.means,
                &mut history.spread_means,
            ] {
                grow(frame, end + BLOCK);
            }
            grow(&mut history.fine_means, end + BLOCK);
            history.fine_means[..end].fill(0);
            history.spread_means[..end].fill(C::default());
        }
        history.averages[..lines.positions()].fill(C::default());
        history.bins.fill(0);
        history.zeros[..line].fill(C::of(center.wrapping_neg()));
        history.first_line[..pitch].fill(C::of(model.start.wrapping_sub(center)));
        history.first_line[pitch..2 * pitch].fill(C::default());
        let mut offsets = [(0, 0); MAX_TAPS];
        for (offset, tap) in offsets.iter_mut().zip(taps(model.order, true)) {
            *offset = lines.neighbour(tap.above.into(), tap.left.into());
        }
        Some(Self {
            model,
            lines,
            level: Level::best(),
            history,
            center,
            pitch,
            starts: [0; RING],
            offsets,
            looked_at: [(Source::Frame, (0, 0)); MAX_TAPS],
            weights: [0; MAX_TAPS],
            count: 0,
            frame: 0,
            has_spreads,
            bias: 0,
        })
    }

    /// Prepares for the lines of a frame; frames come in order.
    pub(crate) fn begin_frame(&mut self, frame: usize) {
        self.frame = frame;
        let weights = &self.model.weights[self.set()];
        let sum = weights
            .taps
            .iter()
            .fold(0, |sum: i32, &weight| sum.wrapping_add(weight));
        self.bias = weights.bias.wrapping_add(sum.wrapping_mul(self.center));
        let taps = taps(self.model.order, self.later()).iter();
        let parts = taps.zip(&self.offsets).zip(&weights.taps);
        self.count = 0;
        for ((tap, &offset), &weight) in parts.filter(|&(_, &weight)| weight != 0) {
            self.looked_at[self.count] = (tap.source, offset);
            self.weights[self.count] = weight;
            self.count += 1;
        }
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

    pub(super) fn later(&self) -> bool {
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

    /// The neighbours of a line that have a weight, in their order.
    #[inline(always)]
    pub(super) fn neighbours(&self, line: usize) -> [&[C]; MAX_TAPS] {
        let mut slices: [&[C]; MAX_TAPS] = [&[]; MAX_TAPS];
        let first = self.lines.first(line) as isize;
        for (slice, &(source, offset)) in slices.iter_mut().zip(&self.looked_at[..self.count]) {
            *slice = self.neighbour(source, line as isize, first, offset);
        }
        slices
    }

    /// One neighbour of a line, whose first position is given.
    #[inline(always)]
    pub(super) fn neighbour(
        &self,
        source: Source,
        line: isize,
        first: isize,
        (back, along): (isize, isize),
    ) -> &[C] {
        let (line, position) = (line - back, first + along);
        match source {
            Source::Frame => &self.history.values[self.in_ring(line, position)..],
            Source::Before => &self.history.before[self.in_frame(line, position)..],
            Source::Mean => &self.history.means[self.in_frame(line, position)..],
        }
    }

    /// The spreads that are looked at for a line, and their number. Nothing is in the place of roots, [`Self::root`].
    pub(super) fn spreads(&self, line: usize) -> ([&[C]; MAX_SPREADS], usize) {
        let first = self.lines.first(line);
        let mut slices: [&[C]; MAX_SPREADS] = [&[]; MAX_SPREADS];
        let near = spread_taps(self.model.order);
        for (slice, &(above, left)) in slices.iter_mut().zip(near) {
            let (back, along) = self.lines.neighbour(above.into(), left.into());
            let at = self.in_ring(line as isize - back, first as isize + along);
            *slice = &self.history.spreads[at..];
        }
        slices[near.len()] = &self.history.averages[first..];
        if self.later() {
            let at = self.place(line);
            slices[near.len() + 2] = &self.history.spread_means[at..];
        }
        let count = predict_model::spreads(self.model, self.set());
        let sides = usize::from(self.model.sides);
        if self.model.bounds != Bounds::None {
            slices[count - 1 - sides] = &self.history.ranges;
        }
        if self.model.sides {
            slices[count - 1] = &self.history.distances;
        }
        (slices, count)
    }

    /// Which of the spreads is the root of the prediction.
    fn root(&self) -> usize {
        spread_taps(self.model.order).len() + 1
    }

    /// What the predictions of a line are sums of, where its neighbours are these; no spreads.
    pub(super) fn sums<'b>(
        &'b self,
        line: usize,
        neighbours: &'b [&'b [C]; MAX_TAPS],
    ) -> Expect<'b, C> {
        let weights = &self.model.weights[self.set()];
        Expect {
            taps: &neighbours[..self.count],
            weights: &self.weights[..self.count],
            bias: self.bias,
            shift: self.model.shift,
            base: self.base(line),
            center: self.center,
            spreads: &[],
            spread_weights: &[],
            spread_bias: weights.spread_bias,
            root: self.root(),
        }
    }

    /// Predicts a line and the spread of its residuals.
    pub(crate) fn predict(&mut self, line: usize) {
        if self.model.sides || self.model.bounds != Bounds::None {
            return self.predict_in_steps(line);
        }
        let len = padded(self.lines.len(line));
        let mut predictions = std::mem::take(&mut self.history.predictions);
        let mut bins = std::mem::take(&mut self.history.bins);
        let weights = &self.model.weights[self.set()];
        let neighbours = self.neighbours(line);
        let (spreads, mut spread_count) = self.spreads(line);
        if !self.has_spreads {
            spread_count = 0;
        }
        let e = Expect {
            spreads: &spreads[..spread_count],
            spread_weights: &weights.spreads[..spread_count],
            ..self.sums(line, &neighbours)
        };
        expect(self.level, &e, &mut predictions[..len], &mut bins[..len]);
        self.history.predictions = predictions;
        self.history.bins = bins;
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
    pub(super) fn base(&self, line: usize) -> &[C] {
        let base = base(self.model.order, self.later());
        match taps(self.model.order, self.later()).get(base) {
            Some(tap) => {
                let first = self.lines.first(line) as isize;
                self.neighbour(tap.source, line as isize, first, self.offsets[base])
            }
            None => &self.history.zeros,
        }
    }

    /// The same as numbers.
    pub(crate) fn put_base(&self, line: usize, numbers: &mut [i32]) {
        for (number, cell) in numbers.iter_mut().zip(self.base(line)) {
            *number = cell.get().wrapping_add(self.center);
        }
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
        let (slices, count) = self.spreads(line);
        for i in (line % step..numbers.len()).step_by(step) {
            let prediction = self.history.predictions[i];
            let residual = numbers[i].wrapping_sub(prediction);
            let feature = |(place, slice): (usize, &&[C])| {
                if place == self.root() {
                    kernels::root(prediction) as f32
                } else {
                    slice[i].get() as f32
                }
            };
            samples.push(
                slices[..count].iter().enumerate().map(feature),
                kernels::spread(residual, self.model.low_bits) as f32,
            );
        }
    }

    /// Takes the numbers of the line that was predicted last. False where one of them is no cell: then nothing but the
    /// place of the line has changed.
    pub(crate) fn leave(&mut self, line: usize, numbers: &[i32]) -> bool {
        let len = numbers.len();
        let first = self.lines.first(line);
        let at = self.begin_line(line);
        let history = &mut *self.history;
        let spreads = if self.has_spreads { len } else { 0 };
        let are_cells = kernels::leave(
            self.level,
            numbers,
            &history.predictions[..len],
            self.model.limit,
            self.model.low_bits,
            Left {
                values: &mut history.values[at..at + len],
                center: self.center,
                spreads: &mut history.spreads[at..at + spreads],
            },
        );
        if !are_cells {
            return false;
        }
        if self.has_spreads {
            repeat_ends(&mut history.spreads[at - PAD..at + len + PAD]);
            kernels::blur(
                self.level,
                &history.spreads[at - 2..at + len + 2],
                &mut history.averages[first..first + len],
            );
        }
        self.keep(line, at, len);
        true
    }

    /// Puts a line in its place in the ring and returns where its first number goes.
    pub(super) fn begin_line(&mut self, line: usize) -> usize {
        let first = self.lines.first(line);
        let slot = line % RING;
        self.starts[slot] = (slot * self.pitch + PAD) as isize - first as isize;
        self.in_ring(line as isize, first as isize)
    }

    /// Keeps the numbers of a line, which the ring has at `at`, for what comes after.
    pub(super) fn keep(&mut self, line: usize, at: usize, len: usize) {
        let history = &mut *self.history;
        repeat_ends(&mut history.values[at - PAD..at + len + PAD]);
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
        if self.has_spreads {
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
}

impl<'a> Walker<'a, i16> {
    /// The same with cells of 32 bits, in `wide`.
    pub(crate) fn widened(&self, wide: &'a mut History<i32>) -> Walker<'a, i32> {
        let (history, center) = (&*self.history, self.center);
        let values = |cells: &[i16], wide: &mut Vec<i32>| {
            wide.clear();
            wide.extend(cells.iter().map(|&cell| i32::from(cell) + center));
        };
        let spreads = |cells: &[i16], wide: &mut Vec<i32>| {
            wide.clear();
            wide.extend(cells.iter().map(|&cell| i32::from(cell)));
        };
        values(&history.values, &mut wide.values);
        values(&history.first_line[..self.pitch], &mut wide.first_line);
        let first_spreads = history.first_line[self.pitch..].iter();
        wide.first_line
            .extend(first_spreads.map(|&cell| i32::from(cell)));
        values(&history.before, &mut wide.before);
        values(&history.incoming, &mut wide.incoming);
        values(&history.means, &mut wide.means);
        values(&history.zeros, &mut wide.zeros);
        spreads(&history.spreads, &mut wide.spreads);
        spreads(&history.averages, &mut wide.averages);
        spreads(&history.distances, &mut wide.distances);
        spreads(&history.ranges, &mut wide.ranges);
        spreads(&history.spread_means, &mut wide.spread_means);
        wide.fine_means.clear();
        let center_of_means = center << MEAN_BITS;
        let fine_means = history.fine_means.iter();
        wide.fine_means
            .extend(fine_means.map(|&mean| mean + center_of_means));
        wide.origins.clone_from(&history.origins);
        wide.predictions.clone_from(&history.predictions);
        wide.sides.clone_from(&history.sides);
        wide.bins.clone_from(&history.bins);
        Walker {
            model: self.model,
            lines: self.lines,
            level: self.level,
            history: wide,
            center: 0,
            pitch: self.pitch,
            starts: self.starts,
            offsets: self.offsets,
            looked_at: self.looked_at,
            weights: self.weights,
            count: self.count,
            frame: self.frame,
            has_spreads: self.has_spreads,
            bias: self.model.weights[self.set()].bias,
        }
    }
}

/// Repeats the first and last number of a line on both sides.
fn repeat_ends<C: Cell>(line: &mut [C]) {
    let end = line.len() - PAD;
    let (first, last) = (line[PAD], line[end - 1]);
    line[..PAD].fill(first);
    line[end..].fill(last);
}
