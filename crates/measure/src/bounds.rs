//! What compression can reach at all: entropies of the values of some chunks, and how many of them are 0.
//!
//! * Zeroth-order entropy: H₀ = −Σ p log₂ p over the values. No codec that stores values independently of one another gets
//!   below it; one that makes use of what lies beside a value may.
//! * Poisson entropy: what counts of the local mean hold when nothing but counting noise is unknown. The mean is that of
//!   5 × 5 pixels of the frame. The largest value of an unsigned type and negative values mark pixels that do not count:
//!   they are left out of the means and have no entropy.

use etalon_codec::{Element, ElementClass};
use etalon_metrics::{entropy, poisson_entropy};
use serde::{Deserialize, Serialize};

use crate::element_words::words;
use crate::speed::RawChunk;

/// Entropies per element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Share of elements that are 0.
    pub sparsity: f64,
    /// Zeroth-order entropy, bits per element.
    pub entropy_bits: f64,
    /// Bits of an element over `entropy_bits`; `None` where all elements are equal.
    pub ratio_bound: Option<f64>,
    /// Mean entropy of Poisson counts, bits per element; `None` for what are not whole numbers.
    pub poisson_bits: Option<f64>,
    /// Bits of an element over `poisson_bits`.
    pub poisson_ratio_bound: Option<f64>,
}

/// Pixels on either side in the window of the local mean.
const REACH: usize = 2;

/// The bounds of chunks of this shape; `None` for elements that are no numbers.
pub fn bounds(element: &Element, chunk: &[usize], chunks: &[RawChunk]) -> Option<Bounds> {
    let mut values = Vec::new();
    for chunk in chunks {
        values.extend(words(element, &chunk.bytes)?);
    }
    if values.is_empty() {
        return None;
    }
    let element_bits = 8.0 * element.bytes as f64;
    let poisson_bits = poisson_bits(element, chunk, &values);
    let minus_zero = match element.class {
        ElementClass::Float => 1u64 << (8 * element.bytes - 1),
        _ => 0,
    };
    let count = values.len() as f64;
    let zeros = values.iter().filter(|word| (**word & !minus_zero) == 0);
    let sparsity = zeros.count() as f64 / count;
    let entropy_bits = entropy_of(&mut values);
    let ratio = |bits: f64| (bits > 0.0).then(|| element_bits / bits);
    Some(Bounds {
        sparsity,
        entropy_bits,
        ratio_bound: ratio(entropy_bits),
        poisson_bits,
        poisson_ratio_bound: poisson_bits.and_then(ratio),
    })
}

/// Zeroth-order entropy; `values` are sorted on the way.
fn entropy_of(values: &mut [u64]) -> f64 {
    values.sort_unstable();
    let counts = values.chunk_by(|a, b| a == b);
    let counts: Vec<u64> = counts.map(|equal| equal.len() as u64).collect();
    entropy(&counts)
}

fn poisson_bits(element: &Element, chunk: &[usize], values: &[u64]) -> Option<f64> {
    let unused = 64 - 8 * element.bytes as u32;
    let most = u64::MAX >> unused;
    let counts: Vec<Option<u64>> = match element.class {
        ElementClass::Unsigned => values
            .iter()
            .map(|&word| (word != most).then_some(word))
            .collect(),
        ElementClass::Signed => values
            .iter()
            .map(|&word| u64::try_from(((word << unused) as i64) >> unused).ok())
            .collect(),
        _ => return None,
    };
    let columns = chunk.last().copied()?.max(1);
    let rows = match chunk {
        [.., rows, _] => (*rows).max(1),
        _ => 1,
    };
    let mut known = KnownEntropies::default();
    let total: f64 = counts
        .chunks(rows * columns)
        .map(|frame| frame_bits(frame, columns, &mut known))
        .sum();
    Some(total / values.len() as f64)
}

/// Sum of the entropies of one frame, from a table of sums over its upper left corners.
fn frame_bits(frame: &[Option<u64>], columns: usize, known: &mut KnownEntropies) -> f64 {
    let rows = frame.len() / columns;
    let mut corners = vec![(0u64, 0u64); (rows + 1) * (columns + 1)];
    for row in 0..rows {
        let mut line = (0, 0);
        for column in 0..columns {
            if let Some(count) = frame[row * columns + column] {
                line = (u64::wrapping_add(line.0, count), line.1 + 1);
            }
            let above = corners[row * (columns + 1) + column + 1];
            corners[(row + 1) * (columns + 1) + column + 1] =
                (line.0.wrapping_add(above.0), line.1 + above.1);
        }
    }
    let mut bits = 0.0;
    for row in 0..rows {
        let (top, bottom) = (row.saturating_sub(REACH), (row + REACH + 1).min(rows));
        for column in 0..columns {
            if frame[row * columns + column].is_none() {
                continue;
            }
            let left = column.saturating_sub(REACH);
            let right = (column + REACH + 1).min(columns);
            let corner = |row: usize, column: usize| corners[row * (columns + 1) + column];
            let [a, b, c, d] = [
                corner(bottom, right),
                corner(top, left),
                corner(top, right),
                corner(bottom, left),
            ];
            // Differences of wrapped sums are right as long as 25 counts do not wrap by themselves.
            let sum = (a.0.wrapping_add(b.0)).wrapping_sub(c.0.wrapping_add(d.0));
            bits += known.of(sum, a.1 + b.1 - c.1 - d.1);
        }
    }
    bits
}

/// Entropies of means that are small sums over small numbers of pixels, of which there are few.
#[derive(Default)]
struct KnownEntropies {
    table: Vec<f64>,
}

impl KnownEntropies {
    const PIXELS: usize = (2 * REACH + 1) * (2 * REACH + 1);
    const SUMS: usize = 4096;

    /// The entropy of Poisson counts of mean `sum` / `pixels`.
    fn of(&mut self, sum: u64, pixels: u64) -> f64 {
        let mean = sum as f64 / pixels as f64;
        if sum >= Self::SUMS as u64 {
            return poisson_entropy(mean);
        }
        if self.table.is_empty() {
            self.table = vec![f64::NAN; Self::SUMS * (Self::PIXELS + 1)];
        }
        let entry = &mut self.table[sum as usize * (Self::PIXELS + 1) + pixels as usize];
        if entry.is_nan() {
            *entry = poisson_entropy(mean);
        }
        *entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use etalon_codec::ByteOrder;

    const U16: Element = Element {
        class: ElementClass::Unsigned,
        bytes: 2,
        order: ByteOrder::Little,
    };

    fn chunk(values: impl IntoIterator<Item = u16>) -> RawChunk {
        RawChunk {
            offset: vec![0, 0],
            bytes: values.into_iter().flat_map(u16::to_le_bytes).collect(),
        }
    }

    #[test]
    fn entropy_and_sparsity_are_those_of_the_definition() {
        let found = bounds(&U16, &[2, 4], &[chunk([0, 0, 0, 0, 1, 1, 2, 3])]).unwrap();
        assert_eq!(
            (found.sparsity, found.entropy_bits, found.ratio_bound),
            (0.5, 1.75, Some(16.0 / 1.75))
        );
        let constant = bounds(&U16, &[2, 4], &[chunk([0; 8])]).unwrap();
        assert_eq!(
            (
                constant.sparsity,
                constant.entropy_bits,
                constant.ratio_bound
            ),
            (1.0, 0.0, None)
        );
        assert_eq!(constant.poisson_bits, Some(0.0));
        assert_eq!(bounds(&U16, &[2, 4], &[]), None);
    }

    #[test]
    fn counts_of_one_mean_reach_their_poisson_entropy() {
        let mut random = Random::new(3);
        let counts = chunk((0..128 * 128).map(|_| random.poisson(5.0) as u16));
        let found = bounds(&U16, &[128, 128], &[counts]).unwrap();
        let expected = poisson_entropy(5.0);
        assert!((found.entropy_bits - expected).abs() < 0.01, "{found:?}");
        // The mean of 25 counts is not their expectation: the entropy is lower by about log₂(e)/50.
        let local = found.poisson_bits.unwrap();
        assert!((local - expected).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn pixels_that_do_not_count_have_no_entropy() {
        let mut random = Random::new(3);
        let counts: Vec<u16> = (0..64 * 64).map(|_| random.poisson(5.0) as u16).collect();
        let half = |at: usize| at % 64 < 32;
        let masked = (0..64 * 64).map(|at| if half(at) { counts[at] } else { u16::MAX });
        let all = bounds(&U16, &[64, 64], &[chunk(counts.clone())]).unwrap();
        let part = bounds(&U16, &[64, 64], &[chunk(masked)]).unwrap();
        let share = part.poisson_bits.unwrap() / all.poisson_bits.unwrap();
        assert!((share - 0.5).abs() < 0.01, "{share}");
    }

    #[test]
    fn floats_have_no_poisson_bound_and_two_zeros() {
        let element = Element {
            class: ElementClass::Float,
            bytes: 4,
            order: ByteOrder::Big,
        };
        let values = [0.0f32, -0.0, 1.5, 2.5];
        let chunk = RawChunk {
            offset: vec![0],
            bytes: values
                .iter()
                .flat_map(|value| value.to_be_bytes())
                .collect(),
        };
        let found = bounds(&element, &[4], &[chunk]).unwrap();
        assert_eq!(
            (found.sparsity, found.entropy_bits, found.poisson_bits),
            (0.5, 2.0, None)
        );
    }
}
