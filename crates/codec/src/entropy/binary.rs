//! Arithmetic coding of yes or no, with probabilities that follow what was coded.
//!
//! For streams of a few thousand answers that are nearly always the same, such as whether a pixel of a mask is like its
//! neighbour: an answer of probability p takes −log₂ p bits, down to 2⁻¹⁶ of a bit, where a code of whole bits takes one.
//!
//! A [`Chance`] holds the probability of *yes* in 24 bits, at first a half, and the number n of answers up to 250. Each
//! answer moves it by `(t − p) · ⌊65536 / (n + 1.5)⌋ >> 16`, where t is 2²⁴ − 1 for yes and 0 for no.
//!
//! The stream is a number below 1 in base 256, most significant byte first. An answer divides the range: yes has the lower
//! `range · q >> 16` of it, no the rest, where q is the upper 16 bits of p, at least 1. A range below 2²⁴ is shifted by a
//! byte. Four bytes end the stream; decoding has read all bytes when the last answer is known.

/// The probability of yes, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance(u32);

const COUNT_BITS: u32 = 8;
const MOST_COUNT: u32 = 250;
const ONE: i64 = (1 << 24) - 1;

/// 65536 / (n + 1.5).
const RATES: [u32; MOST_COUNT as usize + 1] = {
    let mut rates = [0; MOST_COUNT as usize + 1];
    let mut n = 0;
    while n < rates.len() {
        rates[n] = (2 << 16) / (2 * n as u32 + 3);
        n += 1;
    }
    rates
};

impl Chance {
    pub(super) const HALF: Self = Self(1 << 31);

    pub(super) fn is_new(self) -> bool {
        self.0.is_multiple_of(1 << COUNT_BITS)
    }

    fn share(self) -> u64 {
        u64::from(self.0 >> 16).max(1)
    }

    #[inline(always)]
    pub(super) fn update(&mut self, yes: bool) {
        let count = self.0 % (1 << COUNT_BITS);
        let p = i64::from(self.0 >> COUNT_BITS);
        let target = if yes { ONE } else { 0 };
        let rate = i64::from(RATES[count.min(MOST_COUNT) as usize]);
        let moved = (p + (((target - p) * rate) >> 16)) as u32;
        self.0 = moved << COUNT_BITS | (count + 1).min(MOST_COUNT);
    }
}

/// An encoder, which is told answers, or a decoder, which finds them.
pub(super) trait Binary {
    /// Codes an answer of a given chance. What a decoder is told does not matter.
    fn code(&mut self, chance: Chance, yes: bool) -> bool;
}

/// Codes an answer and learns from it.
#[inline(always)]
pub(super) fn answer(coder: &mut impl Binary, chance: &mut Chance, yes: bool) -> bool {
    let yes = coder.code(*chance, yes);
    chance.update(yes);
    yes
}

const LEAST_RANGE: u32 = 1 << 24;
/// Bytes behind the last answer.
const END_BYTES: usize = 4;

/// Appends to bytes.
pub(super) struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    low: u32,
    range: u32,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        bytes.clear();
        Self {
            bytes,
            low: 0,
            range: u32::MAX,
        }
    }

    /// Bytes of the stream up to here, all but its end.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(mut self) {
        for _ in 0..END_BYTES {
            self.shift();
        }
    }

    fn shift(&mut self) {
        self.bytes.push((self.low >> 24) as u8);
        self.low <<= 8;
    }

    /// Adds one to the number written so far.
    fn carry(&mut self) {
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
}

impl Binary for Encoder<'_> {
    #[inline(always)]
    fn code(&mut self, chance: Chance, yes: bool) -> bool {
        let bound = ((u64::from(self.range) * chance.share()) >> 16) as u32;
        if yes {
            self.range = bound;
        } else {
            let (low, is_carried) = self.low.overflowing_add(bound);
            self.low = low;
            self.range -= bound;
            if is_carried {
                self.carry();
            }
        }
        while self.range < LEAST_RANGE {
            self.shift();
            self.range <<= 8;
        }
        yes
    }
}

/// Reads all of `bytes`.
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The number, less what the range begins at.
    code: u32,
    range: u32,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self {
            bytes,
            at: 0,
            code: 0,
            range: u32::MAX,
        };
        for _ in 0..END_BYTES {
            decoder.shift();
        }
        decoder
    }

    /// Behind the end there are zeros.
    fn shift(&mut self) {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.code = self.code << 8 | u32::from(byte);
        self.at += 1;
    }

    /// Whether more was read than there is.
    pub(super) fn is_overrun(&self) -> bool {
        self.at > self.bytes.len()
    }

    /// Whether all was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl Binary for Decoder<'_> {
    #[inline(always)]
    fn code(&mut self, chance: Chance, _: bool) -> bool {
        let bound = ((u64::from(self.range) * chance.share()) >> 16) as u32;
        let yes = self.code < bound;
        if yes {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        while self.range < LEAST_RANGE {
            self.shift();
            self.range <<= 8;
        }
        yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(count: usize, rare: u32) -> Vec<bool> {
        let mut state = 7u32;
        let mut draw = || {
            state = state.wrapping_mul(0x915F_77F5).wrapping_add(1);
            state >> 16
        };
        (0..count).map(|_| draw() % rare == 0).collect()
    }

    fn coded(answers: &[bool]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        let mut chance = Chance::HALF;
        for &yes in answers {
            answer(&mut encoder, &mut chance, yes);
        }
        encoder.finish();
        bytes
    }

    #[test]
    fn answers_come_back_and_cost_what_they_are_worth() {
        for (count, rare, most) in [(0, 2, 4), (1, 1, 4), (4000, 2, 510), (50_000, 5000, 40)] {
            let answers = answers(count, rare);
            let bytes = coded(&answers);
            assert!(bytes.len() <= most, "{rare}: {}", bytes.len());
            let mut decoder = Decoder::new(&bytes);
            let mut chance = Chance::HALF;
            for &yes in &answers {
                assert_eq!(answer(&mut decoder, &mut chance, false), yes);
            }
            assert!(decoder.is_at_end());
        }
    }

    #[test]
    fn equal_answers_cost_nearly_nothing() {
        let bytes = coded(&[true; 100_000]);
        assert!(bytes.len() <= 8, "{}", bytes.len());
        let bytes = coded(&[false; 100_000]);
        assert!(bytes.len() <= 8, "{}", bytes.len());
    }

    #[test]
    fn what_is_missing_is_noticed() {
        let answers = answers(3000, 2);
        let bytes = coded(&answers);
        for len in 0..bytes.len() {
            let mut decoder = Decoder::new(&bytes[..len]);
            let mut chance = Chance::HALF;
            for _ in &answers {
                answer(&mut decoder, &mut chance, false);
            }
            assert!(!decoder.is_at_end());
        }
    }
}
