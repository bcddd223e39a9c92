//! `auto`, lossless: for every chunk the codec that makes it smallest, as far as its speed is worth it.
//!
//! The frame names the codec that was chosen, so this one never stands in a file. A bound in the SPEC makes it
//! `quantise` or `noise`, whose indices go to the smallest back end by the same rule: `auto:abs=0.1` is
//! `quantise:abs=0.1`.
//!
//! The choice is made on a sample of rows from a few frames of the chunk (`auto_sample.rs`); a small chunk is its own
//! sample. `bitshuffle` and `dictionary` encode it. The models of `counts` and `predict` are learnt on it and say how
//! long the code of its symbols would be: most of what coding takes is left out, and so are tables, whose length does
//! not grow with the chunk. The length is weighted with what decoding takes: at `fast` a slow codec has to save 6 % for
//! every step of slowness, at `balanced` 1 %, at `small` nothing. At `small` all that come near the least estimate encode
//! the chunk, and the smallest stays; at `balanced`, those of which next to nothing would be left. Photons that are few
//! and lie anywhere are left to `counts` without a look at the others, but at `small`.

use std::sync::LazyLock;

use super::auto_sample::{LARGE, Sample};
use super::counts_fir_merge::Contexts;
use super::{counts_choice, predict};
use crate::entropy::bands::Bands;
use crate::entropy::indices::grow;
use crate::frame::crc32c;
use crate::params::{MASK, SPEED, Speed};
use crate::{Certificate, Chunk, Codec, Context, Encoded, Error, Layout, Spec, etalon_filter};

pub(crate) static CODEC: Codec = Codec {
    id: 255,
    name: "auto",
    about: "lossless: the smallest codec for every chunk; with a bound of quantise or noise, those",
    lossless: true,
    params: &[SPEED, MASK],
    filter: &etalon_filter::FILTER,
    accepts: |_, _| Ok(()),
    encode,
    decode,
};

/// Where bit planes take more than this times a model of noise, `dictionary` is hardly better.
const NOISE: f64 = 1.1;
/// Unless the model takes so many bits more for every element that is neither like the one to the left nor like the one
/// above than its place alone does where such elements lie anywhere: then there are regions of equal elements.
const REGION_BITS: f64 = 4.0;
/// That holds where not more than one in so many is like that; of more, each has to take so many bits.
const SOME_LIKE_NEIGHBOURS: f64 = 10.0;
const MOST_REGION_BITS: f64 = 24.0;

/// Steps of slowness of `counts` where most values are large, one more than those of `predict`: decoding takes three to
/// five times as long (jungfrau-mod5/raw and stem-abf-repeats/data in docs/FRONTIER.md). At `fast` both are too slow for
/// such data to be told apart by that.
const WIDE_STEPS: i32 = 3;

/// Only where a sample gets so many times smaller, a header weighs.
const COMPRESSIBLE: f64 = 50.0;
/// What grows with the chunk is at least this part of a sample: its halves may be unlike.
const LEAST_GROWTH: f64 = 0.5;

/// Of payloads so short, or shorter by such a factor than the chunk, estimates say little, and most codecs take little
/// time: all are tried but `predict`, unless that has the least estimate.
const TINY_BYTES: [f64; 2] = [512.0, 4096.0];
const TINY_FACTOR: f64 = 32.0;

/// At `small`, candidates are tried whose estimates are above the least by no more than this factor; where little is left
/// of the sample, all are, because estimates of what a header weighs are wide of the mark.
const DOUBT: f64 = 1.12;

/// Of what `dictionary` takes for a sample in bands, this part is left if the rows above a band are of its place: its indices
/// are predicted as well.
const OF_ONE_PLACE: f64 = 0.98;

/// What there is to choose from.
struct Candidates {
    bitshuffle: Spec,
    dictionary: Spec,
    /// Every model of `counts`.
    counts: [Spec; 3],
    /// `counts` that finds out by itself that one context does, which takes less than to expect all pixels.
    even: Spec,
    predict: Spec,
    /// Weight of the length, for each step of slowness.
    step: f64,
}

/// The candidates, for each speed.
static CANDIDATES: LazyLock<[Option<Candidates>; 3]> = LazyLock::new(|| {
    Speed::ALL.map(|speed| {
        let spec = |name: &str| -> Option<Spec> {
            let separator = if name.contains(':') { ',' } else { ':' };
            let with_speed = format!("{name}{separator}speed={}", speed.name());
            with_speed.parse().or_else(|_| name.parse()).ok()
        };
        Some(Candidates {
            bitshuffle: spec("bitshuffle")?,
            dictionary: spec("dictionary")?,
            counts: [
                spec("counts:model=bbp")?,
                spec("counts:model=fir")?,
                spec("counts:model=variance")?,
            ],
            even: spec("counts")?,
            predict: spec("predict")?,
            step: match speed {
                Speed::Fast => 1.06,
                Speed::Balanced => 1.01,
                Speed::Small => 1.0,
            },
        })
    })
});

/// A candidate and its weighted length.
type Weighed = (f64, &'static Spec);

/// Settings of the lossy codec that a SPEC of `auto` with a bound means, told by its keys.
pub(crate) fn lossy_codec<'a>(keys: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut found = None;
    for key in keys {
        match key {
            "sigma" => found = Some("noise"),
            "abs" | "rel" | "pw" | "psnr" | "levels" | "bits" | "otsu" => found = Some("quantise"),
            _ => {}
        }
    }
    found
}

/// Encodes losslessly, whatever the codec that was asked for.
pub(crate) fn encode(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let speed = Speed::of(chunk.spec);
    let Some(candidates) = &CANDIDATES[speed as usize] else {
        return Ok(None);
    };
    let mut sample = std::mem::take(&mut context.sample);
    let order = weigh(context, (candidates, speed), chunk, &mut sample, dst);
    context.sample = sample;
    let mut order = order?;
    order.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    if speed == Speed::Small {
        return smallest(context, &order, chunk, dst);
    }
    if speed == Speed::Balanced && is_tiny(&order, chunk) {
        // What is in front stays, the others but where they take long.
        let slow = candidates.predict.codec().id;
        let rivals = order.iter().skip(1);
        let rivals = rivals.filter(|(_, spec)| spec.codec().id != slow);
        let tried: Vec<Weighed> = order.iter().take(1).chain(rivals).copied().collect();
        return smallest(context, &tried, chunk, dst);
    }
    for (_, spec) in order {
        let codec = spec.codec();
        let chunk = Chunk { spec, ..*chunk };
        if let Some(encoded) = (codec.encode)(context, &chunk, dst)? {
            return Ok(Some(Encoded {
                by: Some(codec.id),
                ..encoded
            }));
        }
    }
    Ok(None)
}

/// Whether estimates say too little.
fn is_tiny(order: &[Weighed], chunk: &Chunk) -> bool {
    let least = least_bytes(order);
    let is_tiny_part = least * TINY_FACTOR < chunk.bytes.len() as f64;
    least < TINY_BYTES[0] || (least < TINY_BYTES[1] && is_tiny_part)
}

/// Encodes with the candidates that may be smallest, and keeps what is.
fn smallest(
    context: &mut Context,
    order: &[Weighed],
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let Some(&(least, _)) = order.first() else {
        return Ok(None);
    };
    let doubt = match least * COMPRESSIBLE < chunk.bytes.len() as f64 {
        true => f64::INFINITY,
        false => least * DOUBT,
    };
    let mut best: Option<Encoded> = None;
    let mut trial = std::mem::take(&mut context.trial);
    grow(&mut trial, dst.len());
    for &(len, spec) in order {
        if best.is_some() && len > doubt {
            break;
        }
        let codec = spec.codec();
        let chunk = Chunk { spec, ..*chunk };
        let Some(encoded) = (codec.encode)(context, &chunk, &mut trial[..dst.len()])? else {
            continue;
        };
        if best.as_ref().is_none_or(|best| encoded.len < best.len) {
            dst[..encoded.len].copy_from_slice(&trial[..encoded.len]);
            best = Some(Encoded {
                by: Some(codec.id),
                ..encoded
            });
        }
    }
    context.trial = trial;
    Ok(best)
}

/// What a lossless codec has to save of a payload that loses nothing, one part in so many.
const UNCHANGED_PART: usize = 50;

/// What a lossy codec made of a chunk in the front of `dst` or, where nothing is lost and that is enough shorter, what a
/// lossless one does: bins may be finer than the values are, and a lossy codec has a header of its own. Not where speed is
/// asked for.
pub(super) fn or_lossless(
    context: &mut Context,
    chunk: &Chunk,
    encoded: Option<Encoded>,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let is_fast = Speed::of(chunk.spec) == Speed::Fast;
    let lossy = match encoded {
        Some(lossy) if !is_fast && lossy.decoded_crc == Some(crc32c(chunk.bytes)) => lossy,
        encoded => return Ok(encoded),
    };
    let mut memory = std::mem::take(&mut context.frame);
    grow(&mut memory, chunk.bytes.len());
    let lossless = encode(context, chunk, &mut memory[..chunk.bytes.len()]);
    let most = lossy.len - lossy.len / UNCHANGED_PART;
    let shorter = lossless.map(|lossless| {
        let lossless = lossless.filter(|lossless| lossless.len < most)?;
        dst[..lossless.len].copy_from_slice(&memory[..lossless.len]);
        Some(lossless)
    });
    context.frame = memory;
    Ok(Some(match shorter? {
        Some(lossless) => Encoded {
            certificate: Certificate {
                fell_back: true,
                ..lossy.certificate
            },
            ..lossless
        },
        None => lossy,
    }))
}

/// The candidates that take such values.
fn weigh(
    context: &mut Context,
    (candidates, speed): (&'static Candidates, Speed),
    chunk: &Chunk,
    sample: &mut Sample,
    dst: &mut [u8],
) -> Result<Vec<Weighed>, Error> {
    let mut order: Vec<Weighed> = Vec::new();
    let (mut is_plain, mut is_scattered) = (false, false);
    let all = (chunk.layout, chunk.bytes);
    if let Some(choice) = counts_choice::choose(context, speed, None, all, (sample, &LARGE), |_| ())
    {
        (is_plain, is_scattered) = (choice.is_plain, choice.is_scattered);
        let spec = match choice.contexts {
            Contexts::One => &candidates.even,
            Contexts::Saving(_) => &candidates.counts[choice.model as usize - 1],
        };
        let is_slow = choice.is_wide && speed == Speed::Balanced;
        let steps = if is_slow { WIDE_STEPS } else { 1 };
        order.push((choice.bytes * candidates.step.powi(steps), spec));
    }
    let layout = &sample.layout(chunk.layout);
    let bands = sample.bands(layout.element.bytes);
    let novel = sample.novel_elements(layout.element.bytes) as f64 * sample.part;
    let elements = (chunk.bytes.len() / layout.element.bytes) as f64;
    let novel_bits = match novel * SOME_LIKE_NEIGHBOURS < elements {
        true => (elements / novel.max(1.0)).log2() + REGION_BITS,
        false => MOST_REGION_BITS,
    };
    let has_regions = |order: &[Weighed]| 8.0 * least_bytes(order) > novel_bits * novel;
    if is_scattered && !has_regions(&order) && !is_tiny(&order, chunk) {
        return Ok(order);
    }
    let of_sample = Chunk {
        spec: &candidates.predict,
        layout,
        bytes: &sample.bytes,
    };
    if (!is_plain || (has_regions(&order) && speed != Speed::Fast))
        && let Some(estimate) = predict::estimate(context, &of_sample, bands)?
    {
        let len = estimate.of_chunk(sample.part);
        order.push((len * candidates.step.powi(2), &candidates.predict));
    }
    let (noise, has_regions) = (least_bytes(&order), has_regions(&order));
    for spec in [&candidates.bitshuffle, &candidates.dictionary] {
        if let Some(mut len) = trial(context, spec, chunk.layout, sample, dst)? {
            if spec.codec().id == candidates.dictionary.codec().id && bands != Bands::NONE {
                len *= OF_ONE_PLACE;
            }
            order.push((len, spec));
            if len > NOISE * noise && !has_regions && !sample.is_stepped(layout) {
                break;
            }
        }
    }
    Ok(order)
}

fn least_bytes(order: &[Weighed]) -> f64 {
    let least = |least: f64, (len, _): &Weighed| least.min(*len);
    order.iter().fold(f64::INFINITY, least)
}

/// About how many bytes a codec takes that has to encode the sample for that. What half of the sample adds to the other
/// is what the rest of the chunk will take, and what is left does not grow with it.
fn trial(
    context: &mut Context,
    spec: &Spec,
    layout: &Layout,
    sample: &Sample,
    dst: &mut [u8],
) -> Result<Option<f64>, Error> {
    let mut len_of = |layout: &Layout, bytes: &[u8]| {
        let chunk = Chunk {
            spec,
            layout,
            bytes,
        };
        let encoded = (spec.codec().encode)(context, &chunk, &mut dst[..bytes.len()])?;
        Ok(encoded.map(|encoded| encoded.len as f64))
    };
    let Some(all) = len_of(&sample.layout(layout), &sample.bytes)? else {
        return Ok(None);
    };
    let proportional = all * sample.part;
    if all * COMPRESSIBLE > sample.bytes.len() as f64 {
        return Ok(Some(proportional));
    }
    let Some((half_layout, half)) = sample.half(layout) else {
        return Ok(Some(proportional));
    };
    let Some(half) = len_of(&half_layout, half)? else {
        return Ok(Some(proportional));
    };
    let grown = all + (all - half) * 2.0 * (sample.part - 1.0);
    Ok(Some(grown.clamp(LEAST_GROWTH * proportional, proportional)))
}

fn decode(
    _context: &mut Context,
    _layout: &Layout,
    payload: &[u8],
    _dst: &mut [u8],
) -> Result<(), Error> {
    Err(Error::Damaged {
        what: "a frame names the codec that was chosen, never auto",
        offset: 0,
        len: payload.len(),
    })
}
