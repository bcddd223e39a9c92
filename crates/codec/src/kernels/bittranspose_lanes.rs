//! Bit transposition for SSE2, NEON, AVX2 and AVX-512 without GFNI: interleave bytes, then transpose 8 × 8 bits across eight registers.
//!
//! Two ideas, both known from kalcutter/bitshuffle:
//!
//! * Eight registers that hold elements 0 to 7 modulo 8 are eight rows of many 8 × 8 bit matrices. Three rounds of
//!   swapping 4, 2 and 1 bits between pairs of registers transpose all of them: [`transpose_bits`].
//! * Interleaving the bytes of registers `r` and `r + 2^k` rotates places: register bit `k` becomes the lowest bit of
//!   the byte number, and the highest bit of the byte number becomes register bit `k`: [`interleave`].
//!
//! Below, `[p0 p1 p2 p3] (r0 r1 r2)` says which bit of the byte's address is where: four bits count the bytes of a
//! lane, lowest first, three the registers. `J` is a bit of the byte in the element, `E` of the element in the tile.
//! Lanes hold neighbouring tiles of 64 elements (of 128 for single bytes) and never mix.
//!
//! With AVX-512 but without GFNI the vectors stay at 256 bits: 32 registers and `vpternlog` make it 1 to 16 % faster than
//! AVX2 on Zen 4, while 512-bit vectors were up to 36 % slower than that.

#![allow(unsafe_code)] // Vector operations on pointers; the caller has checked the lengths.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::uint8x16_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m128i, __m256i};

use super::bittranspose::Kernel;
use super::lanes::Lanes;

/// A module with the kernels of one vector type, compiled for its instruction set.
macro_rules! kernels {
    ($module:ident: $vector:ident, $architecture:literal, $feature:literal) => {
        #[cfg(target_arch = $architecture)]
        pub(super) mod $module {
            use super::{Kernel, Lanes, $vector};

            /// The kernel for elements of `size` bytes: 1, 2, 4 or 8. It needs this module's instruction set.
            pub(in super::super) fn kernel(size: usize) -> Option<&'static Kernel> {
                match size {
                    1 => Some(kernel_of::<1>()),
                    2 => Some(kernel_of::<2>()),
                    4 => Some(kernel_of::<4>()),
                    8 => Some(kernel_of::<8>()),
                    _ => None,
                }
            }

            fn kernel_of<const SIZE: usize>() -> &'static Kernel {
                const {
                    &Kernel {
                        element_bytes: SIZE,
                        tile_elements: if SIZE == 1 { 128 } else { 64 } * $vector::LANES,
                        transpose: transpose::<SIZE>,
                        untranspose: untranspose::<SIZE>,
                    }
                }
            }

            #[target_feature(enable = $feature)]
            unsafe fn transpose<const SIZE: usize>(
                src: *const u8,
                elements: usize,
                planes: *mut u8,
                plane_bytes: usize,
            ) {
                // SAFETY: the caller's promise, and this function is compiled for the instruction set.
                unsafe {
                    match SIZE {
                        1 => super::transpose_bytes::<$vector>(src, elements, planes, plane_bytes),
                        _ => super::transpose_words::<$vector, SIZE>(
                            src,
                            elements,
                            planes,
                            plane_bytes,
                        ),
                    }
                }
            }

            #[target_feature(enable = $feature)]
            unsafe fn untranspose<const SIZE: usize>(
                planes: *const u8,
                plane_bytes: usize,
                dst: *mut u8,
                elements: usize,
            ) {
                // SAFETY: the caller's promise, and this function is compiled for the instruction set.
                unsafe {
                    match SIZE {
                        1 => {
                            super::untranspose_bytes::<$vector>(planes, plane_bytes, dst, elements)
                        }
                        _ => super::untranspose_words::<$vector, SIZE>(
                            planes,
                            plane_bytes,
                            dst,
                            elements,
                        ),
                    }
                }
            }
        }
    };
}

kernels!(sse2: __m128i, "x86_64", "sse2");
kernels!(avx2: __m256i, "x86_64", "avx2");
kernels!(avx512: __m256i, "x86_64", "avx512f,avx512bw,avx512vl");
kernels!(neon: uint8x16_t, "aarch64", "neon");

/// Elements of one byte: `128 * LANES` to a tile.
///
/// # Safety
/// That of [`Kernel`], on a CPU that has `V`.
#[inline(always)]
unsafe fn transpose_bytes<V: Lanes>(
    src: *const u8,
    elements: usize,
    planes: *mut u8,
    plane_bytes: usize,
) {
    for first in (0..elements).step_by(128 * V::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            // [E0 E1 E2 E3] (E4 E5 E6)
            let mut tile = [V::splat(0); 8];
            for (index, vector) in tile.iter_mut().enumerate() {
                *vector = V::load(src.add(first + 16 * index), 128);
            }
            interleave(&mut tile, 2); // [E6 E0 E1 E2] (E4 E5 E3)
            interleave(&mut tile, 1); // [E5 E6 E0 E1] (E4 E2 E3)
            interleave(&mut tile, 0); // [E4 E5 E6 E0] (E1 E2 E3)
            interleave(&mut tile, 2); // [E3 E4 E5 E6] (E1 E2 E0)
            let [a, b, c, d, e, f, g, h] = tile;
            let mut rows = [a, e, b, f, c, g, d, h]; // (E0 E1 E2)
            transpose_bits(&mut rows);
            for (bit, row) in rows.into_iter().enumerate() {
                row.store(planes.add(bit * plane_bytes + first / 8), 16);
            }
        }
    }
}

/// The inverse of [`transpose_bytes`].
///
/// # Safety
/// That of [`Kernel`], on a CPU that has `V`.
#[inline(always)]
unsafe fn untranspose_bytes<V: Lanes>(
    planes: *const u8,
    plane_bytes: usize,
    dst: *mut u8,
    elements: usize,
) {
    for first in (0..elements).step_by(128 * V::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut tile = [V::splat(0); 8];
            for (bit, row) in tile.iter_mut().enumerate() {
                *row = V::load(planes.add(bit * plane_bytes + first / 8), 16);
            }
            transpose_bits(&mut tile); // [E3 E4 E5 E6] (E0 E1 E2)
            interleave(&mut tile, 2); // [E2 E3 E4 E5] (E0 E1 E6)
            interleave(&mut tile, 1); // [E1 E2 E3 E4] (E0 E5 E6)
            interleave(&mut tile, 0); // [E0 E1 E2 E3] (E4 E5 E6)
            for (index, vector) in tile.into_iter().enumerate() {
                vector.store(dst.add(first + 16 * index), 128);
            }
        }
    }
}

/// Repeats `body` for each pair of bytes. A loop over pairs stays rolled, which costs a third of the speed at 4 bytes.
macro_rules! for_each_pair {
    ($size:ident, $pair:ident => $body:block) => {
        for_each_pair!($size, $pair => $body, 0 1 2 3)
    };
    ($size:ident, $pair:ident => $body:block, $($number:literal)+) => {
        $(if $number < $size / 2 {
            let $pair = $number;
            $body
        })+
    };
}

/// Elements of `SIZE` = 2, 4 or 8 bytes: `64 * LANES` to a tile.
///
/// A lane holds 8, 4 or 2 elements, so 1, 2 or 4 groups of eight registers make a tile; they differ in the highest of
/// E0, E1, E2. After three rounds a register holds one value of all those, and of all `J` but J0:
///
/// | bytes | loaded | after three rounds | group |
/// |---|---|---|---|
/// | 2 | `[J0 E0 E1 E2] (E3 E4 E5)` | `[E3 E4 E5 J0] (E0 E1 E2)` | |
/// | 4 | `[J0 J1 E0 E1] (E3 E4 E5)` | `[E3 E4 E5 J0] (J1 E0 E1)` | E2 |
/// | 8 | `[J0 J1 J2 E0] (E3 E4 E5)` | `[E3 E4 E5 J0] (J1 J2 E0)` | E1 E2 |
///
/// With register and group as one number its upper three bits are (E0 E1 E2) and the lower ones (J1 J2).
///
/// # Safety
/// That of [`Kernel`], on a CPU that has `V`.
#[inline(always)]
unsafe fn transpose_words<V: Lanes, const SIZE: usize>(
    src: *const u8,
    elements: usize,
    planes: *mut u8,
    plane_bytes: usize,
) {
    for first in (0..elements).step_by(64 * V::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut tile = [[V::splat(0); 8]; 4];
            for (group, vectors) in tile[..SIZE / 2].iter_mut().enumerate() {
                let from = src.add(first * SIZE + 16 * group);
                for (index, vector) in vectors.iter_mut().enumerate() {
                    *vector = V::load(from.add(8 * SIZE * index), 64 * SIZE);
                }
                interleave(vectors, 2);
                interleave(vectors, 1);
                interleave(vectors, 0);
            }
            for_each_pair!(SIZE, pair => {
                let planes = planes.add(16 * pair * plane_bytes + first / 8);
                store_pair::<V, SIZE>(&tile, pair, planes, plane_bytes);
            });
        }
    }
}

/// The inverse of [`transpose_words`].
///
/// Two rows alternate in a lane, `[J0 E3 E4 E5]`, and three rounds on byte pairs leave J0 in its place. For 2 bytes:
/// `[J0 E3 E4 E5] (E0 E1 E2)`, then `[J0 E0 E1 E2] (E3 E4 E5)`.
///
/// # Safety
/// That of [`Kernel`], on a CPU that has `V`.
#[inline(always)]
unsafe fn untranspose_words<V: Lanes, const SIZE: usize>(
    planes: *const u8,
    plane_bytes: usize,
    dst: *mut u8,
    elements: usize,
) {
    for first in (0..elements).step_by(64 * V::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut tile = [[V::splat(0); 8]; 4];
            for_each_pair!(SIZE, pair => {
                let planes = planes.add(16 * pair * plane_bytes + first / 8);
                load_pair::<V, SIZE>(&mut tile, pair, planes, plane_bytes);
            });
            for (group, vectors) in tile[..SIZE / 2].iter_mut().enumerate() {
                interleave_pairs(vectors, 2);
                interleave_pairs(vectors, 1);
                interleave_pairs(vectors, 0);
                let to = dst.add(first * SIZE + 16 * group);
                for (index, vector) in vectors.iter().enumerate() {
                    vector.store(to.add(8 * SIZE * index), 64 * SIZE);
                }
            }
        }
    }
}

/// Transposes the bits of bytes `2 * pair` and `2 * pair + 1` of all elements and writes their 16 rows.
///
/// # Safety
/// The CPU has `V`; all rows, `plane_bytes` apart, may be written.
#[inline(always)]
unsafe fn store_pair<V: Lanes, const SIZE: usize>(
    tile: &[[V; 8]; 4],
    pair: usize,
    planes: *mut u8,
    plane_bytes: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut rows = [V::splat(0); 8];
        for (element, row) in rows.iter_mut().enumerate() {
            let number = element * (SIZE / 2) + pair;
            *row = tile[number / 8][number % 8];
        }
        transpose_bits(&mut rows);
        for (bit, row) in rows.into_iter().enumerate() {
            let low = planes.add(bit * plane_bytes);
            row.store_halves(low, low.add(8 * plane_bytes));
        }
    }
}

/// Reads 16 rows and transposes their bits to bytes `2 * pair` and `2 * pair + 1` of all elements.
///
/// # Safety
/// The CPU has `V`; all rows, `plane_bytes` apart, may be read.
#[inline(always)]
unsafe fn load_pair<V: Lanes, const SIZE: usize>(
    tile: &mut [[V; 8]; 4],
    pair: usize,
    planes: *const u8,
    plane_bytes: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut rows = [V::splat(0); 8];
        for (bit, row) in rows.iter_mut().enumerate() {
            let even = planes.add(bit * plane_bytes);
            *row = V::load_alternating(even, even.add(8 * plane_bytes));
        }
        transpose_bits(&mut rows);
        for (element, row) in rows.into_iter().enumerate() {
            let number = element * (SIZE / 2) + pair;
            tile[number / 8][number % 8] = row;
        }
    }
}

/// Registers `r` and `r + 2^bit` become the interleaved low and high halves of their lanes.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn interleave<V: Lanes>(tile: &mut [V; 8], bit: usize) {
    for low in 0..8 {
        let high = low | 1 << bit;
        if low == high {
            continue;
        }
        // SAFETY: the caller's promise.
        (tile[low], tile[high]) = unsafe {
            (
                tile[low].interleave_low(tile[high]),
                tile[low].interleave_high(tile[high]),
            )
        };
    }
}

/// As [`interleave`], but of byte pairs: the lowest bit of the byte number stays where it is.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn interleave_pairs<V: Lanes>(tile: &mut [V; 8], bit: usize) {
    for low in 0..8 {
        let high = low | 1 << bit;
        if low == high {
            continue;
        }
        // SAFETY: the caller's promise.
        (tile[low], tile[high]) = unsafe {
            (
                tile[low].interleave_pairs_low(tile[high]),
                tile[low].interleave_pairs_high(tile[high]),
            )
        };
    }
}

/// Bit `c` of every byte of row `r` changes places with bit `r` of row `c`.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn transpose_bits<V: Lanes>(rows: &mut [V; 8]) {
    // SAFETY: the caller's promise.
    unsafe {
        for r in [0, 1, 2, 3] {
            swap_bits::<V, 4>(rows, r, r + 4, 0x0f);
        }
        for r in [0, 1, 4, 5] {
            swap_bits::<V, 2>(rows, r, r + 2, 0x33);
        }
        for r in [0, 2, 4, 6] {
            swap_bits::<V, 1>(rows, r, r + 1, 0x55);
        }
    }
}

/// The upper bits of each group of `2 * BITS` in row `upper` change places with the lower ones in row `lower`.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn swap_bits<V: Lanes, const BITS: i32>(
    rows: &mut [V; 8],
    upper: usize,
    lower: usize,
    mask: u8,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let differ = rows[upper].shift_right::<BITS>().xor(rows[lower]);
        let differ = differ.and(V::splat(mask));
        rows[lower] = rows[lower].xor(differ);
        rows[upper] = rows[upper].xor(differ.shift_left::<BITS>());
    }
}
