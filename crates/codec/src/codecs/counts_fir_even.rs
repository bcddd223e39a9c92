//! Encoding of model 2 of `counts` with one context: nothing is estimated, so that rows become symbols and these are
//! counted, and no more.
//!
//! Symbols are counted in pairs, a number for each pair that there may be: half as many numbers to add to, and two equal
//! symbols in succession do not wait for each other.

use super::counts_fir as model;
use super::counts_fir_encode::{Counts, put_large};
use super::counts_fir_learn::Learnt;
use super::counts_fir_merge::Merged;
use super::counts_pixels::Pixels;
use crate::kernels::counts::fill_masked;
use crate::kernels::counts_fir::{self as kernel, SPECIAL_BIN};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// Symbols that a row of counts has room for.
const ROW: usize = 256;

/// Makes the symbols of all rows, the bins of special pixels, and the context; `None` where an element has no word.
pub(super) fn count_rows<W: Word>(
    memory: &mut model::Memory,
    (pixels, bytes): (&Pixels, &[u8]),
    learnt: &Learnt,
    words: &mut [W],
) -> Option<Merged> {
    let level = Level::best();
    let columns = pixels.columns;
    let words = &mut words[..columns];
    let origin = W::new(learnt.model.origin);
    let width = memory.encoder.width;
    let mut singles = vec![0; width];
    clear_pairs(&mut memory.encoder.counts, width);
    memory.places.resize(columns, 0);
    for row in 0..pixels.frames * pixels.rows {
        if !pixels.load(bytes, row * columns, words) {
            return None;
        }
        pixels.prefetch((row + 1) * columns, columns, bytes);
        let own = &mut memory.encoder;
        memory.masks.take(row, words, &mut own.scratch);
        let all = row * columns..(row + 1) * columns;
        let symbols = &mut own.symbols[all.clone()];
        kernel::symbols_of_words(level, words, origin, symbols);
        if memory.masks.len() > 0 {
            memory.gather_special(row);
            let own = &mut memory.encoder;
            own.bins[all.clone()].fill(0);
            fill_masked(&memory.special, SPECIAL_BIN, &mut own.bins[all.clone()]);
            fill_masked(&memory.special, 0, &mut own.symbols[all.clone()]);
            let special = memory.special.iter().map(|bits| bits.count_ones());
            singles[0] = u32::wrapping_sub(singles[0], special.sum());
        }
        let own = &mut memory.encoder;
        let symbols = &mut own.symbols[all];
        let value = |x: usize| words[x].minus(origin).value();
        let places = &mut memory.places;
        put_large(symbols, learnt.direct, value, places, &mut own.extra);
        count_pairs(symbols, &mut own.counts, &mut singles);
    }
    add_pairs(&memory.encoder.counts, width, &mut singles);
    Some(Merged::one(singles))
}

fn clear_pairs(counts: &mut [Counts], width: usize) {
    for row in counts
        .iter_mut()
        .flat_map(|counts| counts.0.chunks_mut(ROW).take(width))
    {
        row[..width].fill(0);
    }
}

/// Adds the symbols of a row: those of pairs to the counts in turns, and what is left to `singles`.
fn count_pairs(symbols: &[u8], counts: &mut [Counts], singles: &mut [u32]) {
    let [first, second, third, fourth] = counts else {
        return;
    };
    let (eights, rest) = symbols.as_chunks();
    for eight in eights {
        let pairs = u64::from_le_bytes(*eight);
        first.0[usize::from(pairs as u16)] += 1;
        second.0[usize::from((pairs >> 16) as u16)] += 1;
        third.0[usize::from((pairs >> 32) as u16)] += 1;
        fourth.0[usize::from((pairs >> 48) as u16)] += 1;
    }
    for &symbol in rest {
        singles[usize::from(symbol)] = singles[usize::from(symbol)].wrapping_add(1);
    }
}

/// Adds the counts of pairs to those of their symbols.
fn add_pairs(counts: &[Counts], width: usize, singles: &mut [u32]) {
    for counts in counts {
        for (second, row) in counts.0.chunks(ROW).take(width).enumerate() {
            let mut sum = 0;
            for (single, &count) in singles.iter_mut().zip(&row[..width]) {
                *single = single.wrapping_add(count);
                sum += count;
            }
            singles[second] = singles[second].wrapping_add(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::counts_fir;
    use super::super::counts_fir_encode::{Way, encode};
    use super::super::counts_fir_merge::Contexts;
    use super::super::counts_numbers::Reader;
    use super::*;
    use crate::{ByteOrder, Element, ElementClass, Layout};

    /// Small numbers, some large ones, and some that mark pixels.
    fn chunk(seed: u32, words: usize, word_bytes: usize, has_marks: bool) -> Vec<u8> {
        let mut state = seed;
        let mut word = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match state >> 8 {
                drawn if has_marks && drawn % 16 == 0 => u32::MAX,
                drawn if drawn % 97 == 1 => drawn >> (24 - 8 * word_bytes.min(3)),
                drawn => (drawn >> 12) % 7 + (drawn >> 16) % 3,
            }
        };
        let words = (0..words).map(|_| word().to_le_bytes());
        words
            .flat_map(|bytes| bytes[..word_bytes].to_vec())
            .collect()
    }

    #[test]
    fn chunks_with_one_context_come_back_and_take_as_much_as_where_several_save_nothing() {
        let mut memory = model::Memory::default();
        let shapes = [[1, 1, 1], [2, 3, 31], [3, 9, 64], [1, 40, 65], [2, 70, 213]];
        for (shape, word_bytes) in shapes
            .into_iter()
            .flat_map(|shape| [1, 2, 4].map(|b| (shape, b)))
        {
            for has_marks in [false, true] {
                let element = Element {
                    class: ElementClass::Unsigned,
                    bytes: word_bytes,
                    order: ByteOrder::Little,
                };
                let layout = Layout::new(element, shape.to_vec());
                let bytes = chunk(7, shape.iter().product(), word_bytes, has_marks);
                let pixels = Pixels::of(&layout, &bytes).unwrap();
                let mut payload = vec![0xcc; 2 * bytes.len() + 4096];
                let mut len = |contexts| {
                    let way = Way::Roots(contexts);
                    let len = encode(&mut memory, way, &pixels, &bytes, &mut payload).unwrap();
                    let mut back = vec![0xcc; bytes.len()];
                    let mut reader = Reader::new(&payload[..len]);
                    counts_fir::decode(&mut memory, false, &pixels, &mut reader, &mut back)
                        .unwrap();
                    assert!(
                        back == bytes,
                        "{shape:?} {word_bytes} {has_marks} {contexts:?}"
                    );
                    len
                };
                assert_eq!(len(Contexts::One), len(Contexts::Saving(1.0)));
                len(Contexts::Saving(0.0));
            }
        }
    }
}
