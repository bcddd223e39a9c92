//! Elements as `i32` for the predictor: integers of up to 32 bits, and floats that hold whole numbers.
//!
//! Unsigned integers of 32 bits wrap. Floats must be whole numbers of magnitude below 2³¹ and no −0.0, except for one bit
//! pattern, such as a NaN, which becomes the least `i32`.

use crate::numbers::{Number, load, store};
use crate::{ByteOrder, Layout};

/// Numbers converted at once.
const BLOCK: usize = 1024;
/// What the pattern of a float that is no whole number becomes.
pub(super) const ODD: i32 = i32::MIN;

/// A Rust number that the predictor takes.
pub(super) trait Predictable: Number {
    /// The number that stands for this one; for floats `None` where it is no whole number.
    fn to_number(self) -> Option<i32>;
    fn from_number(number: i32) -> Self;
}

macro_rules! predictable {
    ($($type:ty),+) => { $(
        impl Predictable for $type {
            #[inline(always)]
            fn to_number(self) -> Option<i32> {
                Some(self as i32)
            }
            #[inline(always)]
            fn from_number(number: i32) -> Self {
                number as $type
            }
        }
    )+ };
}
predictable!(u8, u16, u32, i8, i16, i32);

macro_rules! predictable_float {
    ($($type:ty),+) => { $(
        impl Predictable for $type {
            #[inline(always)]
            fn to_number(self) -> Option<i32> {
                let number = self as i32;
                let same = (number as $type).to_bits() == self.to_bits();
                (same && number != ODD && number != i32::MAX).then_some(number)
            }
            #[inline(always)]
            fn from_number(number: i32) -> Self {
                number as $type
            }
        }
    )+ };
}
predictable_float!(f32, f64);

/// Runs `$body` with `$type` standing for the Rust number of a layout; `$otherwise` for elements that are not taken.
macro_rules! for_predictable {
    ($layout:expr, $type:ident => $body:expr, $otherwise:expr) => {{
        use $crate::ElementClass::{Float, Signed, Unsigned};
        match ($layout.element.class, $layout.element.bytes) {
            (Unsigned, 1) => {
                type $type = u8;
                $body
            }
            (Unsigned, 2) => {
                type $type = u16;
                $body
            }
            (Unsigned, 4) => {
                type $type = u32;
                $body
            }
            (Signed, 1) => {
                type $type = i8;
                $body
            }
            (Signed, 2) => {
                type $type = i16;
                $body
            }
            (Signed, 4) => {
                type $type = i32;
                $body
            }
            (Float, 4) => {
                type $type = f32;
                $body
            }
            (Float, 8) => {
                type $type = f64;
                $body
            }
            _ => $otherwise,
        }
    }};
}

/// Converts a chunk; returns the pattern that became [`ODD`], if one did. `None` where the elements are not taken.
pub(super) fn to_numbers(
    layout: &Layout,
    bytes: &[u8],
    numbers: &mut Vec<i32>,
) -> Option<Option<u64>> {
    for_predictable!(layout, T => typed_to_numbers::<T>(bytes, layout.element.order, numbers), None)
}

fn typed_to_numbers<T: Predictable>(
    bytes: &[u8],
    order: ByteOrder,
    numbers: &mut Vec<i32>,
) -> Option<Option<u64>> {
    let count = bytes.len() / T::BYTES;
    numbers.clear();
    numbers.reserve_exact(count);
    let mut block = [T::default(); BLOCK];
    let mut odd = None;
    for bytes in bytes.chunks(BLOCK * T::BYTES) {
        let len = match order {
            ByteOrder::Little => load(bytes, ByteOrder::Little, &mut block),
            ByteOrder::Big => load(bytes, ByteOrder::Big, &mut block),
        };
        let start = numbers.len();
        numbers.extend(block[..len].iter().map(|x| x.to_number().unwrap_or(ODD)));
        if T::FLOAT {
            let found = numbers[start..]
                .iter()
                .zip(&block)
                .filter(|(number, _)| **number == ODD);
            for (_, &x) in found {
                if *odd.get_or_insert(x.to_bits()) != x.to_bits() {
                    return None;
                }
            }
        }
    }
    Some(odd)
}

/// Converts numbers back; false where the elements are not taken or a number is not possible.
pub(super) fn from_numbers(
    layout: &Layout,
    numbers: &[i32],
    odd: Option<u64>,
    bytes: &mut [u8],
) -> bool {
    for_predictable!(layout, T => {
        typed_from_numbers::<T>(numbers, odd, layout.element.order, bytes);
        true
    }, false)
}

fn typed_from_numbers<T: Predictable>(
    numbers: &[i32],
    odd: Option<u64>,
    order: ByteOrder,
    bytes: &mut [u8],
) {
    let mut block = [T::default(); BLOCK];
    for (numbers, bytes) in numbers
        .chunks(BLOCK)
        .zip(bytes.chunks_mut(BLOCK * T::BYTES))
    {
        let block = &mut block[..numbers.len()];
        for (value, &number) in block.iter_mut().zip(numbers) {
            *value = T::from_number(number);
        }
        if let Some(pattern) = odd {
            let found = block
                .iter_mut()
                .zip(numbers)
                .filter(|(_, number)| **number == ODD);
            found.for_each(|(value, _)| *value = T::from_bits(pattern));
        }
        match order {
            ByteOrder::Little => store(block, ByteOrder::Little, bytes),
            ByteOrder::Big => store(block, ByteOrder::Big, bytes),
        }
    }
}

/// The number of a value as stored, if it is taken.
pub(super) fn number_of(layout: &Layout, stored: &[u8]) -> Option<i32> {
    for_predictable!(layout, T => {
        (stored.len() == T::BYTES).then(|| T::read(stored, layout.element.order).to_number())?
    }, None)
}
