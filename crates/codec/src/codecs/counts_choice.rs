//! Which model of `counts` a chunk is coded with: that which would make the least of it, going by a band of
//! its rows.

use super::counts::Model;
use super::counts_pixels::Pixels;
use super::{counts_bbp_encode, counts_fir_encode};
use crate::Context;
use crate::params::Speed;

/// Pixels of the band.
const TRIED_PIXELS: usize = 1 << 17;
/// What a larger payload of a faster model may cost, in part of the other.
fn price_of(speed: Speed) -> f64 {
    match speed {
        Speed::Fast => 0.06,
        Speed::Balanced => 0.02,
        Speed::Small => 0.0,
    }
}

/// Encodes with one model.
pub(super) fn encode(
    context: &mut Context,
    model: Model,
    pixels: &Pixels,
    bytes: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let has_differences = model == Model::Variance;
    match model {
        Model::Bbp => counts_bbp_encode::encode(&mut context.counts, pixels, bytes, dst),
        _ => {
            let memory = &mut context.counts_fir;
            counts_fir_encode::encode(memory, has_differences, pixels, bytes, dst)
        }
    }
}

/// The model for a chunk; `dst` is written to. `None` where the band has an element without a word.
pub(super) fn choose(
    context: &mut Context,
    speed: Speed,
    pixels: &Pixels,
    bytes: &[u8],
    dst: &mut [u8],
) -> Option<Model> {
    let (band, start) = pixels.band(TRIED_PIXELS);
    let growth = pixels.len() as f64 / band.len() as f64;
    let mut best: Option<(Model, f64)> = None;
    for model in Model::ALL {
        let Some(len) = encode(context, model, &band, &bytes[start..], dst) else {
            continue;
        };
        // A band's header weighs more than that of the chunk will.
        let fixed = match model {
            Model::Bbp => context.counts.encoder.fixed_bytes,
            _ => context.counts_fir.encoder.fixed_bytes,
        };
        let len = fixed as f64 + len.saturating_sub(fixed) as f64 * growth;
        // In order of decreasing speed.
        if best.is_none_or(|(_, least)| len < least * (1.0 - price_of(speed))) {
            best = Some((model, len));
        }
    }
    best.map(|(model, _)| model)
}
