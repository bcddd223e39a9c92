//! Modes of `quantise` that spread levels over a range: `rel`, `levels`, and with decoding to verify them `psnr` and
//! `otsu`.
//!
//! Where a promise has to be verified there is a list of numbers of levels, fewest first, and the first that keeps it is
//! taken. A chunk that is already quantised may keep it with fewer; so that nothing changes then, levels that leave
//! every value as it is come before all others.

use super::quantise::Kind;
use super::quantise_bins::{Mode, Survey, level_range, levels, levels_for_bound};
use super::quantise_encode::{Ask, Output, Pass, Source};
use super::quantise_otsu::{Original, Otsu};
use crate::kernels::quantise::{Linear, Sample};
use crate::{Encoded, Error};

/// Levels are tried one by one up to here, then in steps of an eighth.
const DENSE_LEVELS: u32 = 64;
const MOST_LEVELS: u32 = 1 << 16;
/// How often levels are made finer to keep a promise.
const TRIES: i32 = 12;

impl<T: Sample> Source<'_, T> {
    pub(super) fn encode_levels(
        &self,
        output: &mut Output,
        survey: Survey,
    ) -> Result<Option<Encoded>, Error> {
        let (layout, bytes) = (self.chunk.layout, self.chunk.bytes);
        let (low, high) = level_range(&output.settings, layout, bytes, &self.exact, survey);
        let settings = output.settings;
        let mut candidates = candidates::<T>(settings.mode, settings.dice.is_some(), low, high);
        if let Some(bins) = self.fixed(output, &candidates) {
            candidates = vec![bins];
        } else if let Some(bins) = candidates.first() {
            // Of a constant chunk the range is a point, which comes back.
            self.refuse_labels(bins)?;
        }
        let original = settings
            .dice
            .map(|_| Original::new(layout, bytes, &self.exact));
        let ask = match &original {
            Some(_) => Ask::KeepDecoded,
            None => Ask::Nothing,
        };
        for (attempt, &bins) in candidates.iter().enumerate() {
            let Some(pass) = self.pass(&self.linear(bins), Kind::Linear, ask, output) else {
                continue;
            };
            let otsu = original
                .as_ref()
                .map(|original| original.compare(&pass.decoded, &self.exact));
            if self.keeps(output, &pass, otsu.as_ref(), high - low) {
                let encoded = self.finish(output, pass, otsu, (bins.bound, high - low))?;
                return Ok(encoded.map(|mut encoded| {
                    encoded.certificate.fell_back = attempt > 0 && settings.mode != Mode::Dice;
                    encoded
                }));
            }
        }
        Ok(None)
    }

    /// Whether levels over the range change nothing: a chunk that has been quantised without padding may look padded.
    pub(super) fn is_fixed(&self, output: &mut Output) -> bool {
        let Some(survey) = self.survey else {
            return true;
        };
        let (settings, layout) = (output.settings, self.chunk.layout);
        let (low, high) = level_range(&settings, layout, self.chunk.bytes, &self.exact, survey);
        let candidates = candidates::<T>(settings.mode, settings.dice.is_some(), low, high);
        self.first_fixed(output, &candidates).is_some()
    }

    /// The first of several numbers of levels that changes nothing.
    fn fixed(&self, output: &mut Output, candidates: &[Linear]) -> Option<Linear> {
        match candidates {
            [] | [_] => None,
            several => self.first_fixed(output, several),
        }
    }

    fn first_fixed(&self, output: &mut Output, candidates: &[Linear]) -> Option<Linear> {
        let mut candidates = candidates.iter();
        candidates
            .find(|bins| {
                let window = self.linear(**bins);
                let pass = self.pass(&window, Kind::Linear, Ask::OnlyFixed, output);
                pass.is_some()
            })
            .copied()
    }

    /// Whether a promise that is verified by decoding holds.
    fn keeps(&self, output: &Output, pass: &Pass<T>, otsu: Option<&Otsu>, span: f64) -> bool {
        if let (Some(limit), Some(otsu)) = (output.settings.dice, otsu) {
            return otsu.dice_frozen.min(otsu.dice_derived) >= limit;
        }
        if let Mode::Decibel(decibel) = output.settings.mode {
            let mean = pass.loss.sum_squared_error / self.measured().max(1) as f64;
            return mean == 0.0 || 10.0 * (span * span / mean).log10() >= decibel;
        }
        true
    }
}

/// Levels to try, fewest first; none where f64 cannot hold them.
fn candidates<T: Sample>(mode: Mode, dice: bool, low: f64, high: f64) -> Vec<Linear> {
    let mut bound = None;
    let counts = match mode {
        Mode::OfRange(part) => {
            bound = Some(part * (high - low));
            let count = levels_for_bound::<T>(low, high, part * (high - low));
            count.into_iter().collect()
        }
        Mode::Decibel(decibel) => finer((10f64.powf(decibel / 20.0) / 12f64.sqrt()).ceil() + 1.0),
        Mode::Levels(count) if dice => finer(f64::from(count)),
        Mode::Levels(count) => vec![f64::from(count)],
        _ => few_levels(),
    };
    let levels = |count: f64| levels::<T>(low, high, count, bound);
    counts.into_iter().filter_map(levels).collect()
}

/// A number of levels and finer ones.
fn finer(count: f64) -> Vec<f64> {
    (0..TRIES)
        .map(|attempt| ((count - 1.0) * 1.25f64.powi(attempt)).ceil() + 1.0)
        .collect()
}

/// Numbers of levels to look for the fewest in.
fn few_levels() -> Vec<f64> {
    let mut all: Vec<u32> = (2..=DENSE_LEVELS).collect();
    while let Some(&last) = all.last().filter(|last| **last < MOST_LEVELS) {
        all.push(last + last / 8);
    }
    all.into_iter().map(f64::from).collect()
}
