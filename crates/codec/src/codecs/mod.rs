//! The codec table: one file and two lines per codec.

use crate::Codec;

pub mod bitshuffle;
pub(crate) mod bitshuffle_payload;
mod bitshuffle_settings;
mod noise;
mod noise_dither;
mod noise_encode;

/// Every codec a SPEC can name.
pub static CODECS: &[&Codec] = &[&bitshuffle::CODEC, &noise::CODEC];
