//! `auto`, lossless: for every chunk the codec that makes it smallest, as far as its speed is worth it.
//!
//! The frame names the codec that was chosen, so this one never stands in a file. A bound in the SPEC makes it
//! `quantise` or `noise`, whose indices go to the smallest back end by the same rule: `auto:abs=0.1` is
//! `quantise:abs=0.1`.
//!
//! The choice is made on a sample of rows from a few frames of the chunk (`auto_sample.rs`), which every candidate
//! encodes. One that stores tables encodes half of the sample as well; what the other half added is what the rest of the
//! chunk will take, and what is left are the tables. A small chunk is its own sample. The length is weighted with what decoding takes: at `fast` a
//! slow codec has to save 6 % for every step of slowness, at `balanced` 1 %, at `small` nothing.

use std::sync::LazyLock;

use super::auto_sample::Sample;
use crate::params::{MASK, SPEED, Speed};
use crate::{Chunk, Codec, Context, Encoded, Error, Layout, Spec, etalon_filter};

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

/// A codec to choose from.
struct Candidate {
    name: &'static str,
    /// Steps of slowness.
    slowness: i32,
    /// Whether tables are a part of a small chunk that matters.
    has_tables: bool,
}

const CANDIDATES: [Candidate; 4] = [
    candidate("bitshuffle", 0, false),
    candidate("dictionary", 0, false),
    candidate("counts", 1, true),
    candidate("predict", 2, true),
];

const fn candidate(name: &'static str, slowness: i32, has_tables: bool) -> Candidate {
    Candidate {
        name,
        slowness,
        has_tables,
    }
}

/// Part of a sample that is not tables, at least: two samples may be encoded in different ways.
const LEAST_DATA: f64 = 0.6;

/// A candidate with its settings, and the weight of its length.
struct Weighted {
    spec: Spec,
    weight: f64,
    has_tables: bool,
}

/// The candidates' settings, for each speed.
static SPECS: LazyLock<[Vec<Weighted>; 3]> = LazyLock::new(|| {
    Speed::ALL.map(|speed| {
        let step: f64 = match speed {
            Speed::Fast => 1.06,
            Speed::Balanced => 1.01,
            Speed::Small => 1.0,
        };
        let spec = |name: &str| {
            let with_speed = format!("{name}:speed={}", speed.name());
            with_speed.parse().or_else(|_| name.parse()).ok()
        };
        let weighted = |candidate: &Candidate| {
            Some(Weighted {
                spec: spec(candidate.name)?,
                weight: step.powi(candidate.slowness),
                has_tables: candidate.has_tables,
            })
        };
        CANDIDATES.iter().filter_map(weighted).collect()
    })
});

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

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    let candidates = &SPECS[Speed::of(chunk.spec) as usize];
    let mut order = Vec::with_capacity(candidates.len());
    let mut sample = std::mem::take(&mut context.sample);
    sample.take(chunk);
    for candidate in candidates {
        let estimate = estimate(context, candidate, chunk.layout, &sample, dst)?;
        order.extend(estimate.map(|len| (len * candidate.weight, &candidate.spec)));
    }
    context.sample = sample;
    order.sort_by(|(a, _), (b, _)| a.total_cmp(b));
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

/// Bytes that a candidate would take for the chunk; `None` where it takes no such values.
fn estimate(
    context: &mut Context,
    candidate: &Weighted,
    layout: &Layout,
    sample: &Sample,
    dst: &mut [u8],
) -> Result<Option<f64>, Error> {
    let spec = &candidate.spec;
    let mut len_of = |shape: &[usize], bytes: &[u8]| {
        let layout = Layout {
            element: layout.element,
            shape: shape.to_vec(),
            fill: layout.fill.clone(),
        };
        let chunk = Chunk {
            spec,
            layout: &layout,
            bytes,
        };
        let encoded = (spec.codec().encode)(context, &chunk, &mut dst[..bytes.len()])?;
        Ok(encoded.map(|encoded| encoded.len as f64))
    };
    let Some(all) = len_of(&sample.shape, &sample.bytes)? else {
        return Ok(None);
    };
    let proportional = all * sample.part;
    if sample.part == 1.0 || !candidate.has_tables {
        return Ok(Some(proportional));
    }
    let Some(half) = len_of(&sample.half_shape, sample.half())? else {
        return Ok(Some(proportional));
    };
    let rest = (all - half) * 2.0 * (sample.part - 1.0);
    Ok(Some(
        (all + rest).clamp(LEAST_DATA * proportional, proportional),
    ))
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
