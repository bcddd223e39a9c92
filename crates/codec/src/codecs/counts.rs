//! `counts`, lossless: photons counted by a detector.
//!
//! For integers of 8 to 64 bits and floats that hold whole numbers (`counts_pixels.rs`), with values that mark pixels
//! (`counts_mask.rs`). Several models share the payload; the encoder chooses:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | model: 1 Bernoulli-byte planes (`counts_bbp.rs`), 2 and 3 pixels expected from rows above (`counts_fir.rs`) |
//! | 1 | 1 | 1 if the chunk has NaN, else 0 |
//! | 2 | element size | their bit pattern, little-endian, where there are any |
//! | … | | what the model says, to the end |
//!
//! Example, a row of 64 u16, of which the tenth is 1 and all others 0: model 1, no NaN; no flags, frequencies of 12 bits,
//! 8 lanes, 2 planes, S = 2; bin 0 alone, with level 18 for plane 0 and 39 for plane 1; no special values, no escapes;
//! eight states: `01 00  00 0c 08 02 02 00 00  d2 09  00 00 00`, and 0x919d in all lanes but the second, 0x236e59.

use super::auto_sample::LARGE;
use super::counts_fir_merge::Contexts;
use super::counts_numbers::Reader;
use super::counts_pixels::Pixels;
use super::{counts_bbp, counts_choice, counts_fir};
use crate::params::{self, MASK, SPEED, Speed, TEMPORAL};
use crate::{Chunk, Codec, Context, Encoded, Error, Kind, Layout, Param, etalon_filter};

pub(super) static CODEC: Codec = Codec {
    id: 6,
    name: "counts",
    about: "lossless for photon counts: sparse frames, module gaps, dead pixels",
    lossless: true,
    params: &[
        Param {
            name: "model",
            kind: Kind::Choice(&["auto", "bbp", "fir", "variance"]),
            default: "auto",
            about: "how pixels are expected: auto takes the smallest",
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

/// How pixels are expected; the numbers are those of payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Model {
    Bbp = 1,
    Fir = 2,
    Variance = 3,
}

impl Model {
    /// In order of decreasing speed.
    pub(super) const ALL: [Self; 3] = [Self::Bbp, Self::Fir, Self::Variance];
}

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    Ok(Pixels::of(chunk.layout, chunk.bytes)
        .and_then(|pixels| encode_pixels(context, &pixels, chunk, dst))
        .map(Encoded::lossless))
}

fn encode_pixels(
    context: &mut Context,
    pixels: &Pixels,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Option<usize> {
    let all = (chunk.layout, chunk.bytes);
    let temporal = params::temporal(chunk.spec);
    let speed = Speed::of(chunk.spec);
    let contexts = Contexts::Saving(counts_choice::least_gain_of_contexts(speed));
    let model = match chunk.spec.choice("model") {
        "bbp" => (Model::Bbp, contexts),
        "fir" => (Model::Fir, contexts),
        "variance" => (Model::Variance, contexts),
        _ => {
            let mut sample = std::mem::take(&mut context.sample);
            let choice =
                counts_choice::choose(context, speed, temporal, all, (&mut sample, &LARGE), |_| ());
            context.sample = sample;
            choice.map(|choice| (choice.model, choice.contexts))?
        }
    };
    encode_with(context, model, pixels, temporal, all, dst)
}

/// Encodes with one model the elements that `pixels` stands for; `model` and `temporal` as in [`counts_choice::encode`].
pub(super) fn encode_with(
    context: &mut Context,
    model: (Model, Contexts),
    pixels: &Pixels,
    temporal: Option<bool>,
    (layout, bytes): (&Layout, &[u8]),
    dst: &mut [u8],
) -> Option<usize> {
    let nan_bytes = pixels.nan.map_or(0, |_| layout.element.bytes);
    let (head, body) = dst.split_at_mut_checked(2 + nan_bytes)?;
    head[0] = model.0 as u8;
    head[1] = u8::from(pixels.nan.is_some());
    let nan = pixels.nan.unwrap_or(0).to_le_bytes();
    head[2..].copy_from_slice(&nan[..nan_bytes]);
    let len = counts_choice::encode(context, model, pixels, bytes, temporal, body)?;
    Some(2 + nan_bytes + len)
}

pub(super) fn decode(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let mut reader = Reader::new(payload);
    let (model, has_nan) = (reader.byte()?, reader.byte()?);
    let nan = match has_nan {
        0 => None,
        1 if layout.element.bytes <= 8 => {
            let mut nan = [0; 8];
            let stored = reader.bytes(layout.element.bytes)?;
            nan[..stored.len()].copy_from_slice(stored);
            Some(u64::from_le_bytes(nan))
        }
        _ => return Err(reader.damaged("unknown flags of counts")),
    };
    let pixels =
        Pixels::new(layout, nan).ok_or(reader.damaged("elements that counts does not code"))?;
    let model = Model::ALL.into_iter().find(|&known| known as u8 == model);
    match model.ok_or(reader.damaged("unknown model of counts"))? {
        Model::Bbp => counts_bbp::decode(&mut context.counts, &pixels, &mut reader, dst),
        model => {
            let has_differences = model == Model::Variance;
            let memory = &mut context.counts_fir;
            counts_fir::decode(memory, has_differences, &pixels, &mut reader, dst)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    #[test]
    fn the_worked_example_of_the_format() {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![1, 64]);
        let mut bytes = [0; 128];
        bytes[2 * 9] = 1;
        let mut payload = [0; 128];
        let chunk = Chunk {
            spec: &"counts".parse().unwrap(),
            layout: &layout,
            bytes: &bytes,
        };
        let mut context = Context::new();
        let encoded = encode(&mut context, &chunk, &mut payload).unwrap().unwrap();
        let states: Vec<u8> = (0..8)
            .map(|lane| if lane == 1 { 0x23_6e59 } else { 0x919d })
            .flat_map(u32::to_le_bytes)
            .collect();
        let head = [1, 0, 0, 12, 8, 2, 2, 0, 0, 0xd2, 9, 0, 0, 0];
        let expected = [&head, &states[..]].concat();
        assert_eq!(payload[..encoded.len], expected);
        let mut back = [0xcc; 128];
        decode(&mut context, &layout, &expected, &mut back).unwrap();
        assert_eq!(back, bytes);
    }
}
