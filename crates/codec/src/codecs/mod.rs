//! The codec table: one file and two lines per codec.

use crate::Codec;

pub mod bitshuffle;

/// Every codec a SPEC can name.
pub static CODECS: &[&Codec] = &[&bitshuffle::CODEC];
