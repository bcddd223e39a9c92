//! Indices as residuals of a prediction from their neighbours: the back end for bins of smooth and of noisy images.
//!
//! Residuals take several times as long to code as the other back ends. So they are chosen by default only where they
//! save 5 %, and a tenth of a bit for each index; at `speed=small` a hundredth of both, and at `speed=fast` never. Beside
//! `counts`, which take nearly as long, they only have to be shorter.
//! First the frequencies of indices and of differences of neighbours are asked, which costs little; where these leave
//! hope, a model is learnt on a sample of rows.
//!
//! The payload is an i32, what is to be added to indices, then their sums: see `entropy/predict.rs`. Sums wrap.

use crate::codecs::counts_indices::sample_for;
use crate::entropy::indices::{Indices, Origin, grow};
use crate::entropy::predict::{self, Sink};
use crate::entropy::predict_choice::{Choice, Orders};
use crate::entropy::predict_lines::Extent;
use crate::params::Speed;
use crate::{Context, Error};

/// Residuals are chosen where they take less than this fraction of the best other back end, and save so many bits for an
/// index; `None` for never. A sample says this, which is not quite like the chunk. Masks and labels take less than those bits
/// altogether, and stay with back ends that decode many times as fast.
fn worth_at(speed: Speed) -> Option<(f64, f64)> {
    match speed {
        Speed::Fast => None,
        Speed::Balanced => Some((0.95, 0.1)),
        Speed::Small => Some((0.99, 0.01)),
    }
}

/// What may be looked at.
fn choice_at(speed: Speed) -> Choice {
    let orders = match speed {
        Speed::Fast | Speed::Balanced => Orders::Timely,
        Speed::Small => Orders::Smallest,
    };
    Choice {
        orders,
        temporal: None,
    }
}

/// The bits that an index takes otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rivals {
    /// With the best back end that is no model of pixels.
    pub(super) plain: f64,
    /// As counts, where these are better.
    pub(super) counts: Option<f64>,
}

/// Bits by which a prediction may be better than the difference to the left neighbour, about: half a bit where noise is
/// white, twice as much where it alternates, as that of filtered back projections does.
const HOPE: f64 = 1.0;
/// Parts of a sample whose frequencies are counted apart.
const PIECES: usize = 4;
/// Fewer indices are not worth a model.
const FEWEST: usize = 8192;
/// Numbers are counted by so many low values.
const COUNTED: usize = 4096;
/// Codes that are looked for.
const MOST_CODES: usize = 8;
/// Indices given away at once.
const BLOCK: usize = super::bits::BLOCK;

/// About how many bits an index takes, where residuals are enough better than another back end.
pub(super) fn worth(
    context: &mut Context,
    indices: &Indices,
    rivals: Rivals,
) -> Result<Option<f64>, Error> {
    let &Indices { width, origin, .. } = indices;
    let count = indices.len();
    let Some((worth, saving)) = worth_at(origin.speed) else {
        return Ok(None);
    };
    let other = rivals.plain;
    if count < FEWEST || other <= saving {
        return Ok(None);
    }
    let mut sample = std::mem::take(&mut context.sample);
    let layout = indices.layout();
    sample.take(&layout, indices.bytes, sample_for(origin.speed));
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    widen(width, &sample.bytes, offset(&origin), &mut numbers);
    let hoped = hoped_of(&numbers);
    let likeness = likeness_of(&numbers, indices);
    let mut bits = f64::INFINITY;
    if hoped * likeness < worth * other {
        let extent = Extent::of(&sample.layout(&layout).shape, numbers.len());
        find_codes(context, &mut numbers, indices);
        let Context { predict, zstd, .. } = context;
        let estimate = predict::estimate(
            predict,
            zstd,
            &mut numbers,
            &extent,
            (choice_at(origin.speed), sample.bands(width)),
        )?;
        if let Some((fixed, growing)) = estimate {
            bits = 8.0 * (growing * sample.part + fixed as f64) / count as f64;
        }
    }
    // Those were of places all over the chunk. Those of counts are of the same sample.
    let other = other / likeness;
    context.predicted_numbers = numbers;
    context.sample = sample;
    let is_worth = bits < (worth * other).min(other - saving);
    let is_worth = is_worth && rivals.counts.is_none_or(|counts| bits < counts);
    Ok(is_worth.then_some(bits))
}

/// Bits for a number that a prediction might take; of each piece apart, because frames differ.
fn hoped_of(numbers: &[i32]) -> f64 {
    let bits = |piece: &[i32]| {
        let differences = piece.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        let least = entropy(piece.iter().copied()).min(entropy(differences) - HOPE);
        least * piece.len() as f64
    };
    let pieces = numbers.chunks(numbers.len().div_ceil(PIECES).max(1));
    pieces.map(bits).sum::<f64>() / numbers.len().max(1) as f64
}

/// Pairs of neighbours that are looked at in a chunk.
const PAIRS: usize = 1 << 14;

/// How many times as many bits the difference of neighbours takes in the chunk as in a sample: the rows of that may have more
/// noise, or less.
fn likeness_of(sample: &[i32], indices: &Indices) -> f64 {
    let width = indices.width;
    let number = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..width].copy_from_slice(bytes);
        i32::from_le_bytes(word)
    };
    let step = (indices.len() / PAIRS) | 1; // odd, to meet all columns
    let pairs = indices
        .bytes
        .chunks_exact(width)
        .zip(indices.bytes[width..].chunks_exact(width));
    let of_chunk = pairs
        .step_by(step)
        .map(|(left, right)| number(right).wrapping_sub(number(left)));
    let of_sample = sample.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (of_chunk, of_sample) = (entropy(of_chunk), entropy(of_sample));
    if of_sample > 0.0 {
        (of_chunk / of_sample).clamp(0.5, 2.0)
    } else {
        1.0
    }
}

/// What is added to indices.
fn offset(origin: &Origin) -> i32 {
    i32::try_from(origin.first_bin).unwrap_or(0)
}

/// Encodes indices of `width` bytes; `None` where they do not fit.
pub(super) fn encode(
    context: &mut Context,
    indices: &Indices,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let Some((field, rest)) = dst.split_first_chunk_mut() else {
        return Ok(None);
    };
    let origin = &indices.origin;
    *field = offset(origin).to_le_bytes();
    let at = field.len();
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    widen(indices.width, indices.bytes, offset(origin), &mut numbers);
    let extent = Extent::of(origin.shape, numbers.len());
    let written = encode_numbers(context, &mut numbers, indices, &extent, rest);
    context.predicted_numbers = numbers;
    Ok(written?.map(|len| at + len))
}

fn encode_numbers(
    context: &mut Context,
    numbers: &mut Vec<i32>,
    indices: &Indices,
    extent: &Extent,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    find_codes(context, numbers, indices);
    let Context { predict, zstd, .. } = context;
    predict::encode(
        predict,
        zstd,
        numbers,
        extent,
        choice_at(indices.origin.speed),
        dst,
    )
}

/// Finds special numbers, codes among them.
fn find_codes(context: &mut Context, numbers: &mut [i32], indices: &Indices) {
    let origin = &indices.origin;
    let codes = origin.first_code..indices.max.saturating_add(1);
    let number = |code: u32| (code as i32).wrapping_add(offset(origin));
    let mut named = [0; MOST_CODES];
    let mut count = 0;
    for (place, code) in named.iter_mut().zip(codes) {
        *place = number(code);
        count += 1;
    }
    context.predict.specials.find(numbers, &named[..count]);
}

/// Decodes `elements` indices of `width` bytes and gives them to `consume`, block by block, until that returns false.
pub(super) fn decode(
    context: &mut Context,
    width: usize,
    elements: usize,
    payload: &[u8],
    mut consume: impl FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let Some((field, rest)) = payload.split_first_chunk() else {
        return Err(Error::Truncated {
            what: "what is added to indices",
            offset: 0,
            needed: size_of::<i32>(),
            len: payload.len(),
        });
    };
    let offset = i32::from_le_bytes(*field);
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    let Context { predict, zstd, .. } = context;
    grow(&mut numbers, elements);
    let sink: &mut dyn Sink = &mut &mut numbers[..elements];
    let decoded =
        predict::decode(predict, zstd, rest, elements, sink).map_err(|error| error.at(field.len()));
    let mut block = [0; 4 * BLOCK];
    let mut all = || {
        numbers[..elements].chunks(BLOCK).all(|numbers| {
            narrow(width, numbers, offset, &mut block);
            consume(&block[..numbers.len() * width])
        })
    };
    let consumed = decoded.map(|()| all());
    context.predicted_numbers = numbers;
    consumed
}

fn widen(width: usize, indices: &[u8], offset: i32, numbers: &mut Vec<i32>) {
    numbers.clear();
    numbers.reserve_exact(indices.len() / width);
    let number = |index: i32| index.wrapping_add(offset);
    match width {
        1 => numbers.extend(indices.iter().map(|&index| number(i32::from(index)))),
        2 => {
            let indices = indices.as_chunks().0.iter();
            numbers.extend(indices.map(|&index| number(i32::from(u16::from_le_bytes(index)))));
        }
        _ => {
            let indices = indices.as_chunks().0.iter();
            numbers.extend(indices.map(|&index| number(i32::from_le_bytes(index))));
        }
    }
}

fn narrow(width: usize, numbers: &[i32], offset: i32, indices: &mut [u8]) {
    let numbers = numbers.iter().map(|number| number.wrapping_sub(offset));
    match width {
        1 => {
            for (index, number) in indices.iter_mut().zip(numbers) {
                *index = number as u8;
            }
        }
        2 => {
            for (index, number) in indices.as_chunks_mut().0.iter_mut().zip(numbers) {
                *index = (number as u16).to_le_bytes();
            }
        }
        _ => {
            for (index, number) in indices.as_chunks_mut().0.iter_mut().zip(numbers) {
                *index = number.to_le_bytes();
            }
        }
    }
}

/// Bits for a number if numbers were coded by their frequencies; of those that are alike in the low bits, too few.
fn entropy(numbers: impl Iterator<Item = i32>) -> f64 {
    let mut counts = [0u32; COUNTED];
    let mut total = 0u32;
    for number in numbers {
        counts[number as usize % COUNTED] += 1;
        total += 1;
    }
    let total = f64::from(total.max(1));
    let bits = |&count: &u32| f64::from(count) * (total / f64::from(count)).log2();
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(bits)
        .sum::<f64>()
        / total
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
        for (height, shape) in [
            (200.0, [1, 100, 200]),
            (3000.0, [3, 100, 200]),
            (9e5, [2, 10, 2000]),
        ] {
            let count = shape.iter().product();
            let indices = hill(count, height);
            let max = height as u32 + 8;
            let origin = Origin {
                speed: Speed::Balanced,
                shape: &shape,
                first_bin: -50,
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
