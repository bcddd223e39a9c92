//! Elements as numbers: typed access to the bytes of a chunk, in either byte order.
//!
//! A codec asks [`for_number!`] for the type of its elements once per chunk and then works on [`load`]ed blocks, so
//! its loops are ordinary code on slices of a Rust number.

use crate::f16_rounding::f16_from_f64;
use crate::{ByteOrder, Element, ElementClass, Error, Layout, Spec};

/// Elements that a codec handles at once: a block of any type stays in the L1 or L2 cache.
pub(crate) const BLOCK: usize = 2048;

/// A Rust number that stands for an element.
pub(crate) trait Number: Copy + Default + PartialOrd + Send + Sync + 'static {
    /// Size in bytes.
    const BYTES: usize;
    /// Whether the type is floating point.
    const FLOAT: bool;
    /// The value, exact for all types up to 32 bits and f64; nearest otherwise.
    fn to_f64(self) -> f64;
    /// The nearest value of the type: rounded to even for floats, half away from zero for integers, and clamped to the
    /// range of the type.
    fn from_f64(value: f64) -> Self;
    /// The bit pattern, zero-extended.
    fn to_bits(self) -> u64;
    /// The value with this bit pattern (low bits).
    fn from_bits(bits: u64) -> Self;
    /// Reads a value in decimal notation, exactly for integers.
    fn parse(text: &str) -> Option<Self>;
    /// The value as stored in `bytes`.
    fn read(bytes: &[u8], order: ByteOrder) -> Self;
    /// Stores the value.
    fn write(self, bytes: &mut [u8], order: ByteOrder);
}

macro_rules! number {
    ($type:ty, $bits:ty, $float:expr, $to:expr, $from:expr, $from_bits:expr, $to_bits:expr) => {
        impl Number for $type {
            const BYTES: usize = size_of::<$type>();
            const FLOAT: bool = $float;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                $to(self)
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                $from(value)
            }
            #[inline(always)]
            fn to_bits(self) -> u64 {
                u64::from($to_bits(self))
            }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                $from_bits(bits as $bits)
            }
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            #[inline(always)]
            fn read(bytes: &[u8], order: ByteOrder) -> Self {
                let bytes = crate::frame::array(bytes);
                match order {
                    ByteOrder::Little => Self::from_le_bytes(bytes),
                    ByteOrder::Big => Self::from_be_bytes(bytes),
                }
            }
            #[inline(always)]
            fn write(self, bytes: &mut [u8], order: ByteOrder) {
                bytes.copy_from_slice(&match order {
                    ByteOrder::Little => self.to_le_bytes(),
                    ByteOrder::Big => self.to_be_bytes(),
                });
            }
        }
    };
    (integer $type:ty, $bits:ty) => {
        number!(
            $type,
            $bits,
            false,
            |value| value as f64,
            |value: f64| value.round() as $type,
            |bits| bits as $type,
            |value| value as $bits
        );
    };
}

number!(integer u8, u8);
number!(integer u16, u16);
number!(integer u32, u32);
number!(integer u64, u64);
number!(integer i8, u8);
number!(integer i16, u16);
number!(integer i32, u32);
number!(integer i64, u64);
number!(
    half::f16,
    u16,
    true,
    half::f16::to_f64_const,
    f16_from_f64,
    half::f16::from_bits,
    half::f16::to_bits
);
number!(
    f32,
    u32,
    true,
    |value| value as f64,
    |value| value as f32,
    f32::from_bits,
    f32::to_bits
);
number!(
    f64,
    u64,
    true,
    |value| value,
    |value| value,
    f64::from_bits,
    f64::to_bits
);

/// Runs `$body` with `$type` standing for the Rust number of `$element`; an error for elements that are no number.
macro_rules! for_number {
    ($element:expr, $type:ident => $body:expr) => {{
        use $crate::ElementClass::{Float, Signed, Unsigned};
        let element: &$crate::Element = $element;
        match (element.class, element.bytes) {
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
            (Unsigned, 8) => {
                type $type = u64;
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
            (Signed, 8) => {
                type $type = i64;
                $body
            }
            (Float, 2) => {
                type $type = half::f16;
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
            _ => Err($crate::numbers::no_number(element)),
        }
    }};
}
pub(crate) use for_number;

/// Why elements that are no numbers cannot be coded with loss.
pub(crate) fn no_number(element: &Element) -> Error {
    let class = match element.class {
        ElementClass::Other => {
            "compound, enumerated, complex, string, reference or opaque elements"
        }
        ElementClass::Float => "floats",
        _ => "integers",
    };
    Error::Settings(format!(
        "{class} of {} bytes are not numbers this codec knows; store them with bitshuffle or dictionary",
        element.bytes
    ))
}

/// Reads the elements in `bytes` into the front of `block`; returns how many.
#[inline(always)]
pub(crate) fn load<T: Number>(bytes: &[u8], order: ByteOrder, block: &mut [T]) -> usize {
    for (value, bytes) in block.iter_mut().zip(bytes.chunks_exact(T::BYTES)) {
        *value = T::read(bytes, order);
    }
    bytes.len() / T::BYTES
}

/// Writes `values` to `bytes`, which has room for exactly these.
#[inline(always)]
pub(crate) fn store<T: Number>(values: &[T], order: ByteOrder, bytes: &mut [u8]) {
    for (value, bytes) in values.iter().zip(bytes.chunks_exact_mut(T::BYTES)) {
        value.write(bytes, order);
    }
}

/// Values that come back bit for bit: masked values and the fill value. NaN and infinities are exact by rule.
pub(crate) struct ExactValues<T> {
    bits: Vec<u64>,
    of: std::marker::PhantomData<T>,
}

impl<T: Number> ExactValues<T> {
    /// The mask values of a SPEC and the fill value of the layout.
    pub(crate) fn new(spec: &Spec, layout: &Layout) -> Result<Self, Error> {
        let mut bits = Vec::new();
        for word in spec.values("mask") {
            let value = T::parse(word).ok_or_else(|| {
                Error::Settings(format!(
                    "{}: mask={word} is no value of the element type",
                    spec.codec().name
                ))
            })?;
            bits.push(value.to_bits());
        }
        if let Some(fill) = layout.fill.as_deref().filter(|fill| fill.len() == T::BYTES) {
            bits.push(T::read(fill, layout.element.order).to_bits());
        }
        bits.sort_unstable();
        bits.dedup();
        Ok(Self {
            bits,
            of: std::marker::PhantomData,
        })
    }

    /// The bit patterns, sorted.
    pub(crate) fn bits(&self) -> &[u64] {
        &self.bits
    }

    /// Whether `value` must come back bit for bit.
    #[inline(always)]
    pub(crate) fn contains(&self, value: T) -> bool {
        (T::FLOAT && !value.to_f64().is_finite()) || self.bits.contains(&value.to_bits())
    }
}
