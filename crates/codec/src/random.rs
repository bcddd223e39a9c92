//! Random numbers by counter: number `i` of a stream is a function of seed and `i`, so every platform, every order of
//! pixels and every part of a frame gives the same numbers.
//!
//! The function is SplitMix64's (Steele, Lea, Flood 2014, <https://doi.org/10.1145/2660193.2660195>): a Weyl sequence
//! through a mixer of xor-shifts and multiplications, integers only.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Random {
    key: u64,
}

impl Random {
    /// The stream of a seed. Neighbouring seeds give unrelated streams.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            key: mix(seed.wrapping_add(GOLDEN)),
        }
    }

    /// The stream that belongs to `part` of this one.
    pub(crate) fn part(self, part: u64) -> Self {
        Self {
            key: mix(self.key ^ mix(part.wrapping_add(GOLDEN))),
        }
    }

    /// Number `counter`, 64 random bits.
    #[inline(always)]
    pub(crate) fn bits(self, counter: u64) -> u64 {
        mix(self.key.wrapping_add(counter.wrapping_mul(GOLDEN)))
    }

    /// Number `counter` as a multiple of 2⁻⁵³ in [0, 1).
    #[inline(always)]
    pub(crate) fn uniform(self, counter: u64) -> f64 {
        (self.bits(counter) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        // First outputs of SplitMix64 from state 0 (Vigna's splitmix64.c): number i is mix((i + 1) · GOLDEN).
        assert_eq!(mix(GOLDEN), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(GOLDEN.wrapping_mul(2)), 0x6E78_9E6A_A1B9_65F4);
        // A stream never changes: decoded frames depend on it.
        let random = Random::new(7);
        assert_eq!(random.bits(0), mix(mix(7 + GOLDEN)));
    }

    #[test]
    fn uniform_numbers_have_the_mean_and_variance_of_uniform_numbers() {
        let random = Random::new(1).part(3);
        let n = 1 << 20;
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..n {
            let u = random.uniform(i);
            assert!((0.0..1.0).contains(&u));
            sum += u;
            squares += u * u;
        }
        let mean = sum / n as f64;
        assert!((mean - 0.5).abs() < 0.001, "{mean}");
        let variance = squares / n as f64 - mean * mean;
        assert!((variance - 1.0 / 12.0).abs() < 0.0005, "{variance}");
    }
}
