//! R2: where a ring correlation falls below a threshold, which is called the resolution.
//!
//! Thresholds for N elements in a ring, of both half planes: 1/7; 0.143; 1/2-bit (0.2071 + 1.9102/√N) / (1.2071 +
//! 0.9102/√N) and 1-bit (0.5 + 2.4142/√N) / (1.5 + 1.4142/√N) of van Heel & Schatz, J. Struct. Biol. 151 (2005) 250;
//! k·σ as k/√(N/2). The constants are those of miplib, whose "3 sigma" is 3/(√N + 2).
//!
//! The resolution is the frequency of the first down-crossing of the mean of five rings (fewer at both ends), with linear
//! interpolation of the difference between rings; NaN where there is none, because then the data are finer than they can
//! show. Pixels are 1/frequency.

/// What a ring correlation is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RingThreshold {
    /// 1/7.
    OneSeventh,
    /// 0.143.
    Fixed0143,
    /// Half a bit of information in an element.
    HalfBit,
    /// One bit of information in an element.
    OneBit,
    /// So many standard deviations of the correlation of noise.
    Sigmas(f64),
}

/// As published, with four digits.
#[allow(clippy::approx_constant)]
const ONE_BIT: f64 = 1.4142;
/// Rings on either side that a mean is made of.
const SIDE: usize = 2;

impl RingThreshold {
    /// The threshold for a ring of `count` elements.
    pub fn at(self, count: f64) -> f64 {
        let root = count.sqrt();
        match self {
            Self::OneSeventh => 1.0 / 7.0,
            Self::Fixed0143 => 0.143,
            Self::HalfBit => (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root),
            Self::OneBit => (0.5 + 2.4142 / root) / (1.5 + ONE_BIT / root),
            Self::Sigmas(sigmas) => sigmas / (count / 2.0).sqrt(),
        }
    }

    /// The threshold for every ring.
    pub fn curve(self, counts: &[u64]) -> Vec<f64> {
        counts.iter().map(|&count| self.at(count as f64)).collect()
    }

    /// Frequency of the first down-crossing, in the unit of `frequencies`.
    pub fn crossing(self, correlation: &[f64], counts: &[u64], frequencies: &[f64]) -> f64 {
        first_down_crossing(frequencies, &self.above(correlation, counts))
    }

    /// The same, or the last frequency where every ring is above.
    pub(crate) fn resolved(self, correlation: &[f64], counts: &[u64], frequencies: &[f64]) -> f64 {
        let above = self.above(correlation, counts);
        match frequencies.last() {
            Some(last) if above.iter().all(|above| *above >= 0.0) => *last,
            _ => first_down_crossing(frequencies, &above),
        }
    }

    /// How far the mean of five rings is above.
    fn above(self, correlation: &[f64], counts: &[u64]) -> Vec<f64> {
        let smooth = smooth(correlation);
        let pairs = smooth.iter().zip(self.curve(counts));
        pairs.map(|(value, threshold)| value - threshold).collect()
    }
}

/// The x at which `y` first falls from 0 or more to less, NaN where it does not.
pub(crate) fn first_down_crossing(x: &[f64], y: &[f64]) -> f64 {
    for at in 1..y.len() {
        if y[at - 1] >= 0.0 && y[at] < 0.0 {
            return x[at - 1] + (x[at] - x[at - 1]) * y[at - 1] / (y[at - 1] - y[at]);
        }
    }
    f64::NAN
}

/// Mean of five neighbours, fewer at both ends.
fn smooth(values: &[f64]) -> Vec<f64> {
    (0..values.len())
        .map(|at| {
            let near = &values[at.saturating_sub(SIDE)..(at + SIDE + 1).min(values.len())];
            near.iter().sum::<f64>() / near.len() as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_have_the_published_constants() {
        let at = |threshold: RingThreshold| threshold.at(100.0);
        assert_eq!(at(RingThreshold::OneSeventh), 1.0 / 7.0);
        assert_eq!(at(RingThreshold::Fixed0143), 0.143);
        assert!((at(RingThreshold::HalfBit) - 0.39812 / 1.29812).abs() < 1e-12);
        assert!((at(RingThreshold::OneBit) - 0.74142 / 1.64142).abs() < 1e-12);
        assert!((at(RingThreshold::Sigmas(3.0)) - 3.0 / 50f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_falling_line_crosses_where_it_equals_the_threshold() {
        let frequencies: Vec<f64> = (1..100).map(|ring| f64::from(ring) / 200.0).collect();
        let line: Vec<f64> = frequencies
            .iter()
            .map(|frequency| 1.0 - 2.0 * frequency)
            .collect();
        let counts = vec![100; line.len()];
        let found = RingThreshold::OneSeventh.crossing(&line, &counts, &frequencies);
        assert!((found - 3.0 / 7.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn a_correlation_that_stays_high_has_no_crossing() {
        let found = RingThreshold::HalfBit.crossing(&[1.0; 9], &[50; 9], &[0.1; 9]);
        assert!(found.is_nan());
        assert!(RingThreshold::HalfBit.crossing(&[], &[], &[]).is_nan());
    }

    #[test]
    fn what_never_falls_is_resolved_to_the_last_ring_and_what_begins_below_is_not() {
        let frequencies: Vec<f64> = (1..10).map(|ring| f64::from(ring) / 20.0).collect();
        let resolved =
            |value: f64| RingThreshold::HalfBit.resolved(&[value; 9], &[50; 9], &frequencies);
        assert_eq!(resolved(1.0), 0.45);
        assert!(resolved(0.0).is_nan() && resolved(f64::NAN).is_nan());
        assert!(RingThreshold::HalfBit.resolved(&[], &[], &[]).is_nan());
    }
}
