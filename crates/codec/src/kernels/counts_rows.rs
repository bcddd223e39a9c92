//! What `counts` does with the planes of a whole row: words and contexts out of them, and them out of words.
//!
//! Rows are short, and a pass over one costs more in its beginning and its end than in between. With AVX-512 a pass does
//! all that can be done at once, and masks take the place of a loop for what is left over.

use std::marker::PhantomData;

use super::counts::{self as parts, GROUP};
use super::levels::{Level, levels};
use super::pixels::Word;
#[cfg(target_arch = "x86_64")]
use super::{counts_rows_avx512 as avx512, levels::InstructionSet};

/// How the average of a group over frames follows its activity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Following {
    /// It begins: half of 128 · activity and half of what was expected.
    First,
    /// It moves towards 128 · activity by such a power of two of the way, rounded down.
    By(u32),
}

/// Whether a level has the instructions of `counts_rows_avx512.rs`.
#[cfg(target_arch = "x86_64")]
fn is_wide(level: Level) -> bool {
    matches!(
        level.instruction_set(),
        InstructionSet::Avx512 | InstructionSet::Avx512Gfni
    )
}

/// Sets what is expected of each group, (2 a\[g\] + a\[g − 1\] + a\[g + 1\]) / 4 where `padded` has a\[0\] and the last a
/// twice, or half of that and half of `other`, and its bin.
pub(crate) fn expect(
    level: Level,
    padded: &[u16],
    other: Option<&[u16]>,
    expected: &mut [u16],
    bins: &mut [u8],
) {
    let groups = expected.len();
    assert!(padded.len() == groups + 2 && bins.len() == groups);
    assert!(other.is_none_or(|other| other.len() == groups));
    #[cfg(target_arch = "x86_64")]
    if is_wide(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::expect(padded, other, expected, bins) };
    }
    match other {
        Some(other) => parts::mixed(level, padded, other, expected),
        None => parts::smoothed(level, padded, expected),
    }
    parts::bins(level, expected, bins);
}

/// Learns from the planes of a row: with a = the sum of the values of a group, 255 at most, averages move towards 128 a
/// by the 2^`shift`th part of the way, rounded to nearest, and those over frames as they follow. Averages, of both kinds,
/// have their first and last number twice. `activity` is memory for a number of each group.
pub(crate) fn learn(
    level: Level,
    planes: &[u8],
    shift: u32,
    averages: &mut [u16],
    over_frames: Option<(Following, &[u16], &mut [u16])>,
    activity: &mut [u16],
) {
    let groups = activity.len();
    assert!(groups > 0 && planes.len().is_multiple_of(groups) && averages.len() == groups + 2);
    if let Some((_, expected, history)) = &over_frames {
        assert!(expected.len() == groups && history.len() == groups + 2);
    }
    #[cfg(target_arch = "x86_64")]
    if is_wide(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::learn(planes, shift, averages, over_frames) };
    }
    parts::activity(level, planes, activity);
    parts::follow(level, activity, shift, &mut averages[1..=groups]);
    repeat_ends(averages);
    if let Some((following, expected, history)) = over_frames {
        let inner = &mut history[1..=groups];
        match following {
            Following::First => parts::first_average(level, activity, expected, inner),
            Following::By(shift) => parts::follow_down(level, activity, shift, inner),
        }
        repeat_ends(history);
    }
}

/// Makes the outer two the same as their neighbours.
fn repeat_ends(padded: &mut [u16]) {
    let last = padded.len() - 1;
    padded[0] = padded[1];
    padded[last] = padded[last - 1];
}

/// Writes the words, little-endian, of `count` planes; returns false where no pixel has a bit in all of them, and may with
/// up to 8 planes only. Planes have eight bits for each word or up to seven more.
pub(crate) fn words_of_planes<W: Word>(
    level: Level,
    planes: &[u8],
    count: usize,
    words: &mut [u8],
) -> bool {
    let groups = (words.len() / W::BYTES).div_ceil(GROUP);
    assert!((1..=15).contains(&count) && planes.len() == count * groups);
    #[cfg(target_arch = "x86_64")]
    if is_wide(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::words_of_planes::<W>(planes, count, words) };
    }
    words_of_planes_portable::<W>(level, planes, count, words)
}

fn words_of_planes_portable<W: Word>(
    level: Level,
    planes: &[u8],
    count: usize,
    words: &mut [u8],
) -> bool {
    /// Groups that are looked at together.
    const PIECE: usize = 64;
    let groups = planes.len() / count;
    let mut any = false;
    for (number, words) in words.chunks_mut(PIECE * GROUP * W::BYTES).enumerate() {
        let filled = (words.len() / W::BYTES).div_ceil(GROUP);
        let bytes_of = |planes_of: std::ops::Range<usize>| {
            let mut bytes = [[0; GROUP]; PIECE];
            for (bit, plane) in planes_of.enumerate() {
                let plane = &planes[plane * groups + number * PIECE..][..filled];
                for (bytes, &ones) in bytes.iter_mut().zip(plane) {
                    let more = parts::SPREAD[usize::from(ones)] << bit;
                    *bytes = (u64::from_le_bytes(*bytes) | more).to_le_bytes();
                }
            }
            bytes
        };
        let low = bytes_of(0..count.min(8));
        let low = &low.as_flattened()[..filled * GROUP];
        if count <= 8 {
            any |= parts::any_equal(level, low, ((1u32 << count) - 1) as u8);
            widened(level, PhantomData::<W>, low, &[], words);
        } else {
            any = true;
            let high = bytes_of(8..count);
            widened(level, PhantomData::<W>, low, high.as_flattened(), words);
        }
    }
    any
}

/// Words, little-endian, of low bytes, and of high bytes where there are any.
#[inline(always)]
fn widened_kernel<W: Word>(_: PhantomData<W>, low: &[u8], high: &[u8], words: &mut [u8]) {
    let words = words.chunks_exact_mut(W::BYTES).zip(low);
    if high.is_empty() {
        for (word, &low) in words {
            W::new(u32::from(low)).to_le(word);
        }
        return;
    }
    for ((word, &low), &high) in words.zip(high) {
        W::new(u32::from(low) | u32::from(high) << 8).to_le(word);
    }
}
levels!(fn widened<W: Word>(word: PhantomData<W>, low: &[u8], high: &[u8], words: &mut [u8]) = widened_kernel);

/// Writes `value` to the words, little-endian, where `mask` has a bit.
pub(crate) fn put_masked<W: Word>(level: Level, mask: &[u8], value: W, words: &mut [u8]) {
    let columns = words.len() / W::BYTES;
    assert!(mask.len() == columns.div_ceil(GROUP));
    #[cfg(target_arch = "x86_64")]
    if is_wide(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::put_masked(mask, value, words) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = level;
    parts::for_each_run(mask, columns, |run| {
        for word in words[run.start * W::BYTES..run.end * W::BYTES].chunks_exact_mut(W::BYTES) {
            value.to_le(word);
        }
    });
}

/// Flags the words that are `value` in a mask, and makes them 0. `flags` is memory for a byte of each word, or of eight
/// for each group.
pub(crate) fn take_equal<W: Word>(
    level: Level,
    words: &mut [W],
    value: W,
    flags: &mut [u8],
    mask: &mut [u8],
) {
    assert!(mask.len() == words.len().div_ceil(GROUP) && flags.len() == GROUP * mask.len());
    #[cfg(target_arch = "x86_64")]
    if is_wide(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::take_equal(words, value, mask) };
    }
    parts::take_equal(level, words, value, flags);
    parts::planes_of_bytes(level, flags, 1, mask);
}

/// Makes `count` planes of words, of the largest number they hold where a word is larger; returns whether a word is that
/// number or larger, or `count` is above 8. `bytes` is memory for eight bytes of each group.
pub(crate) fn planes_of_words<W: Word>(
    level: Level,
    words: &[W],
    count: usize,
    planes: &mut [u8],
    bytes: &mut [u8],
) -> bool {
    let groups = words.len().div_ceil(GROUP);
    assert!((1..=15.min(8 * W::BYTES)).contains(&count));
    assert!(planes.len() == count * groups && bytes.len() == GROUP * groups);
    #[cfg(target_arch = "x86_64")]
    if is_wide(level) {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::planes_of_words(words, count, planes) };
    }
    let limit = W::new((1 << count) - 1);
    let low = count.min(8);
    parts::clamped(level, words, limit, bytes);
    parts::planes_of_bytes(level, bytes, low, &mut planes[..low * groups]);
    if count <= 8 {
        return parts::any_equal(level, bytes, limit.low());
    }
    parts::clamped_high(level, words, limit, bytes);
    parts::planes_of_bytes(level, bytes, count - 8, &mut planes[8 * groups..]);
    true
}

/// Notes the places of symbols that have more ones than those of their level, below 64, may have; returns their number.
pub(crate) fn places_beyond(
    level: Level,
    symbols: &[u8],
    levels: &[u8],
    most_ones: &[u8],
    places: &mut [u32],
) -> usize {
    assert!(symbols.len() == levels.len() && symbols.len() <= places.len());
    let mut table = [8; 64];
    let known = most_ones.len().min(64);
    table[..known].copy_from_slice(&most_ones[..known]);
    #[cfg(target_arch = "x86_64")]
    if level.instruction_set() == InstructionSet::Avx512Gfni {
        // SAFETY: `level` exists, so the CPU has the instructions; the lengths are as demanded.
        #[allow(unsafe_code)]
        return unsafe { avx512::places_beyond(symbols, levels, &table, places) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = level;
    let mut count = 0;
    let pieces = symbols.chunks(GROUP).zip(levels.chunks(GROUP));
    for (number, (symbols, levels)) in pieces.enumerate() {
        if symbols.iter().fold(0, |all, symbol| all | symbol) == 0 {
            continue;
        }
        for (i, (symbol, &level)) in symbols.iter().zip(levels).enumerate() {
            places[count] = (number * GROUP + i) as u32;
            count += usize::from(symbol.count_ones() as u8 > table[usize::from(level) % 64]);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(len: usize) -> Vec<u32> {
        (0..len as u32)
            .map(|i| i.wrapping_mul(2_654_435_761) ^ (i >> 3))
            .collect()
    }

    /// Bytes of planes of which the later ones have fewer bits.
    fn planes(count: usize, groups: usize) -> Vec<u8> {
        let draw = |(i, draw): (usize, u32)| (draw >> 9) as u8 & (draw >> (17 - i % 3)) as u8;
        draws(count * groups)
            .into_iter()
            .enumerate()
            .map(draw)
            .collect()
    }

    #[test]
    fn what_is_expected_follows_the_formula_at_every_level() {
        for level in Level::available() {
            eprintln!("rows of counts ran at {}", level.name());
            for groups in 1..=100usize {
                let padded: Vec<u16> = draws(groups + 2)
                    .iter()
                    .map(|d| (d >> 9) as u16 % 32641)
                    .collect();
                let other: Vec<u16> = draws(2 * groups)[groups..]
                    .iter()
                    .map(|d| (d >> 5) as u16 % 32641)
                    .collect();
                for other in [None, Some(&other[..])] {
                    let (mut expected, mut bins) = (vec![0xcccc; groups], vec![0xcc; groups]);
                    expect(level, &padded, other, &mut expected, &mut bins);
                    for g in 0..groups {
                        let at = |i: usize| u32::from(padded[i]);
                        let sum = 2 * at(g + 1) + at(g) + at(g + 2);
                        let wanted = match other {
                            Some(other) => (sum + 4 * u32::from(other[g])) >> 3,
                            None => sum >> 2,
                        };
                        let z = wanted + 4;
                        let e = z.ilog2();
                        let bin = (4 * (e - 2) + (z >> (e - 2) & 3)).min(61);
                        assert_eq!((u32::from(expected[g]), u32::from(bins[g])), (wanted, bin));
                    }
                }
            }
        }
    }

    #[test]
    fn averages_learn_alike_at_every_level() {
        for groups in (1..=70usize).chain([134]) {
            for count in 1..=15usize {
                let planes = planes(count, groups);
                let before: Vec<u16> = draws(groups + 2)
                    .iter()
                    .map(|d| (d >> 9) as u16 % 32641)
                    .collect();
                let expected: Vec<u16> = draws(groups + 2)
                    .iter()
                    .map(|d| (d >> 7) as u16 % 32641)
                    .collect();
                let following = [Following::First, Following::By(1), Following::By(3)];
                let learnt = |level: Level| {
                    let (mut averages, mut activity) = (before.clone(), vec![0xcccc; groups]);
                    learn(
                        level,
                        &planes,
                        (count % 8) as u32,
                        &mut averages,
                        None,
                        &mut activity,
                    );
                    let histories = following.map(|following| {
                        let mut history = expected.clone();
                        let over_frames = Some((following, &before[..groups], &mut history[..]));
                        learn(level, &planes, 2, &mut averages, over_frames, &mut activity);
                        history
                    });
                    (averages, histories)
                };
                let wanted = learnt(Level::SCALAR);
                for level in Level::available() {
                    assert_eq!(learnt(level), wanted, "{level:?} {groups} {count}");
                }
            }
        }
    }

    fn words_come_back<W: Word + std::fmt::Debug>(level: Level) {
        for columns in (1..=200usize).chain([1065]) {
            let groups = columns.div_ceil(GROUP);
            for count in 1..=15.min(8 * W::BYTES) {
                let planes = planes(count, groups);
                let mut words = vec![0xcc; columns * W::BYTES];
                let any = words_of_planes::<W>(level, &planes, count, &mut words);
                let bit = |plane: usize, i: usize| {
                    u32::from(planes[plane * groups + i / 8] >> (i % 8) & 1)
                };
                let value = |i: usize| (0..count).map(|plane| bit(plane, i) << plane).sum::<u32>();
                let stored = words
                    .chunks_exact(W::BYTES)
                    .map(|word| W::from_le(word).value());
                assert!(
                    stored.eq((0..columns).map(value)),
                    "{level:?} {columns} {count}"
                );
                let is_full = |i: usize| (0..count).all(|plane| bit(plane, i) == 1);
                assert!(any == (0..8 * groups).any(is_full) || (any && count > 8));
                let mask = &planes[..groups];
                let before = words.clone();
                put_masked(level, mask, W::new(0xfffe_fdfc), &mut words);
                for (i, word) in words.chunks_exact(W::BYTES).enumerate() {
                    let expected = match bit(0, i) {
                        1 => W::new(0xfffe_fdfc),
                        _ => W::from_le(&before[i * W::BYTES..][..W::BYTES]),
                    };
                    assert_eq!(W::from_le(word), expected);
                }
            }
        }
    }

    #[test]
    fn words_are_those_of_their_planes_at_every_level() {
        for level in Level::available() {
            words_come_back::<u8>(level);
            words_come_back::<u16>(level);
            words_come_back::<u32>(level);
        }
    }

    fn planes_come_of_words<W: Word + std::fmt::Debug>(level: Level) {
        for columns in (1..=200usize).chain([1065]) {
            let groups = columns.div_ceil(GROUP);
            let words: Vec<W> = draws(columns)
                .iter()
                .map(|&d| W::new((d >> 9) >> (d >> 27)))
                .collect();
            let mut bytes = vec![0xcc; GROUP * groups];
            for count in 1..=15.min(8 * W::BYTES) {
                let mut planes = vec![0xcc; count * groups];
                let reached = planes_of_words(level, &words, count, &mut planes, &mut bytes);
                let limit = (1 << count) - 1;
                let value = |i: usize| words.get(i).map_or(0, |word| word.value().min(limit));
                for i in 0..8 * groups {
                    let bit =
                        |plane: usize| u32::from(planes[plane * groups + i / 8] >> (i % 8) & 1);
                    let made = (0..count).map(|plane| bit(plane) << plane).sum::<u32>();
                    assert_eq!(made, value(i), "{level:?} {columns} {count}");
                }
                let reaches = (0..columns).any(|i| value(i) == limit);
                assert_eq!(reached, count > 8 || reaches);
            }
            let value = words[columns / 2];
            let (mut taken, mut mask) = (words.clone(), vec![0xcc; groups]);
            take_equal(level, &mut taken, value, &mut bytes, &mut mask);
            for i in 0..8 * groups {
                let is_value = i < columns && words[i] == value;
                assert_eq!(mask[i / 8] >> (i % 8) & 1 == 1, is_value);
                let left = |word: W| if is_value { W::default() } else { word };
                assert!(i >= columns || taken[i] == left(words[i]));
            }
        }
    }

    #[test]
    fn planes_are_those_of_their_words_at_every_level() {
        for level in Level::available() {
            planes_come_of_words::<u8>(level);
            planes_come_of_words::<u16>(level);
            planes_come_of_words::<u32>(level);
        }
    }

    #[test]
    fn symbols_beyond_their_level_are_found_at_every_level() {
        let most_ones: Vec<u8> = (0..48).map(|level| 8 - level / 6).collect();
        for level in Level::available() {
            for len in 0..=200 {
                let symbols: Vec<u8> = draws(len).iter().map(|d| (d >> 9) as u8).collect();
                let levels: Vec<u8> = draws(len).iter().map(|d| (d >> 20) as u8 % 48).collect();
                let mut places = vec![0xcccc; len];
                let count = places_beyond(level, &symbols, &levels, &most_ones, &mut places);
                let is_beyond = |&i: &u32| {
                    let at = i as usize;
                    symbols[at].count_ones() > u32::from(most_ones[usize::from(levels[at])])
                };
                let expected: Vec<u32> = (0..len as u32).filter(is_beyond).collect();
                assert_eq!(places[..count], expected, "{level:?}");
            }
        }
    }
}
