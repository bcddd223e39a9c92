//! Two random halves of the observations of each reflection, and how far they agree.
//!
//! The observations of a reflection are shuffled and dealt in two; of an odd number the spare one goes to either half by
//! chance. Shuffles depend on the seed and on hkl only, so that a shell has the same halves as the whole.

/// The merged intensities of both halves, of reflections with two observations or more.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HalfSets {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl HalfSets {
    /// Splits the observations of one reflection, intensity and weight, and merges either half.
    pub(crate) fn add(&mut self, observations: &[(f64, f64)], hkl: [i32; 3], seed: u64) {
        let mut random = Random::of_reflection(seed, hkl);
        let mut shuffled = observations.to_vec();
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, random.below(last + 1));
        }
        let spare = shuffled.len() % 2 * random.below(2);
        let (first, second) = shuffled.split_at(shuffled.len() / 2 + spare);
        self.first.push(weighted_mean(first));
        self.second.push(weighted_mean(second));
    }

    /// Pearson's correlation of the halves.
    pub(crate) fn cc_half(&self) -> f64 {
        let count = self.first.len() as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
        let (mean_first, mean_second) = (mean(&self.first), mean(&self.second));
        let (mut products, mut squares_first, mut squares_second) = (0.0, 0.0, 0.0);
        for (first, second) in self.first.iter().zip(&self.second) {
            let (first, second) = (first - mean_first, second - mean_second);
            products += first * second;
            squares_first += first * first;
            squares_second += second * second;
        }
        products / (squares_first.sqrt() * squares_second.sqrt())
    }

    /// √½ Σ|I₁ − I₂| / (Σ(I₁ + I₂)/2).
    pub(crate) fn r_split(&self) -> f64 {
        let pairs = || self.first.iter().zip(&self.second);
        let apart: f64 = pairs().map(|(first, second)| (first - second).abs()).sum();
        let both: f64 = pairs().map(|(first, second)| first + second).sum();
        std::f64::consts::FRAC_1_SQRT_2 * apart / (both / 2.0)
    }
}

/// Σ w·I / Σ w.
pub(crate) fn weighted_mean(observations: &[(f64, f64)]) -> f64 {
    let (mut weights, mut sum) = (0.0, 0.0);
    for (intensity, weight) in observations {
        weights += weight;
        sum += weight * intensity;
    }
    sum / weights
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn of_reflection(seed: u64, hkl: [i32; 3]) -> Self {
        let mut random = Self(seed);
        for index in hkl {
            random.0 = random.bits() ^ u64::from(index as u32);
        }
        random
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`; the bias of 2⁻⁶⁴·end is of no matter.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_all_observations_and_the_spare_one_goes_either_way() {
        let mut sizes = [0; 2];
        for h in 0..1000 {
            let mut halves = HalfSets::default();
            // The mean tells which observations are in a half: 1, 2 and 4 have different sums.
            halves.add(&[(1.0, 1.0), (2.0, 1.0), (4.0, 1.0)], [h, -1, 2], 5);
            let single = |mean: f64| [1.0, 2.0, 4.0].contains(&mean);
            let (first, second) = (halves.first[0], halves.second[0]);
            assert!(single(first) ^ single(second));
            let (one, two) = if single(first) {
                (first, second)
            } else {
                (second, first)
            };
            assert_eq!(one + 2.0 * two, 7.0);
            sizes[usize::from(single(first))] += 1;
        }
        assert!(
            sizes.iter().all(|&size| (450..550).contains(&size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn r_split_is_the_definition() {
        let halves = HalfSets {
            first: vec![10.0, 20.0],
            second: vec![14.0, 18.0],
        };
        assert_eq!(halves.r_split(), 0.5f64.sqrt() * 6.0 / 31.0);
        assert!((halves.cc_half() - 1.0).abs() < 1e-15);
    }
}
