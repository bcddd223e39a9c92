//! The unique values of a chunk, and each element as the index of its value.
//!
//! Elements are bit patterns of 1 to 8 bytes, read little-endian whatever they mean; the caller says how they are
//! sorted. One pass looks every element up and adds values as they turn up. In pseudo-code:
//!
//! ```text
//! for element in chunk:
//!     if element not in table: table[element] = number of values so far
//!     indices.push(table[element])
//! sort values; replace each index by the rank of its value
//! ```
//!
//! What was done to it:
//! * a sample of the chunk fills the table first, sorted, so that in most chunks an index is the rank already, and a
//!   chunk with too many values is given up before the pass;
//! * elements of 1 and 2 bytes index the table, others are hashed;
//! * a block is looked up as if it had no value that is new, in a loop without insertion; only where there is one, the
//!   block is looked up again element by element.

use std::marker::PhantomData;

use crate::entropy::indices::{grow, width_for};
use crate::entropy::palette_table::{Direct1, Direct2, Hashed, Table};
use crate::kernels::levels::Level;
use crate::kernels::palette::{
    FEW, Index, OneByte, TwoBytes, Word, expand_run, indices_in_run, indices_of_few, largest,
};
#[cfg(target_arch = "x86_64")]
use crate::kernels::palette_avx512::ByteTables;

/// Elements looked up at once: elements and indices stay in the L1 cache.
const BLOCK: usize = 2048;
/// Elements of the sample, and how many neighbours make a piece of it.
const SAMPLE: usize = 4096;
const PIECE: usize = 64;
/// Values of a sample that are worth sorting: more would hardly be all that there are.
const MAX_SORTED: usize = 8192;

/// The unique values of `bytes`, elements of `element_bytes` bytes, in ascending order of `rank`; `narrow` gets an
/// index into them for each element, of [`width_for`] bytes. `None` where there are more than `limit`.
///
/// At most 128 values of 1 byte, 32768 of 2 bytes and 65536 of more bytes can be asked for.
pub(crate) fn find(
    element_bytes: usize,
    bytes: &[u8],
    limit: usize,
    rank: impl Fn(u64) -> u64 + Copy,
    narrow: &mut Vec<u8>,
) -> Option<Vec<u64>> {
    match element_bytes {
        1 => find_in::<_, u8, 1>(Direct1::new(), bytes, limit.min(128), rank, narrow),
        2 => find_in::<_, u16, 2>(Direct2::new(), bytes, limit.min(1 << 15), rank, narrow),
        3 => find_in::<_, u64, 3>(Hashed::<u32, 3>::new(), bytes, limit, rank, narrow),
        4 => find_in::<_, u32, 4>(Hashed::<u32, 4>::new(), bytes, limit, rank, narrow),
        5 => find_in::<_, u64, 5>(Hashed::<u64, 5>::new(), bytes, limit, rank, narrow),
        6 => find_in::<_, u64, 6>(Hashed::<u64, 6>::new(), bytes, limit, rank, narrow),
        7 => find_in::<_, u64, 7>(Hashed::<u64, 7>::new(), bytes, limit, rank, narrow),
        8 => find_in::<_, u64, 8>(Hashed::<u64, 8>::new(), bytes, limit, rank, narrow),
        _ => None,
    }
}

fn find_in<T: Table, W: Word, const BYTES: usize>(
    table: T,
    bytes: &[u8],
    limit: usize,
    rank: impl Fn(u64) -> u64 + Copy,
    narrow: &mut Vec<u8>,
) -> Option<Vec<u64>> {
    let (elements, _) = bytes.as_chunks::<BYTES>();
    let mut finder = Finder {
        table,
        values: Vec::new(),
        limit: limit.min(1 << 16),
        run: false,
        word: PhantomData::<W>,
    };
    finder.look_at_sample(elements, rank)?;
    finder.index(elements, narrow)?;
    sort(&mut finder.values, rank, narrow);
    Some(finder.values)
}

/// Values found so far, in the order of their indices.
struct Finder<T, W> {
    table: T,
    values: Vec<u64>,
    limit: usize,
    /// Whether each value is the one before plus 1.
    run: bool,
    word: PhantomData<W>,
}

impl<T: Table, W: Word> Finder<T, W> {
    /// Fills the table from a sample; `None` where it shows that there are too many values.
    fn look_at_sample<const BYTES: usize>(
        &mut self,
        elements: &[[u8; BYTES]],
        rank: impl Fn(u64) -> u64,
    ) -> Option<()> {
        self.look_at_pieces(elements, SAMPLE / PIECE)?;
        // Of 65536 values that are equally frequent, 4096 draws repeat one in 32, of twice as many one in 64.
        if self.values.len() > SAMPLE - SAMPLE / 64 {
            return None;
        }
        if self.values.len() > SAMPLE / 16 {
            self.look_at_pieces(elements, elements.len() / PIECE / 64)?;
        }
        if self.values.len() <= MAX_SORTED {
            self.values.sort_unstable_by_key(|&value| rank(value));
            for (index, &value) in self.values.iter().enumerate() {
                self.table.set(value, index as u16);
            }
            self.run = BYTES == W::BYTES && is_run(&self.values);
        }
        Some(())
    }

    fn look_at_pieces<const BYTES: usize>(
        &mut self,
        elements: &[[u8; BYTES]],
        pieces: usize,
    ) -> Option<()> {
        let mut indices = [0; PIECE];
        let pieces = pieces.min(elements.len() / PIECE);
        for piece in 0..pieces {
            let start = (elements.len() - PIECE) / pieces * piece;
            self.look_up(&elements[start..start + PIECE], &mut indices)?;
        }
        Some(())
    }

    /// Looks up all elements; `None` where there are too many values.
    fn index<const BYTES: usize>(
        &mut self,
        elements: &[[u8; BYTES]],
        narrow: &mut Vec<u8>,
    ) -> Option<()> {
        let mut width = self.width();
        grow(narrow, elements.len() * width);
        let mut indices = [0; BLOCK];
        for (number, block) in elements.chunks(BLOCK).enumerate() {
            let indices = &mut indices[..block.len()];
            let first = number * BLOCK;
            self.look_up(block, indices)?;
            if self.width() > width {
                width = self.width();
                *narrow = widened(&narrow[..first], elements.len());
            }
            let narrow = &mut narrow[first * width..][..block.len() * width];
            if width == 1 {
                for (narrow, index) in narrow.iter_mut().zip(indices) {
                    *narrow = *index as u8;
                }
            } else {
                for (narrow, index) in narrow.as_chunks_mut().0.iter_mut().zip(indices) {
                    *narrow = index.to_le_bytes();
                }
            }
        }
        Some(())
    }

    /// Looks up a block and adds what is new; `None` where there are too many values.
    fn look_up<const BYTES: usize>(
        &mut self,
        block: &[[u8; BYTES]],
        indices: &mut [u16],
    ) -> Option<()> {
        if self.look_up_known(block, indices) {
            return Some(());
        }
        self.run = false;
        for (index, element) in indices.iter_mut().zip(block) {
            let value = pattern(element);
            *index = match self.table.get(value) {
                Some(index) => index,
                None if self.values.len() == self.limit => return None,
                None => {
                    let index = self.values.len() as u16;
                    self.table.set(value, index);
                    self.values.push(value);
                    index
                }
            };
        }
        Some(())
    }

    /// Looks up a block; false where it has a new value, and then `indices` mean nothing.
    fn look_up_known<const BYTES: usize>(
        &self,
        block: &[[u8; BYTES]],
        indices: &mut [u16],
    ) -> bool {
        let level = Level::best();
        let src = block.as_flattened();
        match &self.values[..] {
            &[first, .., last] if self.run => {
                indices_in_run(level, src, W::new(first), W::new(last - first), indices)
            }
            values if BYTES == W::BYTES && (1..=FEW).contains(&values.len()) => {
                let mut words = [W::default(); FEW];
                for (word, &value) in words.iter_mut().zip(values) {
                    *word = W::new(value);
                }
                indices_of_few(level, src, &words[..values.len()], indices)
            }
            _ => self.table.look_up(src, indices),
        }
    }

    fn width(&self) -> usize {
        width_for(self.values.len().saturating_sub(1) as u32)
    }
}

fn is_run(values: &[u64]) -> bool {
    values
        .windows(2)
        .all(|pair| pair[0].checked_add(1) == Some(pair[1]))
}

/// The bytes of an element as a number, little-endian.
#[inline(always)]
pub(crate) fn pattern(element: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..element.len()].copy_from_slice(element);
    u64::from_le_bytes(bytes)
}

/// Indices of one byte as the first of `elements` of two.
fn widened(narrow: &[u8], elements: usize) -> Vec<u8> {
    let mut wide = vec![0; 2 * elements];
    for (wide, &index) in wide.iter_mut().step_by(2).zip(narrow) {
        *wide = index;
    }
    wide
}

/// Sorts the values and replaces each index by the rank of its value.
fn sort(values: &mut Vec<u64>, rank: impl Fn(u64) -> u64, narrow: &mut [u8]) {
    let ranks: Vec<u64> = values.iter().map(|&value| rank(value)).collect();
    if ranks.is_sorted() {
        return;
    }
    let mut order: Vec<u16> = (0..values.len()).map(|index| index as u16).collect();
    order.sort_unstable_by_key(|&index| ranks[usize::from(index)]);
    *values = order
        .iter()
        .map(|&index| values[usize::from(index)])
        .collect();
    if values.len() <= 256 {
        let mut new = [0; 256];
        for (rank, &index) in order.iter().enumerate() {
            new[usize::from(index)] = rank as u8;
        }
        for index in narrow {
            *index = new[usize::from(*index)];
        }
    } else {
        let mut new = vec![[0; 2]; 1 << 16];
        for (rank, &index) in order.iter().enumerate() {
            new[usize::from(index)] = (rank as u16).to_le_bytes();
        }
        for index in narrow.as_chunks_mut::<2>().0 {
            *index = new[usize::from(u16::from_le_bytes(*index))];
        }
    }
}

/// Puts values in the place of indices, block by block.
pub(crate) trait Expand {
    /// Replaces indices of [`width_for`] bytes by their values at the front of `dst`; returns the bytes written, `None`
    /// where an index has no value. `dst` has room for them.
    fn expand(&self, indices: &[u8], dst: &mut [u8]) -> Option<usize>;
}

/// What replaces indices of `values` by elements of `element_bytes` bytes; `None` for more than 8.
pub(crate) fn expander(values: &[u64], element_bytes: usize) -> Option<Box<dyn Expand>> {
    if values.len() <= 256 {
        expander_from::<OneByte>(values, element_bytes)
    } else {
        expander_from::<TwoBytes>(values, element_bytes)
    }
}

fn expander_from<I: Index>(values: &[u64], element_bytes: usize) -> Option<Box<dyn Expand>> {
    Some(match element_bytes {
        1 => Box::new(Values::<I, u8, 1>::new(values)),
        2 => Box::new(Values::<I, u16, 2>::new(values)),
        3 => Box::new(Values::<I, u64, 3>::new(values)),
        4 => Box::new(Values::<I, u32, 4>::new(values)),
        5 => Box::new(Values::<I, u64, 5>::new(values)),
        6 => Box::new(Values::<I, u64, 6>::new(values)),
        7 => Box::new(Values::<I, u64, 7>::new(values)),
        8 => Box::new(Values::<I, u64, 8>::new(values)),
        _ => return None,
    })
}

struct Values<I, W, const BYTES: usize> {
    #[cfg(target_arch = "x86_64")]
    tables: Option<ByteTables>,
    /// The first value, where each one is the one before plus 1.
    run: Option<W>,
    elements: Vec<[u8; BYTES]>,
    kind: I,
}

impl<I: Index, W: Word, const BYTES: usize> Values<I, W, BYTES> {
    fn new(values: &[u64]) -> Self {
        let run = BYTES == W::BYTES && is_run(values);
        Self {
            #[cfg(target_arch = "x86_64")]
            tables: ByteTables::new(Level::best(), values, BYTES),
            run: values.first().filter(|_| run).map(|&first| W::new(first)),
            elements: values.iter().map(low_bytes).collect(),
            kind: I::default(),
        }
    }

    /// Expands the first indices from tables in registers, where the CPU can; returns how many.
    fn expand_tables(&self, indices: &[u8], dst: &mut [u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        if I::BYTES == 1
            && let Some(tables) = &self.tables
        {
            return tables.expand(indices, dst);
        }
        let _ = (indices, dst);
        0
    }
}

impl<I: Index, W: Word, const BYTES: usize> Expand for Values<I, W, BYTES> {
    fn expand(&self, indices: &[u8], dst: &mut [u8]) -> Option<usize> {
        let level = Level::best();
        if usize::from(largest(level, self.kind, indices)) >= self.elements.len() {
            return None;
        }
        let dst = &mut dst[..indices.len() / I::BYTES * BYTES];
        match self.run {
            Some(first) => expand_run(level, self.kind, indices, first, dst),
            None => {
                let done = self.expand_tables(indices, dst);
                gather::<I, BYTES>(&self.elements, &indices[done..], &mut dst[done * BYTES..]);
            }
        }
        Some(dst.len())
    }
}

fn low_bytes<const BYTES: usize>(value: &u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(&value.to_le_bytes()[..BYTES]);
    bytes
}

fn gather<I: Index, const BYTES: usize>(palette: &[[u8; BYTES]], indices: &[u8], dst: &mut [u8]) {
    let elements = dst.as_chunks_mut::<BYTES>().0;
    for (element, index) in elements.iter_mut().zip(indices.chunks_exact(I::BYTES)) {
        *element = palette[usize::from(I::index(index))];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(values: &[u64], indices: &[u8], element_bytes: usize, dst: &mut [u8]) -> bool {
        let expander = expander(values, element_bytes).unwrap();
        values.is_empty() || expander.expand(indices, dst) == Some(dst.len())
    }

    fn round_trip(element_bytes: usize, elements: usize, unique: u64) {
        let mask = u64::MAX >> (64 - 8 * element_bytes);
        let mut state = unique;
        let bytes: Vec<u8> = (0..elements)
            .flat_map(|_| {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                // An odd factor maps different numbers to different patterns.
                let value = ((state >> 33) % unique).wrapping_mul(0x9E37_79B9_7F4A_7C15) & mask;
                value.to_le_bytes().into_iter().take(element_bytes)
            })
            .collect();
        let mut expected: Vec<u64> = bytes.chunks(element_bytes).map(pattern).collect();
        let case = format!("{elements} elements of {element_bytes} bytes, {unique} values");
        let all: Vec<u64> = expected.clone();
        expected.sort_unstable_by_key(|&value| !value);
        expected.dedup();
        let mut narrow = Vec::new();
        let values = find(element_bytes, &bytes, 1 << 16, |value| !value, &mut narrow);
        assert!(values.as_ref() == Some(&expected), "{case}");
        let width = width_for(expected.len().saturating_sub(1) as u32);
        let indices = &narrow[..elements * width];
        for (index, value) in indices.chunks(width).map(pattern).zip(all) {
            assert_eq!(expected[index as usize], value, "{case}");
        }
        let mut back = vec![0xcc; bytes.len()];
        assert!(
            expand(&expected, indices, element_bytes, &mut back),
            "{case}"
        );
        assert!(back == bytes, "{case}");
        if let Some((_, fewer)) = expected.split_last() {
            let same_width = width_for((fewer.len() as u32).saturating_sub(1)) == width;
            assert!(
                !same_width
                    || fewer.is_empty()
                    || !expand(fewer, indices, element_bytes, &mut back),
                "{case}"
            );
            let given_up = find(
                element_bytes,
                &bytes,
                fewer.len(),
                |value| !value,
                &mut narrow,
            );
            assert!(given_up.is_none(), "{case}");
        }
    }

    #[test]
    fn values_of_every_size_are_found_sorted_and_put_back() {
        for element_bytes in 1..=8 {
            for elements in [0, 1, 2, 63, 64, 65, 2048, 5003] {
                for unique in [1, 2, 100] {
                    round_trip(element_bytes, elements, unique);
                }
            }
        }
        for element_bytes in 2..=8 {
            for unique in [255, 256, 257, 5000, 30_000] {
                round_trip(element_bytes, 50_000, unique);
            }
        }
        round_trip(4, 400_000, 60_000);
    }

    #[test]
    fn values_that_the_sample_misses_are_added_and_widen_the_indices() {
        let bytes: Vec<u8> = (0..100_000u32)
            .flat_map(|i| (if i < 90_000 { 7 } else { i / 10 }).to_le_bytes())
            .collect();
        let mut narrow = Vec::new();
        let values = find(4, &bytes, 1 << 16, |value| value, &mut narrow).unwrap();
        assert_eq!(values.len(), 1001);
        let mut back = vec![0; bytes.len()];
        assert!(expand(&values, &narrow[..200_000], 4, &mut back));
        assert!(back == bytes);
    }

    #[test]
    fn noise_is_given_up() {
        let mut state = 1u64;
        let bytes: Vec<u8> = (0..100_000)
            .flat_map(|_| {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                state.to_be_bytes()
            })
            .collect();
        for element_bytes in 2..=8 {
            assert!(find(element_bytes, &bytes, 1 << 16, |v| v, &mut Vec::new()).is_none());
        }
    }
}
