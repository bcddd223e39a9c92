//! Which bins share a context: neighbours are merged while what that costs is less than a table.

use std::sync::LazyLock;

use super::counts_fir::{MAPPED_BINS, MAX_CONTEXTS};
use crate::entropy::rans_tables::written_bytes;
use crate::kernels::counts_fir::BINS;

/// Bits that a table must save.
const TABLE_BITS: f64 = 100.0;

/// Bins and how often each of their symbols occurred.
pub(super) struct Histograms<'a> {
    pub(super) symbols: usize,
    /// A part of `symbols` for each bin that there may be.
    pub(super) counts: &'a [u32],
}

impl Histograms<'_> {
    pub(super) fn of(&self, bin: usize) -> &[u32] {
        let rest = self.counts.get(bin * self.symbols..).unwrap_or(&[]);
        &rest[..self.symbols.min(rest.len())]
    }
}

/// Contexts that `fir` may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Contexts {
    /// One: nothing is estimated.
    One,
    /// Several, where they save this part of the bits.
    Saving(f64),
}

/// Contexts of bins and the symbols of contexts.
pub(super) struct Merged {
    pub(super) map: [u8; BINS],
    pub(super) histograms: Vec<Vec<u32>>,
    /// The bins' low bits, by context.
    pub(super) low_bits: Vec<u8>,
    /// Bits of all symbols.
    pub(super) bits: f64,
}

/// What several contexts save beside one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gain {
    bits: [f64; 2],
    table_bits: [f64; 2],
}

impl Gain {
    /// The part of the bits of a chunk, so many times as large as what was looked at: its tables are no larger.
    pub(super) fn of_chunk(&self, part: f64) -> f64 {
        let [several, one] = [0, 1].map(|i| self.bits[i] * part + self.table_bits[i]);
        1.0 - several / one
    }
}

/// c log₂ c for c below 4096: most counts are, and logarithms are what merging takes its time for.
static WEIGHTS: LazyLock<Vec<f64>> = LazyLock::new(|| (0..4096).map(computed_weight).collect());

fn computed_weight(count: u32) -> f64 {
    match count {
        0 | 1 => 0.0,
        _ => f64::from(count) * f64::from(count).log2(),
    }
}

/// c log₂ c.
fn weight(count: u32) -> f64 {
    match WEIGHTS.get(count as usize) {
        Some(&weight) => weight,
        None => computed_weight(count),
    }
}

impl Merged {
    /// One context for all pixels.
    pub(super) fn one(histogram: Vec<u32>) -> Self {
        finish(vec![Some(Group::new(histogram, 0))], &[0; BINS])
    }

    /// One context for all pixels, where several have the same low bits, and what these save.
    pub(super) fn joined(&self, direct: usize) -> (Self, Gain) {
        let mut sums = vec![0; self.histograms[0].len()];
        for histogram in &self.histograms {
            for (sum, count) in sums.iter_mut().zip(histogram) {
                *sum += count;
            }
        }
        let table_bits = |histogram: &Vec<u32>| 8.0 * written_bytes(histogram, direct) as f64;
        let joined = Self::one(sums);
        let tables = |merged: &Self| merged.histograms.iter().map(table_bits).sum();
        let gain = Gain {
            bits: [self.bits, joined.bits],
            table_bits: [tables(self), tables(&joined)],
        };
        (joined, gain)
    }
}

struct Group {
    histogram: Vec<u32>,
    total: u32,
    /// Bits of the symbols, coded on their own.
    bits: f64,
    low_bits: u8,
}

impl Group {
    fn new(histogram: Vec<u32>, low_bits: u8) -> Self {
        let total = histogram.iter().sum();
        let bits = weight(total) - histogram.iter().map(|&count| weight(count)).sum::<f64>();
        Self {
            histogram,
            total,
            bits,
            low_bits,
        }
    }

    /// Both together, which costs so many bits.
    fn with(&self, other: &Self, loss: f64) -> Self {
        let sum = |(a, b): (&u32, &u32)| a + b;
        let histogram = self.histogram.iter().zip(&other.histogram).map(sum);
        Self {
            histogram: histogram.collect(),
            total: self.total + other.total,
            bits: self.bits + other.bits + loss,
            low_bits: self.low_bits,
        }
    }

    /// Bits that coding two groups together costs.
    fn loss(&self, other: &Self) -> f64 {
        let together = self.histogram.iter().zip(&other.histogram);
        let bits =
            weight(self.total + other.total) - together.map(|(&a, &b)| weight(a + b)).sum::<f64>();
        bits - self.bits - other.bits
    }
}

/// Bins that may be merged with a bin because their estimates are close: of those after it.
fn neighbours(bin: usize, is_grid: bool) -> [usize; 2] {
    match bin {
        _ if !is_grid => [bin + 1, bin + 1],
        0..156 => [bin + 1, bin + 4],
        156..160 => [bin + 1, 160],
        _ => [bin + 1, bin + 1],
    }
}

/// Merges bins; `is_grid` says that bins are four to a spread (model 3), `low_bits` of bins must agree.
pub(super) fn merge(histograms: &Histograms, low_bits: &[u8; BINS], is_grid: bool) -> Merged {
    let used = used_symbols(histograms);
    let mut groups: Vec<Option<Group>> = Vec::new();
    let mut group_of = [usize::MAX; BINS];
    for bin in 0..MAPPED_BINS {
        let histogram = histograms.of(bin);
        if histogram.iter().any(|&count| count > 0) {
            group_of[bin] = groups.len();
            let histogram = used.iter().map(|&symbol| histogram[symbol]).collect();
            groups.push(Some(Group::new(histogram, low_bits[bin])));
        }
    }
    let mut pairs = pairs(&groups, &group_of, is_grid);
    let mut left = groups.len();
    loop {
        let best = pairs.iter().copied().min_by(|a, b| a.2.total_cmp(&b.2));
        let Some((kept, gone, loss)) = best else {
            break;
        };
        if left <= MAX_CONTEXTS && loss > TABLE_BITS {
            break;
        }
        let (Some(a), Some(b)) = (&groups[kept], &groups[gone]) else {
            break;
        };
        groups[kept] = Some(a.with(b, loss));
        groups[gone] = None;
        left -= 1;
        for group in group_of.iter_mut().filter(|group| **group == gone) {
            *group = kept;
        }
        update(&mut pairs, &groups, kept, gone);
    }
    let mut merged = finish(groups, &group_of);
    for histogram in &mut merged.histograms {
        let mut whole = vec![0; histograms.symbols];
        for (&symbol, &count) in used.iter().zip(&*histogram) {
            whole[symbol] = count;
        }
        *histogram = whole;
    }
    merged
}

/// The symbols that occur: most alphabets are much larger, and merging takes as long as they have symbols.
fn used_symbols(histograms: &Histograms) -> Vec<usize> {
    let mut sums = vec![0; histograms.symbols];
    for histogram in histograms
        .counts
        .chunks_exact(histograms.symbols)
        .take(MAPPED_BINS)
    {
        for (sum, &count) in sums.iter_mut().zip(histogram) {
            *sum |= count;
        }
    }
    (0..sums.len()).filter(|&symbol| sums[symbol] > 0).collect()
}

type Pair = (usize, usize, f64);

fn pairs(groups: &[Option<Group>], group_of: &[usize; BINS], is_grid: bool) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for bin in 0..MAPPED_BINS {
        for mut other in neighbours(bin, is_grid) {
            // An empty bin is no obstacle.
            let step = (other - bin).min(4);
            while other < MAPPED_BINS && group_of[other] == usize::MAX {
                other += step;
            }
            if other >= MAPPED_BINS || group_of[bin] == usize::MAX {
                continue;
            }
            let (a, b) = (group_of[bin], group_of[other]);
            if let (Some(first), Some(second)) = (&groups[a], &groups[b])
                && first.low_bits == second.low_bits
                && !pairs.iter().any(|pair| (pair.0, pair.1) == (a, b))
            {
                pairs.push((a, b, first.loss(second)));
            }
        }
    }
    pairs
}

/// Pairs after `gone` became part of `kept`.
fn update(pairs: &mut Vec<Pair>, groups: &[Option<Group>], kept: usize, gone: usize) {
    for pair in pairs.iter_mut() {
        for end in [&mut pair.0, &mut pair.1] {
            if *end == gone {
                *end = kept;
            }
        }
        if pair.0 > pair.1 {
            std::mem::swap(&mut pair.0, &mut pair.1);
        }
    }
    pairs.retain(|pair| pair.0 != pair.1);
    pairs.sort_by_key(|pair| (pair.0, pair.1));
    pairs.dedup_by_key(|pair| (pair.0, pair.1));
    for pair in pairs {
        if let (true, Some(a), Some(b)) = (
            pair.0 == kept || pair.1 == kept,
            &groups[pair.0],
            &groups[pair.1],
        ) {
            pair.2 = a.loss(b);
        }
    }
}

fn finish(groups: Vec<Option<Group>>, group_of: &[usize; BINS]) -> Merged {
    let mut context_of = vec![0u8; groups.len()];
    let mut merged = Merged {
        map: [0; BINS],
        histograms: Vec::new(),
        low_bits: Vec::new(),
        bits: 0.0,
    };
    for (context, group) in context_of.iter_mut().zip(groups) {
        if let Some(group) = group {
            *context = merged.histograms.len() as u8;
            merged.histograms.push(group.histogram);
            merged.low_bits.push(group.low_bits);
            merged.bits += group.bits;
        }
    }
    if merged.histograms.is_empty() {
        merged.histograms.push(vec![0]);
        merged.low_bits.push(0);
    }
    let mut last = 0;
    for (context, &group) in merged.map.iter_mut().zip(group_of) {
        if let Some(&of_group) = context_of.get(group) {
            last = of_group;
        }
        *context = last;
    }
    merged.map[MAPPED_BINS..].fill(merged.histograms.len() as u8);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(bins: &[(usize, [u32; 3])], low_bits: &[u8; BINS], is_grid: bool) -> Merged {
        let mut counts = vec![0; 3 * BINS];
        for (bin, of_bin) in bins {
            counts[3 * bin..3 * bin + 3].copy_from_slice(of_bin);
        }
        let histograms = Histograms {
            symbols: 3,
            counts: &counts,
        };
        merge(&histograms, low_bits, is_grid)
    }

    #[test]
    fn like_bins_share_a_context_and_unlike_ones_do_not() {
        let bins = [
            (2, [900, 100, 0]),
            (5, [1800, 200, 0]),
            (6, [100, 900, 0]),
            (9, [0, 0, 1000]),
        ];
        let merged = merged(&bins, &[0; BINS], false);
        assert_eq!(merged.histograms.len(), 3);
        assert_eq!(merged.map[2], merged.map[5]);
        assert_eq!(merged.histograms[0], [2700, 300, 0]);
        assert_eq!(merged.map[..2], [0, 0]);
        assert_eq!((merged.map[6], merged.map[8], merged.map[9]), (1, 1, 2));
        assert_eq!(merged.map[191], 2);
        assert_eq!(merged.map[255], 3);
    }

    #[test]
    fn joined_contexts_have_the_symbols_of_all() {
        let bins = [(2, [900, 100, 0]), (6, [100, 900, 0]), (9, [0, 0, 1000])];
        let merged = merged(&bins, &[0; BINS], false);
        let (joined, gain) = merged.joined(3);
        let saved = gain.of_chunk(1.0);
        assert_eq!(joined.histograms, [[1000, 1000, 1000]]);
        assert!(
            joined.map[..MAPPED_BINS]
                .iter()
                .all(|&context| context == 0)
        );
        assert_eq!(joined.map[255], 1);
        assert!((joined.bits - 3000.0 * 3f64.log2()).abs() < 1e-6);
        // 469 bits a thousand in two contexts, none in the third.
        assert!((0.75..0.81).contains(&saved), "{saved}");
    }

    #[test]
    fn bins_of_other_low_bits_stay_apart() {
        let bins = [(2, [9, 1, 0]), (3, [9, 1, 0])];
        let mut low_bits = [0; BINS];
        assert_eq!(merged(&bins, &low_bits, true).histograms.len(), 1);
        low_bits[3] = 1;
        let merged = merged(&bins, &low_bits, true);
        assert_eq!(merged.low_bits, [0, 1]);
    }
}
