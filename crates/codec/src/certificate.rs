//! What a chunk lost: the promise that was asked for and the loss that was really caused.
//!
//! Every lossy chunk carries one of these in its frame header, so a whole dataset's achieved loss is known without
//! decoding anything. Codecs fill a [`Tally`] while they compare what they will decode to with what they were given.
//!
//! Bytes of a certificate, little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | guarantee: 0 lossless, 1 A (by construction, checked on every element), 2 B (verified by decoding) |
//! | 1 | 1 | unit of the bound: 0 none, 1 absolute, 2 of the range, 3 of the element, 4 of the noise σ, 5 dB, 6 Dice |
//! | 2 | 1 | flags: bit 0 synthetic background, bit 1 fell back to a finer setting or to a lossless codec |
//! | 3 | 1 | zero |
//! | 4 | 8 | bound asked, f64 in that unit |
//! | 12 | 8 | largest absolute error, f64 |
//! | 20 | 4 | largest absolute error / σ, f32, rounded up; NaN where no noise model is defined |
//! | 24 | 8 | sum of errors (decoded − original), f64 |
//! | 32 | 8 | sum of squared errors, f64 |
//! | 40 | 8 | elements kept exactly although the codec would have changed them, u64 |
//!
//! Errors are those of finite elements; NaN, infinities, masked and fill values are bit-exact and not counted.

use crate::numbers::{Number, for_number};
use crate::{ByteOrder, Element, Error};

/// What kind of promise a chunk keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Guarantee {
    /// Every element is bit-exact.
    #[default]
    Lossless,
    /// A: the bound holds by construction and was checked on every element.
    ByConstruction,
    /// B: the bound was verified by decoding the chunk.
    Verified,
}

/// What a bound is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BoundUnit {
    /// No bound.
    #[default]
    None,
    /// Units of the data.
    Absolute,
    /// Fraction of the range of the data.
    Range,
    /// Fraction of each element.
    Element,
    /// Standard deviations of the noise.
    Sigma,
    /// Decibels (PSNR): a lower bound.
    Decibel,
    /// Dice coefficient: a lower bound.
    Dice,
}

/// Promise and achieved loss of one chunk, or of many merged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Certificate {
    /// Kind of promise.
    pub guarantee: Guarantee,
    /// Unit of the bound.
    pub bound_unit: BoundUnit,
    /// Whether decoded background is drawn from a model instead of being data.
    pub synthetic_background: bool,
    /// Whether the codec fell back to a finer setting or to a lossless one to keep its promise.
    pub fell_back: bool,
    /// Bound asked, in its unit.
    pub bound_asked: f64,
    /// The loss that was caused.
    pub loss: Tally,
}

/// Loss added up element by element.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// Largest absolute error.
    pub max_abs_error: f64,
    /// Largest absolute error in units of the noise σ, where a noise model is defined.
    pub max_sigma_error: Option<f32>,
    /// Sum of decoded − original.
    pub sum_error: f64,
    /// Sum of squared errors.
    pub sum_squared_error: f64,
    /// Elements kept exactly although the codec would have changed them.
    pub exceptions: u64,
}

impl Tally {
    /// Adds one element.
    #[inline(always)]
    pub fn add(&mut self, original: f64, decoded: f64) {
        let error = decoded - original;
        self.max_abs_error = self.max_abs_error.max(error.abs());
        self.sum_error += error;
        self.sum_squared_error += error * error;
    }

    /// The loss of `decoded` against `original`, the same elements as stored; an error where they are no numbers.
    ///
    /// A value that is not finite on one side only, and one that is on neither but has other bits, is an infinite
    /// error. No noise model and no exceptions are known here.
    pub fn between(element: &Element, original: &[u8], decoded: &[u8]) -> Result<Self, Error> {
        for_number!(element, T => Ok(Self::between_values::<T>(original, decoded, element.order)))
    }

    fn between_values<T: Number>(original: &[u8], decoded: &[u8], order: ByteOrder) -> Self {
        let mut tally = Self::default();
        let decoded = decoded.chunks_exact(T::BYTES);
        for (original, decoded) in original.chunks_exact(T::BYTES).zip(decoded) {
            if original == decoded {
                continue;
            }
            let (before, after) = (T::read(original, order), T::read(decoded, order));
            let (before, after) = (before.to_f64(), after.to_f64());
            if before.is_finite() && after.is_finite() {
                tally.add(before, after);
            } else {
                tally.max_abs_error = f64::INFINITY;
            }
        }
        tally
    }

    /// Adds the loss of other elements.
    pub fn merge(&mut self, other: &Self) {
        self.max_abs_error = self.max_abs_error.max(other.max_abs_error);
        self.max_sigma_error = match (self.max_sigma_error, other.max_sigma_error) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.sum_error += other.sum_error;
        self.sum_squared_error += other.sum_squared_error;
        self.exceptions += other.exceptions;
    }
}

impl Guarantee {
    /// The class in one word, as in listings and attributes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lossless => "lossless",
            Self::ByConstruction => "A",
            Self::Verified => "B",
        }
    }

    /// The class that is called that.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Lossless, Self::ByConstruction, Self::Verified];
        all.into_iter().find(|class| class.name() == name)
    }
}

impl BoundUnit {
    /// The unit in one word; "" for none.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Absolute => "absolute",
            Self::Range => "range",
            Self::Element => "element",
            Self::Sigma => "sigma",
            Self::Decibel => "decibel",
            Self::Dice => "dice",
        }
    }

    /// The unit that is called that.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::None,
            Self::Absolute,
            Self::Range,
            Self::Element,
            Self::Sigma,
            Self::Decibel,
            Self::Dice,
        ];
        all.into_iter().find(|unit| unit.name() == name)
    }
}

impl Certificate {
    /// Bytes a certificate takes.
    pub(crate) const BYTES: usize = 48;

    /// Adds another chunk: the weaker promise, the wider bound, the loss of both.
    ///
    /// A chunk that is stored losslessly has no bound, whatever was asked.
    pub fn merge(&mut self, other: &Self) {
        self.guarantee = self.guarantee.max(other.guarantee);
        if self.bound_unit == BoundUnit::None {
            self.bound_unit = other.bound_unit;
        }
        self.synthetic_background |= other.synthetic_background;
        self.fell_back |= other.fell_back;
        self.bound_asked = self.bound_asked.max(other.bound_asked);
        self.loss.merge(&other.loss);
    }

    /// The bytes described above.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.guarantee as u8;
        bytes[1] = self.bound_unit as u8;
        bytes[2] = u8::from(self.synthetic_background) | u8::from(self.fell_back) << 1;
        bytes[4..12].copy_from_slice(&self.bound_asked.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.loss.max_abs_error.to_le_bytes());
        let sigma = self.loss.max_sigma_error.unwrap_or(f32::NAN);
        bytes[20..24].copy_from_slice(&sigma.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.loss.sum_error.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.loss.sum_squared_error.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.loss.exceptions.to_le_bytes());
        bytes
    }

    /// Reads the bytes described above; `offset` is where they stand in a chunk of `len` bytes.
    pub(crate) fn from_bytes(
        bytes: &[u8; Self::BYTES],
        offset: usize,
        len: usize,
    ) -> Result<Self, Error> {
        let damaged = |what, at| Error::Damaged {
            what,
            offset: offset + at,
            len,
        };
        let f64_at = |at: usize| f64::from_le_bytes(crate::frame::array(&bytes[at..at + 8]));
        let sigma = f32::from_le_bytes(crate::frame::array(&bytes[20..24]));
        let guarantee = match bytes[0] {
            0 => Guarantee::Lossless,
            1 => Guarantee::ByConstruction,
            2 => Guarantee::Verified,
            _ => return Err(damaged("unknown guarantee", 0)),
        };
        let bound_unit = match bytes[1] {
            0 => BoundUnit::None,
            1 => BoundUnit::Absolute,
            2 => BoundUnit::Range,
            3 => BoundUnit::Element,
            4 => BoundUnit::Sigma,
            5 => BoundUnit::Decibel,
            6 => BoundUnit::Dice,
            _ => return Err(damaged("unknown unit of the bound", 1)),
        };
        Ok(Self {
            guarantee,
            bound_unit,
            synthetic_background: bytes[2] & 1 != 0,
            fell_back: bytes[2] & 2 != 0,
            bound_asked: f64_at(4),
            loss: Tally {
                max_abs_error: f64_at(12),
                max_sigma_error: (!sigma.is_nan()).then_some(sigma),
                sum_error: f64_at(24),
                sum_squared_error: f64_at(32),
                exceptions: u64::from_le_bytes(crate::frame::array(&bytes[40..48])),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ElementClass;

    #[test]
    fn the_loss_between_two_arrays_is_that_of_the_finite_values() {
        let element = Element {
            class: ElementClass::Float,
            bytes: 4,
            order: ByteOrder::Big,
        };
        let bytes = |values: [f32; 4]| values.map(f32::to_be_bytes).concat();
        let between = |a, b| Tally::between(&element, &bytes(a), &bytes(b)).unwrap();
        let loss = between([1.0, f32::NAN, -2.0, 5.0], [1.5, f32::NAN, -2.25, 5.0]);
        assert_eq!((loss.max_abs_error, loss.sum_error), (0.5, 0.25));
        assert_eq!(loss.sum_squared_error, 0.3125);
        for (a, b) in [
            (f32::NAN, 1.0),
            (1.0, f32::NAN),
            (f32::INFINITY, f32::NAN),
            (1.0, f32::INFINITY),
        ] {
            let loss = between([a, 0.0, 0.0, 0.0], [b, 0.0, 0.0, 0.0]);
            assert_eq!(loss.max_abs_error, f64::INFINITY, "{a} {b}");
        }
        let text = Element {
            class: ElementClass::Other,
            ..element
        };
        assert!(Tally::between(&text, &[0; 4], &[1; 4]).is_err());
    }

    #[test]
    fn merging_keeps_the_weaker_promise_and_adds_the_loss() {
        let lossy = Certificate {
            guarantee: Guarantee::ByConstruction,
            bound_unit: BoundUnit::Absolute,
            bound_asked: 0.5,
            loss: Tally {
                max_abs_error: 0.25,
                sum_error: -1.0,
                ..Tally::default()
            },
            ..Certificate::default()
        };
        let mut all = Certificate::default();
        all.merge(&lossy);
        all.merge(&Certificate::default());
        all.merge(&lossy);
        assert_eq!(
            (all.guarantee, all.bound_unit, all.bound_asked),
            (Guarantee::ByConstruction, BoundUnit::Absolute, 0.5)
        );
        assert_eq!((all.loss.max_abs_error, all.loss.sum_error), (0.25, -2.0));
    }
}
