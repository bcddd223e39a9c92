//! Frequency tables in few bits: each frequency by its magnitude and the bits below its highest.
//!
//! A table of twelve bits a symbol weighs in small chunks. Neighbouring symbols are about as frequent, so the magnitude is
//! written as a difference, and two or three bits below the highest lose less than they would cost.
//!
//! | bits | field |
//! |---|---|
//! | 8 | the last symbol of frequency above 0 |
//! | 3 | b, the bits below the highest that are kept at most |
//! | | for each symbol up to the last: its magnitude, and as many bits below as there are and b allows |
//! | | zeros up to a whole byte |
//!
//! Lowest bit first. The magnitude m of a frequency is the number of its bits, 0 for frequency 0. A difference d from the
//! magnitude before, at first 8, is 2 d for d ≥ 0 and −2 d − 1 otherwise; of that number, as many ones follow and a zero.
//! Of m − 1 bits below the highest the first min(b, m − 1) follow, as a number; in place of the others stand a one and
//! zeros. The first of the symbols with the largest magnitude has what the others leave of the whole instead.

use super::bit_stream::BitWriter;
use super::rans_tables::TOTAL;

const LAST_BITS: u32 = 8;
const KEPT_BITS: u32 = 3;
const FIRST_MAGNITUDE: u32 = 8;
const MOST_MAGNITUDE: u32 = 12;
/// Frequencies that can be written in few bits.
pub(super) struct Coarse {
    pub(super) frequencies: Vec<u16>,
    pub(super) kept: u32,
    /// Bits they take, and what they lose in coding the histogram.
    pub(super) bits: f64,
}

/// Coarse frequencies for a histogram, given its exact ones; `None` where none are valid.
///
/// Every further bit that is kept quarters the loss, which grows with what is coded. Where the largest frequency cannot make
/// up for what the others were rounded by, more bits are kept.
pub(super) fn of(histogram: &[u32], exact: &[u16]) -> Option<Coarse> {
    let kept = match histogram.iter().sum::<u32>() {
        0..0x2000 => 1,
        0x2000..0x8000 => 2,
        0x8000..0x2_0000 => 3,
        _ => 4,
    };
    (kept..=kept + 2).find_map(|kept| coarse(histogram, exact, kept))
}

fn coarse(histogram: &[u32], exact: &[u16], kept: u32) -> Option<Coarse> {
    let mut frequencies: Vec<u16> = exact.iter().map(|&f| rounded(f, kept)).collect();
    balance(&mut frequencies)?;
    let mut loss = 0.0;
    for ((&count, &exact), &coarse) in histogram.iter().zip(exact).zip(&frequencies) {
        if count > 0 {
            loss += f64::from(count) * (f32::from(exact) / f32::from(coarse)).log2() as f64;
        }
    }
    let mut bits = LAST_BITS + KEPT_BITS;
    let mut before = FIRST_MAGNITUDE;
    for &frequency in &frequencies[..=last_of(&frequencies)?] {
        let magnitude = magnitude(frequency);
        bits += difference(magnitude, before) + 1 + magnitude.saturating_sub(1).min(kept);
        before = magnitude;
    }
    Some(Coarse {
        frequencies,
        kept,
        bits: f64::from(bits) + loss,
    })
}

fn last_of(frequencies: &[u16]) -> Option<usize> {
    frequencies.iter().rposition(|&f| f > 0)
}

fn magnitude(frequency: u16) -> u32 {
    u16::BITS - frequency.leading_zeros()
}

fn difference(magnitude: u32, before: u32) -> u32 {
    match magnitude.checked_sub(before) {
        Some(more) => 2 * more,
        None => 2 * (before - magnitude) - 1,
    }
}

/// What is written of a frequency, and read again.
fn rounded(frequency: u16, kept: u32) -> u16 {
    let dropped = magnitude(frequency).saturating_sub(1 + kept);
    match dropped {
        0 => frequency,
        _ => (frequency >> dropped << dropped) | 1 << (dropped - 1),
    }
}

/// Gives the first of the largest magnitude what the others leave; `None` where that is nothing or of another magnitude.
fn balance(frequencies: &mut [u16]) -> Option<()> {
    let mut largest = 0;
    for (symbol, &frequency) in frequencies.iter().enumerate() {
        if magnitude(frequency) > magnitude(frequencies[largest]) {
            largest = symbol;
        }
    }
    let sum: u32 = frequencies.iter().map(|&f| u32::from(f)).sum();
    let own = u32::from(*frequencies.get(largest)?);
    let rest = (TOTAL + own)
        .checked_sub(sum)
        .filter(|&rest| 0 < rest && rest < TOTAL)?;
    frequencies[largest] = rest as u16;
    Some(())
}

/// Appends coarse frequencies, as they were before they were balanced: `exact` has their magnitudes and kept bits.
pub(super) fn write(exact: &[u16], kept: u32, bytes: &mut Vec<u8>) {
    let Some(last) = last_of(exact) else { return };
    let mut writer = BitWriter::default();
    writer.put(last as u32, LAST_BITS);
    writer.put(kept, KEPT_BITS);
    let mut before = FIRST_MAGNITUDE;
    for &frequency in &exact[..=last] {
        let magnitude = magnitude(frequency);
        let ones = difference(magnitude, before);
        writer.put((1 << ones) - 1, ones + 1);
        let below = magnitude.saturating_sub(1);
        let kept = below.min(kept);
        let number = u32::from(frequency) >> (below - kept);
        writer.put(number % (1 << kept), kept);
        before = magnitude;
    }
    bytes.extend(writer.finish());
}

/// Reads frequencies from `bytes`, which begin with them; returns the bytes read, `None` where they are not valid or cut
/// off.
pub(super) fn read(bytes: &[u8], frequencies: &mut [u16]) -> Option<usize> {
    let mut reader = Reader { bytes, at: 0 };
    let last = reader.number(LAST_BITS)? as usize;
    let kept = reader.number(KEPT_BITS)?;
    let mut magnitude = FIRST_MAGNITUDE;
    for frequency in frequencies.get_mut(..=last)? {
        let mut ones = 0;
        while reader.number(1)? == 1 {
            ones += 1;
            if ones > 2 * MOST_MAGNITUDE + 1 {
                return None;
            }
        }
        magnitude = match ones % 2 {
            0 => magnitude + ones / 2,
            _ => magnitude.checked_sub(ones.div_ceil(2))?,
        };
        if magnitude > MOST_MAGNITUDE {
            return None;
        }
        let below = magnitude.saturating_sub(1);
        let count = below.min(kept);
        let number = reader.number(count)?;
        *frequency = match (magnitude, below - count) {
            (0, _) => 0,
            (_, 0) => (1 << below | number) as u16,
            (_, dropped) => ((1 << count | number) << dropped | 1 << (dropped - 1)) as u16,
        };
    }
    balance(frequencies)?;
    Some(reader.at.div_ceil(8))
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// Bits read.
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self, bits: u32) -> Option<u32> {
        let mut number = 0;
        for bit in 0..bits {
            let byte = self.bytes.get(self.at / 8)?;
            number |= u32::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::rans_tables::normalise;

    fn histograms() -> Vec<Vec<u32>> {
        let mut histograms = Vec::new();
        for (scale, decay) in [
            (50.0, 0.5),
            (900.0, 0.8),
            (9e4, 0.95),
            (3e6, 0.97),
            (20.0, 0.99),
        ] {
            let bell = (0..128).map(|i| (scale * f64::powi(decay, i)) as u32);
            histograms.push(bell.collect());
        }
        histograms.push((0..40).map(|i| i % 3 * 7).collect());
        histograms.push(vec![1, 1]);
        histograms
    }

    #[test]
    fn frequencies_are_read_back_and_every_truncation_is_noticed() {
        let mut written = 0;
        for histogram in histograms() {
            let exact = normalise(&histogram);
            let Some(found) = of(&histogram, &exact) else {
                continue;
            };
            written += 1;
            let sum: u32 = found.frequencies.iter().map(|&f| u32::from(f)).sum();
            assert_eq!(sum, TOTAL);
            for (&count, &frequency) in histogram.iter().zip(&found.frequencies) {
                assert_eq!(count > 0, frequency > 0);
            }
            let mut bytes = Vec::new();
            write(&exact, found.kept, &mut bytes);
            let mut back = vec![0; histogram.len()];
            assert_eq!(read(&bytes, &mut back), Some(bytes.len()));
            assert_eq!(back, found.frequencies);
            for len in 0..bytes.len() {
                back.fill(0);
                assert_eq!(read(&bytes[..len], &mut back), None, "{len}");
            }
        }
        assert!(written >= 5, "{written}");
    }

    #[test]
    fn any_bytes_are_refused_or_sum_to_the_whole() {
        let mut state = 1u64;
        let mut valid = 0;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                    (state >> 56) as u8 & (state >> 40) as u8
                })
                .collect();
            let mut frequencies = vec![0; 128];
            if read(&bytes, &mut frequencies).is_some() {
                valid += 1;
                let sum: u32 = frequencies.iter().map(|&f| u32::from(f)).sum();
                assert_eq!(sum, TOTAL);
            }
        }
        assert!(valid > 0);
    }
}
