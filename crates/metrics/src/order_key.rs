//! Values as integers that sort alike, so that ranks and counts are found digit by digit for every element type.
//!
//! Integers have their sign bit flipped. Floats have all bits flipped where negative and the sign bit otherwise, the
//! usual order-preserving map of IEEE 754. −0 has the key of 0, because the two are one value. NaN has no key.

use crate::frames::Sample;

/// An element with an order-preserving key.
pub(crate) trait Ordered: Sample {
    /// Width of the key; it is right-aligned.
    const BITS: u32;

    /// The key; meaningless for NaN.
    fn key(self) -> u64;

    /// The value of a key.
    fn from_key(key: u64) -> Self;

    /// Whether it is not NaN.
    fn is_number(self) -> bool;

    /// The key of 0, where values are integers.
    fn zero_key_of_integer() -> Option<u64>;
}

macro_rules! ordered_integers {
    ($($type:ident $unsigned:ident $flip:expr;)*) => {$(
        impl Ordered for $type {
            const BITS: u32 = $type::BITS;

            #[inline(always)]
            fn key(self) -> u64 {
                u64::from(self as $unsigned ^ $flip)
            }

            #[inline(always)]
            fn from_key(key: u64) -> Self {
                (key as $unsigned ^ $flip) as $type
            }

            #[inline(always)]
            fn is_number(self) -> bool {
                true
            }

            fn zero_key_of_integer() -> Option<u64> {
                Some(Self::default().key())
            }
        }
    )*};
}
ordered_integers! {
    u8 u8 0; u16 u16 0; u32 u32 0; u64 u64 0;
    i8 u8 1 << 7; i16 u16 1 << 15; i32 u32 1 << 31; i64 u64 1 << 63;
}

macro_rules! ordered_floats {
    ($($type:ident $unsigned:ident;)*) => {$(
        impl Ordered for $type {
            const BITS: u32 = $unsigned::BITS;

            #[inline(always)]
            fn key(self) -> u64 {
                // −0 + 0 is 0.
                let bits = (self + 0.0).to_bits();
                let sign = 1 << ($unsigned::BITS - 1);
                u64::from(if bits & sign == 0 { bits | sign } else { !bits })
            }

            #[inline(always)]
            fn from_key(key: u64) -> Self {
                let key = key as $unsigned;
                let sign = 1 << ($unsigned::BITS - 1);
                $type::from_bits(if key & sign == 0 { !key } else { key ^ sign })
            }

            #[inline(always)]
            fn is_number(self) -> bool {
                !self.is_nan()
            }

            fn zero_key_of_integer() -> Option<u64> {
                None
            }
        }
    )*};
}
ordered_floats! { f32 u32; f64 u64; }

/// What is needed to read keys once the element type is forgotten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyKind {
    /// The value of a key, nearest where f64 does not hold it.
    pub(crate) value: fn(u64) -> f64,
    /// Whether keys differ by as much as values do.
    pub(crate) is_integer: bool,
}

impl KeyKind {
    /// That of a type.
    pub(crate) fn of<T: Ordered>() -> Self {
        Self {
            value: |key| T::from_key(key).to_f64(),
            is_integer: T::zero_key_of_integer().is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_sort_like<T: Ordered + std::fmt::Debug>(ascending: &[T]) {
        for pair in ascending.windows(2) {
            assert!(pair[0].key() < pair[1].key(), "{pair:?}");
        }
        for value in ascending {
            assert_eq!(T::from_key(value.key()), *value);
            if T::BITS < 64 {
                assert!(value.key() < 1 << T::BITS, "{value:?}");
            }
        }
    }

    #[test]
    fn keys_sort_like_values() {
        keys_sort_like(&[i8::MIN, -1, 0, 1, i8::MAX]);
        keys_sort_like(&[0, 1, u16::MAX]);
        keys_sort_like(&[i32::MIN, -1, 0, 1, i32::MAX]);
        keys_sort_like(&[i64::MIN, -1, 0, 1, i64::MAX]);
        keys_sort_like(&[0, 1, u64::MAX]);
        keys_sort_like(&[
            f32::NEG_INFINITY,
            -1.0,
            -1e-45,
            0.0,
            1e-45,
            1.0,
            f32::INFINITY,
        ]);
        keys_sort_like(&[f64::NEG_INFINITY, -1.0, -5e-324, 0.0, 5e-324, f64::INFINITY]);
        assert_eq!((-0.0f32).key(), 0.0f32.key());
        assert_eq!((-0.0f64).key(), 0.0f64.key());
    }
}
