//! R3: Fourier shell correlation between two volumes, the original and what was decoded.
//!
//! Frames are the planes of the volume. Given the two half reconstructions as original and decoded, it is the FSC from
//! which a resolution is read; given a volume and its decoded copy it shows up to which frequency the copy is the original.
//! Shells, window and thresholds are those of [`frc`](mod@crate::frc); elements that are not valid are replaced by the
//! mean of the original before windowing. Both volumes have to be in memory, 16 bytes for each element: `memory_bytes`
//! limits it.

use std::any::Any;

use rustfft::num_complex::Complex64;

use crate::fourier::Spectra;
use crate::frc::{FrcSettings, describe, thresholds};
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::ring_correlation::within;
use crate::{Error, Frames, Outcome, Settings};

/// Memory that is taken where the settings do not say: 4 GiB.
const DEFAULT_BYTES: u64 = 4 << 30;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "R3",
    name: "fsc",
    about: "Fourier shell correlation of the volumes original and decoded, and where it falls below thresholds",
    values: &[
        ("fsc_one_seventh_pair", "px"),
        ("fsc_one_seventh_frequency_pair", "1/px"),
        ("fsc_0143_pair", "px"),
        ("fsc_0143_frequency_pair", "1/px"),
        ("fsc_half_bit_pair", "px"),
        ("fsc_half_bit_frequency_pair", "1/px"),
        ("fsc_one_bit_pair", "px"),
        ("fsc_one_bit_frequency_pair", "1/px"),
        ("fsc_sigmas_pair", "px"),
        ("fsc_sigmas_frequency_pair", "1/px"),
    ],
    curves: &["fsc"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "fsc",
    mergeable: false,
    per_chunk: false,
    sample: Part::Whole,
    needs_range: false,
    splits: false,
    start,
};

struct Progress {
    settings: FrcSettings,
    shape: [usize; 3],
    packed: Vec<Complex64>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let elements = shape.frames as u64 * shape.rows as u64 * shape.columns as u64;
    let needed = elements * size_of::<Complex64>() as u64;
    let allowed = settings.memory_bytes.unwrap_or(DEFAULT_BYTES);
    if needed > allowed {
        return Err(Error::Unsuitable {
            metric: "fsc",
            reason: format!(
                "both volumes take {needed} bytes of memory and {allowed} are allowed; raise memory_bytes or select a part"
            ),
        });
    }
    Ok(Box::new(Progress {
        settings: settings.frc,
        shape: [shape.frames, shape.rows, shape.columns],
        packed: Vec::with_capacity(elements as usize),
    }))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            let pairs = frame.original.iter().zip(frame.decoded.iter());
            self.packed.extend(pairs.enumerate().map(|(at, (&a, &b))| {
                let valid = frame.valid.is_none_or(|valid| valid[at]);
                // Filled when the mean is known.
                let a = if valid { a } else { f64::NAN };
                Complex64::new(a, b)
            }));
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("not mergeable: the volume is taken in order")
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut packed = std::mem::take(&mut self.packed);
        fill(&mut packed);
        let found = within(
            &Spectra::of(packed, self.shape, self.settings.window),
            self.shape,
        );
        let mut outcome = Outcome::default();
        describe("fsc", "pair", &found, self.settings.sigmas, &mut outcome);
        let curve = thresholds(&found, self.settings.sigmas).with("pair", found.correlation);
        outcome.curve("fsc", curve);
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Replaces elements whose original is NaN by the mean of the original.
fn fill(packed: &mut [Complex64]) {
    let kept = packed.iter().filter(|value| !value.re.is_nan());
    let (sum, count) = kept.fold((0.0, 0u64), |(sum, count), value| {
        (sum + value.re, count + 1)
    });
    let mean = sum / count as f64;
    for value in packed.iter_mut().filter(|value| value.re.is_nan()) {
        *value = Complex64::new(mean, mean);
    }
}
