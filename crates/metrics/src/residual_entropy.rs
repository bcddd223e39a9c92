//! L2 of residuals: what a lossless codec can hope for that predicts an element from its neighbours.
//!
//! Entropies in bits per element, as of the values ([`crate::entropy`]), of the difference to a prediction: the pixel to the
//! left; the median of left, up and left + up − upper left (LOCO-I, Weinberger, Seroussi and Sapiro, 2000); the same
//! pixel of the previous frame. Pixels without those neighbours, masked or with a masked neighbour, are left out.
//! The ratio is itemsize · 8 / the lowest of the three.
//!
//! Floats are taken as the integers that sort like them, as float codecs do, so that a difference is in steps of the
//! type; a residual of 64-bit types wraps. Reference: numpy and scikit-image `shannon_entropy`.

use std::any::Any;

use crate::frames::for_values;
use crate::lossless::{entropy, size_of_element};
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::order_key::Ordered;
use crate::value_counts::ValueCounts;
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "L2r",
    name: "residual_entropy",
    about: "entropy of the difference to the left pixel, to the median of neighbours and to the previous frame",
    values: &[
        ("left_entropy_bits", "bit"),
        ("median_entropy_bits", "bit"),
        ("previous_frame_entropy_bits", "bit"),
        ("residual_entropy_ratio", "1"),
    ],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "residual_entropy",
    mergeable: false,
    per_chunk: true,
    sample: Part::Run,
    needs_range: false,
    splits: false,
    start,
};

struct Residuals {
    columns: usize,
    element_bits: usize,
    left: ValueCounts,
    median: ValueCounts,
    previous_frame: ValueCounts,
    previous: Option<Keys>,
}

/// A frame as integers that sort like its values; `None` where not valid.
type Keys = Vec<Option<u64>>;

fn start(settings: &Settings, shape: Shape) -> Started {
    let counts = || ValueCounts::new(METRIC.name, settings.memory_bytes, 3);
    Ok(Box::new(Residuals {
        columns: shape.columns,
        element_bits: 0,
        left: counts(),
        median: counts(),
        previous_frame: counts(),
        previous: None,
    }))
}

impl Residuals {
    fn add_frame(&mut self, keys: Keys) -> Result<(), Error> {
        let columns = self.columns.max(1);
        let lines = || keys.chunks_exact(columns);
        for line in lines() {
            self.left.add(residuals(&line[1..], line.iter().copied()))?;
        }
        for (above, line) in lines().zip(lines().skip(1)) {
            let corners = above.windows(2).zip(line);
            let predicted = corners.map(|(above, left)| median(left.as_ref()?, above));
            self.median.add(residuals(&line[1..], predicted))?;
        }
        if let Some(previous) = self.previous.take() {
            let counted = residuals(&keys, previous.iter().copied());
            self.previous_frame.add(counted)?;
        }
        self.previous = Some(keys);
        Ok(())
    }
}

/// Differences where both are valid.
fn residuals(
    keys: &[Option<u64>],
    predicted: impl Iterator<Item = Option<u64>>,
) -> impl Iterator<Item = i64> {
    let pairs = keys.iter().zip(predicted);
    pairs.filter_map(|(key, predicted)| Some((*key)?.wrapping_sub(predicted?) as i64))
}

/// The median of left, up and left + up − upper left, `above` being upper left and up.
fn median(left: &u64, above: &[Option<u64>]) -> Option<u64> {
    let (corner, up) = (above[0]?, above[1]?);
    let (low, high) = (*left.min(&up), *left.max(&up));
    Some(if corner >= high {
        low
    } else if corner <= low {
        high
    } else {
        // Between low and high.
        low + (high - corner)
    })
}

fn keys_of<T: Ordered>(values: &[T], valid: Option<&[bool]>) -> Keys {
    let key = |(at, value): (usize, &T)| {
        let counts = value.is_number() && valid.is_none_or(|valid| valid[at]);
        counts.then(|| value.key())
    };
    values.iter().enumerate().map(key).collect()
}

impl Accumulator for Residuals {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        self.element_bits = for_values!(frames.original, |slice| 8 * size_of_element(slice));
        for at in 0..frames.count {
            let range = at * frames.frame_len()..(at + 1) * frames.frame_len();
            let valid = frames.valid.map(|valid| &valid[range.clone()]);
            let keys = for_values!(frames.original, |slice| keys_of(&slice[range], valid));
            self.add_frame(keys)?;
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("not mergeable: frames are subtracted from those before them")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut lowest = f64::NAN;
        let counted = [
            ("left_entropy_bits", &mut self.left),
            ("median_entropy_bits", &mut self.median),
            ("previous_frame_entropy_bits", &mut self.previous_frame),
        ];
        for (name, counts) in counted {
            let none = ValueCounts::new(METRIC.name, None, 1);
            let entries = std::mem::replace(counts, none).sorted()?;
            let counts: Vec<u64> = entries.iter().map(|entry| entry.1).collect();
            let bits = entropy(&counts);
            outcome.value(name, bits);
            // f64::min passes over NaN: where there are no such neighbours.
            lowest = lowest.min(bits);
        }
        let ratio = self.element_bits as f64 / lowest;
        outcome.value("residual_entropy_ratio", ratio);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_three_predicts() {
        for (left, up, corner) in [(5, 9, 7), (5, 9, 1), (5, 9, 20), (9, 5, 6), (4, 4, 4)] {
            let mut three = [left, up, left + up - corner];
            three.sort_unstable();
            let found = median(&(left as u64), &[Some(corner as u64), Some(up as u64)]);
            assert_eq!(found, Some(three[1] as u64));
        }
        assert_eq!(median(&3, &[None, Some(2)]), None);
    }
}
