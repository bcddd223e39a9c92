//! What a codec may know about the numbers in a chunk.

use std::str::FromStr;

use crate::Error;

/// Byte order of the stored elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Kind of number an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementClass {
    /// Unsigned integer.
    Unsigned,
    /// Two's complement integer.
    Signed,
    /// IEEE 754 floating point.
    Float,
    /// Anything else (compound, string, reference, opaque …): only its size is known.
    Other,
}

/// One element of a chunk: class, size and byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Kind of number.
    pub class: ElementClass,
    /// Size of one element in bytes.
    pub bytes: usize,
    /// Byte order as stored.
    pub order: ByteOrder,
}

/// Reads numpy's notation: `u2`, `<i4`, `>f8`, `uint16`, `float32`, and `V12` where only the size is known.
impl FromStr for Element {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let no_type = || {
            Error::Settings(format!(
                "'{text}' is no element type; use one like u2, i4, f4, uint16 or float32"
            ))
        };
        let (order, name) = match text.as_bytes() {
            [b'>', ..] => (ByteOrder::Big, &text[1..]),
            [b'<' | b'=' | b'|', ..] => (ByteOrder::Little, &text[1..]),
            _ => (ByteOrder::Little, text),
        };
        let at = name
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(name.len());
        let (class, unit) = match &name[..at] {
            "u" => (ElementClass::Unsigned, 1),
            "i" => (ElementClass::Signed, 1),
            "f" => (ElementClass::Float, 1),
            "uint" => (ElementClass::Unsigned, 8),
            "int" => (ElementClass::Signed, 8),
            "float" => (ElementClass::Float, 8),
            "V" | "S" => (ElementClass::Other, 1),
            _ => return Err(no_type()),
        };
        let size: usize = name[at..].parse().map_err(|_| no_type())?;
        let bytes = size / unit;
        let exists = match class {
            ElementClass::Float => matches!(bytes, 2 | 4 | 8 | 16),
            ElementClass::Other => bytes > 0,
            _ => matches!(bytes, 1 | 2 | 4 | 8),
        };
        if !exists || !size.is_multiple_of(unit) {
            return Err(Error::Settings(format!(
                "there is no {text}: integers have 1, 2, 4 or 8 bytes, floats 2, 4 or 8"
            )));
        }
        Ok(Self {
            class,
            bytes,
            order,
        })
    }
}

/// Element type and extent of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The element type.
    pub element: Element,
    /// Extent of the chunk in elements, slowest dimension first.
    pub shape: Vec<usize>,
    /// The fill value as stored, where one is defined: lossy codecs keep it exact.
    pub fill: Option<Vec<u8>>,
}

impl Layout {
    /// A layout without fill value.
    pub fn new(element: Element, shape: Vec<usize>) -> Self {
        Self {
            element,
            shape,
            fill: None,
        }
    }

    /// Number of elements, or `None` where it exceeds the address space.
    pub fn elements(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |product, &extent| product.checked_mul(extent))
    }

    /// Rows and columns of a frame: the last two dimensions, with 1 for those that are missing.
    pub fn frame_shape(&self) -> (usize, usize) {
        match *self.shape {
            [] => (1, 1),
            [columns] => (1, columns),
            [.., rows, columns] => (rows, columns),
        }
    }

    /// Size of a whole chunk in bytes, or `None` where it exceeds the address space.
    pub fn chunk_bytes(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(self.element.bytes, |bytes, &extent| {
                bytes.checked_mul(extent)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numpy_names_are_understood() {
        for (text, class, bytes, order) in [
            ("u2", ElementClass::Unsigned, 2, ByteOrder::Little),
            (">i4", ElementClass::Signed, 4, ByteOrder::Big),
            ("float32", ElementClass::Float, 4, ByteOrder::Little),
            ("|u1", ElementClass::Unsigned, 1, ByteOrder::Little),
            ("V12", ElementClass::Other, 12, ByteOrder::Little),
        ] {
            assert_eq!(
                text.parse(),
                Ok(Element {
                    class,
                    bytes,
                    order
                }),
                "{text}"
            );
        }
        for text in ["", "u3", "int12", "f1", "counts", "u", "uint", "é2"] {
            assert!(text.parse::<Element>().is_err(), "{text}");
        }
    }
}
