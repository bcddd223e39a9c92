//! Whether bounds of predictions are worth their time: what the symbols take of parts of the chunk, with tables and contexts,
//! with bounds and without.
//!
//! Pixels that weights are fitted at say too much for bounds: what contexts save without bounds is not seen there. Where
//! parts take too few bits to tell, or no bit is to be lost and they differ by little, all of the chunk is one.

use super::bands::Bands;
use super::indices::grow;
use super::predict_choice::Choice;
use super::predict_contexts::{
    ContextBins, Histogram, MAX_CONTEXTS, NUMBERS_PER_CONTEXT, SYMBOLS, cost, find_contexts,
    join_all, large_bits,
};
use super::predict_lines::Extent;
use super::predict_model::Model;
use super::predict_parts::{Parts, Place};
use super::predict_walk::{Histories, Predictor};
use super::rans_tables::written_bytes;
use crate::kernels::predict::{BINS, DIRECT};

/// Parts that take fewer bits may by chance be unlike the chunk by more than bounds are to save.
const FEWEST_BITS: f64 = 32_768.0;

/// The same where every bit counts, and parts that take more differ by less than this fraction.
const DOUBT: f64 = 0.01;

/// Memory, kept from chunk to chunk.
#[derive(Default)]
pub(super) struct Memory {
    histograms: Vec<Histogram>,
    contexts: Vec<ContextBins>,
    line: Vec<i32>,
    mirrored: Vec<i32>,
    kinds: Vec<u8>,
}

/// A chunk, and what may be looked at.
pub(super) struct Judge<'a> {
    pub(crate) numbers: &'a [i32],
    pub(crate) kinds: Option<&'a [u8]>,
    pub(crate) extent: &'a Extent,
    pub(crate) bands: Bands,
    pub(crate) choice: Choice,
}

/// What the symbols of parts take.
struct Bits {
    per_number: f64,
    /// Of the parts.
    bits: f64,
    /// Whether they have more than one context, which takes about as long as bounds.
    has_contexts: bool,
}

impl Judge<'_> {
    /// Whether a model with bounds is worth its time, beside one without.
    pub(crate) fn is_worth(
        &self,
        bounded: &Model,
        free: &Model,
        memory: &mut Memory,
        histories: &mut Histories,
    ) -> bool {
        let chunk = (self.numbers, self.extent);
        let mut both = |is_all: bool| {
            [free, bounded].map(|model| {
                let parts = match is_all {
                    true => Parts::all(chunk),
                    false => Parts::new(chunk, model),
                };
                self.bits(&parts, model, memory, histories)
            })
        };
        let gain = |[free, bounded]: &[Bits; 2]| 1.0 - bounded.per_number / free.per_number;
        let mut bits = both(false);
        let is_doubtful = self.choice.is_smallest() && gain(&bits).abs() < DOUBT;
        if is_doubtful || bits[0].bits < FEWEST_BITS {
            bits = both(true);
        }
        gain(&bits) > self.choice.worth_of_bounds(bits[0].has_contexts)
    }

    /// What the numbers of parts take.
    fn bits(
        &self,
        parts: &Parts,
        model: &Model,
        memory: &mut Memory,
        histories: &mut Histories,
    ) -> Bits {
        let Memory {
            histograms,
            line: numbers,
            mirrored,
            kinds,
            ..
        } = memory;
        histograms.clear();
        histograms.resize(BINS, [0; SYMBOLS]);
        let mut count = 0;
        let mut show = |predictor: &Predictor, place: Place, numbers: &[i32]| {
            let line = place.line;
            // Other frames have weights of their own, and there are more of them.
            if model.temporal && place.frame == 0 && parts.extent.frames > 1 {
                return;
            }
            let (lines, len) = (&predictor.lines, numbers.len());
            grow(mirrored, len);
            grow(kinds, len);
            let (mirrored, kinds) = (&mut mirrored[..len], &mut kinds[..len]);
            mirrored.copy_from_slice(numbers);
            predictor.mirror(mirrored);
            match self.kinds {
                Some(stored) => {
                    lines.gather(line, &stored[place.start..], self.extent.columns, kinds);
                }
                None => kinds.fill(0),
            }
            let (first_row, row_step) = match lines.diagonal() {
                true => (place.row + lines.first(line), 1),
                false => (place.row + line, 0),
            };
            let pairs = mirrored.iter().zip(predictor.predictions(len));
            let pixels = pairs.zip(predictor.bins(len)).zip(&*kinds).enumerate();
            for (i, (((&x, &prediction), &bin), &kind)) in pixels {
                if kind == 0 && self.bands.has_row(first_row + row_step * i) {
                    let residual = x.wrapping_sub(prediction) >> model.low_bits;
                    histograms[usize::from(bin)][symbol(residual)] += 1;
                    count += 1;
                }
            }
        };
        for part in 0..parts.count {
            parts.walk(model, part, numbers, histories, &mut show);
        }
        self.of_histograms(memory, f64::from(count), model.low_bits)
    }

    /// What so many numbers take whose symbols are counted.
    fn of_histograms(&self, memory: &mut Memory, count: f64, low_bits: u32) -> Bits {
        let Memory {
            histograms,
            contexts,
            ..
        } = memory;
        let most = (self.numbers.len() / NUMBERS_PER_CONTEXT).clamp(1, MAX_CONTEXTS);
        find_contexts(histograms, most, contexts);
        let lows = f64::from(low_bits) * count;
        let symbols = |context: &ContextBins| cost(&context.histogram);
        let bits = lows + contexts.iter().map(symbols).sum::<f64>();
        let worth = self.choice.worth_of_contexts(bits / count.max(1.0));
        join_all(contexts, worth * bits);
        let large = |context: &ContextBins| symbols(context) + large_bits(&context.histogram);
        let bits = lows + contexts.iter().map(large).sum::<f64>();
        let table = |context: &ContextBins| 1 + written_bytes(&context.histogram, DIRECT as usize);
        let tables: usize = contexts.iter().map(table).sum();
        let tables = 8.0 * tables as f64 / self.numbers.len() as f64;
        Bits {
            per_number: bits / count.max(1.0) + tables,
            bits,
            has_contexts: contexts.len() > 1,
        }
    }
}

/// The symbol of a residual without its low bits.
fn symbol(residual: i32) -> usize {
    let zigzag = (residual << 1 ^ residual >> 31) as u32;
    match zigzag.checked_sub(DIRECT - 1) {
        None | Some(0) => zigzag as usize,
        Some(large) => DIRECT as usize + large.ilog2() as usize,
    }
}
