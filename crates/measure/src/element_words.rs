//! Elements of up to 8 bytes as the integers that their bits are.

use etalon_codec::{ByteOrder, Element, ElementClass};

/// One word per element of `bytes`, zero-extended; `None` for elements that are no numbers.
pub(crate) fn words<'a>(
    element: &Element,
    bytes: &'a [u8],
) -> Option<impl Iterator<Item = u64> + use<'a>> {
    let (size, order) = (element.bytes, element.order);
    let is_number = element.class != ElementClass::Other && (1..=8).contains(&size);
    is_number.then(|| {
        bytes.chunks_exact(size).map(move |element| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(element);
            if matches!(order, ByteOrder::Big) {
                word[..size].reverse();
            }
            u64::from_le_bytes(word)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_give_the_same_words() {
        let element = |order, class| Element {
            class,
            bytes: 3,
            order,
        };
        let read = |order| {
            let words = words(&element(order, ElementClass::Unsigned), &[1, 2, 3, 4, 5, 6]);
            words.map(Iterator::collect::<Vec<_>>)
        };
        assert_eq!(read(ByteOrder::Little), Some(vec![0x03_0201, 0x06_0504]));
        assert_eq!(read(ByteOrder::Big), Some(vec![0x01_0203, 0x04_0506]));
        assert!(words(&element(ByteOrder::Big, ElementClass::Other), &[1, 2, 3]).is_none());
    }
}
