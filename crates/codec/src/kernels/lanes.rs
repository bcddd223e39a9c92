//! The few vector operations that bit transposition needs, for every instruction set without byte permutations.
//!
//! A [`Lanes`] is one or more lanes of 16 bytes and each operation treats its lanes alike, so a network of these
//! operations is written once. SSE2 and AVX2 test it; NEON only supplies the same primitives.
//!
//! The functions are `#[inline(always)]` and enable nothing themselves: they must be inlined into a function compiled
//! for the instruction set, on a CPU that has it. That is why they are `unsafe`.

#![allow(unsafe_code)] // Intrinsics; whoever calls answers for the CPU and the pointers.

/// Vectors of `LANES` lanes of 16 bytes.
///
/// # Safety of every function
/// The CPU has the instruction set. Pointers are to as many bytes as are read or written, at any alignment.
pub(super) trait Lanes: Copy {
    const LANES: usize;

    /// Lane `i` from the 16 bytes at `src + i * stride`.
    unsafe fn load(src: *const u8, stride: usize) -> Self;
    /// Lane `i` to the 16 bytes at `dst + i * stride`.
    unsafe fn store(self, dst: *mut u8, stride: usize);
    /// Lane `i` from 8 bytes at `even + 8 * i` and 8 bytes at `odd + 8 * i`, alternating.
    unsafe fn load_alternating(even: *const u8, odd: *const u8) -> Self;
    /// The low halves of all lanes to `8 * LANES` bytes at `low`, the high halves to `high`.
    unsafe fn store_halves(self, low: *mut u8, high: *mut u8);
    /// Bytes 0 to 7 of each lane of `self` and `other`, alternating.
    unsafe fn interleave_low(self, other: Self) -> Self;
    /// Bytes 8 to 15 of each lane of `self` and `other`, alternating.
    unsafe fn interleave_high(self, other: Self) -> Self;
    /// Byte pairs 0 to 3 of each lane of `self` and `other`, alternating.
    unsafe fn interleave_pairs_low(self, other: Self) -> Self;
    /// Byte pairs 4 to 7 of each lane of `self` and `other`, alternating.
    unsafe fn interleave_pairs_high(self, other: Self) -> Self;
    unsafe fn splat(byte: u8) -> Self;
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    /// Shifts 16-bit numbers, so bits cross between the bytes of a pair: mask them.
    unsafe fn shift_left<const BITS: i32>(self) -> Self;
    /// Shifts 16-bit numbers, so bits cross between the bytes of a pair: mask them.
    unsafe fn shift_right<const BITS: i32>(self) -> Self;
}

/// Writes methods whose body is one unsafe expression.
macro_rules! operations {
    ($(fn $name:ident $(<const $bits:ident: i32>)? ($($argument:ident $(: $kind:ty)?),*) $(-> $result:ty)? { $body:expr })*) => {
        $(#[inline(always)]
        unsafe fn $name $(<const $bits: i32>)? ($($argument $(: $kind)?),*) $(-> $result)? {
            // SAFETY: the trait's contract: the CPU has the instruction set and the pointers are in range.
            unsafe { $body }
        })*
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    impl Lanes for __m128i {
        const LANES: usize = 1;
        operations! {
            fn load(src: *const u8, _stride: usize) -> Self { _mm_loadu_si128(src.cast()) }
            fn store(self, dst: *mut u8, _stride: usize) { _mm_storeu_si128(dst.cast(), self) }
            fn load_alternating(even: *const u8, odd: *const u8) -> Self {
                _mm_unpacklo_epi8(_mm_loadl_epi64(even.cast()), _mm_loadl_epi64(odd.cast()))
            }
            fn store_halves(self, low: *mut u8, high: *mut u8) {{
                _mm_storel_epi64(low.cast(), self);
                _mm_storel_epi64(high.cast(), _mm_unpackhi_epi64(self, self))
            }}
            fn interleave_low(self, other: Self) -> Self { _mm_unpacklo_epi8(self, other) }
            fn interleave_high(self, other: Self) -> Self { _mm_unpackhi_epi8(self, other) }
            fn interleave_pairs_low(self, other: Self) -> Self { _mm_unpacklo_epi16(self, other) }
            fn interleave_pairs_high(self, other: Self) -> Self { _mm_unpackhi_epi16(self, other) }
            fn splat(byte: u8) -> Self { _mm_set1_epi8(byte as i8) }
            fn and(self, other: Self) -> Self { _mm_and_si128(self, other) }
            fn xor(self, other: Self) -> Self { _mm_xor_si128(self, other) }
            fn shift_left<const BITS: i32>(self) -> Self { _mm_slli_epi16::<BITS>(self) }
            fn shift_right<const BITS: i32>(self) -> Self { _mm_srli_epi16::<BITS>(self) }
        }
    }

    impl Lanes for __m256i {
        const LANES: usize = 2;
        operations! {
            fn load(src: *const u8, stride: usize) -> Self {
                _mm256_loadu2_m128i(src.add(stride).cast(), src.cast())
            }
            fn store(self, dst: *mut u8, stride: usize) {
                _mm256_storeu2_m128i(dst.add(stride).cast(), dst.cast(), self)
            }
            fn load_alternating(even: *const u8, odd: *const u8) -> Self {{
                let (even, odd) = (_mm_loadu_si128(even.cast()), _mm_loadu_si128(odd.cast()));
                _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd))
            }}
            fn store_halves(self, low: *mut u8, high: *mut u8) {{
                let sorted = _mm256_permute4x64_epi64::<0b11_01_10_00>(self);
                _mm256_storeu2_m128i(high.cast(), low.cast(), sorted)
            }}
            fn interleave_low(self, other: Self) -> Self { _mm256_unpacklo_epi8(self, other) }
            fn interleave_high(self, other: Self) -> Self { _mm256_unpackhi_epi8(self, other) }
            fn interleave_pairs_low(self, other: Self) -> Self { _mm256_unpacklo_epi16(self, other) }
            fn interleave_pairs_high(self, other: Self) -> Self { _mm256_unpackhi_epi16(self, other) }
            fn splat(byte: u8) -> Self { _mm256_set1_epi8(byte as i8) }
            fn and(self, other: Self) -> Self { _mm256_and_si256(self, other) }
            fn xor(self, other: Self) -> Self { _mm256_xor_si256(self, other) }
            fn shift_left<const BITS: i32>(self) -> Self { _mm256_slli_epi16::<BITS>(self) }
            fn shift_right<const BITS: i32>(self) -> Self { _mm256_srli_epi16::<BITS>(self) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::Lanes;
    use std::arch::aarch64::*;

    impl Lanes for uint8x16_t {
        const LANES: usize = 1;
        operations! {
            fn load(src: *const u8, _stride: usize) -> Self { vld1q_u8(src) }
            fn store(self, dst: *mut u8, _stride: usize) { vst1q_u8(dst, self) }
            fn load_alternating(even: *const u8, odd: *const u8) -> Self {{
                let (even, odd) = (vld1_u8(even), vld1_u8(odd));
                vcombine_u8(vzip1_u8(even, odd), vzip2_u8(even, odd))
            }}
            fn store_halves(self, low: *mut u8, high: *mut u8) {{
                vst1_u8(low, vget_low_u8(self));
                vst1_u8(high, vget_high_u8(self))
            }}
            fn interleave_low(self, other: Self) -> Self { vzip1q_u8(self, other) }
            fn interleave_high(self, other: Self) -> Self { vzip2q_u8(self, other) }
            fn interleave_pairs_low(self, other: Self) -> Self {{
                let (a, b) = (vreinterpretq_u16_u8(self), vreinterpretq_u16_u8(other));
                vreinterpretq_u8_u16(vzip1q_u16(a, b))
            }}
            fn interleave_pairs_high(self, other: Self) -> Self {{
                let (a, b) = (vreinterpretq_u16_u8(self), vreinterpretq_u16_u8(other));
                vreinterpretq_u8_u16(vzip2q_u16(a, b))
            }}
            fn splat(byte: u8) -> Self { vdupq_n_u8(byte) }
            fn and(self, other: Self) -> Self { vandq_u8(self, other) }
            fn xor(self, other: Self) -> Self { veorq_u8(self, other) }
            fn shift_left<const BITS: i32>(self) -> Self {
                vreinterpretq_u8_u16(vshlq_n_u16::<BITS>(vreinterpretq_u16_u8(self)))
            }
            fn shift_right<const BITS: i32>(self) -> Self {
                vreinterpretq_u8_u16(vshrq_n_u16::<BITS>(vreinterpretq_u16_u8(self)))
            }
        }
    }
}
