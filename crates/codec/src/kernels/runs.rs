//! Where bytes repeat the one before them, as bits: what a search for runs walks along.

use crate::kernels::levels::levels;

/// Bytes that a word of bits stands for.
pub(crate) const WORD: usize = 64;

#[inline(always)]
fn equal_to_next_kernel(bytes: &[u8], bits: &mut [u64]) -> u32 {
    bits.fill(0);
    let mut equal = 0;
    let pairs = bytes.len().saturating_sub(1);
    let whole = pairs / WORD;
    for (at, word) in bits[..whole].iter_mut().enumerate() {
        let window = &bytes[at * WORD..at * WORD + WORD + 1];
        for octet in 0..WORD / 8 {
            *word |= equal_of_8(&window[8 * octet..8 * octet + 9]) << (8 * octet);
        }
        equal += word.count_ones();
    }
    for at in whole * WORD..pairs {
        let same = bytes[at] == bytes[at + 1];
        bits[at / WORD] |= u64::from(same) << (at % WORD);
        equal += u32::from(same);
    }
    equal
}
levels!(
    /// Sets bit i % 64 of word i / 64 where byte i equals byte i + 1, and clears all others; returns how many are set.
    /// `bits` has ⌈length / 64⌉ words at least.
    pub(crate) fn equal_to_next(bytes: &[u8], bits: &mut [u64]) -> u32 = equal_to_next_kernel
);

/// Bit i where byte i of nine equals byte i + 1.
#[inline(always)]
fn equal_of_8(window: &[u8]) -> u64 {
    const LOW_7: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // Moves bit 8 i to bit 56 + i, and no two bits to the same place.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let word = |start: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&window[start..start + 8]);
        u64::from_le_bytes(word)
    };
    let different = word(0) ^ word(1);
    // The highest bit of a byte, set where any bit of it is.
    let any = ((different & LOW_7) + LOW_7) | different;
    let equal = !any >> 7 & 0x0101_0101_0101_0101;
    equal.wrapping_mul(GATHER) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    #[test]
    fn a_bit_is_set_where_a_byte_equals_the_next_at_every_level() {
        for level in Level::available() {
            eprintln!("equal_to_next ran at {}", level.name());
            for len in 0..=330usize {
                let memory: Vec<u8> = (0..=len).map(|i| (i * i / 7 % 5 / 2) as u8).collect();
                let bytes = &memory[1..];
                let mut bits = vec![!0; len.div_ceil(WORD)];
                let equal = equal_to_next(level, bytes, &mut bits);
                let expected = |i: usize| i + 1 < len && bytes[i] == bytes[i + 1];
                for i in 0..bits.len() * WORD {
                    let bit = bits[i / WORD] >> (i % WORD) & 1 == 1;
                    assert_eq!(bit, expected(i), "{level:?} {len} {i}");
                }
                assert_eq!(equal as usize, (0..len).filter(|&i| expected(i)).count());
            }
        }
    }

    #[test]
    fn bytes_that_differ_in_one_bit_are_not_equal() {
        for level in Level::available() {
            for bit in 0..8 {
                for place in 0..100 {
                    let mut bytes = [0x80u8; 100];
                    bytes[place] ^= 1 << bit;
                    let mut bits = [0; 2];
                    let differ = if place == 0 || place == 99 { 1 } else { 2 };
                    assert_eq!(equal_to_next(level, &bytes, &mut bits), 99 - differ);
                }
            }
        }
    }
}
