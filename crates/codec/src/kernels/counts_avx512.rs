//! Bit planes of bytes, tables, and places of large bytes with AVX-512: a plane of 64 bytes is a mask.

#![allow(unsafe_code)] // Intrinsics; the callers in `counts.rs` answer for the CPU and the lengths.

use std::arch::x86_64::*;

use super::counts::{BINS, GROUP};

/// Groups in a register.
const GROUPS: usize = 8;

/// Returns the number of groups done.
///
/// # Safety
/// The CPU has the instructions; `planes` has `count` bytes for each 8 of `bytes`.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn planes_of_bytes(bytes: &[u8], count: usize, planes: &mut [u8]) -> usize {
    let groups = bytes.len() / GROUP;
    let planes = planes.as_mut_ptr();
    let mut group = 0;
    while group + GROUPS <= groups {
        // SAFETY: 64 bytes are left, and 8 in each plane.
        unsafe {
            let bytes = _mm512_loadu_si512(bytes.as_ptr().add(GROUP * group).cast());
            for plane in 0..count {
                let bit = _mm512_set1_epi8((1u8 << plane) as i8);
                let ones = _mm512_test_epi8_mask(bytes, bit);
                planes
                    .add(plane * groups + group)
                    .cast::<u64>()
                    .write_unaligned(ones);
            }
        }
        group += GROUPS;
    }
    group
}

/// Returns the number of groups done.
///
/// # Safety
/// The CPU has the instructions; `planes` has `count` bytes for each 8 of `bytes`.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn bytes_of_planes(planes: &[u8], count: usize, bytes: &mut [u8]) -> usize {
    let groups = bytes.len() / GROUP;
    let planes = planes.as_ptr();
    let mut group = 0;
    while group + GROUPS <= groups {
        // SAFETY: 64 bytes are left, and 8 in each plane.
        unsafe {
            let mut made = _mm512_setzero_si512();
            for plane in 0..count {
                let ones = planes
                    .add(plane * groups + group)
                    .cast::<u64>()
                    .read_unaligned();
                let bit = _mm512_maskz_set1_epi8(ones, (1u8 << plane) as i8);
                made = _mm512_or_si512(made, bit);
            }
            _mm512_storeu_si512(bytes.as_mut_ptr().add(GROUP * group).cast(), made);
        }
        group += GROUPS;
    }
    group
}

/// Returns the number of bins done.
///
/// # Safety
/// The CPU has the instructions; `found` is as long as `bins`, for each table.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) unsafe fn look_up(tables: &[[u8; BINS]], bins: &[u8], found: &mut [u8]) -> usize {
    let len = bins.len();
    for (number, table) in tables.iter().enumerate() {
        let mut at = 0;
        while at < bins.len() {
            let left = (bins.len() - at).min(64);
            let active = u64::MAX >> (64 - left);
            // SAFETY: `left` bytes, of both, are accessed; the table has 64.
            unsafe {
                let table = _mm512_loadu_si512(table.as_ptr().cast());
                let bins = _mm512_maskz_loadu_epi8(active, bins.as_ptr().add(at).cast());
                let entries = _mm512_permutexvar_epi8(bins, table);
                let to = found.as_mut_ptr().add(number * len + at);
                _mm512_mask_storeu_epi8(to.cast(), active, entries);
            }
            at += left;
        }
    }
    bins.len()
}

/// # Safety
/// The CPU has the instructions; `found` is as long as `bins`.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) unsafe fn look_up_256(table: &[u8; 256], bins: &[u8], found: &mut [u8]) {
    // SAFETY: 256 bytes are four registers.
    let register = |i: usize| unsafe { _mm512_loadu_si512(table.as_ptr().add(64 * i).cast()) };
    let (first, second, third, fourth) = (register(0), register(1), register(2), register(3));
    let mut at = 0;
    while at < bins.len() {
        let left = (bins.len() - at).min(64);
        let active = u64::MAX >> (64 - left);
        // SAFETY: `left` bytes, of both, are accessed.
        unsafe {
            let bins = _mm512_maskz_loadu_epi8(active, bins.as_ptr().add(at).cast());
            let low = _mm512_permutex2var_epi8(first, bins, second);
            let high = _mm512_permutex2var_epi8(third, bins, fourth);
            let entries = _mm512_mask_blend_epi8(_mm512_movepi8_mask(bins), low, high);
            _mm512_mask_storeu_epi8(found.as_mut_ptr().add(at).cast(), active, entries);
        }
        at += left;
    }
}

/// Where symbols are `direct` or more; returns their number.
///
/// # Safety
/// The CPU has the instructions.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn places_from(symbols: &[u8], direct: u8, places: &mut [u32]) -> usize {
    let direct = _mm512_set1_epi8(direct as i8);
    let mut count = 0;
    for (number, block) in symbols.chunks(64).enumerate() {
        let active = u64::MAX >> (64 - block.len());
        // SAFETY: as many bytes as are active are read.
        let block = unsafe { _mm512_maskz_loadu_epi8(active, block.as_ptr().cast()) };
        let mut found = _mm512_mask_cmpge_epu8_mask(active, block, direct);
        while found != 0 {
            places[count] = 64 * number as u32 + found.trailing_zeros();
            count += 1;
            found &= found - 1;
        }
    }
    count
}
