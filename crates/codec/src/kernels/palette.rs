//! Elements as indices of a palette and back, where no table is needed: few values, or values without a gap.

use super::levels::levels;

/// Values that are compared one after the other.
pub(crate) const FEW: usize = 16;

/// An element of 1, 2, 4 or 8 bytes as a bit pattern.
pub(crate) trait Word: Copy + Eq + Default + 'static {
    const BYTES: usize;
    fn load(bytes: &[u8]) -> Self;
    fn store(self, bytes: &mut [u8]);
    fn new(pattern: u64) -> Self;
    fn distance_from(self, first: Self) -> Self;
    fn plus(self, index: u16) -> Self;
    fn at_most(self, last: Self) -> bool;
    fn low(self) -> u16;
}

macro_rules! word {
    ($type:ty) => {
        impl Word for $type {
            const BYTES: usize = size_of::<$type>();
            #[inline(always)]
            fn load(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$type>()];
                array.copy_from_slice(bytes);
                <$type>::from_le_bytes(array)
            }
            #[inline(always)]
            fn store(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn new(pattern: u64) -> Self {
                pattern as $type
            }
            #[inline(always)]
            fn distance_from(self, first: Self) -> Self {
                self.wrapping_sub(first)
            }
            #[inline(always)]
            fn plus(self, index: u16) -> Self {
                self.wrapping_add(index as $type)
            }
            #[inline(always)]
            fn at_most(self, last: Self) -> bool {
                self <= last
            }
            #[inline(always)]
            fn low(self) -> u16 {
                self as u16
            }
        }
    };
}
word!(u8);
word!(u16);
word!(u32);
word!(u64);

/// Indices of elements among the values `first`, `first` + 1, …, `first` + `last`; false where one is not among
/// them, and then `indices` mean nothing.
#[inline(always)]
fn indices_in_run_kernel<T: Word>(src: &[u8], first: T, last: T, indices: &mut [u16]) -> bool {
    let mut outside = false;
    for (index, element) in indices.iter_mut().zip(src.chunks_exact(T::BYTES)) {
        let distance = T::load(element).distance_from(first);
        outside |= !distance.at_most(last);
        *index = distance.low();
    }
    !outside
}
levels!(pub(crate) fn indices_in_run<T: Word>(src: &[u8], first: T, last: T, indices: &mut [u16]) -> bool
    = indices_in_run_kernel);

/// Indices of elements among at most [`FEW`] values; false where one is not among them, and then `indices` mean
/// nothing.
#[inline(always)]
fn indices_of_few_kernel<T: Word>(src: &[u8], values: &[T], indices: &mut [u16]) -> bool {
    match values.len() {
        0 => indices.is_empty(),
        1..=2 => compare_with::<T, 2>(src, values, indices),
        3..=4 => compare_with::<T, 4>(src, values, indices),
        5..=8 => compare_with::<T, 8>(src, values, indices),
        _ => compare_with::<T, FEW>(src, values, indices),
    }
}

/// Compares each element with up to `N` values, all of them: a loop without branches, which compilers turn into vector
/// code. Fewer values are preceded by copies of the first one, which comes after them and wins.
#[inline(always)]
fn compare_with<T: Word, const N: usize>(src: &[u8], values: &[T], indices: &mut [u16]) -> bool {
    let copies = N - values.len().min(N);
    let mut palette = [values[0]; N];
    palette[copies..].copy_from_slice(&values[..N - copies]);
    let unknown = T::new(u64::MAX);
    let mut all_known = true;
    for (index, element) in indices.iter_mut().zip(src.chunks_exact(T::BYTES)) {
        let word = T::load(element);
        let mut found = unknown;
        for (number, &value) in palette.iter().enumerate() {
            found = if word == value {
                T::new(number as u64)
            } else {
                found
            };
        }
        all_known &= found != unknown;
        *index = found.low().wrapping_sub(copies as u16);
    }
    all_known
}
levels!(pub(crate) fn indices_of_few<T: Word>(src: &[u8], values: &[T], indices: &mut [u16]) -> bool
    = indices_of_few_kernel);

/// Indices of 1 or 2 bytes, little-endian.
pub(crate) trait Index: Copy + Default + 'static {
    const BYTES: usize;
    fn index(bytes: &[u8]) -> u16;
}

/// An index of one byte.
#[derive(Clone, Copy, Default)]
pub(crate) struct OneByte;

/// An index of two bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct TwoBytes;

impl Index for OneByte {
    const BYTES: usize = 1;
    #[inline(always)]
    fn index(bytes: &[u8]) -> u16 {
        u16::from(bytes[0])
    }
}

impl Index for TwoBytes {
    const BYTES: usize = 2;
    #[inline(always)]
    fn index(bytes: &[u8]) -> u16 {
        u16::from_le_bytes([bytes[0], bytes[1]])
    }
}

/// The largest of some indices, 0 of none.
#[inline(always)]
fn largest_kernel<I: Index>(_: I, indices: &[u8]) -> u16 {
    let mut largest = 0;
    for bytes in indices.chunks_exact(I::BYTES) {
        largest = largest.max(I::index(bytes));
    }
    largest
}
levels!(pub(crate) fn largest<I: Index>(kind: I, indices: &[u8]) -> u16 = largest_kernel);

/// Elements from their indices among the values `first`, `first` + 1, ….
#[inline(always)]
fn expand_run_kernel<T: Word, I: Index>(_: I, indices: &[u8], first: T, dst: &mut [u8]) {
    let elements = dst.chunks_exact_mut(T::BYTES);
    for (element, index) in elements.zip(indices.chunks_exact(I::BYTES)) {
        first.plus(I::index(index)).store(element);
    }
}
levels!(pub(crate) fn expand_run<T: Word, I: Index>(kind: I, indices: &[u8], first: T, dst: &mut [u8])
    = expand_run_kernel);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    fn elements<T: Word>(values: &[T], indices: &[u16]) -> Vec<u8> {
        let mut bytes = vec![0; indices.len() * T::BYTES];
        for (element, &index) in bytes.chunks_exact_mut(T::BYTES).zip(indices) {
            values[usize::from(index)].store(element);
        }
        bytes
    }

    fn check<T: Word>() {
        let first = 77;
        for level in Level::available() {
            for len in 0..=130 {
                for count in [1, 2, 5, FEW] {
                    let words: Vec<T> = (0..count as u64).map(|i| T::new(first + i)).collect();
                    let (one, last) = (words[0], T::new(count as u64 - 1));
                    let indices: Vec<u16> =
                        (0..len).map(|i| (i * i + i / 3) % count as u16).collect();
                    let src = elements(&words, &indices);
                    let case = format!("{level:?}, {len} of {} bytes, {count} values", T::BYTES);
                    let mut found = vec![0xcccc; indices.len()];
                    assert!(indices_in_run(level, &src, one, last, &mut found), "{case}");
                    assert!(found == indices, "{case}");
                    found.fill(0xcccc);
                    assert!(indices_of_few(level, &src, &words, &mut found), "{case}");
                    assert!(found == indices, "{case}");
                    for at in 0..src.len() / T::BYTES {
                        let mut other = src.clone();
                        T::new(first + count as u64).store(&mut other[at * T::BYTES..][..T::BYTES]);
                        assert!(
                            !indices_of_few(level, &other, &words, &mut found),
                            "{case} at {at}"
                        );
                        assert!(
                            !indices_in_run(level, &other, one, last, &mut found),
                            "{case} at {at}"
                        );
                    }
                    let narrow: Vec<u8> = indices.iter().map(|&index| index as u8).collect();
                    let wide: Vec<u8> = indices
                        .iter()
                        .flat_map(|index| index.to_le_bytes())
                        .collect();
                    let mut back = vec![0xcc; src.len()];
                    expand_run(level, OneByte, &narrow, one, &mut back);
                    assert!(back == src, "{case}");
                    back.fill(0xcc);
                    expand_run(level, TwoBytes, &wide, one, &mut back);
                    assert!(back == src, "{case}");
                    let most = indices.iter().copied().max().unwrap_or(0);
                    assert_eq!(largest(level, OneByte, &narrow), most, "{case}");
                    assert_eq!(largest(level, TwoBytes, &wide), most, "{case}");
                }
            }
        }
    }

    #[test]
    fn every_level_finds_indices_and_strangers() {
        check::<u8>();
        check::<u16>();
        check::<u32>();
        check::<u64>();
        let ran: Vec<_> = Level::available().map(Level::name).collect();
        eprintln!("palette kernels ran at {}", ran.join(", "));
    }
}
