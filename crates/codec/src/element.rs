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
