//! Tables for bytes whose eight bits are ones independently with one probability, of which there are 48 *levels*.
//!
//! Level l has the probability p = 2^(−1 − 13 l / 47), from 1/2 to 2⁻¹⁴, as an integer of 24 bits, and the frequency of
//! a byte depends on its number of ones n alone:
//!
//! ```text
//! q = 2^24 - p
//! for n in 0..=8:
//!     t = 2^32; n times: t = t * p >> 24; (8 - n) times: t = t * q >> 24
//!     F[n] = (t + 2^19) >> 20 if t >= 367002, else 0        (367002 is 0.35 of a 4096th)
//!     if F[n] = 0 and (t >= 367002 or n <= 1): F[n] = 1
//!     if F[n] = 0: rest += t * binomial(8, n)
//! if F[8] = 0: F[8] = max(1, (rest + 2^20 - 1) >> 20), and the level has an escape
//! the frequency of byte s is F[ones of s]; that of 0 is raised so that all sum to 4096
//! ```
//!
//! In a level with an escape, byte 255 stands for all bytes whose F was 0, and for itself: the byte itself then follows
//! elsewhere. Nothing of this is stored: a level is named by its number.

use std::sync::LazyLock;

use super::rans_tables::{DecodeTables, EncodeTables, MAX_SYMBOLS, TOTAL};

/// Number of levels.
pub(crate) const LEVELS: usize = 48;
/// The symbol that may stand for another byte.
pub(crate) const ESCAPE: u8 = 255;

/// Probabilities of a one, of 2²⁴: round(2²³ · 2^(−13 l / 47)).
const PROBABILITIES: [u32; LEVELS] = [
    8388608, 6925104, 5716927, 4719533, 3896148, 3216413, 2655267, 2192020, 1809593, 1493886,
    1233257, 1018099, 840478, 693846, 572795, 472863, 390366, 322262, 266039, 219625, 181308,
    149677, 123564, 102006, 84210, 69518, 57390, 47378, 39112, 32288, 26655, 22005, 18166, 14997,
    12380, 10220, 8437, 6965, 5750, 4747, 3919, 3235, 2671, 2205, 1820, 1503, 1240, 1024,
];
const BINOMIALS: [u64; 9] = [1, 8, 28, 56, 70, 56, 28, 8, 1];
const SMALLEST_SHARE: u64 = 367_002;

/// What coding with the levels takes; made once per process.
pub(crate) struct Levels {
    /// Contexts are level numbers.
    pub(crate) decode: DecodeTables,
    /// Contexts are level numbers.
    pub(crate) encode: EncodeTables,
    /// The most ones a byte of a level may have that is coded as itself; 8 where there is no escape.
    pub(crate) most_ones: [u8; LEVELS],
}

/// The one instance.
pub(crate) static TABLES: LazyLock<Levels> = LazyLock::new(|| {
    let mut levels = Levels {
        decode: DecodeTables::default(),
        encode: EncodeTables::default(),
        most_ones: [8; LEVELS],
    };
    for (level, most_ones) in levels.most_ones.iter_mut().enumerate() {
        let (frequencies, most) = frequencies(level);
        // A test shows that the frequencies of every level sum to the whole.
        let _ = levels.decode.push(&frequencies);
        levels.encode.push(&frequencies);
        *most_ones = most;
    }
    levels
});

/// The frequencies of a level and the most ones of a byte that is coded as itself.
fn frequencies(level: usize) -> ([u16; MAX_SYMBOLS], u8) {
    let p = u64::from(PROBABILITIES[level]);
    let q = (1 << 24) - p;
    let mut of_ones = [0u64; 9];
    let mut rest = 0;
    for (ones, frequency) in of_ones.iter_mut().enumerate() {
        let mut share = 1u64 << 32;
        for bit in 0..8 {
            share = (share * if bit < ones { p } else { q }) >> 24;
        }
        if share >= SMALLEST_SHARE {
            *frequency = ((share + (1 << 19)) >> 20).max(1);
        } else if ones <= 1 {
            *frequency = 1;
        } else {
            rest += share * BINOMIALS[ones];
        }
    }
    let has_escape = of_ones[8] == 0;
    let most_ones = if has_escape {
        of_ones.iter().take_while(|&&f| f > 0).count() - 1
    } else {
        8
    };
    if has_escape {
        of_ones[8] = ((rest + (1 << 20) - 1) >> 20).max(1);
    }
    let mut frequencies = [0; MAX_SYMBOLS];
    for (byte, frequency) in frequencies.iter_mut().enumerate() {
        *frequency = of_ones[byte.count_ones() as usize] as u16;
    }
    let sum: u32 = frequencies.iter().map(|&f| u32::from(f)).sum();
    frequencies[0] = (u32::from(frequencies[0]) + TOTAL - sum) as u16;
    (frequencies, most_ones as u8)
}

/// The level whose probability is nearest, in bits, to `ones` of `bits`.
pub(crate) fn level_for(ones: f64, bits: f64) -> u8 {
    let p = (ones + 0.02) / (bits + 1.0);
    let level = -(2.0 * p).log2() * (LEVELS - 1) as f64 / 13.0;
    level.round().clamp(0.0, (LEVELS - 1) as f64) as u8
}

/// About the probability of a one at a level, for estimates: that of a table is an integer.
pub(crate) fn probability(level: u8) -> f64 {
    2f64.powf(-1.0 - 13.0 * f64::from(level) / (LEVELS - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: impl Iterator<Item = u8>) -> u64 {
        let bytes: Vec<u8> = bytes.collect();
        crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &bytes)
    }

    #[test]
    fn probabilities_and_frequencies_are_those_of_the_format() {
        let probabilities = PROBABILITIES.iter().flat_map(|p| p.to_le_bytes());
        assert_eq!(crc(probabilities), 0x77d3_43ce);
        let all = (0..LEVELS).flat_map(|level| frequencies(level).0);
        assert_eq!(crc(all.flat_map(u16::to_le_bytes)), 0xf174_588d);
        assert_eq!(TABLES.decode.contexts(), LEVELS);
        assert_eq!(TABLES.encode.contexts(), LEVELS);
    }

    #[test]
    fn a_byte_is_escaped_exactly_where_its_frequency_is_that_of_the_escape_or_none() {
        for level in 0..LEVELS {
            let (frequencies, most_ones) = frequencies(level);
            for byte in 0..=255u8 {
                let is_plain = byte.count_ones() <= u32::from(most_ones);
                let codes_itself =
                    frequencies[usize::from(byte)] > 0 && (byte != 255 || most_ones == 8);
                assert_eq!(is_plain, codes_itself, "level {level} byte {byte}");
            }
            assert!(frequencies[255] > 0);
        }
        assert_eq!(TABLES.most_ones[0], 8);
        assert_eq!(TABLES.most_ones[10], 3);
        assert_eq!(TABLES.most_ones[47], 1);
    }

    #[test]
    fn the_nearest_level_is_chosen() {
        assert_eq!(level_for(500.0, 1000.0), 0);
        assert_eq!(level_for(0.0, 1e9), 47);
        assert_eq!(level_for(900.0, 1000.0), 0);
        for (level, &p) in PROBABILITIES.iter().enumerate() {
            assert_eq!(
                level_for(f64::from(p) * 1e6, 1e6 * f64::from(1 << 24)),
                level as u8
            );
        }
    }
}
