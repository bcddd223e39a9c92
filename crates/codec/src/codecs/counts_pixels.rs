//! A chunk as frames of unsigned integers: what `counts` and `predict` code.
//!
//! Each element is a *word* of 1, 2 or 4 bytes and comes back from it bit for bit:
//!
//! * integers of 8, 16 and 32 bits are their bit patterns, so −1 is the largest word;
//! * integers of 64 bits are words of 32, sign-extended: −2³¹ to 2³¹ − 1, and unsigned ones that wrap to those;
//! * floats of 32 and 64 bits are words of 32 where they are whole numbers of that range, other than −0; NaN is the
//!   word 2³¹ if all NaN of the chunk have one bit pattern, which is then kept beside.
//!
//! Other chunks have no words. Frames are the last two dimensions and the others count them. A chunk of a single row is
//! folded into rows of 1024, and words of zero fill the last one.

use crate::entropy::bands::Bands;
use crate::kernels::levels::{Level, levels};
use crate::kernels::pixels::{Word, prefetch};
use crate::{ByteOrder, Element, ElementClass, Layout};

/// Columns of a chunk that has one row.
const FOLDED_COLUMNS: usize = 1024;
/// The word of NaN.
pub(crate) const NAN_WORD: u32 = 1 << 31;

/// How the elements of a chunk are words in frames.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pixels {
    /// Number of frames.
    pub(crate) frames: usize,
    /// Rows of a frame.
    pub(crate) rows: usize,
    /// Words in a row.
    pub(crate) columns: usize,
    /// Bytes of a word: 1, 2 or 4.
    pub(crate) word_bytes: usize,
    /// The bit pattern of all NaN of the chunk, if it has any.
    pub(crate) nan: Option<u64>,
    /// Elements in the chunk; less than frames · rows · columns where the last row is filled up.
    elements: usize,
    element: Element,
    /// Where they are a sample: its bands.
    pub(crate) bands: Bands,
}

impl Pixels {
    /// The frames of a chunk whose NaN, if it has any, have this bit pattern; `None` for elements without words and
    /// chunks without elements.
    pub(crate) fn new(layout: &Layout, nan: Option<u64>) -> Option<Self> {
        let element = layout.element;
        let word_bytes = match (element.class, element.bytes) {
            (ElementClass::Unsigned | ElementClass::Signed, 1 | 2 | 4) => element.bytes,
            (ElementClass::Unsigned | ElementClass::Signed, 8) => 4,
            (ElementClass::Float, 4 | 8) => 4,
            _ => return None,
        };
        let elements = layout.elements().filter(|&elements| elements > 0)?;
        let (mut rows, mut columns) = layout.frame_shape();
        let frames = elements / (rows * columns);
        if frames * rows == 1 && columns > FOLDED_COLUMNS {
            rows = columns.div_ceil(FOLDED_COLUMNS);
            columns = FOLDED_COLUMNS;
        }
        Some(Self {
            frames,
            rows,
            columns,
            word_bytes,
            nan,
            elements,
            element,
            bands: Bands::NONE,
        })
    }

    /// The same for a chunk at hand: finds its NaN. Whether every element has a word, [`Pixels::load`] says.
    pub(crate) fn of(layout: &Layout, bytes: &[u8]) -> Option<Self> {
        let mut pixels = Self::new(layout, None)?;
        pixels.nan = first_nan(&layout.element, bytes);
        Some(pixels)
    }

    /// Words of the chunk, those that fill up the last row among them.
    pub(crate) fn len(&self) -> usize {
        self.frames * self.rows * self.columns
    }

    /// The words from number `first` on, which may be any; false where an element has no word. `W` is as long as
    /// `word_bytes`.
    #[must_use]
    pub(crate) fn load<W: Word>(&self, bytes: &[u8], first: usize, words: &mut [W]) -> bool {
        let stored = self.elements.saturating_sub(first).min(words.len());
        let (words, filling) = words.split_at_mut(stored);
        filling.fill(W::default());
        let start = first.min(self.elements) * self.element.bytes;
        let bytes = &bytes[start..start + stored * self.element.bytes];
        let level = Level::best();
        let big = self.element.order == ByteOrder::Big;
        match (self.element.class, self.element.bytes) {
            (ElementClass::Float, 4) => load_f32(level, bytes, big, self.nan, words),
            (ElementClass::Float, _) => load_f64(level, bytes, big, self.nan, words),
            (_, 8) => load_i64(level, bytes, big, words),
            _ => {
                load_plain(level, bytes, big, words);
                true
            }
        }
    }

    /// Brings the words from number `first` on, as many as these, into the cache.
    pub(crate) fn prefetch(&self, first: usize, count: usize, bytes: &[u8]) {
        let start = first.min(self.elements) * self.element.bytes;
        let end = (first + count).min(self.elements) * self.element.bytes;
        prefetch(&bytes[start..end]);
    }

    /// The bytes of the words from number `first` on, where elements are words, little-endian, and there are as many.
    pub(crate) fn words_in<'a>(
        &self,
        first: usize,
        count: usize,
        bytes: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let Element {
            class,
            bytes: element_bytes,
            order,
        } = self.element;
        let is_little = order == ByteOrder::Little || element_bytes == 1;
        let is_word = class != ElementClass::Float && element_bytes == self.word_bytes;
        if !is_little || !is_word || first + count > self.elements {
            return None;
        }
        bytes.get_mut(first * element_bytes..(first + count) * element_bytes)
    }

    /// Stores words that are little-endian bytes; `words` is memory for them.
    pub(crate) fn store_bytes<W: Word>(
        &self,
        words_bytes: &[u8],
        words: &mut [W],
        first: usize,
        bytes: &mut [u8],
    ) {
        load_plain(Level::best(), words_bytes, false, words);
        self.store(words, first, bytes);
    }

    /// Stores words, the first of which has the number `first`, as elements of the chunk.
    pub(crate) fn store<W: Word>(&self, words: &[W], first: usize, bytes: &mut [u8]) {
        let stored = self.elements.saturating_sub(first).min(words.len());
        let words = &words[..stored];
        let start = first.min(self.elements) * self.element.bytes;
        let bytes = &mut bytes[start..start + stored * self.element.bytes];
        let level = Level::best();
        let big = self.element.order == ByteOrder::Big;
        match (self.element.class, self.element.bytes) {
            (ElementClass::Float, 4) => store_f32(level, words, self.nan, big, bytes),
            (ElementClass::Float, _) => store_f64(level, words, self.nan, big, bytes),
            (_, 8) => store_i64(level, words, big, bytes),
            _ => store_plain(level, words, big, bytes),
        }
    }
}

/// Bit pattern of the first NaN.
fn first_nan(element: &Element, bytes: &[u8]) -> Option<u64> {
    let is_big = element.order == ByteOrder::Big;
    match (element.class, element.bytes) {
        (ElementClass::Float, 4) => {
            let bits = |bytes: &[u8; 4]| ordered(u32::from_le_bytes(*bytes), is_big);
            let mut numbers = bytes.as_chunks().0.iter().map(bits);
            numbers
                .find(|&bits| f32::from_bits(bits).is_nan())
                .map(u64::from)
        }
        (ElementClass::Float, 8) => {
            let bits = |bytes: &[u8; 8]| ordered64(u64::from_le_bytes(*bytes), is_big);
            let mut numbers = bytes.as_chunks().0.iter().map(bits);
            numbers.find(|&bits| f64::from_bits(bits).is_nan())
        }
        _ => None,
    }
}

#[inline(always)]
fn ordered(bits: u32, big: bool) -> u32 {
    if big { bits.swap_bytes() } else { bits }
}

#[inline(always)]
fn ordered64(bits: u64, big: bool) -> u64 {
    if big { bits.swap_bytes() } else { bits }
}

#[inline(always)]
fn load_plain_kernel<W: Word>(bytes: &[u8], big: bool, words: &mut [W]) {
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(W::BYTES)) {
        *word = W::from_le(bytes);
    }
    if big {
        for word in words {
            *word = word.swapped();
        }
    }
}
levels!(fn load_plain<W: Word>(bytes: &[u8], big: bool, words: &mut [W]) = load_plain_kernel);

#[inline(always)]
fn store_plain_kernel<W: Word>(words: &[W], big: bool, bytes: &mut [u8]) {
    if big {
        for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(W::BYTES)) {
            word.swapped().to_le(bytes);
        }
        return;
    }
    for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(W::BYTES)) {
        word.to_le(bytes);
    }
}
levels!(fn store_plain<W: Word>(words: &[W], big: bool, bytes: &mut [u8]) = store_plain_kernel);

#[inline(always)]
fn load_i64_kernel<W: Word>(bytes: &[u8], big: bool, words: &mut [W]) -> bool {
    let mut lost = 0;
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        let number = ordered64(u64::from_le_bytes(*bytes), big) as i64;
        *word = W::new(number as u32);
        lost |= i64::from(number as i32) ^ number;
    }
    lost == 0
}
levels!(fn load_i64<W: Word>(bytes: &[u8], big: bool, words: &mut [W]) -> bool = load_i64_kernel);

#[inline(always)]
fn store_i64_kernel<W: Word>(words: &[W], big: bool, bytes: &mut [u8]) {
    for (word, bytes) in words.iter().zip(bytes.as_chunks_mut().0) {
        let number = i64::from(word.value() as i32) as u64;
        *bytes = ordered64(number, big).to_le_bytes();
    }
}
levels!(fn store_i64<W: Word>(words: &[W], big: bool, bytes: &mut [u8]) = store_i64_kernel);

/// The float loops, which differ in their types alone.
macro_rules! floats {
    ($load:ident, $load_kernel:ident, $store:ident, $store_kernel:ident, $float:ty, $bits:ty, $ordered:ident) => {
        #[inline(always)]
        fn $load_kernel<W: Word>(
            bytes: &[u8],
            big: bool,
            nan: Option<u64>,
            words: &mut [W],
        ) -> bool {
            let mut lost = 0;
            let nan = nan.map(|bits| bits as $bits);
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                let bits = $ordered(<$bits>::from_le_bytes(*bytes), big);
                let number = <$float>::from_bits(bits) as i32;
                let mut word_of = number as u32;
                let mut difference = (number as $float).to_bits() ^ bits;
                if let Some(nan) = nan {
                    let is_nan = bits == nan;
                    // The word of NaN is not that of a number as well.
                    difference |= <$bits>::from(word_of == NAN_WORD);
                    word_of = if is_nan { NAN_WORD } else { word_of };
                    difference = if is_nan { 0 } else { difference };
                }
                *word = W::new(word_of);
                lost |= difference;
            }
            lost == 0
        }
        levels!(fn $load<W: Word>(
            bytes: &[u8], big: bool, nan: Option<u64>, words: &mut [W]
        ) -> bool = $load_kernel);

        #[inline(always)]
        fn $store_kernel<W: Word>(words: &[W], nan: Option<u64>, big: bool, bytes: &mut [u8]) {
            for (word, bytes) in words.iter().zip(bytes.as_chunks_mut().0) {
                let bits = match nan {
                    Some(nan) if word.value() == NAN_WORD => nan as $bits,
                    _ => (word.value() as i32 as $float).to_bits(),
                };
                *bytes = $ordered(bits, big).to_le_bytes();
            }
        }
        levels!(fn $store<W: Word>(
            words: &[W], nan: Option<u64>, big: bool, bytes: &mut [u8]
        ) = $store_kernel);
    };
}
floats!(
    load_f32,
    load_f32_kernel,
    store_f32,
    store_f32_kernel,
    f32,
    u32,
    ordered
);
floats!(
    load_f64,
    load_f64_kernel,
    store_f64,
    store_f64_kernel,
    f64,
    u64,
    ordered64
);

#[cfg(test)]
mod tests {
    use super::*;
    use ElementClass::{Float, Other, Signed, Unsigned};

    fn layout(class: ElementClass, bytes: usize, order: ByteOrder, shape: &[usize]) -> Layout {
        let element = Element {
            class,
            bytes,
            order,
        };
        Layout::new(element, shape.to_vec())
    }

    /// Words of a chunk of one row, of which each must come back; `None` where an element has no word.
    fn words(layout: &Layout, bytes: &[u8]) -> Option<Vec<u32>> {
        fn of<W: Word>(pixels: &Pixels, bytes: &[u8]) -> Option<Vec<u32>> {
            let mut words = vec![W::default(); pixels.len()];
            if !pixels.load(bytes, 0, &mut words) {
                return None;
            }
            let mut back = vec![0xcc; bytes.len()];
            pixels.store(&words, 0, &mut back);
            assert_eq!(back, bytes);
            Some(words.iter().map(|word| word.value()).collect())
        }
        let pixels = Pixels::of(layout, bytes)?;
        match pixels.word_bytes {
            1 => of::<u8>(&pixels, bytes),
            2 => of::<u16>(&pixels, bytes),
            _ => of::<u32>(&pixels, bytes),
        }
    }

    #[test]
    fn integers_are_their_bit_patterns_in_both_byte_orders() {
        use ByteOrder::{Big, Little};
        let of = |class, bytes, order, stored: &[u8]| {
            words(
                &layout(class, bytes, order, &[stored.len() / bytes]),
                stored,
            )
        };
        assert_eq!(of(Signed, 1, Little, &[0, 255]), Some(vec![0, 255]));
        assert_eq!(
            of(Unsigned, 2, Big, &[1, 2, 255, 254]),
            Some(vec![0x102, 0xfffe])
        );
        assert_eq!(
            of(Signed, 4, Little, &(-2i32).to_le_bytes()),
            Some(vec![u32::MAX - 1])
        );
        assert_eq!(of(Unsigned, 8, Little, &[255; 8]), Some(vec![u32::MAX]));
        assert_eq!(of(Signed, 8, Big, &77i64.to_be_bytes()), Some(vec![77]));
        assert_eq!(of(Unsigned, 8, Little, &(1u64 << 31).to_le_bytes()), None);
        assert_eq!(of(Other, 4, Little, &[0; 4]), None);
        assert_eq!(of(Unsigned, 3, Little, &[0; 3]), None);
    }

    #[test]
    fn whole_floats_have_words_and_all_others_none() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let of = |values: &[f64], bytes: usize| {
                let stored: Vec<u8> = values
                    .iter()
                    .flat_map(|&value| {
                        let mut stored = match bytes {
                            4 => (value as f32).to_le_bytes().to_vec(),
                            _ => value.to_le_bytes().to_vec(),
                        };
                        if order == ByteOrder::Big {
                            stored.reverse();
                        }
                        stored
                    })
                    .collect();
                words(&layout(Float, bytes, order, &[values.len()]), &stored)
            };
            for bytes in [4, 8] {
                let expected = vec![0, 7, u32::MAX - 2, 1 << 24];
                assert_eq!(of(&[0.0, 7.0, -3.0, 16_777_216.0], bytes), Some(expected));
                for refused in [-0.0, 0.5, 1e10, f64::INFINITY, -1e-30] {
                    assert_eq!(of(&[1.0, refused], bytes), None, "{refused}");
                }
                let nan = f64::NAN;
                assert_eq!(
                    of(&[nan, 3.0, nan], bytes),
                    Some(vec![NAN_WORD, 3, NAN_WORD])
                );
                assert_eq!(of(&[nan, -nan], bytes), None, "two bit patterns");
                let least = -2_147_483_648.0;
                assert_eq!(of(&[least], bytes), Some(vec![NAN_WORD]));
                assert_eq!(of(&[nan, least], bytes), None);
            }
        }
    }

    #[test]
    fn frames_are_the_last_two_dimensions_and_a_single_row_is_folded() {
        let geometry = |shape: &[usize]| {
            let layout = layout(Unsigned, 2, ByteOrder::Little, shape);
            let pixels = Pixels::new(&layout, None)?;
            Some((pixels.frames, pixels.rows, pixels.columns))
        };
        assert_eq!(geometry(&[2, 3, 4, 5]), Some((6, 4, 5)));
        assert_eq!(geometry(&[4, 5]), Some((1, 4, 5)));
        assert_eq!(geometry(&[1000]), Some((1, 1, 1000)));
        assert_eq!(geometry(&[1, 1, 5000]), Some((1, 5, 1024)));
        assert_eq!(geometry(&[]), Some((1, 1, 1)));
        assert_eq!(geometry(&[3, 0]), None);
    }

    #[test]
    fn any_part_of_a_folded_chunk_can_be_loaded_and_the_rest_is_zero() {
        let layout = layout(Unsigned, 2, ByteOrder::Little, &[2500]);
        let bytes: Vec<u8> = (0..2500u16).flat_map(|i| (i | 1).to_le_bytes()).collect();
        let pixels = Pixels::of(&layout, &bytes).unwrap();
        let mut back = vec![0xcc; 5000];
        for row in 0..3 {
            let mut words = [0xccccu16; 1024];
            assert!(pixels.load(&bytes, 1024 * row, &mut words));
            for (i, &word) in words.iter().enumerate() {
                let number = 1024 * row + i;
                assert_eq!(word, if number < 2500 { number as u16 | 1 } else { 0 });
            }
            pixels.store(&words, 1024 * row, &mut back);
        }
        assert_eq!(back, bytes);
    }
}
