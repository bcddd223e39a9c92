//! Hot loops, compiled for every instruction set and chosen at run time.
//!
//! Kernels do not allocate, do not fail and do not know about formats.

pub mod bittranspose;
#[cfg(target_arch = "x86_64")]
mod bittranspose_avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod bittranspose_lanes;
pub(crate) mod counts;
#[cfg(target_arch = "x86_64")]
mod counts_avx512;
pub(crate) mod counts_fir;
#[cfg(target_arch = "x86_64")]
mod counts_fir_avx2;
#[cfg(target_arch = "x86_64")]
mod counts_fir_avx512;
pub(crate) mod counts_fir_narrow;
#[cfg(target_arch = "x86_64")]
mod counts_fir_pairs;
pub(crate) mod counts_rows;
#[cfg(target_arch = "x86_64")]
mod counts_rows_avx512;
pub(crate) mod counts_seen;
pub(crate) mod crc32c;
pub(crate) mod indices;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
pub mod levels;
pub(crate) mod noise;
pub(crate) mod palette;
#[cfg(target_arch = "x86_64")]
pub(crate) mod palette_avx512;
pub(crate) mod pixels;
pub(crate) mod predict;
pub(crate) mod predict_bounds;
pub(crate) mod predict_contexts;
pub(crate) mod predict_correct;
#[cfg(target_arch = "x86_64")]
mod predict_correct_avx512;
pub(crate) mod predict_expect;
#[cfg(target_arch = "x86_64")]
mod predict_expect_avx512;
pub(crate) mod predict_fit;
#[cfg(target_arch = "x86_64")]
mod predict_leave_avx512;
pub mod quantise;
pub(crate) mod rans;
#[cfg(target_arch = "x86_64")]
mod rans_avx2;
#[cfg(target_arch = "x86_64")]
mod rans_avx512;
#[cfg(target_arch = "x86_64")]
mod rans_avx512_encode;
pub(crate) mod runs;
pub(crate) mod sigma_clip;
