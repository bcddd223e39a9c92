//! Loops of the `noise` codec: range of a block, offsets into its table, look-ups and the loss they cause.
//!
//! The table is indexed by `value − low`. [`offsets`] turns every value without an entry — out of range, not an
//! integer, NaN, −0.0 — into the one index behind the last, so the look-up loop has no branch per element.

use crate::kernels::levels::levels;
use crate::numbers::Number;
use crate::random::Random;

/// An element type that can hold counts.
pub(crate) trait Count: Number {
    /// Least value that is treated as a count.
    const LEAST: i64;
    /// Greatest value that is treated as a count. The greatest value of an unsigned type is none: detectors mark dead
    /// and saturated pixels with it.
    const MOST: i64;
    /// The value as a whole number; `None` for anything else, −0.0 included.
    fn count(self) -> Option<i64>;
    /// The value of a count in `LEAST..=MOST`.
    fn from_count(count: i64) -> Self;
    /// `value − low` where that is below `len`, otherwise `len`.
    fn offset(self, low: i64, len: u32) -> u32;
}

/// Counts beyond this are kept exact.
const LIMIT: i64 = 1 << 32;

macro_rules! count {
    (integer $type:ty, $min:expr, $max:expr, |$value:ident, $low:ident, $len:ident| $offset:expr) => {
        impl Count for $type {
            const LEAST: i64 = $min;
            const MOST: i64 = $max;
            #[inline(always)]
            fn count(self) -> Option<i64> {
                let count = i64::try_from(self).ok()?;
                (Self::LEAST..=Self::MOST).contains(&count).then_some(count)
            }
            #[inline(always)]
            fn from_count(count: i64) -> Self {
                count as $type
            }
            #[inline(always)]
            fn offset(self, $low: i64, $len: u32) -> u32 {
                let $value = self;
                $offset
            }
        }
    };
    (narrow $type:ty, $min:expr, $max:expr) => {
        // Differences modulo 2³² tell all values of these types apart.
        count!(integer $type, $min, $max, |value, low, len| {
            (value as u32).wrapping_sub(low as u32).min(len)
        });
    };
    (wide $type:ty, $min:expr, $max:expr) => {
        count!(integer $type, $min, $max, |value, low, len| {
            (value as u64).wrapping_sub(low as u64).min(u64::from(len)) as u32
        });
    };
    (float $type:ty, $compute:ty, $exact:expr, $to:expr, $from:expr) => {
        impl Count for $type {
            const LEAST: i64 = -Self::MOST;
            const MOST: i64 = $exact;
            #[inline(always)]
            fn count(self) -> Option<i64> {
                let value: $compute = $to(self);
                let count = value as i64;
                let whole = count as $compute == value && !(count == 0 && value.is_sign_negative());
                (whole && (Self::LEAST..=Self::MOST).contains(&count)).then_some(count)
            }
            #[inline(always)]
            fn from_count(count: i64) -> Self {
                $from(count as $compute)
            }
            #[inline(always)]
            fn offset(self, low: i64, len: u32) -> u32 {
                let value: $compute = $to(self);
                let count = value as i32;
                let whole = count as $compute == value && !(count == 0 && value.is_sign_negative());
                let offset = (count as u32).wrapping_sub(low as u32).min(len);
                if whole { offset } else { len }
            }
        }
    };
}

count!(narrow u8, 0, u8::MAX as i64 - 1);
count!(narrow u16, 0, u16::MAX as i64 - 1);
count!(narrow u32, 0, u32::MAX as i64 - 1);
count!(narrow i8, i8::MIN as i64, i8::MAX as i64);
count!(narrow i16, i16::MIN as i64, i16::MAX as i64);
count!(narrow i32, i32::MIN as i64, i32::MAX as i64);
count!(wide u64, 0, LIMIT);
count!(wide i64, -LIMIT, LIMIT);
// Floats hold every integer up to 2^(bits of mantissa + 1).
count!(float half::f16, f32, 1 << 11, half::f16::to_f32, half::f16::from_f32);
count!(float f32, f32, 1 << 24, std::convert::identity, std::convert::identity);
count!(float f64, f64, LIMIT, std::convert::identity, std::convert::identity);

/// Widens `low..=high` to the values of a block between `LEAST` and `MOST`, those in `skipped` and NaN left out.
#[inline(always)]
fn range_kernel<T: Count>(values: &[T], skipped: &[T; 4], low: T, high: T) -> (T, T) {
    let (least, most) = (T::from_count(T::LEAST), T::from_count(T::MOST));
    let (mut low, mut high) = (low, high);
    for &value in values {
        let mut counts = value >= least && value <= most;
        for mask in skipped {
            counts &= value != *mask;
        }
        low = if counts && value < low { value } else { low };
        high = if counts && value > high { value } else { high };
    }
    (low, high)
}
levels!(pub(crate) fn range<T: Count>(values: &[T], skipped: &[T; 4], low: T, high: T) -> (T, T) = range_kernel);

/// The offset of every value into a table of `len` entries that begins with `low`.
#[inline(always)]
fn offsets_kernel<T: Count>(values: &[T], low: i64, len: u32, offsets: &mut [u32]) {
    for (offset, value) in offsets.iter_mut().zip(values) {
        *offset = value.offset(low, len);
    }
}
levels!(pub(crate) fn offsets<T: Count>(values: &[T], low: i64, len: u32, offsets: &mut [u32]) = offsets_kernel);

/// What the table knows of a value: its index and what it decodes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entry<T> {
    pub index: u32,
    pub value: T,
}

/// Replaces every offset by the index of its entry in `table` and gives the decoded values; returns all indices or-ed.
/// Offsets beyond the table count as its last.
#[inline(always)]
fn look_up_kernel<T: Count>(table: &[Entry<T>], indices: &mut [u32], decoded: &mut [T]) -> u32 {
    let mut all = 0;
    let last = table.len() - 1;
    for (index, decoded) in indices.iter_mut().zip(decoded) {
        let entry = table[(*index as usize).min(last)];
        *index = entry.index;
        *decoded = entry.value;
        all |= entry.index;
    }
    all
}
levels!(pub(crate) fn look_up<T: Count>(table: &[Entry<T>], indices: &mut [u32], decoded: &mut [T]) -> u32 = look_up_kernel);

/// Draws of the elements from `first` on: the high halves of their random numbers.
#[inline(always)]
fn draw_kernel(random: Random, first: u64, draws: &mut [u32]) {
    for (at, draw) in (first..).zip(draws) {
        *draw = (random.bits(at) >> 32) as u32;
    }
}
levels!(pub(crate) fn draw(random: Random, first: u64, draws: &mut [u32]) = draw_kernel);

/// Random rounding of the values that [`look_up`] has found: moves indices to the neighbour on the other side of the value
/// where `draws` are below `thresholds`, 2³² times the probability. The threshold of an element is at its offset in the
/// table of [`offsets`], and zero behind the last.
#[inline(always)]
fn round_up_or_down_kernel<T: Count>(
    values: &[T],
    decoded: &[T],
    thresholds: &[u32],
    offsets: &[u32],
    draws: &[u32],
    indices: &mut [u32],
) {
    let last = thresholds.len() - 1;
    let elements = values.iter().zip(decoded).zip(offsets).zip(draws);
    for ((((value, decoded), &offset), &draw), index) in elements.zip(indices) {
        let neighbour = if value > decoded {
            *index + 1
        } else {
            index.wrapping_sub(1)
        };
        let moves = draw < thresholds[(offset as usize).min(last)];
        *index = if moves { neighbour } else { *index };
    }
}
levels!(pub(crate) fn round_up_or_down<T: Count>(values: &[T], decoded: &[T], thresholds: &[u32], offsets: &[u32], draws: &[u32], indices: &mut [u32]) = round_up_or_down_kernel);

/// The value of every index; indices beyond the table give its last value.
#[inline(always)]
fn values_of_kernel<T: Count>(table: &[T], indices: &[u32], values: &mut [T]) {
    let last = table.len() - 1;
    for (value, &index) in values.iter_mut().zip(indices) {
        *value = table[(index as usize).min(last)];
    }
}
levels!(pub(crate) fn values_of<T: Count>(table: &[T], indices: &[u32], values: &mut [T]) = values_of_kernel);

/// Loss of a block of finite values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct BlockLoss {
    pub max: f64,
    pub sum: f64,
    pub squares: f64,
    /// Whether some error² is above `limit` times the variance.
    pub above: bool,
}

/// Accumulators of a reduction, side by side; with fewer LLVM 22 makes scalars of them. `f64::max` where a comparison would
/// do, because LLVM makes that a masked store, whose result the next load has to wait for.
const LANES: usize = 64;

/// Adds up decoded − original over a block. Variance is `max(gain · max(x − offset, 0) + read², 1)`. Non-finite
/// elements must be equal in both and count as no error. Sums run in lanes, so every level adds in one order.
#[inline(always)]
fn loss_kernel<T: Count>(original: &[T], decoded: &[T], noise: [f64; 3], limit: f64) -> BlockLoss {
    let [gain, offset, variance_read] = noise;
    let (mut max, mut sum, mut squares) = ([0.0f64; LANES], [0.0; LANES], [0.0; LANES]);
    let mut above = [0.0f64; LANES];
    for (original, decoded) in original.chunks(LANES).zip(decoded.chunks(LANES)) {
        let sums = max
            .iter_mut()
            .zip(&mut sum)
            .zip(&mut squares)
            .zip(&mut above);
        for ((original, decoded), (((max, sum), squares), above)) in
            original.iter().zip(decoded).zip(sums)
        {
            let (original, decoded) = (original.to_f64(), decoded.to_f64());
            let error = decoded - original;
            let error = if error.abs() >= 0.0 { error } else { 0.0 }; // NaN from infinities
            let square = error * error;
            let photons = original - offset;
            let photons = if photons > 0.0 { photons } else { 0.0 };
            let variance = gain * photons + variance_read;
            let variance = if variance > 1.0 { variance } else { 1.0 };
            let beyond = square - limit * variance;
            *above = above.max(beyond);
            *max = max.max(error.abs());
            *sum += error;
            *squares += square;
        }
    }
    BlockLoss {
        max: max.into_iter().fold(0.0, f64::max),
        sum: sum.iter().sum(),
        squares: squares.iter().sum(),
        above: above.into_iter().any(|beyond| beyond > 0.0),
    }
}
levels!(pub(crate) fn loss<T: Count>(original: &[T], decoded: &[T], noise: [f64; 3], limit: f64) -> BlockLoss = loss_kernel);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    fn check<T: Count + std::fmt::Debug>(values: &[T], low: i64, len: u32) {
        for level in Level::available() {
            for end in 0..=130.min(values.len() - 1) {
                let values = &values[1..=end]; // misaligned by one element
                let mut found = vec![0xcccc_cccc; values.len()];
                offsets(level, values, low, len, &mut found);
                for (offset, value) in found.iter().zip(values) {
                    let expected = value.count().map(|count| count - low);
                    let expected = expected.filter(|offset| (0..i64::from(len)).contains(offset));
                    // Values that are no counts may fall into the table, which has no bin for them.
                    let fraction = value.to_f64().fract() != 0.0; // NaN and infinities too
                    if value.count().is_some() || fraction {
                        assert_eq!(
                            i64::from(*offset),
                            expected.unwrap_or(len.into()),
                            "{level:?} {value:?}"
                        );
                    }
                }
                check_table(level, &found, values);
                let noise = [1.5, 2.0, 0.25];
                let zeros: Vec<T> = values
                    .iter()
                    .map(|&v| {
                        if v.to_f64().is_finite() {
                            T::default()
                        } else {
                            v
                        }
                    })
                    .collect();
                let scalar = loss(Level::SCALAR, values, &zeros, noise, 3.0);
                assert_eq!(loss(level, values, &zeros, noise, 3.0), scalar, "{level:?}");
                let (top, bottom) = (T::from_count(T::MOST), T::from_count(T::LEAST));
                let skipped = [values.first().copied().unwrap_or_default(); 4];
                assert_eq!(
                    range(level, values, &skipped, top, bottom),
                    range(Level::SCALAR, values, &skipped, top, bottom),
                    "{level:?}"
                );
            }
        }
    }

    /// Look-up and random rounding against the plain formula, with a table shorter than the offsets.
    fn check_table<T: Count + std::fmt::Debug>(level: Level, offsets: &[u32], values: &[T]) {
        let entry = |at: u32| Entry {
            index: at * 3 + 1,
            value: T::from_count(i64::from(at % 100)),
        };
        let table: Vec<Entry<T>> = (0..50).map(entry).collect();
        let thresholds: Vec<u32> = (0..50u32).map(|at| at.wrapping_mul(0x9E37_79B9)).collect();
        let random = Random::new(5);
        let mut draws = vec![0xcccc_cccc; values.len()];
        draw(level, random, 77, &mut draws);
        for (at, &draw) in draws.iter().enumerate() {
            assert_eq!(
                u64::from(draw),
                random.bits(77 + at as u64) >> 32,
                "{level:?} {at}"
            );
        }
        let (mut indices, mut decoded) = (offsets.to_vec(), vec![T::default(); values.len()]);
        let all = look_up(level, &table, &mut indices, &mut decoded);
        let expected = offsets.iter().map(|&offset| table[offset.min(49) as usize]);
        assert!(
            expected
                .clone()
                .map(|e| e.index)
                .eq(indices.iter().copied()),
            "{level:?}"
        );
        assert!(
            expected
                .clone()
                .map(|e| e.value)
                .eq(decoded.iter().copied()),
            "{level:?}"
        );
        assert_eq!(all, expected.fold(0, |all, entry| all | entry.index));
        let before = indices.clone();
        round_up_or_down(
            level,
            values,
            &decoded,
            &thresholds,
            offsets,
            &draws,
            &mut indices,
        );
        for at in 0..values.len() {
            let moves = draws[at] < thresholds[offsets[at].min(49) as usize];
            let step = if values[at] > decoded[at] { 1 } else { -1 };
            let expected = before[at].wrapping_add_signed(if moves { step } else { 0 });
            assert_eq!(indices[at], expected, "{level:?} {at}");
        }
    }

    #[test]
    fn levels_agree_with_the_definition() {
        let mut bits = 1u64;
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bits >> 20
        };
        let draws: Vec<u64> = (0..140).map(|_| next()).collect();
        check(
            &draws.iter().map(|&d| d as u16).collect::<Vec<_>>(),
            1000,
            30_000,
        );
        check(
            &draws.iter().map(|&d| d as i16).collect::<Vec<_>>(),
            -1000,
            30_000,
        );
        check(&draws.iter().map(|&d| d as u8).collect::<Vec<_>>(), 7, 200);
        check(
            &draws.iter().map(|&d| d as u32).collect::<Vec<_>>(),
            1 << 20,
            1 << 30,
        );
        check(
            &draws.iter().map(|&d| d as i32).collect::<Vec<_>>(),
            -(1 << 20),
            1 << 30,
        );
        check(
            &draws.iter().map(|&d| d << 20).collect::<Vec<u64>>(),
            0,
            100_000,
        );
        check(
            &draws
                .iter()
                .map(|&d| d as i64 % 1000 - 500)
                .collect::<Vec<_>>(),
            -400,
            800,
        );
        let odd = [
            f32::NAN,
            f32::INFINITY,
            -f32::INFINITY,
            -0.0,
            0.0,
            0.5,
            1e-42,
            3e9,
            -3e9,
            2.5e7,
        ];
        let floats = |d: &u64| match d % 3 {
            0 => odd[*d as usize % odd.len()],
            1 => f32::from_bits(*d as u32),
            _ => (*d % 5000) as f32 - 1000.0,
        };
        let floats: Vec<f32> = draws.iter().map(floats).collect();
        check(&floats, -500, 4000);
        check(
            &floats.iter().map(|&f| f64::from(f)).collect::<Vec<_>>(),
            -500,
            4000,
        );
        check(
            &floats
                .iter()
                .map(|&f| half::f16::from_f32(f))
                .collect::<Vec<_>>(),
            -500,
            4000,
        );
    }
}
