//! Hot loops, compiled for every instruction set and chosen at run time.
//!
//! Kernels do not allocate, do not fail and do not know about formats.

pub mod bittranspose;
pub mod levels;
pub(crate) mod noise;
pub mod quantise;
pub(crate) mod palette;
#[cfg(target_arch = "x86_64")]
pub(crate) mod palette_avx512;
