//! Contexts: neighbouring bins of expected spread that share a frequency table.
//!
//! The encoder starts from one histogram per bin and joins the neighbours that lose least by sharing a table, until no
//! more than a given number is left and the next join would lose more than the table it saves costs.

use crate::kernels::predict::{BINS, DIRECT};

/// Symbols: those that stand for themselves, and buckets of up to 2³¹ numbers.
pub(super) const SYMBOLS: usize = DIRECT as usize + 32;
/// The most contexts there are: their tables for decoding are 16 KiB each.
pub(super) const MAX_CONTEXTS: usize = 24;
/// Numbers that pay for a context.
pub(super) const NUMBERS_PER_CONTEXT: usize = 1024;
/// A bin with fewer numbers joins its neighbour unseen.
const FEWEST_NUMBERS: u32 = 48;
/// Bits that a symbol takes in a table, about.
const SYMBOL_BITS: f64 = 6.0;

pub(super) type Histogram = [u32; SYMBOLS];

/// Neighbouring bins from `first` on, and their histogram.
pub(super) struct ContextBins {
    pub(crate) first: u8,
    pub(crate) histogram: Histogram,
    cost: f64,
    /// What joining the next would lose.
    loss: f64,
}

/// Puts contexts, at most `most`, for histograms of `BINS` bins into `contexts`.
pub(super) fn find_contexts(
    histograms: &[Histogram],
    most: usize,
    contexts: &mut Vec<ContextBins>,
) {
    contexts.clear();
    contexts.reserve_exact(BINS);
    for (bin, histogram) in histograms.iter().enumerate() {
        let count: u32 = histogram.iter().sum();
        match contexts.last_mut() {
            Some(last) if count < FEWEST_NUMBERS || total(&last.histogram) < FEWEST_NUMBERS => {
                last.histogram = sum(&last.histogram, histogram);
            }
            _ => contexts.push(ContextBins {
                first: bin as u8,
                histogram: *histogram,
                cost: 0.0,
                loss: 0.0,
            }),
        }
    }
    for context in contexts.iter_mut() {
        context.cost = cost(&context.histogram);
    }
    for i in 1..contexts.len() {
        contexts[i - 1].loss = loss(&contexts[i - 1], &contexts[i]);
    }
    while let Some(at) = cheapest(contexts) {
        if contexts.len() <= most && contexts[at].loss > 0.0 {
            break;
        }
        let next = contexts.remove(at + 1);
        let joined = &mut contexts[at];
        joined.histogram = sum(&joined.histogram, &next.histogram);
        joined.cost = cost(&joined.histogram);
        if at + 1 < contexts.len() {
            contexts[at].loss = loss(&contexts[at], &contexts[at + 1]);
        }
        if at > 0 {
            contexts[at - 1].loss = loss(&contexts[at - 1], &contexts[at]);
        }
    }
}

/// Makes one context of all where the others save no more than so many bits.
pub(super) fn join_all(contexts: &mut Vec<ContextBins>, worth_bits: f64) {
    let Some((first, others)) = contexts.split_first_mut() else {
        return;
    };
    let histogram = others.iter().fold(first.histogram, |all, context| {
        sum(&all, &context.histogram)
    });
    let apart: f64 = others.iter().map(|context| context.cost).sum();
    let together = cost(&histogram);
    if together <= first.cost + apart + worth_bits {
        (first.histogram, first.cost) = (histogram, together);
        contexts.truncate(1);
    }
}

/// The context whose join with the next loses least.
fn cheapest(contexts: &[ContextBins]) -> Option<usize> {
    let pairs = contexts.len().checked_sub(1)?;
    (0..pairs).min_by(|&a, &b| contexts[a].loss.total_cmp(&contexts[b].loss))
}

fn total(histogram: &Histogram) -> u32 {
    histogram.iter().sum()
}

fn sum(a: &Histogram, b: &Histogram) -> Histogram {
    std::array::from_fn(|symbol| a[symbol] + b[symbol])
}

/// Bits that joining two contexts loses, less those that a table takes.
fn loss(a: &ContextBins, b: &ContextBins) -> f64 {
    let length =
        |histogram: &Histogram| histogram.iter().rposition(|&count| count > 0).unwrap_or(0);
    let table = SYMBOL_BITS * (2 + length(&a.histogram).min(length(&b.histogram))) as f64;
    cost(&sum(&a.histogram, &b.histogram)) - a.cost - b.cost - table
}

/// Bits of the symbols of a histogram, coded with their own frequencies.
pub(super) fn cost(histogram: &Histogram) -> f64 {
    let total: u32 = total(histogram);
    let parts = histogram.iter().filter(|&&count| count > 0);
    weighted(total) - parts.map(|&count| weighted(count)).sum::<f64>()
}

/// Bits that stand beside the symbols of large residuals.
pub(super) fn large_bits(histogram: &Histogram) -> f64 {
    let (_, buckets) = histogram.split_at(DIRECT as usize);
    let bits = |(bits, &count): (usize, &u32)| bits as f64 * f64::from(count);
    buckets.iter().enumerate().map(bits).sum()
}

/// n · log₂ n.
fn weighted(count: u32) -> f64 {
    f64::from(count) * f64::from((count.max(1) as f32).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_equal_frequencies_join_and_different_ones_do_not() {
        let mut histograms = vec![[0; SYMBOLS]; BINS];
        for (bin, histogram) in histograms.iter_mut().enumerate().take(60).skip(20) {
            let shift = if bin < 40 { 0 } else { 30 };
            for symbol in 0..10 {
                histogram[symbol + shift] = 1000 + (symbol * 100 + bin) as u32;
            }
        }
        let contexts = |histograms: &[Histogram], most: usize| {
            let mut found = Vec::new();
            find_contexts(histograms, most, &mut found);
            found
        };
        let found = contexts(&histograms, MAX_CONTEXTS);
        let firsts: Vec<u8> = found.iter().map(|context| context.first).collect();
        assert_eq!(firsts, [0, 40]);
        assert_eq!(contexts(&histograms, 1).len(), 1);
        let mut found = found;
        join_all(&mut found, 0.0);
        assert_eq!(found.len(), 2);
        join_all(&mut found, 1e9);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].histogram, contexts(&histograms, 1)[0].histogram);
        assert_eq!(contexts(&vec![[0; SYMBOLS]; BINS], 24).len(), 1);
    }
}
