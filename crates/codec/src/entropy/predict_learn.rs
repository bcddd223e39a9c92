//! What the encoder learns from a chunk: what to look at, and the weights of a [`Model`].
//!
//! Weights of neighbours are fitted at pixels drawn from the whole chunk, the same ones for each kind of model; the kind
//! with the smallest residuals is taken, and a simpler kind unless the other one gains enough ([`Choice`]). Weights of spreads are
//! then fitted on residuals of a few small parts of the chunk, over which the predictor walks as it will over the whole.

use super::bands::Bands;
use super::predict_bounds::{Bounds, Pixels};
use super::predict_choice::Choice;
use super::predict_fit::{Samples, refined};
use super::predict_judge::{self, Judge};
use super::predict_lines::{Extent, FEWEST_COLUMNS, Order};
use super::predict_measure::{Bits, bits_of, median};
use super::predict_model::{
    MAX_TAPS, MOST_SHIFT, Model, Source, Tap, Weights, base, spreads, taps,
};
use super::predict_parts::{Parts, Place};
use super::predict_walk::{Histories, Predictor};
use crate::kernels::predict::SIDE_BITS;
use crate::kernels::predict_fit::WIDTH;

/// Samples per weight set.
const MOST_SAMPLES: usize = 4_000;
const FEWEST_SAMPLES: usize = 800;
/// The fewest where numbers stand for others, of a chunk whose model will have more.
const FEWEST_FOR_OTHERS: usize = 2000;
/// Numbers that are drawn for a sample, at most: special ones are none.
const MOST_DRAWN: usize = 4;
/// A sample for so many numbers.
const NUMBERS_PER_SAMPLE: usize = 128;
/// Samples in a run, and columns between them: what they need from memory is near.
const RUN: usize = 8;
const RUN_STEP: usize = 2;
/// Rows and columns that neighbours are away at most.
const REACH: usize = 3;
/// Frames over which the mean is formed again for a sample: earlier ones count for less than a tenth.
const FRAMES_OF_MEAN: usize = 16;
/// Samples of spreads that are wanted.
const SPREAD_SAMPLES: usize = 8_000;
/// Numbers of a line between samples, at least.
const LEAST_SPREAD_STEP: usize = 5;
/// Every so many residuals are looked at to see whether limits help.
const BITS_STEP: usize = 3;
/// One of so many residuals is far.
const FAR: usize = 256;
/// Sides are of use where typical residuals are below this: of larger ones they save less than a hundredth.
const MOST_OF_SIDES: f32 = 2.5;
const SPREAD_ONE: f64 = 1024.0;
/// Mean magnitude of a normal distribution for one median.
const MEAN_OF_MEDIAN: f32 = 1.18;
/// Where typical residuals are below, the median says less than the mean, because most counts are 0.
const LEAST_TYPICAL: f32 = 3.0;
/// Remembered numbers may be so many typical residuals away from their prediction, where limits help.
const LIMIT: f32 = 4.0;
/// Limits have to save this fraction.
const LIMIT_WORTH: f64 = 0.003;

/// Memory of the learner, kept from chunk to chunk.
#[derive(Default)]
pub(crate) struct Memory {
    /// Of frames without an earlier one, and with.
    drawn: [Vec<Drawn>; 2],
    samples: Samples,
    /// Of spreads without and with a limit, of both kinds of frames.
    tried: [[Samples; 2]; 2],
    residuals: Vec<f32>,
    bounded: Vec<f32>,
    magnitudes: Vec<f32>,
    line: Vec<i32>,
    judge: predict_judge::Memory,
}

/// A pixel and its neighbours.
pub(super) struct Drawn {
    own: f32,
    /// The same as a difference from the first neighbour, and the other neighbours likewise.
    difference: f32,
    pub(crate) near: [f32; MAX_TAPS],
}

/// The model for `numbers`, of which there are as many as `extent` says; those with a kind are special and not coded.
pub(super) fn learn(
    (numbers, kinds): (&[i32], Option<&[u8]>),
    extent: &Extent,
    (choice, bands): (Choice, Bands),
    memory: &mut Memory,
    histories: &mut Histories,
) -> Model {
    let learner = Learner {
        numbers,
        kinds,
        extent,
        bands,
    };
    let orders = [Order::Flat, Order::Rows, Order::Diagonals];
    let is_considered = |order: &Order| choice.allows(*order, extent) && learner.suits(*order);
    let widest = orders.into_iter().rfind(is_considered);
    let widest = widest.unwrap_or(Order::Flat);
    let has_later = extent.frames > 1 && widest != Order::Flat && choice.temporal != Some(false);
    for later in 0..=usize::from(has_later) {
        learner.draw(widest, later == 1, &mut memory.drawn[later]);
    }
    let mut best: [Option<(f64, Kind)>; 2] = [None; 2];
    for order in orders.into_iter().filter(is_considered) {
        let first = learner.fit((order, widest), false, memory);
        let is_alone = !has_later || order == Order::Flat;
        let mut consider = |first: Fit, later: Option<Fit>| {
            let kind = Kind {
                order,
                first,
                later,
            };
            let best = &mut best[usize::from(kind.bounds() != Bounds::None)];
            let bits = kind.bits(choice, extent.frames as f64);
            if best.is_none_or(|(least, _)| bits < choice.least_bits(order, least)) {
                *best = Some((bits, kind));
            }
        };
        if is_alone || choice.temporal.is_none() {
            consider(first.free, None);
            first.bounded.inspect(|&bounded| consider(bounded, None));
        }
        if !is_alone {
            let later = learner.fit((order, widest), true, memory);
            consider(first.free, Some(later.free));
            let first = first.bounded.unwrap_or(first.free);
            later
                .bounded
                .inspect(|&bounded| consider(first, Some(bounded)));
        }
    }
    let [free, bounded] = best;
    let (bits, kind) = match free {
        Some((bits, kind)) => (bits, learner.with_fewer(kind, widest, choice, memory)),
        None => {
            let kind = Kind {
                order: Order::Flat,
                first: learner.fit((Order::Flat, widest), false, memory).free,
                later: None,
            };
            (f64::INFINITY, kind)
        }
    };
    let start = numbers.first().copied().unwrap_or(0);
    let mut finished = |kind: Kind| {
        let mut model = kind.model(choice, start);
        learner.refine(&mut model, kind.typical(), memory, histories);
        model
    };
    let free = finished(kind);
    let bounded = bounded.filter(|&(least, _)| least < bits);
    let bounded = bounded.map(|(_, kind)| finished(kind));
    let judge = Judge {
        numbers,
        kinds,
        extent,
        bands,
        choice,
    };
    match bounded {
        Some(bounded) if judge.is_worth(&bounded, &free, &mut memory.judge, histories) => bounded,
        _ => free,
    }
}

/// Weights of one kind of frame, with and without bounds of predictions.
#[derive(Clone, Copy)]
struct Fits {
    free: Fit,
    bounded: Option<Fit>,
}

/// Weights of one kind of frame.
#[derive(Clone, Copy)]
struct Fit {
    /// Of the neighbours; then the constant.
    weights: [f64; WIDTH],
    /// Bits per number, but for a constant.
    bits: f64,
    /// The same, but finer, so that they differ where most residuals are below 1.
    fine_bits: f64,
    /// The median magnitude of residuals.
    typical: f32,
    /// The magnitude that few are above, one in [`FAR`].
    far: f32,
    bounds: Bounds,
}

impl Fit {
    /// What residuals tell.
    fn of(residuals: &[f32], magnitudes: &mut Vec<f32>) -> Self {
        let count = residuals.len();
        let residuals = residuals.iter();
        let typical = median(residuals.clone().map(|x| x.abs()), magnitudes);
        let rank = count - 1 - count / FAR;
        let far = magnitudes.select_nth_unstable_by(rank, f32::total_cmp);
        Self {
            bounds: Bounds::None,
            weights: [0.0; WIDTH],
            bits: bits_of(residuals.clone().copied()) / count as f64,
            fine_bits: bits_of(residuals.map(|residual| 4.0 * residual)) / count as f64,
            typical,
            far: *far.1,
        }
    }
}

/// A kind of model.
#[derive(Clone, Copy)]
struct Kind {
    order: Order,
    first: Fit,
    later: Option<Fit>,
}

impl Kind {
    fn bounds(&self) -> Bounds {
        self.later.unwrap_or(self.first).bounds
    }

    /// The bits per number of so many frames, and what the time is worth that they take.
    fn bits(&self, choice: Choice, frames: f64) -> f64 {
        let first = self.first;
        let bits = match self.later {
            None => (first.bits, first.fine_bits),
            Some(later) => {
                let of_all = |later: f64, first: f64| (later * (frames - 1.0) + first) / frames;
                (
                    of_all(later.bits, first.bits),
                    of_all(later.fine_bits, first.fine_bits),
                )
            }
        };
        choice.priced(bits, self.order, self.later.is_some())
    }

    /// About the mean magnitude of residuals, few large ones left out.
    fn typical(&self) -> f32 {
        self.later.unwrap_or(self.first).typical * MEAN_OF_MEDIAN
    }

    /// The model with weights as integers: of the finest step at which all fit, and so that they sum to zero over the
    /// neighbours and the base itself.
    fn model(&self, choice: Choice, start: i32) -> Model {
        let fits = [Some(self.first), self.later];
        let integers = |shift: u32| {
            let mut sets = [Weights::NONE; 2];
            for (set, fit) in fits.iter().enumerate() {
                let Some(fit) = fit else { continue };
                sets[set] = integer_weights(self.order, set == 1, fit, shift)?;
            }
            Some((shift, sets))
        };
        let (shift, weights) = (0..=MOST_SHIFT)
            .rev()
            .find_map(integers)
            .unwrap_or((0, [Weights::NONE; 2]));
        let typical = self.typical();
        Model {
            order: self.order,
            temporal: self.later.is_some(),
            bounds: self.bounds(),
            sides: self.order != Order::Flat && typical < MOST_OF_SIDES && shift >= SIDE_BITS,
            low_bits: choice.low_bits(typical, self.later.unwrap_or(self.first).far),
            shift,
            start,
            limit: i32::MAX,
            weights,
        }
    }
}

fn integer_weights(order: Order, later: bool, fit: &Fit, shift: u32) -> Option<Weights> {
    let one = f64::from(1u32 << shift);
    let mut weights = Weights::NONE;
    let count = taps(order, later).len();
    let mut sum = 0i32;
    for (integer, weight) in weights.taps[..count].iter_mut().zip(fit.weights) {
        let rounded = (weight * one).round();
        if rounded.abs() > f64::from(i16::MAX) {
            return None;
        }
        *integer = rounded as i32;
        sum += *integer;
    }
    if count > 0 {
        let base = &mut weights.taps[base(order, later)];
        *base -= sum;
        if i16::try_from(*base).is_err() {
            return None;
        }
    }
    let half = f64::from((1u32 << shift) / 2);
    weights.bias = (fit.weights[count] * one + half).round() as i32;
    Some(weights)
}

struct Learner<'a> {
    numbers: &'a [i32],
    kinds: Option<&'a [u8]>,
    extent: &'a Extent,
    bands: Bands,
}

impl Learner<'_> {
    fn suits(&self, order: Order) -> bool {
        let Extent { rows, columns, .. } = *self.extent;
        order != Order::Diagonals || (columns >= 4 * FEWEST_COLUMNS && rows >= 4)
    }

    /// Draws pixels with the neighbours of an order.
    fn draw(&self, order: Order, later: bool, drawn: &mut Vec<Drawn>) {
        let Extent {
            frames,
            rows,
            columns,
        } = *self.extent;
        let taps = taps(order, later);
        let fewest = match self.bands {
            Bands::NONE => FEWEST_SAMPLES,
            _ => FEWEST_FOR_OTHERS,
        };
        let wanted = (self.numbers.len() / NUMBERS_PER_SAMPLE).clamp(fewest, MOST_SAMPLES);
        let mut random = 0x9E37_79B9_7F4A_7C15u64;
        let mut near = [0; MAX_TAPS];
        drawn.clear();
        let mut tried = 0;
        while tried < MOST_DRAWN * wanted && drawn.len() + RUN <= wanted {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let draw = |end: usize, shift: u32| {
                let bits = (random >> shift) & 0x1f_ffff;
                (bits as usize * end) >> 21
            };
            let frame = usize::from(later) + draw(frames - usize::from(later), 43);
            let (y, start) = (self.bands.within(draw(rows, 22)), draw(columns, 1));
            for step in 0..RUN {
                let x = (start + RUN_STEP * step) % columns;
                let pixel = (frame * rows + y) * columns + x;
                tried += 1;
                let is_special = self.kinds.is_some_and(|kinds| kinds[pixel] > 0);
                // The last ones are taken as they are, so that there are some.
                if is_special && tried <= (MOST_DRAWN - 1) * wanted {
                    continue;
                }
                self.neighbours(taps, frame, (y, x), &mut near);
                let own = self.numbers[pixel];
                let difference = |x: i32| x.wrapping_sub(near[0]) as f32;
                drawn.push(Drawn {
                    own: own as f32,
                    difference: difference(own),
                    near: near.map(difference),
                });
            }
        }
    }

    /// Fits the weights of neighbours for one kind of frame, where pixels have been drawn for another order.
    fn fit(&self, (order, drawn): (Order, Order), later: bool, memory: &mut Memory) -> Fits {
        let of_drawn = taps(drawn, later);
        let taps = taps(order, later);
        let count = taps.len();
        let base = base(order, later);
        sample(memory, (of_drawn, taps), base, later);
        let samples = &mut memory.samples;
        let targets = samples.targets(count).map(f32::abs);
        let typical = median(targets, &mut memory.magnitudes);
        let weights = if order == Order::Flat {
            let targets = samples.targets(count);
            let mut weights = [0.0; WIDTH];
            weights[0] = f64::from(median(targets, &mut memory.magnitudes));
            weights
        } else {
            samples.fit(count, 0.5 * typical + 0.5)
        };
        samples.residuals(count, &weights, &mut memory.residuals);
        let magnitudes = memory.residuals.iter().map(|residual| residual.abs());
        let typical = median(magnitudes, &mut memory.magnitudes);
        let is_refined = order != Order::Flat && typical >= LEAST_TYPICAL;
        let weights = match is_refined {
            true => refined(samples, count, weights, &mut memory.residuals),
            false => weights,
        };
        let pixels = Pixels {
            pixels: &memory.drawn[usize::from(later)],
            taps: of_drawn,
            later,
        };
        let (residuals, bounded) = (&memory.residuals, &mut memory.bounded);
        let targets = memory.samples.targets(count);
        let bounds = pixels.bound(order, targets, residuals, bounded);
        let mut fit = |bounds: Bounds, residuals: &[f32]| Fit {
            bounds,
            weights,
            ..Fit::of(residuals, &mut memory.magnitudes)
        };
        Fits {
            free: fit(Bounds::None, residuals),
            bounded: (bounds != Bounds::None).then(|| fit(bounds, bounded)),
        }
    }

    /// The same kind with weights of zero for neighbours that hardly count. Where most residuals are near 0, squares tell
    /// little about bits.
    fn with_fewer(
        &self,
        mut kind: Kind,
        drawn: Order,
        choice: Choice,
        memory: &mut Memory,
    ) -> Kind {
        let fits = [Some(&mut kind.first), kind.later.as_mut()];
        for (later, fit) in [false, true].into_iter().zip(fits) {
            let Some(fit) = fit else { continue };
            let growth = choice.growth_for_fewer(fit.bits);
            let suits = fit.typical >= LEAST_TYPICAL;
            if kind.order != Order::Flat && suits && growth > 0.0 {
                let (of_drawn, taps) = (taps(drawn, later), taps(kind.order, later));
                sample(memory, (of_drawn, taps), base(kind.order, later), later);
                memory.samples.scale(taps.len(), 0.5 * fit.typical + 0.5);
                fit.weights = memory.samples.fewer(taps.len(), &fit.weights, growth);
            }
        }
        kind
    }

    /// The numbers at the neighbours of a pixel.
    fn neighbours(
        &self,
        taps: &[Tap],
        frame: usize,
        (y, x): (usize, usize),
        near: &mut [i32; MAX_TAPS],
    ) {
        let Extent { rows, columns, .. } = *self.extent;
        let inside = |i: usize, len: usize| i >= REACH && i + REACH < len;
        let inside = inside(y, rows) && inside(x, columns);
        let pixel = (frame * rows + y) * columns + x;
        for (number, tap) in near.iter_mut().zip(taps) {
            let back = isize::from(tap.above) * columns as isize + isize::from(tap.left);
            *number = match tap.source {
                Source::Frame if inside => self.numbers[pixel.wrapping_add_signed(-back)],
                Source::Before if inside => {
                    self.numbers[(pixel - rows * columns).wrapping_add_signed(-back)]
                }
                _ => self.neighbour(frame, y, x, tap),
            };
        }
    }

    /// The number at a neighbour; outside the frame that of the nearest pixel.
    fn neighbour(&self, frame: usize, y: usize, x: usize, tap: &Tap) -> i32 {
        let Extent { rows, columns, .. } = *self.extent;
        let nearest = |i: usize, back: i8, len: usize| {
            (i as isize - isize::from(back)).clamp(0, len as isize - 1) as usize
        };
        let pixel = nearest(y, tap.above, rows) * columns + nearest(x, tap.left, columns);
        let at = |frame: usize| self.numbers[frame * self.extent.frame() + pixel];
        match tap.source {
            Source::Frame => at(frame),
            Source::Before => at(frame - 1),
            Source::Mean => {
                let end = frame + usize::from(tap.above > 0 && y > 0);
                let start = frame.saturating_sub(FRAMES_OF_MEAN);
                let mut mean = at(start) as f32;
                for earlier in start + 1..end {
                    mean += (at(earlier) as f32 - mean) / (1 + earlier).min(8) as f32;
                }
                mean as i32
            }
        }
    }

    /// Limits what is remembered of outliers, where that makes residuals smaller, and fits the weights of spreads.
    fn refine(
        &self,
        model: &mut Model,
        typical: f32,
        memory: &mut Memory,
        histories: &mut Histories,
    ) {
        let Memory { tried, line, .. } = memory;
        let bits = self.try_out(model, &mut tried[0], line, histories);
        let mut chosen = 0;
        if model.order != Order::Flat {
            let limited = Model {
                limit: (LIMIT * typical + 2.0) as i32,
                ..*model
            };
            let with_limit = self.try_out(&limited, &mut tried[1], line, histories);
            if with_limit < (1.0 - LIMIT_WORTH) * bits {
                *model = limited;
                chosen = 1;
            }
        }
        let sets = 1 + usize::from(model.temporal);
        for (set, samples) in tried[chosen][..sets].iter_mut().enumerate() {
            let count = spreads(model, set);
            fit_spreads(&mut model.weights[set], count, samples);
        }
    }

    /// The bits of residuals in parts of the chunk, and samples of their spreads.
    fn try_out(
        &self,
        model: &Model,
        samples: &mut [Samples; 2],
        line: &mut Vec<i32>,
        histories: &mut Histories,
    ) -> f64 {
        samples.iter_mut().for_each(Samples::clear);
        let parts = Parts::new((self.numbers, self.extent), model);
        let pixels = parts.extent.count() * parts.count;
        let step = (pixels / SPREAD_SAMPLES).max(LEAST_SPREAD_STEP) | 1;
        let mut bits = Bits::default();
        for part in 0..parts.count {
            let mut show = |predictor: &Predictor, place: Place, numbers: &[i32]| {
                let samples = &mut samples[predictor.set()];
                predictor.sample_spreads(place.line, step, numbers, samples);
                let predictions = predictor.predictions(numbers.len());
                for (&x, &prediction) in numbers.iter().zip(predictions).step_by(BITS_STEP) {
                    bits.add(x.wrapping_sub(prediction) as f32);
                }
            };
            parts.walk(model, part, line, histories, &mut show);
        }
        bits.sum()
    }
}

/// Makes samples of the pixels that were drawn with some neighbours, for others of these.
fn sample(memory: &mut Memory, (of_drawn, taps): (&[Tap], &[Tap]), base: usize, later: bool) {
    let mut places = [0; MAX_TAPS];
    for (place, tap) in places.iter_mut().zip(taps) {
        *place = of_drawn.iter().position(|other| other == tap).unwrap_or(0);
    }
    let places = &places[..taps.len()];
    let samples = &mut memory.samples;
    samples.clear();
    for pixel in &memory.drawn[usize::from(later)] {
        if let Some(&base) = places.get(base) {
            let base = pixel.near[base];
            let near = places.iter().map(|&place| pixel.near[place] - base);
            samples.push(near, pixel.difference - base);
        } else {
            samples.push([].into_iter(), pixel.own);
        }
    }
}

/// Fits the weights of so many spreads.
fn fit_spreads(integers: &mut Weights, count: usize, samples: &mut Samples) {
    let mut weights = [0.0; WIDTH];
    if samples.len() > 8 * count {
        weights = samples.fit(count, 8.0);
    } else {
        weights[0] = 1.0;
    }
    let whole = |weight: f64| {
        let limit = f64::from(i16::MAX);
        (weight * SPREAD_ONE).round().clamp(-limit, limit) as i32
    };
    for (integer, &weight) in integers.spreads[..count].iter_mut().zip(&weights) {
        *integer = whole(weight);
    }
    integers.spread_bias = (weights[count] * SPREAD_ONE).round() as i32;
}
