//! Runs of one byte in a bit plane: the matches that counts have.
//!
//! A run is its first byte, as a literal, and a match of offset 1. Between runs all bytes are literals. How long a run must be
//! to pay follows from how many there are: where most bytes repeat, their Huffman codes are as short as they get.

use super::sequences::Sequence;
use crate::kernels::levels::Level;
use crate::kernels::runs::{WORD, equal_to_next};

/// The parse of one segment, and the memory for the next.
#[derive(Default)]
pub(super) struct Parse {
    pub(super) literals: Vec<u8>,
    pub(super) sequences: Vec<Sequence>,
    /// Where bytes equal the next.
    bits: Vec<u64>,
}

impl Parse {
    /// Fills `literals` and `sequences`; all offsets are 1.
    pub(super) fn find_runs(&mut self, level: Level, segment: &[u8]) {
        self.bits.clear();
        // One word more, so that a run can be followed beyond a word.
        self.bits.resize(segment.len() / WORD + 2, 0);
        let equal = equal_to_next(level, segment, &mut self.bits) as usize;
        let shortest = shortest_run(equal, segment.len());
        self.literals.clear();
        self.sequences.clear();
        let mut from = 0;
        while let Some(start) = self.next_run(from, shortest) {
            let end = self.run_end(start);
            let literals = &segment[from..=start];
            self.literals.extend_from_slice(literals);
            self.sequences.push(Sequence {
                literals: literals.len() as u32,
                matched: (end - start) as u32,
                offset_value: 1,
            });
            from = end + 1;
        }
        self.literals.extend_from_slice(&segment[from..]);
    }

    /// First byte, from `from` on, of a run of `shortest` bytes or more.
    fn next_run(&self, from: usize, shortest: usize) -> Option<usize> {
        let mut mask = !0 << (from % WORD);
        for at in from / WORD..self.bits.len() - 1 {
            if self.bits[at] & mask != 0 {
                let starts = run_starts(self.bits[at], self.bits[at + 1], shortest) & mask;
                if starts != 0 {
                    return Some(at * WORD + starts.trailing_zeros() as usize);
                }
            }
            mask = !0;
        }
        None
    }

    /// Last byte of the run that begins at `start`.
    fn run_end(&self, start: usize) -> usize {
        let mut at = start / WORD;
        let mut word = self.bits[at] | !(!0 << (start % WORD));
        while word == !0 {
            at += 1;
            word = self.bits[at];
        }
        at * WORD + word.trailing_ones() as usize
    }
}

/// Bytes in a run that is worth a sequence, by the share of bytes that equal the next. Of independent bytes of which a
/// share p are zero, p² do: the limits are p = 0.97, 0.8 and 0.5.
fn shortest_run(equal: usize, len: usize) -> usize {
    match 100 * equal / len.max(1) {
        94.. => 4,
        64.. => 8,
        25.. => 16,
        _ => 32,
    }
}

/// Bits of `word` at which `shortest` − 1 set bits in a row begin; `next` holds the bits behind. For 4, 8, 16 or 32.
fn run_starts(word: u64, next: u64, shortest: usize) -> u64 {
    let bits = u128::from(next) << WORD | u128::from(word);
    // Set bits in a row: 2, 3, then each time one more than twice as many.
    let mut starts = bits & bits >> 1;
    starts &= bits >> 2;
    let mut length = 3;
    while length + 1 < shortest {
        starts &= starts >> length & bits >> (2 * length);
        length = 2 * length + 1;
    }
    starts as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(segment: &[u8]) -> Parse {
        let mut parse = Parse::default();
        parse.find_runs(Level::best(), segment);
        parse
    }

    #[test]
    fn runs_and_literals_make_up_the_segment() {
        for seed in 0..300u64 {
            let mut state = seed;
            let mut segment = Vec::new();
            for _ in 0..40 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let run = [1, 2, 5, 9, 40, 64, 200][(state >> 40) as usize % 7];
                segment.extend(std::iter::repeat_n((state >> 50) as u8 % 3, run));
            }
            segment.truncate(segment.len() - (seed as usize % 70));
            let parse = parsed(&segment);
            let mut back = Vec::new();
            let mut literals = &parse.literals[..];
            for sequence in &parse.sequences {
                let (front, rest) = literals.split_at(sequence.literals as usize);
                back.extend_from_slice(front);
                let byte = back[back.len() - 1];
                back.extend(std::iter::repeat_n(byte, sequence.matched as usize));
                literals = rest;
            }
            back.extend_from_slice(literals);
            assert!(back == segment, "{seed}");
        }
    }

    #[test]
    fn runs_begin_where_enough_bits_are_set() {
        for shortest in [4, 8, 16, 32] {
            for start in 0..WORD {
                for length in 1..50 {
                    let bits = ((1u128 << length) - 1) << start;
                    let found = run_starts(bits as u64, (bits >> WORD) as u64, shortest);
                    let expected = length + 1 >= shortest;
                    assert_eq!(
                        found >> start & 1 == 1,
                        expected,
                        "{shortest} {start} {length}"
                    );
                }
            }
        }
    }
}
