//! Planes of whole rows with AVX-512; `counts_rows.rs` says what the functions compute and has their tests.

#![allow(unsafe_code)] // Intrinsics; the callers in `counts_rows.rs` answer for the CPU and the lengths.

use std::arch::x86_64::*;

use super::counts_rows::Following;
use super::pixels::Word;

/// Groups whose numbers of 16 bits are a register.
const GROUPS: usize = 32;
/// Groups whose pixels are 64.
const GROUPS_OF_64: usize = 8;

/// The lowest `count` bits.
fn lowest(count: usize) -> u64 {
    if count >= 64 {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

/// # Safety
/// The CPU has the instructions; `padded` is two longer than the others, which are as long as each other.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn expect(
    padded: &[u16],
    other: Option<&[u16]>,
    expected: &mut [u16],
    bins: &mut [u8],
) {
    let groups = expected.len();
    for at in (0..groups).step_by(GROUPS) {
        let active = lowest(groups - at) as u32;
        // SAFETY: of all slices no more than the groups left are accessed.
        unsafe {
            let load = |from: *const u16| _mm512_maskz_loadu_epi16(active, from.cast());
            let left = load(padded.as_ptr().add(at));
            let middle = load(padded.as_ptr().add(at + 1));
            let right = load(padded.as_ptr().add(at + 2));
            // A sum of two is below 2^16, and halves can be rounded down one after the other.
            let sides = _mm512_srli_epi16::<1>(_mm512_add_epi16(left, right));
            let mut made = _mm512_srli_epi16::<1>(_mm512_add_epi16(middle, sides));
            if let Some(other) = other {
                let other = load(other.as_ptr().add(at));
                made = _mm512_srli_epi16::<1>(_mm512_add_epi16(made, other));
            }
            _mm512_mask_storeu_epi16(expected.as_mut_ptr().add(at).cast(), active, made);
            let bin = _mm256_set_m128i(
                bins_of(_mm512_extracti64x4_epi64::<1>(made)),
                bins_of(_mm512_castsi512_si256(made)),
            );
            _mm256_mask_storeu_epi8(bins.as_mut_ptr().add(at).cast(), active, bin);
        }
    }
}

/// Bins of 16 groups: the exponent of what is expected and 4 more, and two bits below the highest.
#[inline]
#[target_feature(enable = "avx512f")]
fn bins_of(expected: __m256i) -> __m128i {
    let z = _mm512_add_epi32(_mm512_cvtepu16_epi32(expected), _mm512_set1_epi32(4));
    let float = _mm512_castps_si512(_mm512_cvtepi32_ps(z));
    let number = _mm512_srli_epi32::<21>(float);
    let bin = _mm512_sub_epi32(number, _mm512_set1_epi32((127 + 2) << 2));
    _mm512_cvtepi32_epi8(_mm512_min_epi32(bin, _mm512_set1_epi32(61)))
}

/// # Safety
/// The CPU has the instructions; `averages` and those over frames are two longer than what is expected, and `planes` so
/// many times as long as that.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn learn(
    planes: &[u8],
    shift: u32,
    averages: &mut [u16],
    mut over_frames: Option<(Following, &[u16], &mut [u16])>,
) {
    let groups = averages.len() - 2;
    let count = planes.len() / groups;
    let half = _mm512_set1_epi16(((1 << shift) >> 1) as i16);
    let shift = _mm_cvtsi32_si128(shift as i32);
    for at in (0..groups).step_by(GROUPS) {
        let active = lowest(groups - at) as u32;
        // SAFETY: of all slices, and of each plane, no more than the groups left are accessed.
        unsafe {
            let mut sum = _mm256_setzero_si256();
            for plane in (0..count).rev() {
                let plane = planes.as_ptr().add(plane * groups + at);
                let ones = ones_of(_mm256_maskz_loadu_epi8(active, plane.cast()));
                // Sums that are too large stay so when they are doubled.
                sum = _mm256_adds_epu8(_mm256_adds_epu8(sum, sum), ones);
            }
            let activity = _mm512_cvtepu8_epi16(sum);
            let goal = _mm512_slli_epi16::<7>(activity);
            let to = averages.as_mut_ptr().add(at + 1);
            let old = _mm512_maskz_loadu_epi16(active, to.cast());
            let way = _mm512_add_epi16(_mm512_sub_epi16(goal, old), half);
            let new = _mm512_add_epi16(old, _mm512_sra_epi16(way, shift));
            store_padded(to, (at, groups), new);
            if let Some((following, expected, history)) = &mut over_frames {
                let to = history.as_mut_ptr().add(at + 1);
                let new = match *following {
                    Following::First => {
                        let expected = expected.as_ptr().add(at).cast();
                        let expected = _mm512_maskz_loadu_epi16(active, expected);
                        let half = _mm512_slli_epi16::<6>(activity);
                        _mm512_add_epi16(half, _mm512_srli_epi16::<1>(expected))
                    }
                    Following::By(shift) => {
                        let old = _mm512_maskz_loadu_epi16(active, to.cast());
                        let way = _mm512_sub_epi16(goal, old);
                        let shift = _mm_cvtsi32_si128(shift as i32);
                        _mm512_add_epi16(old, _mm512_sra_epi16(way, shift))
                    }
                };
                store_padded(to, (at, groups), new);
            }
        }
    }
}

/// Stores the numbers of groups from `at` on, and the first and the last of all once more. Those are not loaded from what
/// was stored, which would have to wait for it.
///
/// # Safety
/// The CPU has the instructions; `to` is in front of the groups left, and between two others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn store_padded(to: *mut u16, (at, groups): (usize, usize), numbers: __m512i) {
    let left = groups - at;
    // SAFETY: the caller's promise.
    unsafe {
        _mm512_mask_storeu_epi16(to.cast(), lowest(left) as u32, numbers);
        if at == 0 {
            _mm512_mask_storeu_epi16(to.sub(1).cast(), 1, numbers);
        }
        if left <= GROUPS {
            _mm512_mask_storeu_epi16(to.add(1).cast(), 1 << (left - 1), numbers);
        }
    }
}

/// The ones of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn ones_of(bytes: __m256i) -> __m256i {
    let of_four_bits = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let four = _mm256_set1_epi8(15);
    let low = _mm256_and_si256(bytes, four);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), four);
    _mm256_add_epi8(
        _mm256_shuffle_epi8(of_four_bits, low),
        _mm256_shuffle_epi8(of_four_bits, high),
    )
}

/// Up to eight bytes.
///
/// # Safety
/// The CPU has the instructions; `count` bytes can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn up_to_eight(bytes: *const u8, count: usize) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        if count >= GROUPS_OF_64 {
            return bytes.cast::<u64>().read_unaligned();
        }
        let bytes = _mm_maskz_loadu_epi8(lowest(count) as u16, bytes.cast());
        _mm_cvtsi128_si64(bytes) as u64
    }
}

/// # Safety
/// The CPU has the instructions; `planes` are `count` of a group for each eight words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn words_of_planes<W: Word>(
    planes: &[u8],
    count: usize,
    words: &mut [u8],
) -> bool {
    let groups = planes.len() / count;
    let mut any = 0;
    for (number, words) in words.chunks_mut(64 * W::BYTES).enumerate() {
        let at = number * GROUPS_OF_64;
        // SAFETY: the groups left are read, and the words left are written.
        unsafe {
            let mask =
                |plane: usize| up_to_eight(planes.as_ptr().add(plane * groups + at), groups - at);
            let (low, of_low) = bytes_of(mask, 0..count.min(8));
            let (high, of_high) = bytes_of(mask, 8..count.max(8));
            any |= of_low & of_high;
            put::<W>(low, high, words);
        }
    }
    any != 0
}

/// Bytes of 64 pixels out of planes that are their bits, the lowest first; and the pixels that have a bit in all of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes_of(mask: impl Fn(usize) -> u64, planes: std::ops::Range<usize>) -> (__m512i, u64) {
    let one = _mm512_set1_epi8(1);
    let mut made = _mm512_setzero_si512();
    let mut common = u64::MAX;
    for plane in planes.rev() {
        let mask = mask(plane);
        common &= mask;
        made = _mm512_add_epi8(made, made);
        made = _mm512_mask_add_epi8(made, mask, made, one);
    }
    (made, common)
}

/// Writes up to 64 words of low and high bytes.
///
/// # Safety
/// The CPU has the instructions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn put<W: Word>(low: __m512i, high: __m512i, words: &mut [u8]) {
    let quarter = |bytes: __m512i, part: usize| match part {
        0 => _mm512_castsi512_si128(bytes),
        1 => _mm512_extracti32x4_epi32::<1>(bytes),
        2 => _mm512_extracti32x4_epi32::<2>(bytes),
        _ => _mm512_extracti32x4_epi32::<3>(bytes),
    };
    let half = |bytes: __m512i, part: usize| match part {
        0 => _mm512_castsi512_si256(bytes),
        _ => _mm512_extracti64x4_epi64::<1>(bytes),
    };
    for (part, words) in words.chunks_mut(64).enumerate() {
        let made = match W::BYTES {
            1 => low,
            2 => {
                let high = _mm512_cvtepu8_epi16(half(high, part));
                let low = _mm512_cvtepu8_epi16(half(low, part));
                _mm512_or_si512(low, _mm512_slli_epi16::<8>(high))
            }
            _ => {
                let high = _mm512_cvtepu8_epi32(quarter(high, part));
                let low = _mm512_cvtepu8_epi32(quarter(low, part));
                _mm512_or_si512(low, _mm512_slli_epi32::<8>(high))
            }
        };
        // SAFETY: as many bytes as there are words are written.
        unsafe { store_up_to_64(words.as_mut_ptr(), words.len(), made) };
    }
}

/// Writes `left` bytes of a register, at most 64.
///
/// # Safety
/// The CPU has the instructions; so many bytes can be written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn store_up_to_64(to: *mut u8, left: usize, register: __m512i) {
    // SAFETY: the caller's promise.
    unsafe {
        if left >= 64 {
            _mm512_storeu_si512(to.cast(), register);
        } else {
            _mm512_mask_storeu_epi8(to.cast(), lowest(left), register);
        }
    }
}

/// # Safety
/// The CPU has the instructions; `mask` has a byte for each eight words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn put_masked<W: Word>(mask: &[u8], value: W, words: &mut [u8]) {
    let value = match W::BYTES {
        1 => _mm512_set1_epi8(value.value() as i8),
        2 => _mm512_set1_epi16(value.value() as i16),
        _ => _mm512_set1_epi32(value.value() as i32),
    };
    for (mask, words) in mask
        .chunks(GROUPS_OF_64)
        .zip(words.chunks_mut(64 * W::BYTES))
    {
        // SAFETY: the bytes of the mask are there.
        let bits = unsafe { up_to_eight(mask.as_ptr(), mask.len()) };
        if bits == 0 {
            continue;
        }
        for (part, words) in words.chunks_mut(64).enumerate() {
            let bits = bits >> (part * 64 / W::BYTES);
            let count = words.len() / W::BYTES;
            let bits = bits & lowest(count);
            let to = words.as_mut_ptr();
            // SAFETY: bits are those of words that there are.
            unsafe {
                match W::BYTES {
                    1 => _mm512_mask_storeu_epi8(to.cast(), bits, value),
                    2 => _mm512_mask_storeu_epi16(to.cast(), bits as u32, value),
                    _ => _mm512_mask_storeu_epi32(to.cast(), bits as u16, value),
                }
            }
        }
    }
}

/// # Safety
/// The CPU has the instructions; `mask` has a byte for each eight words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn take_equal<W: Word>(words: &mut [W], value: W, mask: &mut [u8]) {
    for (mask, words) in mask.chunks_mut(GROUPS_OF_64).zip(words.chunks_mut(64)) {
        let mut found = 0;
        for (part, words) in words.chunks_mut(64 / W::BYTES).enumerate() {
            let active = lowest(words.len());
            let to = words.as_mut_ptr();
            // SAFETY: as many words as are active are accessed.
            let equal = unsafe {
                match W::BYTES {
                    1 => {
                        let loaded = _mm512_maskz_loadu_epi8(active, to.cast());
                        let value = _mm512_set1_epi8(value.value() as i8);
                        _mm512_mask_cmpeq_epi8_mask(active, loaded, value)
                    }
                    2 => {
                        let loaded = _mm512_maskz_loadu_epi16(active as u32, to.cast());
                        let value = _mm512_set1_epi16(value.value() as i16);
                        u64::from(_mm512_mask_cmpeq_epi16_mask(active as u32, loaded, value))
                    }
                    _ => {
                        let loaded = _mm512_maskz_loadu_epi32(active as u16, to.cast());
                        let value = _mm512_set1_epi32(value.value() as i32);
                        u64::from(_mm512_mask_cmpeq_epi32_mask(active as u16, loaded, value))
                    }
                }
            };
            found |= equal << (part * 64 / W::BYTES);
            if equal == 0 {
                continue;
            }
            let zero = _mm512_setzero_si512();
            // SAFETY: words that are equal are among those there are.
            unsafe {
                match W::BYTES {
                    1 => _mm512_mask_storeu_epi8(to.cast(), equal, zero),
                    2 => _mm512_mask_storeu_epi16(to.cast(), equal as u32, zero),
                    _ => _mm512_mask_storeu_epi32(to.cast(), equal as u16, zero),
                }
            }
        }
        // SAFETY: the bytes of the mask are there.
        unsafe { store_up_to_eight(mask.as_mut_ptr(), mask.len(), found) };
    }
}

/// # Safety
/// The CPU has the instructions; so many bytes can be written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store_up_to_eight(to: *mut u8, count: usize, bytes: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        if count >= GROUPS_OF_64 {
            to.cast::<u64>().write_unaligned(bytes);
        } else {
            let bytes = _mm_cvtsi64_si128(bytes as i64);
            _mm_mask_storeu_epi8(to.cast(), lowest(count) as u16, bytes);
        }
    }
}

/// # Safety
/// The CPU has the instructions; `planes` are `count` of a group for each eight words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn planes_of_words<W: Word>(
    words: &[W],
    count: usize,
    planes: &mut [u8],
) -> bool {
    let groups = planes.len() / count;
    let limit = (1u32 << count) - 1;
    let mut reached = 0;
    for (number, words) in words.chunks(64).enumerate() {
        let at = number * GROUPS_OF_64;
        let parts = clamped(words, limit);
        let to = planes.as_mut_ptr();
        for plane in 0..count {
            let ones = ones_in::<W>(&parts, plane);
            // SAFETY: the groups left of the plane are written.
            unsafe { store_up_to_eight(to.add(plane * groups + at), groups - at, ones) };
        }
        reached |= equal_in::<W>(&parts, limit);
    }
    count > 8 || reached != 0
}

/// Up to 64 words, in registers that are as many as a word has bytes, and no larger than `limit`; zeros beyond them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn clamped<W: Word>(words: &[W], limit: u32) -> [__m512i; 4] {
    let mut copied = [W::default(); 64];
    let words = words.first_chunk().unwrap_or_else(|| {
        copied[..words.len()].copy_from_slice(words);
        &copied
    });
    let mut parts = [_mm512_setzero_si512(); 4];
    for (number, part) in parts[..W::BYTES].iter_mut().enumerate() {
        // SAFETY: 64 words are as many registers as a word has bytes.
        let loaded = unsafe { _mm512_loadu_si512(words.as_ptr().byte_add(64 * number).cast()) };
        *part = match W::BYTES {
            1 => _mm512_min_epu8(loaded, _mm512_set1_epi8(limit as i8)),
            2 => _mm512_min_epu16(loaded, _mm512_set1_epi16(limit as i16)),
            _ => _mm512_min_epu32(loaded, _mm512_set1_epi32(limit as i32)),
        };
    }
    parts
}

/// Which of 64 words have a bit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn ones_in<W: Word>(parts: &[__m512i; 4], bit: usize) -> u64 {
    match W::BYTES {
        1 => _mm512_test_epi8_mask(parts[0], _mm512_set1_epi8((1u8 << bit) as i8)),
        2 => {
            let bit = _mm512_set1_epi16(1 << bit);
            let ones = |part: usize| u64::from(_mm512_test_epi16_mask(parts[part], bit));
            ones(0) | ones(1) << 32
        }
        _ => {
            let bit = _mm512_set1_epi32(1 << bit);
            let ones = |part: usize| u64::from(_mm512_test_epi32_mask(parts[part], bit));
            ones(0) | ones(1) << 16 | ones(2) << 32 | ones(3) << 48
        }
    }
}

/// Which of 64 words are `limit`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn equal_in<W: Word>(parts: &[__m512i; 4], limit: u32) -> u64 {
    match W::BYTES {
        1 => _mm512_cmpeq_epi8_mask(parts[0], _mm512_set1_epi8(limit as i8)),
        2 => {
            let limit = _mm512_set1_epi16(limit as i16);
            let equal = |part: usize| u64::from(_mm512_cmpeq_epi16_mask(parts[part], limit));
            equal(0) | equal(1)
        }
        _ => {
            let limit = _mm512_set1_epi32(limit as i32);
            let equal = |part: usize| u64::from(_mm512_cmpeq_epi32_mask(parts[part], limit));
            equal(0) | equal(1) | equal(2) | equal(3)
        }
    }
}

/// # Safety
/// The CPU has the instructions; a level and a place for each symbol.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) unsafe fn places_beyond(
    symbols: &[u8],
    levels: &[u8],
    most_ones: &[u8; 64],
    places: &mut [u32],
) -> usize {
    // SAFETY: the table is a register.
    let most_ones = unsafe { _mm512_loadu_si512(most_ones.as_ptr().cast()) };
    let of_four_bits = _mm512_broadcast_i32x4(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let four = _mm512_set1_epi8(15);
    let mut count = 0;
    for at in (0..symbols.len()).step_by(64) {
        let active = lowest(symbols.len() - at);
        // SAFETY: as many symbols and levels as are active are read.
        let (symbols, levels) = unsafe {
            (
                _mm512_maskz_loadu_epi8(active, symbols.as_ptr().add(at).cast()),
                _mm512_maskz_loadu_epi8(active, levels.as_ptr().add(at).cast()),
            )
        };
        let low = _mm512_and_si512(symbols, four);
        let high = _mm512_and_si512(_mm512_srli_epi16::<4>(symbols), four);
        let ones = _mm512_add_epi8(
            _mm512_shuffle_epi8(of_four_bits, low),
            _mm512_shuffle_epi8(of_four_bits, high),
        );
        let most = _mm512_permutexvar_epi8(levels, most_ones);
        let mut beyond = _mm512_mask_cmpgt_epu8_mask(active, ones, most);
        while beyond != 0 {
            places[count] = at as u32 + beyond.trailing_zeros();
            count += 1;
            beyond &= beyond - 1;
        }
    }
    count
}
