//! Elements as they lie in a file, as numbers of their own type.

use etalon_codec::{ByteOrder, Element, ElementClass};
use etalon_metrics::Values;

/// Numbers of one type; the memory is used again from block to block.
pub(crate) enum TypedValues {
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Runs an expression on the vector inside, whatever its type.
macro_rules! for_vector {
    ($typed:expr, |$vector:ident| $body:expr) => {
        match $typed {
            TypedValues::I8($vector) => $body,
            TypedValues::U8($vector) => $body,
            TypedValues::I16($vector) => $body,
            TypedValues::U16($vector) => $body,
            TypedValues::I32($vector) => $body,
            TypedValues::U32($vector) => $body,
            TypedValues::I64($vector) => $body,
            TypedValues::U64($vector) => $body,
            TypedValues::F32($vector) => $body,
            TypedValues::F64($vector) => $body,
        }
    };
}

impl TypedValues {
    /// No numbers yet, of the type of `element`; `None` where that is no number. Half precision is read as f32.
    pub(crate) fn new(element: &Element) -> Option<Self> {
        use ElementClass::{Float, Other, Signed, Unsigned};
        Some(match (element.class, element.bytes) {
            (Signed, 1) => Self::I8(Vec::new()),
            (Unsigned, 1) => Self::U8(Vec::new()),
            (Signed, 2) => Self::I16(Vec::new()),
            (Unsigned, 2) => Self::U16(Vec::new()),
            (Signed, 4) => Self::I32(Vec::new()),
            (Unsigned, 4) => Self::U32(Vec::new()),
            (Signed, 8) => Self::I64(Vec::new()),
            (Unsigned, 8) => Self::U64(Vec::new()),
            (Float, 2 | 4) => Self::F32(Vec::new()),
            (Float, 8) => Self::F64(Vec::new()),
            (Signed | Unsigned | Float | Other, _) => return None,
        })
    }

    /// Takes the elements that `bytes` holds, in place of those before.
    pub(crate) fn load(&mut self, element: &Element, bytes: &[u8]) {
        if let (Self::F32(values), 2) = (&mut *self, element.bytes) {
            values.clear();
            values.extend(bytes.chunks_exact(2).map(|pair| half(pair, element.order)));
            return;
        }
        for_vector!(self, |vector| load(vector, element.order, bytes));
    }

    /// The numbers.
    pub(crate) fn values(&self) -> Values<'_> {
        match self {
            Self::I8(values) => Values::I8(values),
            Self::U8(values) => Values::U8(values),
            Self::I16(values) => Values::I16(values),
            Self::U16(values) => Values::U16(values),
            Self::I32(values) => Values::I32(values),
            Self::U32(values) => Values::U32(values),
            Self::I64(values) => Values::I64(values),
            Self::U64(values) => Values::U64(values),
            Self::F32(values) => Values::F32(values),
            Self::F64(values) => Values::F64(values),
        }
    }

    /// The numbers as f64, the nearest where that cannot hold them.
    pub(crate) fn to_f64(&self) -> Vec<f64> {
        for_vector!(self, |vector| vector
            .iter()
            .map(|&value| value.number())
            .collect())
    }

    /// Which elements are data: not one of `mask`, and not NaN. `None` where all are.
    pub(crate) fn valid(&self, mask: &[f64]) -> Option<Vec<bool>> {
        if mask.is_empty() && !matches!(self, Self::F32(_) | Self::F64(_)) {
            return None;
        }
        let valid: Vec<bool> = for_vector!(self, |vector| vector
            .iter()
            .map(|&value| {
                let value = value.number();
                !value.is_nan() && !mask.contains(&value)
            })
            .collect());
        valid.contains(&false).then_some(valid)
    }
}

trait Stored: Sized {
    fn read(bytes: &[u8], order: ByteOrder) -> Self;
    fn number(self) -> f64;
}

macro_rules! stored {
    ($($type:ty)*) => {$(
        impl Stored for $type {
            fn read(bytes: &[u8], order: ByteOrder) -> Self {
                let mut array = [0; size_of::<$type>()];
                array.copy_from_slice(bytes);
                match order {
                    ByteOrder::Little => <$type>::from_le_bytes(array),
                    ByteOrder::Big => <$type>::from_be_bytes(array),
                }
            }

            fn number(self) -> f64 {
                self as f64
            }
        }
    )*};
}
stored!(i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);

fn load<T: Stored>(vector: &mut Vec<T>, order: ByteOrder, bytes: &[u8]) {
    vector.clear();
    let elements = bytes.chunks_exact(size_of::<T>());
    // The order is asked once, so that the loop is a copy where the machine has the same.
    match order {
        ByteOrder::Little => vector.extend(elements.map(|one| T::read(one, ByteOrder::Little))),
        ByteOrder::Big => vector.extend(elements.map(|one| T::read(one, ByteOrder::Big))),
    }
}

/// IEEE 754 binary16, which f32 holds exactly.
fn half(bytes: &[u8], order: ByteOrder) -> f32 {
    let bits = u16::read(bytes, order);
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => return f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        0x1f => 0xff << 23 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_are_read() {
        for (order, bytes) in [
            (ByteOrder::Little, [1, 0, 255, 255]),
            (ByteOrder::Big, [0, 1, 255, 255]),
        ] {
            let element = Element {
                class: ElementClass::Signed,
                bytes: 2,
                order,
            };
            let mut typed = TypedValues::new(&element).unwrap();
            typed.load(&element, &bytes);
            assert_eq!(*typed.values().to_f64(0..2), [1.0, -1.0]);
            assert_eq!(typed.valid(&[-1.0]), Some(vec![true, false]));
            assert_eq!(typed.valid(&[-2.0]), None);
        }
    }

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000_u16, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(&bits.to_le_bytes(), ByteOrder::Little), value);
        }
        assert!(half(&[0, 0x7e], ByteOrder::Little).is_nan());
    }
}
