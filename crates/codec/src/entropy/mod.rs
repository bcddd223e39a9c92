//! Entropy coders and general compressors behind safe calls on slices.

pub(crate) mod bernoulli;
pub(crate) mod bits;
pub(crate) mod indices;
mod literals;
pub(crate) mod lz4;
pub(crate) mod palette;
pub(crate) mod palette_table;
pub(crate) mod rans;
#[allow(dead_code)] // Written tables and their histograms are for models that learn tables.
pub(crate) mod rans_tables;
pub(crate) mod zstd;
