//! Which model of `counts` a chunk is coded with: that which would make the least of it, going by a sample.
//!
//! Photons that are few and lie anywhere are coded in planes: where pixels of neighbouring rows have photons together no
//! more often than their groups of eight have, models that look at pixels of rows above have next to nothing to gain.
//!
//! Nothing is coded for the choice: the ideal lengths of symbols, by the frequencies that their contexts have in the sample,
//! and the lengths of tables and bits besides tell enough.

use super::auto_sample::{SMALL, Sample, Size};
use super::counts::Model;
use super::counts_fir_encode::Way;
use super::counts_fir_merge::Contexts;
use super::counts_pixels::Pixels;
use super::counts_sample;
use super::{counts_bbp_encode, counts_fir_encode, counts_fir_neighbours};
use crate::kernels::pixels::Word;
use crate::params::Speed;
use crate::{Context, Layout};

/// What a larger payload of a faster model may cost, in part of the other.
fn price_of(speed: Speed) -> f64 {
    match speed {
        Speed::Fast => 0.06,
        Speed::Balanced => 0.02,
        Speed::Small => 0.0,
    }
}

/// The part of the bits that several contexts of `fir` have to save: with one, decoding takes half the time.
pub(super) fn least_gain_of_contexts(speed: Speed) -> f64 {
    match speed {
        Speed::Fast => 0.01,
        Speed::Balanced => 0.003,
        Speed::Small => 0.0,
    }
}

/// Encodes with one model. Only [`Model::Bbp`] looks at earlier frames; whether it is to, `temporal` says. Only
/// [`Model::Fir`] may have one context.
pub(super) fn encode(
    context: &mut Context,
    (model, contexts): (Model, Contexts),
    pixels: &Pixels,
    bytes: &[u8],
    temporal: Option<bool>,
    dst: &mut [u8],
) -> Option<usize> {
    let way = match model {
        Model::Bbp => {
            let memory = &mut context.counts;
            return counts_bbp_encode::encode(memory, pixels, bytes, temporal, dst);
        }
        Model::Fir => Way::Roots(contexts),
        Model::Variance => Way::Values,
    };
    counts_fir_encode::encode(&mut context.counts_fir, way, pixels, bytes, dst)
}

/// About how many bytes a sample takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    /// Those that are as many for the whole chunk.
    pub(super) fixed: usize,
    /// Those that grow with it.
    pub(super) growing: f64,
}

impl Estimate {
    /// About how many bytes a chunk takes that is so many times as large.
    pub(super) fn of_chunk(&self, times: f64) -> f64 {
        self.fixed as f64 + self.growing * times
    }
}

/// A model, and about how many bytes the chunk takes with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) model: Model,
    /// Those of [`Model::Fir`].
    pub(super) contexts: Contexts,
    pub(super) bytes: f64,
    /// Whether pixels that `counts` does not look at say little about others: then `predict` is no better.
    pub(super) is_plain: bool,
    /// Whether photons are few and lie anywhere: then nothing is repeated either.
    pub(super) is_scattered: bool,
    /// Whether most values are large: decoding then takes several times as long as `predict` does.
    pub(super) is_wide: bool,
}

/// Part of the pixels from which on large ones are worth a look at the model for them.
const FEW: f64 = 0.01;
/// Part of the pixels that are not 0, for the same where these are few: with more of them, planes are too far from being independent.
const FEW_OF_PHOTONS: f64 = 0.015;
/// Part of the pixels from which on large ones are too many for the models of small ones, and those that are not 0 for
/// photons to be few.
const MANY: f64 = 0.5;
/// Part of a payload that neighbours might save and are not worth a try.
const LITTLE: f64 = 0.004;
/// Bits of a pixel from which on a sample tells how many contexts there are.
const DENSE_BITS: f64 = 0.25;
/// Part that they might save of what is no noise.
const MUCH: f64 = 0.05;

/// Part of a payload that pixels above might save, by what they have in common with those below, and that does not pay
/// for a look at models that expect pixels from rows above.
const LITTLE_ABOVE: f64 = 0.003;
/// Part of the groups with photons from which on full ones are too many for noise.
const FULL: f64 = 0.05;
/// Bytes of a sample that say enough about that.
const TELLING_BYTES: f64 = 64.0;

/// Takes a sample of a chunk and chooses the model; `temporal` as in [`encode`]. `None` where the sample has an element
/// without a word. The sample is `large`, or small where most pixels are alike; `translate` makes of what was taken the elements that would be coded.
pub(super) fn choose(
    context: &mut Context,
    speed: Speed,
    temporal: Option<bool>,
    (layout, bytes): (&Layout, &[u8]),
    (sample, large): (&mut Sample, &Size),
    translate: impl Fn(&mut [u8]),
) -> Option<Choice> {
    sample.take(layout, bytes, &SMALL);
    translate(&mut sample.bytes);
    let mut looked = look_at(context, layout, sample);
    if looked.as_ref().is_none_or(|(_, seen)| seen.from_4 > FEW) {
        sample.take(layout, bytes, large);
        translate(&mut sample.bytes);
        looked = look_at(context, layout, sample);
    }
    let (pixels, seen) = looked?;
    let mut best: Option<Choice> = None;
    let mut gain = f64::INFINITY;
    let least_gain = least_gain_of_contexts(speed);
    for model in Model::ALL {
        let is_possible = match model {
            Model::Bbp => seen.from_4 < MANY,
            Model::Fir => seen.from_128 < MANY,
            Model::Variance => seen.from_16 > FEW || (seen.from_4 > FEW && gain > MUCH),
        };
        if !is_possible {
            continue;
        }
        let Some(estimate) = estimate(context, model, &pixels, &sample.bytes, temporal, &seen)
        else {
            continue;
        };
        let bytes = estimate.of_chunk(sample.part);
        if model == Model::Bbp && speed != Speed::Small {
            let choice = of_sparse(context, bytes, &estimate, &pixels, &seen);
            if choice.is_some() {
                return choice;
            }
        }
        if model == Model::Fir && seen.from_16 <= FEW {
            let bits = counts_fir_neighbours::gain_of_neighbours(&mut context.counts_fir, &pixels);
            gain = bits / (8.0 * estimate.growing).max(1.0);
        }
        // In order of decreasing speed.
        if best.is_none_or(|best| bytes < best.bytes * (1.0 - price_of(speed))) {
            let is_dense = 8.0 * estimate.growing > DENSE_BITS * pixels.len() as f64;
            let is_even = model == Model::Fir
                && is_dense
                && counts_fir_encode::gain_of_contexts(&context.counts_fir, sample.part)
                    < least_gain;
            best = Some(Choice {
                model,
                contexts: match is_even {
                    true => Contexts::One,
                    false => Contexts::Saving(least_gain),
                },
                bytes,
                is_plain: false,
                is_scattered: false,
                is_wide: seen.from_128 > MANY,
            });
        }
    }
    best.map(|best| Choice {
        is_plain: speed != Speed::Small && gain < LITTLE,
        ..best
    })
}

/// The choice where photons are few and do not say much about those of other rows; `bytes` and `estimate` are those of
/// the model of planes, whose planes of the sample were made last.
fn of_sparse(
    context: &Context,
    bytes: f64,
    estimate: &Estimate,
    pixels: &Pixels,
    seen: &counts_sample::Choice,
) -> Option<Choice> {
    let is_dense = seen.from_1 > MANY || seen.from_4 > FEW.min(FEW_OF_PHOTONS * seen.from_1);
    if is_dense || estimate.growing < TELLING_BYTES {
        return None;
    }
    let bits = 8.0 * estimate.growing;
    let structure = counts_bbp_encode::structure(&context.counts, pixels, seen.planes);
    let is_plain = structure.beside < LITTLE * bits;
    let is_scattered = structure.below < LITTLE_ABOVE * bits && structure.full < FULL;
    is_scattered.then_some(Choice {
        model: Model::Bbp,
        contexts: Contexts::Saving(0.0),
        bytes,
        is_plain,
        is_scattered: is_plain,
        is_wide: false,
    })
}

/// The pixels of a sample and what they are like.
fn look_at(
    context: &mut Context,
    layout: &Layout,
    sample: &Sample,
) -> Option<(Pixels, counts_sample::Choice)> {
    let layout = sample.layout(layout);
    let mut pixels = Pixels::of(&layout, &sample.bytes)?;
    pixels.bands = sample.bands(layout.element.bytes);
    let seen = match pixels.word_bytes {
        1 => look::<u8>(context, &pixels, &sample.bytes),
        2 => look::<u16>(context, &pixels, &sample.bytes),
        _ => look::<u32>(context, &pixels, &sample.bytes),
    }?;
    Some((pixels, seen))
}

fn look<W: Word>(
    context: &mut Context,
    pixels: &Pixels,
    bytes: &[u8],
) -> Option<counts_sample::Choice> {
    let words = &mut vec![W::default(); pixels.columns];
    context.counts.encoder.sample.choose(pixels, bytes, words)
}

fn estimate(
    context: &mut Context,
    model: Model,
    pixels: &Pixels,
    bytes: &[u8],
    temporal: Option<bool>,
    seen: &counts_sample::Choice,
) -> Option<Estimate> {
    let has_differences = model == Model::Variance;
    match model {
        Model::Bbp => {
            counts_bbp_encode::estimate(&mut context.counts, pixels, bytes, temporal, seen)
        }
        _ => {
            let memory = &mut context.counts_fir;
            counts_fir_encode::estimate(memory, has_differences, pixels, bytes, seen)
        }
    }
}
