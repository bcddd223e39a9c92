//! Entropy coders and general compressors behind safe calls on slices.

pub(crate) mod bits;
pub(crate) mod indices;
pub(crate) mod lz4;
pub(crate) mod zstd;
