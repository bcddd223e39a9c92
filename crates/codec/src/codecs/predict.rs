//! `predict`, lossless: integers as residuals of a linear prediction from their neighbours.
//!
//! For integers of 8, 16 and 32 bits, and floats that hold whole numbers. Suits images whose noise is far above their
//! last bit: tomograms, diffraction images of integrating detectors, scans.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | bit 0: a bit pattern follows; others zero |
//! | 1 | | the bit pattern that −2³¹ stands for, as many bytes as an element, little-endian |
//! | … | | the numbers, see `entropy/predict.rs`, to the end |
//!
//! Elements become `i32` (`predict_numbers.rs`): u32 wraps, floats are their value.

use super::counts_choice::Estimate;
use super::predict_numbers::{Elements, number_of, to_numbers};
use crate::entropy::bands::Bands;
use crate::entropy::predict::{self, Memory};
use crate::entropy::predict_choice::{Choice, Orders};
use crate::entropy::predict_lines::{Extent, Order};
use crate::params::{self, MASK, SPEED, Speed, TEMPORAL};
use crate::{Chunk, Codec, Context, Encoded, Error, Kind, Layout, Param, Spec, etalon_filter};

pub(super) static CODEC: Codec = Codec {
    id: 7,
    name: "predict",
    about: "lossless for noisy integer images: residuals of a linear prediction",
    lossless: true,
    params: &[
        Param {
            name: "model",
            kind: Kind::Choice(&["auto", "none", "up", "full"]),
            default: "auto",
            about: "what predicts: nothing, rows above, or also pixels to the left (slower)",
        },
        SPEED,
        TEMPORAL,
        MASK,
    ],
    filter: &etalon_filter::FILTER,
    accepts: |_, _| Ok(()),
    encode,
    decode,
};

const HAS_PATTERN: u8 = 1;

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    let mut memory = std::mem::take(&mut context.predict);
    let written = encode_with(context, chunk, &mut numbers, &mut memory, dst);
    context.predicted_numbers = numbers;
    context.predict = memory;
    Ok(written?.map(Encoded::lossless))
}

fn encode_with(
    context: &mut Context,
    chunk: &Chunk,
    numbers: &mut Vec<i32>,
    memory: &mut Memory,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let Some((pattern, extent)) = numbers_of(chunk, numbers, memory) else {
        return Ok(None);
    };
    let width = chunk.layout.element.bytes;
    let Some((flags, mut rest)) = dst.split_first_mut() else {
        return Ok(None);
    };
    *flags = 0;
    let mut at = 1;
    if let Some(pattern) = pattern {
        let Some((field, after)) = rest.split_at_mut_checked(width) else {
            return Ok(None);
        };
        field.copy_from_slice(&pattern.to_le_bytes()[..width]);
        *flags = HAS_PATTERN;
        rest = after;
        at += width;
    }
    let choice = choice_of(chunk.spec);
    let written = predict::encode(memory, &mut context.zstd, numbers, &extent, choice, rest)?;
    Ok(written.map(|len| at + len))
}

/// About how many bytes a chunk takes, which is a sample in such bands; `None` where its elements are not taken.
pub(super) fn estimate(
    context: &mut Context,
    chunk: &Chunk,
    bands: Bands,
) -> Result<Option<Estimate>, Error> {
    let mut numbers = std::mem::take(&mut context.predicted_numbers);
    let mut memory = std::mem::take(&mut context.predict);
    let estimated = match numbers_of(chunk, &mut numbers, &mut memory) {
        Some((_, extent)) => predict::estimate(
            &mut memory,
            &mut context.zstd,
            &mut numbers,
            &extent,
            (choice_of(chunk.spec), bands),
        ),
        None => Ok(None),
    };
    context.predicted_numbers = numbers;
    context.predict = memory;
    Ok(estimated?.map(|(fixed, growing)| Estimate { fixed, growing }))
}

fn choice_of(spec: &Spec) -> Choice {
    Choice {
        orders: match spec.choice("model") {
            "none" => Orders::Only(Order::Flat),
            "up" => Orders::Only(Order::Rows),
            "full" => Orders::Only(Order::Diagonals),
            _ => match Speed::of(spec) {
                Speed::Fast => Orders::Quick,
                Speed::Balanced => Orders::Any,
                Speed::Small => Orders::Smallest,
            },
        },
        temporal: params::temporal(spec),
    }
}

/// The numbers of a chunk, the pattern that one of them stands for, and their extent; finds special ones. `None` where
/// elements are not taken.
fn numbers_of(
    chunk: &Chunk,
    numbers: &mut Vec<i32>,
    memory: &mut Memory,
) -> Option<(Option<u64>, Extent)> {
    let layout = chunk.layout;
    let pattern = to_numbers(layout, chunk.bytes, numbers)?;
    let fill = layout
        .fill
        .as_deref()
        .and_then(|fill| number_of(layout, fill));
    let odd = pattern.map(|_| super::predict_numbers::ODD);
    let named: [Option<i32>; 2] = [fill, odd];
    let named: Vec<i32> = named.into_iter().flatten().collect();
    memory.specials.find(numbers, &named);
    Some((pattern, Extent::of(&layout.shape, numbers.len())))
}

fn decode(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let damaged = |what| Error::Damaged {
        what,
        offset: 0,
        len: payload.len(),
    };
    let truncated = |needed| Error::Truncated {
        what: "the header of a prediction",
        offset: 0,
        needed,
        len: payload.len(),
    };
    let width = layout.element.bytes;
    let (&flags, rest) = payload.split_first().ok_or(truncated(1))?;
    if flags > HAS_PATTERN || width > 8 {
        return Err(damaged("header of a prediction is not valid"));
    }
    let (pattern, rest) = if flags == HAS_PATTERN {
        let (field, rest) = rest.split_at_checked(width).ok_or(truncated(1 + width))?;
        let mut pattern = [0; 8];
        pattern[..width].copy_from_slice(field);
        (Some(u64::from_le_bytes(pattern)), rest)
    } else {
        (None, rest)
    };
    let count = dst.len() / width;
    let mut elements =
        Elements::new(layout, pattern, dst).ok_or(damaged("elements that are not predicted"))?;
    predict::decode(
        &mut context.predict,
        &mut context.zstd,
        rest,
        count,
        &mut elements,
    )
    .map_err(|error| error.at(payload.len() - rest.len()))
}
