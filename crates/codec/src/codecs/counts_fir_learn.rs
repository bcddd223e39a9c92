//! Learning the weights of a chunk: least squares on bands of rows. Floats may differ between machines here: a decoder
//! reads the weights.

use super::counts_fir::{MAX_DIRECT, MAX_LIMIT, Model, Scale};
use super::counts_fir_state::State;
use super::counts_pixels::Pixels;
use crate::kernels::counts::{GROUP, planes_of_bytes, take_equal};
use crate::kernels::counts_fir::{self as kernel, Equation, FEATURES, FRACTION_BITS, Weights};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// Rows of a band, and those at its front that only fill the state.
const BAND: usize = 8;
const FIRST_ROWS: usize = 5;
/// Bands in a frame.
const BANDS: usize = 8;
/// Words of the frames that are looked at.
const WORDS: usize = 1 << 18;
/// Equations that suffice; of a sample, one for so many pixels does.
const EQUATIONS: usize = 4096;
const PIXELS_PER_EQUATION: usize = 16;
/// Weights are this of the feature's scale: Q8 for roots of 1/64, and the fraction of values.
const ROOT_ONE: f64 = 256.0;
const LARGEST_WEIGHT: f64 = 30_000.0;
/// The feature right above the pixel.
const ABOVE: usize = 3;
/// Symbols that stand for a value each, at most where few values are large: a table says how frequent each is.
const MOST_DIRECT: u32 = 104;
/// Half of the pixels have this value, or more, where many are.
const LARGE_MEDIAN: u32 = 64;
/// Values beyond this multiple of what all but one in a thousand are below are clamped.
const LIMIT_FACTOR: u32 = 4;

type Sums = [[f64; FEATURES + 2]; FEATURES + 1];

/// What is learnt before rows are coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learnt {
    pub(super) model: Model,
    /// Symbols that stand for a value each; for differences as many as there can be use for.
    pub(super) direct: usize,
}

/// Memory of learning.
#[derive(Default)]
pub(crate) struct Memory {
    /// Values of the sampled rows that are not special.
    sorted: Vec<u32>,
    special: Vec<u8>,
    /// Of a row: a byte for each word, and a bit.
    flags: Vec<u8>,
    plane: Vec<u8>,
    /// Of a row.
    equations: Vec<Equation>,
}

/// Which part of the numbers in `sorted` is below the result.
fn quantile(sorted: &mut [u32], part: f64) -> u32 {
    let at = (sorted.len() as f64 * part) as usize;
    let at = at.min(sorted.len().saturating_sub(1));
    match sorted.len() {
        0 => 0,
        _ => *sorted.select_nth_unstable(at).1,
    }
}

/// What a look at values says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    origin: u32,
    /// Symbols that stand for a value each.
    direct: usize,
    /// Values beyond are rare.
    limit: i32,
}

impl Seen {
    /// Pixels of which none is expected.
    pub(super) fn alike(self) -> Learnt {
        Learnt {
            model: Model {
                scale: Scale::Roots,
                origin: self.origin,
                weights: Weights::default(),
            },
            direct: self.direct,
        }
    }
}

/// The frames that are looked at, and one row in so many.
fn places(pixels: &Pixels) -> (usize, usize) {
    let frame = pixels.rows * pixels.columns;
    let frames = pixels.frames.min(1 + WORDS / frame);
    (frames, (pixels.rows / BANDS).max(BAND))
}

/// Looks at the values of a chunk; `None` where an element has no word.
pub(super) fn look<W: Word>(
    memory: &mut Memory,
    (pixels, bytes): (&Pixels, &[u8]),
    specials: &[u32],
    words: &mut [W],
) -> Option<Seen> {
    let (frames, every) = places(pixels);
    memory.sorted.clear();
    for frame in 0..frames {
        for start in (0..pixels.rows).step_by(every) {
            let row = frame * pixels.rows + (start + FIRST_ROWS).min(pixels.rows - 1);
            if !pixels.load(bytes, row * pixels.columns, words) {
                return None;
            }
            let values = words.iter().map(|word| word.value());
            memory
                .sorted
                .extend(values.filter(|value| !specials.contains(value)));
        }
    }
    let origin = origin::<W>(&memory.sorted);
    for value in &mut memory.sorted {
        *value = W::new(*value).minus(W::new(origin)).value();
    }
    let direct = quantile(&mut memory.sorted, 0.998).saturating_add(2);
    let most = match quantile(&mut memory.sorted, 0.5) {
        LARGE_MEDIAN.. => MAX_DIRECT as u32,
        _ => MOST_DIRECT,
    };
    let limit = quantile(&mut memory.sorted, 0.999)
        .saturating_mul(LIMIT_FACTOR)
        .saturating_add(16)
        .min(MAX_LIMIT as u32) as i32;
    Some(Seen {
        origin,
        direct: direct.clamp(4, most) as usize,
        limit,
    })
}

/// Learns how pixels are expected; `None` where an element has no word.
pub(super) fn learn<W: Word>(
    memory: &mut Memory,
    state: &mut State,
    (has_differences, pixels, bytes): (bool, &Pixels, &[u8]),
    specials: &[u32],
    words: &mut [W],
) -> Option<Learnt> {
    let Seen {
        origin,
        direct,
        limit,
    } = look(memory, (pixels, bytes), specials, words)?;
    let scale = if has_differences {
        Scale::Values { limit }
    } else {
        Scale::Roots
    };
    let (frames, every) = places(pixels);
    let mut sums = [[0.0; FEATURES + 2]; FEATURES + 1];
    let bands = frames * pixels.rows.div_ceil(every);
    let wanted = (pixels.len() / PIXELS_PER_EQUATION).clamp(1, EQUATIONS);
    let step = bands * (BAND - FIRST_ROWS) * pixels.columns / wanted;
    let step = step.clamp(2, 7);
    for frame in 0..frames {
        for start in (0..pixels.rows).step_by(every) {
            let end = (start + BAND).min(pixels.rows);
            let rows = frame * pixels.rows + start..frame * pixels.rows + end;
            let place = (scale, origin);
            add_band(
                memory,
                state,
                (pixels, bytes),
                place,
                specials,
                (rows, words),
                (step, &mut sums),
            )?;
        }
    }
    let one = match scale {
        Scale::Roots => ROOT_ONE,
        Scale::Values { .. } => f64::from(1 << FRACTION_BITS),
    };
    Some(Learnt {
        model: Model {
            scale,
            origin,
            weights: solve(sums, one),
        },
        direct: if has_differences { 96 } else { direct },
    })
}

/// Zero, or the lowest of negative numbers, where many pixels are.
fn origin<W: Word>(values: &[u32]) -> u32 {
    let largest = W::new(u32::MAX).value();
    let is_high = |value: &&u32| **value > largest - largest / 4;
    let is_middle = |value: &&u32| (largest / 4..largest - largest / 4).contains(*value);
    let high = values.iter().filter(is_high).count();
    let middle = values.iter().filter(is_middle).count();
    if W::BYTES == 1 || high * 1000 < values.len() || middle * 100 > high {
        return 0;
    }
    values.iter().filter(is_high).copied().min().unwrap_or(0)
}

/// Adds the equations of every so many pixels of a band of rows.
fn add_band<W: Word>(
    memory: &mut Memory,
    state: &mut State,
    (pixels, bytes): (&Pixels, &[u8]),
    (scale, origin): (Scale, u32),
    specials: &[u32],
    (rows, words): (std::ops::Range<usize>, &mut [W]),
    (step, sums): (usize, &mut Sums),
) -> Option<()> {
    let level = Level::best();
    let first = rows.start;
    state.begin(pixels.columns);
    for row in rows {
        if !pixels.load(bytes, row * pixels.columns, words) {
            return None;
        }
        take_special(memory, level, words, specials);
        let around = &mut state.estimates;
        let is_sampled = row - first >= FIRST_ROWS;
        if is_sampled {
            let mut made = std::mem::take(around);
            kernel::around(level, state.above().columns, &mut made);
            state.estimates = made;
        }
        let sampled = (4 + row % 7..pixels.columns.saturating_sub(4)).step_by(step);
        memory.equations.clear();
        for x in sampled.filter(|_| is_sampled) {
            if memory
                .special
                .get(x / 8)
                .is_some_and(|bits| bits >> (x % 8) & 1 == 1)
            {
                continue;
            }
            let mut equation = Equation::of(state.above(), x, state.estimates[x]);
            let value = f64::from(words[x].minus(W::new(origin)).value());
            let (target, weight) = match scale {
                Scale::Roots => (64.0 * value.min(255.0).sqrt(), 1.0),
                Scale::Values { limit } => {
                    let mean = equation.terms[..15].iter().sum::<f64>() / 15.0;
                    (value.min(f64::from(limit)), 1.0 / (1.0 + mean))
                }
            };
            equation.set_target(target, weight);
            memory.equations.push(equation);
        }
        kernel::add_equations(level, &memory.equations, sums);
        state.expect_above(scale);
        state.learn(level, (scale, origin), words, &memory.special);
    }
    Some(())
}

/// Sets a bit for each word that is special, which becomes 0.
fn take_special<W: Word>(memory: &mut Memory, level: Level, words: &mut [W], specials: &[u32]) {
    let groups = words.len().div_ceil(GROUP);
    memory.special.clear();
    memory.flags.resize(GROUP * groups, 0);
    memory.plane.resize(groups, 0);
    for &value in specials {
        take_equal(level, words, W::new(value), &mut memory.flags);
        planes_of_bytes(level, &memory.flags, 1, &mut memory.plane);
        memory.special.resize(groups, 0);
        for (special, bits) in memory.special.iter_mut().zip(&memory.plane) {
            *special |= bits;
        }
    }
}

/// Solves the equations; the pixel above alone where they have no solution.
fn solve(mut sums: Sums, one: f64) -> Weights {
    let unsolved = || {
        let mut weights = Weights::default();
        weights.of[ABOVE] = one as i32;
        weights
    };
    let smallest = sums[FEATURES][FEATURES] * 1e-5 + 1e-9;
    for (i, row) in sums.iter_mut().enumerate() {
        row[i] = row[i] * (1.0 + 1e-5) + smallest;
    }
    for pivot in 0..=FEATURES {
        let from = sums[pivot];
        if from[pivot] <= 0.0 || !from[pivot].is_finite() {
            return unsolved();
        }
        for (i, row) in sums.iter_mut().enumerate() {
            let factor = row[pivot] / from[pivot];
            if i != pivot && factor != 0.0 {
                for (cell, &above) in row[pivot..].iter_mut().zip(&from[pivot..]) {
                    *cell -= factor * above;
                }
            }
        }
    }
    let mut weights = Weights::default();
    for (i, weight) in weights.of.iter_mut().enumerate() {
        let solved = sums[i][FEATURES + 1] / sums[i][i];
        *weight = (solved * one)
            .round()
            .clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) as i32;
    }
    let bias = sums[FEATURES][FEATURES + 1] / sums[FEATURES][FEATURES];
    weights.bias = (bias * one).round() as i32;
    if sums.iter().flatten().all(|cell| cell.is_finite()) {
        weights
    } else {
        unsolved()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_known_sum_are_found() {
        let mut state = 1u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 24)
        };
        let mut sums = [[0.0; FEATURES + 2]; FEATURES + 1];
        for _ in 0..2000 {
            let mut terms = [0.0; 24];
            terms[..FEATURES].fill_with(&mut draw);
            terms[FEATURES] = 1.0;
            let mut equation = Equation { terms, weight: 0.0 };
            equation.set_target(0.5 * terms[3] - 0.25 * terms[15] + 7.0, 1.0);
            kernel::add_equations(Level::best(), &[equation], &mut sums);
        }
        let weights = solve(sums, 256.0);
        let mut expected = [0; FEATURES];
        (expected[3], expected[15]) = (128, -64);
        assert_eq!(weights.of, expected);
        assert!((weights.bias - 7 * 256).abs() < 10, "{}", weights.bias);
    }

    #[test]
    fn without_equations_the_pixel_above_is_expected() {
        let weights = solve([[0.0; FEATURES + 2]; FEATURES + 1], 256.0);
        assert!(weights.of.iter().all(|&w| w == 0) || weights.of[ABOVE] == 256);
    }

    #[test]
    fn negative_numbers_have_their_lowest_as_origin_and_large_ones_do_not() {
        let negative: Vec<u32> = (0..100)
            .map(|i| (i - 50i32) as u16)
            .map(u32::from)
            .collect();
        assert_eq!(origin::<u16>(&negative), 65536 - 50);
        let wide: Vec<u32> = (0..65536).step_by(100).collect();
        assert_eq!(origin::<u16>(&wide), 0);
        assert_eq!(origin::<u16>(&[1, 2, 3]), 0);
    }
}
