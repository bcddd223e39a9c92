//! The largest error of a decoded chunk.

use etalon_codec::{ByteOrder, Element, ElementClass};

/// Largest |decoded − raw| over two chunks of the same elements; 0 where they are equal bit for bit.
///
/// A value that is NaN on one side only, and any difference between elements that are no numbers, is an infinite
/// error.
pub(crate) fn max_abs_error(element: &Element, raw: &[u8], decoded: &[u8]) -> f64 {
    if raw == decoded {
        return 0.0;
    }
    if raw.len() != decoded.len() {
        return f64::INFINITY;
    }
    raw.chunks(element.bytes)
        .zip(decoded.chunks(element.bytes))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| difference(element, a, b))
        .fold(0.0, f64::max)
}

fn difference(element: &Element, a: &[u8], b: &[u8]) -> f64 {
    let (Some(a_bits), Some(b_bits)) = (bits(element, a), bits(element, b)) else {
        return f64::INFINITY;
    };
    let unused = 64 - 8 * element.bytes as u32;
    match (element.class, element.bytes) {
        (ElementClass::Unsigned, _) => a_bits.abs_diff(b_bits) as f64,
        (ElementClass::Signed, _) => {
            let signed = |bits: u64| (bits << unused) as i64 >> unused;
            signed(a_bits).abs_diff(signed(b_bits)) as f64
        }
        (ElementClass::Float, 4) => float_difference(
            f64::from(f32::from_bits(a_bits as u32)),
            f64::from(f32::from_bits(b_bits as u32)),
        ),
        (ElementClass::Float, 8) => {
            float_difference(f64::from_bits(a_bits), f64::from_bits(b_bits))
        }
        _ => f64::INFINITY,
    }
}

fn bits(element: &Element, bytes: &[u8]) -> Option<u64> {
    if bytes.len() != element.bytes || bytes.len() > 8 {
        return None;
    }
    let mut word = [0; 8];
    match element.order {
        ByteOrder::Little => word[..bytes.len()].copy_from_slice(bytes),
        ByteOrder::Big => bytes
            .iter()
            .rev()
            .zip(&mut word)
            .for_each(|(from, to)| *to = *from),
    }
    Some(u64::from_le_bytes(word))
}

fn float_difference(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let error = (a - b).abs();
    if error.is_nan() { f64::INFINITY } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(class: ElementClass, bytes: usize, order: ByteOrder) -> Element {
        Element {
            class,
            bytes,
            order,
        }
    }

    #[test]
    fn errors_are_those_of_the_numbers() {
        let (little, big) = (ByteOrder::Little, ByteOrder::Big);
        let u16_little = element(ElementClass::Unsigned, 2, little);
        assert_eq!(
            max_abs_error(&u16_little, &[0, 1, 5, 0], &[0, 1, 0, 1]),
            251.0
        );
        let i16_big = element(ElementClass::Signed, 2, big);
        assert_eq!(max_abs_error(&i16_big, &[0xff, 0xff], &[0, 1]), 2.0);
        let f32_big = element(ElementClass::Float, 4, big);
        let (a, b, nan) = (
            1.5f32.to_be_bytes(),
            1.25f32.to_be_bytes(),
            f32::NAN.to_be_bytes(),
        );
        assert_eq!(max_abs_error(&f32_big, &a, &b), 0.25);
        assert_eq!(max_abs_error(&f32_big, &nan, &nan), 0.0);
        assert_eq!(max_abs_error(&f32_big, &nan, &b), f64::INFINITY);
        let other = element(ElementClass::Other, 3, little);
        assert_eq!(max_abs_error(&other, &[1, 2, 3], &[1, 2, 4]), f64::INFINITY);
    }
}
