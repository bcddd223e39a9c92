//! What a sample of counts is like: how many are small, and whether pixels that are neighbours have photons together.

use super::counts::BINS;
use super::levels::levels;
use super::pixels::Word;

/// Words that are looked at together.
pub(crate) const BLOCK: usize = 32;
/// Blocks whose words are added up in 16 bits.
const BLOCKS: usize = 1 << 14;

/// Adds how many words are 1, 2 and 3 to `counts`, of whole blocks in which none is larger; `is_large` tells the others.
/// Words beyond the last whole block are left out.
#[inline(always)]
fn count_small_kernel<W: Word>(words: &[W], counts: &mut [u32; 4], is_large: &mut [bool]) {
    let pieces = words.as_chunks::<BLOCK>().0.chunks(BLOCKS);
    for (blocks, is_large) in pieces.zip(is_large.chunks_mut(BLOCKS)) {
        // Words with bit 0, with bit 1 and with both.
        let mut sums = [[0u16; BLOCK]; 3];
        for (block, is_large) in blocks.iter().zip(is_large) {
            let all = block.iter().fold(0, |all, word| all | word.value());
            *is_large = all > 3;
            if *is_large || all == 0 {
                continue;
            }
            let [low, high, both] = &mut sums;
            for (i, word) in block.iter().enumerate() {
                let value = word.value() as u16;
                low[i] += value & 1;
                high[i] += value >> 1;
                both[i] += value & (value >> 1);
            }
        }
        let [low, high, both] = sums.map(|sums| sums.iter().map(|&sum| u32::from(sum)).sum());
        let of_piece: [u32; 3] = [low - both, high - both, both];
        for (count, more) in counts[1..].iter_mut().zip(of_piece) {
            *count += more;
        }
    }
}
levels!(pub(crate) fn count_small<W: Word>(words: &[W], counts: &mut [u32; 4], is_large: &mut [bool]) = count_small_kernel);

/// Bits that bytes have in common with others; and eight times as many as they would have if the bits of each were
/// anywhere in it.
#[inline(always)]
fn common_bits_kernel(bytes: &[u8], others: &[u8]) -> [u32; 2] {
    let (mut common, mut expected) = (0, 0);
    for (a, b) in bytes.iter().zip(others) {
        common += (a & b).count_ones();
        expected += a.count_ones() * b.count_ones();
    }
    [common, expected]
}
levels!(pub(crate) fn common_bits(bytes: &[u8], others: &[u8]) -> [u32; 2] = common_bits_kernel);

/// The same for each bit of a byte and the next one of it.
#[inline(always)]
fn adjacent_bits_kernel(bytes: &[u8]) -> [u32; 2] {
    let (mut common, mut expected) = (0, 0);
    for byte in bytes {
        let ones = byte.count_ones();
        common += (byte & (byte >> 1)).count_ones();
        expected += ones * ones.saturating_sub(1);
    }
    [common, expected]
}
levels!(pub(crate) fn adjacent_bits(bytes: &[u8]) -> [u32; 2] = adjacent_bits_kernel);

/// Bytes of seven ones or more, and those that are not 0.
#[inline(always)]
fn full_bytes_kernel(bytes: &[u8]) -> [u32; 2] {
    bytes.iter().fold([0; 2], |[full, filled], byte| {
        let ones = byte.count_ones();
        [full + u32::from(ones >= 7), filled + u32::from(ones > 0)]
    })
}
levels!(pub(crate) fn full_bytes(bytes: &[u8]) -> [u32; 2] = full_bytes_kernel);

/// Counts groups by their bins, below 64, in the low 16 bits, and above them the ones that each of three planes or fewer
/// has there. Equal bins in succession would wait for each other's count, so groups take turns.
#[inline(always)]
fn count_by_bin_kernel<const PLANES: usize>(
    bins: &[u8],
    planes: [&[u8]; PLANES],
    counts: &mut [[u64; BINS]; 2],
) {
    let planes = planes.map(|plane| &plane[..bins.len()]);
    for (group, &bin) in bins.iter().enumerate() {
        let ones = |plane: usize| u64::from(planes[plane][group].count_ones());
        let packed = (0..PLANES).fold(1, |packed, plane| {
            packed | ones(plane) << (16 * (plane + 1))
        });
        counts[group % 2][usize::from(bin) % BINS] += packed;
    }
}

levels!(pub(crate) fn count_one(bins: &[u8], planes: [&[u8]; 1], counts: &mut [[u64; BINS]; 2]) = count_by_bin_kernel);
levels!(pub(crate) fn count_two(bins: &[u8], planes: [&[u8]; 2], counts: &mut [[u64; BINS]; 2]) = count_by_bin_kernel);
levels!(pub(crate) fn count_three(bins: &[u8], planes: [&[u8]; 3], counts: &mut [[u64; BINS]; 2]) = count_by_bin_kernel);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    fn draws(len: usize) -> impl Iterator<Item = u32> {
        (0..len as u32).map(|i| i.wrapping_mul(2_654_435_761) >> 23)
    }

    #[test]
    fn small_words_are_counted_alike_at_every_level() {
        for level in Level::available() {
            eprintln!("small words were counted at {}", level.name());
            for len in (0..=200).chain([BLOCK * BLOCKS + 100]) {
                let words: Vec<u16> = draws(len)
                    .enumerate()
                    .map(|(i, draw)| {
                        if i % 99 == 50 {
                            4 + i as u16
                        } else {
                            (draw % 4) as u16
                        }
                    })
                    .collect();
                let (mut counts, mut is_large) = ([0; 4], vec![false; len / BLOCK]);
                count_small(level, &words, &mut counts, &mut is_large);
                let mut expected = [0; 4];
                for (block, is_large) in words.chunks_exact(BLOCK).zip(is_large) {
                    assert_eq!(is_large, block.iter().any(|&word| word > 3));
                    for &word in block.iter().filter(|&&word| !is_large && word > 0) {
                        expected[usize::from(word)] += 1;
                    }
                }
                assert_eq!(counts, expected, "{level:?} {len}");
            }
        }
    }

    #[test]
    fn bits_in_common_follow_the_formula_at_every_level() {
        let bytes: Vec<u8> = draws(300).map(|draw| draw as u8).collect();
        for level in Level::available() {
            for len in 0..=130 {
                let (a, b) = (&bytes[..len], &bytes[len..2 * len]);
                let sum = |of: &dyn Fn(u8, u8) -> u32| -> u32 {
                    a.iter().zip(b).map(|(&a, &b)| of(a, b)).sum()
                };
                let ones = u8::count_ones;
                let expected = [sum(&|a, b| ones(a & b)), sum(&|a, b| ones(a) * ones(b))];
                assert_eq!(common_bits(level, a, b), expected);
                let pairs = |a: u8| (0..7).filter(|i| a >> i & 3 == 3).count() as u32;
                let some = |a: u8| ones(a) * ones(a).saturating_sub(1);
                let expected = [sum(&|a, _| pairs(a)), sum(&|a, _| some(a))];
                assert_eq!(adjacent_bits(level, a), expected);
                let some = |a: u8| u32::from(a > 0);
                let expected = [sum(&|a, _| ones(a) / 7), sum(&|a, _| some(a))];
                assert_eq!(full_bytes(level, a), expected);
            }
        }
    }

    #[test]
    fn groups_and_ones_are_counted_by_bin_at_every_level() {
        let draws: Vec<u8> = draws(400).map(|draw| draw as u8).collect();
        let (bins, planes) = draws.split_at(100);
        let bins: Vec<u8> = bins.iter().map(|bin| bin % 16).collect();
        let planes: Vec<&[u8]> = planes.chunks(100).collect();
        for level in Level::available() {
            let mut counts = [[0; BINS]; 2];
            count_three(level, &bins, [planes[0], planes[1], planes[2]], &mut counts);
            let mut expected = [0; BINS];
            for (group, &bin) in bins.iter().enumerate() {
                let ones = |plane: usize| u64::from(planes[plane][group].count_ones());
                let packed = 1 + (ones(0) << 16) + (ones(1) << 32) + (ones(2) << 48);
                expected[usize::from(bin)] += packed;
            }
            let [even, odd] = counts;
            let sums = even.iter().zip(&odd).map(|(even, odd)| even + odd);
            assert!(sums.eq(expected), "{level:?}");
        }
    }
}
