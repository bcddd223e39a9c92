//! Entropy coders and general compressors behind safe calls on slices.

pub(crate) mod bits;
pub(crate) mod indices;
mod literals;
pub(crate) mod lz4;
pub(crate) mod palette;
pub(crate) mod palette_table;
pub(crate) mod zstd;
pub(crate) mod zstd_frame;
