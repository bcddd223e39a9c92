//! Indices as residuals of a prediction from their neighbours: the back end for bins of smooth and of noisy images.
//!
//! Residuals take several times as long to code as the other back ends. So they are chosen by default only where they
//! save a tenth: first the frequencies of differences of neighbouring indices are asked, which costs little; where
//! these leave hope, a sample of rows is encoded.

use crate::entropy::indices::{Origin, grow};
use crate::entropy::predict;
use crate::entropy::predict_learn::Choice;
use crate::entropy::predict_lines::Extent;
use crate::{Context, Error};

/// Residuals are chosen where they take less than this fraction of the best other back end.
const WORTH: f64 = 0.9;
/// Bits by which a prediction may be better than the difference to the left neighbour, about.
const HOPE: f64 = 0.5;
/// Fewer indices are not worth a model.
const FEWEST: usize = 8192;
/// Indices of a sample.
const SAMPLE: usize = 1 << 15;
/// Differences are counted up to here.
const DIFFERENCES: usize = 4096;
/// Indices given away at once.
const BLOCK: usize = super::bits::BLOCK;

/// Whether residuals are enough better than `other` bits for an index.
pub(super) fn worth(
    context: &mut Context,
    width: usize,
    max: u32,
    origin: Origin,
    indices: &[u8],
    other: f64,
) -> Result<bool, Error> {
    let count = indices.len() / width;
    if count < FEWEST || other <= 0.0 {
        return Ok(false);
    }
    let whole = Extent::of(origin.shape, count);
    let rows = whole.rows.min((SAMPLE / whole.columns).max(1));
    let row = (whole.frames / 2) * whole.rows + (whole.rows - rows) / 2;
    let start = (row * whole.columns).min(count - 1);
    let end = (start + rows * whole.columns).min(count);
    let sample = &indices[start * width..end * width];
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    widen(width, sample, &mut numbers);
    let mut bits = difference_bits(&numbers, origin.first_code);
    if bits < WORTH * other + HOPE {
        let extent = Extent {
            frames: 1,
            rows: numbers.len().div_ceil(whole.columns),
            columns: whole.columns,
        };
        let sampled = numbers.len() as f64;
        let mut stream = std::mem::take(&mut context.stream);
        grow(&mut stream, 8 * SAMPLE);
        let written = encode_numbers(context, &mut numbers, max, origin, &extent, &mut stream);
        context.stream = stream;
        bits = match written? {
            Some(len) => 8.0 * len as f64 / sampled,
            None => f64::INFINITY,
        };
    }
    context.predicted_numbers = numbers;
    Ok(bits < WORTH * other)
}

/// Encodes indices of `width` bytes; `None` where they do not fit.
pub(super) fn encode(
    context: &mut Context,
    width: usize,
    max: u32,
    origin: Origin,
    indices: &[u8],
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    widen(width, indices, &mut numbers);
    let extent = Extent::of(origin.shape, numbers.len());
    let written = encode_numbers(context, &mut numbers, max, origin, &extent, dst);
    context.predicted_numbers = numbers;
    written
}

fn encode_numbers(
    context: &mut Context,
    numbers: &mut Vec<i32>,
    max: u32,
    origin: Origin,
    extent: &Extent,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let Context { predict, zstd, .. } = context;
    let codes = origin.first_code.min(max)..=max;
    let codes: Vec<i32> = match origin.first_code {
        first if first <= max => codes.take(8).map(|code| code as i32).collect(),
        _ => Vec::new(),
    };
    predict.specials.find(numbers, &codes);
    predict::encode(predict, zstd, numbers, extent, Choice::Any, dst)
}

/// Decodes `elements` indices of `width` bytes and gives them to `consume`, block by block, until that returns false.
pub(super) fn decode(
    context: &mut Context,
    width: usize,
    elements: usize,
    payload: &[u8],
    mut consume: impl FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    let Context { predict, zstd, .. } = context;
    let decoded = predict::decode(predict, zstd, payload, elements, &mut numbers);
    let mut block = [0; 4 * BLOCK];
    let mut all = || {
        numbers.chunks(BLOCK).all(|numbers| {
            narrow(width, numbers, &mut block);
            consume(&block[..numbers.len() * width])
        })
    };
    let consumed = decoded.map(|()| all());
    context.predicted_numbers = numbers;
    consumed
}

fn widen(width: usize, indices: &[u8], numbers: &mut Vec<i32>) {
    numbers.clear();
    numbers.reserve_exact(indices.len() / width);
    match width {
        1 => numbers.extend(indices.iter().map(|&index| i32::from(index))),
        2 => {
            let indices = indices.as_chunks().0.iter();
            numbers.extend(indices.map(|&index| i32::from(u16::from_le_bytes(index))));
        }
        _ => numbers.extend(indices.as_chunks().0.iter().map(|&index| i32::from_le_bytes(index))),
    }
}

fn narrow(width: usize, numbers: &[i32], indices: &mut [u8]) {
    match width {
        1 => {
            for (index, &number) in indices.iter_mut().zip(numbers) {
                *index = number as u8;
            }
        }
        2 => {
            for (index, &number) in indices.as_chunks_mut().0.iter_mut().zip(numbers) {
                *index = (number as u16).to_le_bytes();
            }
        }
        _ => {
            for (index, &number) in indices.as_chunks_mut().0.iter_mut().zip(numbers) {
                *index = number.to_le_bytes();
            }
        }
    }
}

/// Bits for an index if differences to the left neighbour were coded by their frequencies; codes are left out.
fn difference_bits(numbers: &[i32], first_code: u32) -> f64 {
    let mut counts = [0u32; DIFFERENCES];
    let mut total = 0.0;
    for pair in numbers.windows(2) {
        let difference = pair[1].wrapping_sub(pair[0]);
        let zigzag = ((difference << 1) ^ (difference >> 31)) as u32 as usize;
        if (pair[0] as u32) < first_code && (pair[1] as u32) < first_code {
            counts[zigzag.min(DIFFERENCES - 1)] += 1;
            total += 1.0;
        }
    }
    let bits = |&count: &u32| f64::from(count) * (total / f64::from(count)).log2();
    let parts = counts.iter().filter(|&&count| count > 0).map(bits);
    parts.sum::<f64>() / numbers.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::indices::{Backend, decode_narrow, encode_narrow, width_for};

    /// Columns of a hill with some noise, in frames of 100 rows.
    fn hill(count: usize, height: f64) -> Vec<u8> {
        let mut state = 1u64;
        let width = width_for(height as u32 + 16);
        let mut indices = Vec::new();
        for i in 0..count {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let (y, x) = ((i / 200) as f64, (i % 200) as f64);
            let hill = 0.5 + 0.5 * (y * 0.03).sin() * (x * 0.04).cos();
            let index = (hill * height) as u32 + (state >> 62) as u32;
            indices.extend(&index.to_le_bytes()[..width]);
        }
        indices
    }

    #[test]
    fn smooth_images_are_predicted_and_come_back() {
        for (height, shape) in [(200.0, [1, 100, 200]), (3000.0, [3, 100, 200]), (9e5, [2, 10, 2000])] {
            let count = shape.iter().product();
            let indices = hill(count, height);
            let max = height as u32 + 8;
            let origin = Origin {
                shape: &shape,
                first_code: u32::MAX,
            };
            let mut context = Context::new();
            let mut dst = vec![0xcc; 4 * count + 64];
            let auto = encode_narrow(&mut context, Backend::Auto, max, origin, &indices, &mut dst);
            let auto = auto.unwrap().unwrap();
            assert_eq!(dst[0], 3, "{height}");
            let mut back: Vec<u8> = Vec::new();
            let width = width_for(max);
            let consume = |block: &[u8]| {
                back.extend(block);
                true
            };
            decode_narrow(&mut context, width, count, &dst[..auto], consume).unwrap();
            assert!(back == indices, "{height}");
            let bits = encode_narrow(&mut context, Backend::Bits, max, origin, &indices, &mut dst);
            assert!(10 * auto < 9 * bits.unwrap().unwrap());
        }
    }
}
