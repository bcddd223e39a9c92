//! HDF5's shuffle filter: bytes of equal significance side by side.
//!
//! Elements of 2, 4 and 8 bytes have loops of their own, which the compiler turns into vector instructions; their plain
//! version is [`any_size`], which serves all others. Bytes after the last whole element stay where they are.

/// Brings byte k of every element together, for each k. `dst` is as long as `src`.
pub(crate) fn shuffle(element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    let whole = whole_bytes(element_bytes, src.len());
    let (elements, planes) = (&src[..whole], &mut dst[..whole]);
    if whole > 0 {
        let count = whole / element_bytes;
        for (byte, plane) in planes.chunks_exact_mut(count).enumerate() {
            for (to, element) in plane.iter_mut().zip(elements.chunks_exact(element_bytes)) {
                *to = element[byte];
            }
        }
    }
    dst[whole..].copy_from_slice(&src[whole..]);
}

/// Undoes [`shuffle`].
pub(crate) fn unshuffle(element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    let whole = whole_bytes(element_bytes, src.len());
    let (planes, elements) = (&src[..whole], &mut dst[..whole]);
    match element_bytes {
        2 => fixed_size::<2>(planes, elements),
        4 => fixed_size::<4>(planes, elements),
        8 => fixed_size::<8>(planes, elements),
        _ => any_size(element_bytes, planes, elements),
    }
    dst[whole..].copy_from_slice(&src[whole..]);
}

/// HDF5 leaves single bytes and single elements alone.
fn whole_bytes(element_bytes: usize, len: usize) -> usize {
    if element_bytes < 2 {
        0
    } else {
        len / element_bytes * element_bytes
    }
}

fn fixed_size<const BYTES: usize>(planes: &[u8], elements: &mut [u8]) {
    let count = elements.len() / BYTES;
    let plane: [&[u8]; BYTES] = std::array::from_fn(|byte| &planes[byte * count..][..count]);
    let (elements, _) = elements.as_chunks_mut::<BYTES>();
    for (at, element) in elements.iter_mut().enumerate() {
        *element = std::array::from_fn(|byte| plane[byte][at]);
    }
}

fn any_size(element_bytes: usize, planes: &[u8], elements: &mut [u8]) {
    if elements.is_empty() {
        return;
    }
    let count = elements.len() / element_bytes;
    for (byte, plane) in planes.chunks_exact(count).enumerate() {
        for (from, element) in plane.iter().zip(elements.chunks_exact_mut(element_bytes)) {
            element[byte] = *from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_equal_significance_stand_together() {
        let mut shuffled = [0; 7];
        shuffle(3, &[1, 2, 3, 11, 12, 13, 99], &mut shuffled);
        assert_eq!(shuffled, [1, 11, 2, 12, 3, 13, 99]);
    }

    #[test]
    fn every_size_and_length_comes_back() {
        for element_bytes in 0..=17 {
            for len in 0..=130 {
                let src: Vec<u8> = (0..len).map(|at| at as u8).collect();
                let (mut shuffled, mut back) = (vec![0xcc; len], vec![0xcc; len]);
                shuffle(element_bytes, &src, &mut shuffled);
                unshuffle(element_bytes, &shuffled, &mut back);
                assert_eq!(back, src, "{element_bytes} {len}");
            }
        }
    }
}
