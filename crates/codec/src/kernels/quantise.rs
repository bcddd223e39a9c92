//! Loops of the `quantise` codec: index and decoded value of every element, and the loss that is caused.
//!
//! All arithmetic is +, −, ×, ÷ and conversions on f64, one rounding each, so every level and every platform gives the
//! same bits. Rounding to the nearest integer, ties to even, is `(x + MAGIC) − MAGIC`: it vectorises everywhere, and the
//! low bits of `x + MAGIC` are the integer itself.
//!
//! In pseudo-code, for every element x:
//!
//! ```text
//! k = index(x), limited to the bins;  y = value(k), rounded to the stored type
//! good = |y − x| ≤ allowed(x)          (false for NaN, infinities and everything outside the bins)
//! ```
//!
//! Comparisons are written as `if a > b { a } else { b }`, which is one instruction and turns NaN into `b`.

use crate::kernels::levels::levels;
use crate::numbers::Number;

/// 1.5 · 2⁵²: f64 from here to 2⁵³ are the integers.
const MAGIC: f64 = 6_755_399_441_055_744.0;
/// 2⁵²: the low bits of 2⁵² + i are i.
const OFFSET: f64 = 4_503_599_627_370_496.0;
/// Integers beyond this are not quantised: [`MAGIC`] rounds up to here.
const MOST_INTEGER: i64 = 1 << 51;
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
const ONE: u64 = 1023 << MANTISSA_BITS;

/// The nearest integer, ties to even; of numbers below 2⁵¹ in magnitude.
#[inline(always)]
fn round(x: f64) -> f64 {
    (x + MAGIC) - MAGIC
}

#[inline(always)]
fn limit(x: f64, [low, high]: [f64; 2]) -> f64 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// An element type as the quantiser sees it.
pub(crate) trait Sample: Number {
    /// Least value that is quantised.
    const LEAST: Self;
    /// Greatest value that is quantised.
    const MOST: Self;
    /// Bits of the mantissa that are stored; 0 for integers.
    const MANTISSA_BITS: u32;
    /// The nearest value of the type, ties to even, limited to `LEAST..=MOST` for integers. Unlike
    /// [`Number::from_f64`] it is the same on every platform for f16 (by way of f32) and vectorises for integers.
    fn from_real(value: f64) -> Self;

    /// Largest error of `from_real` for values up to `magnitude`, with some room for the arithmetic before it.
    fn rounding(magnitude: f64) -> f64 {
        if !Self::FLOAT {
            return 0.5;
        }
        let room = if Self::MANTISSA_BITS == MANTISSA_BITS {
            4.0
        } else {
            1.001
        };
        let half_step = Self::from_bits(1).to_f64() * 0.5; // of subnormals
        magnitude * room / (1u64 << (Self::MANTISSA_BITS + 1)) as f64 + half_step
    }
}

macro_rules! sample {
    ($($type:ty),+) => { $(
        impl Sample for $type {
            const LEAST: Self = if (Self::MIN as i128) < -(MOST_INTEGER as i128) { -(MOST_INTEGER as i128) as Self } else { Self::MIN };
            const MOST: Self = if (Self::MAX as i128) > MOST_INTEGER as i128 { MOST_INTEGER as Self } else { Self::MAX };
            const MANTISSA_BITS: u32 = 0;
            #[inline(always)]
            fn from_real(value: f64) -> Self {
                let value = limit(value, [Self::LEAST as f64, Self::MOST as f64]);
                ((value + MAGIC).to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64) as Self
            }
        }
    )+ };
    (float $type:ty, $bits:expr, $from:expr) => {
        impl Sample for $type {
            const LEAST: Self = Self::MIN;
            const MOST: Self = Self::MAX;
            const MANTISSA_BITS: u32 = $bits;
            #[inline(always)]
            fn from_real(value: f64) -> Self {
                $from(value)
            }
        }
    };
}

sample!(u8, u16, u32, u64, i8, i16, i32, i64);
sample!(float half::f16, 10, |value| half::f16::from_f32(value as f32));
sample!(float f32, 23, |value| value as f32);
sample!(float f64, 52, std::convert::identity);

/// Bins on the real line.
pub(crate) trait Bins: Copy {
    /// Index of the bin that `x` falls into, limited to the bins there are; a number between for NaN.
    fn index(&self, x: f64) -> f64;
    /// What a bin decodes to.
    fn value(&self, index: f64) -> f64;
    /// Largest error allowed at `x`.
    fn allowed(&self, x: f64) -> f64;
    /// The same bins, limited to those from `first` to `last`.
    fn limited(self, first: f64, last: f64) -> Self;
    /// Distance of neighbouring values near values of this magnitude.
    fn step_at(&self, magnitude: f64) -> f64;
    /// Magnitude of the values that are nearest to zero, zero itself apart.
    fn least_magnitude(&self) -> f64;
}

/// Bin k decodes to `origin + k · step`, limited to `range`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Linear {
    pub origin: f64,
    pub step: f64,
    /// 1 / step.
    pub inverse: f64,
    /// First and last bin.
    pub limits: [f64; 2],
    /// Least and greatest value.
    pub range: [f64; 2],
    /// Largest error allowed.
    pub bound: f64,
}

impl Bins for Linear {
    #[inline(always)]
    fn index(&self, x: f64) -> f64 {
        round(limit((x - self.origin) * self.inverse, self.limits))
    }

    #[inline(always)]
    fn value(&self, index: f64) -> f64 {
        limit(self.origin + index * self.step, self.range)
    }

    #[inline(always)]
    fn allowed(&self, _: f64) -> f64 {
        self.bound
    }

    fn limited(self, first: f64, last: f64) -> Self {
        Self {
            limits: [first, last],
            ..self
        }
    }

    fn step_at(&self, _: f64) -> f64 {
        self.step
    }

    fn least_magnitude(&self) -> f64 {
        0.0
    }
}

impl Linear {
    /// Bins as a decoder needs them: without limits and bound.
    pub(crate) fn to_decode(step: f64, origin: f64, range: [f64; 2]) -> Self {
        Self {
            origin,
            step,
            inverse: 1.0 / step,
            limits: [0.0, 0.0],
            range,
            bound: 0.0,
        }
    }
}

/// Bins of equal width within an octave, `steps` to each. With q and j the quotient and remainder of (|k| − 1) / steps,
/// bin k ≠ 0 decodes to ± (steps + j) / steps · 2^(base + q − 1023); bin 0 decodes to zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Octaves {
    pub steps: f64,
    /// 1 / steps.
    pub inverse: f64,
    /// Exponent, biased by 1023, of the first octave: 1 or more.
    pub base: f64,
    /// First and last bin.
    pub limits: [f64; 2],
    /// Largest error allowed, as a fraction of the value.
    pub bound: f64,
}

impl Bins for Octaves {
    #[inline(always)]
    fn index(&self, x: f64) -> f64 {
        let bits = x.abs().to_bits();
        let exponent = f64::from_bits(OFFSET.to_bits() | bits >> MANTISSA_BITS) - OFFSET;
        let fraction = f64::from_bits(bits & MANTISSA | ONE) - 1.0;
        let magnitude = (exponent - self.base) * self.steps + round(fraction * self.steps) + 1.0;
        let magnitude = if magnitude > 0.0 { magnitude } else { 0.0 };
        let index = if x < 0.0 { -magnitude } else { magnitude };
        limit(index, self.limits) + 0.0
    }

    #[inline(always)]
    fn value(&self, index: f64) -> f64 {
        let magnitude = index.abs() - 1.0;
        // ⌊magnitude / steps⌋: half a step away from both integers around, so no rounding crosses one.
        let octave = round(limit((magnitude + 0.5) * self.inverse - 0.5, [0.0, 2047.0]));
        let step = magnitude - octave * self.steps;
        let exponent = limit(octave + self.base, [0.0, 2047.0]);
        let power = f64::from_bits((exponent + OFFSET).to_bits() << MANTISSA_BITS);
        let value = (self.steps + step) / self.steps * power;
        let value = if index < 0.0 { -value } else { value };
        if index == 0.0 { 0.0 } else { value }
    }

    #[inline(always)]
    fn allowed(&self, x: f64) -> f64 {
        let size = x.abs();
        if size < f64::INFINITY {
            size * self.bound
        } else {
            -1.0
        } // nothing is near infinity
    }

    fn limited(self, first: f64, last: f64) -> Self {
        Self {
            limits: [first, last],
            ..self
        }
    }

    fn step_at(&self, magnitude: f64) -> f64 {
        magnitude * 0.5 / self.steps
    }

    fn least_magnitude(&self) -> f64 {
        self.value(1.0)
    }
}

impl Octaves {
    /// Bins as a decoder needs them: without limits and bound.
    pub(crate) fn to_decode(steps: f64, base: f64) -> Self {
        Self {
            steps,
            inverse: 1.0 / steps,
            base,
            limits: [0.0, 0.0],
            bound: 0.0,
        }
    }
}

/// How [`quantise`] numbers bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Numbering {
    /// The bin with index 0.
    pub first: f64,
    /// Index of elements that are not good.
    pub mark: u32,
    /// Whether good is only what its decoded value leads back to.
    pub twice: bool,
}

/// Quantises a block; returns whether there are elements that are not good.
#[inline(always)]
fn quantise_kernel<T: Sample, B: Bins>(
    values: &[T],
    bins: B,
    numbering: Numbering,
    indices: &mut [u32],
    decoded: &mut [T],
) -> bool {
    let Numbering { first, mark, twice } = numbering;
    let one = |value: T, index: &mut u32, decoded: &mut T, twice: bool| {
        let real = value.to_f64();
        let bin = bins.index(real);
        let near = T::from_real(bins.value(bin));
        let error = near.to_f64() - real;
        let mut good = error.abs() <= bins.allowed(real);
        if T::BYTES == 8 && !T::FLOAT {
            good &= value >= T::LEAST && value <= T::MOST; // beyond, f64 is not exact
        }
        if twice {
            good &= bins.index(near.to_f64()) == bin;
        }
        let offset = ((bin - first) + OFFSET).to_bits() as u32;
        *index = if good { offset } else { mark };
        *decoded = near;
        u32::from(!good)
    };
    let mut bad = 0;
    let elements = values.iter().zip(indices.iter_mut()).zip(decoded);
    if twice {
        for ((&value, index), decoded) in elements {
            bad |= one(value, index, decoded, true);
        }
    } else {
        for ((&value, index), decoded) in elements {
            bad |= one(value, index, decoded, false);
        }
    }
    bad != 0
}
levels!(pub(crate) fn quantise<T: Sample, B: Bins>(values: &[T], bins: B, numbering: Numbering, indices: &mut [u32], decoded: &mut [T]) -> bool = quantise_kernel);

/// Gives the index `mark` to elements that are `exact` or would become it; returns whether there are any.
#[inline(always)]
fn mark_kernel<T: Sample>(
    values: &[T],
    decoded: &[T],
    exact: T,
    mark: u32,
    indices: &mut [u32],
) -> bool {
    let mut any = 0;
    for ((value, decoded), index) in values.iter().zip(decoded).zip(indices) {
        let equal = *value == exact || *decoded == exact;
        *index = if equal { mark } else { *index };
        any |= u32::from(equal);
    }
    any != 0
}
levels!(pub(crate) fn mark<T: Sample>(values: &[T], decoded: &[T], exact: T, mark: u32, indices: &mut [u32]) -> bool = mark_kernel);

/// The value of every index counted from `first`; returns the largest index.
#[inline(always)]
fn values_kernel<T: Sample, B: Bins>(
    indices: &[u32],
    bins: B,
    first: f64,
    values: &mut [T],
) -> u32 {
    let mut largest = 0;
    for (&index, value) in indices.iter().zip(values) {
        *value = T::from_real(bins.value(f64::from(index) + first));
        largest = if index > largest { index } else { largest };
    }
    largest
}
levels!(pub(crate) fn values<T: Sample, B: Bins>(indices: &[u32], bins: B, first: f64, values: &mut [T]) -> u32 = values_kernel);

/// Accumulators of a reduction, side by side; with fewer LLVM 22 makes scalars of them.
const LANES: usize = 64;

/// Widens `low..=high` to the finite values of a block.
#[inline(always)]
fn range_kernel<T: Sample>(values: &[T], low: T, high: T) -> (T, T) {
    let (mut lows, mut highs) = ([low; LANES], [high; LANES]);
    for values in values.chunks(LANES) {
        for ((&value, low), high) in values.iter().zip(&mut lows).zip(&mut highs) {
            let finite = value >= T::LEAST && value <= T::MOST;
            *low = if finite && value < *low { value } else { *low };
            *high = if finite && value > *high {
                value
            } else {
                *high
            };
        }
    }
    let least = |low, lane| if lane < low { lane } else { low };
    let most = |high, lane| if lane > high { lane } else { high };
    (
        lows.into_iter().fold(low, least),
        highs.into_iter().fold(high, most),
    )
}
levels!(pub(crate) fn range<T: Sample>(values: &[T], low: T, high: T) -> (T, T) = range_kernel);

/// Loss of a block.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct BlockLoss {
    pub max: f64,
    pub sum: f64,
    pub squares: f64,
}

/// Adds up decoded − original; elements that are not finite are equal in both and count as no error. Sums run in lanes,
/// so every level adds in one order.
#[inline(always)]
fn loss_kernel<T: Sample>(original: &[T], decoded: &[T]) -> BlockLoss {
    let (mut max, mut sum, mut squares) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for (original, decoded) in original.chunks(LANES).zip(decoded.chunks(LANES)) {
        let sums = max.iter_mut().zip(&mut sum).zip(&mut squares);
        for ((original, decoded), ((max, sum), squares)) in original.iter().zip(decoded).zip(sums) {
            let error = decoded.to_f64() - original.to_f64();
            let error = if error.abs() >= 0.0 { error } else { 0.0 }; // NaN from infinities
            *max = if error.abs() > *max {
                error.abs()
            } else {
                *max
            };
            *sum += error;
            *squares += error * error;
        }
    }
    BlockLoss {
        max: max.into_iter().fold(0.0, f64::max),
        sum: sum.iter().sum(),
        squares: squares.iter().sum(),
    }
}
levels!(pub(crate) fn loss<T: Sample>(original: &[T], decoded: &[T]) -> BlockLoss = loss_kernel);

/// 2²³: the low bits of 2²³ + i are i.
const OFFSET_F32: f32 = 8_388_608.0;

#[inline(always)]
fn bytes_kernel(values: &[f32], origin: f32, step: f32, levels: &mut [u8]) {
    let inverse = 1.0 / step;
    for (&value, level) in values.iter().zip(levels) {
        let scaled = (value - origin) * inverse;
        let scaled = if scaled > 0.0 { scaled } else { 0.0 };
        let scaled = if scaled < 255.0 { scaled } else { 255.0 };
        *level = (scaled + OFFSET_F32).to_bits() as u8;
    }
}
levels!(
    /// The plain mapping of f32 to 256 levels in one byte, nothing checked: round((x − origin) · (1 / step)) in f32, ties
    /// to even, limited to 0–255; NaN gives 0.
    pub fn bytes(values: &[f32], origin: f32, step: f32, levels: &mut [u8]) = bytes_kernel
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    const BLOCK: usize = 4096;

    /// Every level gives the bits of the scalar one, for all three kernels a codec calls in turn.
    fn check<T: Sample, B: Bins + std::fmt::Debug>(values: &[T], bins: B, limits: [f64; 2]) {
        let bins = bins.limited(limits[0], limits[1]);
        for twice in [false, true] {
            let numbering = Numbering {
                first: limits[0],
                mark: (limits[1] - limits[0]) as u32 + 1,
                twice,
            };
            for block in values.chunks(BLOCK) {
                let expected = run(Level::SCALAR, block, bins, numbering);
                for level in Level::available() {
                    let found = run(level, block, bins, numbering);
                    assert!(found == expected, "{bins:?} {} twice {twice}", level.name());
                }
            }
        }
    }

    type Run = (bool, Vec<u32>, Vec<u64>, [u64; 3], u32, Vec<u64>);

    fn run<T: Sample, B: Bins>(level: Level, block: &[T], bins: B, numbering: Numbering) -> Run {
        let Numbering {
            first, mark: count, ..
        } = numbering;
        let bits = |values: &[T]| -> Vec<u64> { values.iter().map(|v| v.to_bits()).collect() };
        let mut indices = vec![0xcccc_cccc; block.len()];
        let mut near = vec![T::default(); block.len()];
        let mut bad = quantise(level, block, bins, numbering, &mut indices, &mut near);
        bad |= mark(
            level,
            block,
            &near,
            block[block.len() / 2],
            count,
            &mut indices,
        );
        for ((near, &value), &index) in near.iter_mut().zip(block).zip(&indices) {
            *near = if index == count { value } else { *near };
        }
        let lost = loss(level, block, &near);
        let mut back = vec![T::default(); block.len()];
        let largest = values(level, &indices, bins, first, &mut back);
        for ((back, near), &index) in back.iter().zip(&near).zip(&indices) {
            assert!(index == count || back.to_bits() == near.to_bits());
        }
        let (low, high) = range(level, block, T::MOST, T::LEAST);
        let lost = [lost.max, lost.sum, lost.squares].map(f64::to_bits);
        let mut decoded = bits(&near);
        decoded.extend([low.to_bits(), high.to_bits()]);
        (bad, indices, decoded, lost, largest, bits(&back))
    }

    fn linear(step: f64) -> Linear {
        Linear {
            bound: step / 2.0,
            limits: [-1e12, 1e12],
            ..Linear::to_decode(step, 0.0, [f64::NEG_INFINITY, f64::INFINITY])
        }
    }

    fn octaves(steps: f64, base: f64) -> Octaves {
        Octaves {
            bound: 0.5 / steps,
            ..Octaves::to_decode(steps, base)
        }
    }

    fn random() -> impl FnMut() -> u64 {
        let mut state = 7u64;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state ^ state >> 29
        }
    }

    #[test]
    fn levels_agree_on_all_f16() {
        let all: Vec<half::f16> = (0..=u16::MAX).map(half::f16::from_bits).collect();
        for step in [1e-8, 0.001, 0.37, 1.0, 100.0, 1e9] {
            check(&all, linear(step), [-1000.0, 70_000.0]);
        }
        for steps in [1.0, 5.0, 512.0] {
            check(&all, octaves(steps, 1000.0), [-20_000.0, 20_000.0]);
        }
    }

    /// `ETALON_MUTATIONS=10000000` sets how many bit patterns are tried (a million otherwise).
    #[test]
    fn levels_agree_on_random_and_adversarial_f32() {
        let count = std::env::var("ETALON_MUTATIONS")
            .ok()
            .and_then(|text| text.parse().ok());
        let mut next = random();
        let mut values: Vec<f32> = (0..count.unwrap_or(1_000_000))
            .map(|_| f32::from_bits((next() >> 20) as u32))
            .collect();
        let odd = [
            0.0,
            -0.0,
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            -f32::INFINITY,
            f32::MAX,
            f32::MIN,
        ];
        values.extend(odd);
        for tie in -2000..2000 {
            let tie = tie as f32 * 0.125; // middles and edges of bins of 0.25
            values.extend([tie, tie.next_up(), tie.next_down(), tie * 1e-42, tie * 1e30]);
        }
        for step in [1e-45, 2e-38, 0.25, 0.1, 3e20, 1e300] {
            check(&values, linear(step), [-100.0, 60_000.0]);
        }
        for steps in [1.0, 3.0, 50.0, 4_000_000.0] {
            check(&values, octaves(steps, 890.0), [-2e9, 1e8]);
        }
    }

    #[test]
    fn levels_agree_on_f64_integers_and_short_blocks() {
        let mut next = random();
        let bits: Vec<u64> = (0..50_000)
            .map(|_| next())
            .chain([0, 1 << 63, u64::MAX])
            .collect();
        let floats: Vec<f64> = bits.iter().map(|&bits| f64::from_bits(bits)).collect();
        check(&floats, linear(0.1), [-1e6, 1e6]);
        for len in 1..=130 {
            check(&floats[1..=len], linear(1e300), [0.0, 60.0]);
        }
        check(&floats, octaves(7.0, 3.0), [-14_000.0, 14_000.0]);
        macro_rules! integers {
            ($($type:ty),+) => { $(
                let values: Vec<$type> = bits.iter().map(|&bits| (bits >> 3) as $type).collect();
                check(&values, linear(5.0), [-50_000.0, 500_000.0]);
                check(&values, linear(1e15), [-50.0, 50.0]);
                check(&values, octaves(8.0, 1000.0), [-600.0, 600.0]);
            )+ };
        }
        integers!(u8, u16, u32, u64, i8, i16, i32, i64);
    }

    #[test]
    fn bytes_are_the_nearest_levels() {
        let values: Vec<f32> = (-300..600).map(|i| i as f32 * 0.25).collect();
        for level in Level::available() {
            let mut levels = vec![0xcc; values.len()];
            bytes(level, &values, 10.0, 0.5, &mut levels);
            for (level, value) in levels.iter().zip(&values) {
                let expected = ((value - 10.0) * 2.0).clamp(0.0, 255.0);
                assert_eq!(f32::from(*level), expected.round_ties_even());
            }
        }
    }
}
