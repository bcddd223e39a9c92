//! Indices of a palette as words of photon counts, and back: a rotation, see `codecs/counts_indices.rs`.

use crate::kernels::levels::levels;
use crate::kernels::pixels::Word;

/// Which index is word 0, and which indices are the largest words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn<W> {
    /// The index that is word 0, not above `last_bin`.
    pub(crate) zero: W,
    /// Indices above this are codes.
    pub(crate) last_bin: W,
    /// Number of codes.
    pub(crate) codes: W,
}

impl Turn<u32> {
    /// For words of another size, which holds all numbers.
    pub(crate) fn of<W: Word>(&self) -> Turn<W> {
        Turn {
            zero: W::new(self.zero),
            last_bin: W::new(self.last_bin),
            codes: W::new(self.codes),
        }
    }
}

impl<W: Word> Turn<W> {
    /// The number of indices, modulo that of words.
    #[inline(always)]
    fn all(&self) -> W {
        self.last_bin.plus(W::new(1)).plus(self.codes)
    }
}

#[inline(always)]
fn to_words_kernel<W: Word>(turn: Turn<W>, bytes: &mut [u8]) {
    for bytes in bytes.chunks_exact_mut(W::BYTES) {
        let index = W::from_le(bytes);
        let is_code = index > turn.last_bin;
        let back = if is_code { turn.all() } else { W::default() };
        index.minus(back).minus(turn.zero).to_le(bytes);
    }
}
levels!(
    /// Makes words of indices, in place.
    pub(crate) fn to_words<W: Word>(turn: Turn<W>, bytes: &mut [u8]) = to_words_kernel
);

#[inline(always)]
fn to_indices_kernel<W: Word>(turn: Turn<W>, bytes: &mut [u8]) {
    let last_bin = W::new(u32::MAX).minus(turn.codes);
    for bytes in bytes.chunks_exact_mut(W::BYTES) {
        let turned = W::from_le(bytes).plus(turn.zero);
        let is_code = turned > last_bin;
        let forth = if is_code { turn.all() } else { W::default() };
        turned.plus(forth).to_le(bytes);
    }
}
levels!(
    /// Makes indices of words, in place.
    pub(crate) fn to_indices<W: Word>(turn: Turn<W>, bytes: &mut [u8]) = to_indices_kernel
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    /// Words of the indices 0, 1, 2, … and what becomes of these, at every level.
    fn turned<W: Word>(turn: Turn<u32>) -> Vec<u32> {
        let count = (turn.last_bin + 1 + turn.codes) as usize;
        let turn = turn.of::<W>();
        let stored = |level: Level, len: usize| {
            let mut bytes = vec![0; len * W::BYTES];
            for (i, bytes) in bytes.chunks_exact_mut(W::BYTES).enumerate() {
                W::new((i % count) as u32).to_le(bytes);
            }
            let indices = bytes.clone();
            to_words::<W>(level, turn, &mut bytes);
            let words: Vec<u32> = bytes
                .chunks_exact(W::BYTES)
                .map(|bytes| W::from_le(bytes).value())
                .collect();
            to_indices::<W>(level, turn, &mut bytes);
            assert_eq!(bytes, indices, "{count} at {}", level.name());
            words
        };
        for level in Level::available() {
            eprintln!("to_words and to_indices ran at {}", level.name());
            for len in 0..=130 {
                assert_eq!(stored(level, len), stored(Level::SCALAR, len));
            }
        }
        stored(Level::SCALAR, count)
    }

    #[test]
    fn bins_begin_at_zero_and_codes_are_the_largest_words_at_every_level() {
        let turn = |zero: u32, bins: u32, codes: u32| Turn {
            zero,
            last_bin: bins - 1,
            codes,
        };
        assert_eq!(turned::<u8>(turn(0, 3, 2)), [0, 1, 2, 254, 255]);
        assert_eq!(turned::<u8>(turn(2, 4, 1)), [254, 255, 0, 1, 253]);
        assert_eq!(turned::<u16>(turn(1, 3, 1)), [65535, 0, 1, 65534]);
        assert_eq!(turned::<u32>(turn(0, 1, 1)), [0, u32::MAX]);
        assert!(turned::<u8>(turn(0, 256, 0)).into_iter().eq(0..256));
        assert!(
            turned::<u8>(turn(9, 200, 56))
                .into_iter()
                .eq((247..256).chain(0..247))
        );
    }
}
