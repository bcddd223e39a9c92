//! Entropy coders and general compressors behind safe calls on slices.

pub(crate) mod bernoulli;
pub(crate) mod bit_stream;
pub(crate) mod bits;
pub(crate) mod indices;
mod indices_predicted;
mod indices_regions;
pub(crate) mod literals;
pub(crate) mod lz4;
pub(crate) mod palette;
pub(crate) mod palette_table;
pub(crate) mod predict;
mod predict_bits;
mod predict_contexts;
mod predict_decode;
mod predict_encode;
mod predict_fit;
mod predict_history;
pub(crate) mod predict_learn;
pub(crate) mod predict_lines;
mod predict_lows;
mod predict_model;
mod predict_special;
pub(crate) mod rans;
pub(crate) mod rans_tables;
pub(crate) mod zstd;
pub(crate) mod zstd_frame;
