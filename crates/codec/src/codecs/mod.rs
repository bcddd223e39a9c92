//! The codec table: one file and two lines per codec.

use crate::Codec;

pub(crate) mod auto;
pub(crate) mod auto_sample;
pub mod bitshuffle;
pub mod bitshuffle_bare;
mod bitshuffle_parts;
pub(crate) mod bitshuffle_payload;
mod bitshuffle_planes;
mod bitshuffle_settings;
mod counts;
pub(crate) mod counts_bbp;
mod counts_bbp_encode;
mod counts_choice;
pub(crate) mod counts_fir;
mod counts_fir_decode;
mod counts_fir_encode;
mod counts_fir_even;
mod counts_fir_learn;
mod counts_fir_merge;
mod counts_fir_neighbours;
mod counts_fir_rows;
mod counts_fir_state;
pub(crate) mod counts_indices;
pub(crate) mod counts_mask;
pub(crate) mod counts_numbers;
pub(crate) mod counts_pixels;
mod counts_sample;
mod dictionary;
mod noise;
mod noise_dither;
mod noise_encode;
mod predict;
mod predict_numbers;
pub mod quantise;
mod quantise_bins;
mod quantise_codes;
mod quantise_encode;
mod quantise_levels;
mod quantise_otsu;
pub mod sigma_clip;
mod sigma_clip_background;
mod sigma_clip_checks;
mod sigma_clip_decode;
mod sigma_clip_frame;
pub(crate) mod sigma_clip_geometry;
mod sigma_clip_lattice;
mod sigma_clip_streams;
mod sigma_clip_synthesis;
mod sigma_clip_tables;
mod sigma_clip_totals;

/// Every codec a SPEC can name.
pub static CODECS: &[&Codec] = &[
    &bitshuffle::CODEC,
    &dictionary::CODEC,
    &quantise::CODEC,
    &noise::CODEC,
    &sigma_clip::CODEC,
    &counts::CODEC,
    &predict::CODEC,
    &auto::CODEC,
];
