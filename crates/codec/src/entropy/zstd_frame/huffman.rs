//! Huffman codes of at most 11 bits and their description in a zstd literals section.
//!
//! RFC 8878, 4.2.1: a decoder is told the weight of every symbol but the last, where a code of n bits has the weight
//! `longest + 1 − n` and an absent symbol 0; codes of equal length are numbered by symbol, the longest first.

use super::bits::BitWriter;
use super::fse::{Distribution, MAX_SYMBOLS, Table};

/// "Maximum_Number_of_Bits: 11" (RFC 8878, 4.2.1).
const MAX_BITS: usize = 11;
/// Weights that fit a description without FSE.
const MAX_DIRECT: usize = 128;
/// Largest accuracy of the table for weights.
const WEIGHTS_LOG: u32 = 6;

/// Codes of all bytes that occur.
pub(super) struct Codes {
    /// Code in the bits from 8 up, its length below.
    entries: [u32; 256],
    lengths: [u8; 256],
    last: usize,
    longest: u8,
}

impl Codes {
    /// Codes for bytes that occur as often as `counts` says; `None` unless two of them do.
    pub(super) fn of(counts: &[u32; 256]) -> Option<Self> {
        let mut sorted = [0u64; 256];
        let mut used = 0;
        for (symbol, &count) in counts.iter().enumerate() {
            sorted[used] = u64::from(count) << 8 | symbol as u64;
            used += usize::from(count > 0);
        }
        let sorted = &mut sorted[..used];
        if used < 2 {
            return None;
        }
        sorted.sort_unstable();
        let mut per_length = depths(sorted);
        limit(&mut per_length);
        let mut lengths = [0; 256];
        let longest_first = (1..=MAX_BITS).rev();
        let of_length =
            longest_first.flat_map(|n| std::iter::repeat_n(n as u8, per_length[n] as usize));
        for (&symbol, length) in sorted.iter().zip(of_length) {
            lengths[symbol as usize % 256] = length;
        }
        Some(Self::with_lengths(lengths, &per_length))
    }

    fn with_lengths(lengths: [u8; 256], per_length: &[u32; 256]) -> Self {
        let mut next = [0u32; MAX_BITS + 1];
        let mut code = 0;
        for length in (1..=MAX_BITS).rev() {
            next[length] = code;
            code = (code + per_length[length]) >> 1;
        }
        let mut entries = [0; 256];
        for (entry, &length) in entries.iter_mut().zip(&lengths) {
            if length > 0 {
                let code = &mut next[usize::from(length)];
                *entry = *code << 8 | u32::from(length);
                *code += 1;
            }
        }
        Self {
            entries,
            lengths,
            last: lengths.iter().rposition(|&n| n > 0).unwrap_or(0),
            longest: lengths.iter().copied().max().unwrap_or(0),
        }
    }

    /// Code in the bits from 8 up and its length below, of every byte.
    pub(super) fn entries(&self) -> &[u32; 256] {
        &self.entries
    }

    /// Bits that bytes take of which there are as many as `counts` says.
    pub(super) fn bits(&self, counts: &[u32; 256]) -> u64 {
        let pairs = counts.iter().zip(&self.lengths);
        pairs
            .map(|(&n, &bits)| u64::from(n) * u64::from(bits))
            .sum()
    }

    /// Writes the weights; returns the length of the description, or `None` where it cannot be written.
    pub(super) fn describe(&self, dst: &mut [u8]) -> Option<usize> {
        let mut weights = [0; 256];
        for (weight, &length) in weights.iter_mut().zip(&self.lengths) {
            *weight = if length == 0 {
                0
            } else {
                self.longest + 1 - length
            };
        }
        let weights = &weights[..self.last];
        let (first, rest) = dst.split_first_mut()?;
        let direct = (weights.len() <= MAX_DIRECT).then(|| weights.len().div_ceil(2));
        if let Some(len) = coded_weights(weights, rest)
            && len < MAX_DIRECT
            && direct.is_none_or(|direct| len < direct)
        {
            *first = len as u8;
            return Some(1 + len);
        }
        *first = (127 + weights.len()) as u8;
        for (byte, pair) in rest.get_mut(..direct?)?.iter_mut().zip(weights.chunks(2)) {
            *byte = pair[0] << 4 | pair.get(1).copied().unwrap_or(0);
        }
        Some(1 + direct?)
    }
}

/// How many codes of each length a Huffman tree has, from symbols in ascending order of `count << 8`: the method of Moffat and
/// Katajainen, which needs no tree. Codes may be longer than [`MAX_BITS`].
fn depths(sorted: &[u64]) -> [u32; 256] {
    let used = sorted.len();
    let mut node = [0u64; 256];
    for (node, &symbol) in node.iter_mut().zip(sorted) {
        *node = symbol >> 8;
    }
    // Weights of inner nodes replace those of leaves; where an inner node is used, its place takes the number of its parent.
    let (mut leaf, mut root) = (0, 0);
    for next in 0..used - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            if leaf >= used || (root < next && node[root] < node[leaf]) {
                sum += node[root];
                node[root] = next as u64;
                root += 1;
            } else {
                sum += node[leaf];
                leaf += 1;
            }
        }
        node[next] = sum;
    }
    // From the root down: depth of every inner node, then leaves by what inner nodes leave free.
    node[used - 2] = 0;
    for inner in (0..used - 2).rev() {
        node[inner] = node[node[inner] as usize] + 1;
    }
    let mut per_length = [0u32; 256];
    let (mut free, mut left) = (1, used - 1);
    for (depth, codes) in per_length.iter_mut().enumerate() {
        let inner = node[..left].iter().rev();
        let inner = inner.take_while(|&&at| at == depth as u64).count();
        *codes = (free - inner) as u32;
        left -= inner;
        free = 2 * inner;
        if free == 0 {
            break;
        }
    }
    per_length
}

/// Shortens codes to [`MAX_BITS`]: too long ones take that length, and others become longer until the code is one again.
fn limit(per_length: &mut [u32; 256]) {
    let long: u32 = per_length[MAX_BITS + 1..].iter().sum();
    per_length[MAX_BITS + 1..].fill(0);
    per_length[MAX_BITS] += long;
    let share = |(length, &codes): (usize, &u32)| codes << (MAX_BITS - length);
    let shares = per_length[..=MAX_BITS].iter().enumerate().skip(1);
    let taken: u32 = shares.map(share).sum();
    for _ in 1 << MAX_BITS..taken {
        per_length[MAX_BITS] -= 1;
        let longest = (1..MAX_BITS).rev().find(|&length| per_length[length] > 0);
        let longest = longest.unwrap_or(MAX_BITS - 1);
        per_length[longest] -= 1;
        per_length[longest + 1] += 2;
    }
}

/// Weights by FSE with two states that take turns.
fn coded_weights(weights: &[u8], dst: &mut [u8]) -> Option<usize> {
    let mut counts = [0; MAX_SYMBOLS];
    for &weight in weights {
        counts[usize::from(weight)] += 1;
    }
    if weights.len() < 3 || counts.iter().filter(|&&count| count > 0).count() < 2 {
        return None;
    }
    let distribution = Distribution::of(&counts, WEIGHTS_LOG);
    let described = distribution.describe(dst)?;
    let table = Table::new(&distribution);
    let mut writer = BitWriter::new(&mut dst[described..]);
    let (coded, last) = weights.split_at(weights.len() - 2);
    // The state of even places is read first.
    let odd = weights.len() % 2;
    let mut states = [table.begin(last[odd]), table.begin(last[1 - odd])];
    for (at, &weight) in coded.iter().enumerate().rev() {
        let (value, bits, next) = table.code(states[at % 2], weight);
        writer.put(value, bits);
        writer.flush()?;
        states[at % 2] = next;
    }
    for state in states.into_iter().rev() {
        let (value, bits) = table.finish(state);
        writer.put(value, bits);
    }
    Some(described + writer.close()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kraft(lengths: &[u8; 256]) -> u32 {
        let used = lengths.iter().filter(|&&n| n > 0);
        used.map(|&n| 1 << (MAX_BITS - usize::from(n))).sum()
    }

    #[test]
    fn codes_are_complete_and_no_longer_than_11_bits() {
        for used in [2usize, 3, 5, 17, 128, 255, 256] {
            for growth in [1.0f64, 1.1, 1.7] {
                let mut counts = [0; 256];
                for (i, count) in counts[..used].iter_mut().enumerate() {
                    *count = growth.powi((i * 7 % used).min(38) as i32).min(1e9) as u32;
                }
                let codes = Codes::of(&counts).unwrap();
                assert_eq!(kraft(&codes.lengths), 1 << MAX_BITS, "{used} {growth}");
                for (a, b) in (0..used).flat_map(|a| (0..used).map(move |b| (a, b))) {
                    let shorter = codes.lengths[a] < codes.lengths[b];
                    assert!(!shorter || counts[a] >= counts[b], "{used} {growth}");
                }
            }
        }
    }

    #[test]
    fn frequencies_that_are_powers_of_two_take_their_logarithms() {
        let mut counts = [0; 256];
        counts[..4].copy_from_slice(&[1, 4, 2, 1]);
        let codes = Codes::of(&counts).unwrap();
        assert_eq!(codes.lengths[..4], [3, 1, 2, 3]);
        assert_eq!(codes.bits(&counts), 3 + 4 + 4 + 3);
        // Weights 1, 3, 2 directly; that of the last symbol is implied.
        let mut dst = [0; 8];
        assert_eq!(codes.describe(&mut dst), Some(3));
        assert_eq!(dst[..3], [127 + 3, 0x13, 0x20]);
    }

    #[test]
    fn one_symbol_has_no_code() {
        let mut counts = [0; 256];
        counts[7] = 100;
        assert!(Codes::of(&counts).is_none());
    }
}
