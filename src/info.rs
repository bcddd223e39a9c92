//! What is known of a chunk without decoding it: its size, and its certificate of loss.

use std::ffi::c_char;

use etalon_codec::{BoundUnit, Certificate, Guarantee};

/// Every element is bit-exact.
pub const ETALON_LOSSLESS: u32 = 0;
/// The bound holds by construction and was checked on every element.
pub const ETALON_BY_CONSTRUCTION: u32 = 1;
/// The bound was verified by decoding the chunk.
pub const ETALON_VERIFIED: u32 = 2;

/// There is no bound.
pub const ETALON_UNIT_NONE: u32 = 0;
/// The bound is in units of the data.
pub const ETALON_UNIT_ABSOLUTE: u32 = 1;
/// The bound is a fraction of the range of the data.
pub const ETALON_UNIT_RANGE: u32 = 2;
/// The bound is a fraction of each element.
pub const ETALON_UNIT_ELEMENT: u32 = 3;
/// The bound is in standard deviations of the noise.
pub const ETALON_UNIT_SIGMA: u32 = 4;
/// The bound is a PSNR in decibels, from below.
pub const ETALON_UNIT_DECIBEL: u32 = 5;
/// The bound is a Dice coefficient, from below.
pub const ETALON_UNIT_DICE: u32 = 6;

/// Decoded background is drawn from a model instead of being data.
pub const ETALON_SYNTHETIC_BACKGROUND: u32 = 1;
/// The codec fell back to a finer setting, or to a lossless one, to keep its promise.
pub const ETALON_FELL_BACK: u32 = 2;

const NAME_BYTES: usize = 32;

/// What a chunk says about itself. Later versions add fields at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Info {
    /// Bytes of this structure that the library knows; fields beyond were not written.
    pub struct_bytes: usize,
    /// Size of the decoded chunk in bytes.
    pub decoded_bytes: u64,
    /// Filter id that HDF5 stores for such chunks.
    pub filter_id: u32,
    /// ETALON_LOSSLESS, ETALON_BY_CONSTRUCTION or ETALON_VERIFIED.
    pub guarantee: u32,
    /// Unit of the bound, ETALON_UNIT_…
    pub bound_unit: u32,
    /// ETALON_SYNTHETIC_BACKGROUND and ETALON_FELL_BACK, or-ed.
    pub flags: u32,
    /// The bound that was asked for, in its unit.
    pub bound_asked: f64,
    /// Largest absolute error of a finite element.
    pub max_abs_error: f64,
    /// Largest absolute error in standard deviations of the noise; NaN where no noise model is defined.
    pub max_sigma_error: f64,
    /// Sum of decoded − original.
    pub sum_error: f64,
    /// Sum of squared errors.
    pub sum_squared_error: f64,
    /// Elements kept exactly although the codec would have changed them.
    pub exceptions: u64,
    /// Name of the codec, "raw" for a chunk that is stored as it is; ends with 0.
    pub codec: [c_char; 32],
}

impl Info {
    /// What there is to say of a chunk that codec and certificate are known of.
    pub(crate) fn new(
        filter_id: u32,
        codec: &str,
        decoded_bytes: usize,
        certificate: &Certificate,
    ) -> Self {
        let loss = &certificate.loss;
        let synthetic = u32::from(certificate.synthetic_background) * ETALON_SYNTHETIC_BACKGROUND;
        let fell_back = u32::from(certificate.fell_back) * ETALON_FELL_BACK;
        let mut name = [0; NAME_BYTES];
        for (to, from) in name[..NAME_BYTES - 1].iter_mut().zip(codec.bytes()) {
            *to = from as c_char;
        }
        Self {
            struct_bytes: size_of::<Self>(),
            decoded_bytes: decoded_bytes as u64,
            filter_id,
            guarantee: match certificate.guarantee {
                Guarantee::Lossless => ETALON_LOSSLESS,
                Guarantee::ByConstruction => ETALON_BY_CONSTRUCTION,
                Guarantee::Verified => ETALON_VERIFIED,
            },
            bound_unit: unit(certificate.bound_unit),
            flags: synthetic | fell_back,
            bound_asked: certificate.bound_asked,
            max_abs_error: loss.max_abs_error,
            max_sigma_error: loss.max_sigma_error.map_or(f64::NAN, f64::from),
            sum_error: loss.sum_error,
            sum_squared_error: loss.sum_squared_error,
            exceptions: loss.exceptions,
            codec: name,
        }
    }
}

fn unit(unit: BoundUnit) -> u32 {
    match unit {
        BoundUnit::None => ETALON_UNIT_NONE,
        BoundUnit::Absolute => ETALON_UNIT_ABSOLUTE,
        BoundUnit::Range => ETALON_UNIT_RANGE,
        BoundUnit::Element => ETALON_UNIT_ELEMENT,
        BoundUnit::Sigma => ETALON_UNIT_SIGMA,
        BoundUnit::Decibel => ETALON_UNIT_DECIBEL,
        BoundUnit::Dice => ETALON_UNIT_DICE,
    }
}
