//! L of PSNR and SSIM: the range from percentile 0.1 to 99.9 of the original, over the whole dataset and exact.
//!
//! max − min would be set by one hot pixel, and the range of the type says nothing about the data. Percentiles are those
//! of `numpy.percentile(a.astype("f8"), [0.1, 99.9])` with its default, linear interpolation; elements that are not
//! valid and NaN are left out.
//!
//! The four order statistics are found from their most significant digit of 16 bits to the least: a round over the
//! data counts the digit of all values whose higher digits are those of a wanted one. One round for types up to 16 bits,
//! two for 32, four for 64, and 2 MiB at most.

use crate::frames::for_values;
use crate::order_key::{KeyKind, Ordered};
use crate::{Error, FrameSource};

/// Percentiles between which the range is taken, as fractions, rounded as numpy does.
const QUANTILES: [f64; 2] = [0.1 / 100.0, 99.9 / 100.0];
const DIGIT_BITS: u32 = 16;

/// The range of the original of all frames; NaN where there is no valid value.
pub(crate) fn robust_range(source: &mut dyn FrameSource) -> Result<f64, Error> {
    let mut search = Search::default();
    loop {
        source.for_each_original(&mut |frames| {
            for_values!(frames.original, |slice| search.add(slice, frames.valid));
            Ok(())
        })?;
        if let Some(range) = search.end_round() {
            return Ok(range);
        }
    }
}

/// The range of values in memory, by sorting; NaN of nothing.
pub(crate) fn range_of_values(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let [low, high] = QUANTILES.map(|quantile| {
        let position = position(values.len() as u64, quantile);
        let below = position as usize;
        let above = (below + 1).min(values.len() - 1);
        between(values[below], values[above], position.fract())
    });
    high - low
}

/// The state between two rounds.
#[derive(Debug, Clone, Default)]
struct Search {
    kind: Option<KeyKind>,
    /// Valid values.
    count: u64,
    /// Bits below the digit that is counted.
    shift: u32,
    /// Counts of the digit by the higher digits.
    open: Vec<Open>,
    /// Where the wanted order statistics are; empty in the first round.
    wanted: Vec<Wanted>,
}

#[derive(Debug, Clone)]
struct Open {
    prefix: u64,
    counts: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    prefix: u64,
    /// Rank from 0 among the values with this prefix.
    rank: u64,
}

impl Search {
    fn add<T: Ordered>(&mut self, values: &[T], valid: Option<&[bool]>) {
        if self.kind.is_none() {
            self.kind = Some(KeyKind::of::<T>());
            self.shift = T::BITS.saturating_sub(DIGIT_BITS);
            self.open = vec![Open::new(0)];
        }
        match valid {
            Some(valid) => {
                let pairs = values.iter().zip(valid);
                self.count(pairs.filter(|(_, valid)| **valid).map(|(value, _)| *value));
            }
            None => self.count(values.iter().copied()),
        }
    }

    fn count<T: Ordered>(&mut self, values: impl Iterator<Item = T>) {
        let shift = self.shift;
        let keys = values.filter(|value| value.is_number()).map(T::key);
        if self.wanted.is_empty() {
            let counts = &mut self.open[0].counts;
            let mut count = 0;
            for key in keys {
                counts[(key >> shift) as usize] += 1;
                count += 1;
            }
            self.count += count;
            return;
        }
        for key in keys {
            let prefix = (key >> shift) >> DIGIT_BITS;
            for open in &mut self.open {
                if open.prefix == prefix {
                    open.counts[(key >> shift) as usize & 0xffff] += 1;
                }
            }
        }
    }

    /// The range, if this was the last round.
    fn end_round(&mut self) -> Option<f64> {
        let Some(kind) = self.kind.filter(|_| self.count > 0) else {
            return Some(f64::NAN);
        };
        if self.wanted.is_empty() {
            self.wanted = wanted_ranks(self.count);
        }
        for wanted in &mut self.wanted {
            let open = self.open.iter().find(|open| open.prefix == wanted.prefix);
            *wanted = open.expect("every prefix is open").narrow(*wanted);
        }
        if self.shift > 0 {
            self.shift -= DIGIT_BITS;
            self.open.clear();
            for wanted in &self.wanted {
                if self.open.iter().all(|open| open.prefix != wanted.prefix) {
                    self.open.push(Open::new(wanted.prefix));
                }
            }
            return None;
        }
        let values: Vec<f64> = self
            .wanted
            .iter()
            .map(|at| (kind.value)(at.prefix))
            .collect();
        let [low, high] = [0, 1].map(|which| {
            let position = position(self.count, QUANTILES[which]);
            between(values[2 * which], values[2 * which + 1], position.fract())
        });
        Some(high - low)
    }
}

impl Open {
    fn new(prefix: u64) -> Self {
        Self {
            prefix,
            counts: vec![0; 1 << DIGIT_BITS],
        }
    }

    /// Appends the digit of the wanted value.
    fn narrow(&self, wanted: Wanted) -> Wanted {
        let mut rank = wanted.rank;
        for (digit, &count) in self.counts.iter().enumerate() {
            if rank < count {
                return Wanted {
                    prefix: wanted.prefix << DIGIT_BITS | digit as u64,
                    rank,
                };
            }
            rank -= count;
        }
        unreachable!("ranks are below the count")
    }
}

/// Position of a quantile among sorted values.
fn position(count: u64, quantile: f64) -> f64 {
    (count - 1) as f64 * quantile
}

/// The neighbours of both quantiles.
fn wanted_ranks(count: u64) -> Vec<Wanted> {
    let ranks = QUANTILES.iter().flat_map(|&quantile| {
        let below = position(count, quantile).floor() as u64;
        [below, (below + 1).min(count - 1)]
    });
    ranks.map(|rank| Wanted { prefix: 0, rank }).collect()
}

/// Linear interpolation as numpy does it, exact at both ends.
fn between(low: f64, high: f64, at: f64) -> f64 {
    let step = high - low;
    if step == 0.0 {
        low
    } else if at < 0.5 {
        low + step * at
    } else {
        high - step * (1.0 - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frames, Shape, Values};

    /// Arrays with their masks, each of one frame.
    struct Parts<'a>(&'a [(Values<'a>, Option<&'a [bool]>)]);

    impl FrameSource for Parts<'_> {
        fn shape(&self) -> Shape {
            unreachable!("the range does not depend on it")
        }

        fn for_each(
            &mut self,
            take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
        ) -> Result<(), Error> {
            for (first, (original, valid)) in self.0.iter().enumerate() {
                take(&Frames {
                    original: *original,
                    decoded: *original,
                    valid: *valid,
                    first,
                    count: 1,
                    rows: 1,
                    columns: original.len(),
                })?;
            }
            Ok(())
        }
    }

    fn range_of(parts: &[(Values<'_>, Option<&[bool]>)]) -> f64 {
        robust_range(&mut Parts(parts)).unwrap()
    }

    fn scattered(count: u64) -> Vec<f64> {
        (0..count)
            .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 1e3 - 7e3)
            .collect()
    }

    macro_rules! equals_sorting {
        ($($variant:ident $type:ty;)*) => {$(
            let array: Vec<$type> = scattered(4001).iter().map(|&value| value as $type).collect();
            let wide: Vec<f64> = array.iter().map(|&value| value as f64).collect();
            let whole = range_of(&[(Values::$variant(&array), None)]);
            assert_eq!(whole, range_of_values(wide), stringify!($variant));
            let (left, right) = array.split_at(123);
            let parts = range_of(&[(Values::$variant(left), None), (Values::$variant(right), None)]);
            assert_eq!(parts, whole);
        )*};
    }

    #[test]
    fn all_types_equal_sorting() {
        equals_sorting! { I8 i8; U8 u8; I16 i16; U16 u16; I32 i32; U32 u32; I64 i64; U64 u64; F32 f32; F64 f64; }
    }

    #[test]
    fn hundred_and_one_values_are_interpolated() {
        // Percentile 0.1 of 0..=100 is 0.1, percentile 99.9 is 99.9.
        let values: Vec<f32> = (0..=100).map(|value| value as f32).collect();
        let range = range_of(&[(Values::F32(&values), None)]);
        assert!((range - 99.8).abs() < 1e-12, "{range}");
    }

    #[test]
    fn masked_and_nan_are_left_out() {
        let values = [1.0, 5.0, 9e9, f64::NAN];
        let range = range_of(&[(Values::F64(&values), Some(&[true, true, false, true]))]);
        assert!((range - 4.0 * 0.998).abs() < 1e-12, "{range}");
    }

    #[test]
    fn nothing_has_no_range_and_one_value_has_none() {
        assert!(range_of(&[]).is_nan());
        assert!(range_of(&[(Values::U16(&[3]), Some(&[false]))]).is_nan());
        assert_eq!(range_of(&[(Values::U16(&[3]), None)]), 0.0);
    }
}
