//! Rows of pixels as bit planes, and the activity of groups of eight pixels; `codecs/counts_bbp.rs` says what for.

use super::levels::{Level, levels};
use super::pixels::Word;
#[cfg(target_arch = "x86_64")]
use super::{counts_avx512, levels::InstructionSet};

/// Pixels in a group: a byte of a bit plane.
pub(crate) const GROUP: usize = 8;
/// Bins of activity have numbers below this.
pub(crate) const BINS: usize = 64;

/// Flags the words that are `value` with 1 and the others with 0, and makes the former 0. `flags` may be longer.
#[inline(always)]
fn take_equal_kernel<W: Word>(words: &mut [W], value: W, flags: &mut [u8]) {
    let (flags, beyond) = flags.split_at_mut(words.len());
    beyond.fill(0);
    for (word, flag) in words.iter_mut().zip(flags) {
        let is_value = *word == value;
        *flag = u8::from(is_value);
        *word = if is_value { W::default() } else { *word };
    }
}
levels!(pub(crate) fn take_equal<W: Word>(words: &mut [W], value: W, flags: &mut [u8]) = take_equal_kernel);

/// Writes `value` where `mask` has a bit, the lowest bit of a byte for the first of eight words.
pub(crate) fn fill_masked<W: Word>(mask: &[u8], value: W, words: &mut [W]) {
    for_each_run(mask, words.len(), |run| words[run].fill(value));
}

/// Calls `visit` with the places of all bits of `mask` that are set, neighbours together, as far as they are below `len`.
#[inline(always)]
pub(crate) fn for_each_run(mask: &[u8], len: usize, mut visit: impl FnMut(std::ops::Range<usize>)) {
    /// Bytes of a piece of the mask: most have no bit.
    const PIECE: usize = 8;
    for (number, piece) in mask.chunks(PIECE).enumerate() {
        // Of a length that is not known, copying is a call.
        let bytes = piece.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; PIECE];
            bytes[..piece.len()].copy_from_slice(piece);
            bytes
        });
        let mut bits = u64::from_le_bytes(bytes);
        let mut at = number * PIECE * GROUP;
        while bits != 0 {
            let zeros = bits.trailing_zeros();
            let ones = (!(bits >> zeros)).trailing_zeros().min(64 - zeros);
            let start = at + zeros as usize;
            visit(start.min(len)..(start + ones as usize).min(len));
            at = start + ones as usize;
            bits = bits.checked_shr(zeros + ones).unwrap_or(0);
        }
    }
}

/// Flags for a row of a mask what the two rows above it have in common, and the groups that the first of them fills.
#[inline(always)]
fn continue_masks_kernel(above: &[u8], further: &[u8], made: &mut [u8]) {
    for ((made, &u), &u2) in made.iter_mut().zip(above).zip(further) {
        *made = if u == 255 { 255 } else { u & u2 };
    }
}
levels!(pub(crate) fn continue_masks(above: &[u8], further: &[u8], made: &mut [u8]) = continue_masks_kernel);

/// Bits 0 to 7 of words clamped to `limit`. `bytes` may be longer: 0 beyond the words.
#[inline(always)]
fn clamped_kernel<W: Word>(words: &[W], limit: W, bytes: &mut [u8]) {
    let (bytes, beyond) = bytes.split_at_mut(words.len());
    beyond.fill(0);
    for (byte, &word) in bytes.iter_mut().zip(words) {
        *byte = word.min(limit).low();
    }
}
levels!(pub(crate) fn clamped<W: Word>(words: &[W], limit: W, bytes: &mut [u8]) = clamped_kernel);

/// Bits 8 to 15 of words clamped to `limit`. `bytes` may be longer: 0 beyond the words.
#[inline(always)]
fn clamped_high_kernel<W: Word>(words: &[W], limit: W, bytes: &mut [u8]) {
    let (bytes, beyond) = bytes.split_at_mut(words.len());
    beyond.fill(0);
    for (byte, &word) in bytes.iter_mut().zip(words) {
        *byte = (word.min(limit).value() >> 8) as u8;
    }
}
levels!(pub(crate) fn clamped_high<W: Word>(words: &[W], limit: W, bytes: &mut [u8]) = clamped_high_kernel);

/// The planes of bits 0 to `count` − 1 of bytes, one after the other: bit i of byte g of a plane is that of byte 8 g + i.
pub(crate) fn planes_of_bytes(level: Level, bytes: &[u8], count: usize, planes: &mut [u8]) {
    let groups = bytes.len() / GROUP;
    assert!(bytes.len() == groups * GROUP && planes.len() == count * groups && count <= 8);
    let done = match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni => unsafe {
            counts_avx512::planes_of_bytes(bytes, count, planes)
        },
        _ => 0,
    };
    for group in done..groups {
        let eight = &bytes[GROUP * group..][..GROUP];
        let eight = eight
            .iter()
            .rev()
            .fold(0u64, |eight, &byte| eight << 8 | u64::from(byte));
        for plane in 0..count {
            let ones = eight >> plane & 0x0101_0101_0101_0101;
            let gathered = ones.wrapping_mul(0x0102_0408_1020_4080) >> 56;
            planes[plane * groups + group] = gathered as u8;
        }
    }
}

/// The inverse of [`planes_of_bytes`], with zeros for the bits that have no plane.
pub(crate) fn bytes_of_planes(level: Level, planes: &[u8], count: usize, bytes: &mut [u8]) {
    let groups = bytes.len() / GROUP;
    assert!(bytes.len() == groups * GROUP && planes.len() == count * groups && count <= 8);
    let done = match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni => unsafe {
            counts_avx512::bytes_of_planes(planes, count, bytes)
        },
        _ => 0,
    };
    for (group, eight) in bytes.chunks_exact_mut(GROUP).enumerate().skip(done) {
        let spread = |plane: usize| SPREAD[usize::from(planes[plane * groups + group])] << plane;
        let bits = (0..count).fold(0, |bits, plane| bits | spread(plane));
        eight.copy_from_slice(&bits.to_le_bytes());
    }
}

/// Byte i is bit i of the index.
pub(super) static SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[index] |= ((index as u64 >> bit) & 1) << (8 * bit);
            bit += 1;
        }
        index += 1;
    }
    table
};

/// Entry `bins[i]` of `table` for each i, for several tables: `found` has as many parts as there are tables. Bins are
/// below 64.
pub(crate) fn look_up(level: Level, tables: &[[u8; BINS]], bins: &[u8], found: &mut [u8]) {
    assert!(found.len() == tables.len() * bins.len());
    let done = match level.instruction_set() {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        InstructionSet::Avx512Gfni => unsafe { counts_avx512::look_up(tables, bins, found) },
        _ => 0,
    };
    if done == bins.len() {
        return;
    }
    for (table, found) in tables.iter().zip(found.chunks_exact_mut(bins.len())) {
        for (found, &bin) in found[done..].iter_mut().zip(&bins[done..]) {
            *found = table[usize::from(bin) % BINS];
        }
    }
}

/// Activity of the groups of a row: the sum of their eight values, 255 at most. `planes` are those of the values, as many
/// as fit `activity`.
#[inline(always)]
fn activity_kernel(planes: &[u8], activity: &mut [u16]) {
    activity.fill(0);
    for (number, plane) in planes.chunks_exact(activity.len().max(1)).enumerate() {
        if number < 8 {
            for (activity, &byte) in activity.iter_mut().zip(plane) {
                *activity += (byte.count_ones() as u16) << number;
            }
        } else {
            for (activity, &byte) in activity.iter_mut().zip(plane) {
                *activity |= u16::from(byte != 0) << 8;
            }
        }
    }
    for activity in activity {
        *activity = (*activity).min(255);
    }
}
levels!(pub(crate) fn activity(planes: &[u8], activity: &mut [u16]) = activity_kernel);

/// Moves averages towards 128 · activity, by the 2^`shift`th part of the way, rounded to nearest.
#[inline(always)]
fn follow_kernel(activity: &[u16], shift: u32, averages: &mut [u16]) {
    let half = (1 << shift) >> 1;
    for (average, &activity) in averages.iter_mut().zip(activity) {
        let old = i32::from(*average);
        let way = (i32::from(activity) << 7) - old + half;
        *average = (old + (way >> shift)) as u16;
    }
}
levels!(pub(crate) fn follow(activity: &[u16], shift: u32, averages: &mut [u16]) = follow_kernel);

/// Moves averages towards 128 · activity, by the 2^`shift`th part of the way, rounded down.
#[inline(always)]
fn follow_down_kernel(activity: &[u16], shift: u32, averages: &mut [u16]) {
    for (average, &activity) in averages.iter_mut().zip(activity) {
        let old = i32::from(*average);
        *average = (old + (((i32::from(activity) << 7) - old) >> shift)) as u16;
    }
}
levels!(pub(crate) fn follow_down(activity: &[u16], shift: u32, averages: &mut [u16]) = follow_down_kernel);

/// Half of 128 · activity and half of what was expected.
#[inline(always)]
fn first_average_kernel(activity: &[u16], expected: &[u16], averages: &mut [u16]) {
    for ((average, &activity), &expected) in averages.iter_mut().zip(activity).zip(expected) {
        *average = (activity << 6) + (expected >> 1);
    }
}
levels!(pub(crate) fn first_average(activity: &[u16], expected: &[u16], averages: &mut [u16]) = first_average_kernel);

/// (2 a\[g\] + a\[g − 1\] + a\[g + 1\]) / 4, where `padded` has a\[0\] and the last a twice.
#[inline(always)]
fn smoothed_kernel(padded: &[u16], smoothed: &mut [u16]) {
    let neighbours = padded.iter().zip(&padded[1..]).zip(&padded[2..]);
    for (smoothed, ((&left, &middle), &right)) in smoothed.iter_mut().zip(neighbours) {
        *smoothed = ((2 * u32::from(middle) + u32::from(left) + u32::from(right)) >> 2) as u16;
    }
}
levels!(pub(crate) fn smoothed(padded: &[u16], smoothed: &mut [u16]) = smoothed_kernel);

/// The same with half of `other`.
#[inline(always)]
fn mixed_kernel(padded: &[u16], other: &[u16], mixed: &mut [u16]) {
    let neighbours = padded.iter().zip(&padded[1..]).zip(&padded[2..]);
    for ((mixed, ((&left, &middle), &right)), &other) in mixed.iter_mut().zip(neighbours).zip(other)
    {
        let sum = 2 * u32::from(middle) + u32::from(left) + u32::from(right);
        *mixed = ((sum + 4 * u32::from(other)) >> 3) as u16;
    }
}
levels!(pub(crate) fn mixed(padded: &[u16], other: &[u16], mixed: &mut [u16]) = mixed_kernel);

/// Four bins to an octave: with z = expected + 4 and e = ⌊log₂ z⌋, 4 (e − 2) and the two bits of z below its highest.
///
/// Those bits and the exponent are the upper bits of z as a float, which holds such z exactly.
#[inline(always)]
fn bins_kernel(expected: &[u16], bins: &mut [u8]) {
    for (bin, &expected) in bins.iter_mut().zip(expected) {
        let z = (i32::from(expected) + 4) as f32;
        *bin = ((z.to_bits() >> 21) - ((127 + 2) << 2)).min(61) as u8;
    }
}
levels!(pub(crate) fn bins(expected: &[u16], bins: &mut [u8]) = bins_kernel);

/// Ones of all bytes.
#[inline(always)]
fn bits_set_kernel(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
}
levels!(pub(crate) fn bits_set(bytes: &[u8]) -> u64 = bits_set_kernel);

/// Bits in which bytes differ from others.
#[inline(always)]
fn differing_bits_kernel(bytes: &[u8], others: &[u8]) -> u64 {
    let differing = |(a, b): (&u8, &u8)| u64::from((a ^ b).count_ones());
    bytes.iter().zip(others).map(differing).sum()
}
levels!(pub(crate) fn differing_bits(bytes: &[u8], others: &[u8]) -> u64 = differing_bits_kernel);

/// Whether a byte is `wanted`.
#[inline(always)]
fn any_equal_kernel(bytes: &[u8], wanted: u8) -> bool {
    let is_wanted = |&byte: &u8| u8::from(byte == wanted);
    bytes.iter().map(is_wanted).fold(0, |any, one| any | one) != 0
}
levels!(pub(crate) fn any_equal(bytes: &[u8], wanted: u8) -> bool = any_equal_kernel);

/// The bits that all planes have, and whether there are any.
#[inline(always)]
fn common_kernel(planes: &[u8], common: &mut [u8]) -> bool {
    common.fill(255);
    for plane in planes.chunks_exact(common.len().max(1)) {
        for (common, &byte) in common.iter_mut().zip(plane) {
            *common &= byte;
        }
    }
    common.iter().fold(0, |any, &byte| any | byte) != 0
}
levels!(pub(crate) fn common(planes: &[u8], common: &mut [u8]) -> bool = common_kernel);

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(len: usize) -> Vec<u8> {
        (0..len as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8)
            .collect()
    }

    #[test]
    fn planes_follow_the_formula_and_its_inverse_at_every_level() {
        for level in Level::available() {
            eprintln!("bit planes ran at {}", level.name());
            for groups in 0..=40usize {
                let bytes = draws(8 * groups);
                for count in 1..=8usize {
                    let mut planes = vec![0xcc; count * groups];
                    planes_of_bytes(level, &bytes, count, &mut planes);
                    for plane in 0..count {
                        for (i, byte) in bytes.iter().enumerate() {
                            let bit = planes[plane * groups + i / 8] >> (i % 8) & 1;
                            assert_eq!(bit, byte >> plane & 1, "{level:?} {groups} {count}");
                        }
                    }
                    let mut back = vec![0xcc; bytes.len()];
                    bytes_of_planes(level, &planes, count, &mut back);
                    let mask = 255 >> (8 - count);
                    assert!(back.iter().zip(&bytes).all(|(b, a)| *b == a & mask));
                }
            }
        }
    }

    #[test]
    fn tables_are_looked_up_alike_at_every_level() {
        let tables: Vec<[u8; BINS]> = (0..3)
            .map(|t| std::array::from_fn(|i| (i * 7 + t) as u8))
            .collect();
        for level in Level::available() {
            for len in 0..=200usize {
                let bins: Vec<u8> = draws(len).iter().map(|draw| draw % 64).collect();
                let mut found = vec![0xcc; 3 * len];
                look_up(level, &tables, &bins, &mut found);
                for (at, &found) in found.iter().enumerate() {
                    let expected = tables[at / len][usize::from(bins[at % len])];
                    assert_eq!(found, expected, "{level:?}");
                }
            }
        }
    }

    #[test]
    fn bins_follow_the_integer_rule_at_every_level() {
        let expected: Vec<u16> = (0..=32_640).collect();
        for level in Level::available() {
            let mut found = vec![0xcc; expected.len()];
            bins(level, &expected, &mut found);
            for (&bin, &expected) in found.iter().zip(&expected) {
                let z = u32::from(expected) + 4;
                let e = z.ilog2();
                assert_eq!(u32::from(bin), (4 * (e - 2) + (z >> (e - 2) & 3)).min(61));
            }
            assert_eq!(
                [found[0], found[4], found[100], found[32_640]],
                [0, 4, 18, 51]
            );
        }
    }

    #[test]
    fn activity_is_the_sum_of_eight_values_or_255() {
        for level in Level::available() {
            for count in 1..=15usize {
                let values: Vec<u32> = (0..800u32)
                    .map(|i| {
                        (i.wrapping_mul(2_654_435_761) >> 17) >> (15 - count as u32).max(i % 12)
                    })
                    .map(|value| value & ((1 << count) - 1))
                    .collect();
                let mut planes = vec![0; count * 100];
                for (i, value) in values.iter().enumerate() {
                    for plane in 0..count {
                        planes[plane * 100 + i / 8] |= ((value >> plane & 1) as u8) << (i % 8);
                    }
                }
                let mut found = vec![0xcccc; 100];
                activity(level, &planes, &mut found);
                for (found, eight) in found.iter().zip(values.chunks(8)) {
                    assert_eq!(u32::from(*found), eight.iter().sum::<u32>().min(255));
                }
            }
        }
    }

    #[test]
    fn words_that_are_taken_can_be_put_back() {
        let words: Vec<u16> = (0..203u16)
            .map(|i| if i % 5 < 2 { 65535 } else { i })
            .collect();
        for level in Level::available() {
            for len in 0..=words.len() {
                let mut taken = words[..len].to_vec();
                let groups = len.div_ceil(8);
                let (mut flags, mut mask) = (vec![0xcc; 8 * groups], vec![0xcc; groups]);
                take_equal(level, &mut taken, 65535, &mut flags);
                assert!(!taken.contains(&65535));
                planes_of_bytes(level, &flags, 1, &mut mask);
                fill_masked(&mask, 65535, &mut taken);
                assert_eq!(taken, words[..len]);
            }
        }
    }
}
