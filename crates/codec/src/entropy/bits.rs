//! Bit-packing of indices: of each index only the low bits, bit plane by bit plane.
//!
//! Indices come in blocks of [`BLOCK`]; the last block may be short. A block of m indices of `bits` bits is `bits`
//! planes of ⌈m/8⌉ bytes, the plane of the lowest bit first; in a plane, index i is bit i mod 8 of byte ⌊i/8⌋, and bits
//! beyond the last index are zero. So packing is the bit transposition of bitshuffle without the planes that are
//! empty, and runs at its speed whatever the number of bits.

use crate::kernels::bittranspose::{bit_transpose, bit_untranspose};
use crate::kernels::levels::Level;

/// Indices in a block: its planes and its indices of up to 4 bytes stay in the L1 cache.
pub(crate) const BLOCK: usize = 4096;
const GROUP: usize = 8;

/// Bits that hold every index up to `max`; none where there is only one.
pub(crate) fn bits_for(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Bytes that `elements` indices of `bits` bits take, or `None` beyond the address space.
pub(crate) fn packed_len(elements: usize, bits: u32) -> Option<usize> {
    elements.div_ceil(GROUP).checked_mul(bits as usize)
}

/// Packs indices of `width` bytes, little-endian, into all of `dst`, which is `packed_len` long. None of them may need
/// more than `bits` bits.
pub(crate) fn pack(width: usize, indices: &[u8], bits: u32, dst: &mut [u8]) {
    let level = Level::best();
    let mut planes = [0; 4 * BLOCK];
    let mut dst = dst;
    for block in indices.chunks(BLOCK * width) {
        let len = padded(block.len(), width);
        let kept = len / (GROUP * width) * bits as usize;
        let (front, rest) = std::mem::take(&mut dst).split_at_mut(kept);
        if len == block.len() {
            bit_transpose(level, width, block, &mut planes[..len]);
        } else {
            let mut short = [0; 4 * BLOCK];
            short[..block.len()].copy_from_slice(block);
            bit_transpose(level, width, &short[..len], &mut planes[..len]);
        }
        front.copy_from_slice(&planes[..kept]);
        dst = rest;
    }
}

/// Unpacks `src`, which is `packed_len(elements, bits)` long, and gives the indices of each block in turn, of `width`
/// bytes, little-endian, to `consume` until that returns false.
pub(crate) fn unpack(
    width: usize,
    src: &[u8],
    bits: u32,
    elements: usize,
    mut consume: impl FnMut(&[u8]) -> bool,
) -> bool {
    let mut unpacker = Unpacker::new(width, src, bits, elements);
    let mut block = [0; 4 * BLOCK];
    loop {
        match unpacker.next(&mut block) {
            0 => return true,
            len if !consume(&block[..len]) => return false,
            _ => {}
        }
    }
}

/// Unpacks block by block.
pub(crate) struct Unpacker<'a> {
    width: usize,
    src: &'a [u8],
    bits: u32,
    /// Indices that are not unpacked.
    left: usize,
    planes: [u8; 4 * BLOCK],
    /// Bytes of the planes of the block before.
    last: usize,
}

impl<'a> Unpacker<'a> {
    /// `src` is `packed_len(elements, bits)` long.
    pub(crate) fn new(width: usize, src: &'a [u8], bits: u32, elements: usize) -> Self {
        Self {
            width,
            src,
            bits,
            left: elements,
            planes: [0; 4 * BLOCK],
            last: 0,
        }
    }

    /// Puts the indices of the next block in front of `block`, which has room for [`BLOCK`]; returns their bytes, none
    /// after the last.
    pub(crate) fn next(&mut self, block: &mut [u8]) -> usize {
        let count = BLOCK.min(self.left);
        let len = padded(count * self.width, self.width);
        let kept = len / (GROUP * self.width) * self.bits as usize;
        let (front, rest) = self.src.split_at(kept);
        self.planes[..kept].copy_from_slice(front);
        if len != self.last {
            self.planes[kept..len].fill(0);
            self.last = len;
        }
        let planes = &self.planes[..len];
        bit_untranspose(Level::best(), self.width, planes, &mut block[..len]);
        self.src = rest;
        self.left -= count;
        count * self.width
    }
}

/// Bytes of a block that is filled up to a multiple of 8 indices.
fn padded(block_bytes: usize, width: usize) -> usize {
    block_bytes.next_multiple_of(GROUP * width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_follows_the_formula_and_unpacking_inverts_it() {
        for (width, bits) in [
            (1, 0),
            (1, 1),
            (1, 5),
            (1, 8),
            (2, 9),
            (2, 16),
            (4, 17),
            (4, 32),
        ] {
            for elements in (0..=130).chain([BLOCK - 1, BLOCK, BLOCK + 9, 3 * BLOCK + 4]) {
                let index = |i: usize| {
                    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    (mixed >> 32) as u32 & (1u64 << bits).wrapping_sub(1) as u32
                };
                let indices: Vec<u8> = (0..elements)
                    .flat_map(|i| index(i).to_le_bytes().into_iter().take(width))
                    .collect();
                let mut packed = vec![0xcc; packed_len(elements, bits).unwrap()];
                pack(width, &indices, bits, &mut packed);
                for i in 0..elements {
                    let block = i / BLOCK;
                    let plane_bytes = (elements - block * BLOCK).min(BLOCK).div_ceil(8);
                    let start = block * BLOCK / 8 * bits as usize;
                    for bit in 0..bits as usize {
                        let byte = packed[start + bit * plane_bytes + i % BLOCK / 8];
                        assert_eq!(
                            u32::from(byte >> (i % 8) & 1),
                            index(i) >> bit & 1,
                            "width {width} bits {bits} element {i} of {elements}"
                        );
                    }
                }
                let mut back = Vec::new();
                assert!(unpack(width, &packed, bits, elements, |block| {
                    back.extend_from_slice(block);
                    true
                }));
                assert!(back == indices, "width {width} bits {bits} {elements}");
            }
        }
    }

    #[test]
    fn one_value_takes_no_bits() {
        assert_eq!(bits_for(0), 0);
        assert_eq!(bits_for(1), 1);
        assert_eq!(bits_for(255), 8);
        assert_eq!(bits_for(256), 9);
        assert_eq!(bits_for(u32::MAX), 32);
        assert_eq!(packed_len(1000, 0), Some(0));
    }
}
