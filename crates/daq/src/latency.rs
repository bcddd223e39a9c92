//! How long frames take, counted in classes: constant memory, whatever the number of frames.

use std::time::Duration;

/// Classes to a power of two: a percentile is at most 1/16 too high.
const PER_OCTAVE: usize = 16;
/// From 1 µs to more than an hour.
const OCTAVES: usize = 32;

/// Times in microseconds, counted by class.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    counts: [u64; PER_OCTAVE * OCTAVES],
    longest: Duration,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            counts: [0; PER_OCTAVE * OCTAVES],
            longest: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
        self.counts[class_of(time.as_micros() as u64)] += 1;
    }

    /// The time that this fraction of the frames did not exceed.
    pub(crate) fn quantile(&self, fraction: f64) -> Duration {
        let total: u64 = self.counts.iter().sum();
        let wanted = (fraction * total as f64).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return Duration::from_micros(end_of(class)).min(self.longest);
            }
        }
        Duration::ZERO
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }
}

/// Below 16 µs a class is one microsecond; above, a sixteenth of a power of two.
fn class_of(micros: u64) -> usize {
    let exponent = (micros | 1).ilog2().saturating_sub(4);
    let class = exponent as usize * PER_OCTAVE + (micros >> exponent) as usize;
    class.min(PER_OCTAVE * OCTAVES - 1)
}

/// The longest time of a class in microseconds.
fn end_of(class: usize) -> u64 {
    let exponent = (class / PER_OCTAVE).saturating_sub(1);
    let start = (class - exponent * PER_OCTAVE) as u64;
    ((start + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_class_that_ends_at_or_just_after_it() {
        let mut last = 0;
        for micros in (0..5000).chain([123_456, 10_000_000, 3_600_000_000]) {
            let class = class_of(micros);
            assert!(class >= last, "{micros}");
            last = class;
            let end = end_of(class);
            assert!(
                end >= micros && end <= micros + micros / 16,
                "{micros}: {end}"
            );
        }
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
        for millis in 1..=1000 {
            latencies.add(Duration::from_millis(millis));
        }
        for (fraction, millis) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latencies.quantile(fraction).as_secs_f64() * 1e3;
            assert!(
                found >= millis && found <= millis * 1.07,
                "{fraction}: {found}"
            );
        }
        assert_eq!(latencies.longest(), Duration::from_secs(1));
    }
}
