//! What a codec may know about the numbers in a chunk.

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

/// Element type and extent of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The element type.
    pub element: Element,
    /// Extent of the chunk in elements, slowest dimension first.
    pub shape: Vec<usize>,
}

impl Layout {
    /// Size of a whole chunk in bytes, or `None` where it exceeds the address space.
    pub fn chunk_bytes(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(self.element.bytes, |bytes, &extent| {
                bytes.checked_mul(extent)
            })
    }
}
