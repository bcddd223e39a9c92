//! Padding of chunks that reach beyond the edge of their dataset.
//!
//! HDF5 hands a filter whole chunks and does not say which part of them is data. What lies beyond the edge has the fill
//! value, and without one it is zero.

use crate::Layout;

/// Whether a chunk ends, along some dimension, with nothing but zero bytes: then its zeros may be padding. Frames whose
/// last row or column was measured as zero look the same.
pub(crate) fn may_be_padded(layout: &Layout, bytes: &[u8]) -> bool {
    let mut slab = layout.element.bytes;
    for &extent in layout.shape.iter().rev() {
        let ends_in_zeros = |line: &[u8]| line[line.len() - slab..].iter().all(|&byte| byte == 0);
        if extent > 1 && slab > 0 && bytes.chunks_exact(slab * extent).all(ends_in_zeros) {
            return true;
        }
        slab *= extent;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    fn is_padded(shape: &[usize], value: impl Fn(&[usize]) -> u16) -> bool {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, shape.to_vec());
        let mut bytes = Vec::new();
        for i in 0..shape.iter().product() {
            let mut at = vec![0; shape.len()];
            let mut rest: usize = i;
            for (place, extent) in at.iter_mut().zip(shape).rev() {
                *place = rest % extent;
                rest /= extent;
            }
            bytes.extend(value(&at).to_le_bytes());
        }
        may_be_padded(&layout, &bytes)
    }

    #[test]
    fn zeros_at_the_end_of_any_dimension_may_be_padding() {
        let shape = [3, 4, 5];
        for dimension in 0..3 {
            let last = shape[dimension] - 1;
            assert!(is_padded(&shape, |at| u16::from(at[dimension] < last)));
            assert!(!is_padded(&shape, |at| u16::from(at[dimension] > 0)));
        }
        assert!(!is_padded(&shape, |at| u16::from(at != [2, 3, 4])));
        assert!(is_padded(&[7], |at| at[0] as u16 % 6));
        assert!(!is_padded(&[1], |_| 0) && !is_padded(&[], |_| 0));
    }
}
