//! What stored values claim to have lost, held against the values they were made of.
//!
//! A frame has a certificate. A dataset in standard mode, whose chunks are stored losslessly after the loss, has a record
//! in its attributes (`provenance`). Where there is neither, and all filters are lossless, every bit counts.

use etalon_codec::{BoundUnit, Certificate, Element, Guarantee, Spec, Tally};

use crate::typed_values::TypedValues;

/// Room for the last digits of sums that were added up in another order.
const ROUNDING: f64 = 1e-6;

/// What the values of a chunk, or of a dataset, claim.
#[derive(Debug, Clone, Default)]
pub(crate) enum Claim {
    /// They are those of the original, bit for bit.
    Exact,
    /// They are within what was recorded, and within the bound that `spec` asked for.
    Lossy {
        certificate: Certificate,
        /// Where the bound was asked for; `None` where that is not known.
        spec: Option<Spec>,
    },
    /// A filter may have lost something, and nobody recorded what.
    #[default]
    Unknown,
}

impl Claim {
    /// The claim of a frame that was made by the filters of `spec`.
    pub(crate) fn of_certificate(certificate: Option<Certificate>, spec: Option<&Spec>) -> Self {
        match certificate {
            Some(certificate) if certificate.guarantee != Guarantee::Lossless => Self::Lossy {
                certificate,
                spec: spec.cloned(),
            },
            _ => Self::Exact,
        }
    }

    /// Why a loss is more than this and `before` together, which is what was lost earlier.
    pub(crate) fn exceeded(&self, loss: &Tally, before: f64) -> Option<String> {
        let own = match self {
            Self::Unknown => return None,
            Self::Exact => 0.0,
            Self::Lossy { certificate, .. } => certificate.loss.max_abs_error,
        };
        let (found, recorded) = (loss.max_abs_error, own + before);
        (found > recorded * (1.0 + ROUNDING)).then(|| {
            format!(
                "its largest error is {found}, where {recorded} is recorded, all losses together"
            )
        })
    }

    /// The loss inside the dataset, and why a chunk is not what is claimed; `None` where it is.
    pub(crate) fn check(&self, element: &Element, pair: Pair<'_>) -> (Tally, Option<String>) {
        let [original, stored] = pair;
        let loss = Tally::between(element, original, stored).unwrap_or_else(|_| Tally {
            max_abs_error: match original == stored {
                true => 0.0,
                false => f64::INFINITY,
            },
            ..Tally::default()
        });
        let reason = match self {
            Self::Unknown => None,
            Self::Exact if original == stored => None,
            Self::Exact if loss.max_abs_error == 0.0 => {
                Some("it claims to be exact, and the bits of zeros or NaNs differ".into())
            }
            Self::Exact => Some(format!(
                "it claims to be exact, and its largest error is {}",
                loss.max_abs_error
            )),
            Self::Lossy { certificate, .. }
                if loss.max_abs_error > certificate.loss.max_abs_error * (1.0 + f64::EPSILON) =>
            {
                Some(format!(
                    "its largest error is {}, where {} is recorded",
                    loss.max_abs_error, certificate.loss.max_abs_error
                ))
            }
            Self::Lossy { certificate, spec } => {
                Measured::of(element, pair, spec.as_ref(), &loss).outside(certificate)
            }
        };
        (loss, reason)
    }
}

/// The elements of a chunk that lie inside the dataset, those of the original and those stored. What pads the chunk is no
/// data, and no bound is a part of its range.
pub(crate) type Pair<'a> = [&'a [u8]; 2];

/// An error in the units that bounds are asked in, where the unit is defined for these values.
struct Measured {
    absolute: f64,
    of_range: Option<f64>,
    of_element: f64,
    sigma: Option<f64>,
    decibel: Option<f64>,
}

impl Measured {
    fn of(element: &Element, pair: Pair<'_>, spec: Option<&Spec>, loss: &Tally) -> Self {
        let masked = spec.map(masked).unwrap_or_default();
        let noise = spec.and_then(Noise::of);
        let (mut of_element, mut sigma) = (0.0_f64, 0.0_f64);
        for (x, y) in data(element, pair, &masked) {
            let error = (y - x).abs();
            if error > 0.0 {
                of_element = of_element.max(error / x.abs());
                sigma = sigma.max(noise.map_or(0.0, |noise| error / noise.sigma(x)));
            }
        }
        let values = data(element, pair, &masked);
        let range = spec.and_then(|spec| range(spec, &values));
        let squares = values.iter().map(|(x, y)| (y - x) * (y - x));
        let mean_square = squares.sum::<f64>() / values.len().max(1) as f64;
        Self {
            absolute: loss.max_abs_error,
            of_range: range.map(|range| loss.max_abs_error / range),
            of_element,
            sigma: noise.map(|_| sigma),
            decibel: range.map(|range| 10.0 * (range * range / mean_square).log10()),
        }
    }

    /// Why this is outside the bound of `certificate`.
    fn outside(&self, certificate: &Certificate) -> Option<String> {
        let asked = certificate.bound_asked;
        let at_most = |measured: f64| measured <= asked * (1.0 + ROUNDING);
        let (measured, holds) = match certificate.bound_unit {
            BoundUnit::Absolute => (self.absolute, self.absolute <= asked),
            BoundUnit::Element => (self.of_element, at_most(self.of_element)),
            BoundUnit::Range => (self.of_range?, at_most(self.of_range?)),
            BoundUnit::Sigma => (self.sigma?, at_most(self.sigma?)),
            BoundUnit::Decibel => (self.decibel?, self.decibel? >= asked - ROUNDING),
            // A Dice coefficient is one of a whole frame and its threshold.
            BoundUnit::Dice | BoundUnit::None => return None,
        };
        (!holds).then(|| {
            let unit = certificate.bound_unit.name();
            format!("its error is {measured} ({unit}), where {asked} was the bound")
        })
    }
}

/// Pairs of numbers of which the first is finite and not masked.
fn data(element: &Element, pair: [&[u8]; 2], masked: &[f64]) -> Vec<(f64, f64)> {
    let [before, after] = pair.map(|bytes| {
        let typed = TypedValues::new(element);
        typed.map_or(Vec::new(), |mut typed| {
            typed.load(element, bytes);
            typed.to_f64()
        })
    });
    let pairs = before.into_iter().zip(after);
    pairs
        .filter(|(x, _)| x.is_finite() && !masked.contains(x))
        .collect()
}

/// The values that a SPEC keeps exactly.
fn masked(spec: &Spec) -> Vec<f64> {
    let words = spec.values("mask").iter();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The range that a bound is a fraction of: the one stated, else that of the chunk; `None` for percentiles.
fn range(spec: &Spec, chunk: &[(f64, f64)]) -> Option<f64> {
    if spec.codec().name != "quantise" {
        return None;
    }
    let stated = spec.text("range");
    if let Some((least, most)) = stated.split_once(';') {
        return Some(most.parse::<f64>().ok()? - least.parse::<f64>().ok()?);
    }
    let least = (chunk.iter()).fold(f64::INFINITY, |least, (x, _)| least.min(*x));
    let most = (chunk.iter()).fold(f64::NEG_INFINITY, |most, (x, _)| most.max(*x));
    Some(most - least)
}

/// The noise model of a SPEC: σ² = gain · max(x − offset, 0) + read², at least 1.
#[derive(Clone, Copy)]
struct Noise {
    gain: f64,
    offset: f64,
    read: f64,
}

impl Noise {
    fn of(spec: &Spec) -> Option<Self> {
        if spec.codec().name != "noise" {
            return None;
        }
        Some(Self {
            gain: spec.number("gain")?,
            offset: spec.number("offset")?,
            read: spec.number("read")?,
        })
    }

    fn sigma(&self, x: f64) -> f64 {
        let variance = self.gain * (x - self.offset).max(0.0) + self.read * self.read;
        variance.max(1.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::{ByteOrder, ElementClass};

    const PIXEL: Element = Element {
        class: ElementClass::Float,
        bytes: 8,
        order: ByteOrder::Little,
    };

    fn reason(claim: &Claim, original: &[f64], stored: &[f64]) -> Option<String> {
        let bytes = |values: &[f64]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let (original, stored) = (bytes(original), bytes(stored));
        let pair = [&original[..], &stored[..]];
        claim.check(&PIXEL, pair).1
    }

    fn lossy(spec: &str, bound_unit: BoundUnit, bound_asked: f64) -> Claim {
        Claim::Lossy {
            certificate: Certificate {
                guarantee: Guarantee::ByConstruction,
                bound_unit,
                bound_asked,
                loss: Tally {
                    max_abs_error: 4.0,
                    ..Tally::default()
                },
                ..Certificate::default()
            },
            spec: Some(spec.parse().unwrap()),
        }
    }

    #[test]
    fn exact_values_are_compared_bit_for_bit() {
        assert_eq!(
            reason(&Claim::Exact, &[1.0, f64::NAN], &[1.0, f64::NAN]),
            None
        );
        assert!(reason(&Claim::Exact, &[0.0], &[-0.0]).is_some());
        assert!(reason(&Claim::Exact, &[1.0], &[1.5]).is_some());
        assert_eq!(reason(&Claim::Unknown, &[1.0], &[2.0]), None);
    }

    #[test]
    fn an_error_above_the_recorded_one_is_told_whatever_the_bound() {
        let claim = lossy("quantise:abs=10", BoundUnit::Absolute, 10.0);
        assert_eq!(reason(&claim, &[10.0], &[14.0]), None);
        assert!(reason(&claim, &[10.0], &[14.5]).is_some());
    }

    #[test]
    fn losses_one_after_the_other_add_up() {
        let claim = lossy("quantise:abs=10", BoundUnit::Absolute, 10.0);
        let loss = |max_abs_error| Tally {
            max_abs_error,
            ..Tally::default()
        };
        assert_eq!(claim.exceeded(&loss(4.5), 0.5), None);
        assert!(claim.exceeded(&loss(4.6), 0.5).is_some());
        assert!(Claim::Exact.exceeded(&loss(0.6), 0.5).is_some());
        assert_eq!(Claim::Unknown.exceeded(&loss(9.0), 0.5), None);
    }

    #[test]
    fn an_error_is_measured_in_the_unit_of_the_bound() {
        let original = [0.0, 100.0, 50.0, -1.0];
        for (spec, unit, bound, kept, broken) in [
            ("quantise:abs=2", BoundUnit::Absolute, 2.0, 52.0, 52.1),
            // The mask is not part of the range of 100.
            (
                "quantise:rel=.02,mask=-1",
                BoundUnit::Range,
                0.02,
                52.0,
                52.1,
            ),
            (
                "quantise:rel=.02,range=0;50",
                BoundUnit::Range,
                0.02,
                51.0,
                51.1,
            ),
            ("quantise:pw=.02", BoundUnit::Element, 0.02, 51.0, 51.1),
            ("noise:sigma=.5,gain=2", BoundUnit::Sigma, 0.3, 53.0, 53.1),
        ] {
            let claim = lossy(spec, unit, bound);
            let with = |value| [0.0, 100.0, value, -1.0];
            assert_eq!(reason(&claim, &original, &with(kept)), None, "{spec}");
            assert!(reason(&claim, &original, &with(broken)).is_some(), "{spec}");
        }
        // 20 log10(100) - 10 log10(1 / 3) = 44.77.
        let claim = |bound| lossy("quantise:psnr=40,mask=-1", BoundUnit::Decibel, bound);
        let stored = [0.0, 100.0, 51.0, -1.0];
        assert_eq!(reason(&claim(44.77), &original, &stored), None);
        assert!(reason(&claim(44.78), &original, &stored).is_some());
    }
}
